"""What a customer buys beside the target: lines, gross profit and shares by division.

The columns are the divisions of the taxonomy, by slug, the same for every target; what stands out is the target's
smoothed share. A few lines say little about a customer's taste, so the share is pulled towards that of the average
customer with a weight counted in lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gosales_assets.engine.features.ledger import Ledger, money, ratio
from gosales_assets.engine.features.spec import LIFE, Feature, Plan, Span, declare

DECIMALS = 9


def declare_features(plan: Plan) -> Iterator[Feature]:
    year = Span(plan.year)
    for span in (LIFE, year):
        for at, (name, slug) in enumerate(plan.divisions):
            of = f"of division {name} {span.words}"
            yield declare(
                "xdiv",
                "all",
                f"tx_n_{slug}",
                span,
                "Int32",
                partial(_lines, span=span, at=at),
                f"Number of lines {of}.",
            )
            yield declare(
                "xdiv",
                "all",
                f"gp_sum_{slug}",
                span,
                "Float64",
                partial(_profit, span=span, at=at),
                f"Gross profit {of}.",
            )
    for at, (name, slug) in enumerate(plan.divisions):
        yield declare(
            "xdiv",
            "all",
            f"gp_share_{slug}",
            year,
            "Float64",
            partial(_share, span=year, at=at),
            f"Share of division {name} in gross profit {year.words}, in [0, 1]; null when the total is not positive.",
            null_policy="null",
        )
    yield declare(
        "xdiv",
        "all",
        "division_nunique",
        year,
        "Int32",
        partial(_divisions, span=year),
        f"Distinct divisions of the taxonomy bought from {year.words}.",
    )
    smoothing = (
        "null when the total is not positive"
        if plan.alpha is None
        else f"shrunk to the mean share of active customers with the weight of {plan.alpha:g} lines"
    )
    yield declare(
        "xdiv",
        "div",
        "gp_share",
        year,
        "Float64",
        partial(_target_share, span=year),
        f"Share of the target in gross profit {year.words}, in [0, 1]; {smoothing}.",
        null_policy="null",
        pooled=True,
        everyone=True,
    )


def _lines(ledger: Ledger, *, span: Span, at: int) -> np.ndarray:
    return ledger.lines_by_division(span)[at]


def _profit(ledger: Ledger, *, span: Span, at: int) -> np.ndarray:
    return money(ledger.cents_by_division(span)[at])


def _share(ledger: Ledger, *, span: Span, at: int) -> np.ndarray:
    total = ledger.cents_by_division(span).sum(axis=0)
    return np.clip(ratio(ledger.cents_by_division(span)[at], total), 0, 1)


def _divisions(ledger: Ledger, *, span: Span) -> np.ndarray:
    return (ledger.lines_by_division(span) > 0).sum(axis=0)


def _target_share(ledger: Ledger, *, span: Span) -> np.ndarray:
    """(n * share + alpha * prior) / (n + alpha), n = lines of the customer in the window, prior = mean known share.

    A customer whose total is not positive has no share of its own: the prior stands in for it.
    """
    total = np.round(ledger.known("context__gp_recent") * 100)
    lines = ledger.known("context__tx_recent")
    share = np.clip(ratio(ledger.spread(ledger.cents_in(span), 0), total), 0, 1)
    alpha = ledger.plan.alpha
    if alpha is None:
        return share
    seen = ~np.isnan(share)
    if not seen.any():
        return share
    prior = share[seen].mean()
    shrunk = ratio(lines * np.where(seen, share, prior) + alpha * prior, lines + alpha)
    return np.round(np.where(np.isnan(shrunk), prior, shrunk), DECIMALS)
