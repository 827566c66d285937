"""Documents rolled up: net quantity, net gross profit and purchase flag of every target.

Belongs here: fact_events. Does not belong here: labels of customers; an event is an audit of them down to the invoice.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, cents, from_cents
from gosales_assets.taxonomy import Target, Taxonomy

KEYS = ("customer_id", "order_date", "invoice_id")


def fact_events(facts: pl.LazyFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Roll facts up to documents.

    An event is a purchase of a target when its net gross profit is positive, or, for targets of that basis, the net
    quantity of its quantity-only SKUs: the predicate of the label, on the net of the event. A pure return is none.

    Parameters
    ----------
    facts
        fact_transactions.
    taxonomy
        Its targets give the columns, in order of slug.

    Returns
    -------
    DataFrame
        ``customer_id, order_date, invoice_id``, then ``qty_<slug>, gp_<slug>, label_<slug>, is_return_<slug>`` per
        target; sorted by the key.
    """
    targets = sorted(taxonomy.targets, key=lambda t: t.slug)
    nets = [net for t in targets for net in _nets(t)]
    columns = [column for t in targets for column in _columns(t)]
    return facts.group_by(KEYS).agg(nets).select(*KEYS, *columns).sort(KEYS).collect()


def _nets(target: Target) -> Iterator[pl.Expr]:
    own = target.lines()
    yield cents("gross_profit").filter(own).sum().alias(f"gp_{target.slug}")
    yield pl.col("quantity").filter(own).sum().round(QUANTITY_DECIMALS).alias(f"qty_{target.slug}")
    if target.label_basis != "gp":
        counted = pl.col("quantity").filter(target.quantity_lines()).sum().round(QUANTITY_DECIMALS)
        yield counted.alias(f"_only_{target.slug}")


def _columns(target: Target) -> Iterator[pl.Expr]:
    slug = target.slug
    gp, quantity = pl.col(f"gp_{slug}"), pl.col(f"qty_{slug}")
    bought = gp > 0 if target.label_basis == "gp" else (gp > 0) | (pl.col(f"_only_{slug}") > 0)
    taken_back = ~bought & ((quantity < 0) | ((quantity == 0) & (gp < 0)))
    yield quantity
    yield from_cents(gp).alias(f"gp_{slug}")
    yield bought.cast(pl.Int8).alias(f"label_{slug}")
    yield taken_back.cast(pl.Int8).alias(f"is_return_{slug}")
