"""Phase 0: the star schema and its contracts."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, Result, read, stage
from gosales_assets.defs.storage import ArtifactStore
from gosales_assets.sources.inputs import declared_as_of


def build(platform: Platform) -> list[Any]:
    settings = platform.settings
    from gosales_assets.engine.star.contracts import declared_checks

    @stage(
        platform,
        "star/fact_transactions",
        "star/dim_customer",
        "star/fact_events",
        "star/schema_snapshot",
        "star/row_counts",
        "star/contract_violations",
        "star/checksums",
        ins={
            "sales_log": read("sources/sales_log"),
            "industry_enrichment": read("sources/industry_enrichment"),
            "customer_assets": read("sources/customer_assets"),
        },
        code=("engine/star", "sources/inputs.py"),
        sections=("sources", "taxonomy", "etl"),
        checks=declared_checks(settings.etl),
        evidence=("contract_violations", "row_counts"),
    )
    def star(
        context: dg.AssetExecutionContext,
        sales_log: pl.LazyFrame,
        industry_enrichment: pl.DataFrame,
        customer_assets: pl.DataFrame,
    ) -> Result:
        from gosales_assets.engine.star.build import build_star

        # The snapshot is read before this step replaces it: a stage cannot be its own input.
        log = settings.sources.sales_log
        store, snapshot = ArtifactStore(settings.artifact_root), CATALOG["star/schema_snapshot"]
        built = build_star(
            sales_log,
            spec=log.model_copy(update={"as_of": declared_as_of(log)}),
            taxonomy=settings.products,
            etl=settings.etl,
            enrichment=industry_enrichment,
            assets=customer_assets,
            previous_snapshot=store.read(snapshot) if store.exists(snapshot) else None,
        )
        outputs = {k: v for k, v in vars(built).items() if k != "findings"}
        return Result(outputs, built.findings)

    return [star]
