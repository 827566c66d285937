"""Roll-ups over partitions: scores for the CRM, the latest list, the table of metrics, calibration over time.

Belongs here: picking partitions, stacking them into one long table, and the percentile and grade of a delivered score.
Does not belong here: computing a score or a metric. What a partition does not say stays null; nothing becomes 0.

A partition key of division and cutoff reads ``cutoff|division``, as in ``2024-06-30|cad``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from gosales_assets.engine.modeling.explain import REASON_COLUMNS
from gosales_assets.engine.whitespace.components import NEUTRAL, grade, percentile
from gosales_assets.taxonomy import Target

KEY_SEPARATOR = "|"

#: What a training may report on: later cutoffs than it learned from, or other customers when history is too short.
TRAIN_SPLITS: Mapping[str, str] = {"out_of_time": "train_oot", "out_of_fold": "train_oof"}
HOLDOUT = "holdout"
SPLITS = ("train_oof", "train_oot", HOLDOUT)
POPULATIONS = ("all", "whitespace")
UNKNOWN = "unknown"

_LIFT = re.compile(r"lift@(\d+)")

ICP_COLUMNS: tuple[str, ...] = (
    "customer_id",
    "customer_name",
    "division",
    "division_name",
    "cutoff_date",
    "window_start",
    "window_end",
    "prediction_window_months",
    "icp_score",
    "icp_percentile",
    "icp_grade",
    "base_rate",
    "p_multiple",
    "ownership",
    "segment",
    "industry",
    "industry_sub",
    "gp_recent",
    "tx_recent",
    "gp_life",
    "recency_days",
    *REASON_COLUMNS,
    "calibration_method",
    "model_status",
    "model_version",
)

_CALIBRATION: dict[str, Any] = {
    "population": pl.String,
    "bin": pl.Int64,
    "p_min": pl.Float64,
    "p_max": pl.Float64,
    "mean_predicted": pl.Float64,
    "fraction_positives": pl.Float64,
    "count": pl.Int64,
    "positives": pl.Int64,
}

#: Columns of the table of metrics before and after the lifts, and what each is called in a metrics document.
_COUNTS: dict[str, Any] = {"n": pl.Int64, "positives": pl.Int64, "base_rate": pl.Float64}
_QUALITY = ("auc", "average_precision", "pr_auc")
_CALIBRATED: Mapping[str, str] = {
    "brier": "brier",
    "cal_mae": "cal_mae",
    "expected_to_observed": "ratio",
    "expected_to_observed_lo": "ratio_lo",
    "expected_to_observed_hi": "ratio_hi",
}


class RollupError(ValueError):
    """Partitions that cannot be rolled up; the message names them and what to do."""


# --------------------------------------------------------------------------------------------------------------------
# Keys


def split_key(key: str) -> tuple[date, str]:
    """Cutoff and division of a partition key.

    Examples
    --------
    >>> split_key("2024-06-30|cad")
    (datetime.date(2024, 6, 30), 'cad')
    """
    cutoff, separator, division = key.partition(KEY_SEPARATOR)
    if not separator or not division:
        raise RollupError(f"partition key {key!r}: expected cutoff{KEY_SEPARATOR}division, as in 2024-06-30|cad")
    return _cutoff(cutoff), division


def _cutoff(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RollupError(f"partition key {text!r}: expected a cutoff as in 2024-06-30") from None


def latest_complete_cutoff(keys: Sequence[str], targets: Sequence[Target]) -> date:
    """The newest cutoff at which every target has a partition.

    Raises
    ------
    RollupError
        When there is none; the message names what the newest cutoff lacks.
    """
    wanted = {t.slug for t in targets}
    present: dict[date, set[str]] = {}
    for key in keys:
        cutoff, division = split_key(key)
        present.setdefault(cutoff, set()).add(division)
    complete = [cutoff for cutoff, divisions in present.items() if wanted <= divisions]
    if complete:
        return max(complete)
    if not present:
        raise RollupError("no division has been scored yet; materialize scores/division_scores first")
    newest = max(present)
    missing = ", ".join(sorted(wanted - present[newest]))
    raise RollupError(
        f"no cutoff has scores of all {len(wanted)} divisions; {newest} lacks {missing}; score them first"
    )


# --------------------------------------------------------------------------------------------------------------------
# Delivery


def icp_scores(
    scores: Mapping[str, pl.DataFrame | pl.LazyFrame], dim: pl.DataFrame, targets: Sequence[Target]
) -> pl.DataFrame:
    """Probability per customer and division at the latest complete cutoff.

    Parameters
    ----------
    scores
        ``cutoff|division`` -> ``division_scores``; only those of the latest complete cutoff are read.
    dim
        ``dim_customer``: ``customer_id`` (unique), ``customer_name``, ``industry``, ``industry_sub``.
    targets
        The configured targets: a cutoff is complete when each of them has scores.

    Returns
    -------
    DataFrame
        Columns of `schema.IcpScores`, sorted by division, score descending, customer. ``icp_percentile`` is the average
        rank within the division, 0.5 where the division cannot tell its customers apart; such a division, and one with
        a baseline instead of a model, gets no grade. No realised outcome is part of it.

    Raises
    ------
    RollupError
        When no cutoff is complete, or a customer stands twice in a division.
    """
    cutoff = latest_complete_cutoff(list(scores), targets)
    frames = [scores[f"{cutoff}{KEY_SEPARATOR}{t.slug}"] for t in sorted(targets, key=lambda t: t.slug)]
    stacked = pl.concat([f.lazy() for f in frames], how="vertical_relaxed").collect()
    twice = stacked.filter(stacked.select("customer_id", "division").is_duplicated()).sort("division", "customer_id")
    if not twice.is_empty():
        customer, division = twice["customer_id"][0], twice["division"][0]
        raise RollupError(f"division_scores at {cutoff}: customer {customer!r} stands twice in {division!r}")
    people = dim.select("customer_id", "customer_name", "industry", "industry_sub")
    has_signal = (pl.col("model_status") == "ok").all() & (pl.col("icp_score").n_unique() > 1)
    known = pl.col("base_rate") > 0
    return (
        stacked.rename(
            {
                "cutoff": "cutoff_date",
                "p_hat": "icp_score",
                "context__tx_recent": "tx_recent",
                "context__recency_days": "recency_days",
            }
        )
        .join(people, on="customer_id", how="left", validate="m:1")
        .with_columns(
            icp_percentile=percentile("icp_score", over="division", constant=NEUTRAL),
            p_multiple=pl.when(known).then(pl.col("icp_score") / pl.col("base_rate")),
            gp_recent=pl.col("context__gp_recent").cast(pl.Float64).round(2),
            gp_life=pl.col("context__gp_life").cast(pl.Float64).round(2),
            tx_recent=pl.col("tx_recent").cast(pl.Int64),
            recency_days=pl.col("recency_days").cast(pl.Int64),
            prediction_window_months=pl.col("prediction_window_months").cast(pl.Int64),
        )
        .with_columns(icp_grade=pl.when(has_signal.over("division")).then(grade("icp_percentile")))
        .select(ICP_COLUMNS)
        .sort("division", "icp_score", "customer_id", descending=[False, True, False])
    )


def latest_whitespace(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The ranked list of the latest cutoff, unchanged.

    Parameters
    ----------
    frames
        Cutoff (ISO date) -> whitespace list of that cutoff.

    Raises
    ------
    RollupError
        When there is none, or a list says it is of another cutoff than its partition.
    """
    if not frames:
        raise RollupError("no whitespace list exists yet; materialize whitespace/whitespace first")
    newest = max(frames, key=_cutoff)
    frame = frames[newest]
    if strange := [c for c in frame["cutoff"].unique().sort() if str(c) != newest]:
        raise RollupError(f"the whitespace list of {newest} holds rows of {strange[0]}; materialize it again")
    return frame


