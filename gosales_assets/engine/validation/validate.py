"""One validation: nine files from scores, forward labels, and what the model learned from.

Belongs here: the order of the steps and the metrics document. Does not belong here: any formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine import metrics as m
from gosales_assets.engine.validation.alerts import alerts
from gosales_assets.engine.validation.drift import drift
from gosales_assets.engine.validation.frame import LABEL_SOURCE, trained_before, validation_frame
from gosales_assets.engine.validation.scenarios import segment_performance, sorted_scenarios, topk_scenarios
from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings, WhitespaceSettings


@dataclass(frozen=True)
class Validation:
    """The files of a validation."""

    frame: pl.DataFrame
    gains: pl.DataFrame
    calibration: pl.DataFrame
    topk_scenarios: pl.DataFrame
    topk_scenarios_sorted: pl.DataFrame
    segment_performance: pl.DataFrame
    metrics: dict[str, Any]
    drift: dict[str, Any]
    alerts: dict[str, Any]


def validate(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    features: pl.DataFrame,
    train_scores: pl.DataFrame,
    train_feature_sample: pl.DataFrame,
    dim: pl.DataFrame,
    *,
    target: Target,
    cutoff: date,
    validation: ValidationSettings,
    modeling: ModelingSettings,
    population: PopulationSettings,
    whitespace: WhitespaceSettings,
) -> Validation:
    """Judge the scores of a cutoff by what happened in the label window after it.

    Parameters
    ----------
    scores, labels, features
        ``division_scores``, ``labels`` and ``features`` of the division and cutoff.
    train_scores, train_feature_sample
        Of the model that made the scores.
    dim
        ``dim_customer``.
    target, cutoff
        The partition.
    validation, modeling, population, whitespace
        Sections of the settings.

    Returns
    -------
    Validation
        Tables in long form over the populations ``all`` and ``whitespace``; documents with finite numbers or None.
        While the label window is open gains and calibration have no rows and every outcome is null.

    Raises
    ------
    ValueError
        When the inputs do not belong together, or the model has seen labels from after the cutoff.
    """
    frame = validation_frame(scores, labels, dim, target=target, cutoff=cutoff, whitespace=whitespace)
    provenance = _provenance(scores, frame, train_scores, target, cutoff)
    judged = _judged(frame)
    final = _final(frame, modeling, validation)
    saturated = _saturated(frame, population)
    counts = "all" if saturated else population.evaluate_on
    scenarios = topk_scenarios(
        frame,
        capacity_grid=validation.capacity_grid,
        accounts_per_rep_grid=validation.accounts_per_rep_grid,
        segment_columns=validation.segment_columns,
        min_positives=validation.min_positives_value,
    )
    segments = segment_performance(
        frame,
        segment_columns=validation.segment_columns,
        capacity_grid=validation.capacity_grid,
        min_positives=validation.min_positives_value,
    )
    drifted = drift(
        frame,
        features,
        train_scores,
        train_feature_sample,
        target=target,
        cutoff=cutoff,
        population=counts,
        validation=validation,
    )
    document = {
        **provenance,
        "status": _overall(frame, scores, saturated, final[counts]["status"]),
        "population": counts,
        "saturated": saturated,
        "final": final,
        "capture_grid": _capture_grid(scenarios),
        "holdout_gp": _holdout_gp(frame),
        "ev_cap": m.finite(frame.select(pl.col("ev_capped").max()).item()),
        "ev_capped_rows": frame.filter(pl.col("context__gp_recent") > pl.col("ev_capped")).height,
        "segment_columns": [c for c in validation.segment_columns if c in frame.columns],
        "segment_columns_absent": [c for c in validation.segment_columns if c not in frame.columns],
        "drift": {name: drifted[name] for name in _DRIFT_HEADLINE},
        "drift_highlights": {"psi_threshold": drifted["psi_threshold"], "psi_flagged_top": drifted["highlights"]},
    }
    mae = final[counts]["cal_mae"]
    return Validation(
        frame=frame,
        gains=m.by_population(judged, m.gains_table),
        calibration=m.by_population(judged, m.calibration_table),
        topk_scenarios=scenarios,
        topk_scenarios_sorted=sorted_scenarios(
            scenarios, population=counts, calibrated=mae is not None and mae < validation.cal_mae_threshold
        ),
        segment_performance=segments,
        metrics=document,
        drift=drifted,
        alerts=alerts(document, drifted, segments, target=target, cutoff=cutoff, validation=validation),
    )


_DRIFT_HEADLINE = (
    "n_train",
    "n_current",
    "ks_phat_train_holdout",
    "ks_p_hat_pos_vs_neg",
    "psi_ev_vs_holdout_gp",
)


def _metric_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame under the names metrics use; the weight is what was known at the cutoff, not what was won."""
    return frame.select(
        "customer_id",
        "cutoff",
        "ownership",
        "label",
        pl.col("p_hat").alias("p"),
        "margin",
        pl.col("context__gp_recent").alias("weight"),
    )


