"""Features of one cutoff against one plain group-by over the same facts.

Belongs here: the customer base once and the matrices of all targets, as the stages make them; and the group-by. Does
not belong here: encoding of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from bench.timing import compared, in_turns, peak_mb
from bench.world import customers_path, facts_path, settings_of
from gosales_assets.engine.features import build_features, customer_base, profile
from gosales_assets.settings import Settings
from gosales_assets.timeline import until


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio, seconds per cutoff, and the peak memory."""
    settings = settings_of(folder, "tidy")
    facts = pl.scan_parquet(facts_path(folder))
    dim = pl.read_parquet(customers_path(folder))
    cutoff = settings.timeline.last_cutoff
    assert cutoff is not None
    shape = build(facts, dim, settings, cutoff)  # the first round also loads libraries
    ours, plain = in_turns(lambda: build(facts, dim, settings, cutoff), lambda: group_by(facts, cutoff), repeats=5)
    return {
        **compared(ours, plain),
        "targets": len(settings.targets),
        "rows": shape[0],
        "columns": shape[1],
        "peak_mb": peak_mb(),
    }


def build(facts: pl.LazyFrame, dim: pl.DataFrame, settings: Settings, cutoff: Any) -> tuple[int, int]:
    """Features of every target at a cutoff; the shape of the last matrix."""
    shared: dict[str, Any] = {
        "features": settings.features,
        "population": settings.population,
        "divisions": settings.products.divisions,
    }
    base = customer_base(facts, dim, cutoff, **shared)
    described = profile(base)
    shape = (0, 0)
    for target in settings.targets:
        shape = build_features(
            base, facts, target, cutoff, ownership=settings.ownership, base_profile=described, **shared
        ).features.shape
    return shape


def group_by(facts: pl.LazyFrame, cutoff: Any) -> pl.DataFrame:
    """What anybody would compute first of a customer: lines, gross profit, documents, products, last day."""
    return (
        facts.filter(until(cutoff))
        .group_by("customer_id")
        .agg(
            pl.len().alias("lines"),
            pl.col("gross_profit").sum(),
            pl.col("invoice_id").n_unique(),
            pl.col("product_sku").n_unique(),
            pl.col("order_date").max(),
        )
        .collect()
    )
