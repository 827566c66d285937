"""Training at one division and cutoff: from the closed history to a model and the eight files that speak of it.

Belongs here: the order of the steps. Does not belong here: who competes and wins (`contest`), how a fit works
(`recipe`), how rows are judged (`evaluate`), what the documents say (`report`, `card`), what happens without a model
(`baseline`).

The model at cutoff c is what could have been trained on the morning after c: it learns from cutoffs whose label windows
have closed by then. It is reported on later cutoffs than it learned from when the history is long enough, else on
customers it did not learn from; never on fitted rows, except under ``in_sample``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.modeling import explain
from gosales_assets.engine.modeling.baseline import train_baseline
from gosales_assets.engine.modeling.calibration import apply_map
from gosales_assets.engine.modeling.columns import choose_columns
from gosales_assets.engine.modeling.contest import compete, fit_rows, scored_rows
from gosales_assets.engine.modeling.document import stored
from gosales_assets.engine.modeling.evaluate import evaluation_of, signal
from gosales_assets.engine.modeling.folds import assign_folds
from gosales_assets.engine.modeling.guardrails import Judged, guardrails, relative_spread
from gosales_assets.engine.modeling.recipe import Data, Fitted, infeasible
from gosales_assets.engine.modeling.report import (
    Job,
    Training,
    assemble,
    calibration_block,
    metric_blocks,
    metrics_document,
    model_document,
    population_rows,
    scores_frame,
)
from gosales_assets.engine.modeling.rows import (
    KEYS,
    OWNERSHIP_FEATURES,
    History,
    Pool,
    pool,
    safe_features,
    sample,
    unlisted,
)
from gosales_assets.engine.modeling.workers import MOST_WORKERS, one_blas_thread
from gosales_assets.engine.parallel import cores
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Calendar, add_days

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings

OWNERSHIP_FAMILY = "ownership"


def history_of(features: Mapping[str, pl.DataFrame], labels: Mapping[str, pl.DataFrame]) -> dict[date, History]:
    """Pair features and labels of the past by cutoff.

    Parameters
    ----------
    features, labels
        Partition key -> frame, of one division. A key is a cutoff as ISO date, or ``cutoff|division``.

    Raises
    ------
    ValueError
        When one of the two lacks a partition the other has.
    """
    if lone := sorted(set(features) ^ set(labels)):
        raise ValueError(
            f"history: {', '.join(lone)} has features or labels but not both; materialize the missing partition"
        )
    keyed = {date.fromisoformat(key.partition("|")[0]): key for key in features}
    return {
        cutoff: History(features[key].lazy().collect(), labels[key].lazy().collect())
        for cutoff, key in sorted(keyed.items())
    }


def label_window_finding(model: Mapping[str, Any]) -> Finding:
    """Whether every label a model learned from was closed, plus embargo, by its cutoff: the gate on the model."""
    training = model["training"]
    end, embargo = training["label_window_end"], training["embargo_days"]
    late = end is not None and add_days(date.fromisoformat(end), embargo) > date.fromisoformat(model["cutoff"])
    reason = (
        f"labels learned from end on {end}, plus {embargo} days of embargo, after the cutoff {model['cutoff']}; "
        "rebuild the model from closed cutoffs only"
    )
    return Finding(
        "model",
        "gate_label_window",
        passed=not late,
        reason=reason if late else "",
        metadata={"label_window_end": end, "embargo_days": embargo, "training_cutoffs": training["cutoffs"]},
    )


def train(
    history: Mapping[date, History],
    *,
    target: Target,
    cutoff: date,
    feature_list: Mapping[str, Any],
    overlap: pl.DataFrame,
    calendar: Calendar,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
    workers: int | None = None,
) -> Training:
    """Train, calibrate and judge the model of one division at one cutoff.

    Parameters
    ----------
    history
        Features and labels by past cutoff; cutoffs whose labels are censored or still open are left out and named.
    target, cutoff
        Whose model, as of which day (included).
    feature_list
        Document with ``version`` and ``features`` (name, dtype, family, safe): what may be read, in order.
    overlap
        Audit of the folds, see `folds.fold_customer_overlap`.
    calendar
        Cutoffs, embargo and the rolling-origin rule.
    modeling, population, validation
        Settings.
    workers
        Fits at a time; all usable cores by default. The files do not depend on it.

    Returns
    -------
    Training
        All files. With too little data the model is the prevalence of the past, ``status: insufficient_data``, metrics
        are null and tables empty; that is an answer, not an error.

    Raises
    ------
    FeatureError
        When a listed feature is missing or holds text.
    ValueError
        When the audit found a leaking fold.
    """
    _refuse_leaking(overlap)
    prepared = prepare(
        history,
        target=target,
        cutoff=cutoff,
        feature_list=feature_list,
        calendar=calendar,
        modeling=modeling,
        population=population,
        validation=validation,
    )
    if prepared.why:
        return train_baseline(prepared.job, prepared.folds, prepared.why)
    with one_blas_thread():
        return _trained(prepared.job, prepared.data, prepared.folds, workers or cores(MOST_WORKERS))


@dataclass(frozen=True)
class Prepared:
    """Rows ready to be trained on: the job, the matrix, the group fold of each row, and why they carry no model."""

    job: Job
    data: Data
    folds: NDArray[np.int16]
    why: str | None


def prepare(
    history: Mapping[date, History],
    *,
    target: Target,
    cutoff: date,
    feature_list: Mapping[str, Any],
    calendar: Calendar,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
) -> Prepared:
    """Pool the history, choose the features, make the matrix and assign folds; parameters as in `train`."""
    is_safe = target.slug in modeling.safe_divisions
    families = {f["name"]: f["family"] for f in feature_list["features"]}
    plain = list(families)
    pooled = pool(
        history, segments=population.segments, cutoff=cutoff, embargo_days=calendar.embargo_days, features=plain
    )
    columns = choose_columns(
        pooled.frame,
        families,
        safe=safe_features(feature_list) if is_safe else None,
        stability=modeling.stability,
        min_positives=validation.min_positives_value,
        unlisted=sorted({c for past in history.values() for c in unlisted(past.features, feature_list)}),
    )
    names = [*columns.names, *OWNERSHIP_FEATURES]
    # From here on the features are needed as numbers only; a second copy of them would be the peak of memory.
    data = Data.of(pooled.frame, names)
    drawn = sample(pooled.frame, modeling.feature_sample_rows, seed=modeling.seed).select(*KEYS, *plain)
    pooled = replace(pooled, frame=data.frame)
    folds = assign_folds(data.frame, n_folds=modeling.folds, seed=modeling.seed)["fold"].to_numpy()
    job = Job(
        target,
        cutoff,
        feature_list,
        calendar,
        modeling,
        population,
        validation,
        pooled,
        columns,
        is_safe,
        drawn,
        _window_months(history, pooled, calendar),
    )
    why = infeasible(data.frame, folds, n_folds=modeling.folds, min_positive_customers=modeling.min_positive_customers)
    return Prepared(job, data, folds, why)


def _trained(job: Job, data: Data, folds: NDArray[np.int16], workers: int) -> Training:
    everything = np.arange(data.frame.height, dtype=np.int64)
    chosen = compete(job, data, folds, workers)
    fitted = chosen.fitted or fit_rows(job, data, everything, folds, chosen.candidate, workers)
    # The final model on the rows it was fitted on: only to be compared with honest numbers.
    p_fitted = apply_map(fitted.calibration.document, fitted.margin_fitted)
    fitted_p = pl.Series("p_in_sample", p_fitted, dtype=pl.Float64)
    group_rows = scored_rows(data, everything, folds, "group", fitted.margin_oof, fitted.p_oof)
    known = data.frame.select(*KEYS).with_columns(fitted_p)
    parts = [part.join(known, on=KEYS, validate="1:1") for part in (group_rows, *chosen.time_rows)]
    train_scores = scores_frame(parts)
    evaluation = evaluation_of(train_scores)
    blocks = metric_blocks(job, evaluation.frame)
    fitted_rows = data.frame.rename({"weight_gp": "weight"}).with_columns(
        pl.lit(0, dtype=pl.Int16).alias("fold"), pl.Series("margin", fitted.margin_fitted), fitted_p.alias("p")
    )
    on, note = fitted.calibrated_on, fitted.calibration_note
    judged = population_rows(evaluation.frame, on)
    base = population_rows(data.frame, on)
    sure = signal(judged, min_positives=job.validation.min_positives_value)
    model = model_document(
        job,
        fitted=stored(fitted.final.scorer),
        features=data.names,
        calibrator=fitted.calibration.document,
        base_rate=int(base["label"].sum()) / base.height,
        base_rate_population=on,
        n_trees=fitted.n_trees,
    )
    document = metrics_document(
        job,
        evaluation,
        blocks,
        population=(on, note),
        in_sample=metric_blocks(job, fitted_rows)["final"],
        selection=chosen.document,
        time_folds=chosen.time_folds,
        params={
            "model": fitted.candidate.family,
            **fitted.params,
            **fitted.candidate.limits(job.modeling),
            "softened": fitted.softened,
        },
        best_iterations=fitted.best_iterations,
        n_trees=fitted.n_trees,
    )
    spread = min(relative_spread(judged), relative_spread(population_rows(fitted_rows, on)))
    return assemble(
        job,
        model=model,
        document=document,
        frame=evaluation.frame,
        calibration=calibration_block(fitted.calibration, on, note),
        guardrails=guardrails(job, None, Judged(fitted, spread, blocks["final"][on], sure)),
        signal=sure,
        shap_summary=_shap_summary(job, data, fitted),
        train_scores=train_scores,
    )


def _shap_summary(job: Job, data: Data, fitted: Fitted) -> pl.DataFrame:
    newest = data.frame.with_row_index("row").filter(pl.col("cutoff") == pl.col("cutoff").max())
    drawn = sample(newest, job.modeling.shap_max_rows, seed=job.modeling.seed)["row"].to_numpy()
    values = fitted.final.scorer.contributions(data.x[drawn], n_jobs=job.modeling.n_jobs)
    families = {f["name"]: f["family"] for f in job.feature_list["features"]}
    return explain.summarise(values, data.names, families | dict.fromkeys(OWNERSHIP_FEATURES, OWNERSHIP_FAMILY))


def _window_months(history: Mapping[date, History], pooled: Pool, calendar: Calendar) -> int:
    """Label window in months, as the labels used say; the calendar's when none were used."""
    found = [int(history[c].labels["effective_window_months"].max()) for c in pooled.window_ends]  # type: ignore[arg-type]
    return max(found, default=calendar.label_window_months)


def _refuse_leaking(overlap: pl.DataFrame) -> None:
    failed = overlap.filter(pl.col("status") == "FAIL")
    if failed.height:
        row = failed.row(0, named=True)
        raise ValueError(
            f"fold_customer_overlap: {row['fold_kind']} fold {row['fold']} failed: {row['reason']}; a training "
            "on it would report leaked numbers"
        )
