from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.compare import paired

FIRST, SECOND = date(2023, 6, 30), date(2023, 12, 31)


def rows(n: int, cutoffs: list[date], seed: int = 0, better: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for c in cutoffs:
        y = (rng.random(n) < 0.2).astype(np.int8)
        noise = rng.normal(size=n)
        parts.append(
            pl.DataFrame(
                {
                    "customer_id": [f"c{i:04d}" for i in range(n)],
                    "cutoff": [c] * n,
                    "label": y,
                    "a": y * (0.5 + better) + noise,
                    "b": y * 0.5 + noise,
                }
            )
        )
    return pl.concat(parts)


def test_values_are_those_of_the_metrics_averaged_over_cutoffs() -> None:
    frame = rows(300, [FIRST, SECOND], better=1.0)
    found = paired(frame, k_percent=10, resamples=50, seed=1)
    expected = [metrics.auc(p["label"].to_numpy(), p["a"].to_numpy()) for p in frame.partition_by("cutoff")]
    assert found["auc"].a == pytest.approx(np.mean(expected))
    lifts = [
        metrics.lift_at_k(p["label"].to_numpy(), metrics.model_order(p["b"], p["b"], p["customer_id"]), 10)
        for p in frame.partition_by("cutoff")
    ]
    assert found["lift"].b == pytest.approx(np.mean(lifts))
    assert found["auc"].lo > 0
    assert found["auc"].value == pytest.approx(found["auc"].a - found["auc"].b)


def test_ties_count_half() -> None:
    frame = rows(6, [FIRST]).with_columns(
        label=pl.Series([1, 0, 1, 0, 0, 0]), a=pl.Series([1.0, 1, 0, 0, 0, 0]), b=pl.lit(0.0)
    )
    # a: the first positive wins 3 and ties 1 of 4; the second ties 3 and loses 1: (3.5 + 1.5) / 8.
    found = paired(frame, k_percent=50, resamples=2, seed=0)["auc"]
    assert (found.a, found.b) == (pytest.approx(5 / 8), 0.5)


def test_equal_rankings_differ_by_nothing_and_noise_by_nothing_sure() -> None:
    same = rows(200, [FIRST])
    found = paired(same, k_percent=10, resamples=100, seed=3)
    assert (found["auc"].value, found["auc"].lo, found["auc"].hi) == (0.0, 0.0, 0.0)
    rng = np.random.default_rng(9)
    noisy = same.with_columns(a=pl.Series(rng.normal(size=200)), b=pl.Series(rng.normal(size=200)))
    found = paired(noisy, k_percent=10, resamples=200, seed=3)
    assert found["auc"].lo < 0 < found["auc"].hi


def test_probabilities_are_soft_labels() -> None:
    # One row is a positive by 3/4, the other by 1/4. Pairs: P1 N2 = 9/16 won, P2 N1 = 1/16 lost, and each row ties
    # with itself: 2 * 3/16 at one half. AUC = (9/16 + 3/16) / (1 * 1) = 3/4.
    frame = rows(2, [FIRST]).with_columns(
        label=pl.Series([0.75, 0.25]), a=pl.Series([2.0, 1.0]), b=pl.Series([1.0, 2.0])
    )
    found = paired(frame, k_percent=50, resamples=2, seed=0)
    assert (found["auc"].a, found["auc"].b) == (0.75, 0.25)
    assert (found["lift"].a, found["lift"].b) == (1.5, 0.5)


def test_rows_in_any_order_give_the_same_interval() -> None:
    frame = rows(150, [FIRST, SECOND], better=0.3)
    again = frame.sample(fraction=1.0, shuffle=True, seed=4)
    assert paired(frame, k_percent=10, resamples=60, seed=5) == paired(again, k_percent=10, resamples=60, seed=5)


def test_customers_are_resampled_with_all_their_rows() -> None:
    # The same rows at two cutoffs are no more evidence than once: the interval stays as wide.
    once = rows(200, [FIRST], better=0.5)
    twice = pl.concat([once, once.with_columns(cutoff=pl.lit(SECOND))])
    a, b = (paired(f, k_percent=10, resamples=300, seed=2)["auc"] for f in (once, twice))
    assert b.hi - b.lo == pytest.approx(a.hi - a.lo)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="no cutoff"):
        paired(rows(20, [FIRST]).with_columns(label=pl.lit(0)), k_percent=10, resamples=2, seed=0)
