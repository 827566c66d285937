"""What is the same for all targets at a cutoff: the roster, its segments and every feature over all lines.

Belongs here: the division-independent part of the feature matrix, computed once per cutoff. Does not belong here:
anything that depends on a target (`build`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gosales_assets.engine import population as people
from gosales_assets.engine.features.ledger import Ledger, money
from gosales_assets.engine.features.registry import declared, evaluate, shared
from gosales_assets.engine.features.spec import LIFE, Plan, Span

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings, PopulationSettings

#: Facts about the customer that models never see: weights, tie-breaks and reports read them.
CONTEXT = {
    "context__gp_recent": pl.Float64(),
    "context__tx_recent": pl.Int32(),
    "context__gp_life": pl.Float64(),
    "context__recency_days": pl.Int32(),
}


def customer_base(
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    cutoff: date,
    *,
    features: FeatureSettings,
    population: PopulationSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    assets: pl.DataFrame | None = None,
    mask_tail_days: int = 0,
) -> pl.DataFrame:
    """Everything known about each customer at a cutoff that is the same for all targets.

    Parameters
    ----------
    facts
        fact_transactions, whole: lines after the cutoff are left alone here and nowhere else.
    dim
        dim_customer.
    cutoff
        Last day included.
    features, population
        Settings.
    divisions
        Display names of the taxonomy's divisions.
    skus
        The taxonomy's SKUs.
    assets
        Assets of the customers, for the segment ``cold``; None when there are none.
    mask_tail_days
        Newest days hidden from all features, for tests of leakage.

    Returns
    -------
    DataFrame
        One row per customer known at the cutoff, sorted by ``customer_id``: ``customer_id``, ``segment``, the
        ``context__`` columns (gross profit and lines of the recent year, gross profit of the life, raw days since the
        last line), every feature of scope ``all`` in canonical order, uncapped, and the ``shared__`` columns: what
        features of every target rest on, and no matrix holds.
    """
    ledger = read_all(
        facts, dim, cutoff, features=features, divisions=divisions, skus=skus, mask_tail_days=mask_tail_days
    )
    segment = people.segments(
        facts,
        ledger.customers.select("customer_id"),
        cutoff,
        warm_window_months=population.warm_window_months,
        assets=assets,
    )
    columns = [*_context(ledger), *evaluate(declared(ledger.plan), ledger, "all"), *told_to_targets(ledger)]
    return beside(ledger.customers.select("customer_id"), segment).hstack(columns)


def read_all(
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    cutoff: date,
    *,
    features: FeatureSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    mask_tail_days: int = 0,
) -> Ledger:
    """The ledger of scope ``all``: every line of every customer known at the cutoff."""
    industries = ("industry", "industry_sub")
    if missing := sorted({"customer_id", "first_seen_date", *industries} - set(dim.columns)):
        raise ValueError(f"dim_customer lacks the column {missing[0]!r}; rebuild the star tables")
    known = dim.select("customer_id", *(_text(c) for c in industries))
    customers = people.roster(dim, cutoff).join(known, on="customer_id", how="left", maintain_order="left")
    plan = Plan.of(features, divisions, skus)
    return Ledger.read(facts, customers, cutoff, plan, further=plan.further_columns, mask_tail_days=mask_tail_days)


def told_to_targets(ledger: Ledger) -> list[pl.Series]:
    """The shared columns, one value per customer."""
    return [pl.Series(s.name, s.value(ledger)) for s in shared(ledger.plan)]


def _text(column: str) -> pl.Expr:
    """Trimmed text; null where nothing is left."""
    trimmed = pl.col(column).str.strip_chars()
    return pl.when(trimmed != "").then(trimmed)


def beside(customers: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Put what another part tells of each customer beside them.

    Raises
    ------
    ValueError
        When it does not tell of the same customers in the same order.
    """
    if not customers["customer_id"].equals(told["customer_id"]):
        raise ValueError(f"{', '.join(told.columns[1:])}: not one row per customer of the roster in its order")
    return customers.hstack(told.drop("customer_id"))


def _context(ledger: Ledger) -> list[pl.Series]:
    year = Span(ledger.plan.year)
    columns = {
        "context__gp_recent": ledger.spread(money(ledger.cents_in(year)), 0),
        "context__tx_recent": ledger.spread(ledger.lines_in(year), 0),
        "context__gp_life": ledger.spread(money(ledger.cents_in(LIFE)), 0),
        "context__recency_days": ledger.spread(ledger.days_since_last, np.nan),
    }
    return [pl.Series(name, columns[name], nan_to_null=True).cast(dtype) for name, dtype in CONTEXT.items()]
