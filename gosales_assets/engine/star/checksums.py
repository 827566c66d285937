"""Hashes of content: equal tables have equal hashes, whatever wrote them.

Belongs here: the canonical form of a table and its hash. Does not belong here: hashes of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.parallel import side_by_side

#: Rows hashed at a time: bounds the memory of the canonical form, and is part of it.
_CHUNK_ROWS = 200_000


def content_sha256(frame: pl.DataFrame) -> str:
    """Hash of a table's content: the hash of its column names and types and of the hashes of its rows, some at a time.

    Of some rows, column by column: which values are null; of numbers, which are not zero, and these, little-endian; of
    texts, which differ from the one above, and these, as byte lengths and UTF-8. It depends on no writer, compression
    or library release.

    Parameters
    ----------
    frame
        Table in its canonical order; curated tables are sorted by their key.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits.

    Raises
    ------
    TypeError
        For a column that is neither text, number, boolean nor date.
    """
    digest = hashlib.sha256(repr([(n, str(t)) for n, t in frame.schema.items()]).encode())
    for part in side_by_side(*(partial(_digest, rows) for rows in frame.iter_slices(_CHUNK_ROWS))):
        digest.update(part)
    return f"sha256:{digest.hexdigest()}"


def _digest(rows: pl.DataFrame) -> bytes:
    texts = pl.col(pl.String).fill_null("")
    # Texts repeat from row to row: one bit says so, where the text would be many.
    another = rows.select((texts != texts.shift(1)).fill_null(True))
    digest = hashlib.sha256()
    for column in rows.get_columns():
        nulls = np.packbits(column.is_null().to_numpy()).tobytes() if column.null_count() else b""
        digest.update(len(nulls).to_bytes(8, "little") + nulls)
        for part in _texts(column, another[column.name]) if column.name in another else _numbers(column):
            digest.update(part)
    return digest.digest()


def _texts(column: pl.Series, another: pl.Series) -> Iterator[bytes]:
    """Parts of a column of text: where it differs from the row before, and these texts."""
    texts = column.filter(another)
    if texts.null_count():
        texts = texts.fill_null("")
    yield np.packbits(another.to_numpy()).tobytes()
    yield texts.str.len_bytes().to_numpy().astype("<u4").tobytes()
    yield texts.str.join("").cast(pl.Binary).item()  # bytes as they are: no Python text in between


def _numbers(column: pl.Series) -> Iterator[bytes | memoryview]:
    """Parts of any other column. Most numbers of the widest table are zero: one bit each."""
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Date)):
        raise TypeError(f"column {column.name!r} is {column.dtype}; a checksum knows text, numbers, booleans and dates")
    numbers = column if column.dtype.is_numeric() else column.to_physical()
    if numbers.null_count():
        numbers = numbers.fill_null(False if column.dtype == pl.Boolean else 0)
    values = numbers.to_numpy()
    others = values != 0
    yield np.packbits(others).tobytes()
    yield np.ascontiguousarray(values[others], dtype=values.dtype.newbyteorder("<")).data.cast("B")


def checksums(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int | str]]:
    """Rows and content hash of each table, by name."""
    return {name: {"rows": tables[name].height, "sha256": content_sha256(tables[name])} for name in sorted(tables)}
