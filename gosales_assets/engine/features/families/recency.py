"""How long ago a customer last bought, as days, their logarithm, and decayed by half-lives.

Days below the floor are raised to it: whether the last order was three days ago or ten says more about the day of the
cutoff than about the customer. Never bought is null, not a large number of days. The whole history is looked through,
and still the last order is mostly close to the cutoff.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import LIFE, SCOPES, Feature, Plan, declare, lines_of

#: Logarithms and powers differ in the last bit between machines; days do not need it.
DECIMALS = 9


def declare_features(plan: Plan) -> Iterator[Feature]:
    floor = f"at least {plan.recency_floor}; " if plan.recency_floor else ""
    for scope in SCOPES:
        since = f"the last of the {lines_of(scope)} {LIFE.words}"
        yield declare(
            "rfm",
            scope,
            "recency_days",
            LIFE,
            "Int32",
            recency_days,
            f"Days since {since}; {floor}null without one.",
            null_policy="null",
            measures_age=True,
            adjacent=True,
        )
        yield declare(
            "rfm",
            scope,
            "log_recency",
            LIFE,
            "Float64",
            _log,
            f"Logarithm of the days since {since}; ln(1 + days); null without one.",
            null_policy="null",
            adjacent=True,
        )
        for half_life in plan.half_lives:
            yield declare(
                "rfm",
                scope,
                "recency_decay",
                LIFE,
                "Float64",
                partial(_decay, half_life=half_life),
                f"Freshness of {since}, halved every {half_life} days; 2^(-days/{half_life}); null without one.",
                label=f"hl{half_life}",
                null_policy="null",
                adjacent=True,
            )


def recency_days(ledger: Ledger) -> np.ndarray:
    """Days since the last line, raised to the floor."""
    return np.maximum(ledger.days_since_last, ledger.plan.recency_floor)


def _log(ledger: Ledger) -> np.ndarray:
    return np.round(np.log1p(recency_days(ledger)), DECIMALS)


def _decay(ledger: Ledger, *, half_life: int) -> np.ndarray:
    return np.round(np.exp2(-recency_days(ledger) / half_life), DECIMALS)
