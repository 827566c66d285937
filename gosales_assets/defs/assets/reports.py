"""The published cross-sell reports."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage


def build(platform: Platform) -> list[Any]:
    settings = platform.settings

    @stage(
        platform,
        "reports/cross_sell_accounts",
        "reports/cross_sell_accounts_icp",
        "reports/cross_sell_accounts_whitespace",
        "reports/cross_sell_summary",
        ins={
            "icp_scores": read("rollups/icp_scores"),
            "whitespace": read("rollups/whitespace"),
            "fact_transactions": read("star/fact_transactions"),
        },
        code=("engine/reports",),
        sections=("reports", "divisions", "taxonomy"),
    )
    def cross_sell(
        context: dg.AssetExecutionContext,
        icp_scores: pl.DataFrame,
        whitespace: pl.DataFrame,
        fact_transactions: pl.LazyFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.reports.cross_sell import cross_sell_lists

        chosen = [settings.products.target(t) for t in settings.reports.targets]
        written = cross_sell_lists(
            icp_scores,
            whitespace,
            fact_transactions,
            targets=chosen or [t for t in settings.targets if t.ranked],
            reports=settings.reports,
        )
        return {
            "cross_sell_accounts": written.accounts,
            "cross_sell_accounts_icp": written.icp,
            "cross_sell_accounts_whitespace": written.whitespace,
            "cross_sell_summary": written.summary,
        }

    return [cross_sell]
