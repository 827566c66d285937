"""Documents rolled up to targets."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.engine.star.events import KEYS, fact_events
from gosales_assets.engine.star.schema import FactEvents
from gosales_assets.taxonomy import Taxonomy

REFERENCE = Taxonomy.reference()

SCHEMA = {
    "invoice_id": pl.String,
    "customer_id": pl.String,
    "order_date": pl.Date,
    "product_sku": pl.String,
    "product_division": pl.String,
    "gross_profit": pl.Float64,
    "quantity": pl.Float64,
}

LINES = [
    ("INV1", "C1", date(2024, 1, 5), "FDM", "Hardware", 5000.0, 1.0),
    ("INV1", "C1", date(2024, 1, 5), "Consumables", "Hardware", 90.0, 3.0),
    ("INV2", "C1", date(2024, 2, 1), "SWX_Core", "Solidworks", -200.0, -1.0),
    ("INV3", "C2", date(2024, 2, 1), "SW_Plastics", "Simulation", 0.0, 1.0),
    ("INV4", "C2", date(2024, 2, 2), "Simulation", "Simulation", -10.0, 2.0),
]


def event(invoice: str, *columns: str) -> tuple[float, ...]:
    got = fact_events(pl.DataFrame(LINES, SCHEMA, orient="row"), REFERENCE)
    return got.filter(invoice_id=invoice).select(columns).row(0)


def test_events_net_and_label() -> None:
    got = fact_events(pl.DataFrame(LINES, SCHEMA, orient="row"), REFERENCE)
    FactEvents.validate(got, lazy=True)
    assert got.select("customer_id", "order_date", "invoice_id").rows() == [
        ("C1", date(2024, 1, 5), "INV1"),
        ("C1", date(2024, 2, 1), "INV2"),
        ("C2", date(2024, 2, 1), "INV3"),
        ("C2", date(2024, 2, 2), "INV4"),
    ]
    assert event("INV1", "qty_printers", "gp_printers", "label_printers") == (1.0, 5000.0, 1)
    assert event("INV1", "qty_hardware", "gp_hardware", "label_hardware") == (4.0, 5090.0, 1)
    labels = [c for c in got.columns if c.startswith("label_")]
    assert got.filter(invoice_id="INV1").select(pl.sum_horizontal(labels)).item() == 2
    # A pure return is no purchase.
    assert event("INV2", "qty_swx_seats", "gp_swx_seats", "label_swx_seats", "is_return_swx_seats") == (-1, -200, 0, 1)
    # SW_Plastics is booked with quantity only, and the target's basis counts it.
    assert event("INV3", "qty_simulation", "gp_simulation", "label_simulation") == (1.0, 0.0, 1)
    # Two seats at a loss are neither a purchase (gross profit decides for that SKU) nor a return.
    assert event("INV4", "label_simulation", "is_return_simulation") == (0, 0)
    assert all(got.schema[c] == pl.Int8 for c in labels)


def test_one_column_of_each_kind_per_target_in_order() -> None:
    got = fact_events(pl.DataFrame(LINES, SCHEMA, orient="row"), REFERENCE)
    slugs = sorted(t.slug for t in REFERENCE.targets)
    assert got.columns[3:] == [f"{kind}_{s}" for s in slugs for kind in ("qty", "gp", "label", "is_return")]


def test_no_facts_give_no_events_of_the_same_columns() -> None:
    some = fact_events(pl.DataFrame(LINES, SCHEMA, orient="row"), REFERENCE)
    none = fact_events(pl.DataFrame(schema=SCHEMA), REFERENCE)
    assert none.schema == some.schema
    assert none.height == 0


def test_the_order_of_lines_within_a_document_does_not_matter() -> None:
    some = fact_events(pl.DataFrame(LINES, SCHEMA, orient="row"), REFERENCE)
    turned = [LINES[1], LINES[0], *LINES[2:]]
    assert fact_events(pl.DataFrame(turned, SCHEMA, orient="row"), REFERENCE).equals(some)


def test_events_of_a_customer_are_in_the_order_of_their_dates_not_of_their_numbers() -> None:
    first, second = ("INV1", "C1", date(2024, 5, 1), *LINES[0][3:]), ("INV2", "C1", date(2024, 1, 1), *LINES[2][3:])
    facts = pl.DataFrame([first, second], SCHEMA, orient="row").sort(KEYS)
    got = fact_events(facts, REFERENCE)
    columns = ("order_date", "invoice_id", "gp_printers", "gp_swx_seats")
    assert got.select(columns).rows() == [(second[2], "INV2", 0.0, -200.0), (first[2], "INV1", 5000.0, 0.0)]


def test_an_invoice_number_of_two_customers_is_two_documents() -> None:
    lines = [(*LINES[0][:1], c, *LINES[0][2:]) for c in ("C1", "C2")]
    assert fact_events(pl.DataFrame(lines, SCHEMA, orient="row"), REFERENCE).height == 2


_LINES = st.tuples(
    st.sampled_from(["C1", "C2"]),
    st.sampled_from([date(2024, 1, 5), date(2024, 2, 1)]),
    st.sampled_from(["INV1", "INV2"]),
    st.sampled_from(sorted((p.sku, p.division) for p in REFERENCE.products)),
    st.integers(-20_000, 20_000),
    st.sampled_from([-1.5, -1.0, 0.0, 0.1, 0.2, 1.0, 3.0]),
)


@given(st.lists(_LINES, min_size=1, max_size=30))
def test_events_are_the_sums_of_their_lines(lines: list[Any]) -> None:
    rows = [(i, c, d, sku, division, cents / 100, q) for c, d, i, (sku, division), cents, q in lines]
    facts = pl.DataFrame(rows, SCHEMA, orient="row").sort(KEYS)
    got = fact_events(facts, REFERENCE)
    for target in REFERENCE.targets:
        own = facts.with_columns(own=target.lines(), alone=target.quantity_lines())
        gp, quantity = ((pl.col(c) * pl.col("own")).sum().round(4) for c in ("gross_profit", "quantity"))
        alone = (pl.col("quantity") * pl.col("alone")).sum().round(4)
        summed = own.group_by(KEYS, maintain_order=True).agg(gp=gp, qty=quantity, alone=alone)
        bought = (pl.col("gp") > 0) | (pl.col("alone") > 0)
        pure_return = ~bought & ((pl.col("qty") < 0) | ((pl.col("qty") == 0) & (pl.col("gp") < 0)))
        wanted = summed.with_columns(label=bought.cast(pl.Int8), is_return=pure_return.cast(pl.Int8))
        assert got.select(KEYS).equals(wanted.select(KEYS))
        for kind in ("qty", "gp", "label", "is_return"):
            assert got[f"{kind}_{target.slug}"].to_list() == pytest.approx(wanted[kind].to_list(), abs=1e-9)
