"""How like the target's owners a customer is, by what both buy.

The factors come from customer_base, fitted once per cutoff for all targets; the centroid is that of the customers who
own the target at the cutoff. Customers without lines in the fit, and everybody while nobody owns the target, are
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.embeddings import Factorization, similarity
from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import ASSETS, LIFE, Feature, Plan, Span, declare


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.transactions_fit:
        span = Span(plan.fit_months)
        yield declare(
            "als",
            "div",
            "similarity",
            span,
            "Float64",
            partial(_similarity, fit=plan.transactions_fit),
            f"Cosine with the mean owner of the target in the embedding of lines {span.words}, in [-1, 1]; "
            "null without a net purchase or without an owner.",
            null_policy="null",
            everyone=True,
        )
    if plan.assets_fit:
        yield declare(
            "als",
            "div",
            "assets_similarity",
            LIFE,
            "Float64",
            partial(_similarity, fit=plan.assets_fit),
            f"Cosine with the mean owner of the target in the embedding of assets bought {LIFE.words}, in [-1, 1]; "
            "null without an asset or without an owner that has one.",
            source=ASSETS,
            null_policy="null",
            everyone=True,
        )


def _similarity(ledger: Ledger, *, fit: Factorization) -> np.ndarray:
    owners = (ledger.customers["ownership"] == "owner").to_numpy()
    return similarity(ledger.customers.select(fit.columns).to_numpy(), owners)
