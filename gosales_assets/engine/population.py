"""Who counts at a cutoff: the roster, who owns a target, and which segment a customer belongs to.

Belongs here: the one definition of roster, ownership and segment that labels, features, gates, metrics and reports
read. Does not belong here: labels, features, date arithmetic.

Every function takes the whole fact table and restricts it to what was known at the cutoff itself.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from gosales_assets.engine.assets import assets_as_of, belongs_to
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, cents
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Window, add_days, feature_window, until

OWNER, LAPSED, NEVER = "owner", "lapsed", "never"
WARM, COLD, PROSPECT = "warm", "cold", "prospect"


def roster(dim: pl.LazyFrame | pl.DataFrame, cutoff: date) -> pl.DataFrame:
    """Customers known at the cutoff: first seen on or before it.

    A roster of today would hold customers who are known *because* they bought after the cutoff.

    Parameters
    ----------
    dim
        dim_customer; ``customer_id``, ``first_seen_date``. Customers never seen (null) are not known.
    cutoff
        Last day included.

    Returns
    -------
    DataFrame
        ``customer_id``, sorted.
    """
    known = dim.lazy().filter(until(cutoff, "first_seen_date"))
    return known.select("customer_id").unique().sort("customer_id").collect()


def _net_positive(lines: pl.LazyFrame, spans: dict[str, pl.Expr]) -> pl.LazyFrame:
    """Per customer and span of days: whether net quantity or net gross profit is positive, returns taken off."""
    measures = {"quantity": pl.col("quantity"), "cents": cents("gross_profit")}
    counted = {(m, s): pl.when(inside).then(measures[m]).otherwise(0) for m in measures for s, inside in spans.items()}
    net = lines.select("customer_id", **{f"{m}_{s}": value for (m, s), value in counted.items()})
    return (
        net.group_by("customer_id")
        .agg(pl.all().sum())
        .select(
            "customer_id",
            **{s: (pl.col(f"quantity_{s}").round(QUANTITY_DECIMALS) > 0) | (pl.col(f"cents_{s}") > 0) for s in spans},
        )
    )


def ownership(
    facts: pl.LazyFrame,
    customers: pl.DataFrame,
    target: Target,
    cutoff: date,
    *,
    lookback_months: int | None,
    reinclude_days: int,
    assets: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Whether each customer owns the target at the cutoff.

    - ``owner``: net quantity or net gross profit of the target's lines inside the lookback is positive, or an asset of
      the target is active or expired less than ``reinclude_days`` ago.
    - ``lapsed``: was an owner, but every asset of the target expired at least ``reinclude_days`` before the cutoff and
      nothing net-positive was bought since; or all purchases lie before the lookback.
    - ``never``: neither.

    Whitespace is everyone who is not ``owner``.

    Parameters
    ----------
    facts
        fact_transactions.
    customers
        ``customer_id``, unique.
    target
        Whose lines count.
    cutoff
        Last day included.
    lookback_months
        Months of purchases that make an owner; None: ever.
    reinclude_days
        Days since the last expiry after which an owner without purchases counts as lapsed.
    assets
        fact_assets; None is no assets.

    Returns
    -------
    DataFrame
        ``customer_id``, ``ownership``; one row per customer, sorted.
    """
    spans = {"ever": pl.lit(True), "recent": Window(add_days(cutoff, -reinclude_days), cutoff).contains()}
    if lookback_months is not None:
        spans["inside"] = feature_window(cutoff, lookback_months).contains()
    bought = _net_positive(facts.filter(target.lines() & until(cutoff)), spans)
    long_expired = pl.col("expiration_date") <= add_days(cutoff, -reinclude_days)
    owned = (
        assets_as_of(assets, cutoff)
        .lazy()
        .filter(belongs_to(target))
        .group_by("customer_id")
        .agg(asset=pl.lit(True), expired=long_expired.fill_null(False).all())
    )
    flags = (*spans, "asset", "expired")
    reincluded = pl.col("expired") & ~pl.col("recent")
    holds = pl.col("ever" if lookback_months is None else "inside") | (pl.col("asset") & ~pl.col("expired"))
    return (
        customers.lazy()
        .select("customer_id")
        .join(bought, on="customer_id", how="left")
        .join(owned, on="customer_id", how="left")
        .with_columns(pl.col(flags).fill_null(False))
        .select(
            "customer_id",
            ownership=pl.when(holds & ~reincluded)
            .then(pl.lit(OWNER))
            .when(pl.col("ever") | pl.col("asset"))
            .then(pl.lit(LAPSED))
            .otherwise(pl.lit(NEVER)),
        )
        .sort("customer_id")
        .collect(engine="streaming")
    )


def segments(
    facts: pl.LazyFrame,
    customers: pl.DataFrame,
    cutoff: date,
    *,
    warm_window_months: int,
    assets: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Segment of each customer at the cutoff.

    ``warm``: at least one line, of any kind, in ``(cutoff - warm_window_months, cutoff]``; ``cold``: not warm, with an
    active asset; else ``prospect``.

    Parameters
    ----------
    facts
        fact_transactions.
    customers
        ``customer_id``, unique.
    cutoff
        Last day included.
    warm_window_months
        Calendar months, not multiples of 30 days.
    assets
        fact_assets; None is no assets.

    Returns
    -------
    DataFrame
        ``customer_id``, ``segment``; one row per customer, sorted.
    """
    window = feature_window(cutoff, warm_window_months)
    warm = facts.filter(window.contains()).select("customer_id", warm=pl.lit(True)).unique()
    active = assets_as_of(assets, cutoff).lazy().filter("active").select("customer_id", cold=pl.lit(True)).unique()
    return (
        customers.lazy()
        .select("customer_id")
        .join(warm, on="customer_id", how="left")
        .join(active, on="customer_id", how="left")
        .select(
            "customer_id",
            segment=pl.when(pl.col("warm").fill_null(False))
            .then(pl.lit(WARM))
            .when(pl.col("cold").fill_null(False))
            .then(pl.lit(COLD))
            .otherwise(pl.lit(PROSPECT)),
        )
        .sort("customer_id")
        .collect()
    )
