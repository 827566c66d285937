"""Customers that may be one customer under several ids.

Belongs here: the suspicion, customer by customer. Does not belong here: merging. Two firms of one name are two firms,
and ``00123`` is not ``123``, until somebody who knows corrects the source.
"""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.star.names import unprefixed

#: Other ids named with a customer.
_NAMED = 5


def twins(dim: pl.DataFrame) -> pl.DataFrame:
    """Customers with the name of another, or with an id that differs in case or leading zeros only.

    Parameters
    ----------
    dim
        dim_customer. The number a name begins with is no part of it: ``12 Bluepen`` and ``Bluepen`` are one name.

    Returns
    -------
    DataFrame
        Lines of contract_violations without severity, one per customer and suspicion.
    """
    name = unprefixed("customer_name_norm")
    key = pl.col("customer_id").str.to_lowercase().str.replace(r"^0+(.)", "${1}")
    return pl.concat(
        [
            _sharing(dim, name, "customer_name", "shared_customer_name", "the same name under"),
            _sharing(dim, key, "customer_id", "similar_customer_id", "differs in case or leading zeros only from"),
        ]
    )


def _sharing(dim: pl.DataFrame, key: pl.Expr, column: str, rule: str, details: str) -> pl.DataFrame:
    keyed = dim.select("customer_id", key=key, observed=pl.col(column)).filter(pl.col("key").is_not_null())
    groups = (
        keyed.filter(pl.col("key").is_duplicated())
        .sort("key", "customer_id")
        .group_by("key", maintain_order=True)
        .agg("customer_id", "observed", some=pl.col("customer_id").head(_NAMED + 1))
        .explode("customer_id", "observed")
    )
    others = pl.col("some").list.set_difference(pl.concat_list("customer_id")).list.sort().list.head(_NAMED)
    return groups.select(
        table_name=pl.lit("dim_customer"),
        row_key="customer_id",
        column_name=pl.lit(column),
        violation_type=pl.lit(rule),
        observed_value="observed",
        details=pl.format("{} {}; not merged", pl.lit(details), others.list.join(", ")),
    )
