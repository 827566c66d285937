"""The customer dimension: rosters united, industries matched, nobody multiplied."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from gosales_assets_tests.engine.star.worlds import broken, counts, sale, star, wide

SOLD = {"SWX_Core": "1", "SWX_Core_Qty": "1"}


def customer(name: str | None, *, key: str = "C1", day: str = "2024-03-01") -> dict[str, Any]:
    return {**sale(key, day, Customer=name), **SOLD}


@pytest.mark.parametrize(
    ("name", "enrichment", "industry", "method"),
    [
        ("Acme Corp", [{"customer_name": " Acme  CORP ", "industry": "A"}], "A", "exact"),
        ("Zeta", [{"customer_name": "Acme", "industry": "A"}], None, "none"),
        # The number of the name is the id of the enrichment, also when another row has none.
        (
            "497588 Bluepen",
            [
                {"customer_name": "Bluepen Inc", "industry_id": "497588.0", "industry": "A"},
                {"customer_name": "Other", "industry": "B"},
            ],
            "A",
            "prefix",
        ),
        ("3M Company", [{"customer_name": "Three", "industry_id": "3", "industry": "A"}], None, "none"),
        (None, [{"customer_name": None, "industry": "A"}], None, "none"),
        ("Acme Corp", [], None, "none"),
    ],
)
def test_industry_by_name_or_number(
    name: str | None, enrichment: list[dict[str, Any]], industry: str | None, method: str
) -> None:
    built = star(wide(customer(name)), enrichment=enrichment)
    score = None if method == "none" else 100.0
    got = built.dim_customer.select("industry", "match_method", "match_score").rows()
    assert got == [(industry, method, score)]


def test_the_most_complete_row_of_a_name_wins_and_the_conflict_is_reported() -> None:
    enrichment = [
        {"customer_name": "Acme Corp", "industry": "B", "industry_id": "1"},
        {"customer_name": "acme corp", "industry": "A", "industry_sub": "Sub", "industry_id": "2"},
        {"customer_name": "Acme Corp", "industry": "C", "industry_id": "3"},
    ]
    built = star(wide(customer("Acme Corp")), enrichment=enrichment)
    assert built.dim_customer.select("industry", "industry_sub").rows() == [("A", "Sub")]
    conflicts = built.contract_violations.filter(violation_type="enrichment_conflict")
    assert conflicts.select("table_name", "row_key", "observed_value", "severity").rows() == [
        ("industry_enrichment", "acme corp", "B", "WARN"),
        ("industry_enrichment", "acme corp", "C", "WARN"),
    ]
    assert star(wide(customer("Acme Corp")), enrichment=enrichment[::-1]).checksums == built.checksums


def test_of_equally_complete_rows_the_lowest_id_wins() -> None:
    enrichment = [{"customer_name": "Acme", "industry_id": i, "industry": f"I{i}"} for i in ("10", "9", None)]
    assert star(wide(customer("Acme")), enrichment=enrichment).dim_customer["industry"].item() == "I9"


def test_the_exact_row_is_completed_by_the_row_of_the_number() -> None:
    enrichment = [
        {"customer_name": "12 Acme", "industry": "A"},
        {"customer_name": "Acme", "industry_id": "12", "industry": "B", "web_address": "acme.example"},
    ]
    built = star(wide(customer("12 Acme")), enrichment=enrichment)
    assert built.dim_customer.select("industry", "web_address", "match_method", "customer_prefix_id").rows() == [
        ("A", "acme.example", "exact", 12)
    ]


def test_a_customer_is_named_by_the_earliest_record_that_has_a_name() -> None:
    rows = [
        customer(None, day="2024-01-01"),
        customer("Late", day="2024-03-01"),
        customer("B early", day="2024-02-01"),
        customer("A early", day="2024-02-01"),
    ]
    for order in (rows, rows[::-1]):
        got = star(wide(*order)).dim_customer
        assert got.select("customer_name", "first_seen_date").rows() == [("A early", date(2024, 1, 1))]


def test_assets_join_the_roster() -> None:
    assets = [
        {"customer_id": "C1", "product_sku": "PDM", "purchase_date": "2020-01-01"},
        {"customer_id": "A9", "product_sku": "PDM", "purchase_date": "2021-01-01", "quantity": "2"},
        {"customer_id": "A9", "product_sku": "PDM", "purchase_date": "nonsense"},
        {"customer_id": " ", "product_sku": "PDM", "purchase_date": "2021-01-01"},
    ]
    built = star(wide(customer("Acme")), assets=assets)
    columns = ("customer_id", "source_sales_log", "source_assets", "source", "source_rank", "first_seen_date")
    assert built.dim_customer.select(columns).rows() == [
        ("A9", 0, 1, "assets", 2, date(2021, 1, 1)),
        ("C1", 1, 1, "sales_log", 0, date(2020, 1, 1)),
    ]
    assert sorted(broken(built)) == [
        ("asset_without_customer", "customer_id", "PDM"),
        ("unparseable_asset_date", "purchase_date", "nonsense"),
    ]
    assert counts(built, "customer_assets")["received"][0] == 4


def test_quarantined_records_found_no_customer() -> None:
    built = star(wide(customer("Acme"), customer("Ghost", key="C2", day="bad")))
    assert built.dim_customer["customer_id"].to_list() == ["C1"]
    assert built.dim_customer.schema["industry"] == pl.String  # there without enrichment, too
