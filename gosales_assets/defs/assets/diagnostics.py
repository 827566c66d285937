"""Diagnostics: experiments a modeller asks for. They write where nothing that is delivered reads."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions

    @stage(
        platform,
        "diagnostics/adjacency_ablation",
        ins={
            "features": read("features/features", p.history),
            "labels": read("labels/labels", p.history),
            "feature_list": read("features/feature_list"),
        },
        code=("engine/modeling", "engine/metrics.py"),
        sections=("timeline", "population", "modeling", "validation", "divisions", "taxonomy"),
    )
    def adjacency_ablation(
        context: dg.AssetExecutionContext,
        features: dict[str, pl.DataFrame],
        labels: dict[str, pl.DataFrame],
        feature_list: dict,
    ) -> dict[str, Any]:
        from gosales_assets.engine.modeling.ablation import adjacency_ablation as compared
        from gosales_assets.engine.modeling.train import history_of

        document = compared(
            history_of(features, labels),
            target=platform.target(context),
            cutoff=platform.cutoff(context),
            feature_list=feature_list,
            calendar=settings.calendar,
            modeling=settings.modeling,
            population=settings.population,
            validation=settings.validation,
        )
        return {"adjacency_ablation": document}

    return [adjacency_ablation]
