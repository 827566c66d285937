"""Texts as numbers."""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.star.coding import coded, combinations


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


def test_no_rows_have_no_combinations() -> None:
    numbers, distinct = combinations(pl.DataFrame(schema={"x": pl.String, "y": pl.String}), ("x", "y"))
    assert (len(numbers), distinct.height) == (0, 0)
