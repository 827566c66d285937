"""Wording, length and filter of reasons."""

from __future__ import annotations

import polars as pl
import pytest

from gosales_assets.engine.whitespace.components import scaled_weights
from gosales_assets.engine.whitespace.reasons import FALLBACK_REASON, finish, is_sensitive, top_two, with_reason


def reason(p: float, multiple: float | None, lift: float = 0.0, als: float = 0.0, ev: float = 0.0) -> str:
    frame = pl.DataFrame(
        {
            "p_icp": [p],
            "p_multiple": [multiple],
            "contribution_lift": [lift],
            "contribution_als": [als],
            "contribution_ev": [ev],
        },
        schema_overrides={"p_multiple": pl.Float64},
    )
    return with_reason(frame)["nba_reason"][0]


def test_a_high_probability_and_the_two_strongest_drivers() -> None:
    # lift .8, als .2, EV .9 under the base weights: contributions .16, .02, .09
    _, w_lift, w_als, w_ev = scaled_weights((0.6, 0.2, 0.1, 0.1), coverage_lift=1, coverage_als=1, threshold=0.3)
    assert reason(0.83, 8.3, 0.8 * w_lift, 0.2 * w_als, 0.9 * w_ev) == "High p=0.83; affinity + EV"


@pytest.mark.parametrize(
    ("p", "multiple", "drivers", "expected"),
    [
        (0.082, 4.1, {"ev": 0.01}, "4.1x average; EV"),
        (0.02, 1.0, {"als": 0.05, "lift": 0.01, "ev": 0.02}, "1.0x average; ALS + EV"),
        (0.02, 0.96, {}, "1.0x average"),
        (0.0001, 0.01, {}, "under 0.1x average"),
        (0.8, None, {}, "High p=0.80"),
        (0.03, None, {}, "p=0.03"),
        (1.0, 10.0, {}, "High p=1.00"),
        # equal contributions: the order of the components
        (0.02, 2.0, {"lift": 0.1, "als": 0.1, "ev": 0.1}, "2.0x average; affinity + ALS"),
    ],
)
def test_wording(p: float, multiple: float | None, drivers: dict[str, float], expected: str) -> None:
    assert reason(p, multiple, **drivers) == expected


@pytest.mark.parametrize(
    ("text", "sensitive"),
    [
        ("4.1x average; affinity + EV", False),
        ("engagement with embrace and mileage", False),
        ("Age of the owner", True),
        ("owner_age", True),
        ("by gender.", True),
        ("holds a Social Security card", True),
        ("pregnancy", True),
        ("impregnable", False),
    ],
)
def test_sensitive_words_are_whole_words(text: str, sensitive: bool) -> None:
    frame = pl.DataFrame({"x": [text]})
    assert frame.select(is_sensitive("x")).item() is sensitive
    assert frame.select(finish(pl.col("x"))).item() == (FALLBACK_REASON if sensitive else text)


def test_long_reasons_are_cut() -> None:
    frame = pl.DataFrame({"x": ["ü" * 150, "ü" * 151]})
    kept, cut = frame.select(finish(pl.col("x"))).to_series().to_list()
    assert kept == "ü" * 150
    assert cut == "ü" * 147 + "..."


def test_top_two_by_value_then_by_order() -> None:
    frame = pl.DataFrame({"a": [0.1, 0.2, 0.0, 0.0], "b": [0.3, 0.2, 0.4, 0.0], "c": [0.2, 0.2, 0.0, 0.0]})
    got = top_two(frame, {"a": "A", "b": "B", "c": "C"}, "t")
    assert got["t_1"].to_list() == ["B", "A", "B", None]
    assert got["t_1_value"].to_list() == [0.3, 0.2, 0.4, None]
    assert got["t_2"].to_list() == ["C", "B", None, None]
    assert got["t_2_value"].to_list() == [0.2, 0.2, None, None]
