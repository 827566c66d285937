"""A small consistent set of validation inputs: scores that mean something, and what followed."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from gosales_assets.engine.validation.validate import Validation, validate
from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings, WhitespaceSettings
from gosales_assets.taxonomy import Target

CUTOFF = date(2024, 6, 30)
TARGET = Target("cam", "CAM", "division", frozenset(), division="CAM")

ROWS = 600


def inputs(n: int = ROWS, seed: int = 0, rate: float = 0.25) -> dict[str, pl.DataFrame]:
    """Scores whose probability is true, labels drawn from them, and a training history of the same population."""
    rng = np.random.default_rng(seed)
    ids = [f"{i:05d}" for i in range(n)]
    p = rng.beta(1.0, 1.0 / rate - 1, n).clip(0.001, 0.999)
    label = (rng.random(n) < p).astype(np.int8)
    who = pl.DataFrame(
        {
            "customer_id": ids,
            "division": "cam",
            "division_name": "CAM",
            "cutoff": CUTOFF,
            "window_start": date(2024, 7, 1),
            "window_end": date(2024, 12, 31),
            "segment": rng.choice(["warm", "cold"], n, p=[0.8, 0.2]).tolist(),
            "ownership": rng.choice(["owner", "lapsed", "never"], n, p=[0.3, 0.1, 0.6]).tolist(),
        }
    )
    scores = who.with_columns(
        pl.lit(6, pl.Int16).alias("prediction_window_months"),
        pl.Series("p_hat", p),
        pl.Series("margin", np.log(p / (1 - p))),
        pl.lit(rate).alias("base_rate"),
        pl.lit("ok").alias("model_status"),
        pl.lit("platt").alias("calibration_method"),
        pl.lit("abc").alias("model_version"),
        *(pl.lit(None, pl.String).alias(f"reason_{i}") for i in (1, 2, 3)),
        pl.Series("context__gp_recent", rng.lognormal(6, 1, n).round(2)),
        pl.Series("context__tx_recent", rng.poisson(3, n), pl.Int32),
        pl.Series("context__gp_life", rng.lognormal(7, 1, n).round(2)),
        pl.Series("context__recency_days", rng.integers(0, 500, n), pl.Int32),
    )
    labels = who.with_columns(
        pl.Series("label", label),
        pl.lit(6, pl.Int16).alias("effective_window_months"),
        pl.lit(0, pl.Int8).alias("censored_flag"),
        pl.Series("net_gp_window", (label * rng.lognormal(5, 1, n)).round(2)),
    )
    train_ids = [f"{i:05d}" for i in range(n)]
    train_p = rng.beta(1.0, 1.0 / rate - 1, n)
    train_scores = pl.DataFrame(
        {
            "customer_id": train_ids * 2,
            "cutoff": [date(2023, 12, 31)] * (2 * n),
            "ownership": who["ownership"].to_list() * 2,
            "fold_kind": ["group"] * n + ["time"] * n,
            # Scores of the other kind of fold are far off: reading them would show.
            "p_oof": [*train_p.tolist(), *[0.99] * n],
        }
    )
    features = scores.select("customer_id", "segment", "ownership", "context__gp_recent").with_columns(
        pl.Series("rfm__all__gp_sum__12m", rng.lognormal(6, 1, n)),
        pl.Series("rfm__all__tx_n__12m", rng.poisson(1, n), pl.Int32),
        pl.Series("lifecycle__all__tenure_days__life", rng.integers(500, 1000, n), pl.Int32),
    )
    sample = features.drop("context__gp_recent").with_columns(
        pl.Series("rfm__all__gp_sum__12m", rng.lognormal(6, 1, n)),
        pl.Series("rfm__all__tx_n__12m", rng.poisson(1, n), pl.Int32),
        pl.Series("lifecycle__all__tenure_days__life", rng.integers(0, 500, n), pl.Int32),
    )
    dim = pl.DataFrame(
        {"customer_id": ids, "industry": rng.choice(["a", "b", None], n).tolist(), "industry_sub": [None] * n},
        schema_overrides={"industry": pl.String, "industry_sub": pl.String},
    )
    return {
        "scores": scores,
        "labels": labels,
        "features": features,
        "train_scores": train_scores,
        "train_feature_sample": sample,
        "dim": dim,
    }


def run(frames: dict[str, pl.DataFrame], **settings: Any) -> Validation:
    return validate(
        **frames,
        target=TARGET,
        cutoff=CUTOFF,
        validation=settings.get("validation", ValidationSettings()),
        modeling=settings.get("modeling", ModelingSettings()),
        population=settings.get("population", PopulationSettings()),
        whitespace=settings.get("whitespace", WhitespaceSettings()),
    )
