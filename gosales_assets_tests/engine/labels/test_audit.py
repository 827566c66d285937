"""The tables behind the pictures: they count what the labels say, and add up to it."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.labels.audit import INDUSTRIES, REST, UNKNOWN, by_cohort, by_cutoff, by_industry, by_month
from gosales_assets.engine.labels.build import label_prevalence
from gosales_assets_tests.engine.labels.test_build import SEED, Line, dim, label

CUSTOMERS = dim("1", "2", "3").with_columns(industry=pl.Series(["Aero", None, "Aero"]))

#: Oracle L11: SWX_Core and Services, each bought by one customer before the cutoff and in July; window of a month.
AUDITED: list[Line] = [
    ("1", date(2024, 5, 1), "Solidworks", "SWX_Core", 10.0, 1.0),
    ("1", date(2024, 7, 2), "Solidworks", "SWX_Core", 10.0, 1.0),
    ("2", date(2024, 5, 10), "Services", "Services", 10.0, 1.0),
    ("2", date(2024, 7, 3), "Services", "Services", 10.0, 1.0),
]


@pytest.mark.parametrize("target", ["solidworks", "services"])
def test_the_audit_has_the_denominator_of_the_labels(target: str) -> None:
    got = label(AUDITED, target, months=1)
    assert got.select("window_start", "window_end").unique().rows() == [(date(2024, 7, 1), date(2024, 7, 31))]
    # 1 of the 3 known customers; not of the 2 who bought before.
    assert by_cohort(label_prevalence(got, mode="all")).row(0) == ("everybody", 3, 1, 0.333333)
    again = label(AUDITED, target, months=1)
    assert again.equals(got)


def test_a_return_is_no_positive_of_the_audit() -> None:
    """Oracle L11 on the seed: 1 of 3, although customer 2 has a line in the window too (a return of 5)."""
    assert by_cohort(label_prevalence(label(SEED), mode="all")).rows() == [
        ("everybody", 3, 1, 0.333333),
        ("new logo", 1, 0, 0.0),
        ("expansion", 1, 0, 0.0),
        ("renewal like", 1, 1, 1.0),
        ("whitespace", 2, 0, 0.0),
    ]


def test_industries_add_up() -> None:
    got = label(SEED)
    assert by_industry(got, CUSTOMERS).rows() == [("Aero", 2, 1, 0.5), (UNKNOWN, 1, 0, 0.0)]
    names = [f"{i:02d}" for i in range(INDUSTRIES + 3)]
    many = dim(*names).with_columns(industry="customer_id")
    lines: list[Line] = [(n, date(2024, 8, 1), "", "SWX_Core", 1.0, 1.0) for n in names[-2:]]
    table = by_industry(label(lines, "swx_seats", people=many), many)
    assert table.height == INDUSTRIES + 1
    assert table.row(-1) == (REST, 3, 2, 0.666667)  # 9 industries of one customer; the last two bought
    assert table["customers"].sum() == len(names)
    assert by_industry(label(lines, "swx_seats", people=many.reverse()), many.reverse()).equals(table)


def test_every_month_of_the_window_is_there() -> None:
    months = by_month(label(SEED))
    # The return of customer 2 in July is no purchase; customer 1 bought in August.
    assert months.rows() == [("2024-07", 0), ("2024-08", 1), *[(f"2024-{m:02d}", 0) for m in (9, 10, 11, 12)]]


def test_cutoffs_are_told_apart_by_what_ails_them() -> None:
    lines: list[Line] = [*SEED, ("1", date(2024, 11, 1), "Hardware", "FDM", 9.0, 1.0)]
    options = {"months": 1, "sparse_min_positive_target": 1, "sparse_max_window_months": 6, "as_of": date(2024, 8, 1)}
    frames = {
        "2024-06-30": label(lines, "printers", **options),  # widened in vain from 1 to 6 months, and beyond the data
        "2024-04-30": label(lines, "solidworks", cutoff=date(2024, 4, 30), months=2, as_of=date(2024, 8, 1)),
        "2020-01-31": label([], cutoff=date(2020, 1, 31)),  # nobody known yet: no row
    }
    table = by_cutoff(frames, mode="all")
    assert table.rows() == [
        (date(2024, 4, 30), 0.333333, 0.333333, False, False),
        (date(2024, 6, 30), 0.333333, 0.333333, True, True),
    ]


def test_nobody_known_is_no_row() -> None:
    empty = label([], people=dim("1", seen=date(2025, 1, 1)))
    assert by_cohort(label_prevalence(empty, mode="all")).is_empty()
    assert by_industry(empty, CUSTOMERS).is_empty()
    assert by_month(empty).is_empty()
    assert by_cutoff({"2024-06-30": empty}, mode="all").is_empty()
