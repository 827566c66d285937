"""The logs that are measured: the synthetic world, written to files in both layouts.

Belongs here: writing the inputs, and the settings that read them. Does not belong here: measuring.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from gosales_assets.settings import SampleWorld, Settings

Layout = Literal["wide", "tidy"]
LAYOUTS: tuple[Layout, ...] = ("wide", "tidy")

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "gosales.yaml"
SEED = 7


def settings_of(folder: Path, layout: Layout) -> Settings:
    """The demonstration's settings, reading a written world instead of making one.

    Parameters
    ----------
    folder
        Where `write` put the world.
    layout
        Which of its two logs.
    """
    side = {name: {"path": str(folder / layout / f"{name}.csv")} for name in ("industry_enrichment", "customer_assets")}
    end = SampleWorld().end.isoformat()
    source = {"kind": "files", "layout": layout, "path": [str(log_path(folder, layout))], "as_of": end}
    return Settings.load(DEMO, environ={}, overrides={"sources": {"sales_log": source, **side}})


def write(customers: int, folder: Path) -> dict[str, Any]:
    """Write a world, and the facts, customers and assets that the areas behind the star start from.

    Returns
    -------
    dict
        Bytes of the logs and rows of the facts.
    """
    from bench.star import build
    from gosales_assets.sources.sample import write_world

    made: dict[str, Any] = {"customers": customers}
    for layout in LAYOUTS:
        settings = settings_of(folder, layout)
        spec = SampleWorld(customers=customers, seed=SEED, layout=layout)
        write_world(spec, settings.products, folder / layout, layout)
        made[f"{layout}_log_bytes"] = log_path(folder, layout).stat().st_size
    star = build(settings_of(folder, "tidy"))
    star.fact_transactions.write_parquet(facts_path(folder))
    star.dim_customer.write_parquet(customers_path(folder))
    star.fact_assets.write_parquet(assets_path(folder))
    return made | {"lines": star.fact_transactions.height}


def log_path(folder: Path, layout: Layout) -> Path:
    return folder / layout / ("sales_log.csv" if layout == "wide" else "sales_log.parquet")


def facts_path(folder: Path) -> Path:
    return folder / "fact_transactions.parquet"


def assets_path(folder: Path) -> Path:
    return folder / "fact_assets.parquet"


def customers_path(folder: Path) -> Path:
    return folder / "dim_customer.parquet"
