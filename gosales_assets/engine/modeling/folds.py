"""Who is held out from whom: group folds, time folds, and the audits of both.

Belongs here: the one assignment of rows to folds, and the two audits (of the plan before training, of the folds a
training used). Does not belong here: fitting, metrics, the rule that says which cutoffs are closed.

``group`` folds split customers: every row of a customer, at all cutoffs, is on one side. They serve early stopping and
calibration. ``time`` folds split cutoffs: train on cutoffs whose label windows have closed by the one validated on.
Customers repeat there by design; label windows must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gosales_assets.engine.modeling.rows import History, pool, stable_hash
from gosales_assets.timeline import Calendar, Window, add_days, days_between

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings

OVERLAP_SCHEMA: dict[str, Any] = {
    "fold_kind": pl.String,
    "cutoff": pl.Date,
    "fold": pl.Int16,
    "n_train": pl.Int64,
    "n_valid": pl.Int64,
    "n_overlap": pl.Int64,
    "label_calendar_overlap": pl.Int8,
    "purge_days": pl.Int32,
    "embargo_days": pl.Int32,
    "status": pl.String,
    "reason": pl.String,
}


def assign_folds(rows: pl.DataFrame, *, n_folds: int, seed: int) -> pl.DataFrame:
    """Add the group fold of each row: a function of customer and seed alone.

    Parameters
    ----------
    rows
        Frame with ``customer_id``, one or more rows per customer.
    n_folds
        Number of folds, at least 2.
    seed
        Seed of the split.

    Returns
    -------
    polars.DataFrame
        ``rows`` in the order given with ``fold`` (Int16, 0 … n_folds − 1) appended. A customer keeps its fold whatever
        other rows are there, so a re-stated log moves nobody.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; at least 2 folds are needed to hold anybody out")
    fold = stable_hash(rows["customer_id"], seed) % np.uint64(n_folds)
    return rows.with_columns(pl.Series("fold", fold.astype(np.int16)))


def time_folds(
    calendar: Calendar, window_ends: Mapping[date, date], embargo_days: int
) -> list[tuple[list[date], date]]:
    """Rolling-origin folds over the usable cutoffs: (training cutoffs, validation cutoff).

    The calendar proposes; a target whose own label window is longer than the calendar's loses the training cutoffs
    whose window is still open at the validation cutoff.
    """
    folds = [
        ([c for c in train if add_days(window_ends[c], embargo_days) <= v], v)
        for train, v in calendar.time_folds(sorted(window_ends))
    ]
    return [(train, v) for train, v in folds if train]


def fold_customer_overlap(
    history: Mapping[date, History],
    calendar: Calendar,
    modeling: ModelingSettings,
    population: PopulationSettings,
    *,
    cutoff: date | None = None,
) -> pl.DataFrame:
    """Audit the folds a training on this history will use, before it is trained.

    Parameters
    ----------
    history
        Features and labels by past cutoff.
    calendar
        Cutoffs and the rolling-origin rule.
    modeling, population
        Settings: folds and seed; segments modelled.
    cutoff
        Cutoff of the model, to leave out label windows that are still open; None leaves out censored ones only.

    Returns
    -------
    polars.DataFrame
        One row per fold, group folds first (columns of `OVERLAP_SCHEMA`). ``n_train``/``n_valid`` count rows,
        ``n_overlap`` distinct customers on both sides, ``purge_days`` the days between the end of the last training
        label window and the validation cutoff. A group fold with shared customers FAILs; a time fold FAILs when label
        windows overlap or the purge is shorter than the embargo, and states repeating customers as INFO.
    """
    pooled = pool(history, segments=population.segments, cutoff=cutoff, embargo_days=calendar.embargo_days)
    rows = assign_folds(pooled.frame.select("customer_id", "cutoff"), n_folds=modeling.folds, seed=modeling.seed)
    records = [_group_record(rows, fold, calendar.embargo_days) for fold in range(modeling.folds)]
    records += [
        _time_record(rows, fold, train, v, pooled.window_ends, calendar.embargo_days)
        for fold, (train, v) in enumerate(time_folds(calendar, pooled.window_ends, calendar.embargo_days))
    ]
    return pl.DataFrame(records, schema=OVERLAP_SCHEMA, orient="row")


def _shared(train: pl.DataFrame, valid: pl.DataFrame) -> int:
    return valid.join(train, on="customer_id", how="semi")["customer_id"].n_unique()


