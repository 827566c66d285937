"""Spans of a log and the small date expressions: `covered_span`, `month_index` and its way back, days apart."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.timeline import (
    covered_span,
    days_apart,
    days_in_months,
    from_month_index,
    infer_as_of,
    month_index,
    plus_days,
)


def _lines(*days: tuple[date, int]) -> pl.LazyFrame:
    return pl.LazyFrame({"order_date": [d for d, n in days for _ in range(n)]}, schema={"order_date": pl.Date})


def test_a_default_date_used_often_does_not_stretch_the_span():
    """Median month 20 lines, so a month counts from one line on; 1900 and 2150 hang together with nothing."""
    days = [(date(2024, m, 5), 20) for m in range(1, 7)]
    lines = _lines((date(1900, 1, 1), 15), *days, (date(2024, 6, 28), 1), (date(2150, 1, 1), 15))
    assert covered_span(lines) == (date(2024, 1, 5), date(2024, 6, 28))
    assert infer_as_of(lines) == date(2150, 1, 1)


def test_a_gap_inside_the_span_is_bridged_up_to_a_year():
    lines = _lines((date(2022, 1, 31), 5), (date(2023, 1, 31), 5), (date(2024, 3, 1), 6))
    assert covered_span(lines) == (date(2022, 1, 31), date(2023, 1, 31))
    assert covered_span(lines, max_gap_months=14) == (date(2022, 1, 31), date(2024, 3, 1))
    assert covered_span(_lines()) is None


@pytest.mark.parametrize("day", [date(2024, 1, 1), date(2023, 12, 1), date(1900, 2, 1)])
def test_month_index_and_back(day):
    frame = pl.DataFrame({"m": [month_index(day)]})
    assert frame.select(from_month_index("m")).item() == day


def test_days():
    assert days_in_months([month_index(date(2024, 2, 1)), month_index(date(2023, 2, 1))]) == [29, 28]
    frame = pl.DataFrame({"d": [date(2024, 2, 28), None], "n": [2, 2]}, schema={"d": pl.Date, "n": pl.Int64})
    assert frame.select(plus_days("d", "n")).to_series().to_list() == [date(2024, 3, 1), None]
    apart = frame.select(days_apart(pl.lit(date(2024, 3, 1)), "d")).to_series().to_list()
    assert apart == [-2, None]
