"""Labels of 14 targets at 12 cutoffs, against one plain group-by for each target and cutoff.

Belongs here: the labels as their stage makes them, one partition after the other, on the crowd of `families` (50
thousand customers have a million lines); and the group-by. Does not belong here: encoding of files, pictures.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from bench.families import LAST, TARGETS, TAXONOMY, write
from bench.timing import compared, in_turns, peak_mb
from gosales_assets.engine.labels.build import build_labels
from gosales_assets.settings import LabelSettings, OwnershipSettings, PopulationSettings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import add_months, label_window

CUTOFFS, CADENCE_MONTHS, WINDOW_MONTHS = 12, 3, 6
#: The window of the newest cutoff ends with the data.
NEWEST = date(2024, 6, 30)


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio, seconds for all targets and cutoffs on both clocks, and the peak memory."""
    write(customers, folder)
    facts = pl.scan_parquet(folder / "facts.parquet")
    dim = pl.scan_parquet(folder / "customers.parquet")
    targets = [t for t in TAXONOMY.targets if t.trainable][:TARGETS]
    cutoffs = [add_months(NEWEST, -CADENCE_MONTHS * i) for i in range(CUTOFFS)]

    def every(work: Any) -> int:
        return sum(work(facts, dim, target, cutoff).height for target in targets for cutoff in cutoffs)

    label(facts, dim, targets[0], cutoffs[0])  # the first one also loads libraries
    rows = every(label)
    peak = peak_mb()
    ours, plain = in_turns(lambda: every(label), lambda: every(group_by))
    return {
        **compared(ours, plain),
        "cpu_seconds": round(ours.cpu, 4),
        "targets": len(targets),
        "cutoffs": len(cutoffs),
        "lines": facts.select(pl.len()).collect().item(),
        "rows": rows,
        "peak_mb": peak,
    }


def label(facts: pl.LazyFrame, dim: pl.LazyFrame, target: Target, cutoff: date) -> pl.DataFrame:
    """Labels of one partition."""
    return build_labels(
        facts,
        dim,
        target,
        cutoff,
        window_months=WINDOW_MONTHS,
        labels=LabelSettings(),
        ownership=OwnershipSettings(),
        population=PopulationSettings(),
        as_of=LAST,
    )


def group_by(facts: pl.LazyFrame, dim: pl.LazyFrame, target: Target, cutoff: date) -> pl.DataFrame:
    """What anybody would compute first: gross profit by customer of the target's lines in the window."""
    inside = label_window(cutoff, WINDOW_MONTHS).contains()
    return facts.filter(target.lines() & inside).group_by("customer_id").agg(pl.col("gross_profit").sum()).collect()
