"""What happened after a cutoff: one label per customer of the roster.

Belongs here: the label, its window, its cohort flags and its prevalence. This is the only definition of a positive;
training, validation and audits read its result. Does not belong here: roster, ownership and segments (`population`),
features.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.engine.assets import assets_as_of
from gosales_assets.engine.population import OWNER, ownership, roster, segments
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, cents, from_cents
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import QUARTER_MONTHS, Window, is_censored, label_window, until

if TYPE_CHECKING:
    from gosales_assets.settings import LabelSettings, OwnershipSettings, PopulationSettings

#: Decimals of a share.
SHARE_DECIMALS = 6

_COHORTS = ("new_logo", "expansion", "renewal_like")


def build_labels(
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    target: Target,
    cutoff: date,
    *,
    window_months: int,
    labels: LabelSettings,
    ownership: OwnershipSettings,
    population: PopulationSettings,
    as_of: date | None,
    denylist: frozenset[str] = frozenset(),
    assets: pl.DataFrame | None = None,
    buffer_days: int = 0,
) -> pl.DataFrame:
    """Label every customer of the roster as of the cutoff.

    A customer is positive when the target's gross profit in the window, net of returns, exceeds the threshold; under
    the basis ``gp_or_qty`` also when the net quantity of the target's quantity-only SKUs is positive.

    Parameters
    ----------
    facts
        fact_transactions, all of it.
    dim
        dim_customer.
    target
        What is labelled.
    cutoff
        Last day known.
    window_months
        Length of the label window, months.
    labels
        ``mode`` (``all``: the whole roster; ``expansion``: customers with a line by the cutoff),
        ``gp_min_threshold`` (account currency), and widening by quarters until ``sparse_min_positive_target``
        positives or ``sparse_max_window_months``.
    ownership, population
        How owners and segments are told.
    as_of
        Last day the data is complete for; None: the last order date of the facts.
    denylist
        SKUs that make neither a label nor an owner.
    assets
        Customer assets; None is no assets.
    buffer_days
        Days by which both ends of the window are moved away from the cutoff.

    Returns
    -------
    DataFrame
        Schema `gosales_assets.engine.labels.schema.Labels`, sorted by customer. Empty when nobody was known.
    """
    facts = facts.lazy()
    if as_of is None:
        as_of = facts.select(pl.col("order_date").max()).collect().item()
    customers = _cohorts(facts, dim, target, cutoff, labels.mode, ownership, population, denylist, assets)
    wanted = target.lines() & ~pl.col("product_sku").is_in(sorted(denylist))
    lines = facts.filter(wanted).select(
        "customer_id", "order_date", "gross_profit", "quantity", counts=target.quantity_lines()
    )
    for months in _window_lengths(window_months, labels):
        window = label_window(cutoff, months, buffer_days)
        labelled = _label(customers, lines, window, labels.gp_min_threshold)
        if labelled["label"].sum() >= (labels.sparse_min_positive_target or 0):
            break
    return labelled.select(
        "customer_id",
        division=pl.lit(target.slug),
        division_name=pl.lit(target.display),
        cutoff=pl.lit(cutoff),
        label="label",
        window_start=pl.lit(window.first_day),
        window_end=pl.lit(window.last_day),
        effective_window_months=pl.lit(months, pl.Int16),
        ownership="ownership",
        segment="segment",
        is_new_logo="is_new_logo",
        is_expansion="is_expansion",
        is_renewal_like="is_renewal_like",
        censored_flag=pl.lit(int(is_censored(window.until, as_of)), pl.Int8),
        net_gp_window="net_gp_window",
        net_qty_window="net_qty_window",
        n_target_lines="n_target_lines",
        first_purchase_date_in_window="first_purchase_date_in_window",
    ).sort("customer_id")


def _window_lengths(months: int, labels: LabelSettings) -> Iterator[int]:
    """Window lengths to try: the one asked for, then a quarter longer each, never beyond the widest, never shorter."""
    yield months
    if labels.sparse_min_positive_target is None:
        return
    while months < labels.sparse_max_window_months:
        months = min(labels.sparse_max_window_months, months + QUARTER_MONTHS)
        yield months


def _cohorts(
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    target: Target,
    cutoff: date,
    mode: str,
    ownership_settings: OwnershipSettings,
    population: PopulationSettings,
    denylist: frozenset[str],
    assets: pl.DataFrame | None,
) -> pl.DataFrame:
    """Roster with ownership, segment and the three cohort flags, of which exactly one is set per row."""
    buyers = facts.filter(until(cutoff)).select("customer_id").unique()
    customers = roster(dim, cutoff)
    if mode == "expansion":
        customers = customers.lazy().join(buyers, on="customer_id", how="semi").sort("customer_id").collect()
    owned = ownership(
        facts,
        customers,
        target,
        cutoff,
        lookback_months=ownership_settings.lookback_months,
        reinclude_days=ownership_settings.reinclude_days,
        denylist=denylist,
        assets=assets,
    )
    segment = segments(facts, customers, cutoff, warm_window_months=population.warm_window_months, assets=assets)
    # An asset was bought, here or elsewhere: its holder is no new logo.
    holders = assets_as_of(assets, cutoff).lazy().select("customer_id")
    had_any = pl.concat([buyers, holders]).unique().with_columns(had_any=pl.lit(True))
    owner = pl.col("ownership") == OWNER
    new_logo = ~owner & ~pl.col("had_any").fill_null(False)
    return (
        owned.lazy()
        .join(segment.lazy(), on="customer_id", how="left")
        .join(had_any, on="customer_id", how="left")
        .select(
            "customer_id",
            "ownership",
            "segment",
            is_new_logo=new_logo.cast(pl.Int8),
            is_expansion=(~owner & ~new_logo).cast(pl.Int8),
            is_renewal_like=owner.cast(pl.Int8),
        )
        .collect()
    )


def _label(customers: pl.DataFrame, lines: pl.LazyFrame, window: Window, threshold: float) -> pl.DataFrame:
    """Net the target's lines in the window and compare, in whole cents: 0.01 is not more than 0.01."""
    least = int((Decimal(str(threshold)) * 100).to_integral_value(ROUND_FLOOR))
    bought = (pl.col("gross_profit") > 0) | (pl.col("quantity") > 0)
    net = (
        lines.filter(window.contains())
        .group_by("customer_id")
        .agg(
            net_cents=cents("gross_profit").sum(),
            net_qty_window=pl.col("quantity").sum().round(QUANTITY_DECIMALS),
            quantity_only=pl.col("quantity").filter("counts").sum().round(QUANTITY_DECIMALS),
            n_target_lines=pl.len().cast(pl.Int32),
            first_purchase_date_in_window=pl.col("order_date").filter(bought).min(),
        )
    )
    positive = (pl.col("net_cents") > least) | (pl.col("quantity_only") > 0)
    return (
        customers.lazy()
        .join(net, on="customer_id", how="left")
        .with_columns(pl.col("net_cents", "net_qty_window", "quantity_only", "n_target_lines").fill_null(0))
        .with_columns(label=positive.cast(pl.Int8), net_gp_window=from_cents("net_cents"))
        .collect()
    )


