"""Dirt of every kind at random places of real files: the accounts close, and each record is found under its own rule.

What is expected comes from the clean records the dirt was planted in (`corruption`), never from the code under test.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from gosales_assets.engine.star.build import Star, build_star
from gosales_assets.engine.star.contracts import RECORD_RULES
from gosales_assets.engine.star.schema import ContractViolations, DimCustomer, FactEvents, FactTransactions, RowCounts
from gosales_assets.settings import EtlSettings, SalesLog
from gosales_assets.sources import read_sales_log
from gosales_assets_tests.engine.star.corruption import AS_OF, KINDS, TAXONOMY, Kind, Layout, Log, clean
from gosales_assets_tests.engine.star.worlds import ASSETS, ENRICHMENT, counts, table

#: Every kind at a place of its own.
CASES = [
    pytest.param(kind, layout, seed, id=f"{kind.name}-{layout}")
    for seed, kind in enumerate(KINDS)
    for layout in kind.layouts
]


def built(log: Log, folder: Path) -> Star:
    """The star of the log's files, read as the platform reads them."""
    spec = SalesLog(kind="files", layout=log.layout, path=tuple(log.write(folder)), as_of=AS_OF, **log.spec)
    raw = read_sales_log(spec, TAXONOMY)
    return build_star(
        raw.records,
        spec=spec,
        taxonomy=TAXONOMY,
        etl=EtlSettings(max_quarantined_share=0.9),
        enrichment=table(ENRICHMENT, []),
        assets=table(ASSETS, []),
    )


def assert_schemas_hold(star: Star) -> None:
    for schema, frame in (
        (FactTransactions, star.fact_transactions),
        (DimCustomer, star.dim_customer),
        (FactEvents, star.fact_events),
        (RowCounts, star.row_counts),
        (ContractViolations, star.contract_violations),
    ):
        schema.validate(frame, lazy=True)


def cents(value: float | None) -> int:
    return round((value or 0.0) * 100)


def assert_the_accounts_close(star: Star, log: Log) -> None:
    """Raw = accepted + quarantined + exact duplicates + unread, by record and by cent, each as planted."""
    got = {stage: (n, cents(gp)) for stage, (n, gp) in counts(star).items()}
    assert got.pop("raw") == (len(log.records), sum(r.cents for r in log.records))
    unknown = sum(s.cents is None for r in log.records for s in r.sold)
    assert got.pop("unknown_gross_profit")[0] == unknown
    for fate, account in got.items():
        of_fate = [r for r in log.records if r.fate == fate]
        assert account == (len(of_fate), sum(r.cents for r in of_fate)), fate
    written = counts(star, "fact_transactions")["written"]
    assert cents(written[1]) == cents(float(star.fact_transactions["gross_profit"].sum()))


def assert_the_facts_are_true(star: Star, log: Log) -> None:
    """Every line of every accepted record, and no other."""
    columns = ("customer_id", "invoice_id", "order_date", "product_sku", "product_division")
    facts = star.fact_transactions.select(*columns, "gross_profit", "quantity")
    expected: list[tuple[Any, ...]] = [
        (r.customer, r.invoice, r.day, s.sku, s.division, cents((s.cents or 0) / 100), float(s.units))
        for r in log.records
        if r.fate == "accepted" and not r.excluded
        for s in r.sold
        if s.says_something
    ]
    assert Counter((*row[:5], cents(row[5]), row[6]) for row in facts.iter_rows()) == Counter(expected)
    # A customer is named by the earliest record that has a name.
    names: dict[str, str | None] = {}
    for record in sorted((r for r in log.records if r.fate == "accepted"), key=lambda r: (r.day, r.name or "")):
        names[record.customer] = names.get(record.customer) or record.name
    assert dict(star.dim_customer.select("customer_id", "customer_name").iter_rows()) == names


def assert_each_is_found_under_its_rule(star: Star, log: Log) -> None:
    found = star.contract_violations
    of_log = found.filter(table_name="sales_log").select("violation_type", "column_name", "observed_value")
    expected = [*log.columns, *(b for r in log.records for b in r.breaks)]
    assert Counter(of_log.iter_rows()) == Counter(expected)
    suspects = found.filter(table_name="dim_customer").select("violation_type", "row_key")
    assert Counter(suspects.iter_rows()) == Counter(log.suspects)
    # What is quarantined is listed record by record, and gave no line.
    stopping = [rule for rule, effect in RECORD_RULES.items() if effect == "quarantine"]
    listed = set(found.filter(pl.col("violation_type").is_in(stopping))["row_key"])
    assert not listed & set(star.fact_transactions["source_row_id"].cast(pl.String))
    assert {f.check for f in star.findings if not f.passed} == log.failed


def assert_as_planted(star: Star, log: Log) -> None:
    assert_the_accounts_close(star, log)
    assert_the_facts_are_true(star, log)
    assert_each_is_found_under_its_rule(star, log)


@pytest.mark.parametrize("layout", ["wide", "tidy"])
def test_a_clean_log_arrives_whole(tmp_path: Path, layout: Layout) -> None:
    log = clean(layout, 0)
    assert_as_planted(built(log, tmp_path), log)


@pytest.mark.parametrize(("kind", "layout", "seed"), CASES)
def test_one_kind_of_dirt(tmp_path: Path, kind: Kind, layout: Layout, seed: int) -> None:
    log = clean(layout, seed)
    before = log.write(tmp_path)
    text = [Path(path).read_bytes() for path in before]
    kind.plant(log)
    assert [Path(path).read_bytes() for path in log.write(tmp_path)] != text, "nothing was planted"
    assert_as_planted(built(log, tmp_path), log)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layout", ["wide", "tidy"])
def test_all_kinds_at_once(tmp_path: Path, layout: Layout, seed: int) -> None:
    kinds = [k for k in KINDS if layout in k.layouts and not k.alone]
    log = clean(layout, seed, records=260)
    Random(seed).shuffle(kinds)
    for kind in sorted(kinds, key=lambda k: k.last):
        kind.plant(log)
    star = built(log, tmp_path)
    assert_schemas_hold(star)
    assert_as_planted(star, log)
    # In any order of the records, the same bytes.
    for rows in log.files.values():
        log.rng.shuffle(rows)
    again = built(log, tmp_path)
    assert again.checksums == star.checksums
    assert again.contract_violations.equals(star.contract_violations)
    assert again.row_counts.equals(star.row_counts)


def test_there_are_enough_kinds_and_each_has_a_name_of_its_own() -> None:
    assert len({k.name for k in KINDS}) == len(KINDS) >= 25
    # Every rule a record can break is planted, but the two that need other settings or other columns.
    planted: set[str] = set()
    for kind in KINDS:
        for layout in kind.layouts:
            log = clean(layout, 0)
            kind.plant(log)
            planted |= {rule for r in log.records for rule, *_ in r.breaks}
    elsewhere = {"foreign_currency", "unparseable_revenue", "invalid_invoice_date"}  # test_currency, test_build
    assert set(RECORD_RULES) - planted == elsewhere
