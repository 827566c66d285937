from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.modeling import schema
from gosales_assets.engine.modeling.ablation import adjacency_ablation
from gosales_assets.engine.modeling.rows import History
from gosales_assets.settings import ModelingSettings, ValidationSettings
from gosales_assets_tests.engine.modeling import world

LINEAR = {"models": ["logreg"], "logreg": {"C": 0.1}}


def ablated(past: dict[date, History], *, validation: ValidationSettings = world.VALIDATION, **changes: object) -> dict:
    document = adjacency_ablation(
        past,
        target=world.TARGET,
        cutoff=world.CUTOFF,
        feature_list=world.feature_list(6),
        calendar=world.CALENDAR,
        modeling=ModelingSettings.model_validate(world.MODELING.model_dump() | LINEAR | changes),
        population=world.POPULATION,
        validation=validation,
    )
    schema.AdjacencyAblation.model_validate(document)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


def only(past: dict[date, History], feature: str) -> dict[date, History]:
    """The signal of f0 moved to another feature."""
    swapped = [pl.col("f0").alias(feature), pl.col(feature).alias("f0")] if feature != "f0" else []
    return {c: h._replace(features=h.features.with_columns(swapped)) for c, h in past.items()}


def adjacent(past: dict[date, History]) -> dict[date, History]:
    """f1, which is not safe, is the label of the history's early cutoffs and noise in the later ones."""
    first = min(past)
    early = past[first]
    known = early.features.drop("f1").join(
        early.labels.select("customer_id", (pl.col("label") * 4.0 + pl.col("label").cum_count() % 3).alias("f1")),
        "customer_id",
    )
    second = sorted(past)[1]
    other = past[second]
    known_too = other.features.drop("f1").join(
        other.labels.select("customer_id", (pl.col("label") * 4.0 + pl.col("label").cum_count() % 3).alias("f1")),
        "customer_id",
    )
    return past | {first: early._replace(features=known), second: other._replace(features=known_too)}


def test_nothing_is_lost_when_the_signal_is_safe(past: dict) -> None:
    document = ablated(past)
    assert document["status"] == "PASS"
    assert document["cutoffs"] == ["2023-06-30", "2023-09-30"]
    assert (document["variants"]["full"]["n_features"], document["variants"]["safe"]["n_features"]) == (8, 5)
    delta = document["safe_minus_full"]["auc"]
    assert delta["lo"] <= delta["value"] <= delta["hi"]
    assert delta["value"] == pytest.approx(delta["a"] - delta["b"])
    assert abs(delta["value"]) < 0.03


def test_what_is_not_safe_is_missed_when_it_carries_the_signal(past: dict) -> None:
    document = ablated(only(past, "f1"))
    assert document["status"] == "PASS"
    assert document["safe_minus_full"]["auc"]["hi"] < 0


def test_a_feature_that_works_in_the_past_only_is_found(past: dict) -> None:
    document = ablated(adjacent(past))
    assert document["status"] == "FAIL"
    assert document["safe_minus_full"]["auc"]["lo"] > 0
    assert "add training to modeling.safe_divisions" in document["reason"]
    heeded = ablated(adjacent(past), safe_divisions=["training"])
    assert (heeded["status"], heeded["safe_minus_full"]) == ("PASS", document["safe_minus_full"])


@pytest.mark.parametrize(
    ("history", "validation", "reason"),
    [
        ({}, world.VALIDATION, "no model can be trained: no_closed_history"),
        (world.history(300, cutoffs=world.CALENDAR.history(world.CUTOFF)[:2]), world.VALIDATION, "too short"),
        (world.history(), ValidationSettings(min_positives_gate=5000), "5000 are needed"),
    ],
)
def test_too_little_to_judge_is_said(history: dict, validation: ValidationSettings, reason: str) -> None:
    document = ablated(history, validation=validation)
    assert document["status"] == "INSUFFICIENT_DATA"
    assert reason in document["reason"]
