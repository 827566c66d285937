"""The recipe: from rows to a calibrated model, the same steps whether the result is delivered or judged.

Belongs here: early stopping on held-out customers, the number of trees, out-of-fold margins, which rows calibrate, the
overfit guard. Does not belong here: how a family is fitted (`trees`, `linear`), which cutoffs are used, who wins,
documents.

Every fit keeps the rows it saw, and margins for judging can only be asked of it for other rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.modeling.calibration import Calibration, apply_map, choose
from gosales_assets.engine.modeling.candidates import Candidate, Scorer
from gosales_assets.engine.modeling.evaluate import auc_within_folds
from gosales_assets.engine.modeling.rows import matrix, positive_customers
from gosales_assets.engine.modeling.selection import keeps_softened
from gosales_assets.engine.parallel import run_all

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings

Index = NDArray[np.int64]
Floats = NDArray[np.float64]


class ProvenanceError(RuntimeError):
    """A model was asked to judge rows it was fitted on."""


@dataclass(frozen=True)
class Data:
    """Pooled rows as numbers; every fit is a set of row positions into it.

    Attributes
    ----------
    frame
        customer_id, cutoff, segment, ownership, label, weight_gp; sorted by cutoff and customer.
    x
        Feature matrix, shape (rows, names), Float32, NaN for unknown.
    names
        Columns of ``x``.
    """

    frame: pl.DataFrame
    x: NDArray[np.float32]
    names: list[str]

    @classmethod
    def of(cls, frame: pl.DataFrame, names: Sequence[str]) -> Data:
        keys = frame.select("customer_id", "cutoff", "segment", "ownership", "label", "weight_gp")
        return cls(keys, matrix(frame, names), list(names))

    @cached_property
    def _scaled(self) -> dict[type, Any]:
        return {}

    def scaled(self, scorer: type[Scorer]) -> Any:
        """``x`` on the scale of a family, made once for all its fits."""
        if scorer not in self._scaled:
            self._scaled[scorer] = scorer.scaled(self.x)
        return self._scaled[scorer]

    @cached_property
    def y(self) -> Floats:
        return self.frame["label"].to_numpy().astype(np.float64)

    @cached_property
    def whitespace(self) -> NDArray[np.bool_]:
        return (self.frame["ownership"] != "owner").to_numpy()

    def at(self, cutoffs: Sequence[Any]) -> Index:
        """Positions of the rows of some cutoffs."""
        return np.flatnonzero(self.frame["cutoff"].is_in(list(cutoffs)).to_numpy())


@dataclass(frozen=True)
class Fit:
    """One fitted model and the rows it saw.

    Attributes
    ----------
    scorer
        The model.
    rows
        Positions fitted on.
    offset
        Log-odds it started from, see `Candidate.offset`.
    rounds
        Rounds it stopped at, or was fitted for; 0 for a model without rounds.
    converged
        Whether it ended because it was done, not because it was cut off.
    """

    scorer: Scorer
    rows: Index
    offset: float
    rounds: int
    converged: bool

    def unseen_margin(self, data: Data, rows: Index, *, rounds: int, n_jobs: int) -> Floats:
        """Log-odds of rows the fit has not seen, from its first ``rounds`` rounds.

        Raises
        ------
        ProvenanceError
            When one of the rows was fitted on.
        """
        if np.intersect1d(rows, self.rows).size:
            raise ProvenanceError("a model was asked to judge rows it was fitted on")
        return self.scorer.margin_scaled(data.scaled(type(self.scorer))[rows], rounds=rounds, n_jobs=n_jobs)


@dataclass(frozen=True)
class Fitted:
    """What the recipe makes of a set of rows.

    Attributes
    ----------
    candidate
        What was fitted; its softer version when the overfit guard took it.
    softened
        Whether it did.
    final
        The model of all rows.
    rows
        Their positions.
    fold
        Their group fold.
    margin_oof, p_oof
        Log-odds from fits on other customers, and probabilities cross-fitted over the folds.
    margin_fitted
        Log-odds of the final model on the rows it was fitted on: to be compared, never reported.
    best_iterations
        Trees at which each fold stopped; zeros for a model without rounds.
    cut_off
        Fits that ended before they were done.
    auc_fitted, auc_oof
        AUC within cutoffs on fitted rows, and within cutoffs and folds on other customers.
    calibration, calibrated_on, calibration_note
        The map, the population it was fitted on (``whitespace`` or ``all``) and why.
    params
        Parameters of every fit, as the library got them.
    """

    candidate: Candidate
    softened: bool
    final: Fit
    rows: Index
    fold: NDArray[np.int16]
    margin_oof: Floats
    p_oof: Floats
    margin_fitted: Floats
    best_iterations: list[int]
    cut_off: int
    auc_fitted: float | None
    auc_oof: float | None
    calibration: Calibration
    calibrated_on: str
    calibration_note: str
    params: dict[str, Any]

    @property
    def n_trees(self) -> int:
        return self.final.rounds

    @property
    def gap(self) -> float | None:
        """AUC on fitted rows minus AUC on other customers: what is remembered, not learned."""
        return None if self.auc_fitted is None or self.auc_oof is None else self.auc_fitted - self.auc_oof

    def predict_unseen(self, data: Data, rows: Index, *, n_jobs: int) -> tuple[Floats, Floats]:
        """Log-odds and calibrated probabilities of rows the model has not seen."""
        margin = self.final.unseen_margin(data, rows, rounds=self.n_trees, n_jobs=n_jobs)
        return margin, apply_map(self.calibration.document, margin)


def recipe_sha256(
    feature_list_version: str,
    *,
    safe: bool,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
) -> str:
    """Identity of the recipe: everything but the data that decides what a training makes."""
    parts = {
        # Reports and samples are made of a training; they do not make it.
        **modeling.model_dump(
            mode="json", exclude={"top_k_percents", "n_jobs", "shap_max_rows", "feature_sample_rows", "safe_divisions"}
        ),
        "safe": safe,
        "segments": list(population.segments),
        "evaluate_on": population.evaluate_on,
        "saturated_below": population.saturated_below,
        "min_positives_value": validation.min_positives_value,
        "feature_list_version": feature_list_version,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def usable_folds(folds: int, positives: int, negatives: int) -> int:
    """Folds that can hold both classes: no more than the rarer class has customers."""
    return min(folds, positives, negatives)


def infeasible(
    frame: pl.DataFrame, fold: NDArray[np.int16], *, n_folds: int, min_positive_customers: int
) -> str | None:
    """Why the rows cannot carry a model, or None when they can.

    Parameters
    ----------
    frame
        Rows with customer_id and label.
    fold
        Group fold of each row.
    n_folds
        Folds wanted.
    min_positive_customers
        Distinct positive customers a model needs.

    Returns
    -------
    str or None
        ``no_closed_history``, ``single_class``, ``min_positive_customers`` or ``insufficient_per_class`` (some fold
        would be judged by a model that has seen one class only).
    """
    if frame.is_empty():
        return "no_closed_history"
    positives = positive_customers(frame)
    negatives = frame.filter(pl.col("label") == 0)["customer_id"].n_unique()
    if not positives or not negatives:
        return "single_class"
    if positives < min_positive_customers:
        return "min_positive_customers"
    y = frame["label"].to_numpy()
    complements = (y[fold != g] for g in range(n_folds))
    if usable_folds(n_folds, positives, negatives) < 2 or any(not c.any() or c.all() for c in complements):
        return "insufficient_per_class"
    return None


def calibration_population(
    frame: pl.DataFrame, *, population: PopulationSettings, validation: ValidationSettings
) -> tuple[str, str]:
    """Which rows choose and calibrate: the population asked for, unless it is too thin to say anything.

    Returns
    -------
    tuple of str
        ``whitespace`` or ``all``, and the reason.
    """
    if population.evaluate_on == "all":
        return "all", "population.evaluate_on is all"
    whitespace = frame.filter(pl.col("ownership") != "owner")
    if whitespace.height < population.saturated_below * frame.height:
        share = whitespace.height / frame.height
        return "all", f"saturated: whitespace is {share:.1%} of the population"
    positives = positive_customers(whitespace)
    if positives < validation.min_positives_value:
        return "all", f"{positives} distinct whitespace positives; {validation.min_positives_value} are needed"
    return "whitespace", "population.evaluate_on is whitespace"


def fit_recipe(
    data: Data,
    rows: Index,
    fold: NDArray[np.int16],
    candidate: Candidate,
    *,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
    workers: int = 1,
) -> Fitted:
    """Run the recipe on a set of rows.

    1. For each group fold: a fit on the other customers that stops when log-loss on the fold's customers has not
       fallen for ``early_stopping_rounds`` trees.
    2. Out-of-fold margins of each fold, cut at the median of the stopping points of the *other* folds, so that the
       labels that are judged did not choose the number of trees.
    3. The map from margin to probability on those margins.
    4. The final fit on all rows, with the median number of trees.
    5. The overfit guard: when AUC on fitted rows exceeds AUC on other customers by more than
       ``modeling.overfit_gap_max``, the steps are repeated with less freedom, and the softer model is taken unless it
       is worse on other customers.

    A fold's margins start from the base rate of the other folds, which is low exactly where the fold's own is high;
    they are moved to the common base rate, so that rows of different folds can be compared.

    Parameters
    ----------
    data
        All rows of the training.
    rows
        Positions to learn from, ascending. They must be feasible, see `infeasible`.
    fold
        Group fold of those positions.
    candidate
        What to fit.
    modeling, population, validation
        Settings.
    workers
        Fits at a time; the result does not depend on it.
    """
    settings = (modeling, population, validation)
    fitted = _once(data, rows, fold, candidate, False, settings, workers)
    softer = candidate.softened()
    if softer is None or fitted.gap is None or fitted.gap <= modeling.overfit_gap_max:
        return fitted
    softened = _once(data, rows, fold, softer, True, settings, workers)
    assert fitted.auc_oof is not None
    assert softened.auc_oof is not None  # the same rows and labels
    return softened if keeps_softened(fitted.auc_oof, softened.auc_oof) else fitted


def _once(
    data: Data,
    rows: Index,
    fold: NDArray[np.int16],
    candidate: Candidate,
    softened: bool,
    settings: tuple[ModelingSettings, PopulationSettings, ValidationSettings],
    workers: int,
) -> Fitted:
    """Steps 1 to 4 of `fit_recipe`."""
    modeling, population, validation = settings
    y, frame = data.y[rows], data.frame[rows]
    groups = [int(g) for g in np.unique(fold)]
    held_out = [partial(_fit_stopped, data, rows[fold != g], rows[fold == g], candidate, modeling) for g in groups]
    stopped = dict(zip(groups, run_all(held_out, workers), strict=True))
    margin, common = np.empty(len(rows), dtype=np.float64), candidate.offset(y, modeling)
    for g in groups:
        rounds = median_low([fit.rounds for other, fit in stopped.items() if other != g])
        unseen = stopped[g].unseen_margin(data, rows[fold == g], rounds=rounds, n_jobs=modeling.n_jobs)
        margin[fold == g] = unseen - stopped[g].offset + common
    best_iterations = [stopped[g].rounds for g in groups]
    final = _fit(data, rows, candidate, modeling, rounds=median_low(best_iterations))
    fitted_margin = final.scorer.margin_scaled(data.scaled(candidate.scorer)[rows], n_jobs=modeling.n_jobs)

    on, note = calibration_population(frame, population=population, validation=validation)
    fit_on = data.whitespace[rows] if on == "whitespace" else np.ones(len(rows), dtype=bool)
    calibration = choose(
        margin,
        y,
        fold,
        fit_on,
        positives=positive_customers(frame.filter(pl.Series(fit_on))),
        requested=modeling.calibration_methods,
        isotonic_threshold=modeling.sparse_isotonic_threshold_pos,
    )
    return Fitted(
        candidate,
        softened,
        final,
        rows,
        fold,
        margin,
        calibration.p,
        fitted_margin,
        best_iterations,
        sum(not fit.converged for fit in (*stopped.values(), final)),
        _auc(frame, fitted_margin, np.zeros_like(fold)),
        _auc(frame, margin, fold),
        calibration,
        on,
        note,
        candidate.used(modeling, y),
    )


def _auc(frame: pl.DataFrame, margin: Floats, fold: NDArray[np.int16]) -> float | None:
    """AUC within cutoff and fold, averaged over the cutoffs."""
    judged = frame.select("cutoff", "label", pl.Series("p", margin), pl.Series("fold", fold))
    found = [auc_within_folds(part) for part in judged.partition_by("cutoff", maintain_order=True)]
    known = [v for v in found if v is not None]
    return sum(known) / len(known) if known else None


def _fit_stopped(data: Data, rows: Index, held_out: Index, candidate: Candidate, modeling: ModelingSettings) -> Fit:
    y, z = data.y[rows], data.scaled(candidate.scorer)
    judged = (z[held_out], data.y[held_out])
    made = candidate.fit_stopped(z[rows], y, judged, data.names, modeling)
    return Fit(made.scorer, rows, candidate.offset(y, modeling), made.rounds, made.converged)


def _fit(data: Data, rows: Index, candidate: Candidate, modeling: ModelingSettings, *, rounds: int) -> Fit:
    y = data.y[rows]
    made = candidate.fit(data.scaled(candidate.scorer)[rows], y, data.names, modeling, rounds=rounds)
    return Fit(made.scorer, rows, candidate.offset(y, modeling), made.rounds, made.converged)
