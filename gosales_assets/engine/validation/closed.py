"""Evidence about calibration that a later cutoff may read.

Belongs here: reducing the calibration table of the newest closed validation to what a ranking needs. Does not belong
here: finding that validation (a partition mapping does) and judging the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.metrics import calibration_error, finite, ratio_with_interval
from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ValidationSettings


def closed_calibration(
    calibration: Mapping[str, pl.DataFrame],
    *,
    target: Target,
    cutoff: date,
    population: str,
    validation: ValidationSettings,
) -> dict[str, Any]:
    """Expected against observed positives of the newest validation closed by the cutoff.

    It is evidence about the same recipe with an earlier model, not about the model of this cutoff.

    Parameters
    ----------
    calibration
        Cutoff (ISO date) -> validation ``calibration`` table; empty when no validation had closed. Of several the
        newest counts.
    target, cutoff
        The partition.
    population
        ``whitespace`` or ``all``.
    validation
        ``min_positives_value`` and ``min_positives_gate``: positives below which ratio and error, or the interval, are
        None.

    Returns
    -------
    dict
        Validates against `ClosedCalibration`. ``expected`` is the sum of mean prediction times count over the bins,
        which is the sum of the probabilities. Status ``none`` without a closed validation.

    Raises
    ------
    ValueError
        When a table is of the cutoff itself or later: evidence must come from the past.
    """
    document: dict[str, Any] = {
        "division": target.slug,
        "cutoff": cutoff.isoformat(),
        "evidence_cutoff": max(calibration, default=None),
        "population": population,
        "status": "none",
        **dict.fromkeys(("n", "positives", "expected", "observed", "ratio", "ratio_lo", "ratio_hi", "mae")),
    }
    newest = document["evidence_cutoff"]
    if newest is None:
        return document
    if date.fromisoformat(newest) >= cutoff:
        raise ValueError(f"evidence for {target.slug} at {cutoff} is of {newest}; only earlier validations may be read")
    bins = calibration[newest].filter(pl.col("population") == population)
    n, positives = int(bins["count"].sum()), int(bins["positives"].sum())
    expected = math.fsum(bins["mean_predicted"].to_numpy() * bins["count"].to_numpy())
    document |= {
        "status": "insufficient_data",
        "n": n,
        "positives": positives,
        "expected": finite(expected),
        "observed": float(positives),
    }
    if positives < max(1, validation.min_positives_value):
        return document
    ratio = ratio_with_interval(expected, positives, n)
    ends = ("ratio_lo", "ratio_hi") if positives >= validation.min_positives_gate else ()
    return document | {
        "status": "ok",
        "ratio": finite(ratio["ratio"]),
        **{end: finite(ratio[end]) for end in ends},
        "mae": finite(calibration_error(bins)),
    }
