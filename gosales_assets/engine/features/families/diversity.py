"""How many different SKUs a customer buys, in every window."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import SCOPES, Feature, Plan, Span, declare


def declare_features(plan: Plan) -> Iterator[Feature]:
    for scope in SCOPES:
        of = "SKUs" if scope == "all" else "SKUs of the target"
        for months in plan.windows:
            span = Span(months)
            yield declare(
                "diversity",
                scope,
                "sku_nunique",
                span,
                "Int32",
                partial(_skus, span=span),
                f"Distinct {of} bought {span.words}.",
            )


def _skus(ledger: Ledger, *, span: Span) -> np.ndarray:
    return ledger.skus_in(span)
