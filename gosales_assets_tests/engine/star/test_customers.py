"""The customer dimension: rosters united, industries matched, nobody multiplied."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets_tests.engine.star.worlds import broken, counts, finding, sale, star, wide

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


# --- the CRM


def test_rosters_are_united_and_the_first_source_names_the_customer() -> None:
    crm = [
        {"customer_id": "C1", "customer_name": "Acme (CRM)", "date_created": "2019-05-01", "region": "West"},
        {"customer_id": "N2", "customer_name": "Prospect Ltd", "date_created": "3/1/2022", "account_group": "9.0"},
        {"customer_id": "A9", "customer_name": "Holder Inc"},
    ]
    assets = [{"customer_id": "A9", "customer_name": "Old name", "product_sku": "PDM", "purchase_date": "2021-01-01"}]
    dim = star(wide(customer("Acme")), crm=crm, assets=assets).dim_customer
    columns = ("customer_id", "customer_name", "source", "source_rank", "source_ns", "first_seen_date")
    assert dim.select(columns).rows() == [
        ("A9", "Holder Inc", "ns", 1, 1, date(2021, 1, 1)),  # first seen as the owner of an asset
        ("C1", "Acme", "sales_log", 0, 1, date(2019, 5, 1)),  # created before the first order
        ("N2", "Prospect Ltd", "ns", 1, 1, date(2022, 3, 1)),
    ]
    assert dim.select("region", "account_group", "account_type").rows() == [
        (None, None, "prospect"),
        ("West", None, "prospect"),
        (None, "9", "prospect"),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"stage": "Customer"}, "customer"),
        ({"status": " ACTIVE  customer "}, "customer"),
        ({"stage": "Former Customer"}, "prospect"),  # the word alone is no stage
        ({"first_hw_date": "2020-01-01"}, "customer"),  # whatever was bought first
        ({"first_cre_date": "nonsense"}, "prospect"),
        ({}, "prospect"),
    ],
)
def test_who_the_crm_takes_for_a_customer(told: dict[str, str], expected: str) -> None:
    dim = star(wide(customer("Acme")), crm=[{"customer_id": "C1", **told}]).dim_customer
    assert dim["account_type"].to_list() == [expected]


def test_a_customer_the_crm_does_not_know_is_neither() -> None:
    assert star(wide(customer("Acme"))).dim_customer["account_type"].to_list() == [None]


def test_the_crm_has_one_row_per_customer_and_says_what_it_lost() -> None:
    crm = [
        {"customer_id": "C1", "region": "West", "date_created": "2020-01-01", "rep": "R"},
        {"customer_id": "C1.0", "region": "East"},  # another id: only a whole number loses its .0
        {"customer_id": " C1 ", "region": "East"},
        {"customer_id": "nan", "region": "South"},
        {"customer_id": "C2", "date_created": "soon"},
        {"customer_id": "C3", "date_created": "1900-01-01", "is_inactive": "perhaps"},
    ]
    built = star(wide(customer("Acme")), crm=crm)
    assert built.dim_customer.filter(customer_id="C1")["region"].to_list() == ["West"]
    assert broken(built) == [
        ("side_conflicting_row", "customer_id", "East"),
        ("side_implausible_date", "date_created", "1900-01-01"),
        ("side_missing_key", "customer_id", "South"),
        ("side_unparseable_value", "date_created", "soon"),
        ("side_unparseable_value", "is_inactive", "perhaps"),
    ]
    assert {s: n for s, (n, _) in counts(built, "crm_attributes").items()} == {
        "received": 6,
        "without_key": 1,
        "repeated": 1,
        "used": 4,
    }
    assert finding(built, "contract_side_tables", "dim_customer").passed


@pytest.mark.parametrize("token", ["", " ", "nan", "NaN", "None", "null", "NaT", "<NA>", None])
def test_nobody_is_no_customer_in_any_source(token: str | None) -> None:
    built = star(
        wide(customer("Acme"), customer("Ghost", key=token)),
        crm=[{"customer_id": token, "customer_name": "Ghost"}],
        assets=[{"customer_id": token, "product_sku": "PDM", "purchase_date": "2020-01-01"}],
        status=[{"customer_id": token, "rep": "R"}],
    )
    assert built.dim_customer["customer_id"].to_list() == ["C1"]
    assert built.account_status.is_empty()
    assert built.fact_assets["customer_id"].to_list() == [None]


def test_a_placeholder_purchase_date_is_no_first_day() -> None:
    held = [{"customer_id": "A9", "product_sku": "PDM", "purchase_date": day} for day in ("1900-01-01", "2021-05-01")]
    dim = star(wide(customer("Acme")), assets=held).dim_customer
    assert dim.filter(customer_id="A9")["first_seen_date"].to_list() == [date(2021, 5, 1)]
    dim = star(wide(customer("Acme")), assets=held[:1]).dim_customer
    assert dim.filter(customer_id="A9")["first_seen_date"].to_list() == [None]  # on no roster


# --- similar names

FUZZY = {"enable_industry_fuzzy": True, "fuzzy_min_unmatched": 0, "fuzzy_skip_if_coverage_ge": 1.0}


@pytest.mark.parametrize(
    ("name", "industry_name", "method", "score"),
    [
        ("Acme Industrial Supply", "Industrial Supply ACME", "fuzzy97", 100.0),
        ("Acme Engineering Services", "Acme Engineering Service", "fuzzy97", 97.96),
        ("Acme Tooling Inc", "Acme Tooling Inc.", "fuzzy94", 96.97),
        ("General Robotics Corporation", "General Robotics Corporatoin", "fuzzy94", 96.43),
        ("Precision Machining Company", "Precision Machining Companies", "none", None),
        ("Acme Tool Inc", "Acme Tool LLC", "none", None),
        ("497588 Bluepen", "Bluepen", "fuzzy97", 100.0),  # the number is taken off first
        ("497588 Bluepen", "497589 Bluepen", "fuzzy97", 100.0),
    ],
)
def test_industry_by_a_similar_name(name: str, industry_name: str, method: str, score: float | None) -> None:
    enrichment = [{"customer_name": industry_name, "industry": "A", "web_address": "a.example"}]
    dim = star(wide(customer(name)), enrichment=enrichment, etl=FUZZY).dim_customer
    found = method != "none"
    assert dim.select("industry", "web_address", "match_method", "matched_name").rows() == [
        ("A", "a.example", method, industry_name.lower()) if found else (None, None, "none", None)
    ]
    assert dim["match_score"].round(2).to_list() == [score]
    off = star(wide(customer(name)), enrichment=enrichment, etl={**FUZZY, "enable_industry_fuzzy": False}).dim_customer
    assert off["match_method"].to_list() == ["none"]


def crowd(unmatched: int, matched: int = 0) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Customers with a similar name each, and some with the same; and the industries of all."""
    similar = [f"Crowd number {i:04d} works" for i in range(unmatched)]
    same = [f"Same {i:04d}" for i in range(matched)]
    log = wide(*(customer(n, key=f"K{i}") for i, n in enumerate([*similar, *same])))
    return log, [{"customer_name": n, "industry": "A"} for n in [*(f"{n}." for n in similar), *same]]


