"""The optional tables beside the log: industries and assets, by whatever headers they come.

Belongs here: matching their headers. Does not belong here: joining them to customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from gosales_assets.sources.errors import SourceError
from gosales_assets.sources.files import read_tables
from gosales_assets.taxonomy import FIELD_ALIASES, fold_header

ENRICHMENT_ALIASES: Mapping[str, Sequence[str]] = {
    "customer_name": ("customer_name", "customer", "company_name", "company", "name"),
    "industry_id": ("industry_id", "id"),
    "industry": ("industry",),
    "industry_sub": ("industry_sub", "industry_sub_list", "sub_industry", "industry_sub_category"),
    "web_address": ("web_address", "website", "url", "web"),
    "cleaned_customer_name": ("cleaned_customer_name", "clean_name"),
    "industry_reasoning": ("industry_reasoning", "reasoning"),
}
ASSET_ALIASES: Mapping[str, Sequence[str]] = {
    "customer_id": FIELD_ALIASES["customer_id"],
    "product_sku": (*FIELD_ALIASES["product_sku"], "item_rollup"),
    "quantity": FIELD_ALIASES["quantity"],
    "purchase_date": ("purchase_date", "purchased", "start_date", "install_date"),
    "expiration_date": ("expiration_date", "expiry_date", "expires", "end_date", "expiration"),
}


def read_enrichment(path: str) -> pl.DataFrame:
    """Read industries; every column text, absent ones null.

    Raises
    ------
    SourceError
        When the file cannot be read, or has no industry, or neither a customer name nor an id.
    """
    table, found = _read(path, ENRICHMENT_ALIASES, "sources.industry_enrichment.path")
    if "industry" not in found or not {"customer_name", "industry_id"} & set(found):
        raise SourceError(
            f"{path}: an industry file needs a column 'Industry' and one of 'Customer' or 'ID'; "
            f"found {', '.join(table.columns)}"
        )
    return table.select(
        pl.col(found[f]).cast(pl.String).alias(f) if f in found else pl.lit(None, dtype=pl.String).alias(f)
        for f in ENRICHMENT_ALIASES
    )


def read_assets(path: str) -> pl.DataFrame:
    """Read assets; ids and products as text, the rest as received, absent columns null.

    Raises
    ------
    SourceError
        When the file cannot be read or lacks the customer's id or the product.
    """
    table, found = _read(path, ASSET_ALIASES, "sources.customer_assets.path")
    for field, named in (("customer_id", "CustomerId"), ("product_sku", "Product")):
        if field not in found:
            raise SourceError(
                f"{path}: an assets file needs a column for {field} (for example {named!r}); "
                f"found {', '.join(table.columns)}"
            )
    text = {"customer_id", "product_sku"}
    return table.select(
        (pl.col(found[f]).cast(pl.String) if f in text else pl.col(found[f])).alias(f)
        if f in found
        else pl.lit(None, dtype=pl.String).alias(f)
        for f in ASSET_ALIASES
    )


def _read(path: str, aliases: Mapping[str, Sequence[str]], what: str) -> tuple[pl.DataFrame, dict[str, str]]:
    table = read_tables([path], what=what).records.collect()
    headers = {fold_header(h): h for h in reversed(table.columns)}
    found = {f: next((headers[a] for a in names if a in headers), None) for f, names in aliases.items()}
    return table, {f: h for f, h in found.items() if h is not None}
