"""Roll-ups: what is delivered, and the tables that span all partitions. Rebuilt from the partitions that exist."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, read, spec_of, stage


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions

    @stage(
        platform,
        "rollups/icp_scores",
        ins={
            "division_scores": read("scores/division_scores", p.everything, existing=True),
            # What is fed to the CRM is a release: scores without an open leakage gate are not.
            "leakage_report": read(
                "leakage/leakage_report", p.everything, existing=True, on_closed=settings.release.on_closed_gate
            ),
            "dim_customer": read("star/dim_customer"),
        },
        code=("engine/reports",),
        sections=("divisions", "taxonomy", "timeline", "release"),
    )
    def icp_scores(
        context: dg.AssetExecutionContext,
        division_scores: dict[str, pl.LazyFrame],
        leakage_report: dict[str, dict],
        dim_customer: pl.DataFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.reports.rollups import icp_scores as deliver

        released = {key: scores for key, scores in division_scores.items() if key in leakage_report}
        return {"icp_scores": deliver(released, dim_customer, targets=settings.targets)}

    @stage(
        platform,
        "rollups/whitespace",
        ins={"whitespace": read("whitespace/whitespace", p.everything, existing=True)},
        code=("engine/reports",),
        sections=("divisions", "timeline"),
    )
    def whitespace_rollup(context: dg.AssetExecutionContext, whitespace: dict[str, pl.DataFrame]) -> dict[str, Any]:
        from gosales_assets.engine.reports.rollups import latest_whitespace

        return {"whitespace": latest_whitespace(whitespace)}

    @stage(
        platform,
        "rollups/metrics_summary",
        ins={
            "validation_metrics": read("validation/metrics", p.everything, existing=True),
            "model_metrics": read("models/metrics", p.everything, existing=True),
            "leakage_reports": read(
                "leakage/leakage_report", p.everything, existing=True, on_closed=settings.release.on_closed_gate
            ),
        },
        code=("engine/reports",),
        sections=("divisions", "timeline", "release"),
    )
    def metrics_summary(
        context: dg.AssetExecutionContext,
        validation_metrics: dict[str, dict],
        model_metrics: dict[str, dict],
        leakage_reports: dict[str, dict],
    ) -> dict[str, Any]:
        from gosales_assets.engine.reports.rollups import metrics_summary as summarise

        return {"metrics_summary": summarise(validation_metrics, model_metrics, leakage_reports)}

    # Written by the IO manager when the primary file is locked; a node of its own, so that it shows.
    return [icp_scores, whitespace_rollup, metrics_summary, spec_of(CATALOG["rollups/icp_scores_fallback"])]
