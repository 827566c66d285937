"""The logs that are measured: the synthetic world, written to files in both layouts and as many lines as asked.

Belongs here: writing the inputs, and the settings that read them. Does not belong here: measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from gosales_assets.settings import SampleWorld, Settings

#: The logs of a world: name -> layout, and file. Wide logs come as CSV; a tidy one as either.
LOGS: dict[str, tuple[Literal["wide", "tidy"], str]] = {
    "wide": ("wide", "wide.csv"),
    "tidy": ("tidy", "tidy.csv"),
    "tidy_parquet": ("tidy", "tidy.parquet"),
}

#: The tables beside the log.
SIDE = ("industry_enrichment", "customer_assets", "item_taxonomy")

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "gosales.yaml"
SEED = 7


def settings_of(folder: Path, log: str, side: Sequence[str] = SIDE) -> Settings:
    """The demonstration's settings, reading a written world instead of making one.

    Parameters
    ----------
    folder
        Where `write` or `write_lines` put the world.
    log
        Which of its logs.
    side
        The tables beside it that are read.
    """
    beside = {name: {"path": str(folder / f"{name}.csv")} for name in side}
    end = SampleWorld().end.isoformat()
    source = {"kind": "files", "layout": LOGS[log][0], "path": [str(log_path(folder, log))], "as_of": end}
    return Settings.load(DEMO, environ={}, overrides={"sources": {"sales_log": source, **beside}})


def write(customers: int, folder: Path) -> dict[str, Any]:
    """Write a world, and the facts, customers and assets that the areas behind the star start from.

    Returns
    -------
    dict
        Bytes of the logs and rows of the facts.
    """
    from bench.star import build

    _write_world(customers, folder, "wide").rename(log_path(folder, "wide"))
    _write_world(customers, folder, "tidy").rename(log_path(folder, "tidy_parquet"))
    pl.scan_parquet(log_path(folder, "tidy_parquet")).sink_csv(log_path(folder, "tidy"))
    star = build(settings_of(folder, "tidy"))
    star.fact_transactions.write_parquet(facts_path(folder))
    star.dim_customer.write_parquet(customers_path(folder))
    sizes = {f"{log}_log_bytes": log_path(folder, log).stat().st_size for log in LOGS}
    star.fact_assets.write_parquet(assets_path(folder))
    return {"customers": customers, **sizes, "lines": star.fact_transactions.height}


def write_lines(lines: int, folder: Path) -> dict[str, Any]:
    """Write a tidy CSV of that many records: a world, dirt included, over and over under new customers and documents.

    Returns
    -------
    dict
        Records and bytes of the log.
    """
    world = pl.scan_parquet(_write_world(min(max(lines // 15, 200), 50_000), folder, "tidy"))
    height = world.select(pl.len()).collect().item()
    copies = [_under_new_names(world, copy) for copy in range(-(-lines // height))]
    path = log_path(folder, "tidy")
    pl.concat(copies).head(lines).sink_csv(path)
    return {"records": lines, "tidy_log_bytes": path.stat().st_size}


def _write_world(customers: int, folder: Path, layout: Literal["wide", "tidy"]) -> Path:
    """Write a world of one layout with its side tables; the path of its log."""
    from gosales_assets.sources.sample import write_world

    spec = SampleWorld(customers=customers, seed=SEED, layout=layout)
    return write_world(spec, Settings.load(DEMO, environ={}).products, folder, layout)[0]


def _under_new_names(world: pl.LazyFrame, copy: int) -> pl.LazyFrame:
    """A world whose customers and documents are not those of another copy; the first is as it was."""
    if copy == 0:
        return world
    return world.with_columns(
        pl.col("customer_id").str.replace("([0-9]+)", f"${{1}}-{copy}"),
        pl.col("customer_name") + f" {copy}",
        pl.col("invoice_id") + f"-{copy}",
    )


def log_path(folder: Path, log: str) -> Path:
    return folder / LOGS[log][1]


def files_of(folder: Path, log: str, side: Sequence[str] = SIDE) -> list[Path]:
    """The files that `settings_of` reads."""
    return [log_path(folder, log), *(folder / f"{name}.csv" for name in side)]


def facts_path(folder: Path) -> Path:
    return folder / "fact_transactions.parquet"


def assets_path(folder: Path) -> Path:
    return folder / "fact_assets.parquet"


def customers_path(folder: Path) -> Path:
    return folder / "dim_customer.parquet"
