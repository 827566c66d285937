"""Phase 3: the model that could be trained on the morning after the cutoff."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs import cards
from gosales_assets.defs.stage import Platform, Result, read, stage
from gosales_assets.engine.modeling.guardrails import described, findings, severities


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions
    severity = severities(settings.gates.severity)

    @stage(
        platform,
        "models/model",
        "models/metrics",
        "models/gains",
        "models/calibration",
        "models/thresholds",
        "models/model_card",
        "models/shap_summary",
        "models/train_scores",
        "models/train_feature_sample",
        ins={
            "features": read("features/features", p.history),
            "labels": read("labels/labels", p.history),
            # Held by the guard: a model does not learn from a matrix whose audit is shut.
            "feature_date_audit": read("leakage/feature_date_audit", p.history),
            "static_scan": read("leakage/static_scan", p.history),
            "fold_customer_overlap": read("leakage/fold_customer_overlap"),
            "feature_list": read("features/feature_list"),
        },
        code=("engine/modeling", "engine/metrics.py", "engine/tables.py"),
        sections=("timeline", "population", "modeling", "validation", "divisions", "taxonomy"),
        checks={"model": {"gate_label_window": "ERROR"}, "model_card": severity},
        descriptions=described(),
        evidence=("model_card",),
    )
    def model(
        context: dg.AssetExecutionContext,
        features: dict[str, pl.DataFrame],
        labels: dict[str, pl.DataFrame],
        feature_date_audit: dict[str, pl.DataFrame],
        static_scan: dict[str, dict],
        fold_customer_overlap: pl.DataFrame,
        feature_list: dict,
    ) -> Result:
        from gosales_assets.engine.modeling.train import history_of, label_window_finding, train

        trained = train(
            history_of(features, labels),
            target=platform.target(context),
            cutoff=platform.cutoff(context),
            feature_list=feature_list,
            overlap=fold_customer_overlap,
            calendar=settings.calendar,
            modeling=settings.modeling,
            population=settings.population,
            validation=settings.validation,
        )
        found = [label_window_finding(trained.model), *findings(trained.model_card, severity)]
        pictures = cards.of_model(
            f"{trained.model['division_name']} at {trained.model['cutoff']}",
            trained.calibration,
            trained.gains,
            trained.shap_summary,
            no_model=trained.metrics["reason"],
        )
        return Result(vars(trained), found, pictures=pictures)

    return [model]
