"""A small history with a known signal, shaped like the artifacts training reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from gosales_assets.engine import tables
from gosales_assets.engine.modeling import schema
from gosales_assets.engine.modeling.folds import fold_customer_overlap
from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.rows import History
from gosales_assets.engine.modeling.train import train
from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Calendar, label_window

TARGET = Target("training", "Training", "sku_set", frozenset({"Training"}))
CALENDAR = Calendar(date(2022, 3, 31), date(2024, 12, 31), 3, 6)
CUTOFF = date(2024, 3, 31)
MODELING = ModelingSettings.model_validate(
    {
        "models": ["lgbm"],
        "lgbm": {"n_estimators": 60, "min_data_in_leaf": 20, "learning_rate": 0.1, "num_leaves": 15, "lambda_l2": 5.0}
        | {"feature_fraction": 0.7},
        "early_stopping_rounds": 10,
    }
)
POPULATION = PopulationSettings()
VALIDATION = ValidationSettings()


def feature_list(n: int) -> dict[str, Any]:
    features = [{"name": f"f{i}", "dtype": "Float64", "family": "rfm", "safe": i % 2 == 0} for i in range(n)]
    return {"version": f"list-of-{n}", "features": features}


def features_at(cutoff: date, x: np.ndarray, owner: np.ndarray) -> pl.DataFrame:
    """The features frame of customers ``c0000…`` with matrix ``x``; every 50th is a prospect, some owners lapsed."""
    n = len(x)
    i = np.arange(n)
    ownership = np.where(owner, "owner", np.where(i % 11 == 0, "lapsed", "never"))
    return pl.DataFrame(
        {
            "customer_id": [f"c{j:04d}" for j in range(n)],
            "segment": np.where(i % 50 == 49, "prospect", np.where(i % 7 == 0, "cold", "warm")),
            "ownership": ownership,
            "context__gp_recent": np.round(np.exp(x[:, -1]) * 100, 2) - 20.0,
            "context__tx_recent": (i % 5).astype(np.int32),
            "context__gp_life": np.round(np.exp(x[:, -1]) * 500, 2),
            "context__recency_days": (i % 365).astype(np.int32),
            **{f"f{k}": x[:, k] for k in range(x.shape[1])},
        }
    )


def labels_at(
    cutoff: date, y: np.ndarray, ownership: Sequence[str], *, months: int = 6, censored: int = 0
) -> pl.DataFrame:
    window = label_window(cutoff, months)
    return pl.DataFrame(
        {
            "customer_id": [f"c{j:04d}" for j in range(len(y))],
            "label": y.astype(np.int8),
            "window_end": [window.until] * len(y),
            "requested_window_months": np.full(len(y), months, dtype=np.int16),
            "effective_window_months": np.full(len(y), months, dtype=np.int16),
            "ownership": list(ownership),
            "censored_flag": np.full(len(y), censored, dtype=np.int8),
        }
    )


def history(
    n: int = 400,
    *,
    cutoffs: Sequence[date] | None = None,
    signal: float = 1.2,
    base: float = -1.6,
    n_features: int = 6,
    owners: float = 0.2,
    months: int = 6,
    censored: Sequence[date] = (),
    seed: int = 0,
) -> dict[date, History]:
    """Features and labels per cutoff; the log-odds of a purchase are ``base + signal * f0`` plus 1 for owners."""
    rng = np.random.default_rng(seed)
    owner = rng.random(n) < owners
    made = {}
    for c in CALENDAR.history(CUTOFF) if cutoffs is None else cutoffs:
        x = rng.normal(size=(n, n_features))
        log_odds = base + signal * x[:, 0] + owner
        y = rng.random(n) < 1 / (1 + np.exp(-log_odds))
        unknown = rng.random((n, n_features)) < 0.05
        known = features_at(c, x, owner).with_columns(
            pl.Series(f"f{k}", np.where(unknown[:, k], np.nan, x[:, k])).fill_nan(None) for k in range(n_features)
        )
        made[c] = History(
            known, labels_at(c, y, known["ownership"].to_list(), months=months, censored=int(c in censored))
        )
    return made


def overlap_of(past: dict[date, History], modeling: ModelingSettings = MODELING) -> pl.DataFrame:
    return fold_customer_overlap(past, CALENDAR, modeling, POPULATION, cutoff=CUTOFF)


def train_on(
    past: dict[date, History],
    *,
    modeling: ModelingSettings = MODELING,
    population: PopulationSettings = POPULATION,
    validation: ValidationSettings = VALIDATION,
    n_features: int = 6,
    features: dict[str, Any] | None = None,
    cutoff: date = CUTOFF,
    overlap: pl.DataFrame | None = None,
    workers: int | None = None,
) -> Training:
    return train(
        past,
        target=TARGET,
        cutoff=cutoff,
        feature_list=features or feature_list(n_features),
        overlap=overlap_of(past, modeling) if overlap is None else overlap,
        calendar=CALENDAR,
        modeling=modeling,
        population=population,
        validation=validation,
        workers=workers,
    )


def assert_valid(training: Training) -> None:
    """Every file of a training has the form of its schema, and its documents are strict JSON."""
    schema.ModelDocument.model_validate(training.model)
    schema.ModelMetrics.model_validate(training.metrics)
    schema.ModelCard.model_validate(training.model_card)
    for document in (training.model, training.metrics, training.model_card):
        assert json.loads(json.dumps(document, allow_nan=False)) == document
    for model, frame in (
        (tables.Gains, training.gains),
        (tables.Calibration, training.calibration),
        (tables.Thresholds, training.thresholds),
        (schema.ShapSummary, training.shap_summary),
        (schema.TrainScores, training.train_scores),
        (schema.TrainFeatureSample, training.train_feature_sample),
    ):
        model.validate(frame, lazy=True)


def digest(training: Training) -> dict[str, str]:
    """sha256 of each file of a training."""
    return {
        field.name: hashlib.sha256(
            (value.write_json() if isinstance(value, pl.DataFrame) else json.dumps(value)).encode()
        ).hexdigest()
        for field in fields(training)
        for value in [getattr(training, field.name)]
    }
