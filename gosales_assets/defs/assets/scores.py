"""Scores: a model on the features of its own cutoff, and the newest closed evidence about its calibration."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions

    @stage(
        platform,
        "scores/division_scores",
        ins={
            "model": read("models/model"),
            "features": read("features/features", p.same),
            "feature_list": read("features/feature_list"),
        },
        code=("engine/scoring", "engine/modeling"),
        sections=("timeline", "population", "labels", "divisions", "taxonomy"),
    )
    def division_scores(
        context: dg.AssetExecutionContext, model: dict, features: pl.DataFrame, feature_list: dict
    ) -> dict[str, Any]:
        from gosales_assets.engine.scoring.conform import unlisted
        from gosales_assets.engine.scoring.score import score

        ignored = unlisted(features, feature_list)
        context.add_output_metadata({"columns_ignored": ignored}, output_name="division_scores")
        target, cutoff = platform.target(context), platform.cutoff(context)
        frame = score(
            model,
            features,
            target=target,
            cutoff=cutoff,
            feature_list=feature_list,
            window_months=settings.label_window_months(target),
            population=settings.population,
        )
        return {"division_scores": frame}

    @stage(
        platform,
        "scores/closed_calibration",
        ins={"calibration": read("validation/calibration", p.last_closed, existing=True)},
        code=("engine/validation", "engine/metrics.py", "engine/tables.py"),
        sections=("timeline", "validation", "population", "divisions"),
    )
    def closed_calibration(context: dg.AssetExecutionContext, calibration: dict[str, pl.DataFrame]) -> dict[str, Any]:
        from gosales_assets.engine.validation.closed import closed_calibration as evidence

        by_cutoff = {key.partition("|")[0]: frame for key, frame in calibration.items()}
        document = evidence(
            by_cutoff,
            target=platform.target(context),
            cutoff=platform.cutoff(context),
            population=settings.population.evaluate_on,
            validation=settings.validation,
        )
        return {"closed_calibration": document}

    return [division_scores, closed_calibration]
