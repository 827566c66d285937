"""What a customer's other products say about the target: lifts of the market basket.

Rules and lifts are those of the ranking (`whitespace.basket`), learned from all customers known at the cutoff. Rules
and products alike come from a window that ends some days before the cutoff. A customer without a product that has a
rule is not told from others by its products: null.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import Feature, Plan, Shared, declare
from gosales_assets.engine.whitespace.basket import held, lifts_of, rules_of

#: Column of the customer base that holds what each customer bought in the window.
HELD = "shared__basket"
PRODUCT = pl.Struct({"product_sku": pl.String(), "product_division": pl.String()})


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.basket is None:
        return
    span = plan.basket
    for metric, what in (
        ("lift_max", "Highest lift"),
        ("lift_mean", "Mean lift"),
        ("lift_topk", f"Mean of the {plan.basket_topk} highest lifts"),
    ):
        yield declare(
            "mb",
            "div",
            metric,
            span,
            "Float64",
            partial(_lift, column=f"mb_{metric}"),
            f"{what} towards the target of the other products bought {span.words}; null without a product that at "
            f"least {plan.basket_support} customers have.",
            null_policy="null",
            pooled=True,
            everyone=True,
        )


def declare_shared(plan: Plan) -> Iterator[Shared]:
    if plan.basket is not None:
        yield Shared(HELD, products_held)


def products_held(ledger: Ledger) -> pl.Series:
    """What each customer bought in the basket window, for the rules of any target: a list per customer, null if none.

    Distinct products with their divisions, sorted.
    """
    assert ledger.plan.basket is not None
    lines = ledger.lines.select("order_date", "product_sku", "product_division").with_columns(
        customer_id=pl.Series(ledger.active[ledger.row], dtype=pl.Int64)
    )
    baskets = (
        held(lines.lazy(), ledger.plan.basket.window(ledger.cutoff))
        .cast({"product_sku": pl.String, "product_division": pl.String})
        .sort("customer_id", "product_sku", "product_division")
        .group_by("customer_id", maintain_order=True)
        .agg(pl.struct("product_sku", "product_division").alias(HELD))
    )
    everyone = pl.DataFrame({"customer_id": np.arange(ledger.customers.height)}, schema={"customer_id": pl.Int64})
    lists = everyone.join(baskets, on="customer_id", how="left", maintain_order="left")[HELD]
    return lists.cast(pl.List(PRODUCT))


def _lift(ledger: Ledger, *, column: str) -> pl.Series:
    return ledger.once("lifts", lambda: _lifts(ledger))[column]


def _lifts(ledger: Ledger) -> pl.DataFrame:
    assert ledger.target is not None
    baskets = (
        ledger.customers.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("customer_id"), HELD)
        .explode(HELD)
        .unnest(HELD)
        .drop_nulls("product_sku")
    )
    rules = rules_of(baskets, ledger.target, ledger.plan.basket_support)
    lifts = lifts_of(baskets, rules, ledger.plan.basket_topk)
    everyone = pl.DataFrame({"customer_id": np.arange(ledger.customers.height)}, schema={"customer_id": pl.Int64})
    return everyone.join(lifts, on="customer_id", how="left", maintain_order="left")