def label_prevalence(labels: pl.DataFrame, *, mode: str) -> pl.DataFrame:
    """Positives and their share, over all, by cohort, and in the whitespace.

    Parameters
    ----------
    labels
        Result of `build_labels`.
    mode
        The mode it was built with.

    Returns
    -------
    DataFrame
        Schema `gosales_assets.engine.labels.schema.LabelPrevalence`: one row, or none for an empty roster. Shares have
        6 decimals and are null where there are no customers.
    """
    positive = pl.col("label") == 1
    groups = {name: pl.col(f"is_{name}") == 1 for name in _COHORTS}

    def share(rows: pl.Expr) -> pl.Expr:
        return pl.when(rows.sum() > 0).then((positive & rows).sum() / rows.sum()).round(SHARE_DECIMALS)

    whitespace = pl.col("ownership") != OWNER
    return labels.group_by("division", "cutoff", maintain_order=True).agg(
        mode=pl.lit(mode),
        window_start=pl.col("window_start").first(),
        window_end=pl.col("window_end").first(),
        total=pl.len().cast(pl.Int64),
        positives=positive.sum().cast(pl.Int64),
        prevalence=share(pl.col("label").is_not_null()),
        **{f"is_{name}": rows.sum().cast(pl.Int64) for name, rows in groups.items()},
        **{f"positives_{name}": (positive & rows).sum().cast(pl.Int64) for name, rows in groups.items()},
        **{f"prevalence_{name}": share(rows) for name, rows in groups.items()},
        whitespace=whitespace.sum().cast(pl.Int64),
        positives_whitespace=(positive & whitespace).sum().cast(pl.Int64),
        prevalence_whitespace=share(whitespace),
        censored=(pl.col("censored_flag") == 1).sum().cast(pl.Int64),
    )
