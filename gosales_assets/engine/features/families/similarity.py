"""How like the target's owners a customer is, by what both have bought or hold.

The factors come from customer_base, fitted once per cutoff for all targets; the centroid is that of the customers who
own the target at the cutoff. Customers a fit does not know, and everybody while it knows no owner, are unknown. The
embedding of assets speaks of customers who hold something and have bought nothing lately.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.features.embeddings import embed, similarity
from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import ASSETS, FACTS, LIFE, Feature, Plan, Shared, declare
from gosales_assets.engine.population import OWNER

#: Columns of the customer base: factors, which mean something beside each other only (see `embeddings`).
LINES, HELD = "shared__als_lines", "shared__als_assets"


def declare_features(plan: Plan) -> Iterator[Feature]:
    likeness = partial(declare, "als", "div", dtype="Float64", null_policy="null", pooled=True, everyone=True)
    if plan.transactions_fit:
        yield likeness(
            "similarity",
            plan.transactions_span,
            value=partial(_similarity, column=LINES),
            description="Cosine with the mean owner of the target in the embedding of products bought "
            f"{plan.transactions_span.words}, in [-1, 1]; null without a net purchase, or without an owner with one.",
        )
    if plan.assets_fit:
        yield likeness(
            "assets_similarity",
            LIFE,
            value=partial(_similarity, column=HELD),
            description="Cosine with the mean owner of the target in the embedding of assets, expired or not, bought "
            f"{LIFE.words}, in [-1, 1]; null without an asset, or without an owner that has one.",
            source=(ASSETS, FACTS),
        )


def declare_shared(plan: Plan) -> Iterator[Shared]:
    if plan.transactions_fit:
        yield Shared(LINES, embedded_lines)
    if plan.assets_fit:
        yield Shared(HELD, embedded_assets)


def embedded_lines(ledger: Ledger) -> pl.Series:
    """Factors of each customer from the lines of the span."""
    plan = ledger.plan
    assert plan.transactions_fit is not None
    inside = ledger.within(plan.transactions_span)
    taken = ledger.lines[inside].select(
        pl.Series("row", ledger.active[ledger.row[inside]]), pl.col("product_sku").alias("item"), "quantity"
    )
    return embed(taken, ledger.customers.height, plan.transactions_fit)


def embedded_assets(ledger: Ledger) -> pl.Series:
    """Factors of each customer from everything bought by the cutoff: the end of a term may be today's."""
    assert ledger.plan.assets_fit is not None
    held = ledger.held
    taken = held.assets.select(
        pl.Series("row", held.row), pl.coalesce("item_rollup", "product_sku").alias("item"), "quantity"
    )
    return embed(taken, held.customers, ledger.plan.assets_fit)


def _similarity(ledger: Ledger, *, column: str) -> np.ndarray:
    owners = (ledger.customers["ownership"] == OWNER).to_numpy()
    return similarity(ledger.customers[column].to_numpy(), owners)
