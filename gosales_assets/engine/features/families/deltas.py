"""The newest window against the one of equal length before it: is the customer growing?

Exists when one window is twice another; the longest such pair is used. The earlier value is the long window less the
short one, on uncapped money. Together with the long window a delta tells the short one, so it is as adjacent as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, money, ratio
from gosales_assets.engine.features.spec import SCOPES, Feature, Plan, Span, declare, lines_of


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.delta is None:
        return
    months = plan.delta
    label = f"{months}m_prev{months}m"
    for scope in SCOPES:
        for metric, what in (("gp_sum", "Gross profit of the"), ("tx_n", "Number of")):
            words = f"{what} {lines_of(scope)} in the last {months} months"
            yield declare(
                "rfm",
                scope,
                metric,
                Span(2 * months),
                "Float64" if metric == "gp_sum" else "Int32",
                partial(_delta, months=months, metric=metric),
                f"{words} less that of the {months} months before.",
                label=f"delta_{label}",
                adjacent=True,
            )
            yield declare(
                "rfm",
                scope,
                metric,
                Span(2 * months),
                "Float64",
                partial(_ratio, months=months, metric=metric),
                f"{words} over that of the {months} months before; null when the latter is not positive.",
                label=f"ratio_{label}",
                null_policy="null",
                adjacent=True,
            )


def _both(ledger: Ledger, months: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    total = ledger.cents_in if metric == "gp_sum" else ledger.lines_in
    newest = total(Span(months))
    return newest, total(Span(2 * months)) - newest


def _delta(ledger: Ledger, *, months: int, metric: str) -> np.ndarray:
    newest, before = _both(ledger, months, metric)
    return money(newest - before) if metric == "gp_sum" else newest - before


def _ratio(ledger: Ledger, *, months: int, metric: str) -> np.ndarray:
    newest, before = _both(ledger, months, metric)
    return ratio(newest, before)