def _judged(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows whose outcome is known: all of them, or none while the window is open."""
    return _metric_rows(frame.filter(~pl.col("window_open")))


def _final(frame: pl.DataFrame, modeling: ModelingSettings, validation: ValidationSettings) -> dict[str, Any]:
    ks = modeling.top_k_percents
    rows = m.populations(_metric_rows(frame))
    if frame["window_open"].any():
        return {name: m.unknown_summary(r, top_k_percents=ks, status="window_open") for name, r in rows.items()}
    return {
        name: m.summary(
            r,
            top_k_percents=ks,
            min_positives=validation.min_positives_value,
            min_positives_interval=validation.min_positives_gate,
        )
        for name, r in rows.items()
    }


def _saturated(frame: pl.DataFrame, population: PopulationSettings) -> bool:
    """Whether nearly everybody owns the target, so that its whitespace is too small to speak for it."""
    whitespace = m.populations(frame)["whitespace"].height
    return bool(frame.height) and whitespace < population.saturated_below * frame.height


def _overall(frame: pl.DataFrame, scores: pl.DataFrame, saturated: bool, final: str) -> str:
    """The first that holds: window_open, baseline (no model was trained), saturated, the status of the metrics."""
    if frame["window_open"].any():
        return "window_open"
    if scores.filter(pl.col("model_status") != "ok").height:
        return "baseline"
    return "saturated" if saturated else final


def _provenance(
    scores: pl.DataFrame, frame: pl.DataFrame, train_scores: pl.DataFrame, target: Target, cutoff: date
) -> dict[str, Any]:
    """Which model made the scores, what it learned from, and which window judges it."""

    def one(column: str) -> Any:
        values = scores[column].unique().to_list()
        if len(values) > 1:
            raise ValueError(f"division_scores.{column} holds {len(values)} values; a partition has one model")
        return values[0] if values else None

    def day(value: date | None) -> str | None:
        return value.isoformat() if value else None

    months = one("prediction_window_months")
    cutoffs, last_day = trained_before(train_scores, cutoff, months) if months else ([], None)
    return {
        "division": target.slug,
        "division_name": target.display,
        "cutoff": cutoff.isoformat(),
        # The cutoff the scores carry; `validation_frame` has refused any other than the partition's.
        "model_cutoff": day(one("cutoff")),
        "model_version": one("model_version"),
        "model_status": one("model_status"),
        "calibration_method": one("calibration_method"),
        "training_cutoffs": [c.isoformat() for c in cutoffs],
        "training_label_window_end": day(last_day),
        "label_source": LABEL_SOURCE,
        "window_start": day(one("window_start")),
        "window_end": day(one("window_end")),
        "prediction_window_months": months,
        "rows": frame.height,
        "rows_unlabelled": scores.height - frame.height,
    }


def _capture_grid(scenarios: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """Capture by capacity of the plain top share, per population."""
    rows = scenarios.filter(pl.col("mode") == "top_percent").select("population", "k_percent", "capture").rows()
    return {name: {str(k): m.finite(v) for p, k, v in rows if p == name} for name in m.POPULATIONS}


def _holdout_gp(frame: pl.DataFrame) -> dict[str, float | None]:
    """Net gross profit of the target in the window, per population; None while it is open."""
    if frame["window_open"].any():
        return dict.fromkeys(m.POPULATIONS)
    return {name: round(float(rows["holdout_gp"].sum()), 2) for name, rows in m.populations(frame).items()}
