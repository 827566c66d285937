"""The customer dimension: everyone any source knows, once, with industry and the first day they were known.

Belongs here: the union of rosters, names, matching to the industry enrichment. Does not belong here: customer
attributes as of a cutoff (`population`), sales lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gosales_assets.engine.star.parsing import identifier, name_key, name_prefix_id, text

#: Columns the enrichment fills, in order.
ENRICHED = ("industry", "industry_sub", "web_address", "cleaned_customer_name", "industry_reasoning")

_SALES_LOG, _ASSETS = 0, 2  # rank of the sources; 1 is the CRM
_SOURCE_NAMES = {_SALES_LOG: "sales_log", _ASSETS: "assets"}


@dataclass(frozen=True)
class Customers:
    """The dimension, and the names and ids for which the enrichment says two things."""

    dim: pl.DataFrame
    conflicts: pl.DataFrame


def dim_customer(records: pl.DataFrame, assets: pl.DataFrame, enrichment: pl.DataFrame) -> Customers:
    """Build the customer dimension.

    Parameters
    ----------
    records
        Accepted records: ``customer_id``, ``customer_name``, ``order_date``.
    assets
        Typed assets.
    enrichment
        ``customer_name``, ``industry_id`` and `ENRICHED`, as text; may have no rows.

    Returns
    -------
    Customers
        ``dim``: schema `gosales_assets.engine.star.schema.DimCustomer`, sorted by customer. A customer's name is the
        one on the earliest record that has a name, the smallest of several. ``conflicts``: ``row_key``,
        ``observed_value``, the enrichment rows that lost to a more complete one.
    """
    people = _roster(records, assets)
    exact, by_name = _one_per_key(enrichment, name_key("customer_name"))
    prefix, by_id = _one_per_key(enrichment, identifier("industry_id").cast(pl.Int64, strict=False))
    named = people.with_columns(
        customer_name_norm=name_key("customer_name"), customer_prefix_id=name_prefix_id("customer_name")
    )
    matched = (
        named.join(exact.rename({"_key": "customer_name_norm"}), on="customer_name_norm", how="left")
        .join(prefix.rename({"_key": "customer_prefix_id"}), on="customer_prefix_id", how="left", suffix="_prefix")
        .with_columns(pl.coalesce(c, f"{c}_prefix").alias(c) for c in ENRICHED)
        .with_columns(
            match_method=pl.when(pl.col("_found").is_not_null())
            .then(pl.lit("exact"))
            .when(pl.col("_found_prefix").is_not_null())
            .then(pl.lit("prefix"))
            .otherwise(pl.lit("none"))
        )
    )
    assert matched.height == people.height, "the enrichment multiplied customers"
    dim = matched.select(
        "customer_id",
        "customer_name",
        "customer_name_norm",
        "customer_prefix_id",
        "source_sales_log",
        pl.lit(0, pl.Int8).alias("source_ns"),
        "source_assets",
        pl.col("source_rank").replace_strict(_SOURCE_NAMES, return_dtype=pl.String).alias("source"),
        "source_rank",
        *ENRICHED,
        "match_method",
        pl.when(pl.col("match_method") != "none").then(100.0).alias("match_score"),
        "first_seen_date",
    )
    return Customers(dim.sort("customer_id"), pl.concat([by_name, by_id]).unique().sort(pl.all()))


def _roster(records: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
    """Customers of all sources, one row each; the sales log names them."""
    names = (
        records.lazy()
        .filter(pl.col("customer_name").is_not_null())
        .select("customer_id", "order_date", "customer_name")
        .sort("customer_id", "order_date", "customer_name")
        .unique("customer_id", keep="first", maintain_order=True)
        .drop("order_date")
    )
    seen = records.lazy().select("customer_id", pl.col("order_date").alias("day"), rank=pl.lit(_SALES_LOG, pl.Int8))
    held = assets.lazy().select("customer_id", pl.col("purchase_date").alias("day"), rank=pl.lit(_ASSETS, pl.Int8))
    return (
        pl.concat([seen, held])
        .group_by("customer_id")
        .agg(
            source_sales_log=(pl.col("rank") == _SALES_LOG).any().cast(pl.Int8),
            source_assets=(pl.col("rank") == _ASSETS).any().cast(pl.Int8),
            source_rank=pl.col("rank").min(),
            first_seen_date=pl.col("day").min(),
        )
        .join(names, on="customer_id", how="left")
        .sort("customer_id")
        .collect()
    )


def _one_per_key(enrichment: pl.DataFrame, key: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One enrichment row per key: the most complete, then the lowest id, then the smallest text; and what lost."""
    rows = (
        enrichment.lazy()
        .select(
            key.alias("_key"),
            identifier("industry_id").cast(pl.Int64, strict=False).alias("_id"),
            *(text(c).alias(c) for c in ENRICHED),
        )
        .filter(pl.col("_key").is_not_null())
        .unique()
        .with_columns(_filled=pl.sum_horizontal(pl.col(c).is_not_null() for c in ENRICHED))
        .sort("_key", pl.col("_filled"), "_id", *ENRICHED, descending=[False, True, *[False] * 6], nulls_last=True)
        .collect()
    )
    first = rows.select(pl.col("_key").is_first_distinct()).to_series()
    kept = rows.filter(first).select("_key", *ENRICHED, _found=pl.lit(True))
    lost = rows.filter(~first).select(
        row_key=pl.col("_key").cast(pl.String),
        observed_value=pl.concat_str(ENRICHED, separator=" | ", ignore_nulls=True),
    )
    return kept, lost
