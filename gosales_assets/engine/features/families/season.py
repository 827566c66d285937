"""In which quarter of the calendar year a customer buys.

Needs at least a year of window: over less, the shares say when the window ends and nothing about the customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import QUARTERS, Ledger, ratio
from gosales_assets.engine.features.spec import Feature, Plan, Span, declare
from gosales_assets.timeline import YEAR_MONTHS


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.two_years < YEAR_MONTHS:
        return
    span = Span(plan.two_years)
    for quarter in range(1, QUARTERS + 1):
        yield declare(
            "season",
            "all",
            f"q{quarter}_share",
            span,
            "Float64",
            partial(_share, span=span, quarter=quarter),
            f"Share of lines {span.words} that fall into calendar quarter {quarter}; null without a line.",
            null_policy="null",
        )


def _share(ledger: Ledger, *, span: Span, quarter: int) -> np.ndarray:
    return ratio(ledger.lines_by_quarter(span)[quarter - 1], ledger.lines_in(span))
