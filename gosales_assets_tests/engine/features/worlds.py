"""Small worlds the feature tests share: the hand-worked fixture and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from gosales_assets.engine.features import FeatureBuild, build_features, customer_base
from gosales_assets.settings import FeatureSettings, OwnershipSettings, PopulationSettings
from gosales_assets.taxonomy import Target, Taxonomy
from gosales_assets.timeline import add_days, days_between

TAXONOMY = Taxonomy.reference()
SOLIDWORKS = TAXONOMY.target("Solidworks")
CUTOFF = date(2024, 6, 30)

FACTS = {
    "customer_id": pl.String,
    "order_date": pl.Date,
    "product_division": pl.String,
    "product_sku": pl.String,
    "gross_profit": pl.Float64,
    "quantity": pl.Float64,
    "revenue": pl.Float64,
}

Line = tuple[str, date, str, str, float, float]


def facts(lines: Sequence[Line], revenue: Sequence[float | None] | None = None) -> pl.DataFrame:
    """fact_transactions, as far as features read it."""
    rows = [(*line, None if revenue is None else revenue[i]) for i, line in enumerate(lines)]
    return pl.DataFrame(rows, schema=FACTS, orient="row").sort("customer_id", maintain_order=True)


def dim(lines: pl.DataFrame, **others: date) -> pl.DataFrame:
    """dim_customer: everyone with a line, first seen on its day, and others by date; no industry is known."""
    seen = lines.group_by("customer_id").agg(first_seen_date=pl.col("order_date").min())
    more = pl.DataFrame({"customer_id": list(others), "first_seen_date": list(others.values())}, schema=seen.schema)
    everyone = pl.concat([seen, more]).group_by("customer_id").agg(pl.col("first_seen_date").min())
    unknown = pl.lit(None, pl.String)
    return everyone.with_columns(industry=unknown, industry_sub=unknown).sort("customer_id")


@dataclass(frozen=True)
class World:
    """Facts and everything the two feature functions want."""

    facts: pl.DataFrame
    dim: pl.DataFrame
    cutoff: date = CUTOFF
    target: Target = SOLIDWORKS
    features: FeatureSettings = field(default_factory=FeatureSettings)
    ownership: OwnershipSettings = field(default_factory=OwnershipSettings)
    population: PopulationSettings = field(default_factory=PopulationSettings)
    divisions: tuple[str, ...] = TAXONOMY.divisions
    skus: tuple[str, ...] = TAXONOMY.skus
    assets: pl.DataFrame | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> World:
        return replace(self, **changes)

    def base(self) -> pl.DataFrame:
        return customer_base(
            self.facts.lazy(),
            self.dim,
            self.cutoff,
            features=self.features,
            population=self.population,
            divisions=self.divisions,
            skus=self.skus,
            assets=self.assets,
            **self.options,
        )

    def build(self, base: pl.DataFrame | None = None) -> FeatureBuild:
        return build_features(
            self.base() if base is None else base,
            self.facts.lazy(),
            self.target,
            self.cutoff,
            features=self.features,
            ownership=self.ownership,
            population=self.population,
            divisions=self.divisions,
            skus=self.skus,
            assets=self.assets,
            **self.options,
        )


def uncapped(**changes: Any) -> FeatureSettings:
    """Settings with the winsor quantile at 1: nothing is capped."""
    return FeatureSettings(gp_winsor_p=1.0, **changes)


def everything(**changes: Any) -> FeatureSettings:
    """Settings with every family on, for the names of `peopled`."""
    names = {"industries": ("Aerospace", "R&D"), "sub_industries": ("Drones",), "branches": ("Ohio",)}
    more = {"basket_min_support": 2, **names, **changes}
    return FeatureSettings().everything().model_copy(update=more)


def peopled(world: World) -> World:
    """The world with industries, branches and representatives, by customer and line, some unknown."""
    number = pl.col("customer_id").str.extract(r"(\d+)$").cast(pl.Int64).fill_null(0)
    industries, subs = ("Aerospace", "r & d", "Toys", None), ("Drones", "Kites", None)
    return world.but(
        dim=world.dim.with_columns(
            industry=(number % 4).replace_strict(dict(enumerate(industries)), return_dtype=pl.String),
            industry_sub=(number % 3).replace_strict(dict(enumerate(subs)), return_dtype=pl.String),
        ),
        facts=world.facts.with_columns(
            branch=pl.when(pl.col("gross_profit") > 300).then(pl.lit("Ohio")).otherwise(pl.lit("Texas")),
            rep=pl.when(pl.col("quantity") > 1).then(pl.lit("Ann Möller")),
        ),
    )


FIXTURE_LINES: tuple[Line, ...] = (
    ("A", date(2024, 6, 30), "Solidworks", "SWX_Core", 100.0, 1.0),
    ("A", date(2024, 7, 1), "Solidworks", "SWX_Core", 500.0, 1.0),
    ("A", date(2024, 3, 31), "Services", "Services", 50.0, 2.0),
    ("A", date(2024, 3, 30), "Simulation", "Simulation", 20.0, 1.0),
    ("A", date(2023, 6, 30), "Solidworks", "SWX_Core", 200.0, 1.0),
    ("A", date(2023, 5, 15), "Training", "Training", -30.0, 1.0),
    ("B", date(2022, 6, 30), "Solidworks", "SWX_Core", 1000.0, 1.0),
    ("D", date(2024, 1, 10), "Hardware", "FDM", -40.0, -1.0),
    ("D", date(2024, 1, 10), "Hardware", "FDM", 60.0, 1.0),
)


def fixture(**changes: Any) -> World:
    """Customers A, B, D with lines and C with assets only, at the cutoff 2024-06-30; nothing is capped."""
    lines = facts(FIXTURE_LINES)
    return World(lines, dim(lines, C=date(2020, 1, 1)), features=uncapped(**changes))


def assets_of_c() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": ["C"],
            "product_sku": ["SWX_Core"],
            "quantity": [2.0],
            "purchase_date": [date(2022, 1, 1)],
            "expiration_date": pl.Series([None], dtype=pl.Date),
        }
    )


def random_lines(seed: int, *, customers: int, lines: int, first: date, last: date, prefix: str = "K") -> pl.DataFrame:
    """Random fact lines between two days, both included."""
    rng = np.random.default_rng(seed)
    products = [(p.division, p.sku) for p in TAXONOMY.products]
    picked = rng.integers(0, len(products), lines)
    span = days_between(first, last) + 1
    rows = [
        (
            f"{prefix}{rng.integers(0, customers):04d}",
            add_days(first, int(rng.integers(0, span))),
            *products[i],
            round(float(rng.normal(300, 400)), 2),
            float(rng.integers(1, 4)),
            round(float(rng.gamma(2, 500)), 2) if rng.random() < 0.8 else None,
        )
        for i in picked
    ]
    order = ["customer_id", "order_date", "product_sku", "gross_profit"]
    return pl.DataFrame(rows, schema=FACTS, orient="row").sort(order)


def random_world(seed: int = 1, customers: int = 60, lines: int = 900, **changes: Any) -> World:
    """A random world with three years of lines up to the cutoff and half a year after it."""
    table = random_lines(seed, customers=customers, lines=lines, first=date(2021, 7, 1), last=date(2024, 12, 31))
    return World(table, dim(table, X001=date(2020, 1, 1), X002=date(2023, 2, 1)), **changes)
