"""The prevalence baseline: what is left when there is too little data for a model.

Belongs here: its number, its documents. Does not belong here: deciding that a model is infeasible (`recipe`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.modeling import explain
from gosales_assets.engine.modeling.calibration import Calibration
from gosales_assets.engine.modeling.document import NO_MODEL
from gosales_assets.engine.modeling.evaluate import Evaluation, Signal, evaluation_of
from gosales_assets.engine.modeling.guardrails import guardrails
from gosales_assets.engine.modeling.recipe import calibration_population
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
from gosales_assets.engine.modeling.rows import positive_customers


def smoothed_prevalence(positives: int, n: int) -> float:
    """Rule of succession, (positives + 1) / (n + 2): never 0 or 1, and one half when nothing is known."""
    return (positives + 1) / (n + 2)


def train_baseline(job: Job, folds: NDArray[np.int16], why: str) -> Training:
    """The prevalence of the past, and a status that says so.

    Parameters
    ----------
    job
        The training.
    folds
        Group fold of each pooled row.
    why
        Why no model can be trained, see `recipe.infeasible`.
    """
    frame = job.pool.frame
    on, note = calibration_population(frame, population=job.population, validation=job.validation)
    used = population_rows(frame, on)
    base_rate = smoothed_prevalence(int(used["label"].sum()), used.height)
    train_scores = _baseline_scores(frame, folds, on, base_rate)
    evaluation = Evaluation("out_of_fold", evaluation_of(train_scores).frame)
    nothing = evaluation.frame.clear()
    model = model_document(
        job,
        fitted=NO_MODEL,
        features=[],
        calibrator={"method": "none"},
        base_rate=base_rate,
        base_rate_population=on,
        n_trees=0,
    )
    document = metrics_document(
        job,
        evaluation,
        # A prevalence ranks nobody: whatever it was judged on, there is no metric to report.
        metric_blocks(job, evaluation.frame, min_positives=frame.height + 1),
        population=(on, note),
        in_sample=metric_blocks(job, nothing)["final"],
        selection={"winner": "baseline", "why": f"no model can be trained: {why}", "candidates": []},
        time_folds=[],
        params={},
        best_iterations=[],
        n_trees=0,
        reason=why,
    )
    calibration = Calibration({"method": "none"}, f"no model: {why}", used.height, positive_customers(used), {})
    return assemble(
        job,
        model=model,
        document=document,
        frame=nothing,
        calibration=calibration_block(calibration, on, note),
        guardrails=guardrails(job, why),
        signal=Signal("unknown", None, None),
        shap_summary=pl.DataFrame(schema=explain.SUMMARY_SCHEMA),
        train_scores=train_scores,
    )


def _baseline_scores(frame: pl.DataFrame, folds: NDArray[np.int16], on: str, base_rate: float) -> pl.DataFrame:
    """Each group fold gets the prevalence of the other folds."""
    y = frame["label"].to_numpy()
    used = (frame["ownership"] != "owner").to_numpy() | (on == "all")
    p = np.empty(frame.height, dtype=np.float64)
    for g in np.unique(folds):
        others = used & (folds != g)
        p[folds == g] = smoothed_prevalence(int(y[others].sum()), int(others.sum()))
    scored = frame.with_columns(
        pl.lit("group").alias("fold_kind"),
        pl.Series("fold", folds, dtype=pl.Int16),
        pl.Series("margin", np.log(p / (1.0 - p)), dtype=pl.Float64),
        pl.Series("p_oof", p, dtype=pl.Float64),
        pl.lit(base_rate).alias("p_in_sample"),
    )
    return scores_frame([scored])
