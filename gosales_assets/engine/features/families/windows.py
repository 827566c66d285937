"""Lines and gross profit in windows that end at the cutoff, or a number of days before it.

The offset windows show what was known a while ago: a customer whose recent and offset windows differ is changing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, money, ratio
from gosales_assets.engine.features.spec import SCOPES, Feature, Plan, Scope, Span, declare, lines_of

#: Metric of the windows whose extremes are capped (those that end at the cutoff).
CAPPED = "gp_sum"


def declare_features(plan: Plan) -> Iterator[Feature]:
    for scope in SCOPES:
        for lag in (0, *plan.offsets):
            for months in plan.windows:
                yield from _window(scope, Span(months, lag))


def _window(scope: Scope, span: Span) -> Iterator[Feature]:
    what = lines_of(scope)
    capped = "" if span.lag_days else "; capped from above (feature_stats holds the cap)"
    yield declare("rfm", scope, "tx_n", span, "Int32", partial(_lines, span=span), f"Number of {what} {span.words}.")
    yield declare(
        "rfm",
        scope,
        CAPPED,
        span,
        "Float64",
        partial(_profit, span=span),
        f"Gross profit of the {what} {span.words}{capped}.",
        pooled=not span.lag_days,
    )
    yield declare(
        "rfm",
        scope,
        "gp_mean",
        span,
        "Float64",
        partial(_mean, span=span),
        f"Mean gross profit of the {what} {span.words}; null without one.",
        null_policy="null",
    )


def _lines(ledger: Ledger, *, span: Span) -> np.ndarray:
    return ledger.lines_in(span)


def _profit(ledger: Ledger, *, span: Span) -> np.ndarray:
    return money(ledger.cents_in(span))


def _mean(ledger: Ledger, *, span: Span) -> np.ndarray:
    return money(ratio(ledger.cents_in(span), ledger.lines_in(span)))
