"""Where a customer stands in its life: tenure, cadence of orders, activity.

Cadence looks at distinct order dates: ten lines of one document are one order. Without an order everything here is
unknown, and with a single one so is the gap between orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, ratio
from gosales_assets.engine.features.spec import LIFE, Feature, Plan, Span, declare

#: Tenure buckets: name -> (days above, days up to and including).
TENURE_BUCKETS: dict[str, tuple[int | None, int | None]] = {
    "lt3m": (None, 90),
    "3to6m": (90, 180),
    "6to12m": (180, 365),
    "1to2y": (365, 730),
    "ge2y": (730, None),
}


def declare_features(plan: Plan) -> Iterator[Feature]:
    life = partial(declare, "lifecycle", "all", span=LIFE, null_policy="null")
    yield life(
        "tenure_days",
        dtype="Int32",
        value=_tenure,
        description="Days since the first line; null without one.",
        measures_age=True,
    )
    for bucket, (above, upto) in TENURE_BUCKETS.items():
        bounds = " and ".join(
            text for text in (f"over {above}" if above else "", f"at most {upto}" if upto else "") if text
        )
        yield life(
            "tenure_bucket",
            dtype="Int8",
            value=partial(_bucket, above=above, upto=upto),
            description=f"1 when the first line is {bounds} days ago; null without one.",
            label=bucket,
        )
    yield life(
        "last_gap_days",
        dtype="Int32",
        value=_last_gap,
        description="Days since the last line, without the floor of the recency; null without one.",
        measures_age=True,
        adjacent=True,
    )
    yield life(
        "gap_median_days",
        dtype="Float64",
        value=_median_gap,
        description="Median days between consecutive order dates; null with fewer than two.",
    )
    yield life(
        "gap_mean_days",
        dtype="Float64",
        value=_mean_gap,
        description="Mean days between consecutive order dates; null with fewer than two.",
    )
    yield declare(
        "lifecycle", "all", "order_days", LIFE, "Int32", _order_days, f"Number of distinct order dates {LIFE.words}."
    )
    span = Span(plan.two_years)
    yield declare(
        "lifecycle",
        "all",
        "active_months",
        span,
        "Int32",
        partial(_active_months, span=span),
        f"Number of distinct calendar months with a line {span.words}.",
    )


def _tenure(ledger: Ledger) -> np.ndarray:
    return ledger.days_since_first


def _last_gap(ledger: Ledger) -> np.ndarray:
    return ledger.days_since_last


def _bucket(ledger: Ledger, *, above: int | None, upto: int | None) -> np.ndarray:
    days = ledger.days_since_first
    return (days > (-np.inf if above is None else above)) & (days <= (np.inf if upto is None else upto))


def _median_gap(ledger: Ledger) -> np.ndarray:
    return ledger.median_gap()


def _mean_gap(ledger: Ledger) -> np.ndarray:
    """The gaps between the first and the last order add up to the days between them."""
    return ratio(ledger.days_since_first - ledger.days_since_last, ledger.order_days - 1)


def _order_days(ledger: Ledger) -> np.ndarray:
    return ledger.order_days


def _active_months(ledger: Ledger, *, span: Span) -> np.ndarray:
    return ledger.active_months(span)
