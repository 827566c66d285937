"""The star build against a plain Polars scan-and-write of the same log.

Belongs here: reading files, building the star and encoding its files, as the stage does; and the plain copy. Does
not belong here: judging schemas and recording, which is what `bench.run` measures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from bench.timing import compared, in_turns, peak_mb
from bench.world import LAYOUTS, Layout, settings_of
from gosales_assets import sources
from gosales_assets.catalog import CATALOG
from gosales_assets.defs.formats import encode
from gosales_assets.engine.star.build import Star, build_star
from gosales_assets.settings import Settings


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio and seconds by layout, and the peak memory of both."""
    out = folder / "star"
    out.mkdir(exist_ok=True)
    return {layout: _measure(layout, folder, out) for layout in LAYOUTS} | {"peak_mb": peak_mb()}


def _measure(layout: Layout, folder: Path, out: Path) -> dict[str, Any]:
    settings = settings_of(folder, layout)
    log = Path(settings.sources.sales_log.path[0])
    built, plain = in_turns(
        lambda: write(build(settings), out), lambda: scan_and_write(log, out / "plain_copy.parquet")
    )
    return compared(built, plain)


def build(settings: Settings) -> Star:
    """Read the log and its side tables, and build the star."""
    log = sources.read_sales_log(settings.sources.sales_log, settings.products)
    return build_star(
        log.records,
        spec=settings.sources.sales_log,
        taxonomy=settings.products,
        etl=settings.etl,
        enrichment=sources.read_side(settings.sources, "industry_enrichment", settings.products),
        assets=sources.read_side(settings.sources, "customer_assets", settings.products),
    )


def write(star: Star, out: Path) -> None:
    """Write the files of a star in the catalog's formats."""
    for name, value in vars(star).items():
        if name != "findings":
            artifact = CATALOG[f"star/{name}"]
            (out / artifact.filename).write_bytes(encode(artifact, value))


def scan_and_write(log: Path, out: Path) -> None:
    """The least that reads a log and stores it: no type is parsed, no row looked at."""
    frame = pl.scan_csv(log, infer_schema=False) if log.suffix == ".csv" else pl.scan_parquet(log)
    frame.sink_parquet(out)
