"""Grammars of identifiers, amounts and dates."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.engine.star.parsing import (
    amount,
    calendar_date,
    cents,
    floats_as_text,
    from_cents,
    identifier,
    name_key,
    name_prefix_id,
    parse_amounts,
    parse_dates,
    whole_cents,
)


def apply(values: list[Any], expression: pl.Expr, dtype: Any = None) -> list[Any]:
    return (
        pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
        .lazy()
        .pipe(floats_as_text)
        .select(expression)
        .collect()["x"]
        .to_list()
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (123, "123"),
        (123.0, "123"),
        (0.1 + 0.2, "0.3"),  # 15 significant digits
        (float("nan"), None),
        ("123.0", "123"),
        ("100.00", "100"),
        (" 123 ", "123"),
        (" 00123 ", "00123"),
        ("00123.0", "00123"),
        ("ACME v2.0", "ACME v2.0"),
        ("10.0.0", "10.0.0"),
        *[(t, None) for t in ("", "  ", "NaN", "nan", "None", "NaT", "<NA>", "null", "NULL", " None ", None)],
    ],
)
def test_identifiers(raw: Any, expected: str | None) -> None:
    assert apply([raw], identifier("x"), pl.String if raw is None else None) == [expected]


@given(st.text(max_size=8) | st.from_regex(r"\A[0-9]{0,4}(\.0{1,3}){0,2}\Z"))
def test_identifiers_are_idempotent(raw: str) -> None:
    once = apply([raw], identifier("x"), pl.String)
    assert apply(once, identifier("x"), pl.String) == once


AMOUNTS: list[tuple[str | None, float | None]] = [
    ("$1,234.50", 1234.50),
    ("(2,000)", -2000.0),
    ("15", 15.0),
    ("", None),
    (None, None),
    ("1.234,50", 1234.50),
    ("$(5.00)", -5.0),
    ("($5.00)", -5.0),
    ("-$5", -5.0),
    ("5-", -5.0),
    ("+5", 5.0),
    ("€1,000", 1000.0),
    ("12.345,67 €", 12345.67),
    ("1,000", 1000.0),  # three digits after one comma are thousands
    ("12,5", 12.5),  # fewer are decimals
    ("1234,567", 1234.567),  # no thousands are written so
    ("1.234.567", 1234567.0),
    ("1 234,50", 1234.5),
    ("1\u00a0234,50", 1234.5),
    ("1'000.50", 1000.5),
    (".5", 0.5),
    ("1e3", 1000.0),
]

NO_AMOUNTS = [
    "n/a",
    "USD 5",
    "-",
    "$",
    "--5",
    "5--",
    "-5-",
    "(-5)",
    "(5",
    "1,23,4",
    "1.2.3",
    "inf",
    "1e300",
    "5 5",
    "12a",
]


@pytest.mark.parametrize(("raw", "expected"), AMOUNTS)
def test_amounts(raw: str | None, expected: float | None) -> None:
    assert apply([raw], amount("x"), pl.String) == [expected]
    values, bad = parse_amounts(pl.Series([raw], dtype=pl.String))
    assert (values.to_list(), bad.to_list()) == ([expected], [False])


@pytest.mark.parametrize("raw", NO_AMOUNTS)
def test_what_is_no_amount_is_unknown_and_reported(raw: str) -> None:
    assert apply([raw], amount("x")) == [None]
    values, bad = parse_amounts(pl.Series([raw]))
    assert (values.to_list(), bad.to_list()) == ([None], [True])


def test_both_ways_of_parsing_a_column_agree() -> None:
    texts = [a for a, _ in AMOUNTS] + NO_AMOUNTS + ["nan", "NULL", " 7 ", "-3.25", "007"]
    values, bad = parse_amounts(pl.Series(texts, dtype=pl.String))
    assert values.to_list() == apply(texts, amount("x"), pl.String)
    assert [t for t, b in zip(texts, bad, strict=True) if b] == NO_AMOUNTS


def test_numbers_pass_and_infinity_is_reported() -> None:
    values, bad = parse_amounts(pl.Series([1.5, None, float("nan"), float("inf")]))
    assert (values.to_list(), bad.to_list()) == ([1.5, None, None, None], [False, False, False, True])
    assert parse_amounts(pl.Series([3, None]))[0].to_list() == [3.0, None]


DATES: list[tuple[str | None, date | None]] = [
    ("2024-01-15", date(2024, 1, 15)),
    ("1/20/2024", date(2024, 1, 20)),
    ("2/3/2024 14:30", date(2024, 2, 3)),
    ("2024-01-15T10:20:30.123Z", date(2024, 1, 15)),
    ("2024-01-15 23:59:59", date(2024, 1, 15)),
    ("1/2/2024 3:04 PM", date(2024, 1, 2)),
    ("1/20/24", date(2024, 1, 20)),
    ("20240115", date(2024, 1, 15)),
    ("15.01.2024", date(2024, 1, 15)),
    ("15-Jan-2024", date(2024, 1, 15)),
    ("Jan 15, 2024", date(2024, 1, 15)),
    (" 2024/1/5 ", date(2024, 1, 5)),
    ("2024-02-29", date(2024, 2, 29)),
    (None, None),
    ("", None),
]

NO_DATES = ["bad", "2023-02-29", "13/13/2024", "24-01-15", "99999", "2024-01", "0", "2024-01-15 morning"]


@pytest.mark.parametrize(("raw", "expected"), DATES)
def test_dates(raw: str | None, expected: date | None) -> None:
    assert apply([raw], calendar_date("x"), pl.String) == [expected]
    days, bad = parse_dates(pl.Series([raw], dtype=pl.String))
    assert (days.to_list(), bad.to_list()) == ([expected], [False])


@pytest.mark.parametrize("raw", NO_DATES)
def test_what_is_no_date_is_reported(raw: str) -> None:
    days, bad = parse_dates(pl.Series([raw]))
    assert (days.to_list(), bad.to_list()) == ([None], [True])


def test_mixed_formats_of_one_column_all_parse() -> None:
    days, bad = parse_dates(pl.Series(["2024-01-15", "1/20/2024", "2/3/2024 14:30", "bad", None]))
    assert days.to_list() == [date(2024, 1, 15), date(2024, 1, 20), date(2024, 2, 3), None, None]
    assert bad.to_list() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("raw", "month_first", "day_first"),
    [
        ("3/4/2024", date(2024, 3, 4), date(2024, 4, 3)),
        ("1/20/2024", date(2024, 1, 20), date(2024, 1, 20)),  # only one reading
        ("20/1/2024", date(2024, 1, 20), date(2024, 1, 20)),
        ("2024-03-04", date(2024, 3, 4), date(2024, 3, 4)),  # no slashes
    ],
)
def test_day_first_decides_ambiguous_slashes_only(raw: str, month_first: date, day_first: date) -> None:
    assert parse_dates(pl.Series([raw]), day_first=False)[0].item() == month_first
    assert parse_dates(pl.Series([raw]), day_first=True)[0].item() == day_first


def test_typed_dates_pass_and_lose_the_time_of_day() -> None:
    assert parse_dates(pl.Series([datetime(2024, 6, 30, 23, 59, tzinfo=UTC)]))[0].item() == date(2024, 6, 30)
    assert parse_dates(pl.Series([date(2024, 6, 30), None]))[0].to_list() == [date(2024, 6, 30), None]
    assert parse_dates(pl.Series([20240630]))[0].item() == date(2024, 6, 30)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12.345, 1234), (12.355, 1236), (12.335, 1234), (0.004, 0), (0.005, 0), (0.015, 2), (-0.015, -2), (1.005, 100),
     (2.675, 268), (-5.0, -500), (1e9 + 0.005, 100000000000)],
)  # fmt: skip
def test_cents_round_halves_to_even(value: float, expected: int) -> None:
    assert (
        apply([value], cents("x")) == [expected] or pl.DataFrame({"x": [value]}).select(cents("x")).item() == expected
    )


def test_cents_are_the_nearest_number_to_their_decimals() -> None:
    """As text they are what was booked: 35 cents are 0.35, not 0.35000000000000003."""
    every = [*range(-20_000, 20_000), *(10**11 + 37 * i for i in range(20_000))]
    frame = pl.DataFrame({"x": every}).select("x", amount=from_cents("x"), back=whole_cents(from_cents("x")))
    assert frame["amount"].to_list() == [n / 100 for n in every]
    assert frame["back"].to_list() == every


@given(st.integers(-(10**11), 10**11), st.integers(0, 5))
def test_cents_agree_with_decimal_arithmetic(units: int, places: int) -> None:
    exact = Decimal(units).scaleb(-places)
    expected = int((exact * 100).to_integral_value(ROUND_HALF_EVEN))
    frame = pl.DataFrame({"x": [float(exact)]})
    assert frame.select(cents("x")).item() == expected
    assert frame.select(cents(from_cents(cents("x")))).item() == expected


@pytest.mark.parametrize(
    ("name", "key", "prefix"),
    [
        (" Acme  Corp ", "acme corp", None),
        ("497588 Bluepen", "497588 bluepen", 497588),
        ("  42", "42", 42),
        ("3M Company", "3m company", None),
        (None, None, None),
        ("99999999999999999999 X", "99999999999999999999 x", None),  # beyond 64 bits
    ],
)
def test_names(name: str | None, key: str | None, prefix: int | None) -> None:
    assert apply([name], name_key("x"), pl.String) == [key]
    assert apply([name], name_prefix_id("x"), pl.String) == [prefix]
