"""Contracts about the log as a whole: what may be one, what changed, what can be read two ways."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.star.build import Star
from gosales_assets.engine.star.parsing import date_order
from gosales_assets_tests.engine.star.worlds import (
    TIDY,
    broken,
    counts,
    finding,
    line,
    lines,
    sale,
    star,
    tidy,
    wide,
)

SOLD = {"SWX_Core": "1", "SWX_Core_Qty": "1"}


# --- one customer, two ids --------------------------------------------------------------------------------------------


def named(**names: str | None) -> Star:
    return star(wide(*({**sale(key), **SOLD, "Customer": name} for key, name in names.items())))


def suspects(built: Star) -> list[tuple[str, str, str | None]]:
    found = built.contract_violations.filter(table_name="dim_customer")
    return found.select("row_key", "violation_type", "details").rows()


def test_customers_of_one_name_are_listed_and_never_merged() -> None:
    built = named(C1="Acme Corp", C2=" ACME  corp", C3="12 Acme Corp", C4="Acme", C5=None, C6=None)
    rule, details = "shared_customer_name", "the same name under {}; not merged"
    assert suspects(built) == [
        ("C1", rule, details.format("C2, C3")),
        ("C2", rule, details.format("C1, C3")),
        ("C3", rule, details.format("C1, C2")),
    ]
    assert built.dim_customer.height == 6
    found = finding(built, "contract_one_id", "dim_customer")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "3 customers have the name of another, such as 'C1'" in found.reason


@pytest.mark.parametrize(
    ("ids", "listed"),
    [
        (("00123", "123"), True),
        (("acme-1", "ACME-1"), True),
        (("0", "000"), True),
        (("123", "1230"), False),
        (("A01", "A1"), False),  # zeros inside an id say something
    ],
)
def test_ids_that_differ_in_zeros_or_case_are_listed(ids: tuple[str, str], listed: bool) -> None:
    built = star(wide(*({**sale(key), **SOLD} for key in ids)))
    assert [rule for _, rule, _ in suspects(built)] == ["similar_customer_id"] * (2 * listed)
    assert built.dim_customer["customer_id"].to_list() == sorted(ids)
    assert finding(built, "contract_one_id", "dim_customer").passed == (not listed)


def test_names_that_look_like_a_flag_are_questioned() -> None:
    flagged = named(**{f"C{i}": "yes" if i % 2 else "no" for i in range(8)})
    assert "8 customers have 2 names: is sources.sales_log.columns.customer_name right?" in (
        finding(flagged, "contract_one_id", "dim_customer").reason
    )
    # A crowd of one name is listed with some of the others, not with all.
    assert suspects(flagged)[0][2] == "the same name under C2, C4, C6; not merged"


# --- overlapping exports ----------------------------------------------------------------------------------------------


def exported(file: str, day: str, profit: str, **more: Any) -> dict[str, Any]:
    return line(_source_file=file, order_date=day, gross_profit=profit, **more)


def overlap(*rows: dict[str, Any]) -> tuple[Star, Finding]:
    built = star(tidy(*rows, columns=(*TIDY, "_source_file", "Note")), layout="tidy")
    return built, finding(built, "contract_overlap")


def test_records_two_exports_share_but_for_a_column_nobody_reads_are_reported() -> None:
    built, found = overlap(
        exported("a.csv", "2024-01-01", "10"),
        exported("a.csv", "2024-01-20", "20"),
        exported("b.csv", "1/20/2024", "$20.00", Note="new column"),
        exported("b.csv", "2024-01-20", "21"),
        exported("b.csv", "2024-02-01", "10"),
    )
    assert broken(built) == [("probable_duplicate", "", "b.csv")]
    assert "a.csv" in built.contract_violations["details"].item()
    # Nothing says which is right, so both are counted.
    assert counts(built)["accepted"] == (5, 81.0)
    assert (found.passed, found.severity) == (False, "WARN")


def test_equal_records_of_one_file_or_of_separate_months_are_no_overlap() -> None:
    _, within = overlap(
        exported("a.csv", "2024-01-01", "10", Note="1"), exported("a.csv", "2024-01-01", "10", Note="2")
    )
    assert within.passed
    _, months = overlap(exported("a.csv", "2024-01-01", "10"), exported("b.csv", "2024-02-01", "10"))
    assert months.passed


# --- dates that can be read two ways ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "day_first", "ambiguous", "contrary"),
    [
        (["3/4/2024", "20/1/2024"], False, 1, 1),
        (["3/4/2024", "20/1/2024"], True, 1, 0),
        (["3/4/2024", "1/20/2024"], True, 1, 1),
        (["3/4/2024 10:00", " 1/20/24"], False, 1, 0),
        (["3/3/2024", "2024-03-04", "20/1/2024", None, "x/y"], False, 0, 1),  # equal numbers are not ambiguous
        (["99/99/2024"], False, 0, 0),
    ],
)
def test_the_order_of_day_and_month(days: list[str | None], day_first: bool, ambiguous: int, contrary: int) -> None:
    order = date_order(pl.Series(days, dtype=pl.String), day_first)
    assert (order.ambiguous, order.contrary) == (ambiguous, contrary)


def test_dates_of_both_orders_are_reported() -> None:
    built = star(wide({**sale("C1", "3/4/2024"), **SOLD}, {**sale("C2", "20/1/2024"), **SOLD}))
    found = finding(built, "contract_date_order")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "'3/4/2024' are read month first, and 1 such as '20/1/2024' can only be day first" in found.reason
    assert finding(star(wide({**sale("C1", "3/4/2024"), **SOLD})), "contract_date_order").passed


# --- lines that say nothing -------------------------------------------------------------------------------------------


def test_a_line_no_field_of_which_is_trusted_has_one_reason() -> None:
    rows = [line(), {"_unreadable": "a,b,c,d,e,f,g,h"}, {"_unreadable": "i,j"}]
    built = star(tidy(*rows, columns=(*TIDY, "_unreadable")), layout="tidy")
    assert sorted(broken(built)) == [
        ("unreadable_record", "", "a,b,c,d,e,f,g,h"),
        ("unreadable_record", "", "i,j"),
    ]
    assert counts(built)["quarantined"] == (2, 0.0)
    roles = {c["name"]: c["role"] for c in built.schema_snapshot["tables"]["sales_log"]["columns"]}
    assert roles["_unreadable"] is None


def test_a_tidy_line_without_amount_and_quantity_is_reported() -> None:
    built = star(tidy(line(), line(gross_profit=None, quantity=" ")), layout="tidy")
    assert broken(built) == [("empty_line", "gross_profit", None)]
    assert counts(built)["accepted"][0] == 2
    assert counts(built, "fact_transactions")["zero_line"] == (1, 0.0)
    assert len(lines(built)) == 1


# --- drift ------------------------------------------------------------------------------------------------------------


def test_a_column_that_holds_another_type_is_named() -> None:
    log = wide({**sale("00123"), **SOLD, "Remark": "1"})
    before = star(log).schema_snapshot
    typed = log.with_columns(pl.col("CustomerId", "Remark").cast(pl.Int64))
    built = star(typed, previous=before)
    found = finding(built, "contract_column_types")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "sales_log.CustomerId: String -> Int64" in found.reason
    assert found.metadata["retyped"] == ["sales_log.CustomerId: String -> Int64"]
    assert finding(built, "contract_schema_drift").metadata["retyped_unread"] == ["sales_log.Remark: String -> Int64"]
    assert finding(star(log, previous=before), "contract_column_types").passed
    strict = star(typed, previous=before, etl={"severity": {"contract_column_types": "ERROR"}})
    assert finding(strict, "contract_column_types").blocks


def test_a_removal_is_accepted_once() -> None:
    before = star(wide({**sale(), **SOLD, "Rep": "x"})).schema_snapshot
    log = wide({**sale(), **SOLD})
    assert finding(star(log, previous=before), "contract_schema_drift").blocks
    accepted = star(log, previous=before, etl={"severity": {"contract_schema_drift": "WARN"}})
    found = finding(accepted, "contract_schema_drift")
    assert (found.passed, found.blocks) == (False, False)
    assert "sales_log.Rep" in found.reason
    # The accepted build's snapshot is the next one's previous: the exception is needed no more.
    assert finding(star(log, previous=accepted.schema_snapshot), "contract_schema_drift").passed
