"""What a customer has ever bought: lines, gross profit, breadth, over the whole known history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, money, ratio
from gosales_assets.engine.features.spec import LIFE, SCOPES, Feature, Plan, declare, lines_of


def declare_features(plan: Plan) -> Iterator[Feature]:
    for scope in SCOPES:
        what = lines_of(scope)
        yield declare("lifetime", scope, "tx_n", LIFE, "Int32", _lines, f"Number of {what} {LIFE.words}.")
        yield declare(
            "lifetime", scope, "gp_sum", LIFE, "Float64", _profit, f"Gross profit of the {what} {LIFE.words}."
        )
        yield declare(
            "lifetime",
            scope,
            "gp_mean",
            LIFE,
            "Float64",
            _mean,
            f"Mean gross profit of the {what} {LIFE.words}; null without one.",
            null_policy="null",
        )
    yield declare("lifetime", "all", "sku_nunique", LIFE, "Int32", _skus, f"Distinct SKUs bought {LIFE.words}.")
    yield declare(
        "lifetime",
        "all",
        "division_nunique",
        LIFE,
        "Int32",
        _divisions,
        f"Distinct divisions of the taxonomy bought from {LIFE.words}.",
    )


def _lines(ledger: Ledger) -> np.ndarray:
    return ledger.lines_in(LIFE)


def _profit(ledger: Ledger) -> np.ndarray:
    return money(ledger.cents_in(LIFE))


def _mean(ledger: Ledger) -> np.ndarray:
    return money(ratio(ledger.cents_in(LIFE), ledger.lines_in(LIFE)))


def _skus(ledger: Ledger) -> np.ndarray:
    return ledger.skus_in(LIFE)


def _divisions(ledger: Ledger) -> np.ndarray:
    return (ledger.lines_by_division(LIFE) > 0).sum(axis=0)
