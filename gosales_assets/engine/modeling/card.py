"""The model card: what a reader must know to read its numbers, and what a training learned from.

Belongs here: notes and counts of the card. Does not belong here: guardrails, computing what else it reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.rows import positive_customers

NOTES = {
    "early_stopping": (
        "Each group fold stops on its own held-out customers; its out-of-fold margins are cut at the median stopping "
        "point of the other folds, so the labels judged did not choose the number of trees. What stays optimistic: the "
        "margins of a fold that stopped early hold no trees beyond its stopping point plus the waiting rounds."
    ),
    "time_folds": (
        "A time fold runs the recipe anew on the training cutoffs alone (trees, calibrator and all), with fewer inner "
        "group folds; no row of the cutoff it validates on takes part."
    ),
    "selection": (
        "The candidate that wins on the time folds is reported on the same folds; with few candidates that are alike "
        "this flatters by less than the standard error. Forward validation owes it nothing."
    ),
    "signal": (
        "none: the AUC of the population judged lies less than 2.33 standard errors of chance above one half. weak: "
        "more than chance, AUC below 0.60. Several cutoffs are not taken for more evidence than one."
    ),
    "averaging": "Ranking metrics are computed within a cutoff and averaged, each cutoff counting the same.",
    "counts": "Positives are distinct customers: with overlapping windows one purchase is positive at two cutoffs.",
    "weights": "rev_lift weighs customers by gross profit known at the cutoff (context__gp_recent), negatives as 0.",
}


def data_block(frame: pl.DataFrame, dropped: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Rows, customers and positives, in all and per cutoff."""

    def counts(rows: pl.DataFrame) -> dict[str, Any]:
        space = rows.filter(pl.col("ownership") != "owner")
        return {
            "rows": rows.height,
            "customers": rows["customer_id"].n_unique(),
            "positives": positive_customers(rows),
            "prevalence": _rate(rows),
            "whitespace_rows": space.height,
            "whitespace_positives": positive_customers(space),
            "whitespace_prevalence": _rate(space),
        }

    parts = frame.partition_by("cutoff", maintain_order=True)
    return {
        **counts(frame),
        "per_cutoff": [{"cutoff": part["cutoff"][0].isoformat(), **counts(part)} for part in parts],
        "dropped_cutoffs": [dict(d) for d in dropped],
    }


def _rate(rows: pl.DataFrame) -> float | None:
    return metrics.finite(int(rows["label"].sum()) / rows.height) if rows.height else None
