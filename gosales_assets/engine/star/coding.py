"""Texts as numbers: a log repeats few texts many times, and numbers are cheaper to sort, compare and look up.

Belongs here: numbering texts and combinations of them. Does not belong here: what a text means.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def coded(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Number the texts of a column.

    Parameters
    ----------
    texts
        Column of text.

    Returns
    -------
    (UInt32, String)
        The number of each row's text, in the order of the texts, null where there is none; and the distinct texts,
        sorted.

    Examples
    --------
    >>> numbers, texts = coded(pl.Series(["b", None, "a", "b"]))
    >>> numbers.to_list(), texts.to_list()
    ([1, None, 0, 1], ['a', 'b'])
    """
    distinct = texts.drop_nulls().unique().sort()
    return texts.cast(pl.Enum(distinct)).to_physical().cast(pl.UInt32), distinct


def combinations(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Number the combinations of several columns of text; what is looked up of each is then looked up once.

    Parameters
    ----------
    frame
        The rows.
    columns
        Names of columns of text; null is a value like any other.

    Returns
    -------
    (UInt32, DataFrame)
        The number of each row's combination, and the distinct combinations in the order of their numbers.
    """
    key = pl.repeat(0, frame.height, dtype=pl.UInt64, eager=True)
    for column in columns:
        numbers, distinct = coded(frame[column])
        key = key * (len(distinct) + 1) + numbers.fill_null(len(distinct)).cast(pl.UInt64)
    first = key.arg_unique()
    known = pl.LazyFrame({"key": key.gather(first)}).with_row_index("number")
    found = pl.LazyFrame({"key": key}).join(known, on="key", how="left", maintain_order="left").select("number")
    return found.collect().to_series(), frame.select(columns)[first]
