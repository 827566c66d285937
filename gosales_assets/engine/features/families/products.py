"""What a customer bought of each product: gross profit, units, gross profit per unit.

The columns are the SKUs of the taxonomy, by slug, the same for every target and cutoff. A log without a product map
has none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, groups_of, money, ratio
from gosales_assets.engine.features.spec import Feature, Plan, Span, declare
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS

#: Units are counted in their smallest fraction, so that sums are exact in any order.
FRACTIONS = 10**QUANTITY_DECIMALS


def declare_features(plan: Plan) -> Iterator[Feature]:
    span = Span(plan.year)
    for at, (sku, slug) in enumerate(plan.skus):
        of = f"of SKU {sku} {span.words}"
        yield declare(
            "sku",
            "all",
            f"gp_sum_{slug}",
            span,
            "Float64",
            partial(_profit, at=at, span=span),
            f"Gross profit {of}.",
        )
        yield declare(
            "sku", "all", f"qty_sum_{slug}", span, "Float64", partial(_units, at=at, span=span), f"Net units {of}."
        )
        yield declare(
            "sku",
            "all",
            f"gp_per_unit_{slug}",
            span,
            "Float64",
            partial(_price, at=at, span=span),
            f"Gross profit per unit {of}; null when the units are not positive.",
            null_policy="null",
        )


def _profit(ledger: Ledger, *, at: int, span: Span) -> np.ndarray:
    return money(_totals(ledger, span)[0][at])


def _units(ledger: Ledger, *, at: int, span: Span) -> np.ndarray:
    return _totals(ledger, span)[1][at] / FRACTIONS


def _price(ledger: Ledger, *, at: int, span: Span) -> np.ndarray:
    return ratio(_profit(ledger, at=at, span=span), _units(ledger, at=at, span=span))


def _totals(ledger: Ledger, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Cents and fractions of units in a span per SKU of the plan (first axis) and customer."""

    def count() -> tuple[np.ndarray, np.ndarray]:
        place = {sku: i + 1 for i, (sku, _) in enumerate(ledger.plan.skus)}
        lines = ledger.within(span)
        sku = groups_of(ledger.lines["product_sku"], lambda names: [place.get(n, 0) for n in names])[lines]
        groups = len(place) + 1
        cell = sku * ledger.size + ledger.row[lines]
        units = np.rint(ledger.lines["quantity"].fill_null(0).to_numpy()[lines] * FRACTIONS)
        cents, units = (
            np.bincount(cell, weights, minlength=groups * ledger.size).reshape(groups, ledger.size)
            for weights in (ledger.cents[lines], units)
        )
        return cents[1:], units[1:]

    return ledger.once(("products", span), count)
