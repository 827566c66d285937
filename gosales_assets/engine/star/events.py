"""Documents rolled up: net quantity, net gross profit and purchase flag of every target.

Belongs here: fact_events. Does not belong here: labels of customers; an event is an audit of them down to the invoice.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, cents, from_cents
from gosales_assets.taxonomy import Target, Taxonomy

KEYS = ("customer_id", "order_date", "invoice_id")


def fact_events(facts: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Roll facts up to documents.

    An event is a purchase of a target when its net gross profit is positive, or, for targets of that basis, the net
    quantity of its quantity-only SKUs: the predicate of the label, on the net of the event. A pure return is none.

    Parameters
    ----------
    facts
        fact_transactions, in any order.
    taxonomy
        Its targets give the columns, in order of slug.

    Returns
    -------
    DataFrame
        ``customer_id, order_date, invoice_id``, then ``qty_<slug>, gp_<slug>, label_<slug>, is_return_<slug>`` per
        target; sorted by the key.
    """
    # Number the documents once; each target then sums only its own lines, by a number instead of three keys.
    lines = facts.select(*KEYS, "product_sku", "product_division", "quantity", gp_cents=cents("gross_profit")).sort(
        KEYS
    )
    if lines.is_empty():
        events = lines.select(KEYS)
        return events.with_columns(c for t in _targets(taxonomy) for c in _columns(t, *_nothing()))
    first = pl.any_horizontal((pl.col(k) != pl.col(k).shift(1)).fill_null(True) for k in KEYS)
    lines = lines.with_columns(_event=first.cast(pl.UInt32).cum_sum() - 1)
    events = lines.filter(first).select(KEYS)
    return events.with_columns(
        column for target in _targets(taxonomy) for column in _columns(target, *_nets(lines, target, events.height))
    )


def _targets(taxonomy: Taxonomy) -> list[Target]:
    return sorted(taxonomy.targets, key=lambda t: t.slug)


def _nothing() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    return pl.lit(0, pl.Int64), pl.lit(0.0), pl.lit(0.0)


def _nets(lines: pl.DataFrame, target: Target, events: int) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Net cents, net quantity, and net quantity that alone makes a purchase, of every event."""
    net = (
        lines.lazy()
        .filter(target.lines())
        .select(
            "_event",
            "gp_cents",
            "quantity",
            alone=pl.when(target.quantity_lines()).then("quantity").otherwise(0.0),
        )
        .group_by("_event")
        .agg(pl.col("gp_cents").sum(), pl.col("quantity", "alone").sum().round(QUANTITY_DECIMALS))
        .collect()
    )

    def of_every_event(column: str) -> pl.Expr:
        zero = pl.repeat(0, events, dtype=net.schema[column], eager=True)
        return pl.lit(zero.scatter(net["_event"], net[column]))

    return of_every_event("gp_cents"), of_every_event("quantity"), of_every_event("alone")


def _columns(target: Target, gp: pl.Expr, quantity: pl.Expr, alone: pl.Expr) -> Iterator[pl.Expr]:
    bought = (gp > 0) | (alone > 0)
    taken_back = ~bought & ((quantity < 0) | ((quantity == 0) & (gp < 0)))
    yield quantity.alias(f"qty_{target.slug}")
    yield from_cents(gp).alias(f"gp_{target.slug}")
    yield bought.cast(pl.Int8).alias(f"label_{target.slug}")
    yield taken_back.cast(pl.Int8).alias(f"is_return_{target.slug}")
