"""The four cross-sell reports in one call.

Belongs here: putting tables and prose together. Does not belong here: who is listed (`accounts`),
the words (`summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.engine.reports.accounts import Scope, rank_accounts
from gosales_assets.engine.reports.summary import summary
from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ReportSettings


@dataclass(frozen=True)
class CrossSell:
    """The reports: the base list, the two orders, the summary in Markdown, and what they were drawn from."""

    accounts: pl.DataFrame
    icp: pl.DataFrame
    whitespace: pl.DataFrame
    summary: str
    scope: Scope


def cross_sell_lists(
    icp: pl.DataFrame,
    whitespace: pl.DataFrame | None,
    facts: pl.LazyFrame,
    *,
    targets: Sequence[Target],
    reports: ReportSettings,
) -> CrossSell:
    """Rank existing accounts by what they lack, and say so in words; parameters as for `accounts.rank_accounts`.

    Raises
    ------
    ReportError
        When there is no score, none of the targets, or scores of several cutoffs.
    """
    lists = rank_accounts(icp, whitespace, facts, targets=targets, reports=reports)
    return CrossSell(lists.accounts, lists.icp, lists.whitespace, summary(lists), lists.scope)
