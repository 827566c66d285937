"""The contest: every candidate learns from the past of a later cutoff, and is judged on that cutoff.

Belongs here: time folds, what each candidate makes of them, the choice and its document. Does not belong here: the
rule of the choice (`selection`), how a candidate is fitted (`recipe`), the final fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.calibration import Floats
from gosales_assets.engine.modeling.candidates import Candidate, candidates
from gosales_assets.engine.modeling.evaluate import lift_with_error
from gosales_assets.engine.modeling.folds import assign_folds, time_folds
from gosales_assets.engine.modeling.recipe import Data, Fitted, Index, calibration_population, fit_recipe, infeasible
from gosales_assets.engine.modeling.report import INNER_FOLDS, SELECTION_PERCENT, Job, population_rows
from gosales_assets.engine.modeling.selection import Standing, winner
from gosales_assets.engine.parallel import run_all


@dataclass(frozen=True)
class Chosen:
    """The outcome of a selection.

    Attributes
    ----------
    candidate
        The winner.
    document
        How it was chosen, for metrics.json.
    time_folds, time_rows
        What each time fold did with the winner, and the scores it gave.
    fitted
        The winner fitted on all rows, when that is what it was judged on.
    """

    candidate: Candidate
    document: dict[str, Any]
    time_folds: list[dict[str, Any]]
    time_rows: list[pl.DataFrame]
    fitted: Fitted | None = None


def compete(job: Job, data: Data, folds: NDArray[np.int16], workers: int) -> Chosen:
    """The winner on time folds; on group folds of all rows when the history is too short for those."""
    competing = candidates(job.modeling)
    n_folds = min(INNER_FOLDS, job.modeling.folds)
    inner = assign_folds(data.frame.select("customer_id"), n_folds=n_folds, seed=job.modeling.seed)["fold"].to_numpy()
    plan = [_planned(job, data, inner, n_folds, *fold) for fold in _numbered(job)]
    open_ = [fold for fold in plan if fold.why is None]
    if not open_:
        everything = np.arange(data.frame.height, dtype=np.int64)
        whole = [fit_rows(job, data, everything, folds, c, workers) for c in competing]
        scored = [[scored_rows(data, everything, folds, "group", f.margin_oof, f.p_oof)] for f in whole]
        place, document = _choice(job, data, competing, scored)
        return Chosen(competing[place], document, [f.described(None) for f in plan], [], whole[place])
    tasks = [partial(fit_rows, job, data, f.rows, inner[f.rows], c, 1) for c in competing for f in open_]
    done = run_all(tasks, workers)
    by_candidate = [done[i : i + len(open_)] for i in range(0, len(done), len(open_))]
    scored = [
        [
            scored_rows(
                data,
                f.later,
                np.full(len(f.later), f.number, dtype=np.int16),
                "time",
                *fitted.predict_unseen(data, f.later, n_jobs=job.modeling.n_jobs),
            )
            for f, fitted in zip(open_, mine, strict=True)
        ]
        for mine in by_candidate
    ]
    place, document = _choice(job, data, competing, scored)
    with_winner = dict(zip((f.number for f in open_), by_candidate[place], strict=True))
    return Chosen(competing[place], document, [f.described(with_winner.get(f.number)) for f in plan], scored[place])


@dataclass(frozen=True)
class Fold:
    """One rolling-origin fold: rows to learn from, later rows to judge on, and why it cannot be used."""

    number: int
    cutoffs: list[date]
    cutoff: date
    rows: Index
    later: Index
    why: str | None

    def described(self, fitted: Fitted | None) -> dict[str, Any]:
        """What the fold did, for metrics.json."""
        return {
            "fold": self.number,
            "cutoff": self.cutoff.isoformat(),
            "train_cutoffs": [c.isoformat() for c in self.cutoffs],
            "n_train": len(self.rows),
            "n_valid": len(self.later),
            "status": "skipped" if fitted is None else "ok",
            "reason": self.why,
            "n_trees": None if fitted is None else fitted.n_trees,
            "calibration": None if fitted is None else fitted.calibration.method,
        }


def _numbered(job: Job) -> list[tuple[int, list[date], date]]:
    """Number, training cutoffs and validation cutoff of each time fold."""
    plan = time_folds(job.calendar, job.pool.window_ends, job.calendar.embargo_days)
    return [(number, cutoffs, v) for number, (cutoffs, v) in enumerate(plan)]


def _planned(
    job: Job, data: Data, inner: NDArray[np.int16], n_folds: int, number: int, cutoffs: list[date], v: date
) -> Fold:
    rows, later = data.at(cutoffs), data.at([v])
    why = infeasible(
        data.frame[rows], inner[rows], n_folds=n_folds, min_positive_customers=job.modeling.min_positive_customers
    ) or (None if len(later) else "no_rows")
    return Fold(number, cutoffs, v, rows, later, why)


def _choice(
    job: Job, data: Data, competing: Sequence[Candidate], scored: Sequence[Sequence[pl.DataFrame]]
) -> tuple[int, dict[str, Any]]:
    """Position of the winner, and the document of the choice."""
    on, _ = calibration_population(data.frame, population=job.population, validation=job.validation)
    standings, described = [], []
    for candidate, parts in zip(competing, scored, strict=True):
        rows = population_rows(pl.concat(parts).rename({"p_oof": "p", "weight_gp": "weight"}), on)
        lift = lift_with_error(rows, SELECTION_PERCENT, min_positives=job.validation.min_positives_value)
        brier = metrics.brier(rows["label"], rows["p"]) if rows.height else None
        standings.append(Standing(candidate.name, lift.per_cutoff, lift.error or 0.0, brier, candidate.leaves))
        described.append(
            {
                "model": candidate.name,
                "params": dict(candidate.params),
                "value": metrics.finite(lift.mean),
                "error": metrics.finite(lift.error),
                "per_cutoff": [metrics.finite(v) for v in lift.per_cutoff],
                "variation": metrics.finite(standings[-1].variation),
                "brier": metrics.finite(brier),
                "leaves": candidate.leaves,
            }
        )
    stability = job.modeling.stability
    place, why = winner(standings, penalty=stability.penalty_lambda, variation_max=stability.cv_guard_max)
    return place, {"winner": competing[place].name, "why": why, "candidates": described}


def fit_rows(job: Job, data: Data, rows: Index, folds: NDArray[np.int16], candidate: Candidate, workers: int) -> Fitted:
    """The recipe on a set of rows, with the settings of the training."""
    return fit_recipe(
        data,
        rows,
        folds,
        candidate,
        modeling=job.modeling,
        population=job.population,
        validation=job.validation,
        workers=workers,
    )


def scored_rows(data: Data, rows: Index, fold: NDArray[np.int16], kind: str, margin: Floats, p: Floats) -> pl.DataFrame:
    """Rows of a training with the scores of models that did not see them."""
    return data.frame[rows].with_columns(
        pl.lit(kind).alias("fold_kind"),
        pl.Series("fold", fold, dtype=pl.Int16),
        pl.Series("margin", margin, dtype=pl.Float64),
        pl.Series("p_oof", p, dtype=pl.Float64),
    )
