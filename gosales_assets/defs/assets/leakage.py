"""The gauntlet: audits that say whether a number can be trusted."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, read, stage


def engine_sources() -> dict[str, str]:
    """The source text of everything that computes: the engine, the date rules, the product registry."""
    package = files("gosales_assets")
    texts: dict[str, str] = {}

    def walk(folder: Any, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".py"):
                texts[f"{prefix}{entry.name}"] = entry.read_text(encoding="utf-8")

    walk(package / "engine", "engine/")
    for name in ("timeline.py", "taxonomy.py"):
        texts[name] = (package / name).read_text(encoding="utf-8")
    return texts


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions
    divisions, skus = settings.products.divisions, settings.products.skus

    @stage(
        platform,
        "leakage/feature_date_audit",
        ins={
            "features": read("features/features"),
            "customer_base": read("features/customer_base", p.every_division),
            "fact_transactions": read("star/fact_transactions"),
            "dim_customer": read("star/dim_customer"),
            "fact_assets": read("star/fact_assets"),
        },
        code=("engine/leakage/date_audit.py", "engine/features"),
        sections=("features", "population", "ownership", "timeline", "divisions", "taxonomy"),
    )
    def feature_date_audit(
        context: dg.AssetExecutionContext,
        features: pl.DataFrame,
        customer_base: pl.DataFrame,
        fact_transactions: pl.LazyFrame,
        dim_customer: pl.DataFrame,
        fact_assets: pl.DataFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.leakage.date_audit import feature_date_audit as audit

        audited = audit(
            features,
            customer_base,
            fact_transactions,
            platform.target(context),
            platform.cutoff(context),
            dim=dim_customer,
            settings=settings.features,
            ownership=settings.ownership,
            population=settings.population,
            divisions=divisions,
            skus=skus,
            assets=fact_assets,
        )
        return {"feature_date_audit": audited}

    @stage(platform, "leakage/static_scan", ins={}, code=("engine", "defs/assets/leakage.py"), sections=("divisions",))
    def static_scan(context: dg.AssetExecutionContext) -> dict[str, Any]:
        from gosales_assets.engine.leakage.static_scan import SCOPE, scan

        return {"static_scan": scan(engine_sources(), scope=SCOPE)}

    @stage(
        platform,
        "leakage/fold_customer_overlap",
        ins={"features": read("features/features", p.history), "labels": read("labels/labels", p.history)},
        code=("engine/modeling",),
        sections=("timeline", "modeling", "population", "divisions"),
    )
    def fold_customer_overlap(
        context: dg.AssetExecutionContext, features: dict[str, pl.DataFrame], labels: dict[str, pl.DataFrame]
    ) -> dict[str, Any]:
        from gosales_assets.engine.modeling.folds import fold_customer_overlap as overlap
        from gosales_assets.engine.modeling.train import history_of

        frame = overlap(
            history_of(features, labels),
            calendar=settings.calendar,
            modeling=settings.modeling,
            population=settings.population,
            cutoff=platform.cutoff(context),
        )
        return {"fold_customer_overlap": frame}

    @stage(
        platform,
        "leakage/leakage_report",
        ins={
            "feature_date_audit": read("leakage/feature_date_audit", p.same),
            "static_scan": read("leakage/static_scan", p.same),
            "fold_customer_overlap": read("leakage/fold_customer_overlap"),
            "model": read("models/model"),
            "train_scores": read("models/train_scores"),
            "features": read("features/features", p.history),
            "labels": read("labels/labels", p.history),
        },
        code=("engine/leakage", "engine/modeling"),
        sections=("timeline", "leakage", "population", "gates", "divisions"),
    )
    def leakage_report(
        context: dg.AssetExecutionContext,
        feature_date_audit: pl.DataFrame,
        static_scan: dict,
        fold_customer_overlap: pl.DataFrame,
        model: dict,
        train_scores: pl.DataFrame,
        features: dict[str, pl.DataFrame],
        labels: dict[str, pl.DataFrame],
    ) -> dict[str, Any]:
        from gosales_assets.engine.leakage.report import leakage_report as consolidate
        from gosales_assets.engine.modeling.train import history_of

        document = consolidate(
            target=platform.target(context),
            cutoff=platform.cutoff(context),
            date_audit=feature_date_audit,
            static_scan=static_scan,
            overlap=fold_customer_overlap,
            model=model,
            train_scores=train_scores,
            history=history_of(features, labels),
            calendar=settings.calendar,
            population=settings.population,
            hold_insufficient_data=settings.gates.hold_insufficient_data,
        )
        return {"leakage_report": document}

    return [feature_date_audit, static_scan, fold_customer_overlap, leakage_report]
