"""Honesty: where there is nothing to learn, nothing is claimed.

Labels are drawn by a coin after the features, independently per customer and cutoff. Whatever a training reports of
them beyond chance is a leak or a lie. Chance of an AUC over n1 positives and n0 negatives has standard deviation
sqrt((n + 1) / (12 n1 n0)); positives among the top m of n are hypergeometric.

Folds are held to the same formula, as if they were independent. They are not: each is ranked by what the others taught,
so that every pair of folds counts twice and a mean over them varies by up to sqrt(2) more. Over 220 sets of coins per
division (seeds 0-79, 100-119, 300-319, 500-519, 600-679) the sums of twenty had mean 0.35 and standard deviation 1.4;
one of 33, rare from seed 100, was above 3.3.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.rows import History
from gosales_assets.engine.scoring.score import score
from gosales_assets.settings import ModelingSettings
from gosales_assets_tests.engine.modeling import world

N, N_FEATURES = 2200, 12
BASE_RATES = {"rare": 0.1, "common": 0.15, "frequent": 0.3}
#: The defaults, fitted in fewer rounds: what is tested is the accounting, not the trees.
MODELING = ModelingSettings.model_validate(
    {"lgbm": {"n_estimators": 60, "learning_rate": 0.1, "min_data_in_leaf": 50}, "early_stopping_rounds": 10}
)


def coin_world(seed: int, rate: float) -> dict[date, History]:
    """Customers with lasting traits and noisy features, and labels that know nothing of them."""
    rng = np.random.default_rng(seed)
    lasting = rng.lognormal(0, 1, (N, N_FEATURES))
    owner = rng.random(N) < 0.2
    made = {}
    for c in [*world.CALENDAR.history(world.CUTOFF), world.CUTOFF]:
        features = world.features_at(c, lasting + rng.normal(0, 0.5, (N, N_FEATURES)), owner)
        labels = (rng.random(N) < rate).astype(np.int8)
        made[c] = History(features, world.labels_at(c, labels, features["ownership"].to_list()))
    return made


class Claim(NamedTuple):
    forward: float
    top: float
    out_of_fold: float
    verdict: str
    positives: int


def claim(seed: int, rate: float) -> Claim:
    past = coin_world(seed, rate)
    now = past.pop(world.CUTOFF)
    training = world.train_on(past, modeling=MODELING, n_features=N_FEATURES)
    assert training.model["status"] == "ok"
    scores = score(
        training.model,
        now.features,
        target=world.TARGET,
        cutoff=world.CUTOFF,
        feature_list=world.feature_list(N_FEATURES),
        window_months=6,
        population=world.POPULATION,
    )
    judged = scores.join(now.labels.select("customer_id", "label"), "customer_id").filter(
        pl.col("ownership") != "owner"
    )
    forward, variance = against_chance(judged)
    order = metrics.model_order(judged["p_hat"], judged["margin"], judged["customer_id"])
    return Claim(
        (forward - 0.5) / math.sqrt(variance),
        hypergeometric_z(judged["label"].to_numpy(), order),
        out_of_fold_z(training),
        training.model_card["signal"],
        int(judged["label"].sum()),
    )


def against_chance(rows: pl.DataFrame) -> tuple[float, float]:
    value = metrics.auc(rows["label"], rows["margin"])
    positives, n = int(rows["label"].sum()), rows.height
    assert value is not None
    return value, (n + 1) / (12 * positives * (n - positives))


def hypergeometric_z(y: np.ndarray, order: np.ndarray) -> float:
    n, positives, m = len(y), int(y.sum()), metrics.top_m(len(y), 10)
    variance = m * positives / n * (1 - positives / n) * (n - m) / (n - 1)
    return float((y[order[:m]].sum() - m * positives / n) / math.sqrt(variance))


def out_of_fold_z(training: Training) -> float:
    rows = training.train_scores.filter((pl.col("fold_kind") == "group") & (pl.col("ownership") != "owner"))
    found = [against_chance(part) for part in rows.partition_by("cutoff", "fold")]
    mean = sum(value for value, _ in found) / len(found)
    return (mean - 0.5) / math.sqrt(sum(variance for _, variance in found) / len(found) ** 2)


def judge(claims: list[Claim], most_false: int) -> None:
    root = math.sqrt(len(claims))
    assert min(c.positives for c in claims) >= 100
    assert abs(sum(c.forward for c in claims)) / root <= 3.3
    assert sum(c.top for c in claims) / root <= 3.3
    assert sum(c.out_of_fold for c in claims) / root <= 3.3
    assert max(max(abs(c.forward), abs(c.out_of_fold)) for c in claims) <= 4
    assert sum(c.verdict != "none" for c in claims) <= most_false


def test_coins_are_called_coins() -> None:
    judge([claim(seed, BASE_RATES["common"]) for seed in range(4)], most_false=1)


@pytest.mark.slow
@pytest.mark.parametrize("division", BASE_RATES)
def test_coins_are_called_coins_in_twenty_worlds(division: str) -> None:
    judge([claim(seed, BASE_RATES[division]) for seed in range(20)], most_false=2)


def test_the_tests_of_chance_find_what_is_not_chance() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(1000) < 0.1).astype(np.int8)
    rows = pl.DataFrame({"label": y, "margin": y + rng.normal(size=1000)})
    value, variance = against_chance(rows)
    assert (value - 0.5) / math.sqrt(variance) > 4
    order = np.argsort(-rows["margin"].to_numpy())
    assert hypergeometric_z(y, order) > 4
    # Ten of the ten positives in the top ten: expectation 1, variance 10 * .1 * .9 * 90 / 99.
    best = np.zeros(100, dtype=np.int64)
    best[:10] = 1
    assert hypergeometric_z(best, np.arange(100)) == pytest.approx(9 / math.sqrt(10 * 0.1 * 0.9 * 90 / 99))
