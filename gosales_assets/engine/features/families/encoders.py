"""How an industry buys the target: the target's share in lines and in gross profit of its customers, smoothed.

A small industry says little, so its share is pulled towards that of everybody, and that of a sub-industry towards its
industry's. Weights are counted in lines. Customers whose industry is unknown are a group of their own. Groups do not
depend on how an industry is called: to rename one, everywhere, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.features.ledger import CENTS, Ledger, money, ratio
from gosales_assets.engine.features.spec import CUSTOMERS, FACTS, Feature, Plan, Shared, declare

DECIMALS = 9
#: Columns of the customer base: what the rates of every target rest on.
INDUSTRY, SUB, LINES, PROFIT = "shared__industry", "shared__industry_sub", "shared__tx_pooled", "shared__gp_pooled"


def declare_features(plan: Plan) -> Iterator[Feature]:
    if plan.pooled is None:
        return
    span = plan.pooled
    for level, of, alpha, towards in (
        ("industry", "customers of the same industry", plan.alpha_industry, "the share of all customers"),
        ("sub", "customers of the same sub-industry", plan.alpha_sub, "that of the industry"),
    ):
        for metric, what in (("tx_rate", "lines"), ("gp_share", "gross profit")):
            yield declare(
                "enc",
                "div",
                f"{level}_{metric}",
                span,
                "Float64",
                partial(_encoded, level=level, metric=metric),
                f"Share of the target in {what} of {of} {span.words}, in [0, 1]; shrunk to {towards} with the weight "
                f"of {alpha:g} lines; null when there is nothing to share.",
                source=(FACTS, CUSTOMERS),
                null_policy="null",
                pooled=True,
                everyone=True,
            )


def declare_shared(plan: Plan) -> Iterator[Shared]:
    if (span := plan.pooled) is not None:
        yield Shared(INDUSTRY, lambda ledger: ledger.customers["industry"])
        yield Shared(SUB, lambda ledger: ledger.customers["industry_sub"])
        yield Shared(LINES, lambda ledger: ledger.spread(ledger.lines_in(span), 0))
        yield Shared(PROFIT, lambda ledger: ledger.spread(money(ledger.cents_in(span)), 0))


def smoothed(share: np.ndarray, lines: np.ndarray, prior: np.ndarray | float, alpha: float) -> np.ndarray:
    """(n * share + alpha * prior) / (n + alpha): the prior where the share is unknown or nothing has weight.

    Examples
    --------
    >>> smoothed(np.array([0.3, 0.5, np.nan]), np.array([100, 20, 0]), 1 / 3, 50).round(6).tolist()
    [0.311111, 0.380952, 0.333333]
    """
    priors = np.broadcast_to(np.asarray(prior, dtype=float), share.shape)
    known = np.where(np.isnan(share), priors, share)
    value = ratio(lines * known + alpha * priors, lines + alpha)
    return np.where(np.isnan(value), priors, value)


def _encoded(ledger: Ledger, *, level: str, metric: str) -> np.ndarray:
    return ledger.once(("encoded", metric), lambda: _levels(ledger, metric))[level]


def _levels(ledger: Ledger, metric: str) -> dict[str, np.ndarray]:
    """The smoothed share per customer, of its industry and of its sub-industry."""
    plan, span = ledger.plan, ledger.plan.pooled
    assert span is not None
    lines = ledger.known(LINES).astype(float)
    if metric == "tx_rate":
        whole, part = lines, ledger.spread(ledger.lines_in(span), 0)
    else:
        whole, part = np.round(ledger.known(PROFIT) * CENTS), ledger.spread(ledger.cents_in(span), 0)
    groups = ledger.once("groups", lambda: Groups.of(ledger.customers, lines))

    def shrunk(group: np.ndarray, prior: np.ndarray | float, alpha: float) -> np.ndarray:
        known = group >= 0
        size = int(group.max(initial=-1)) + 1
        n, top, bottom = (np.bincount(group[known], w[known], minlength=size) for w in (lines, part, whole))
        return smoothed(np.clip(ratio(top, bottom), 0, 1), n, prior, alpha)

    overall = float(np.clip(ratio(part.sum(), whole.sum()), 0, 1))
    by_industry = shrunk(groups.industry, overall, plan.alpha_industry)
    by_sub = shrunk(groups.sub, by_industry[groups.parent], plan.alpha_sub)
    mine = by_industry[groups.industry]
    # A customer without a sub-industry is as its industry is.
    sub = np.where(groups.sub >= 0, np.append(by_sub, np.nan)[groups.sub], mine)
    return {"industry": np.round(mine, DECIMALS), "sub": np.round(sub, DECIMALS)}


@dataclass(frozen=True)
class Groups:
    """Who belongs together, by number in the order of the first customer of each.

    Attributes
    ----------
    industry
        Group of each customer; those of no known industry are one of them.
    sub
        Group of each customer, -1 without a sub-industry.
    parent
        Industry of each sub-industry: the one most of its lines come from, then most of its customers.
    """

    industry: np.ndarray
    sub: np.ndarray
    parent: np.ndarray

    @classmethod
    def of(cls, customers: pl.DataFrame, lines: np.ndarray) -> Groups:
        """Groups of the customers of a base, who have so many lines each."""
        industry, sub = _numbered(customers[INDUSTRY]), _numbered(customers[SUB], null=-1)
        subs, industries = (int(g.max(initial=-1)) + 1 for g in (sub, industry))
        known = sub >= 0
        # Whole numbers: lines decide, customers only between equals; of the rest the first is taken.
        weight = lines[known] * (len(lines) + 1) + 1
        shared = np.bincount(sub[known] * industries + industry[known], weight, minlength=subs * industries)
        parent = shared.reshape(subs, industries).argmax(axis=1) if subs else np.zeros(0, dtype=np.int64)
        return cls(industry, sub, parent)


def _numbered(texts: pl.Series, null: int | None = None) -> np.ndarray:
    """Number of each text in order of appearance; null is one of the texts unless it has a number given."""
    distinct = texts.unique(maintain_order=True)
    distinct = distinct if null is None else distinct.drop_nulls()
    numbers = pl.DataFrame({"text": distinct, "number": np.arange(len(distinct))})
    found = texts.to_frame("text").join(numbers, on="text", how="left", maintain_order="left", nulls_equal=True)
    number = found["number"] if null is None else found["number"].fill_null(null)
    return number.to_numpy().astype(np.int64)
