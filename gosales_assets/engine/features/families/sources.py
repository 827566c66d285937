"""Which sources know the customer: the one flag per source that explains the nulls of every other family."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import CUSTOMERS, FACTS, LIFE, Feature, FeatureSpec, Plan, Values


def declare_features(plan: Plan) -> Iterator[Feature]:
    if not plan.source_flags:
        return
    yield _flag("has_tx", FACTS, _has_lines, "1 when the customer has a line up to the cutoff.")
    yield _flag("has_industry", CUSTOMERS, _has_industry, "1 when the industry of the customer is known.")


def _flag(name: str, source: str, value: Callable[[Ledger], Values], description: str) -> Feature:
    spec = FeatureSpec(
        name=f"src__{name}",
        family="src",
        scope="all",
        span=LIFE,
        sources=(source,),
        dtype="Int8",
        known_forward=False,
        description=description,
        null_policy="known",
    )
    return Feature(spec, value, everyone=True)


def _has_lines(ledger: Ledger) -> np.ndarray:
    return ledger.spread(ledger.lines_in(LIFE), 0) > 0


def _has_industry(ledger: Ledger) -> Values:
    return ledger.customers["industry"].is_not_null()
