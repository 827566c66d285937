"""What every training writes, whatever made its model: who it is about, metrics, tables, the card.

Belongs here: the set of files, the metrics of a set of judged rows, the card's content. Does not belong here: fits, the
prevalence baseline, how rows are judged (`evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling import card, evaluate
from gosales_assets.engine.modeling.calibration import Calibration
from gosales_assets.engine.modeling.columns import Columns
from gosales_assets.engine.modeling.document import FORMAT, model_version
from gosales_assets.engine.modeling.recipe import recipe_sha256
from gosales_assets.engine.modeling.rows import Pool, keys_sha256, positive_customers
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Calendar, add_days

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings

#: Inner group folds of a time fold. The recipe runs once per time fold, only to be judged; fewer folds keep that cheap.
INNER_FOLDS = 3

#: Share of the list whose lift a selection reads, percent.
SELECTION_PERCENT = 10
SELECTION_METRIC = f"lift@{SELECTION_PERCENT}"

TRAIN_SCORES_SCHEMA: dict[str, Any] = {
    "customer_id": pl.String,
    "cutoff": pl.Date,
    "segment": pl.String,
    "ownership": pl.String,
    "label": pl.Int8,
    "weight_gp": pl.Float64,
    "fold_kind": pl.String,
    "fold": pl.Int16,
    "margin": pl.Float64,
    "p_oof": pl.Float64,
    "p_in_sample": pl.Float64,
}


@dataclass(frozen=True)
class Training:
    """The files of one training; fields are named as the artifacts are."""

    model: dict[str, Any]
    metrics: dict[str, Any]
    gains: pl.DataFrame
    calibration: pl.DataFrame
    thresholds: pl.DataFrame
    model_card: dict[str, Any]
    shap_summary: pl.DataFrame
    train_scores: pl.DataFrame
    train_feature_sample: pl.DataFrame


@dataclass(frozen=True)
class Job:
    """What every document of a training says about itself."""

    target: Target
    cutoff: date
    feature_list: Mapping[str, Any]
    calendar: Calendar
    modeling: ModelingSettings
    population: PopulationSettings
    validation: ValidationSettings
    pool: Pool
    columns: Columns
    safe: bool
    feature_sample: pl.DataFrame
    window_months: int

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "division": self.target.slug,
            "division_name": self.target.display,
            "cutoff": self.cutoff.isoformat(),
        }

    @property
    def recipe(self) -> str:
        return recipe_sha256(
            self.feature_list["version"],
            safe=self.safe,
            modeling=self.modeling,
            population=self.population,
            validation=self.validation,
        )

    def training_block(self, n_trees: int) -> dict[str, Any]:
        frame, ends = self.pool.frame, self.pool.window_ends
        return {
            "cutoffs": [c.isoformat() for c in ends],
            "label_window_end": max(ends.values()).isoformat() if ends else None,
            "embargo_days": self.calendar.embargo_days,
            "n_rows": frame.height,
            "n_customers": frame["customer_id"].n_unique(),
            "positives": positive_customers(frame),
            "positive_rows": int(frame["label"].sum()),
            "n_trees": n_trees,
            "rows_sha256": keys_sha256(frame),
        }


def scores_frame(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The train_scores table of its parts."""
    frame = pl.concat(parts).select(list(TRAIN_SCORES_SCHEMA))
    return frame.sort("fold_kind", "cutoff", "customer_id")


def population_rows(frame: pl.DataFrame, population: str) -> pl.DataFrame:
    """The rows of ``all`` or ``whitespace``."""
    return metrics.populations(frame)[population]


def metric_blocks(job: Job, frame: pl.DataFrame, *, min_positives: int | None = None) -> dict[str, Any]:
    """``final`` per population and, as ``per_cutoff``, what it was averaged from.

    Parameters
    ----------
    job
        The training.
    frame
        Rows as in `evaluate.Evaluation`.
    min_positives
        Distinct positives a metric needs; the settings' by default.
    """
    ks, validation = job.modeling.top_k_percents, job.validation
    rows = evaluate.summaries(
        frame,
        top_k_percents=ks,
        min_positives=validation.min_positives_value if min_positives is None else min_positives,
        min_positives_interval=validation.min_positives_gate,
    )
    final = {name: evaluate.average(rows, frame, name, top_k_percents=ks) for name in ("all", "whitespace")}
    return {"final": final, "per_cutoff": rows}


def model_document(
    job: Job,
    *,
    fitted: Mapping[str, Any],
    features: list[str],
    calibrator: dict[str, Any],
    base_rate: float,
    base_rate_population: str,
    n_trees: int,
) -> dict[str, Any]:
    """The model of a training (form: `schema.ModelDocument`); ``fitted`` is what `document.stored` gives of it."""
    return {
        "format": FORMAT,
        "status": "insufficient_data" if fitted["kind"] == "baseline" else "ok",
        **job.identity,
        **fitted,
        "mode": "safe" if job.safe else "full",
        "features": features,
        "feature_list_version": job.feature_list["version"],
        "calibrator": calibrator,
        "base_rate": base_rate,
        "base_rate_population": base_rate_population,
        "segments": list(job.population.segments),
        "training": job.training_block(n_trees),
        "recipe": job.recipe,
    }


