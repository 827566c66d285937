"""What the columns of a feature matrix look like: coverage, range, distinct values, and a digest of their content.

Belongs here: description of columns as they are. Does not belong here: what they should be (`schema`, drift).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

DECIMALS = 6


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


def profile(frame: pl.DataFrame, known: Mapping[str, ColumnProfile] | None = None) -> dict[str, ColumnProfile]:
    """Profile the numeric columns of a frame.

    Parameters
    ----------
    frame
        Numeric columns only.
    known
        Profiles of columns already worked out: they are taken over, so that what all targets share is described once
        per cutoff.

    Returns
    -------
    dict
        By column name, in the frame's order.
    """
    known = known or {}
    fresh = frame.select(c for c in frame.columns if c not in known).rechunk()
    measured = fresh.select(
        pl.struct(
            pl.col(c).count().alias("non_null"),
            (pl.col(c) != 0).sum().alias("non_zero"),
            pl.col(c).drop_nulls().n_unique().alias("n_unique"),
            pl.col(c).cast(pl.Float64).min().alias("min"),
            pl.col(c).cast(pl.Float64).max().alias("max"),
            pl.col(c).cast(pl.Float64).mean().round(DECIMALS).alias("mean"),
        ).alias(c)
        for c in fresh.columns
    )
    return {
        name: known[name]
        if name in known
        else ColumnProfile(
            dtype=str(frame[name].dtype), rows=frame.height, digest=digest(frame[name]), **measured[name][0]
        )
        for name in frame.columns
    }


def digest(column: pl.Series) -> str:
    """sha256 of a column's type, length and values. A null counts as NaN (features hold none), or as no text."""
    hashed = hashlib.sha256(f"{column.dtype}:{len(column)}:".encode())
    if column.dtype == pl.String:
        lengths = column.str.len_bytes().cast(pl.Int64).fill_null(-1)
        hashed.update(_bytes(lengths))
        hashed.update(column.str.join("").item().encode())
    else:
        hashed.update(_bytes(column))
    return hashed.hexdigest()


def _bytes(column: pl.Series) -> memoryview:
    return np.ascontiguousarray(column.to_numpy()).data


def combine(digests: Iterable[tuple[str, str]]) -> str:
    """Checksum of a table from the names and digests of its columns, in their order."""
    text = "\n".join(f"{name} {value}" for name, value in digests)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
