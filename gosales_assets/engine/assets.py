"""What a customer holds at a cutoff: assets as they were known then.

Belongs here: which assets exist at a cutoff, since when, and which of them belong to a target. Does not belong here:
reading and mapping assets (`star.assets`), who owns a target (`population`), features.

An asset bought after the cutoff does not exist at it, for nothing: it is not owned, not active, and its tenure enters
no median. An asset whose purchase date is missing or impossible is there at every cutoff, as old as the others of its
roll-up: that it exists is known, since when is not. An expiration date is the one a current extract holds; where a
renewal overwrites it instead of adding a row, the past reads it too, and a feature made of it must say so.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from gosales_assets.taxonomy import Target, fold, match_key
from gosales_assets.timeline import days_since, plus_days, until

#: Earlier purchase dates are placeholders (1900-01-01), not dates.
EARLIEST_PURCHASE = date(1996, 1, 1)

#: Age given to an asset of unknown purchase date when no asset with a known one exists.
FALLBACK_TENURE_DAYS = 3650

#: What `assets_as_of` reads of fact_assets; what tells nothing of an asset's age may be absent and is then unknown.
_READ: dict[str, type[pl.DataType]] = {
    "customer_id": pl.String,
    "product_sku": pl.String,
    "item_rollup": pl.String,
    "division": pl.String,
    "quantity": pl.Float64,
    "purchase_date": pl.Date,
    "expiration_date": pl.Date,
}
_OPTIONAL = ("item_rollup", "division")

#: Columns of `assets_as_of`, in order.
AS_OF_SCHEMA: dict[str, type[pl.DataType]] = {
    "customer_id": pl.String,
    "product_sku": pl.String,
    "item_rollup": pl.String,
    "division": pl.String,
    "quantity": pl.Float64,
    "effective_purchase_date": pl.Date,
    "valid_purchase": pl.Boolean,
    "expiration_date": pl.Date,
    "active": pl.Boolean,
}


def is_valid_purchase(column: str | pl.Expr = "purchase_date") -> pl.Expr:
    """Boolean expression: a purchase date that can be one; never null."""
    expr = pl.col(column) if isinstance(column, str) else column
    return (expr >= EARLIEST_PURCHASE).fill_null(False)


def assets_as_of(assets: pl.DataFrame | pl.LazyFrame | None, cutoff: date) -> pl.DataFrame:
    """Assets as known at a cutoff.

    The effective purchase date of an asset is its purchase date when that is valid (`is_valid_purchase`), else the
    cutoff less the median tenure, in whole days, of the assets of its roll-up, else of all assets, else
    `FALLBACK_TENURE_DAYS`. Tenures are those of valid purchases up to the cutoff.

    Parameters
    ----------
    assets
        fact_assets; None is no assets. ``item_rollup`` and ``division`` may be absent.
    cutoff
        Last day included. Assets with a valid purchase date after it do not exist.

    Returns
    -------
    DataFrame
        `AS_OF_SCHEMA`, sorted by all columns; one row per asset of a known customer with a positive quantity.
        ``active``: not expired before the cutoff (its last day counts; without an expiration date it never expires).

    Raises
    ------
    ValueError
        Naming the columns that are missing.
    """
    if assets is None:
        return pl.DataFrame(schema=AS_OF_SCHEMA)
    valid, rollup = pl.col("valid_purchase"), pl.col("item_rollup")
    tenure = days_since(cutoff, pl.col("purchase_date").cast(pl.Date)).filter(valid)
    median = pl.coalesce(
        pl.when(rollup.is_not_null()).then(tenure.median().over("item_rollup")),
        tenure.median(),
        pl.lit(float(FALLBACK_TENURE_DAYS)),
    )
    imputed = plus_days(pl.lit(cutoff), -median.cast(pl.Int64))
    return (
        _required(assets)
        .with_columns(valid_purchase=is_valid_purchase())
        .filter(~valid | until(cutoff, "purchase_date"))
        .filter(pl.col("customer_id").is_not_null() & (pl.col("quantity") > 0))
        .with_columns(
            effective_purchase_date=pl.when(valid).then("purchase_date").otherwise(imputed),
            active=(pl.col("expiration_date") >= cutoff).fill_null(True),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in AS_OF_SCHEMA.items())
        .sort(pl.all())
        .collect()
    )


def belongs_to(target: Target) -> pl.Expr:
    """Boolean expression over `assets_as_of`: the asset is one of the target's; never null.

    By its product and division, as lines of the log are; where only one of the two is known, by that one: a product
    among the target's, or a division that is called like the target.

    Parameters
    ----------
    target
        Whose assets.
    """
    sku, division = pl.col("product_sku"), pl.col("division")
    by_sku = division.is_null() & sku.is_in(sorted(target.skus)).fill_null(False)
    by_name = sku.is_null() & (match_key(division) == fold(target.display)).fill_null(False)
    return target.lines("product_sku", "division") | by_sku | by_name


def _required(assets: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    frame = assets.lazy()
    columns = frame.collect_schema().names()
    if missing := [c for c in _READ if c not in columns and c not in _OPTIONAL]:
        raise ValueError(f"fact_assets lacks the column(s) {', '.join(missing)}; rebuild the star tables")
    return frame.select(
        (pl.col(name) if name in columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in _READ.items()
    )
