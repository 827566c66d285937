"""Trend and unrest of the monthly series of the last year.

The months are the one-month windows that end at the cutoff, so none is partial. A month without lines is a known
zero, hence so is the slope of a customer without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import CENTS, Ledger
from gosales_assets.engine.features.spec import Feature, Plan, Span, declare

#: Prefix of the metric -> what it counts, and its units per unit of the feature.
SERIES = {"gp": (Ledger.monthly_cents, "gross profit", CENTS), "tx": (Ledger.monthly_lines, "number of lines", 1)}


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.year < 2:  # one month has no trend
        return
    span = Span(plan.year)
    for prefix, (_, words, _) in SERIES.items():
        for metric, value, what in (
            ("slope", _slope, "Least-squares slope per month of the monthly"),
            ("std", _std, "Population standard deviation of the monthly"),
        ):
            yield declare(
                "dynamics",
                "all",
                f"{prefix}_{metric}",
                span,
                "Float64",
                partial(value, prefix=prefix, months=plan.year),
                f"{what} {words} {span.words}.",
            )


def _series(ledger: Ledger, prefix: str, months: int) -> tuple[np.ndarray, int]:
    totals, _, unit = SERIES[prefix]
    return totals(ledger, months), unit


def _slope(ledger: Ledger, *, prefix: str, months: int) -> np.ndarray:
    """Slope over x = 0 … n-1: 6 * sum((2x - n + 1) * y) / (n * (n^2 - 1)), whole numbers until the division."""
    y, unit = _series(ledger, prefix, months)
    doubled = 2 * np.arange(months) - (months - 1)
    moment = (doubled[:, None] * y).sum(axis=0)
    return 6 * moment / (months * (months**2 - 1) * unit)


def _std(ledger: Ledger, *, prefix: str, months: int) -> np.ndarray:
    y, unit = _series(ledger, prefix, months)
    deviation = y - y.sum(axis=0) / months
    return np.sqrt((deviation**2).sum(axis=0) / months) / unit
