"""What came back: lines with negative gross profit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, ratio
from gosales_assets.engine.features.spec import SCOPES, Feature, Plan, Span, declare, lines_of


def declare_features(plan: Plan) -> Iterator[Feature]:
    span = Span(plan.year)
    for scope in SCOPES:
        what = lines_of(scope)
        yield declare(
            "returns",
            scope,
            "return_tx_n",
            span,
            "Int32",
            partial(_returns, span=span),
            f"Number of {what} with negative gross profit {span.words}.",
        )
        yield declare(
            "returns",
            scope,
            "return_rate",
            span,
            "Float64",
            partial(_rate, span=span),
            f"Share of the {what} {span.words} with negative gross profit; null without a line.",
            null_policy="null",
        )


def _returns(ledger: Ledger, *, span: Span) -> np.ndarray:
    return ledger.returns_in(span)


def _rate(ledger: Ledger, *, span: Span) -> np.ndarray:
    return ratio(ledger.returns_in(span), ledger.lines_in(span))
