"""Market basket: which products go with a target, and what a customer's products say about it.

Belongs here: what customers hold in the basket window, the rules of one target, and the affinity of every customer
under rules: the one definition of lift, for the ranking and for model features alike. Does not belong here: percentiles
and weights (`components`), names and nulls of features.

Everything reads the same window, ``(cutoff - basket_window_months, cutoff - affinity_lag_days]``. The lag keeps the
newest lines out: a product bought together with the target on the eve of the cutoff is the purchase itself, not a sign
of it. Presence means at least one line of the product in the window.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gosales_assets.engine.keys import distinct
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Window, lagged_window

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings

RULE_SCHEMA: dict[str, pl.DataType] = {
    "division": pl.String(),
    "product_sku": pl.String(),
    "support": pl.Int32(),
    "target_customers": pl.Int32(),
    "baseline_division_rate": pl.Float64(),
    "confidence": pl.Float64(),
    "lift": pl.Float64(),
    "n_customers": pl.Int32(),
}

AFFINITY_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "division": pl.String(),
    "mb_lift_max": pl.Float64(),
    "mb_lift_mean": pl.Float64(),
    "mb_top_sku": pl.String(),
}

#: Mean lifts are rounded to this many decimals, so that the order of a sum cannot change a byte.
_LIFT_DECIMALS = 9


def _mean(lifts: pl.Expr) -> pl.Expr:
    return lifts.mean().round(_LIFT_DECIMALS)


def _window(cutoff: date, features: FeatureSettings) -> Window:
    return lagged_window(cutoff, features.basket_window_months, features.affinity_lag_days)


def _lines(facts: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """The lines of a window that name customer, product and division."""
    known = pl.all_horizontal(pl.col("customer_id", "product_sku", "product_division").is_not_null())
    return facts.filter(window.contains("order_date") & known)


def held(facts: pl.LazyFrame, window: Window) -> pl.DataFrame:
    """What each customer bought in a window, once: ``customer_id``, ``product_sku``, ``product_division``.

    Parameters
    ----------
    facts
        Lines; ``customer_id`` may be any key of a customer.
    window
        The basket window.
    """
    return _lines(facts, window).select("customer_id", "product_sku", "product_division").unique().collect()


def mb_rules(facts: pl.LazyFrame, target: Target, cutoff: date, *, features: FeatureSettings) -> pl.DataFrame:
    """Rules "has the product -> buys the target" among the customers active in the basket window.

    With ``C`` the customers active in the window, ``D`` those of them with a line of the target and ``S`` those with
    the product: ``baseline = |D| / |C|``, ``confidence = |S ∩ D| / |S|``, ``lift = confidence / baseline`` (0 when
    nobody bought the target). The target's own products make no rule: their lift is 1 / baseline by construction.

    Parameters
    ----------
    facts
        The whole ``fact_transactions``; only the window is read.
    target
        The target the rules speak about.
    cutoff
        Last day included.
    features
        ``basket_window_months``, ``affinity_lag_days`` and ``basket_min_support`` (customers a product needs).

    Returns
    -------
    pl.DataFrame
        One row per product with enough support: ``division`` (slug), ``product_sku``, ``support`` (customers with the
        product), ``target_customers`` (those of them with the target), ``baseline_division_rate``, ``confidence``,
        ``lift``, ``n_customers`` (customers active in the window). Sorted by lift and support descending, then SKU;
        no rows, but the columns, when nothing qualifies.
    """
    return rules_of(held(facts.lazy(), _window(cutoff, features)), target, features.basket_min_support)


def rules_of(baskets: pl.DataFrame, target: Target, min_support: int) -> pl.DataFrame:
    """The rules `mb_rules` describes, from what customers hold (`held`)."""
    # Queries as a whole: this is asked for every target, and often of few customers.
    pairs = baskets.lazy().select("customer_id", "product_sku", target.lines().alias("in_target")).unique().collect()
    n_customers = pairs["customer_id"].n_unique()
    in_target = pairs.filter("in_target")
    buyers = in_target.select("customer_id").unique().with_columns(buys=pl.lit(1))
    own = sorted({*in_target["product_sku"], *target.skus})
    baseline = buyers.height / max(1, n_customers)
    return (
        pairs.lazy()
        .filter(~pl.col("product_sku").is_in(own))
        .join(buyers.lazy(), on="customer_id", how="left")
        .group_by("product_sku")
        .agg(support=pl.len(), target_customers=pl.col("buys").sum())
        .filter(pl.col("support") >= min_support)
        .with_columns(
            division=pl.lit(target.slug),
            baseline_division_rate=pl.lit(baseline),
            confidence=pl.col("target_customers") / pl.col("support"),
            # In whole numbers, so that a lift of 1.5 is 1.5.
            lift=(pl.col("target_customers") * n_customers)
            / (pl.col("support").cast(pl.Int64) * max(1, buyers.height)),
            n_customers=pl.lit(n_customers),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in RULE_SCHEMA.items())
        .sort("lift", "support", "product_sku", descending=[True, True, False])
        .collect()
    )


def lifts_of(baskets: pl.DataFrame, rules: pl.DataFrame, topk: int) -> pl.DataFrame:
    """What the products of each customer say about one target, in numbers.

    Parameters
    ----------
    baskets
        What customers hold (`held`), who are whole numbers here.
    rules
        The rules of one target.
    topk
        How many of a customer's strongest rules the third number averages.

    Returns
    -------
    pl.DataFrame
        One row per customer with at least one rule among its products, sorted: ``customer_id``,
        ``mb_lift_max``, ``mb_lift_mean`` and ``mb_lift_topk``, the mean of the ``topk`` highest lifts, or of all
        when there are fewer.
    """
    # Rules stand strongest first, so that (customer, rule) as one sorted integer puts a customer's rules in order.
    ordered = rules.sort("lift", descending=True, maintain_order=True).with_row_index("rule")
    pairs = baskets.lazy().join(ordered.lazy().select("product_sku", "rule"), on="product_sku").collect()
    width = max(1, ordered.height)
    keys, _ = distinct(pairs["customer_id"].to_numpy() * width + pairs["rule"].to_numpy())
    customer, lift = keys // width, ordered["lift"].to_numpy()[keys % width]
    first = np.flatnonzero(np.diff(customer, prepend=-1))
    count = np.diff(np.append(first, len(keys)))
    place = np.arange(len(keys)) - np.repeat(first, count)

    def mean(of_strongest: int) -> np.ndarray:
        total = np.bincount(np.repeat(np.arange(len(first)), count), np.where(place < of_strongest, lift, 0.0))
        return np.round(total / np.minimum(count, of_strongest), _LIFT_DECIMALS)

    return pl.DataFrame(
        {
            "customer_id": customer[first],
            "mb_lift_max": lift[first],
            "mb_lift_mean": mean(width),
            "mb_lift_topk": mean(topk),
        }
    )


def customer_affinity(
    facts: pl.LazyFrame, rules: pl.DataFrame | Iterable[pl.DataFrame], cutoff: date, features: FeatureSettings
) -> pl.DataFrame:
    """What the products of each customer say about each target, for all targets at once.

    Parameters
    ----------
    facts
        The whole ``fact_transactions``; only the basket window is read.
    rules
        The rules of all targets (`mb_rules`), as one frame or several.
    cutoff
        Last day included.
    features
        The settings the rules were made with.

    Returns
    -------
    pl.DataFrame
        One row per customer and target with at least one rule among the customer's products: ``customer_id``,
        ``division`` (slug), ``mb_lift_max``, ``mb_lift_mean`` (over the products that have a rule) and
        ``mb_top_sku``, the product behind the maximum (ties: more support, then SKU). Sorted by customer and target.
        Customers without such a product are absent: their affinity is zero signal.
    """
    table = rules if isinstance(rules, pl.DataFrame) else pl.concat([pl.DataFrame(schema=RULE_SCHEMA), *rules])
    # The position of a rule in its target's order carries maximum, tie-break and product through the aggregation as
    # one integer.
    ordered = table.sort(
        "division", "lift", "support", "product_sku", descending=[False, True, True, False]
    ).with_row_index("rule")
    if ordered.is_empty():
        return pl.DataFrame(schema=AFFINITY_SCHEMA)
    skus = ordered.select("product_sku").unique().sort("product_sku").with_row_index("sku")
    baskets = (
        _lines(facts.lazy(), _window(cutoff, features))
        .select("customer_id", "product_sku")
        .join(skus.lazy(), on="product_sku")
        .select("customer_id", "sku")
        .unique()
        .collect()
    )
    keyed = ordered.join(skus, on="product_sku", how="left", maintain_order="left", validate="m:1")
    # One target at a time keeps the product of customers, products and targets out of memory.
    best = [
        baskets.lazy()
        .join(part.lazy().select("sku", "rule", "lift"), on="sku")
        .group_by("customer_id")
        .agg(pl.col("rule").min(), mb_lift_mean=_mean(pl.col("lift")))
        for part in keyed.partition_by("division", maintain_order=True)
    ]
    return (
        pl.concat(best)
        .join(
            ordered.lazy().select("rule", "division", mb_lift_max="lift", mb_top_sku="product_sku"),
            on="rule",
            how="left",
            validate="m:1",
        )
        .select(pl.col(name).cast(dtype) for name, dtype in AFFINITY_SCHEMA.items())
        .sort("customer_id", "division")
        .collect()
    )
