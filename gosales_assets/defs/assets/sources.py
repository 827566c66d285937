"""Raw inputs: what is observed outside, and the copy of it that everything starts from.

Belongs here: observing whether an input changed, and reading it as received. Does not belong here: cleaning.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from gosales_assets import sources
from gosales_assets.defs.stage import Platform, stage
from gosales_assets.settings import SIDE_SOURCES
from gosales_assets.sources.inputs import canonical_order, input_version, is_configured

#: External inputs by the asset that copies them.
RAW = {
    "sales_log": ("raw_log", "The sales log where it lies: files, a package, or the synthetic world."),
    "industry_enrichment": ("raw_industry_enrichment", "The industry table where it lies, if one is configured."),
    "industry_matches": ("raw_industry_matches", "The accepted pairs of names where they lie, if configured."),
    "customer_assets": ("raw_customer_assets", "The asset table where it lies, if one is configured."),
    "item_taxonomy": ("raw_item_taxonomy", "The item list where it lies, if one is configured."),
    "crm_attributes": ("raw_crm_attributes", "The CRM's customer master where it lies, if one is configured."),
    "account_status": ("raw_account_status", "The status of the accounts where it lies, if one is configured."),
}


def raw_key(name: str) -> dg.AssetKey:
    """Key of the external input behind ``sources/<name>``."""
    return dg.AssetKey(["sources", RAW[name][0]])


def observe(platform: Platform, name: str) -> dg.DataVersion:
    """The version of an external input: a hash of its bytes, or of what determines them."""
    return dg.DataVersion(input_version(platform.settings.sources, name))


def build(platform: Platform) -> list[Any]:
    settings = platform.settings

    def raw(name: str) -> dg.SourceAsset:
        @dg.observable_source_asset(
            key=raw_key(name),
            group_name="sources",
            description=RAW[name][1],
            tags={"gosales/internal": "true"},
        )
        def observed() -> dg.DataVersion:
            return observe(platform, name)

        return observed

    @stage(
        platform,
        "sources/sales_log",
        ins={},
        deps=[raw_key("sales_log")],
        code=("sources",),
        sections=("sources", "taxonomy"),
    )
    def sales_log(context: dg.AssetExecutionContext) -> dict[str, Any]:
        log = sources.read_sales_log(settings.sources.sales_log, settings.products)
        context.add_output_metadata({"received": dg.MetadataValue.json(log.description)}, output_name="sales_log")
        return {"sales_log": canonical_order(log.records)}

    def side(name: str) -> dg.AssetsDefinition:
        def body(context: dg.AssetExecutionContext) -> dict[str, Any]:
            status = "received" if is_configured(settings.sources, name) else "absent"
            context.add_output_metadata({"status": status}, output_name=name)
            table = sources.read_side(settings.sources, name, settings.products)
            return {name: canonical_order(table.lazy()).collect()}

        body.__name__ = name
        return stage(
            platform,
            f"sources/{name}",
            ins={},
            deps=[raw_key(name)],
            code=("sources",),
            sections=("sources", "taxonomy"),
        )(body)

    return [*(raw(name) for name in RAW), sales_log, *(side(name) for name in SIDE_SOURCES)]
