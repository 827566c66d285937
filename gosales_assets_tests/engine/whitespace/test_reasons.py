"""Wording, length and filter of reasons."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.features.registry import descriptions
from gosales_assets.engine.modeling.explain import REASON_SCHEMA, no_reasons
from gosales_assets.engine.whitespace.components import scaled_weights
from gosales_assets.engine.whitespace.reasons import (
    FALLBACK_REASON,
    finish,
    is_sensitive,
    top_two,
    with_reason,
    with_why,
)
from gosales_assets.settings import Settings


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


# --- the model's reasons in plain words

DESCRIPTIONS = {
    "lines": "Number of lines of the target in the 12 months up to the cutoff; null without one.",
    "old": "1 when the first line is over 730 days ago; null without one.",
    "mean": "Mean age of the owner.",
}


def why(*told: tuple[str | None, float | None, float | None], division: str = "Printers") -> str | None:
    """``why`` of one row with these reasons."""
    padded = [*told, *[(None, None, None)] * (3 - len(told))]
    row = [item for reason in padded for item in reason]
    frame = pl.DataFrame([row], schema=REASON_SCHEMA, orient="row")
    frame = frame.with_columns(division_name=pl.lit(division))
    return with_why(frame, DESCRIPTIONS, date(2024, 6, 30))["why"][0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.0, "4"),
        (0.0, "0"),
        (-0.25, "-0.25"),
        (12.3456, "12.35"),
        (10.0, "10"),
        (99.994, "99.99"),
        (99.996, "100"),
        (-1250.4, "-1250"),
        (1e9, "1000000000"),
        (0.001, "almost 0"),
        (-0.001, "almost 0"),
        (None, "unknown"),
    ],
)
def test_values_as_people_write_them(value: float | None, text: str) -> None:
    assert why(("lines", value, 0.1)) == (
        f"Number of lines of Printers in the 12 months up to 2024-06-30: {text} (raises)"
    )


def test_a_yes_or_no_is_said_so() -> None:
    assert why(("old", 1.0, -0.1)) == "First line is over 730 days ago: yes (lowers)"
    assert why(("own__is_owner", 0.0, 0.2)) == "Customer owns Printers: no (raises)"
    assert why(("old", None, -0.1)) == "First line is over 730 days ago: unknown (lowers)"


def test_reasons_stand_in_their_order_and_fewer_than_three_are_fewer() -> None:
    assert why(("b", 2.0, -0.5), ("a", None, 0.1)) == "b: 2 (lowers); a: unknown (raises)"
    assert why() is None


def test_a_sensitive_reason_is_left_out_of_the_words() -> None:
    assert why(("mean", 40.0, 0.5), ("b", 2.0, 0.1)) == "b: 2 (raises)"
    assert why(("mean", 40.0, 0.5)) is None
    assert why(("lines", 1.0, 0.5), division="Veteran") is None


def test_every_declared_feature_can_be_said() -> None:
    """In words of the registry, about a division and a day, short enough to be read."""
    settings = Settings()
    products = settings.products
    known = descriptions(settings.features, products.divisions, products.skus)
    assert len(known) > 150
    frame = no_reasons(len(known)).with_columns(
        reason_1=pl.Series(list(known)), reason_1_value=1.0, reason_1_contribution=0.5, division_name=pl.lit("Printers")
    )
    said = with_why(frame, known, date(2024, 6, 30))["why"]
    assert said.null_count() == 0
    assert not said.str.contains("the target|the cutoff|null|__").any()
    assert said.str.len_chars().max() < 160
