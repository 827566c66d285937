"""Percentiles, grades, capped value, coverage and weights, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.whitespace.components import (
    COMPONENTS,
    coverage_and_weights,
    grade,
    percentile,
    scaled_weights,
    with_components,
)
from gosales_assets.settings import WhitespaceSettings

BASE = (0.6, 0.2, 0.1, 0.1)


def ranks(values: list[float | None], constant: float = 0.0) -> list[float | None]:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    return frame.select(percentile("x", constant=constant)).to_series().to_list()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 5, 5, 5, 5, 5, 5, 5, 5, 5], [0.0] * 10),
        # ranks 4, 2.5, 2.5, 1 of 4
        ([0.8, 0.4, 0.4, 0.1], [1, 0.625, 0.625, 0.25]),
        # three zeros share ranks 1..3: 2 of 4
        ([0, 0, 0, 5], [0.5, 0.5, 0.5, 1]),
        ([1, None, 2], [0.5, None, 1]),
        ([1, nan, 2], [0.5, None, 1]),
        ([], []),
        ([None, None], [None, None]),
        ([3, None], [0.0, None]),
        ([3], [0.0]),
    ],
)
def test_percentile(values: list[float | None], expected: list[float | None]) -> None:
    assert ranks(values) == expected


def test_percentile_of_a_constant_group_is_what_the_caller_says() -> None:
    assert ranks([7, 7, 7], constant=0.5) == [0.5] * 3
    assert ranks([7], constant=0.5) == [0.5]


def test_percentile_within_groups_judges_each_group_alone() -> None:
    frame = pl.DataFrame({"g": ["a", "b", "a", "b", "c"], "x": [1.0, 9.0, 2.0, 9.0, 4.0]})
    got = frame.select(percentile("x", over="g", constant=0.5)).to_series().to_list()
    assert got == [0.5, 0.5, 1.0, 0.5, 0.5]


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5).map(float)), max_size=30))
@settings(max_examples=60)
def test_percentile_keeps_order_and_ties(values: list[float | None]) -> None:
    got = ranks(values)
    known = [(v, r) for v, r in zip(values, got, strict=True) if v is not None]
    assert [r is None for r in got] == [v is None for v in values]
    if len({v for v, _ in known}) < 2:
        assert all(r == 0 for _, r in known)
        return
    for v, r in known:
        below = sum(w < v for w, _ in known)
        same = sum(w == v for w, _ in known)
        assert r == pytest.approx((below + (same + 1) / 2) / len(known))


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        (0.90, "A"),
        (0.8999, "B"),
        (0.70, "B"),
        (0.6999, "C"),
        (0.40, "C"),
        (0.3999, "D"),
        (0.20, "D"),
        (0.1999, "F"),
        (0.0, "F"),
        (nan, "F"),
        (None, None),
    ],
)
def test_grade(value: float | None, letter: str | None) -> None:
    frame = pl.DataFrame({"x": [value]}, schema={"x": pl.Float64})
    assert frame.select(grade("x")).item() == letter


def test_grades_of_percentiles() -> None:
    # ranks 1, 2.5, 2.5, 5, 4 of 5
    frame = pl.DataFrame({"p": [0.1, 0.2, 0.2, 0.9, 0.5]}).with_columns(pct=percentile("p"))
    assert frame["pct"].to_list() == [0.2, 0.5, 0.5, 1.0, 0.8]
    assert frame.select(grade("pct")).to_series().to_list() == ["D", "C", "C", "A", "B"]


@pytest.mark.parametrize(
    ("lift", "als", "expected"),
    [
        # .6 .2*2/3 .1*1/3 .1 -> sum .866667
        (0.20, 0.10, (0.692308, 0.153846, 0.038462, 0.115385)),
        # .6 0 0 .1 -> sum .7
        (0.0, 0.0, (0.857143, 0.0, 0.0, 0.142857)),
        # .6 .2 0 .1 -> sum .9
        (0.5, 0.0, (0.666667, 0.222222, 0.0, 0.111111)),
        # .6 .1 .1 .1 -> sum .9
        (0.15, 0.30, (0.666667, 0.111111, 0.111111, 0.111111)),
    ],
)
def test_weights_scale_with_coverage(lift: float, als: float, expected: tuple[float, ...]) -> None:
    assert scaled_weights(BASE, coverage_lift=lift, coverage_als=als, threshold=0.30) == pytest.approx(
        expected, abs=1e-6
    )


def test_weights_are_equal_when_nothing_is_left() -> None:
    assert scaled_weights((0, 0.5, 0.5, 0), coverage_lift=0, coverage_als=0, threshold=0.3) == (0.25,) * 4


def test_a_threshold_of_zero_gives_full_weight_to_any_coverage() -> None:
    assert scaled_weights(BASE, coverage_lift=0.01, coverage_als=0, threshold=0)[1] == pytest.approx(0.2 / 0.9)


@given(
    st.tuples(*[st.floats(0, 1)] * 4).filter(lambda w: sum(w) > 0.01),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(max_examples=60)
def test_weights_sum_to_one(base: tuple[float, ...], lift: float, als: float, threshold: float) -> None:
    got = scaled_weights(base, coverage_lift=lift, coverage_als=als, threshold=threshold)
    assert sum(got) == pytest.approx(1)
    assert min(got) >= 0


def candidates(**columns: Sequence[float | None]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    base = {"division": ["a"] * n, "p_icp": [0.5] * n, "mb_lift_max": [0.0] * n, "gp_recent": [0.0] * n}
    return pl.DataFrame({**base, **columns}, strict=False)


def test_value_is_capped_before_it_is_ranked() -> None:
    values = [*map(float, range(100)), 10000.0]
    got = with_components(candidates(gp_recent=values), WhitespaceSettings())
    # 101 values: the .95 quantile is the value at position 95
    assert got["ev_cap"].unique().to_list() == [95.0]
    assert got.filter(pl.col("gp_recent") > pl.col("ev_cap")).height == 5
    # ranks 96..101 average 98.5 of 101
    assert got["EV_norm"][95:].to_list() == pytest.approx([0.975248] * 6, abs=1e-6)
    assert got["EV_norm"][94] == pytest.approx(0.940594, abs=1e-6)


def test_value_unknown_counts_as_nothing() -> None:
    got = with_components(candidates(gp_recent=[None, 100.0]), WhitespaceSettings(ev_cap_percentile=1.0))
    assert got["EV_norm"].to_list() == [0.5, 1.0]


def test_lift_without_signal_earns_nothing() -> None:
    # With the zeros ranked in, 1 and 2 are third and fourth of four; the zeros themselves would hold rank 1.5.
    got = with_components(candidates(mb_lift_max=[2.0, 0.0, 1.0, None]), WhitespaceSettings())
    assert got["lift_norm"].to_list() == [1.0, 0.0, 0.75, 0.0]


def test_coverage_counts_raw_signals() -> None:
    got = coverage_and_weights(candidates(mb_lift_max=[2.0, 0.0, 1.0, None]), WhitespaceSettings())
    assert got["coverage_lift"].to_list() == [0.5]
    assert got["coverage_als"].to_list() == [0.0]
    assert got["weight_als_norm"].to_list() == [0.0]


def test_constants_are_neutral_for_probability_and_nothing_for_the_rest() -> None:
    got = with_components(candidates(mb_lift_max=[2.0, 2.0], gp_recent=[5.0, 5.0]), WhitespaceSettings())
    assert got.select(COMPONENTS).row(0) == (0.5, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("percentile", [1.0, 0.5, 1.0, 0.5]),
        # .1 < .2 < .4 < .5 over both divisions
        ("pooled", [1.0, 0.25, 0.75, 0.5]),
    ],
)
def test_modes_rank_within_or_over_divisions(mode: str, expected: list[float]) -> None:
    frame = candidates(p_icp=[0.5, 0.1, 0.4, 0.2], gp_recent=[5.0, 1.0, 4.0, 2.0], mb_lift_max=[5.0, 1.0, 4.0, 2.0])
    frame = frame.with_columns(division=pl.Series(["a", "a", "b", "b"]))
    got = with_components(frame, WhitespaceSettings(normalize=mode, ev_cap_percentile=1.0))
    for name in ("p_icp_pct", "lift_norm", "EV_norm"):
        assert got[name].to_list() == expected, name
