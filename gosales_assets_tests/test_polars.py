"""What the package relies on of Polars."""

import polars as pl
import pytest
from polars.lazyframe.opt_flags import DEFAULT_QUERY_OPT_FLAGS

import gosales_assets  # noqa: F401 - sets the flag


def query() -> pl.LazyFrame:
    """Groups in the order of their key, said in words."""
    said = pl.when(pl.col("odd")).then(pl.lit("odd")).otherwise(pl.lit("even"))
    rows = pl.LazyFrame({"row": range(50_000)})
    grouped = rows.group_by("row").agg(odd=pl.col("row").sum() % 2 == 1)
    return grouped.sort("row").select(said=said)


def test_a_sort_is_kept_when_only_literals_are_selected():
    assert "SORT" in query().explain()
    assert query().collect()["said"].to_list() == ["even", "odd"] * 25_000


def test_the_flag_is_still_needed():
    """Fails when Polars keeps the sort by itself: then the line in `gosales_assets/__init__.py` can go."""
    assert DEFAULT_QUERY_OPT_FLAGS.check_order_observe is False
    if "SORT" in query().explain(optimizations=pl.QueryOptFlags()):
        pytest.fail("Polars keeps the sort: remove the flag")