# --------------------------------------------------------------------------------------------------------------------
# Evidence over time


def calibration_history(target: Target, calibrations: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Forward calibration of a division over all cutoffs, in one long table.

    Parameters
    ----------
    target
        The division.
    calibrations
        Cutoff (ISO date) -> calibration table of its validation; one without rows (its window is open) adds none.

    Returns
    -------
    DataFrame
        Columns of `schema.CalibrationHistory`, sorted by cutoff, population, bin.
    """
    parts = [
        frame.select(
            pl.lit(target.slug).alias("division"),
            pl.lit(target.display).alias("division_name"),
            pl.lit(_cutoff(cutoff)).alias("cutoff"),
            pl.lit(HOLDOUT).alias("split"),
            *(pl.col(name).cast(dtype) for name, dtype in _CALIBRATION.items()),
        )
        for cutoff, frame in calibrations.items()
        if not frame.is_empty()
    ]
    keys = {"division": pl.String, "division_name": pl.String, "cutoff": pl.Date, "split": pl.String}
    empty = pl.DataFrame(schema={**keys, **_CALIBRATION})
    return pl.concat([empty, *parts]).sort("cutoff", "population", "bin")


def metrics_summary(
    validation_metrics: Mapping[str, Mapping[str, Any]],
    model_metrics: Mapping[str, Mapping[str, Any]],
    leakage_reports: Mapping[str, Mapping[str, Any]],
) -> pl.DataFrame:
    """Metrics of every division and cutoff: training and forward, for everybody and for the whitespace.

    Parameters
    ----------
    validation_metrics, model_metrics
        ``cutoff|division`` -> metrics document of that phase, with one block of values per population in ``final``.
    leakage_reports
        ``cutoff|division`` -> leakage report of the model behind both.

    Returns
    -------
    DataFrame
        Columns of `schema.MetricsSummary`: one row per division, cutoff, split and population. A value a document does
        not hold is null, never 0, and costs no row. ``lift@K`` for every K any document names. ``leakage`` is the
        verdict on the model, ``unknown`` without a report.
    """
    rows = [
        row
        for split, documents in ((None, model_metrics), (HOLDOUT, validation_metrics))
        for key, document in documents.items()
        for row in _metric_rows(key, document, split or _train_split(key, document), leakage_reports)
    ]
    shares = sorted({int(m.group(1)) for row in rows for name in row if (m := _LIFT.fullmatch(name))})
    schema: dict[str, Any] = {
        "division": pl.String,
        "division_name": pl.String,
        "cutoff": pl.Date,
        "split": pl.Enum(SPLITS),
        "population": pl.Enum(POPULATIONS),
        **_COUNTS,
        **dict.fromkeys(_QUALITY, pl.Float64),
        **{f"lift@{k}": pl.Float64 for k in shares},
        **dict.fromkeys(_CALIBRATED, pl.Float64),
        "status": pl.String,
        "model_status": pl.String,
        "leakage": pl.String,
    }
    return (
        pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
        .sort("division", "cutoff", "split", "population")
        .with_columns(pl.col("split", "population").cast(pl.String))
    )


def _metric_rows(
    key: str, document: Mapping[str, Any], split: str, reports: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    cutoff, division = split_key(key)
    return [
        {
            "division": division,
            "division_name": document.get("division_name"),
            "cutoff": cutoff,
            "split": split,
            "population": population,
            **{name: block.get(name) for name in (*_COUNTS, *_QUALITY, "status")},
            **{name: block.get(source) for name, source in _CALIBRATED.items()},
            **{name: value for name, value in block.items() if _LIFT.fullmatch(name)},
            "model_status": document.get("model_status"),
            "leakage": reports.get(key, {}).get("overall", UNKNOWN),
        }
        for population, block in document["final"].items()
    ]


def _train_split(key: str, document: Mapping[str, Any]) -> str:
    """What the training metrics were measured on; a document that does not say is refused, not guessed."""
    kind = str(document.get("evaluation"))
    if kind not in TRAIN_SPLITS:
        raise RollupError(f"training metrics of {key}: evaluation is {kind!r}; known: {', '.join(TRAIN_SPLITS)}")
    return TRAIN_SPLITS[kind]
