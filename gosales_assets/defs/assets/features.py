"""Phase 2: what is known of each customer at a cutoff."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.defs.stage import Platform, Result, read, stage

CODE = ("engine/features", "engine/population.py")
SECTIONS = ("taxonomy", "timeline", "features", "population", "ownership", "divisions")


def build(platform: Platform) -> list[Any]:
    settings, p = platform.settings, platform.partitions
    divisions, skus = settings.products.divisions, settings.products.skus

    @stage(platform, "features/feature_list", ins={}, code=CODE, sections=SECTIONS)
    def feature_list(context: dg.AssetExecutionContext) -> dict[str, Any]:
        from gosales_assets.engine.features.registry import feature_list as expected
        from gosales_assets.engine.features.registry import feature_specs

        return {"feature_list": expected(feature_specs(settings.features, divisions, skus))}

    @stage(
        platform,
        "features/customer_base",
        "features/base_profile",
        ins={
            "fact_transactions": read("star/fact_transactions"),
            "dim_customer": read("star/dim_customer"),
            "fact_assets": read("star/fact_assets"),
        },
        code=CODE,
        checks={"customer_base": {"quality_history": "WARN"}},
        sections=SECTIONS,
    )
    def customer_base(
        context: dg.AssetExecutionContext,
        fact_transactions: pl.LazyFrame,
        dim_customer: pl.DataFrame,
        fact_assets: pl.DataFrame,
    ) -> Result:
        from gosales_assets.engine.features.base import customer_base as base
        from gosales_assets.engine.features.history import history_finding
        from gosales_assets.engine.features.profile import as_table, profile

        frame = base(
            fact_transactions,
            dim_customer,
            platform.cutoff(context),
            features=settings.features,
            population=settings.population,
            divisions=divisions,
            skus=skus,
            assets=fact_assets,
        )
        months = settings.timeline.min_history_months or max(settings.features.windows_months)
        made = {"customer_base": frame, "base_profile": as_table(profile(frame))}
        return Result(made, [history_finding(fact_transactions, platform.cutoff(context), months)])

    @stage(
        platform,
        "features/features",
        "features/feature_catalog",
        "features/feature_stats",
        ins={
            "customer_base": read("features/customer_base", p.every_division),
            "base_profile": read("features/base_profile", p.every_division),
            "fact_transactions": read("star/fact_transactions"),
            "fact_assets": read("star/fact_assets"),
        },
        code=CODE,
        sections=SECTIONS,
    )
    def features(
        context: dg.AssetExecutionContext,
        customer_base: pl.DataFrame,
        base_profile: pl.DataFrame,
        fact_transactions: pl.LazyFrame,
        fact_assets: pl.DataFrame,
    ) -> dict[str, Any]:
        from gosales_assets.engine.features.build import build_features
        from gosales_assets.engine.features.profile import from_table

        built = build_features(
            customer_base,
            fact_transactions,
            platform.target(context),
            platform.cutoff(context),
            features=settings.features,
            ownership=settings.ownership,
            population=settings.population,
            divisions=divisions,
            skus=skus,
            assets=fact_assets,
            base_profile=from_table(base_profile),
        )
        return {"features": built.features, "feature_catalog": built.catalog, "feature_stats": built.stats}

    return [feature_list, customer_base, features]
