"""Phase 1: what happened in the label window."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs import pictures
from gosales_assets.defs.stage import Platform, Result, read, stage
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
        dim_customer: pl.LazyFrame,
        fact_assets: pl.DataFrame,
    ) -> Result:
        from gosales_assets.engine.labels import audit
        from gosales_assets.engine.labels.build import build_labels, label_prevalence

        target, cutoff = platform.target(context), platform.cutoff(context)
        labelled = build_labels(
            fact_transactions,
            dim_customer,
            target,
            cutoff,
            window_months=settings.label_window_months(target),
            labels=settings.labels,
            ownership=settings.ownership,
            population=settings.population,
            as_of=declared_as_of(settings.sources.sales_log),
            assets=fact_assets,
        )
        prevalence = label_prevalence(labelled, mode=settings.labels.mode)
        picture = pictures.bars(
            f"{target.display} after {cutoff}: positives",
            pictures.shares("cohort", audit.by_cohort(prevalence)),
            pictures.shares("industry", audit.by_industry(labelled, dim_customer)),
            pictures.counts("month of first purchase", audit.by_month(labelled)),
        )
        return Result(
            {"labels": labelled, "label_prevalence": prevalence},
            metadata={"label_prevalence": {"audit": picture.markdown}},
        )

    @stage(
        platform,
        "labels/cutoff_manifest",
        ins={
            "labels": read("labels/labels", p.every_cutoff, existing=True),
            "fact_transactions": read("star/fact_transactions"),
            "checksums": read("star/checksums"),
        },
        code=("engine/labels", "engine/population.py", "sources/inputs.py"),
        sections=sections,
    )
    def cutoff_manifest(
        context: dg.AssetExecutionContext,
        labels: dict[str, pl.DataFrame],
        fact_transactions: pl.LazyFrame,
        checksums: dict,
    ) -> Result:
        from gosales_assets.engine.labels import audit
        from gosales_assets.engine.labels.manifest import cutoff_manifest as manifest

        by_cutoff = {key.partition("|")[0]: frame for key, frame in labels.items()}
        target = platform.target(context)
        document = manifest(
            target,
            by_cutoff,
            fact_transactions,
            labels_settings=settings.labels,
            window_months=settings.label_window_months(target),
            as_of=declared_as_of(settings.sources.sales_log),
            fact_checksum=checksums["fact_transactions"]["sha256"],
        )
        picture = pictures.history(
            f"{target.display}: prevalence over cutoffs",
            audit.by_cutoff(by_cutoff, mode=settings.labels.mode),
        )
        return Result({"cutoff_manifest": document}, metadata={"cutoff_manifest": {"prevalence": picture.markdown}})

    return [labels, cutoff_manifest]
