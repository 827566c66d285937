"""Hashes of content: equal tables have equal hashes, whatever wrote them.

Belongs here: the canonical form of a table and its hash. Does not belong here: hashes of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

#: Rows hashed at a time: bounds the memory of the canonical form, and is part of it.
_CHUNK_ROWS = 200_000


def content_sha256(frame: pl.DataFrame) -> str:
    """Hash of a table's content: column names and types, then the rows in the order they stand.

    Column by column, in chunks: which values are null, then the values as little-endian numbers, text as byte lengths
    and UTF-8. It depends on no writer, compression or library release.

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
    for start in range(0, frame.height, _CHUNK_ROWS):
        for column in frame.slice(start, _CHUNK_ROWS).get_columns():
            for part in _canonical(column):
                digest.update(part)
    return f"sha256:{digest.hexdigest()}"


def _canonical(column: pl.Series) -> Iterator[bytes | memoryview]:
    nulls = column.is_null().to_numpy().tobytes() if column.null_count() else b""
    yield len(nulls).to_bytes(8, "little") + nulls
    if column.dtype == pl.String:
        filled = column.fill_null("")
        yield filled.str.len_bytes().to_numpy().astype("<u4").tobytes()
        yield filled.str.join("").cast(pl.Binary).item()  # bytes as they are: no Python text in between
        return
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Date)):
        raise TypeError(f"column {column.name!r} is {column.dtype}; a checksum knows text, numbers, booleans and dates")
    numbers = column.to_physical().fill_null(False if column.dtype == pl.Boolean else 0).to_numpy()
    yield np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder("<")).data.cast("B")


def checksums(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int | str]]:
    """Rows and content hash of each table, by name."""
    names = sorted(tables)
    with ThreadPoolExecutor(len(names)) as threads:  # hashing needs no interpreter
        hashes = threads.map(content_sha256, (tables[name] for name in names))
        return {name: {"rows": tables[name].height, "sha256": sha} for name, sha in zip(names, hashes, strict=True)}
