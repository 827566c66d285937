"""Documents rolled up: net quantity, net gross profit and purchase flag of every target.

Belongs here: fact_events. Does not belong here: labels of customers; an event is an audit of them down to the invoice.
"""

from __future__ import annotations

from functools import partial

import polars as pl

from gosales_assets.engine.parallel import side_by_side
from gosales_assets.engine.star.coding import as_texts, combinations
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, from_cents, whole_cents
from gosales_assets.taxonomy import Target, Taxonomy

KEYS = ("customer_id", "order_date", "invoice_id")

#: A quantity in whole parts sums to the same whatever the order.
_PARTS_OF_UNIT = 10**QUANTITY_DECIMALS


def fact_events(facts: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Roll facts up to documents.

    An event is a purchase of a target when its net gross profit is positive, or, for targets of that basis, the net
    quantity of its quantity-only SKUs: the predicate of the label, on the net of the event. A pure return is none.

    Parameters
    ----------
    facts
        fact_transactions, in their order: by customer, then date, then document number.
    taxonomy
        Its targets give the columns, in order of slug.

    Returns
    -------
    DataFrame
        ``customer_id, order_date, invoice_id``, then ``qty_<slug>, gp_<slug>, label_<slug>, is_return_<slug>`` per
        target; sorted by the key.
    """
    targets = sorted(taxonomy.targets, key=lambda t: t.slug)
    changes = pl.any_horizontal(pl.col(k).ne_missing(pl.col(k).shift(1)) for k in KEYS)
    first = facts.select(changes).to_series()
    # A line is looked up by the number of its product, and summed by the number of its document.
    product, products = combinations(facts, ("product_sku", "product_division"))
    lines = facts.select(
        cents=whole_cents("gross_profit"),
        units=(pl.col("quantity") * _PARTS_OF_UNIT).round().cast(pl.Int64),
        document=first.cast(pl.UInt32).cum_sum() - 1,
        product=product,
    )
    documents = facts.select(KEYS).filter(first)
    columns = side_by_side(*(partial(_columns, lines, products, documents.height, t) for t in targets))
    return as_texts(documents).hstack([column for of_target in columns for column in of_target])


def _columns(lines: pl.DataFrame, products: pl.DataFrame, documents: int, target: Target) -> list[pl.Series]:
    """The four columns of a target, of all events; most events have no line of it."""

    def net(which: pl.Expr) -> pl.DataFrame:
        return _net(lines.filter(products.select(which).to_series().gather(lines["product"])))

    nets = net(target.lines())
    alone = pl.lit(False)
    if products.select(target.quantity_lines().any()).item():
        some = net(target.quantity_lines()).filter(pl.col("units") > 0)
        alone = pl.col("document").is_in(some["document"].implode())
    bought = (pl.col("cents") > 0) | alone
    taken_back = ~bought & ((pl.col("units") < 0) | ((pl.col("units") == 0) & (pl.col("cents") < 0)))
    of_some = nets.select(
        (pl.col("units") / _PARTS_OF_UNIT).alias(f"qty_{target.slug}"),
        from_cents("cents").alias(f"gp_{target.slug}"),
        bought.cast(pl.Int8).alias(f"label_{target.slug}"),
        taken_back.cast(pl.Int8).alias(f"is_return_{target.slug}"),
    )
    return [
        pl.repeat(0, documents, dtype=c.dtype, eager=True).scatter(nets["document"], c).alias(c.name)
        for c in of_some.get_columns()
    ]


def _net(lines: pl.DataFrame) -> pl.DataFrame:
    """Whole cents and parts of units of the documents that have a line; lines of a document are neighbours."""
    last = (pl.col("document") != pl.col("document").shift(-1)).fill_null(True)
    # What has been summed up to the end of a document, less what had been up to that of the one before.
    ends = lines.select("document", pl.col("cents", "units").cum_sum()).filter(lines.select(last).to_series())
    return ends.with_columns((pl.col(c) - pl.col(c).shift(1, fill_value=0)) for c in ("cents", "units"))
