"""Assets and subscriptions of customers, from text to typed columns.

Belongs here: the typed form every reader of assets works on. Does not belong here: what is known of an asset at a
cutoff (`population`), features made from assets.
"""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.star.parsing import floats_as_text, identifier, parse_amounts, parse_dates, text

ASSET_SCHEMA: dict[str, type[pl.DataType]] = {
    "customer_id": pl.String,
    "product_sku": pl.String,
    "quantity": pl.Float64,
    "purchase_date": pl.Date,
    "expiration_date": pl.Date,
}


def condition_assets(assets: pl.DataFrame | None) -> pl.DataFrame:
    """Give assets their types; idempotent.

    Parameters
    ----------
    assets
        Columns ``customer_id, product_sku, quantity, purchase_date, expiration_date`` as text or typed; None is no
        assets.

    Returns
    -------
    DataFrame
        `ASSET_SCHEMA`, sorted by all columns. A quantity that is blank or no number counts as one; a date that cannot
        be read is null. Assets without a customer are left out.

    Raises
    ------
    ValueError
        Naming the columns that are missing.
    """
    if assets is None:
        return pl.DataFrame(schema=ASSET_SCHEMA)
    if missing := [c for c in ASSET_SCHEMA if c not in assets.columns]:
        raise ValueError(
            f"customer_assets lacks the column(s) {', '.join(missing)}; expected {', '.join(ASSET_SCHEMA)}"
        )
    quantity, _ = parse_amounts(assets["quantity"])
    purchase, _ = parse_dates(assets["purchase_date"])
    expiration, _ = parse_dates(assets["expiration_date"])
    return (
        assets.lazy()
        .pipe(floats_as_text)
        .select(
            identifier("customer_id").alias("customer_id"),
            text("product_sku").alias("product_sku"),
            quantity.fill_null(1.0).alias("quantity"),
            purchase.alias("purchase_date"),
            expiration.alias("expiration_date"),
        )
        .filter(pl.col("customer_id").is_not_null())
        .sort(pl.all())
        .collect()
    )
