"""The star build against a plain Polars scan-and-write of the files it reads: the log, and the tables beside it.

Belongs here: reading files, building the star and encoding its files, as the stage does; and the plain copy. Does
not belong here: judging schemas and recording, which is what `bench.run` measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from bench.timing import compared, in_turns, peak_mb
from bench.world import LOGS, SIDE, files_of, settings_of
from gosales_assets import sources
from gosales_assets.catalog import CATALOG
from gosales_assets.defs.formats import encode
from gosales_assets.engine.star.build import Star, build_star
from gosales_assets.settings import Settings
from gosales_assets.sources.inputs import is_configured


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio and seconds by log, and the peak memory of all.

    A Parquet log is the hardest: it arrives encoded, and the plain thing has hardly anything to do.
    """
    return {log: _measure(log, folder) for log in LOGS} | {"peak_mb": peak_mb()}


def measure_lines(lines: int, folder: Path) -> dict[str, Any]:
    """Ratio, seconds and peak memory of a tidy CSV of that many records, without tables beside it."""
    return _measure("tidy", folder, side=()) | {"peak_mb": peak_mb()}


def _measure(name: str, folder: Path, side: Sequence[str] = SIDE) -> dict[str, float]:
    out = folder / "star"
    out.mkdir(exist_ok=True)
    settings = settings_of(folder, name, side)
    read = files_of(folder, name, side)
    built, plain = in_turns(lambda: write(build(settings), out), lambda: scan_and_write(read, out))
    return compared(built, plain)


def build(settings: Settings) -> Star:
    """Read the log and the tables beside it, and build the star."""

    def beside(name: str) -> pl.DataFrame | None:
        configured = is_configured(settings.sources, name)
        return sources.read_side(settings.sources, name, settings.products) if configured else None

    return build_star(
        sources.read_sales_log(settings.sources.sales_log, settings.products).records,
        spec=settings.sources.sales_log,
        taxonomy=settings.products,
        etl=settings.etl,
        enrichment=beside("industry_enrichment"),
        assets=beside("customer_assets"),
        items=beside("item_taxonomy"),
    )


def write(star: Star, out: Path) -> None:
    """Write the files of a star in the catalog's formats."""
    for name, value in vars(star).items():
        if name != "findings":
            artifact = CATALOG[f"star/{name}"]
            (out / artifact.filename).write_bytes(encode(artifact, value))


def scan_and_write(files: Sequence[Path], out: Path) -> None:
    """The least that reads files and stores them: no type is parsed, no row looked at."""
    for path in files:
        frame = pl.scan_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.scan_parquet(path)
        frame.sink_parquet(out / f"plain_{path.stem}.parquet")
