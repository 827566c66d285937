"""The assets of one scope as known at a cutoff, addressed by customer.

Belongs here: reading the assets once, and the sums and days the asset families are written in. Does not belong here:
which assets exist at a cutoff (`engine.assets`), what a feature means (`families.assets`).

Results run over all customers of the roster: whoever holds nothing has counts of zero, and no days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gosales_assets.engine.assets import assets_as_of, belongs_to
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS
from gosales_assets.taxonomy import Target, match_key
from gosales_assets.timeline import add_days, days_since

if TYPE_CHECKING:
    from gosales_assets.engine.features.spec import Plan

Mask = np.ndarray


@dataclass(frozen=True, eq=False)
class Holdings:
    """Assets known at a cutoff; arrays run over assets, results over customers.

    Attributes
    ----------
    customers
        Number of customers.
    assets
        What `assets_as_of` returned for them, in its order.
    row
        Position of each asset's customer.
    cutoff
        Last day known.
    divisions
        Display names of the division columns.
    """

    customers: int
    assets: pl.DataFrame
    row: np.ndarray
    cutoff: date
    divisions: tuple[str, ...]

    @cached_property
    def active(self) -> Mask:
        """Which assets have not expired before the cutoff."""
        return self.assets["active"].to_numpy()

    @cached_property
    def dated(self) -> Mask:
        """Which assets have a purchase date that can be one."""
        return self.assets["valid_purchase"].to_numpy()

    @cached_property
    def days_left(self) -> np.ndarray:
        """Days from the cutoff to the end of each asset's term, negative when it has ended; NaN when it never ends."""
        return -self._days_since("expiration_date")

    @cached_property
    def age(self) -> np.ndarray:
        """Days since each asset was bought."""
        return self._days_since("effective_purchase_date")

    def _days_since(self, column: str) -> np.ndarray:
        days = self.assets.select(days_since(self.cutoff, pl.col(column)).cast(pl.Float64))
        return days.to_series().to_numpy()

    def of_division(self, at: int | None) -> Mask:
        """Which assets belong to a division of the plan; to any or none, when no division is asked for."""
        return np.ones(self.assets.height, dtype=bool) if at is None else self._division == at

    @cached_property
    def _division(self) -> np.ndarray:
        """Position of each asset's division in the plan; -1 for none of them."""
        planned = pl.DataFrame({"division": self.divisions}, schema={"division": pl.String})
        planned = planned.select(match_key("division"), at=pl.int_range(pl.len(), dtype=pl.Int64))
        mine = self.assets.select(match_key("division")).join(planned, on="division", how="left", maintain_order="left")
        return mine["at"].fill_null(-1).to_numpy()

    def units(self, which: Mask) -> np.ndarray:
        """Units per customer of the assets asked for."""
        quantity = self.assets["quantity"].to_numpy()[which]
        return np.round(np.bincount(self.row[which], quantity, minlength=self.customers), QUANTITY_DECIMALS)

    def count(self, which: Mask) -> np.ndarray:
        """Assets per customer among those asked for."""
        return np.bincount(self.row[which], minlength=self.customers)

    def least(self, values: np.ndarray, which: Mask) -> np.ndarray:
        """Smallest value per customer among the assets asked for; NaN without one."""
        out = np.full(self.customers, np.inf)
        np.minimum.at(out, self.row[which], values[which])
        return np.where(np.isinf(out), np.nan, out)


def read_holdings(
    assets: pl.DataFrame | None,
    customers: pl.DataFrame,
    cutoff: date,
    plan: Plan,
    *,
    target: Target | None = None,
    mask_tail_days: int = 0,
) -> Holdings | None:
    """Read what the given customers hold at a cutoff.

    Parameters
    ----------
    assets
        fact_assets; None when there are none.
    customers
        One row per customer, sorted by ``customer_id``.
    cutoff
        Last day included.
    plan
        Whether there are features of assets, and the divisions.
    target
        Whose assets; None is everybody's.
    mask_tail_days
        Assets bought in the newest days are hidden, for tests of leakage.

    Returns
    -------
    Holdings or None
        None when no feature is made of assets, or there are none.
    """
    if assets is None or not (plan.assets or plan.assets_fit):
        return None
    hidden = pl.col("purchase_date") > add_days(cutoff, -mask_tail_days)
    known = assets_as_of(assets.filter(~hidden.fill_null(False)), cutoff)
    if target is not None:
        known = known.filter(belongs_to(target))
    positions = customers.select("customer_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
    placed = known.join(positions, on="customer_id", how="inner", maintain_order="left")
    names = tuple(name for name, _ in plan.divisions)
    return Holdings(customers.height, placed.drop("row"), placed["row"].to_numpy(), cutoff, names)
