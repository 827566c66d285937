"""Phase 4: who is offered what next."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, Result, read, stage


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions

    @stage(
        platform,
        "whitespace/mb_rules",
        ins={"fact_transactions": read("star/fact_transactions")},
        code=("engine/whitespace",),
        sections=("features", "divisions", "taxonomy", "timeline"),
    )
    def mb_rules(context: dg.AssetExecutionContext, fact_transactions: pl.LazyFrame) -> dict[str, Any]:
        from gosales_assets.engine.whitespace.basket import mb_rules as rules

        target, cutoff = platform.target(context), platform.cutoff(context)
        return {"mb_rules": rules(fact_transactions, target, cutoff, features=settings.features)}

    @stage(
        platform,
        "whitespace/whitespace",
        "whitespace/whitespace_explanations",
        "whitespace/thresholds_whitespace",
        "whitespace/whitespace_metrics",
        "whitespace/whitespace_log",
        "whitespace/capacity_summary",
        ins={
            "division_scores": read("scores/division_scores", p.every_division),
            "mb_rules": read("whitespace/mb_rules", p.every_division),
            "leakage_report": read(
                "leakage/leakage_report", p.every_division, on_closed=settings.release.on_closed_gate
            ),
            "closed_calibration": read("scores/closed_calibration", p.every_division),
            "fact_transactions": read("star/fact_transactions"),
            "dim_customer": read("star/dim_customer"),
            "account_status": read("star/account_status"),
        },
        code=("engine/whitespace", "engine/features"),
        checks={"capacity_summary": {"quality_all_divisions": "WARN"}},
        sections=("whitespace", "release", "gates", "features", "timeline", "divisions", "taxonomy"),
    )
    def whitespace(
        context: dg.AssetExecutionContext,
        division_scores: dict[str, pl.DataFrame],
        mb_rules: dict[str, pl.DataFrame],
        leakage_report: dict[str, dict],
        closed_calibration: dict[str, dict],
        fact_transactions: pl.LazyFrame,
        dim_customer: pl.DataFrame,
        account_status: pl.DataFrame,
    ) -> Result:
        from gosales_assets.engine.features.registry import descriptions
        from gosales_assets.engine.whitespace.rank import rank_whitespace

        only_warns = settings.gates.severity.get("gate_leakage") == "WARN"
        warned = dict.fromkeys(platform.partitions.slugs, "gate_leakage only warns, by settings") if only_warns else {}
        ranked = rank_whitespace(
            _by_division(division_scores),
            rules=_by_division(mb_rules),
            reports=_by_division(leakage_report),
            closed=_by_division(closed_calibration),
            facts=fact_transactions,
            dim=dim_customer,
            cutoff=platform.cutoff(context),
            window=settings.calendar.window(platform.cutoff(context)),
            whitespace=settings.whitespace,
            release=settings.release,
            features=settings.features,
            targets=settings.targets,
            descriptions=descriptions(settings.features, settings.products.divisions, settings.products.skus),
            status=account_status,
            waived=warned,
        )
        outputs = {
            "whitespace": ranked.whitespace,
            "whitespace_explanations": ranked.explanations,
            "thresholds_whitespace": ranked.thresholds,
            "whitespace_metrics": ranked.metrics,
            "whitespace_log": ranked.log,
            "capacity_summary": ranked.capacity_summary,
        }
        return Result(outputs, [ranked.completeness()])

    return [mb_rules, whitespace]


def _by_division(partitions: dict[str, Any]) -> dict[str, Any]:
    """Fan-in partitions by division: the cutoff is the same for all."""
    return {key.partition("|")[2]: value for key, value in partitions.items()}
