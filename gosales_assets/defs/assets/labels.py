"""Phase 1: what happened in the label window."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage
from gosales_assets.sources.inputs import declared_as_of


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions
    sections = ("taxonomy", "timeline", "labels", "ownership", "population", "sources", "divisions")

    @stage(
        platform,
        "labels/labels",
        "labels/label_prevalence",
        ins={
            "fact_transactions": read("star/fact_transactions"),
            "dim_customer": read("star/dim_customer"),
            "fact_assets": read("star/fact_assets"),
        },
        code=("engine/labels", "engine/population.py", "sources/inputs.py"),
        sections=sections,
    )
    def labels(
        context: dg.AssetExecutionContext,
        fact_transactions: pl.LazyFrame,
        dim_customer: pl.DataFrame,
        fact_assets: pl.DataFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.labels.build import build_labels, label_prevalence

        target = platform.target(context)
        labelled = build_labels(
            fact_transactions,
            dim_customer,
            target,
            platform.cutoff(context),
            window_months=settings.label_window_months(target),
            labels=settings.labels,
            ownership=settings.ownership,
            population=settings.population,
            as_of=declared_as_of(settings.sources.sales_log),
            assets=fact_assets,
        )
        return {"labels": labelled, "label_prevalence": label_prevalence(labelled, mode=settings.labels.mode)}

    @stage(
        platform,
        "labels/cutoff_manifest",
        ins={"labels": read("labels/labels", p.every_cutoff, existing=True)},
        code=("engine/labels", "engine/population.py", "sources/inputs.py"),
        sections=sections,
    )
    def cutoff_manifest(context: dg.AssetExecutionContext, labels: dict[str, pl.DataFrame]) -> dict[str, Any]:
        from gosales_assets.engine.labels.manifest import cutoff_manifest as manifest

        by_cutoff = {key.partition("|")[0]: frame for key, frame in labels.items()}
        target = platform.target(context)
        document = manifest(
            target,
            by_cutoff,
            labels_settings=settings.labels,
            window_months=settings.label_window_months(target),
            as_of=declared_as_of(settings.sources.sales_log),
        )
        return {"cutoff_manifest": document}

    return [labels, cutoff_manifest]