@pytest.mark.parametrize(
    ("unmatched", "matched", "etl", "runs"),
    [
        (49, 0, {}, False),
        (50, 0, {}, True),
        (50, 950, {}, False),  # coverage 0.95
        (51, 949, {}, True),  # 0.949
        (50, 0, {"fuzzy_max_unmatched": 49}, False),
        (50, 0, {"fuzzy_max_unmatched": 50}, True),
    ],
)
def test_when_similar_names_are_looked_for(unmatched: int, matched: int, etl: dict[str, Any], runs: bool) -> None:
    log, enrichment = crowd(unmatched, matched)
    built = star(log, enrichment=enrichment, etl={"enable_industry_fuzzy": True, **etl})
    # 26 and 27 letters that differ by a full stop: 1 - 1 / 49 with 24 and 25 letters, 97.96.
    assert counts(built, "dim_customer")["match_fuzzy97"][0] == (unmatched if runs else 0)
    told = finding(built, "contract_side_tables", "dim_customer").metadata["matching"]["fuzzy"]
    assert told.startswith("run" if runs else "not run")


def test_an_accepted_pair_needs_no_likeness_and_goes_before_similar_names() -> None:
    enrichment = [
        {"customer_name": "Bluepen Holding", "industry": "A"},
        {"customer_name": "Acme Inc.", "industry": "B"},
    ]
    matches = [
        {"customer_name": "Acme Inc", "matched_name": "Bluepen Holding", "score": "88.5"},
        {"customer_name": "Gone", "matched_name": "Nobody"},
    ]
    built = star(wide(customer("Acme Inc")), enrichment=enrichment, matches=matches, etl=FUZZY)
    columns = ("industry", "match_method", "match_score", "matched_name")
    assert built.dim_customer.select(columns).rows() == [("A", "cache", 88.5, "bluepen holding")]
    assert broken(built) == [("side_unknown_name", "matched_name", "nobody")]
    # Who is found by name needs no pair.
    exact = star(
        wide(customer("Acme Inc.")), enrichment=enrichment, matches=[{**matches[0], "customer_name": "Acme Inc."}]
    )
    assert exact.dim_customer.select(columns[:2]).rows() == [("B", "exact")]


@given(seed=st.integers(0, 9), repeat=st.integers(1, 3))
@settings(max_examples=8)
def test_repetitions_multiply_nobody_and_order_changes_nothing(seed: int, repeat: int) -> None:
    names = ["Acme Works", "acme works", "12 Acme Works", "Acme Works.", "Zeta", None]
    log = wide(*(customer(n, key=f"K{i}") for i, n in enumerate(names)))
    enrichment = [
        {"customer_name": n, "industry_id": i, "industry": f"I{k}"}
        for k, (n, i) in enumerate([("Acme Works", "12"), ("ACME works", None), ("Works Acme", "12"), (None, "12")])
    ]
    crm = [{"customer_id": f"K{i}", "region": r} for i in range(8) for r in ("East", "West")]
    one = star(log, enrichment=enrichment, crm=crm, etl=FUZZY)
    assert one.dim_customer["customer_id"].to_list() == [f"K{i}" for i in range(8)]

    def again(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [rows[i] for i in pl.Series(range(len(rows))).sample(fraction=1.0, shuffle=True, seed=seed)] * repeat

    shuffled = log.sample(fraction=1.0, shuffle=True, seed=seed)
    assert star(shuffled, enrichment=again(enrichment), crm=again(crm), etl=FUZZY).checksums == one.checksums


# --- names that are none


@pytest.mark.parametrize(
    ("names", "passes"),
    [
        (["New", "Renewal"] * 10, False),
        ([f"Acme {i}" for i in range(20)], True),
        ([f"Acme {i % 10}" for i in range(20)], True),  # one half is enough
        ([f"Acme {i % 9}" for i in range(20)], False),
        (["New"] * 19, True),  # too few to tell
        ([None] * 30, True),
    ],
)
def test_names_that_look_like_a_flag(names: list[str | None], passes: bool) -> None:
    built = star(wide(*(customer(n, key=f"K{i}") for i, n in enumerate(names))))
    found = finding(built, "contract_customer_names", "dim_customer")
    assert (found.passed, found.severity) == (passes, "WARN")
    assert passes or "customer_name" in found.reason
