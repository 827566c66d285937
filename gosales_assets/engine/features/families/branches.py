"""Where and by whom a customer is served: branches and representatives of its lines, over the whole known history.

Branches the settings name have a share of their own. Representatives have none: they come and go, and the name of a
person is no property of a customer; what is kept is how many there were and how much one of them stands out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.features.ledger import Ledger, groups_of, ratio
from gosales_assets.engine.features.named import places
from gosales_assets.engine.features.spec import LIFE, Feature, Plan, declare
from gosales_assets.engine.keys import distinct

#: Column of the lines -> what the descriptions call one.
COLUMNS = {"branch": "branch", "rep": "representative"}


def declare_features(plan: Plan) -> Iterator[Feature]:
    if not plan.branch_mix:
        return
    for at, (name, slug) in enumerate(plan.branches):
        yield declare(
            "branch",
            "all",
            f"share_{slug}",
            LIFE,
            "Float64",
            partial(_share, at=at),
            f"Share of lines {LIFE.words} of branch {name}, among lines without a branch too; null without a line.",
            null_policy="null",
        )
    for column, word in COLUMNS.items():
        plural = {"branch": "branches"}.get(word, f"{word}s")
        yield declare(
            column,
            "all",
            "nunique",
            LIFE,
            "Int32",
            partial(_distinct, column=column),
            f"Distinct {plural} of the lines {LIFE.words}.",
        )
        yield declare(
            column,
            "all",
            "top_share",
            LIFE,
            "Float64",
            partial(_top_share, column=column),
            f"Share of the most frequent {word} in lines {LIFE.words} that name one; null without such a line.",
            null_policy="null",
        )


def _share(ledger: Ledger, *, at: int) -> np.ndarray:
    def count() -> np.ndarray:
        groups = len(ledger.plan.branches) + 1
        branch = groups_of(
            ledger.lines["branch"].cast(pl.Categorical), lambda names: places(names, ledger.plan.branches) + 1
        )
        lines = np.bincount(branch * ledger.size + ledger.row, minlength=groups * ledger.size)
        return lines.reshape(groups, ledger.size)[1:]

    return ratio(ledger.once("branches", count)[at], ledger.lines_in(LIFE))


def _distinct(ledger: Ledger, *, column: str) -> np.ndarray:
    return _spread(ledger, column)[0]


def _top_share(ledger: Ledger, *, column: str) -> np.ndarray:
    _, most, known = _spread(ledger, column)
    return ratio(most, known)


def _spread(ledger: Ledger, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per customer: distinct values, lines of the most frequent one, lines with a value."""

    def count() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        code = ledger.lines[column].cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        known = code >= 0
        width = int(code.max(initial=0)) + 1
        pair, lines = distinct(ledger.row[known] * width + code[known])
        row = pair // width
        most = np.zeros(ledger.size, dtype=np.int64)
        np.maximum.at(most, row, lines)
        return np.bincount(row, minlength=ledger.size), most, np.bincount(row, lines, minlength=ledger.size)

    return ledger.once(("spread", column), count)
