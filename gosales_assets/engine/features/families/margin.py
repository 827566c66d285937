"""Gross profit as a share of revenue, where the log knows revenue.

Without revenue there is no margin: the columns exist and are null. (Gross profit over its own size, which older
systems use, is only a sign.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, ratio
from gosales_assets.engine.features.spec import SCOPES, Feature, Plan, Span, declare, lines_of


def declare_features(plan: Plan) -> Iterator[Feature]:
    for scope in SCOPES:
        for months in plan.windows:
            span = Span(months)
            yield declare(
                "margin",
                scope,
                "gp_pct",
                span,
                "Float64",
                partial(_margin, span=span),
                f"Gross profit over revenue of the {lines_of(scope)} with a known revenue {span.words}; "
                "null when that revenue is not positive.",
                null_policy="null",
            )


def _margin(ledger: Ledger, *, span: Span) -> np.ndarray:
    known = ledger.margin_in(span)
    return np.full(ledger.size, np.nan) if known is None else ratio(*known)