def _group_record(rows: pl.DataFrame, fold: int, embargo_days: int) -> dict[str, Any]:
    held_out = pl.col("fold") == fold
    train, valid = rows.filter(~held_out), rows.filter(held_out)
    shared = _shared(train, valid)
    status, reason = ("PASS", "")
    if rows.is_empty():
        status, reason = "INFO", "no closed history: nothing to split"
    elif shared:
        status, reason = "FAIL", f"{shared} customer(s) have rows on both sides of the fold"
    return {
        "fold_kind": "group",
        "cutoff": None,
        "fold": fold,
        "n_train": train.height,
        "n_valid": valid.height,
        "n_overlap": shared,
        "label_calendar_overlap": None,
        "purge_days": None,
        "embargo_days": embargo_days,
        "status": status,
        "reason": reason,
    }


def _time_record(
    rows: pl.DataFrame, fold: int, train: list[date], v: date, window_ends: Mapping[date, date], embargo_days: int
) -> dict[str, Any]:
    train_rows, valid = rows.filter(pl.col("cutoff").is_in(train)), rows.filter(pl.col("cutoff") == v)
    validated = Window(v, window_ends[v])
    overlapping = [c for c in train if Window(c, window_ends[c]).overlaps(validated)]
    purge = days_between(max(window_ends[c] for c in train), v)
    shared = _shared(train_rows, valid)
    if overlapping:
        days = ", ".join(map(str, overlapping))
        status, reason = "FAIL", f"label windows of training cutoffs {days} overlap that of validation cutoff {v}"
    elif purge < embargo_days:
        status, reason = (
            "FAIL",
            f"{purge} days between training labels and validation cutoff {v}; embargo {embargo_days}",
        )
    elif shared:
        status, reason = "INFO", "customers repeat over time by design; label windows are disjoint"
    else:
        status, reason = "PASS", ""
    return {
        "fold_kind": "time",
        "cutoff": v,
        "fold": fold,
        "n_train": train_rows.height,
        "n_valid": valid.height,
        "n_overlap": shared,
        "label_calendar_overlap": int(bool(overlapping)),
        "purge_days": purge,
        "embargo_days": embargo_days,
        "status": status,
        "reason": reason,
    }


def audit_train_folds(train_scores: pl.DataFrame, overlap: pl.DataFrame | None = None) -> list[dict[str, Any]]:
    """Audit the folds a training really used, as its scores record them.

    Recomputing folds from settings would prove nothing about the training; this reads ``fold_kind`` and ``fold`` of
    every scored row.

    Parameters
    ----------
    train_scores
        The training's out-of-fold scores.
    overlap
        The audit made before training; when given, every fold used must be one that was audited, with as many rows.

    Returns
    -------
    list of dict
        One finding per rule: ``name``, ``status`` (PASS or FAIL), ``value`` (rows or customers in violation) and
        ``reason``.
    """
    group, time = (train_scores.filter(pl.col("fold_kind") == kind) for kind in ("group", "time"))
    split = group.group_by("customer_id").agg(pl.col("fold").n_unique()).filter(pl.col("fold") > 1).height
    duplicates = train_scores.height - train_scores.select("customer_id", "cutoff", "fold_kind").n_unique()
    mixed = time.group_by("fold").agg(pl.col("cutoff").n_unique()).filter(pl.col("cutoff") > 1).height
    mixed += time.group_by("cutoff").agg(pl.col("fold").n_unique()).filter(pl.col("fold") > 1).height
    unlike = _unlike_audit(train_scores, overlap) if overlap is not None else 0
    rules = [
        ("group_customer_overlap", split, "customer(s) have rows in more than one group fold"),
        ("unique_rows", duplicates, "row(s) are scored twice in one kind of fold"),
        ("time_fold_is_one_cutoff", mixed, "time fold(s) mix cutoffs, or a cutoff is split over time folds"),
        ("folds_as_audited", unlike, "fold(s) differ from the audit made before training"),
    ]
    return [
        {
            "name": name,
            "status": "FAIL" if value else "PASS",
            "value": value,
            "reason": f"{value} {text}" if value else "",
        }
        for name, value, text in rules
    ]


def _unlike_audit(train_scores: pl.DataFrame, overlap: pl.DataFrame) -> int:
    """Folds used that the audit does not hold, or holds with another number of rows or another cutoff."""
    # Keys as text: an audit read back from CSV has lost its types.
    used = train_scores.group_by("fold_kind", pl.col("fold").cast(pl.String)).agg(
        pl.len().cast(pl.Int64).alias("used"),
        pl.when(pl.col("fold_kind").first() == "time").then(pl.col("cutoff").first()).alias("used_cutoff"),
    )
    audited = overlap.select("fold_kind", pl.col("fold", "cutoff").cast(pl.String), pl.col("n_valid").cast(pl.Int64))
    both = used.join(audited, on=["fold_kind", "fold"], how="left")
    same_cutoff = pl.col("used_cutoff").cast(pl.String).eq_missing(pl.col("cutoff"))
    return both.filter(~((pl.col("used") == pl.col("n_valid")) & same_cutoff).fill_null(False)).height
