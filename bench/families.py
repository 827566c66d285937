"""Features of every family and of 14 targets at one cutoff, against one plain group-by over the same facts.

Belongs here: a crowd of customers with 20 lines each on average (50 thousand have a million), made in memory because no
log of that size need be read for it; all families on; and the group-by. Does not belong here: the features of the
demonstration (`features`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.features import group_by
from bench.timing import compared, in_turns, peak_mb
from bench.world import SEED
from gosales_assets.engine.features import build_features, customer_base, profile
from gosales_assets.settings import FeatureSettings, OwnershipSettings, PopulationSettings
from gosales_assets.taxonomy import Taxonomy
from gosales_assets.timeline import add_days, days_between

LINES_PER_CUSTOMER = 20
TARGETS = 14
FIRST, LAST, CUTOFF = date(2019, 1, 1), date(2024, 12, 31), date(2024, 6, 30)
INDUSTRIES, SUBS, BRANCHES, REPS = 25, 75, 30, 60

TAXONOMY = Taxonomy.reference()


def all_families() -> FeatureSettings:
    """Every family of lines on, with as many names as the settings allow.

    The crowd holds no assets, and an embedding is a fit: no group-by is its measure.
    """
    named = {
        "branches": tuple(f"Branch {i}" for i in range(30)),
        "industries": tuple(f"Industry {i}" for i in range(20)),
        "sub_industries": tuple(f"Sub {i}" for i in range(30)),
        **dict.fromkeys(("use_assets", "use_assets_als", "use_als_embeddings"), False),
    }
    return FeatureSettings().everything().model_copy(update=named)


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio, seconds for all targets of one cutoff on both clocks, and the peak memory."""
    write(customers, folder)
    facts = pl.scan_parquet(folder / "facts.parquet")
    dim = pl.read_parquet(folder / "customers.parquet")
    settings = all_families()
    targets = [t for t in TAXONOMY.targets if t.trainable][:TARGETS]
    shared: dict[str, Any] = {
        "features": settings,
        "population": PopulationSettings(),
        "divisions": TAXONOMY.divisions,
        "skus": TAXONOMY.skus,
    }

    def build() -> tuple[int, int]:
        base = customer_base(facts, dim, CUTOFF, **shared)
        described = profile(base)
        shape = (0, 0)
        for target in targets:
            built = build_features(
                base, facts, target, CUTOFF, ownership=OwnershipSettings(), base_profile=described, **shared
            )
            shape = built.features.shape
        return shape

    rows, columns = build()  # the first round also loads libraries
    peak = peak_mb()
    ours, plain = in_turns(build, lambda: group_by(facts, CUTOFF))
    return {
        **compared(ours, plain),
        "cpu_seconds": round(ours.cpu, 4),
        "targets": len(targets),
        "lines": customers * LINES_PER_CUSTOMER,
        "rows": rows,
        "columns": columns,
        "matrix_mb": round(rows * columns * 8 / 1024**2, 1),
        "peak_mb": peak,
    }


def write(customers: int, folder: Path) -> None:
    """Facts and customers of a crowd: some buy a lot, most little; every product, industry and branch occurs."""
    rng = np.random.default_rng(SEED)
    lines = customers * LINES_PER_CUSTOMER

    def unequal(n: int) -> np.ndarray:
        weight = rng.lognormal(0, 1, n)
        return rng.choice(n, lines, p=weight / weight.sum())

    products = TAXONOMY.products
    product = pl.Series(unequal(len(products)))
    numbers = pl.DataFrame(
        {
            "customer": unequal(customers),
            "days": rng.integers(0, days_between(FIRST, LAST) + 1, lines),
            "branch": unequal(BRANCHES),
            "rep": unequal(REPS),
        }
    )
    days = pl.Series([add_days(FIRST, i) for i in range(days_between(FIRST, LAST) + 1)])
    facts = numbers.select(
        customer_id=pl.format("C{}", pl.col("customer").cast(pl.String).str.zfill(7)),
        order_date=days.gather(numbers["days"]),
        product_sku=pl.Series([p.sku for p in products]).gather(product),
        product_division=pl.Series([p.division for p in products]).gather(product),
        gross_profit=pl.Series(np.round(rng.normal(300, 400, lines), 2)),
        quantity=pl.Series(rng.integers(1, 5, lines).astype(float)),
        revenue=pl.Series(np.round(rng.gamma(2, 500, lines), 2)),
        branch=pl.format("Branch {}", "branch"),
        rep=pl.format("Rep {}", "rep"),
    ).with_columns(invoice_id=pl.format("{}-{}", "customer_id", "order_date"))
    facts.sort("customer_id", "order_date", "product_sku").write_parquet(folder / "facts.parquet")
    seen = facts.group_by("customer_id").agg(first_seen_date=pl.col("order_date").min()).sort("customer_id")
    sub = rng.integers(0, SUBS, seen.height)
    known = pl.Series(rng.random(seen.height) < 0.9)
    seen.with_columns(
        industry=pl.when(known).then(pl.format("Industry {}", pl.Series(sub % INDUSTRIES))),
        industry_sub=pl.when(known).then(pl.format("Sub {}", pl.Series(sub))),
    ).write_parquet(folder / "customers.parquet")
