"""What size, breadth and growth mean in an industry: the industry's flag times the customer's value.

Trees find such crossings themselves when rows are many; these help when they are few, and a linear model always. Values
are not scaled by the largest of the matrix: that would tie a customer's value to who else is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.families.industry import flag
from gosales_assets.engine.features.ledger import Ledger, money, ratio
from gosales_assets.engine.features.spec import CUSTOMERS, FACTS, LIFE, Feature, Plan, Span, declare


def _profit(ledger: Ledger) -> np.ndarray:
    return ledger.spread(money(ledger.cents_in(LIFE)), 0)


def _mean_profit(ledger: Ledger) -> np.ndarray:
    return ledger.spread(money(ratio(ledger.cents_in(LIFE), ledger.lines_in(LIFE))), np.nan)


def _breadth(ledger: Ledger) -> np.ndarray:
    return ledger.spread(ledger.skus_in(LIFE), 0)


def _growth(ledger: Ledger, *, months: int) -> np.ndarray:
    newest = ledger.cents_in(Span(months))
    before = ledger.cents_in(Span(2 * months)) - newest
    return ledger.spread(ratio(newest - before, np.abs(newest) + np.abs(before)), np.nan)


def declare_features(plan: Plan) -> Iterator[Feature]:
    crossed: list[tuple[str, Span, Callable[[Ledger], np.ndarray], str]] = [
        ("gp_sum", LIFE, _profit, f"gross profit {LIFE.words}"),
        ("gp_mean", LIFE, _mean_profit, f"mean gross profit of the lines {LIFE.words}"),
        ("sku_nunique", LIFE, _breadth, f"distinct SKUs {LIFE.words}"),
    ]
    if plan.delta is not None:
        months = plan.delta
        words = f"(a - b) / (|a| + |b|), a the gross profit of the last {months} months, b of the {months} before"
        crossed.append(("growth", Span(2 * months), partial(_growth, months=months), words))
    for at, (name, slug) in enumerate(plan.crossed):
        for metric, span, value, words in crossed:
            yield declare(
                "inter",
                "all",
                f"{slug}_x_{metric}",
                span,
                "Float64",
                partial(_crossed, at=at, value=value, metric=metric),
                f"In industry {name}: {words}; 0 in another industry; null when industry or value is unknown.",
                source=(FACTS, CUSTOMERS),
                null_policy="null",
                adjacent=metric == "growth",
                everyone=True,
            )


def _crossed(ledger: Ledger, *, at: int, value: Callable[[Ledger], np.ndarray], metric: str) -> np.ndarray:
    values = ledger.once(("crossed", metric), lambda: value(ledger))
    mine = flag(ledger, column="industry", named=ledger.plan.industries, at=at)
    return np.where(mine == 1, values, mine)
