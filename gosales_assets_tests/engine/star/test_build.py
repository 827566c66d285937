"""The star from small logs: what becomes of every record, line and cent."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.findings import blocking
from gosales_assets.engine.star.build import FACT_ORDER, Star
from gosales_assets.engine.star.contracts import Judge, declared_checks
from gosales_assets.engine.star.records import row_ids
from gosales_assets.settings import EtlSettings
from gosales_assets.taxonomy import Taxonomy
from gosales_assets_tests.engine.star.worlds import (
    REFERENCE,
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


def pair(sku: str, profit: str | None, quantity: str | None) -> dict[str, Any]:
    return {sku: profit, f"{sku}_Qty": quantity}


# --- P4 ---------------------------------------------------------------------------------------------------------------


def test_two_records_become_two_lines_and_two_customers() -> None:
    log = wide(
        {
            **sale("ACME-001", "2024-01-15", Division="Solidworks", Customer="Acme Corp", InvoiceId="INV-001"),
            **pair("SWX_Core", "1000", "2"),
            **pair("Services", "0", "0"),
        },
        {
            **sale("BETA-002", "2024-02-20", Division="Services", Customer="Beta LLC", InvoiceId="INV-002"),
            **pair("SWX_Core", "0", "0"),
            **pair("Services", "500", "5"),
        },
    )
    enrichment = [
        {
            "customer_name": "Acme Corp",
            "industry": "Manufacturing",
            "industry_sub": "Manufacturing-General",
            "cleaned_customer_name": "Acme Corporation",
        },
        {
            "customer_name": "Beta LLC",
            "industry": "Technology",
            "industry_sub": "Technology-General",
            "cleaned_customer_name": "Beta Limited",
        },
    ]
    built = star(log, enrichment=enrichment, as_of=date(2024, 12, 31))
    keys = ("customer_id", "invoice_id", "order_date", "product_sku", "product_division", "gross_profit", "quantity")
    assert lines(built, *keys) == [
        ("ACME-001", "INV-001", date(2024, 1, 15), "SWX_Core", "Solidworks", 1000.0, 2.0),
        ("BETA-002", "INV-002", date(2024, 2, 20), "Services", "Services", 500.0, 5.0),
    ]
    dim = ("customer_id", "customer_name_norm", "industry", "cleaned_customer_name", "match_method", "source")
    assert built.dim_customer.select(dim).rows() == [
        ("ACME-001", "acme corp", "Manufacturing", "Acme Corporation", "exact", "sales_log"),
        ("BETA-002", "beta llc", "Technology", "Beta Limited", "exact", "sales_log"),
    ]
    flags = ("source_sales_log", "source_ns", "source_assets", "customer_prefix_id", "first_seen_date")
    assert built.dim_customer.select(flags).row(0) == (1, 0, 0, None, date(2024, 1, 15))
    assert not blocking(built.findings)
    assert all(f.passed for f in built.findings)


# --- P5 ---------------------------------------------------------------------------------------------------------------


def test_orders_of_one_day_are_kept_and_only_equal_records_are_duplicates() -> None:
    second = {**sale(InvoiceId="INV-B"), **pair("Services", "50", "1")}
    built = star(wide({**sale(InvoiceId="INV-A"), **pair("SWX_Core", "100", "1")}, second, second))
    assert lines(built, "invoice_id", "gross_profit") == [("INV-A", 100.0), ("INV-B", 50.0)]
    # 100 + 50 + 50 read; the copy's 50 is with the duplicates.
    assert {k: v for k, v in counts(built).items() if k != "unknown_gross_profit"} == {
        "raw": (3, 200.0),
        "unread": (0, 0.0),
        "exact_duplicate": (1, 50.0),
        "quarantined": (0, 0.0),
        "accepted": (2, 150.0),
    }
    assert [rule for rule, *_ in broken(built)] == ["exact_duplicate"]


def test_the_file_of_a_record_is_no_content() -> None:
    rows = [{**sale(), **pair("SWX_Core", "1", "1"), "_source_file": f} for f in ("a.csv", "b.csv")]
    assert counts(star(wide(*rows)))["exact_duplicate"][0] == 1


def test_records_that_share_a_hash_are_told_apart_by_what_is_read() -> None:
    records = pl.DataFrame({"_row": [0, 1, 2, 3], "a": ["x", "y", "x", "z"]})
    got = row_ids(records, pl.Series("_content", [7, 7, 7, 20]))
    assert got["is_duplicate"].to_list() == [False, False, True, False]
    assert got["source_row_id"].n_unique() == 4
    assert sorted(got["source_row_id"]) == [7, 8, 9, 20]


# --- P6 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "alias", "expected"),
    [("", "1497.5", 1497.5), ("1497.5", "1497.50", 1497.5), ("0", "1497.5", 1497.5), ("20", None, 20.0)],
)
def test_two_headers_of_one_product_give_one_line(main: str, alias: str | None, expected: float) -> None:
    cells = {"Success_Plan": main, "Success Plan GP": alias, "Success_Plan_Qty": "1"}
    built = star(wide({**sale(), **cells}))
    assert lines(built) == [("Success_Plan", "Success Plan", expected, 1.0)]
    assert counts(built)["raw"] == (1, expected)


def test_headers_that_contradict_each_other_quarantine_the_record() -> None:
    cells = {"Success_Plan": "10", "Success Plan GP": "12", "Success_Plan_Qty": "1"}
    built = star(wide({**sale(), **cells}))
    assert broken(built) == [("conflicting_alias", "Success Plan GP", "12")]
    assert lines(built) == []
    assert counts(built)["quarantined"] == (1, 10.0)


# --- P7 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selling", "division"),
    [("Scanning", "Scanning"), (" scanning ", "Scanning"), ("Stratasys", "Hardware"), ("Solidworks", "Hardware"),
     (None, "Hardware")],
)  # fmt: skip
def test_routing_by_selling_division(selling: str | None, division: str) -> None:
    built = star(wide({**sale(Division=selling), **pair("AM_Support", "200", "1")}))
    assert lines(built) == [("AM_Support", division, 200.0, 1.0)]
    # Routed or not, it is no purchase of the target Scanning, which is made of two SKUs.
    assert built.fact_events["label_scanning"].to_list() == [0]


# --- P8 ---------------------------------------------------------------------------------------------------------------


def test_surrogate_invoices_are_per_record_and_do_not_depend_on_order() -> None:
    rows = [
        {**sale(), **pair("SWX_Core", "100", "1"), **pair("Training", "20", "1")},
        {**sale(), **pair("SWX_Core", "70", "1")},
        {**sale("C2"), **pair("SWX_Core", "5", "1")},
        {**sale(InvoiceId="INV"), **pair("SWX_Core", "5", "1")},
    ]
    built = star(wide(*rows))
    invoices = built.fact_transactions.group_by("source_row_id").agg(pl.col("invoice_id").unique())
    assert invoices["invoice_id"].list.len().to_list() == [1, 1, 1, 1]  # both lines of the first record share one
    assert sorted(built.fact_transactions["invoice_id"].unique()) == [
        "AUTO-C1|20240301-1",
        "AUTO-C1|20240301-2",
        "AUTO-C2|20240301-1",
        "INV",
    ]
    assert star(wide(*reversed(rows))).fact_transactions.equals(built.fact_transactions)


def test_numberless_tidy_lines_of_a_day_are_one_document() -> None:
    built = star(tidy(line(), line(product_sku="Training", product_division="Training")), layout="tidy")
    assert built.fact_transactions["invoice_id"].unique().to_list() == ["AUTO-C1|20240301-1"]
    assert built.fact_events.height == 1


@pytest.mark.parametrize("seed", range(4))
def test_facts_are_in_one_order_whatever_they_share(seed: int) -> None:
    rows = [
        line(customer_id=c, invoice_id=i, order_date=d, product_sku=s, gross_profit=g, quantity=q)
        for c in ("C1", "C10", "C2")
        for i in ("I1", "I10", "I2", None)
        for d in ("2024-03-01", "2024-02-01")
        for s in ("SWX_Core", "SW_Plastics")
        for g, q in (("9", "1"), ("10", "1"), ("10", "2"))
    ]
    random.Random(seed).shuffle(rows)
    log = tidy(*rows, line(order_date="soon"), line(gross_profit="much"), line(gross_profit="", quantity=""), rows[0])
    whole = star(log, layout="tidy")
    facts = whole.fact_transactions
    assert facts.height == len(rows) + 1
    assert facts.equals(facts.sort(FACT_ORDER))
    # A large log arrives in as many pieces as its reader had buffers.
    pieces = pl.concat([log[i : i + 7] for i in range(0, log.height, 7)], rechunk=False)
    assert pieces["customer_id"].n_chunks() > 1
    again = star(pieces, layout="tidy")
    assert again.checksums == whole.checksums
    assert again.contract_violations.equals(whole.contract_violations)


# --- P9 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profit", "quantity", "expected"),
    [
        ("0", "0", None),
        ("0.004", "0", None),  # rounds to 0.00
        ("0", "1", (0.0, 1.0)),
        (None, "2", (0.0, 2.0)),
        ("-5", "-1", (-5.0, -1.0)),
        ("12.345", "1", (12.34, 1.0)),  # halves go to the even cent
        ("12.355", "1", (12.36, 1.0)),
        ("5", "1,000", (5.0, 1000.0)),
        ("", "", None),
    ],
)
def test_lines_are_rounded_before_zeros_are_left_out(
    profit: str | None, quantity: str | None, expected: tuple[float, float] | None
) -> None:
    built = star(wide({**sale(), **pair("SWX_Core", profit, quantity)}))
    assert lines(built, "gross_profit", "quantity") == ([expected] if expected else [])
    assert finding(built, "contract_conservation").passed
    assert counts(built)["accepted"][0] == 1


def test_the_zero_filter_is_counted() -> None:
    rows = [{**sale(), **pair("SWX_Core", "0", "0"), **pair("PDM", "$0.00", ""), **pair("Services", "1", "")}]
    got = counts(star(wide(*rows)), "fact_transactions")
    assert got["accepted_lines"] == (3, 1.0)
    assert got["zero_line"] == (2, 0.0)
    assert got["written"] == (1, 1.0)


# --- P10 --------------------------------------------------------------------------------------------------------------


def test_records_are_judged_raw_with_key_and_observed_value() -> None:
    rows = [{**sale(f"C{i}", day), **pair("SWX_Core", "1", "1")} for i, day in enumerate(
        ["2024-01-01", "2050-01-01", "bad", None, " ", "1900-01-01"]
    )] + [{**sale(c), **pair("SWX_Core", "1", "1")} for c in (None, " ", "nan")]  # fmt: skip
    built = star(wide(*rows), as_of=date(2024, 12, 31))
    assert sorted(broken(built), key=str) == [
        ("date_after_max", "Rec Date", "2050-01-01"),
        ("date_before_min", "Rec Date", "1900-01-01"),
        ("invalid_date", "Rec Date", "bad"),
        ("missing_customer_id", "CustomerId", " "),
        ("missing_customer_id", "CustomerId", "nan"),
        ("missing_customer_id", "CustomerId", None),
        ("missing_date", "Rec Date", " "),
        ("missing_date", "Rec Date", None),
    ]
    assert counts(built)["quarantined"] == (8, 8.0)
    assert built.contract_violations["row_key"].n_unique() == 8
    assert lines(built, "customer_id") == [("C0",)]


def test_a_missing_product_column_is_named_and_stops_the_build() -> None:
    built = star(wide({**sale(), **pair("Services", "1", "1")}).drop("SWX_Core"))
    assert ("missing_column", "SWX_Core", None) in broken(built)
    found = finding(built, "contract_product_columns")
    assert found.blocks
    assert "SWX_Core" in found.reason
    relaxed = star(
        wide({**sale(), **pair("Services", "1", "1")}, complete=False),
        etl={"severity": {"contract_product_columns": "WARN"}},
    )
    assert not blocking(relaxed.findings)
    assert not finding(relaxed, "contract_product_columns").passed


@pytest.mark.parametrize("column", ["CustomerId", "Rec Date"])
def test_a_missing_required_column_leaves_nothing_to_read(column: str) -> None:
    built = star(wide({**sale(), **pair("SWX_Core", "1", "1")}, sale("C2")).drop(column))
    assert finding(built, "contract_raw_columns").blocks
    assert finding(built, "contract_quarantine").blocks
    assert finding(built, "contract_conservation").passed
    assert (built.fact_transactions.height, built.dim_customer.height) == (0, 0)
    assert counts(built)["raw"] == (2, 0.0)
    assert counts(built)["unread"] == (2, 0.0)
    assert "missing_column" in [rule for rule, *_ in broken(built)]


def test_a_header_given_in_the_settings_and_absent_is_named() -> None:
    built = star(wide({**sale(), **pair("SWX_Core", "1", "1")}), columns={"customer_id": "Kunde"})
    assert "Kunde" in finding(built, "contract_raw_columns").reason
    assert finding(built, "contract_raw_columns").blocks


def test_headers_given_in_the_settings_win() -> None:
    rows = [{**sale("C1"), **pair("SWX_Core", "1", "1"), "Kunde": "00123"}]
    assert lines(star(wide(*rows), columns={"customer_id": "Kunde"}), "customer_id") == [("00123",)]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (wide(complete=True), "no records"),
        (wide({**sale(None), **pair("SWX_Core", "1", "1")}), "missing_customer_id 1"),
        (wide(sale()), "none of the 1 records gives a line"),
    ],
)
def test_a_log_without_a_single_line_stops_the_build(log: pl.DataFrame, reason: str) -> None:
    found = finding(star(log), "contract_quarantine")
    assert found.blocks
    assert reason in found.reason


def test_too_many_quarantined_records_stop_the_build_and_name_the_reasons() -> None:
    rows = [{**sale(f"C{i}", "bad" if i < 3 else "2024-01-01"), **pair("SWX_Core", "1", "1")} for i in range(10)]
    built = star(wide(*rows), etl={"max_quarantined_share": 0.2}, as_of=date(2024, 12, 31))
    assert finding(built, "contract_quarantine").blocks
    assert "invalid_date 3" in finding(built, "contract_quarantine").reason
    assert finding(star(wide(*rows), etl={"max_quarantined_share": 0.3}), "contract_quarantine").passed


# --- unreadable amounts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "fate", "facts"),
    [
        (pair("SWX_Core", "n/a", "2"), "accepted", [(0.0, 2.0)]),  # the quantity stands
        (pair("SWX_Core", "7", "two"), "accepted", [(7.0, 0.0)]),
        (pair("SWX_Core", "n/a", "0"), "quarantined", []),  # nothing else is said
        ({**pair("SWX_Core", "n/a", ""), **pair("PDM", "3", "1")}, "accepted", [(3.0, 1.0)]),  # another line stands
    ],
)
def test_an_unreadable_cell_is_unknown_and_its_record_kept_while_it_says_something(
    cells: dict[str, Any], fate: str, facts: list[tuple[float, float]]
) -> None:
    built = star(wide({**sale(), **cells}))
    assert lines(built, "gross_profit", "quantity") == facts
    assert counts(built)[fate][0] == 1
    assert finding(built, "contract_conservation").passed
    assert len(broken(built, "unparseable_amount", "unparseable_quantity")) == 1
    unknown = "n/a" in cells.values()
    assert counts(built)["unknown_gross_profit"] == (int(unknown), None)


# --- unmapped columns -------------------------------------------------------------------------------------------------


def test_product_like_columns_outside_the_taxonomy_are_named_with_their_total() -> None:
    rows = [
        {
            **sale("C1"),
            **pair("SWX_Core", "1", "1"),
            "Supplies": "12",
            "DraftSight": "$3.50",
            "DraftSight_Qty": "4",
            "Notes": "7",
            "Rep": "1",
        },
        {**sale("C2"), **pair("SWX_Core", "1", "1"), "Supplies": "(2)", "PO_Number": "123", "Remark": "x"},
        {**sale("C3"), **pair("SWX_Core", "1", "1"), "Supplies": "0", "Nothing": "0", "SalesOrderId": "9"},
    ]
    built = star(wide(*rows))
    assert broken(built, "unmapped_column") == [
        ("unmapped_column", "DraftSight", "3.50"),
        ("unmapped_column", "DraftSight_Qty", "4.00"),
        ("unmapped_column", "Supplies", "10.00"),
    ]
    found = finding(built, "contract_unmapped_columns")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "Supplies (10.00 in 2 records)" in found.reason
    assert "13.50 of gross profit" in found.reason  # 12 - 2 + 3.50; quantities are no money
    strict = star(wide(*rows), etl={"allow_unknown_columns": False})
    assert finding(strict, "contract_unmapped_columns").blocks


# --- as of ------------------------------------------------------------------------------------------------------------


def test_dates_after_an_inferred_as_of_are_quarantined() -> None:
    rows = [
        {**sale(f"C{i}", f"2024-0{m}-15"), **pair("SWX_Core", str(m * 100 + i), "1")}
        for m in (1, 2, 3)
        for i in range(21)
    ]
    typo = {**sale("Z", "2050-01-01"), **pair("SWX_Core", "1", "1")}
    # 21 lines a month: a month of one line is below 5 % of the median (1.05).
    built = star(wide(*rows, typo))
    assert broken(built) == [("date_after_max", "Rec Date", "2050-01-01")]
    assert finding(built, "contract_as_of").metadata == {"as_of": "2024-03-15", "declared": False, "later_records": 1}
    assert built.fact_transactions["order_date"].max() == date(2024, 3, 15)
    found = finding(built, "contract_as_of")
    assert (found.passed, found.severity) == (False, "WARN")
    declared = star(wide(*rows, typo), as_of=date(2024, 12, 31))
    assert finding(declared, "contract_as_of").passed


# --- tidy -------------------------------------------------------------------------------------------------------------

DEPARTMENTS = Taxonomy.from_divisions(["GROCERY", "DRUG GM"])


def test_tidy_lines_belong_to_the_division_they_name() -> None:
    log = tidy(
        line(product_sku="1", product_division=" grocery "),
        line(product_sku="2", product_division="Drug GM"),
        line(product_sku="3", product_division="FUEL"),
        line(product_sku="4", product_division=None),
        line(product_sku=None, product_division="GROCERY"),
    )
    built = star(log, layout="tidy", taxonomy=DEPARTMENTS)
    assert lines(built, "product_sku", "product_division") == [
        ("1", "GROCERY"),
        ("2", "DRUG GM"),
        ("GROCERY", "GROCERY"),
    ]
    assert sorted(broken(built), key=str) == [
        ("missing_sku", "product_sku", None),
        ("unknown_division", "product_division", "4"),
        ("unknown_division", "product_division", "FUEL"),
    ]


def test_excluded_divisions_are_counted_not_lost() -> None:
    log = tidy(
        line(product_sku="1", product_division="GROCERY"),
        line(product_sku="2", product_division="Fuel", gross_profit="30"),
        line(product_sku="3", product_division="drug gm", gross_profit="5"),
    )
    built = star(log, layout="tidy", taxonomy=DEPARTMENTS, exclude_divisions=("FUEL", "DRUG GM"))
    assert lines(built, "product_division") == [("GROCERY",)]
    assert counts(built, "fact_transactions")["excluded_division"] == (2, 35.0)
    assert counts(built)["accepted"] == (3, 135.0)
    assert counts(built)["quarantined"] == (0, 0.0)
    assert finding(built, "contract_conservation").passed


def test_known_products_take_their_division_and_unknown_ones_the_one_they_name() -> None:
    log = tidy(
        line(product_sku="swx_core", product_division="Services"),
        line(product_sku="AM_Support", product_division="Scanning"),
        line(product_sku="Success Plan GP", product_division=None),
        line(product_sku="Gadget", product_division="Services"),
        line(product_sku="Gadget", product_division="Nowhere"),
    )
    built = star(log, layout="tidy")
    assert sorted(lines(built, "product_sku", "product_division", "source_division")) == [
        ("AM_Support", "Scanning", "Scanning"),
        ("Gadget", "Services", "Services"),
        ("SWX_Core", "Solidworks", "Services"),
        ("Success_Plan", "Success Plan", None),
    ]
    assert broken(built) == [
        ("unknown_division", "product_division", "Nowhere"),
        ("unknown_sku", "product_sku", "Gadget"),
    ]


def test_gross_profit_as_a_share_of_revenue() -> None:
    columns = (*TIDY[:-1], "revenue")
    log = tidy(
        line(revenue="10.05"), line(revenue="-4", quantity="-1"), line(revenue="?", quantity="3"), columns=columns
    )
    built = star(log, layout="tidy", gross_profit_share=0.3)
    # 10.05 * 0.3 = 3.015, a half: to the even cent.
    assert sorted(lines(built, "gross_profit", "revenue")) == [(-1.2, -4.0), (0.0, None), (3.02, 10.05)]
    assert counts(built)["unknown_gross_profit"][0] == 1
    without = star(log, layout="tidy")
    assert "gross_profit" in finding(without, "contract_raw_columns").reason
    assert finding(without, "contract_raw_columns").blocks


def test_typed_columns_pass_through() -> None:
    log = pl.DataFrame(
        {
            "customer_id": [7, 7],
            "order_date": [date(2024, 1, 1), date(2024, 1, 2)],
            "product_division": ["GROCERY"] * 2,
            "quantity": [1, 2],
            "gross_profit": [1.005, None],
            "invoice_id": [1.0, 2.0],
        }
    )
    built = star(log, layout="tidy", taxonomy=DEPARTMENTS)
    columns = ("customer_id", "invoice_id", "order_date", "product_sku", "gross_profit", "quantity")
    assert lines(built, *columns) == [
        ("7", "1", date(2024, 1, 1), "GROCERY", 1.0, 1.0),
        ("7", "2", date(2024, 1, 2), "GROCERY", 0.0, 2.0),
    ]


# --- record ids -------------------------------------------------------------------------------------------------------


def test_a_later_file_replaces_a_record_and_one_file_may_not_contradict_itself() -> None:
    columns = ("Id", "_source_file", *TIDY)
    log = tidy(
        line(Id="1", gross_profit="10", _source_file="2024-01.csv"),
        line(Id="1", gross_profit="20", _source_file="2024-02.csv"),
        line(Id="2", gross_profit="5", _source_file="2024-02.csv"),
        line(Id="2", gross_profit="6", _source_file="2024-02.csv"),
        line(Id=None, gross_profit="7", _source_file="2024-01.csv"),
        columns=columns,
    )
    built = star(log, layout="tidy", columns={"record_id": "Id"})
    assert lines(built, "gross_profit") == [(7.0,), (20.0,)]
    assert sorted(broken(built)) == [
        ("conflicting_record_id", "Id", "2"),
        ("conflicting_record_id", "Id", "2"),
        ("superseded_record", "Id", "1"),
    ]
    # Not named in the settings, the column identifies nothing.
    assert len(lines(star(log, layout="tidy"))) == 5


# --- violations -------------------------------------------------------------------------------------------------------


def test_violations_are_capped_per_rule_with_a_total() -> None:
    rows = [{**sale(f"C{i}", f"bad{i}"), **pair("SWX_Core", "1", "1")} for i in range(5)]
    rows += [{**sale("A", "2024-01-01"), **pair("SWX_Core", "1", "1")}]
    built = star(wide(*rows), etl={"violations_cap": 2})
    got = built.contract_violations
    assert got["violation_type"].to_list() == ["invalid_date"] * 3
    assert got.select("row_key", "observed_value", "details").row(2) == (
        "_truncated",
        "5",
        "2 of 5 lines shown (etl.violations_cap)",
    )
    assert counts(built)["quarantined"][0] == 5


def test_a_rule_can_be_made_an_error() -> None:
    log = wide({**sale(), **pair("SWX_Core", "n/a", "1")})
    assert finding(star(log), "contract_quarantine").passed
    strict = star(log, etl={"severity": {"unparseable_amount": "ERROR"}})
    assert finding(strict, "contract_quarantine").blocks
    assert strict.contract_violations["severity"].to_list() == ["ERROR"]


def test_every_declared_check_is_judged_once() -> None:
    etl = EtlSettings(severity={"contract_as_of": "ERROR"}, allow_unknown_columns=False)
    declared = {(t, c, s) for t, checks in declared_checks(etl).items() for c, s in checks.items()}
    built = star(wide({**sale(), **pair("SWX_Core", "1", "1")}), etl=etl.model_dump())
    judged = [(f.table, f.check, f.severity) for f in built.findings]
    assert set(judged) == declared
    assert len(judged) == len(declared)
    assert ("fact_transactions", "contract_as_of", "ERROR") in declared
    assert ("fact_transactions", "contract_unmapped_columns", "ERROR") in declared


def test_an_unknown_rule_in_the_settings_is_an_error_that_suggests_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'invalid_date'"):
        declared_checks(EtlSettings(severity={"invalid_dates": "WARN"}))


# --- drift ------------------------------------------------------------------------------------------------------------


def test_drift_names_what_changed_and_a_column_that_was_read_may_not_go() -> None:
    before = star(wide({**sale(), **pair("SWX_Core", "1", "1"), "Rep": "x", "Remark": "y"})).schema_snapshot
    same = star(wide({**sale("C2"), **pair("SWX_Core", "2", "1"), "Rep": "x", "Remark": "y"}), previous=before)
    assert finding(same, "contract_schema_drift").passed
    assert finding(same, "contract_schema_drift").metadata == {"compared": True}

    unread = star(wide({**sale(), **pair("SWX_Core", "1", "1"), "Rep": "x", "New column": "y"}), previous=before)
    found = finding(unread, "contract_schema_drift")
    assert found.passed
    assert found.metadata["added"] == ["sales_log.New column"]
    assert found.metadata["removed_unread"] == ["sales_log.Remark"]

    gone = star(wide({**sale(), **pair("SWX_Core", "1", "1"), "Remark": "y"}), previous=before)
    assert finding(gone, "contract_schema_drift").blocks
    assert "sales_log.Rep" in finding(gone, "contract_schema_drift").reason

    typed = wide({**sale(), **pair("SWX_Core", "1", "1"), "Rep": "x", "Remark": "y"}).with_columns(
        pl.col("SWX_Core_Qty").cast(pl.Int64)
    )
    retyped = finding(star(typed, previous=before), "contract_schema_drift")
    assert retyped.passed
    assert retyped.metadata["retyped"] == ["sales_log.SWX_Core_Qty: String -> Int64"]


# --- P18 and conservation ---------------------------------------------------------------------------------------------

_CELLS = st.sampled_from(["", "0", "1", "-1", "2.50", "$1,234.50", "(5)", "n/a", "0.004", None])
_WIDE = st.lists(
    st.fixed_dictionaries(
        {
            "CustomerId": st.sampled_from(["C1", "00123", " C2 ", "", None]),
            "Rec Date": st.sampled_from(["2024-01-05", "1/20/2024", "bad", "1900-01-01", "2050-01-01", None]),
            "Division": st.sampled_from(["Scanning", None]),
            "InvoiceId": st.sampled_from(["I1", "I2", None]),
            "SWX_Core": _CELLS,
            "SWX_Core_Qty": _CELLS,
            "AM_Support": _CELLS,
            "Success_Plan": _CELLS,
            "Success Plan GP": _CELLS,
        }
    ),
    max_size=12,
)


#: A few products, so that a build takes milliseconds.
FEW = Taxonomy(
    tuple(REFERENCE.by_sku[s] for s in ("SWX_Core", "AM_Support", "Success_Plan")),
    tuple(REFERENCE.target(t) for t in ("solidworks", "success_plan")),
)


def money(cell: str | None) -> int:
    """Cents of a cell, worked out apart from the parser."""
    return {"1": 100, "-1": -100, "2.50": 250, "$1,234.50": 123450, "(5)": -500}.get(cell or "", 0)


@settings(max_examples=25)
@given(rows=_WIDE, seed=st.integers(0, 99))
def test_every_record_and_every_cent_is_somewhere_in_any_order(rows: list[dict[str, Any]], seed: int) -> None:

    def build(records: list[dict[str, Any]]) -> Star:
        log = wide(*records, complete=False, extra=() if records else ("SWX_Core",))
        return star(log, taxonomy=FEW, as_of=date(2024, 12, 31), exclude_divisions=("Scanning",))

    built = build(rows)
    got = counts(built)
    assert got["raw"][0] == len(rows)
    assert got["raw"][0] == sum(got[s][0] for s in ("accepted", "quarantined", "exact_duplicate"))
    expected = sum(
        money(r["SWX_Core"])
        + money(r["AM_Support"])
        # Aliases are coalesced before anything is counted: the first that is not zero.
        + (money(r["Success_Plan"]) or money(r["Success Plan GP"]))
        for r in rows
    )
    assert round((got["raw"][1] or 0) * 100) == expected
    total = sum(got[s][1] or 0 for s in ("accepted", "quarantined", "exact_duplicate"))
    assert round(total * 100) == expected
    of_lines = counts(built, "fact_transactions")
    written = of_lines["written"]
    assert written[0] == built.fact_transactions.height
    assert round((written[1] or 0) * 100) == round(built.fact_transactions["gross_profit"].sum() * 100)
    accepted = (got["accepted"][1] or 0) - (of_lines["excluded_division"][1] or 0)
    assert round((written[1] or 0) * 100) == round(accepted * 100)
    assert finding(built, "contract_conservation").passed
    listed = built.contract_violations.filter(pl.col("violation_type") != "exact_duplicate")
    quarantined = set(listed["row_key"])
    assert len(quarantined) >= got["quarantined"][0]  # every quarantined record is listed

    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    again = build(shuffled)
    assert again.checksums == built.checksums
    assert again.row_counts.equals(built.row_counts)
    assert again.contract_violations.equals(built.contract_violations)


def test_the_conservation_check_sees_a_lost_record() -> None:
    built = star(wide({**sale(), **pair("SWX_Core", "1", "1")}))
    judge = Judge(EtlSettings())
    lost = built.row_counts.with_columns(rows=pl.when(pl.col("stage") == "raw").then(2).otherwise("rows"))
    assert judge.conservation(lost).blocks
    cent = pl.when(pl.col("stage") == "written").then(pl.col("gross_profit") - 0.01).otherwise("gross_profit")
    assert judge.conservation(built.row_counts.with_columns(gross_profit=cent)).blocks


def test_the_reference_checks_see_a_stranger_and_a_lost_event() -> None:
    built = star(wide({**sale(), **pair("SWX_Core", "1", "1")}))
    judge = Judge(EtlSettings())
    facts, dim, events = built.fact_transactions, built.dim_customer, built.fact_events
    assert [f.passed for f in judge.references(facts, dim, events, REFERENCE)] == [True, True, True]
    assert [f.passed for f in judge.references(facts, dim.clear(), events, REFERENCE)] == [True, False, True]
    assert [f.passed for f in judge.references(facts, dim, events.clear(), REFERENCE)] == [True, True, False]
    wrong = events.with_columns(gp_solidworks=pl.col("gp_solidworks") + 1)
    assert [f.passed for f in judge.references(facts, dim, wrong, REFERENCE)] == [True, True, False]
