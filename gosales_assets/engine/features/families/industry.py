"""Which industry a customer is in, for the industries and sub-industries the settings name.

The industry is a fact about the company, without a date: it is taken as the customer dimension has it, for customers
known at the cutoff. Of customers not known by then nothing is read. An unknown industry is null, not "another one".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.named import places
from gosales_assets.engine.features.spec import CUSTOMERS, LIFE, Feature, Named, Plan, declare

#: Column of the customers -> prefix of the metric, word in descriptions.
COLUMNS = {"industry": ("is", "industry"), "industry_sub": ("sub_is", "sub-industry")}


def declare_features(plan: Plan) -> Iterator[Feature]:
    for column, named in (("industry", plan.industries), ("industry_sub", plan.sub_industries)):
        prefix, word = COLUMNS[column]
        for at, (name, slug) in enumerate(named):
            yield declare(
                "industry",
                "all",
                f"{prefix}_{slug}",
                LIFE,
                "Int8",
                partial(flag, column=column, named=named, at=at),
                f"1 when the {word} of the customer is {name}, 0 when it is another one; null when it is unknown.",
                source=CUSTOMERS,
                null_policy="null",
                everyone=True,
            )


def flag(ledger: Ledger, *, column: str, named: Named, at: int) -> np.ndarray:
    """Per customer: 1, 0, or NaN when nothing is known."""

    def match() -> np.ndarray:
        distinct = ledger.customers.select(pl.col(column).drop_nulls().unique())
        place = distinct.with_columns(place=pl.Series(places(distinct[column], named), dtype=pl.Int64))
        found = ledger.customers.select(column).join(place, on=column, how="left", maintain_order="left")
        return found["place"].cast(pl.Float64).to_numpy()  # null becomes NaN

    place = ledger.once(("named", column), match)
    return np.where(np.isnan(place), np.nan, place == at)
