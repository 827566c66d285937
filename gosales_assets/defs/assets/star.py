"""Phase 0: the star schema and its contracts."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import Platform, Result, read, stage
from gosales_assets.defs.storage import ArtifactStore
from gosales_assets.settings import SIDE_SOURCES
from gosales_assets.sources.inputs import declared_as_of, is_configured


def build(platform: Platform) -> list[Any]:
    settings = platform.settings
    from gosales_assets.engine.star.contracts import declared_checks

    @stage(
        platform,
        "star/fact_transactions",
        "star/dim_customer",
        "star/fact_events",
        "star/fact_assets",
        "star/account_status",
        "star/schema_snapshot",
        "star/row_counts",
        "star/contract_violations",
        "star/checksums",
        ins={
            "sales_log": read("sources/sales_log"),
            **{name: read(f"sources/{name}") for name in SIDE_SOURCES},
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
        industry_matches: pl.DataFrame,
        customer_assets: pl.DataFrame,
        item_taxonomy: pl.DataFrame,
        crm_attributes: pl.DataFrame,
        account_status: pl.DataFrame,
    ) -> Result:
        from gosales_assets.engine.star.build import build_star

        # The snapshot is read before this step replaces it: a stage cannot be its own input.
        log = settings.sources.sales_log

        def given(name: str, table: pl.DataFrame) -> pl.DataFrame | None:
            return table if is_configured(settings.sources, name) else None

        store, snapshot = ArtifactStore(settings.artifact_root), CATALOG["star/schema_snapshot"]
        built = build_star(
            sales_log,
            spec=log.model_copy(update={"as_of": declared_as_of(log)}),
            taxonomy=settings.products,
            etl=settings.etl,
            enrichment=given("industry_enrichment", industry_enrichment),
            matches=given("industry_matches", industry_matches),
            assets=given("customer_assets", customer_assets),
            items=given("item_taxonomy", item_taxonomy),
            crm=given("crm_attributes", crm_attributes),
            status=given("account_status", account_status),
            previous_snapshot=store.read(snapshot) if store.exists(snapshot) else None,
        )
        outputs = {k: v for k, v in vars(built).items() if k != "findings"}
        return Result(outputs, built.findings)

    return [star]