def metrics_document(
    job: Job,
    evaluation: evaluate.Evaluation,
    blocks: Mapping[str, Any],
    *,
    population: tuple[str, str],
    in_sample: Mapping[str, Any],
    selection: Mapping[str, Any],
    time_folds: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    best_iterations: Sequence[int],
    n_trees: int,
    reason: str | None = None,
) -> dict[str, Any]:
    """metrics.json of a training (form: `schema.ModelMetrics`); ``reason`` says why there is no model."""
    status = "ok" if reason is None else "insufficient_data"
    on, note = population
    return {
        **job.identity,
        "status": status,
        "model_status": status,
        "reason": reason,
        "evaluation": evaluation.kind,
        "evaluation_cutoffs": evaluation.cutoffs,
        **blocks,
        "in_sample": dict(in_sample),
        "selection": {
            "population": on,
            "population_reason": note,
            "metric": SELECTION_METRIC,
            "folds": "time" if evaluation.kind == "out_of_time" else "group",
            **selection,
        },
        "time_folds": list(time_folds),
        "params": {
            **params,
            "group_folds": job.modeling.folds,
            "inner_folds_of_time_folds": min(INNER_FOLDS, job.modeling.folds),
        },
        "best_iterations": list(best_iterations),
        "n_trees": n_trees,
        "seed": job.modeling.seed,
        "window_months": job.window_months,
    }


def calibration_block(calibration: Calibration, population: str, note: str) -> dict[str, Any]:
    """How margins became probabilities, for the card."""
    return {
        "method": calibration.method,
        "reason": calibration.reason,
        "population": population,
        "population_reason": note,
        "n": calibration.n,
        "positives": calibration.positives,
        "brier": {method: metrics.finite(value) for method, value in calibration.brier.items()},
    }


def assemble(
    job: Job,
    *,
    model: dict[str, Any],
    document: dict[str, Any],
    frame: pl.DataFrame,
    calibration: dict[str, Any],
    guardrails: list[dict[str, Any]],
    signal: evaluate.Signal,
    shap_summary: pl.DataFrame,
    train_scores: pl.DataFrame,
) -> Training:
    """Tables and card of a finished training.

    Parameters
    ----------
    job
        The training.
    model, document
        Model and metrics document.
    frame
        Rows it is reported on, as in `evaluate.Evaluation`; none for a baseline.
    calibration, guardrails, signal
        Blocks of the card.
    shap_summary, train_scores
        Tables that are ready.
    """
    few, ks = job.validation.min_positives_value, job.modeling.top_k_percents
    thresholds = evaluate.thresholds(frame, top_k_percents=ks, min_positives=few)
    version = model_version(model)
    training = model["training"]
    model_card = {
        **job.identity,
        "status": model["status"],
        "reason": document["reason"],
        "model_kind": model["kind"],
        "model_version": version,
        "recipe": model["recipe"],
        "feature_list_version": model["feature_list_version"],
        "mode": model["mode"],
        "n_features": len(model["features"]),
        "dropped_features": list(job.columns.dropped),
        "train_window": {
            "cutoffs": training["cutoffs"],
            "cutoffs_wanted": job.calendar.training_cutoffs,
            "cutoffs_existed": len(job.pool.window_ends) + len(job.pool.dropped),
            "cutoffs_used": len(job.pool.window_ends),
            "first_label_day": add_days(min(job.pool.window_ends), 1).isoformat() if job.pool.window_ends else None,
            "label_window_end": training["label_window_end"],
            "label_window_months": job.window_months,
            "embargo_days": training["embargo_days"],
        },
        "data": card.data_block(job.pool.frame, job.pool.dropped),
        "hyper_parameters": document["params"],
        "best_iterations": document["best_iterations"],
        "n_trees": document["n_trees"],
        "seed": document["seed"],
        "selection": document["selection"],
        "calibration": calibration,
        "signal": signal.verdict,
        "signal_z": signal.z,
        "signal_auc": signal.auc,
        "evaluation": {
            "kind": document["evaluation"],
            "cutoffs": document["evaluation_cutoffs"],
            "population": calibration["population"],
            "population_reason": calibration["population_reason"],
            "all": document["final"]["all"],
            "whitespace": document["final"]["whitespace"],
        },
        "topk": thresholds.to_dicts(),
        "guardrails": guardrails,
        "notes": dict(card.NOTES),
    }
    return Training(
        model=model,
        metrics=document,
        gains=evaluate.gains(frame, min_positives=few),
        calibration=evaluate.calibration(frame),
        thresholds=thresholds,
        model_card=model_card,
        shap_summary=shap_summary,
        train_scores=train_scores,
        train_feature_sample=job.feature_sample,
    )
