"""Training at one division and cutoff: from the closed history to a model and the eight files that speak of it.

Belongs here: the order of the steps. Does not belong here: how a fit works (`recipe`), how rows are judged
(`evaluate`), what the documents say (`report`, `card`), what happens without a model (`baseline`).

The model at cutoff c is what could have been trained on the morning after c: it learns from cutoffs whose label windows
have closed by then. It is reported on later cutoffs than it learned from when the history is long enough, else on
customers it did not learn from; never on fitted rows, except under ``in_sample``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.modeling import card, explain
from gosales_assets.engine.modeling.baseline import train_baseline
from gosales_assets.engine.modeling.calibration import Floats, apply_map
from gosales_assets.engine.modeling.evaluate import evaluation_of
from gosales_assets.engine.modeling.folds import assign_folds, time_folds
from gosales_assets.engine.modeling.recipe import Data, Fitted, Index, fit_recipe, infeasible
from gosales_assets.engine.modeling.report import (
    INNER_FOLDS,
    SELECTION_METRIC,
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
from gosales_assets.engine.modeling.rows import KEYS, OWNERSHIP_FEATURES, History, Pool, feature_names, pool, sample
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
) -> Training:
    """Train, calibrate and judge the model of one division at one cutoff.

    Parameters
    ----------
    history
        Features and labels by past cutoff; cutoffs whose labels are censored or still open are left out and named.
    target, cutoff
        Whose model, as of which day (included).
    feature_list
        Document with ``version`` and ``features`` (name, dtype, family): the columns read, in order.
    overlap
        Audit of the folds, see `folds.fold_customer_overlap`.
    calendar
        Cutoffs, embargo and the rolling-origin rule.
    modeling, population, validation
        Settings.

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
        When the audit found a leaking fold, or the settings ask for what this version cannot train.
    """
    _refuse_unbuilt(modeling, target)
    _refuse_leaking(overlap)
    names = feature_names(feature_list)
    plain = [n for n in names if n not in OWNERSHIP_FEATURES]
    pooled = pool(
        history, segments=population.segments, cutoff=cutoff, embargo_days=calendar.embargo_days, features=plain
    )
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
        drawn,
        _window_months(history, pooled, calendar),
    )
    why = infeasible(data.frame, folds, n_folds=modeling.folds, min_positive_customers=modeling.min_positive_customers)
    return train_baseline(job, folds, why) if why else _trained(job, data, folds)


def _trained(job: Job, data: Data, folds: NDArray[np.int16]) -> Training:
    everything = np.arange(data.frame.height, dtype=np.int64)
    fitted = _fit(job, data, everything, folds)
    time_folds_done, time_rows = _time_folds(job, data)
    group_rows = _scored(data, everything, folds, "group", fitted.margin_oof, fitted.p_oof)
    train_scores = scores_frame([group_rows, *time_rows])
    evaluation = evaluation_of(train_scores)
    blocks = metric_blocks(job, evaluation.frame)
    fitted_rows = _in_sample(job, data, fitted)
    in_sample = metric_blocks(job, fitted_rows)["final"]
    other_customers = metric_blocks(job, evaluation_of(scores_frame([group_rows])).frame)
    on, note = fitted.calibrated_on, fitted.calibration_note
    judged = population_rows(evaluation.frame, on)
    reported = blocks["final"][on]
    base = population_rows(data.frame, on)
    model = model_document(
        job,
        booster=fitted.final.booster.model_to_string(),
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
        in_sample=in_sample,
        winner="lgbm",
        candidates=[{"model": "lgbm", "value": reported.get(SELECTION_METRIC), "brier": reported["brier"]}],
        time_folds=time_folds_done,
        params=fitted.params,
        best_iterations=fitted.best_iterations,
        n_trees=fitted.n_trees,
    )
    guardrails = [
        *card.data_guardrails(job.pool.frame, None, job.pool.dropped, modeling=job.modeling),
        *card.model_guardrails(
            spread=min(card.relative_spread(judged), card.relative_spread(population_rows(fitted_rows, on))),
            block=reported,
            auc_in_sample=in_sample["all"]["auc"],
            auc_out_of_fold=other_customers["final"]["all"]["auc"],
            best_iterations=fitted.best_iterations,
            calibrated_on=on,
            calibration_note=note,
            evaluate_on=job.population.evaluate_on,
            modeling=job.modeling,
            validation=job.validation,
        ),
    ]
    return assemble(
        job,
        model=model,
        document=document,
        frame=evaluation.frame,
        calibration=calibration_block(fitted.calibration, on, note),
        guardrails=guardrails,
        shap_summary=_shap_summary(job, data, fitted),
        train_scores=train_scores,
    )


def _fit(job: Job, data: Data, rows: Index, folds: NDArray[np.int16]) -> Fitted:
    return fit_recipe(data, rows, folds, modeling=job.modeling, population=job.population, validation=job.validation)


def _time_folds(job: Job, data: Data) -> tuple[list[dict[str, Any]], list[pl.DataFrame]]:
    """The recipe on earlier cutoffs, judged on a later one: what each fold did, and the scores it gave."""
    n_folds = min(INNER_FOLDS, job.modeling.folds)
    inner = assign_folds(data.frame.select("customer_id"), n_folds=n_folds, seed=job.modeling.seed)["fold"].to_numpy()
    done, scored = [], []
    plan = time_folds(job.calendar, job.pool.window_ends, job.calendar.embargo_days)
    for number, (cutoffs, v) in enumerate(plan):
        rows, later = data.at(cutoffs), data.at([v])
        why = infeasible(
            data.frame[rows], inner[rows], n_folds=n_folds, min_positive_customers=job.modeling.min_positive_customers
        ) or (None if len(later) else "no_rows")
        fitted = None if why else _fit(job, data, rows, inner[rows])
        if fitted is not None:
            margin, p = fitted.predict_unseen(data, later, n_jobs=job.modeling.n_jobs)
            scored.append(_scored(data, later, np.full(len(later), number, dtype=np.int16), "time", margin, p))
        done.append(
            {
                "fold": number,
                "cutoff": v.isoformat(),
                "train_cutoffs": [c.isoformat() for c in cutoffs],
                "n_train": len(rows),
                "n_valid": len(later),
                "status": "skipped" if fitted is None else "ok",
                "reason": why,
                "n_trees": None if fitted is None else fitted.n_trees,
                "calibration": None if fitted is None else fitted.calibration.method,
            }
        )
    return done, scored


def _scored(data: Data, rows: Index, fold: NDArray[np.int16], kind: str, margin: Floats, p: Floats) -> pl.DataFrame:
    return data.frame[rows].with_columns(
        pl.lit(kind).alias("fold_kind"),
        pl.Series("fold", fold, dtype=pl.Int16),
        pl.Series("margin", margin, dtype=pl.Float64),
        pl.Series("p_oof", p, dtype=pl.Float64),
    )


def _in_sample(job: Job, data: Data, fitted: Fitted) -> pl.DataFrame:
    """The final model on the rows it was fitted on: only to be compared with honest numbers."""
    margin = np.asarray(
        fitted.final.booster.predict(data.x, raw_score=True, num_threads=job.modeling.n_jobs), dtype=np.float64
    )
    return data.frame.rename({"weight_gp": "weight"}).with_columns(
        pl.lit(0, dtype=pl.Int16).alias("fold"),
        pl.Series("margin", margin),
        pl.Series("p", apply_map(fitted.calibration.document, margin)),
    )


def _shap_summary(job: Job, data: Data, fitted: Fitted) -> pl.DataFrame:
    newest = data.frame.with_row_index("row").filter(pl.col("cutoff") == pl.col("cutoff").max())
    drawn = sample(newest, job.modeling.shap_max_rows, seed=job.modeling.seed)["row"].to_numpy()
    values = explain.contributions(fitted.final.booster, data.x[drawn], n_jobs=job.modeling.n_jobs)
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


def _refuse_unbuilt(modeling: ModelingSettings, target: Target) -> None:
    """Settings that are declared and not implemented are refused: ignored, they would be believed."""
    if others := [m for m in modeling.models if m != "lgbm"]:
        raise ValueError(f"modeling.models names {others[0]!r}, which this version cannot train; use ['lgbm']")
    if target.slug in modeling.safe_divisions:
        raise ValueError(
            f"modeling.safe_divisions names {target.slug!r}; training without short windows is not available in this "
            "version"
        )
    if modeling.stability != type(modeling.stability)():
        raise ValueError("modeling.stability differs from its defaults; its guards are not available in this version")
