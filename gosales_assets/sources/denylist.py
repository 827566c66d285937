"""The denylist: SKUs whose lines make neither a label nor an owner.

Belongs here: reading its file. Does not belong here: what a denied SKU means (`Taxonomy.without`).
"""

from __future__ import annotations

import polars as pl

from gosales_assets.sources.errors import SourceError
from gosales_assets.sources.files import UNREADABLE_COLUMN, read_tables

#: Headers the SKUs may stand under, in any case; the first that is there.
COLUMNS = ("sku", "product_sku", "gp_col")

_WHAT = "labels.denylist_skus_csv"


def read_denylist(path: str) -> list[str]:
    """Read the SKUs of a denylist: trimmed, each once, sorted.

    Parameters
    ----------
    path
        CSV or Parquet file. Blank cells are left out; other columns are notes.

    Raises
    ------
    SourceError
        When the file is missing or cannot be read, has none of `COLUMNS`, or has a line that does not fit its header.
    """
    table = read_tables([path], what=_WHAT).records.collect()
    headers = {header.casefold(): header for header in reversed(table.columns)}
    column = next((headers[name] for name in COLUMNS if name in headers), None)
    if column is None:
        raise SourceError(f"{_WHAT}: {path} needs a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}")
    if UNREADABLE_COLUMN in table.columns and (bad := table[UNREADABLE_COLUMN].drop_nulls()).len():
        raise SourceError(f"{_WHAT}: {path}: the line {bad[0]!r} has more fields than the header; quote it")
    skus = table[column].cast(pl.String).str.strip_chars().drop_nulls()
    return sorted(set(skus) - {""})
