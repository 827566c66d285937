"""Hashes of content: equal tables have equal hashes, whatever wrote them.

Belongs here: the canonical form of a table and its hash. Does not belong here: hashes of files.
"""

from __future__ import annotations

import hashlib
import io

import polars as pl

#: Rows written out at a time: bounds the memory of the canonical text.
_CHUNK_ROWS = 200_000

#: Stands for null in the canonical text, where an empty text stays empty.
_NULL = "\x00"


def content_sha256(frame: pl.DataFrame) -> str:
    """Hash of a table's content: column names and types, then the rows in the order they stand, as text.

    Parameters
    ----------
    frame
        Table in its canonical order; curated tables are sorted by their key.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits.
    """
    digest = hashlib.sha256(repr([(n, str(t)) for n, t in frame.schema.items()]).encode())
    for start in range(0, frame.height, _CHUNK_ROWS):
        buffer = io.BytesIO()
        frame.slice(start, _CHUNK_ROWS).write_csv(buffer, include_header=False, null_value=_NULL)
        digest.update(buffer.getbuffer())
    return f"sha256:{digest.hexdigest()}"


def checksums(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int | str]]:
    """Rows and content hash of each table, by name."""
    return {name: {"rows": tables[name].height, "sha256": content_sha256(tables[name])} for name in sorted(tables)}
