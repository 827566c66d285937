"""Documents rolled up: net quantity, net gross profit and purchase flag of every target.

Belongs here: fact_events. Does not belong here: labels of customers; an event is an audit of them down to the invoice.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl

from gosales_assets.engine.keys import changes
from gosales_assets.engine.parallel import side_by_side
from gosales_assets.engine.star.coding import as_texts, combinations
from gosales_assets.engine.star.parsing import CENTS, QUANTITY_DECIMALS, whole_cents
from gosales_assets.taxonomy import Taxonomy

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
    numbers = facts.select(
        cents=whole_cents("gross_profit"),
        units=(pl.col("quantity") * _PARTS_OF_UNIT).round().cast(pl.Int64),
        document=first.cast(pl.UInt32).cum_sum() - 1,
        product=product,
    )
    lines = _Lines(*(numbers[name].to_numpy() for name in _Lines._fields))
    of_target = products.select(t.lines().alias(t.slug) for t in targets)
    by_quantity = products.select(t.quantity_lines().alias(t.slug) for t in targets)
    documents = facts.select(KEYS).filter(first)
    columns = side_by_side(
        *(partial(_columns, lines, documents.height, t.slug, of_target[t.slug], by_quantity[t.slug]) for t in targets)
    )
    return as_texts(documents).hstack([column for of_one in columns for column in of_one])


class _Lines(NamedTuple):
    """Lines in the order of their documents: whole cents, parts of units, and the numbers of document and product."""

    cents: np.ndarray
    units: np.ndarray
    document: np.ndarray
    product: np.ndarray


def _columns(lines: _Lines, documents: int, slug: str, own: pl.Series, by_quantity: pl.Series) -> list[pl.Series]:
    """The four columns of a target, of all events; most events have no line of it."""
    document, cents, units = _net(lines, own.to_numpy())
    bought = cents > 0
    if by_quantity.any():
        some, _, units_alone = _net(lines, by_quantity.to_numpy())
        bought |= np.isin(document, some[units_alone > 0], assume_unique=True)
    taken_back = ~bought & ((units < 0) | ((units == 0) & (cents < 0)))
    of_some = {
        f"qty_{slug}": units / _PARTS_OF_UNIT,
        f"gp_{slug}": cents / CENTS,
        f"label_{slug}": bought.astype(np.int8),
        f"is_return_{slug}": taken_back.astype(np.int8),
    }
    at = pl.Series(document)
    return [
        pl.repeat(0, documents, dtype=values.dtype, eager=True).scatter(at, values).alias(name)
        for name, values in ((name, pl.Series(values)) for name, values in of_some.items())
    ]


def _net(lines: _Lines, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents with a line of some products, and what those lines sum to: whole cents and parts of units."""
    at = np.flatnonzero(which[lines.product])
    document = lines.document[at]
    if not len(at):
        return document, lines.cents[at], lines.units[at]
    # Lines of a document are neighbours.
    first = np.flatnonzero(changes(document))
    return document[first], np.add.reduceat(lines.cents[at], first), np.add.reduceat(lines.units[at], first)
