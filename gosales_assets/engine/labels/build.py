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
from gosales_assets.timeline import QUARTER_MONTHS, Window, infer_as_of, is_censored, label_window, until

if TYPE_CHECKING:
    from gosales_assets.settings import LabelSettings, OwnershipSettings, PopulationSettings

#: Decimals of a share.
SHARE_DECIMALS = 6

COHORTS = ("new_logo", "expansion", "renewal_like")

#: What labels and ownership read of a line.
_LINE_COLUMNS = ("customer_id", "order_date", "product_division", "product_sku", "gross_profit", "quantity")


def build_labels(
    facts: pl.LazyFrame,
    dim: pl.LazyFrame | pl.DataFrame,
    target: Target,
    cutoff: date,
    *,
    window_months: int,
    labels: LabelSettings,
    ownership: OwnershipSettings,
    population: PopulationSettings,
    as_of: date | None,
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
        Last day the data is complete for; None: inferred from the facts (`timeline.infer_as_of`).
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
    as_of = as_of or infer_as_of(facts)
    windows = {n: label_window(cutoff, n, buffer_days) for n in _window_lengths(window_months, labels)}
    # One pass over the facts serves ownership and every window that may be tried.
    wanted = target.lines() & until(max(window.until for window in windows.values()))
    lines = facts.filter(wanted).select(_LINE_COLUMNS).collect(engine="streaming").lazy()
    known = known_customers(facts, dim, cutoff, mode=labels.mode, population=population, assets=assets)
    customers = _cohorts(lines, known, target, cutoff, ownership, assets)
    for months in windows:
        labelled = _label(customers, lines, target, windows[months], labels.gp_min_threshold)
        if labelled["label"].sum() >= (labels.sparse_min_positive_target or 0):
            break
    window = windows[months]
    return labelled.select(
        "customer_id",
        division=pl.lit(target.slug),
        division_name=pl.lit(target.display),
        cutoff=pl.lit(cutoff),
        label="label",
        window_start=pl.lit(window.first_day),
        window_end=pl.lit(window.last_day),
        requested_window_months=pl.lit(window_months, pl.Int16),
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
    )


def _window_lengths(months: int, labels: LabelSettings) -> Iterator[int]:
    """Window lengths to try: the one asked for, then a quarter longer each, never beyond the widest, never shorter."""
    yield months
    if labels.sparse_min_positive_target is None:
        return
    while months < labels.sparse_max_window_months:
        months = min(labels.sparse_max_window_months, months + QUARTER_MONTHS)
        yield months


def known_customers(
    facts: pl.LazyFrame,
    dim: pl.LazyFrame | pl.DataFrame,
    cutoff: date,
    *,
    mode: str,
    population: PopulationSettings,
    assets: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What is the same for all targets at a cutoff: who has a label row, in which segment, and new or not.

    Parameters are those of `build_labels`.

    Returns
    -------
    DataFrame
        ``customer_id``, ``segment``, ``had_any`` (bought something by the cutoff, or holds an asset), sorted.
    """
    # Of each customer the last day is enough: it tells who bought, and whether the warm window holds a line.
    last = facts.filter(until(cutoff)).group_by("customer_id").agg(pl.col("order_date").max())
    buyers = last.collect(engine="streaming")
    customers = roster(dim, cutoff)
    if mode == "expansion":
        customers = customers.join(buyers, on="customer_id", how="semi", maintain_order="left")
    segment = segments(
        buyers.lazy(), customers, cutoff, warm_window_months=population.warm_window_months, assets=assets
    )
    # An asset was bought, here or elsewhere: its holder is no new logo.
    holders = assets_as_of(assets, cutoff)
    had_any = pl.concat([buyers["customer_id"], holders["customer_id"]]).unique()
    return segment.with_columns(had_any=pl.col("customer_id").is_in(had_any.implode()))


def _cohorts(
    lines: pl.LazyFrame,
    known: pl.DataFrame,
    target: Target,
    cutoff: date,
    settings: OwnershipSettings,
    assets: pl.DataFrame | None,
) -> pl.DataFrame:
    """Known customers with ownership and the three cohort flags, of which exactly one is set per row."""
    owned = ownership(
        lines,
        known,
        target,
        cutoff,
        lookback_months=settings.lookback_months,
        reinclude_days=settings.reinclude_days,
        assets=assets,
    )
    owner = pl.col("ownership") == OWNER
    new_logo = ~owner & ~pl.col("had_any")
    # Both hold every known customer once, sorted.
    return known.with_columns(owned["ownership"]).select(
        "customer_id",
        "ownership",
        "segment",
        is_new_logo=new_logo.cast(pl.Int8),
        is_expansion=(~owner & ~new_logo).cast(pl.Int8),
        is_renewal_like=owner.cast(pl.Int8),
    )


def _label(
    customers: pl.DataFrame, lines: pl.LazyFrame, target: Target, window: Window, threshold: float
) -> pl.DataFrame:
    """Net the target's lines in the window and compare, in whole cents: 0.01 is not more than 0.01."""
    least = int((Decimal(str(threshold)) * 100).to_integral_value(ROUND_FLOOR))
    bought = (pl.col("gross_profit") > 0) | (pl.col("quantity") > 0)
    net = (
        lines.filter(window.contains())
        .select(
            "customer_id",
            net_cents=cents("gross_profit"),
            net_qty_window="quantity",
            quantity_only=pl.when(target.quantity_lines()).then("quantity").otherwise(0.0),
            day=pl.when(bought).then("order_date"),
        )
        .group_by("customer_id")
        .agg(
            pl.col("net_cents").sum(),
            pl.col("net_qty_window", "quantity_only").sum().round(QUANTITY_DECIMALS),
            n_target_lines=pl.len().cast(pl.Int32),
            first_purchase_date_in_window=pl.col("day").min(),
        )
    )
    positive = (pl.col("net_cents") > least) | (pl.col("quantity_only") > 0)
    return (
        customers.lazy()
        .join(net, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col("net_cents", "net_qty_window", "quantity_only", "n_target_lines").fill_null(0))
        .with_columns(label=positive.cast(pl.Int8), net_gp_window=from_cents("net_cents"))
        .collect(engine="streaming")
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
    groups = {name: pl.col(f"is_{name}") == 1 for name in COHORTS}

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
