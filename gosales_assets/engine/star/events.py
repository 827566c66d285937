"""Documents rolled up: net quantity, net gross profit and purchase flag of every target.

Belongs here: fact_events. Does not belong here: labels of customers; an event is an audit of them down to the invoice.
"""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.star.coding import as_texts, combinations
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, from_cents, whole_cents
from gosales_assets.taxonomy import Target, Taxonomy

KEYS = ("customer_id", "order_date", "invoice_id")


def fact_events(facts: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Roll facts up to documents.

    An event is a purchase of a target when its net gross profit is positive, or, for targets of that basis, the net
    quantity of its quantity-only SKUs: the predicate of the label, on the net of the event. A pure return is none.

    Parameters
    ----------
    facts
        fact_transactions, in their order: by customer, then document number, then date.
    taxonomy
        Its targets give the columns, in order of slug.

    Returns
    -------
    DataFrame
        ``customer_id, order_date, invoice_id``, then ``qty_<slug>, gp_<slug>, label_<slug>, is_return_<slug>`` per
        target; sorted by the key.
    """
    targets = sorted(taxonomy.targets, key=lambda t: t.slug)
    documents, document, place = _documents(facts)
    # A line is looked up by the number of its product, and summed by the number of its document.
    product, products = combinations(facts, ("product_sku", "product_division"))
    lines = facts.lazy().select("quantity", gp_cents=whole_cents("gross_profit"), _document=document, _product=product)
    nets = pl.collect_all([_net(lines, products, target) for target in targets])
    return as_texts(documents).hstack(
        [c for t, net in zip(targets, nets, strict=True) for c in _columns(t, net, place).get_columns()]
    )


def _documents(facts: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """The keys of all documents in the order of events; the number of each line's document in that of the facts, and
    the place of each document among the events."""
    first = facts.select(pl.any_horizontal(pl.col(k).ne_missing(pl.col(k).shift(1)) for k in KEYS)).to_series()
    documents = facts.select(KEYS).filter(first)
    customer = pl.col("customer_id").ne_missing(pl.col("customer_id").shift(1)).cast(pl.Int64).cum_sum()
    # Facts have documents of a customer in the order of their numbers, events first in that of their dates.
    key = documents.select(key=customer * 2**32 + pl.col("order_date").to_physical())
    order = key.select(pl.arg_sort_by("key", maintain_order=True)).to_series()
    place = pl.repeat(0, documents.height, dtype=pl.UInt32, eager=True).scatter(
        order, pl.int_range(documents.height, dtype=pl.UInt32, eager=True)
    )
    document = first.cast(pl.UInt32).cum_sum() - 1
    return documents[order], document.set_sorted(), place


def _net(lines: pl.LazyFrame, products: pl.DataFrame, target: Target) -> pl.LazyFrame:
    """Net cents, net quantity, and net quantity that alone makes a purchase, of the documents that have a line."""

    def of_these(which: pl.Expr) -> pl.Expr:
        return pl.col("_product").is_in(products.select(which.arg_true()).to_series().implode())

    alone = pl.when(of_these(target.quantity_lines())).then("quantity").otherwise(0.0)
    return (
        lines.filter(of_these(target.lines()))
        .with_columns(alone=alone)
        .group_by("_document")
        .agg(pl.col("gp_cents").sum(), pl.col("quantity", "alone").sum().round(QUANTITY_DECIMALS))
    )


def _columns(target: Target, net: pl.DataFrame, place: pl.Series) -> pl.DataFrame:
    """The four columns of a target, of all events; most events have no line of it."""
    gp, quantity = pl.col("gp_cents"), pl.col("quantity")
    bought = (gp > 0) | (pl.col("alone") > 0)
    taken_back = ~bought & ((quantity < 0) | ((quantity == 0) & (gp < 0)))
    of_some = net.select(
        quantity.alias(f"qty_{target.slug}"),
        from_cents(gp).alias(f"gp_{target.slug}"),
        bought.cast(pl.Int8).alias(f"label_{target.slug}"),
        taken_back.cast(pl.Int8).alias(f"is_return_{target.slug}"),
    )
    at = place.gather(net["_document"])
    return pl.DataFrame(
        pl.repeat(0, len(place), dtype=column.dtype, eager=True).scatter(at, column).alias(column.name)
        for column in of_some.get_columns()
    )
