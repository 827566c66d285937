"""Records of one file that say what a record of an earlier file says.

Belongs here: the suspicion that two exports overlap although no record repeats byte for byte, because one of them has
another column or another spelling. Does not belong here: exact duplicates and ids of records (`records`), which are
known for certain and counted once. These are counted, and reported.
"""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.star.headers import SOURCE_FILE
from gosales_assets.engine.star.lines import breach, no_breaches
from gosales_assets.engine.star.records import ROW

_SAID = ("customer_id", "order_date", "invoice_id", "source_division")


def repeated_across_files(fields: pl.DataFrame, lines: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Breaches of ``probable_duplicate``.

    Only days that more than one file covers are looked at, so that files of one month each cost nothing.

    Parameters
    ----------
    fields, lines
        Records and lines as read.
    raw
        The records, with ``_source_file`` where there is one.
    """
    if SOURCE_FILE not in raw.columns or raw.is_empty() or (raw[SOURCE_FILE] == raw[SOURCE_FILE][0]).all():
        return no_breaches()
    records = fields.select(ROW, "is_duplicate", *_SAID).with_columns(file=raw[SOURCE_FILE])
    spans = (
        records.group_by("file").agg(first=pl.col("order_date").min(), last=pl.col("order_date").max()).sort("first")
    )
    begun = pl.col("last").cum_max().shift(1)
    shared = spans.filter(pl.col("first") <= begun).select(
        pl.col("first").min().alias("first"), pl.min_horizontal("last", begun).max().alias("last")
    )
    if shared.select(pl.col("first").is_null()).item():
        return no_breaches()
    first, last = shared.row(0)
    within = records.filter(~pl.col("is_duplicate") & pl.col("order_date").is_between(first, last))
    said = (
        lines.lazy()
        .join(within.lazy().select(ROW), on=ROW, how="semi")
        .filter(pl.any_horizontal((pl.col(c) != 0).fill_null(False) for c in ("gp_cents", "quantity")))
        .select(ROW, said=pl.struct("product_sku", "gp_cents", "quantity").hash(3))
        .group_by(ROW)
        .agg(pl.col("said").sort())
        .collect()
    )
    keyed = within.join(said, on=ROW).sort("file", ROW)
    earlier = pl.col("file").first().over(*_SAID, "said")
    echoes = keyed.with_columns(earlier=earlier).filter(pl.col("file") != pl.col("earlier"))
    return breach(echoes, "", "probable_duplicate", "file", "").with_columns(
        details=pl.format("says what a record of {} says; both are counted", echoes["earlier"])
    )
