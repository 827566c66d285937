"""Texts as numbers: a log repeats few texts many times, and numbers are cheaper to sort, compare and look up.

Belongs here: numbering texts and combinations of them. Does not belong here: what a text means.

A numbered column has the type Enum: it says what the texts say, in their order, and is stored as numbers. It is written
out (`as_texts`) before it leaves a build.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

#: Type of a numbered column without texts.
NO_TEXTS = pl.Enum([])

#: Numbers up to which a table of all of them is kept, which is cheaper to look up in than to search.
_MOST_PLACES = 1 << 20
_MOST_PACKED = 1 << 64


def numbered(texts: pl.Series, clean: Callable[[str], pl.Expr] = pl.col) -> pl.Series:
    """A column of text as numbers.

    Parameters
    ----------
    texts
        Column of text.
    clean
        What a text becomes, as an expression of the column of that name; it is evaluated once per distinct text.

    Returns
    -------
    Series
        Type Enum of the cleaned texts, sorted; null where there is none.

    Examples
    --------
    >>> numbered(pl.Series(["b ", None, "a", "b"]), lambda c: pl.col(c).str.strip_chars()).to_list()
    ['b', None, 'a', 'b']
    """
    # The numbers of a Categorical are in no order: they lead to a table of those that are.
    seen = texts.cast(pl.Categorical(pl.Categories.random()))
    distinct = seen.unique().drop_nulls()
    cleaned = pl.DataFrame({"raw": distinct.cast(pl.String)}).select(text=clean("raw")).to_series()
    kind = pl.Enum(cleaned.drop_nulls().unique().sort())
    numbers = cleaned.cast(kind).to_physical()
    places = distinct.to_physical()
    table = pl.repeat(None, int(places.max() or 0) + 1, dtype=numbers.dtype, eager=True)  # type: ignore[arg-type]
    assert isinstance(table, pl.Series)
    return table.scatter(places, numbers).gather(seen.to_physical().rechunk()).cat.to(kind).alias(texts.name)


def coded(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The numbers of a column's texts.

    Parameters
    ----------
    texts
        Column of text, numbered or not.

    Returns
    -------
    (UInt32, String)
        The number of each row's text, in the order of the texts, null where there is none; and the texts, sorted.

    Examples
    --------
    >>> numbers, texts = coded(pl.Series(["b", None, "a", "b"]))
    >>> numbers.to_list(), texts.to_list()
    ([1, None, 0, 1], ['a', 'b'])
    """
    column = texts if isinstance(texts.dtype, pl.Enum) else numbered(texts)
    assert isinstance(column.dtype, pl.Enum)
    return column.to_physical().cast(pl.UInt32), column.dtype.categories


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Write numbered columns out; other columns stay as they are."""
    of = {c: coded(frame[c]) for c, t in frame.schema.items() if isinstance(t, pl.Enum)}
    # Several times faster than a cast, which makes every text anew.
    return frame.with_columns(texts.gather(numbers).alias(c) for c, (numbers, texts) in of.items())


def in_order(*keys: pl.Series) -> pl.Series:
    """Row numbers in the order of several columns.

    Parameters
    ----------
    keys
        Columns of whole numbers or dates without nulls, the most significant first; rows that are equal in all of them
        stay in their order.

    Examples
    --------
    >>> in_order(pl.Series([1, 0, 1]), pl.Series([5, 9, 3])).to_list()
    [1, 2, 0]
    """
    # Numbers and row in one number: plain numbers sort several times faster than rows do by them.
    height = len(keys[0])
    packed, size = np.zeros(height, dtype=np.uint64), height
    for numbers in (key.to_physical().to_numpy() for key in keys) if height else ():
        least, most = int(numbers.min()), int(numbers.max())
        size *= most - least + 1
        if size > _MOST_PACKED:
            rows = pl.DataFrame([k.alias(str(i)) for i, k in enumerate(keys)])
            return rows.select(pl.arg_sort_by(rows.columns, maintain_order=True)).to_series()
        packed *= np.uint64(most - least + 1)
        packed += (numbers - numbers.dtype.type(least)).astype(np.uint64)
    packed *= np.uint64(max(height, 1))
    packed += np.arange(height, dtype=np.uint64)
    return (pl.Series(packed).sort() % max(height, 1)).cast(pl.UInt32)


def combinations(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Number the combinations of several columns of text; what is looked up of each is then looked up once.

    Parameters
    ----------
    frame
        The rows.
    columns
        Names of columns of text, numbered or not; null is a value like any other.

    Returns
    -------
    (UInt32, DataFrame)
        The number of each row's combination, and the distinct combinations in the order of their numbers, as text.
    """
    parts = {column: coded(frame[column]) for column in columns}
    key = pl.repeat(0, frame.height, dtype=pl.UInt64, eager=True)
    for numbers, texts in parts.values():
        key = key * (len(texts) + 1) + numbers.fill_null(len(texts)).cast(pl.UInt64)
    distinct = key.unique().sort()
    left, found = distinct, {}
    for column, (_, texts) in reversed(parts.items()):
        number = left % (len(texts) + 1)
        found[column] = texts.gather(number.set(number == len(texts), None)).alias(column)
        left = left // (len(texts) + 1)
    return _places(distinct, key), pl.DataFrame([found[c] for c in columns])


def _places(distinct: pl.Series, key: pl.Series) -> pl.Series:
    """Where each key stands among the sorted distinct ones."""
    highest = int(distinct.max() or 0)  # type: ignore[arg-type]
    if highest > _MOST_PLACES:
        return distinct.search_sorted(key).cast(pl.UInt32)
    places = pl.repeat(0, highest + 1, dtype=pl.UInt32, eager=True)
    return places.scatter(distinct, pl.int_range(len(distinct), dtype=pl.UInt32, eager=True)).gather(key)
