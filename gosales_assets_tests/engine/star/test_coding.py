"""Texts as numbers."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.engine.star import coding
from gosales_assets.engine.star.coding import coded, combinations, in_order


def test_numbers_are_in_the_order_of_the_texts() -> None:
    numbers, texts = coded(pl.Series(["b", None, "a", "b", ""]))
    assert texts.to_list() == ["", "a", "b"]
    assert numbers.to_list() == [2, None, 1, 2, 0]


def test_combinations_tell_nothing_from_blank_and_columns_from_each_other() -> None:
    rows = [("a", "b"), ("b", "a"), (None, "a"), ("", "a"), ("a", None), ("a", "b"), (None, None), (None, "a")]
    frame = pl.DataFrame(rows, {"x": pl.String, "y": pl.String}, orient="row")
    numbers, distinct = combinations(frame, ("x", "y"))
    assert distinct.height == len(set(rows))
    assert distinct[numbers].equals(frame)


def test_combinations_are_the_same_whether_they_are_listed_or_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"x": ["b", "a", None, "b"], "y": ["2", "1", "1", "2"]})
    numbers, distinct = combinations(frame, ("x", "y"))
    monkeypatch.setattr(coding, "_MOST_PLACES", 0)
    searched, the_same = combinations(frame, ("x", "y"))
    assert searched.to_list() == numbers.to_list()
    assert the_same.equals(distinct)


def test_no_rows_have_no_combinations() -> None:
    numbers, distinct = combinations(pl.DataFrame(schema={"x": pl.String, "y": pl.String}), ("x", "y"))
    assert (len(numbers), distinct.height) == (0, 0)


# Small numbers repeat; large ones do not fit into one number with their neighbours.
_KEYS = st.integers(0, 3) | st.integers(-(2**62), 2**62)


@given(st.lists(st.tuples(_KEYS, _KEYS), max_size=20))
def test_rows_in_order_are_those_of_a_stable_sort(rows: list[tuple[int, int]]) -> None:
    first, second = (pl.Series([r[i] for r in rows], dtype=pl.Int64) for i in (0, 1))
    assert in_order(first, second).to_list() == sorted(range(len(rows)), key=rows.__getitem__)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.dates()), max_size=20))
def test_codes_and_dates_are_ordered_too(rows: list[tuple[int, date]]) -> None:
    codes = pl.Series([c for c, _ in rows], dtype=pl.UInt32)
    days = pl.Series([d for _, d in rows], dtype=pl.Date)
    assert in_order(codes, days).to_list() == sorted(range(len(rows)), key=rows.__getitem__)
