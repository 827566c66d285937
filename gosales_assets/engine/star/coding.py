"""Texts as numbers: a log repeats few texts many times, and numbers are cheaper to sort, compare and look up.

Belongs here: numbering texts and combinations of them. Does not belong here: what a text means.

A numbered column has the type Enum: it says what the texts say, in their order, and is stored as numbers. It is written
out (`as_texts`) before it leaves a build.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

#: Type of a numbered column without texts.
NO_TEXTS = pl.Enum([])


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
    return table.scatter(places, numbers).gather(seen.to_physical()).cat.to(kind).alias(texts.name)


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
    return distinct.search_sorted(key).cast(pl.UInt32), pl.DataFrame([found[c] for c in columns])
