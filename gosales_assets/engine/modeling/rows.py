"""The rows a model learns from and the numbers it sees: pooling the history, the feature matrix, sampling.

Belongs here: joining features and labels of past cutoffs, deciding which cutoffs count as closed, the one way a
feature frame becomes a matrix (training and scoring alike), counts of distinct positive customers, seeded sampling by
key. Does not belong here: folds, fitting, metrics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.timeline import add_days

#: Ownership enters the matrix as two indicators; ``never`` is both zero.
OWNERSHIP_FEATURES: dict[str, str] = {"own__is_owner": "owner", "own__is_lapsed": "lapsed"}

#: What they say, as features say it.
OWNERSHIP_DESCRIPTIONS: dict[str, str] = {
    "own__is_owner": "1 when the customer owns the target.",
    "own__is_lapsed": "1 when the customer has owned the target and does no longer.",
}

KEYS = ("customer_id", "cutoff")

#: Columns of a feature frame that are no features: keys, and raw context by its prefix.
_NOT_FEATURES = frozenset({"customer_id", "segment", "ownership"})
_CONTEXT = "context__"

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


class History(NamedTuple):
    """What was known and what happened at one past cutoff, as the features and labels artifacts hold it."""

    features: pl.DataFrame
    labels: pl.DataFrame


class FeatureError(ValueError):
    """A feature matrix that cannot be used; the message names the columns and what to do."""


@dataclass(frozen=True)
class Pool:
    """Rows of all usable past cutoffs, sorted by cutoff and customer.

    Attributes
    ----------
    frame
        customer_id, cutoff, segment, ownership, label, weight_gp and, when asked for, the features in list order.
    window_ends
        Last day of the label window of each cutoff used, ascending by cutoff.
    dropped
        Cutoffs that were offered and not used: ``{"cutoff": ISO date, "reason": empty | censored | widened | open}``.
    """

    frame: pl.DataFrame
    window_ends: dict[date, date]
    dropped: list[dict[str, str]]


def feature_names(feature_list: Mapping[str, Any]) -> list[str]:
    """Names of the feature list, in order, followed by the ownership indicators: the columns of the matrix."""
    return [f["name"] for f in feature_list["features"]] + list(OWNERSHIP_FEATURES)


def safe_features(feature_list: Mapping[str, Any]) -> frozenset[str]:
    """Features of the list that a SAFE model may read: those that do not lean on the eve of the cutoff."""
    return frozenset(f["name"] for f in feature_list["features"] if f["safe"])


def unlisted(features: pl.DataFrame, feature_list: Mapping[str, Any]) -> list[str]:
    """Columns of a matrix that are neither listed features nor keys nor context: nothing reads them."""
    listed = {f["name"] for f in feature_list["features"]}
    return [c for c in features.columns if c not in listed | _NOT_FEATURES and not c.startswith(_CONTEXT)]


def pool(
    history: Mapping[date, History],
    *,
    segments: Sequence[str],
    cutoff: date | None = None,
    embargo_days: int = 0,
    features: Sequence[str] = (),
) -> Pool:
    """Join features and labels of the past cutoffs and keep what a model may learn from.

    A cutoff counts when no label of it is censored, its label window is as long as asked for, and that window, plus
    embargo, has closed by ``cutoff``. The rest is dropped and named: a window that the data does not cover is one of
    invented negatives, and a probability learned from windows of several lengths is one of no window.

    Parameters
    ----------
    history
        Features and labels by cutoff. Customers present in both frames make the rows.
    segments
        Segments that are modelled.
    cutoff
        Cutoff of the model; None drops none for being open.
    embargo_days
        Days between the end of a label window and the model's cutoff.
    features
        Names of features to carry along, in their raw type, nulls kept.

    Raises
    ------
    FeatureError
        When a named feature is missing at a cutoff.
    """
    window_ends: dict[date, date] = {}
    dropped: list[dict[str, str]] = []
    frames: list[pl.DataFrame] = []
    for c in sorted(history):
        known, labels = history[c]
        window_end = labels["window_end"].max() if labels.height else None
        if window_end is None:
            dropped.append({"cutoff": c.isoformat(), "reason": "empty"})
            continue
        assert isinstance(window_end, date)
        if (labels["censored_flag"] != 0).any():
            dropped.append({"cutoff": c.isoformat(), "reason": "censored"})
            continue
        if (labels["effective_window_months"] != labels["requested_window_months"]).any():
            dropped.append({"cutoff": c.isoformat(), "reason": "widened"})
            continue
        if cutoff is not None and add_days(window_end, embargo_days) > cutoff:
            dropped.append({"cutoff": c.isoformat(), "reason": "open"})
            continue
        _require(known, features, where=f"features at {c}")
        window_ends[c] = window_end
        frames.append(
            known.filter(pl.col("segment").is_in(list(segments)))
            .select(
                "customer_id",
                pl.lit(c).alias("cutoff"),
                "segment",
                "ownership",
                pl.col("context__gp_recent").cast(pl.Float64).fill_nan(None).fill_null(0.0).alias("weight_gp"),
                *features,
            )
            .join(labels.select("customer_id", pl.col("label").cast(pl.Int8)), on="customer_id", validate="1:1")
        )
    order = ("customer_id", "cutoff", "segment", "ownership", "label", "weight_gp", *features)
    empty = pl.DataFrame(
        schema={
            "customer_id": pl.String,
            "cutoff": pl.Date,
            "segment": pl.String,
            "ownership": pl.String,
            "label": pl.Int8,
            "weight_gp": pl.Float64,
            **dict.fromkeys(features, pl.Float64),
        }
    )
    frame = pl.concat(frames, how="vertical_relaxed").select(order) if frames else empty
    return Pool(frame.sort("cutoff", "customer_id"), window_ends, dropped)


@overload
def matrix(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float32]: ...
@overload
def matrix(frame: pl.DataFrame, names: Sequence[str], *, dtype: type[pl.Float64]) -> NDArray[np.float64]: ...
def matrix(
    frame: pl.DataFrame, names: Sequence[str], *, dtype: type[pl.Float32 | pl.Float64] = pl.Float32
) -> NDArray[Any]:
    """The numbers a model reads, for training and scoring alike.

    Parameters
    ----------
    frame
        Rows with the feature columns and ``ownership``. Columns that are not named are ignored.
    names
        Columns of the matrix in order, as `feature_names` gives them.
    dtype
        Float32 is what a model reads; Float64 shows a person the values as they are stored.

    Returns
    -------
    numpy.ndarray
        Shape (rows, names). Null and infinite values are NaN, which the trees read as "unknown".

    Raises
    ------
    FeatureError
        Naming every missing column, or the column that holds text and its type.
    """
    plain = [n for n in names if n not in OWNERSHIP_FEATURES]
    _require(frame, [*plain, *(["ownership"] if len(plain) < len(names) else [])], where="features")
    schema = frame.schema
    text = [n for n in plain if not (schema[n].is_numeric() or schema[n] in (pl.Boolean, pl.Null))]
    if text:
        shown = ", ".join(f"{n} ({schema[n]})" for n in text[:5])
        raise FeatureError(f"features: {shown} must be numbers; encode the column or take it off the feature list")
    exprs = [
        (pl.col("ownership") == OWNERSHIP_FEATURES[n]).cast(dtype).alias(n)
        if n in OWNERSHIP_FEATURES
        else pl.col(n).cast(dtype)
        for n in names
    ]
    kind = np.float32 if dtype is pl.Float32 else np.float64
    values = frame.select(exprs).to_numpy(order="c").astype(kind, copy=False)
    if np.isinf(values).any():
        values = np.where(np.isinf(values), kind(np.nan), values)
    return values


def _require(frame: pl.DataFrame, names: Sequence[str], where: str) -> None:
    if missing := [n for n in names if n not in frame.columns]:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise FeatureError(
            f"{where}: {len(missing)} column(s) of the feature list are missing: {shown}; rebuild the features with "
            "the settings the feature list was made with"
        )


def positive_customers(frame: pl.DataFrame) -> int:
    """Distinct customers with a positive label: with overlapping windows one purchase is a positive at two cutoffs."""
    return frame.filter(pl.col("label") == 1)["customer_id"].n_unique()


def stable_hash(values: pl.Series, seed: int) -> NDArray[np.uint64]:
    """A 64-bit hash of each string that is the same on every platform, version and run.

    FNV-1a over the UTF-8 bytes, one vectorised step per byte position, then the SplitMix64 finaliser over hash and
    seed (FNV alone leaves the low bits of similar keys correlated). Neither Python's ``hash`` (salted per process) nor
    Polars' ``hash`` (not promised across versions) can keep a customer in its fold.

    Parameters
    ----------
    values
        Strings without nulls, shape (n,).
    seed
        Any integer; another seed gives another, unrelated hash.

    Returns
    -------
    numpy.ndarray
        Shape (n,), unsigned 64-bit.

    Examples
    --------
    >>> stable_hash(pl.Series(["00123", "Zürich"]), 42).tolist()
    [6742881701331206370, 8036085632886329738]
    """
    lengths = values.str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer("".join(values.to_list()).encode(), dtype=np.uint8)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(values) else lengths
    state = np.full(len(values), _FNV_OFFSET, dtype=np.uint64)
    active = np.flatnonzero(lengths > 0)
    position = 0
    while active.size:
        state[active] = (state[active] ^ data[starts[active] + position].astype(np.uint64)) * _FNV_PRIME
        position += 1
        active = active[lengths[active] > position]
    return _splitmix(state ^ _splitmix(np.full(1, seed % 2**64, dtype=np.uint64)))


def _splitmix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = state + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def row_keys(frame: pl.DataFrame) -> pl.Series:
    """One string per row: cutoff and customer."""
    return frame.select(pl.format("{}|{}", pl.col("cutoff").dt.to_string("%Y-%m-%d"), "customer_id")).to_series()


def sample(frame: pl.DataFrame, n: int, *, seed: int) -> pl.DataFrame:
    """At most ``n`` rows, chosen by the hash of their key, so that the order of the input cannot matter; sorted."""
    if frame.height > n:
        keys = row_keys(frame)
        rank = pl.DataFrame({"hash": stable_hash(keys, seed), "key": keys}).with_row_index("row").sort("hash", "key")
        frame = frame[rank["row"].head(n)]
    return frame.sort("cutoff", "customer_id")


def keys_sha256(frame: pl.DataFrame) -> str:
    """sha256 of the sorted row keys: what an object was fitted on, for whoever audits it later."""
    return hashlib.sha256("\n".join(row_keys(frame).sort().to_list()).encode()).hexdigest()
