"""Capacity, thresholds, concentration and expected capture, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from gosales_assets.engine.whitespace.schema import ThresholdsWhitespace
from gosales_assets.engine.whitespace.summary import (
    capture_at,
    checksum,
    expected_lift_at,
    selected_size,
    share_warning,
    thresholds_table,
)


@pytest.mark.parametrize(
    ("rows", "percent", "size"), [(100, 29, 29), (9, 10, 1), (300, 41, 123), (1, 1, 1), (0, 10, 0)]
)
def test_capacity_is_counted_in_integers(rows: int, percent: int, size: int) -> None:
    assert selected_size(rows, percent) == size


def test_thresholds_count_ties() -> None:
    scores = [0.95, 0.90, 0.90, 0.80, 0.70, *[0.69 - i / 100 for i in range(15)]]
    got = thresholds_table(pl.Series(scores[::-1]), capacity_percent=10)
    # 20 scores: the first, the second (tied with the third), the fourth
    assert got.rows() == [("top_percent", 5, 0.95, 1), ("top_percent", 10, 0.90, 3), ("top_percent", 20, 0.80, 4)]
    ThresholdsWhitespace.validate(got, lazy=True)


def test_thresholds_include_the_capacity() -> None:
    got = thresholds_table(pl.Series([0.4, 0.3, 0.2, 0.1]), capacity_percent=50)
    assert got.select("k_percent", "threshold", "count").rows()[-1] == (50, 0.3, 2)


def test_thresholds_of_nothing_keep_their_header() -> None:
    got = thresholds_table(pl.Series([], dtype=pl.Float64), capacity_percent=10)
    assert got.columns == ["mode", "k_percent", "threshold", "count"]
    assert got.is_empty()
    ThresholdsWhitespace.validate(got, lazy=True)


def test_expected_capture_and_lift() -> None:
    p = pl.Series([0.9, 0.5, 0.3, 0.2, 0.1])
    assert capture_at(p, 20) == pytest.approx(0.45)  # .9 / 2
    assert capture_at(p, 40) == pytest.approx(0.70)  # 1.4 / 2
    assert expected_lift_at(p, 20) == pytest.approx(2.25)  # .9 / .4
    assert capture_at(pl.Series([0.0, 0.0]), 10) is None
    assert expected_lift_at(pl.Series([], dtype=pl.Float64), 10) is None


@pytest.mark.parametrize(("a", "b", "warn"), [(80, 20, True), (60, 40, False), (61, 39, True)])
def test_concentration_warns_above_the_limit_only(a: int, b: int, warn: bool) -> None:
    got = share_warning(pl.Series(["A"] * a + ["B"] * b), 0.6)
    assert got == {"division": "A", "max_share": a / 100, "threshold": 0.6, "warn": warn}


def test_concentration_of_nothing() -> None:
    assert share_warning(pl.Series([], dtype=pl.String), 0.6)["warn"] is False


def test_checksum_sees_every_score_and_no_order() -> None:
    rows = pl.DataFrame({"customer_id": ["1", "2"], "division": ["a", "a"], "score": [0.25, 0.5]})
    assert checksum(rows) == checksum(rows.reverse())
    assert checksum(rows) != checksum(rows.with_columns(score=pl.col("score") + 1e-6))
    assert checksum(rows) != checksum(rows.with_columns(customer_id=pl.Series(["1", "3"])))
