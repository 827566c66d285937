"""Phase 6: settings in force, and calibration over time."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, read, spec_of, stage


def build(platform: Platform) -> list[Any]:
    p = platform.partitions

    @stage(
        platform,
        "observability/calibration_history",
        ins={"calibration": read("validation/calibration", p.every_cutoff, existing=True)},
        code=("engine/reports",),
        sections=("divisions", "timeline"),
    )
    def calibration_history(context: dg.AssetExecutionContext, calibration: dict[str, pl.DataFrame]) -> dict[str, Any]:
        from gosales_assets.engine.reports.rollups import calibration_history as history

        by_cutoff = {key.partition("|")[0]: frame for key, frame in calibration.items()}
        return {"calibration_history": history(platform.target(context), by_cutoff)}

    # Written by the IO manager at the start of every run; external, because no step computes it.
    return [calibration_history, spec_of(CATALOG["observability/config_resolved"])]
