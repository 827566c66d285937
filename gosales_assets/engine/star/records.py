"""Identity of the records of a log, and which of them repeat.

Belongs here: what makes two records the same record. Does not belong here: what a record says.
"""

from __future__ import annotations

import operator
from functools import reduce

import polars as pl

from gosales_assets.engine.star.headers import SOURCE_FILE

#: Number of a record in the order it was read; used inside a build only, never published.
ROW = "_row"


def cells_at(records: pl.DataFrame, which: pl.Series, header: str) -> pl.DataFrame:
    """``_row`` and ``observed``, what stands under a header, of the few records where ``which`` is true.

    Looked up column by column: a frame first makes its columns one, when a large log was read in many pieces.
    """
    rows = which.arg_true()
    return pl.DataFrame({ROW: records[ROW].gather(rows), "observed": records[header].gather(rows)})


def with_identity(records: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``_content``, a hash of a record's content: 63 bits, a number every database can hold.

    The content is every column of the log by name, whatever their order; the name of the file is no part of it, so the
    same record exported twice is one record. The hash is Polars' own: equal on every machine, but renumbered by
    another Polars release.
    """
    columns = sorted(c for c in records.collect_schema().names() if c != SOURCE_FILE)
    # A seed per column makes the hashes of equal cells unequal, so that their order needs no hash of its own.
    hashes = (pl.col(column).hash(seed) for seed, column in enumerate(columns, start=1))
    return records.with_columns(_content=(reduce(operator.xor, hashes) // 2).cast(pl.Int64))


def row_ids(records: pl.DataFrame, content: pl.Series) -> pl.DataFrame:
    """Number the records by content: which are exact duplicates, and the id of each.

    Parameters
    ----------
    records
        ``_row`` and the columns that are read, in any order.
    content
        The ``_content`` of each, see `with_identity`. Records of one hash are taken for equal only when what is read
        of them has one hash too, another one: two different records would have to collide in both.

    Returns
    -------
    DataFrame
        Row by row: ``source_row_id``, the content hash, from which further records of that hash count on (one of them
        could meet another record's hash; the schema of the facts would refuse both); ``is_duplicate``, every further
        one of equal records.
    """
    read = sorted(c for c in records.columns if c not in (ROW, SOURCE_FILE))
    # Equal hashes are neighbours once sorted, which is cheaper than grouping them; few are.
    ordered = content.sort()
    shared = ordered.filter(ordered == ordered.shift(1)).unique()
    rows = content.is_in(shared.implode()).arg_true()
    repeats = (
        records[rows]
        .with_columns(content.gather(rows))
        .select(ROW, "_content", _check=pl.struct(read).hash(2) if read else pl.lit(0))
        .sort("_content", "_check", ROW)
        .with_columns(
            occurrence=pl.int_range(pl.len(), dtype=pl.Int64).over("_content"),
            is_duplicate=~pl.struct("_content", "_check").is_first_distinct(),
        )
    )
    ids = content.clone().scatter(repeats[ROW], repeats["_content"] + repeats["occurrence"])
    duplicate = pl.repeat(False, records.height, dtype=pl.Boolean, eager=True)
    return pl.DataFrame({
        "source_row_id": ids,
        "is_duplicate": duplicate.scatter(repeats[ROW], repeats["is_duplicate"]),
    })  # fmt: skip


def repeated_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Records that share their id with a different record.

    A later export (by file name) replaces an earlier one; within one file nothing says which is right.

    Parameters
    ----------
    records
        ``_row``, ``record_id`` (nulls identify nothing), ``source_file``; no exact duplicates.

    Returns
    -------
    DataFrame
        ``_row``, ``record_id`` and ``superseded`` (Boolean), of every record that must not count: true when a later
        file holds its id, false when its own file contradicts it.
    """
    shared = records.filter(pl.col("record_id").is_not_null() & pl.col("record_id").is_duplicated())
    last = pl.col("source_file") == pl.col("source_file").max().over("record_id")
    shared = shared.with_columns(superseded=~last)
    clash = ~pl.col("superseded") & ((~pl.col("superseded")).sum().over("record_id") > 1)
    return shared.filter(pl.col("superseded") | clash).select(ROW, "record_id", "superseded")
