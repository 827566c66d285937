"""What the columns of a feature matrix look like: coverage, range, distinct values, and a digest of their content.

Belongs here: description of columns as they are. Does not belong here: what they should be (`schema`, drift).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import polars as pl

from gosales_assets.engine.parallel import side_by_side

DECIMALS = 6
#: With fewer, handing a column to a thread takes longer than describing it.
_MANY_ROWS = 20_000


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes
    ----------
    dtype
        Polars type.
    rows, non_null, non_zero
        Numbers of rows.
    n_unique
        Distinct values, null not counted.
    min, max, mean
        Over the non-null values; None without one.
    digest
        sha256 of type and values: the same for the same content, whatever wrote the file.
    """

    dtype: str
    rows: int
    non_null: int
    non_zero: int
    n_unique: int
    min: float | None
    max: float | None
    mean: float | None
    digest: str


#: Columns of a table of profiles.
TABLE: dict[str, type[pl.DataType]] = {
    "column": pl.String,
    "dtype": pl.String,
    **dict.fromkeys(("rows", "non_null", "non_zero", "n_unique"), pl.Int64),
    **dict.fromkeys(("min", "max", "mean"), pl.Float64),
    "digest": pl.String,
}


def profile(frame: pl.DataFrame, known: Mapping[str, ColumnProfile] | None = None) -> dict[str, ColumnProfile]:
    """Profile the numeric columns of a frame.

    Parameters
    ----------
    frame
        Columns of other types are passed over.
    known
        Profiles of columns already worked out: they are taken over, so that what all targets share is described once
        per cutoff.

    Returns
    -------
    dict
        By column name, in the frame's order.
    """
    known = known or {}
    numeric = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    unknown = [name for name in numeric if name not in known]
    tasks = [partial(_describe, frame[name]) for name in unknown]
    told = side_by_side(*tasks) if frame.height >= _MANY_ROWS else [task() for task in tasks]
    described = dict(zip(unknown, told, strict=True))
    return {name: known.get(name) or described[name] for name in numeric}


def as_table(profiles: Mapping[str, ColumnProfile]) -> pl.DataFrame:
    """Profiles as a table: ``column``, then the attributes of each."""
    return pl.DataFrame([{"column": name} | asdict(p) for name, p in profiles.items()], TABLE, orient="row")


def from_table(table: pl.DataFrame) -> dict[str, ColumnProfile]:
    """Profiles by column, as `as_table` wrote them."""
    return {row.pop("column"): ColumnProfile(**row) for row in table.iter_rows(named=True)}


def _describe(column: pl.Series) -> ColumnProfile:
    values = column.to_numpy()  # nulls as NaN
    zero, null = values == 0, np.isnan(values)
    rest = values[~(zero | null)]
    zeros, nulls = int(np.count_nonzero(zero)), int(np.count_nonzero(null))
    non_null = len(values) - nulls
    ordered = np.sort(np.append(rest, rest.dtype.type(0)) if zeros else rest)
    return ColumnProfile(
        dtype=str(column.dtype),
        rows=len(column),
        non_null=non_null,
        non_zero=len(rest),
        n_unique=int(np.count_nonzero(ordered[1:] != ordered[:-1])) + min(1, non_null),
        min=float(ordered[0]) if non_null else None,
        max=float(ordered[-1]) if non_null else None,
        mean=round(float(rest.sum(dtype=float)) / non_null, DECIMALS) if non_null else None,
        digest=_sha256(column, np.packbits(zero), np.packbits(null), rest.astype(float)),
    )


def digest(column: pl.Series) -> str:
    """sha256 of a column's type, length and values, nulls told from zeros and from empty text.

    Numbers count as: which are zero, which are null, and the rest in order. Most features are mostly zero or null.
    """
    if column.dtype != pl.String:
        return _describe(column).digest
    lengths = column.str.len_bytes().cast(pl.Int64).fill_null(-1)
    text = column.str.join("").item().encode()
    return _sha256(column, lengths.to_numpy(), np.frombuffer(text, dtype=np.uint8))


def _sha256(column: pl.Series, *parts: np.ndarray) -> str:
    hashed = hashlib.sha256(f"{column.dtype}:{len(column)}:".encode())
    for part in parts:
        hashed.update(part.tobytes())
    return hashed.hexdigest()


def combine(digests: Iterable[tuple[str, str]]) -> str:
    """Checksum of a table from the names and digests of its columns, in their order."""
    text = "\n".join(f"{name} {value}" for name, value in digests)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
