"""Phase 5: the scores of a cutoff against what happened afterwards."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions

    @stage(
        platform,
        "validation/validation_frame",
        "validation/gains",
        "validation/calibration",
        "validation/topk_scenarios",
        "validation/topk_scenarios_sorted",
        "validation/segment_performance",
        "validation/metrics",
        "validation/drift",
        "observability/alerts",
        ins={
            "division_scores": read("scores/division_scores", p.same),
            "labels": read("labels/labels", p.same),
            "features": read("features/features", p.same),
            "train_scores": read("models/train_scores", p.same),
            "train_feature_sample": read("models/train_feature_sample", p.same),
            "dim_customer": read("star/dim_customer"),
        },
        code=("engine/validation", "engine/metrics.py", "engine/tables.py"),
        sections=("timeline", "validation", "modeling", "population", "whitespace", "divisions", "taxonomy"),
    )
    def validation(
        context: dg.AssetExecutionContext,
        division_scores: pl.DataFrame,
        labels: pl.DataFrame,
        features: pl.DataFrame,
        train_scores: pl.DataFrame,
        train_feature_sample: pl.DataFrame,
        dim_customer: pl.DataFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.validation.validate import validate

        validated = validate(
            division_scores,
            labels,
            features,
            train_scores,
            train_feature_sample,
            dim_customer,
            target=platform.target(context),
            cutoff=platform.cutoff(context),
            validation=settings.validation,
            modeling=settings.modeling,
            population=settings.population,
            whitespace=settings.whitespace,
        )
        outputs = dict(vars(validated))
        outputs["validation_frame"] = outputs.pop("frame")
        return outputs

    return [validation]
