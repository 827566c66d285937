"""The recipe: from rows to a calibrated model, the same steps whether the result is delivered or judged.

Belongs here: LightGBM fits, early stopping on held-out customers, the number of trees, out-of-fold margins, which rows
calibrate. Does not belong here: which cutoffs are used, metrics, documents.

Every fit keeps the rows it saw, and margins for judging can only be asked of it for other rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.modeling.calibration import Calibration, apply_map, choose, cross_fitted, logit
from gosales_assets.engine.modeling.rows import matrix, positive_customers

if TYPE_CHECKING:
    import lightgbm

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
    """One LightGBM fit and the rows it saw."""

    booster: lightgbm.Booster
    rows: Index
    intercept: float
    best_iteration: int

    def unseen_margin(self, data: Data, rows: Index, *, trees: int, n_jobs: int) -> Floats:
        """Log-odds of rows the fit has not seen, from its first ``trees`` trees.

        Raises
        ------
        ProvenanceError
            When one of the rows was fitted on.
        """
        if np.intersect1d(rows, self.rows).size:
            raise ProvenanceError("a model was asked to judge rows it was fitted on")
        margin = self.booster.predict(data.x[rows], raw_score=True, num_iteration=trees, num_threads=n_jobs)
        return np.asarray(margin, dtype=np.float64)


@dataclass(frozen=True)
class Fitted:
    """What the recipe makes of a set of rows.

    Attributes
    ----------
    final
        The model of all rows.
    rows
        Their positions.
    fold
        Their group fold.
    margin_oof, p_oof
        Log-odds from fits on other customers, and probabilities cross-fitted over the folds.
    best_iterations
        Trees at which each fold stopped.
    calibration, calibrated_on, calibration_note
        The map, the population it was fitted on (``whitespace`` or ``all``) and why.
    params
        Parameters of every fit, as LightGBM got them.
    """

    final: Fit
    rows: Index
    fold: NDArray[np.int16]
    margin_oof: Floats
    p_oof: Floats
    best_iterations: list[int]
    calibration: Calibration
    calibrated_on: str
    calibration_note: str
    params: dict[str, Any]

    @property
    def n_trees(self) -> int:
        return median_low(self.best_iterations)

    def predict_unseen(self, data: Data, rows: Index, *, n_jobs: int) -> tuple[Floats, Floats]:
        """Log-odds and calibrated probabilities of rows the model has not seen."""
        margin = self.final.unseen_margin(data, rows, trees=self.n_trees, n_jobs=n_jobs)
        return margin, apply_map(self.calibration.document, margin)


def lgbm_params(modeling: ModelingSettings, *, positives: int, negatives: int) -> dict[str, Any]:
    """The parameters of every fit of a training.

    Positives are weighted by ``min(negatives / positives, cap)``, and not at all when nothing calibrates the distorted
    probabilities afterwards.
    """
    lgbm = modeling.lgbm
    weight = min(negatives / max(1, positives), modeling.scale_pos_weight_cap) if modeling.calibration_methods else 1.0
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": lgbm.learning_rate,
        "num_leaves": lgbm.num_leaves,
        "min_data_in_leaf": lgbm.min_data_in_leaf,
        "feature_fraction": lgbm.feature_fraction,
        "bagging_fraction": lgbm.bagging_fraction,
        "bagging_freq": lgbm.bagging_freq,
        "lambda_l2": lgbm.lambda_l2,
        "max_bin": lgbm.max_bin,
        "scale_pos_weight": max(1.0, weight),
        "seed": modeling.seed,
        "num_threads": modeling.n_jobs,
        # Histograms are summed per column in one fixed order, whatever the number of threads.
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def recipe_sha256(
    feature_list_version: str,
    *,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
) -> str:
    """Identity of the recipe: everything but the data that decides what a training makes."""
    parts = {
        "lgbm": modeling.lgbm.model_dump(mode="json"),
        "early_stopping_rounds": modeling.early_stopping_rounds,
        "folds": modeling.folds,
        "seed": modeling.seed,
        "calibration_methods": list(modeling.calibration_methods),
        "sparse_isotonic_threshold_pos": modeling.sparse_isotonic_threshold_pos,
        "scale_pos_weight_cap": modeling.scale_pos_weight_cap,
        "min_positive_customers": modeling.min_positive_customers,
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
    *,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
) -> Fitted:
    """Run the recipe on a set of rows.

    1. For each group fold: a fit on the other customers that stops when log-loss on the fold's customers has not
       fallen for ``early_stopping_rounds`` trees.
    2. Out-of-fold margins of each fold, cut at the median of the stopping points of the *other* folds, so that the
       labels that are judged did not choose the number of trees.
    3. The map from margin to probability on those margins.
    4. The final fit on all rows, with the median number of trees.

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
    modeling, population, validation
        Settings.
    """
    y = data.y[rows]
    frame = data.frame[rows]
    params = lgbm_params(modeling, positives=int(y.sum()), negatives=int(len(y) - y.sum()))
    groups = [int(g) for g in np.unique(fold)]
    stopped = {g: _fit_stopped(data, rows[fold != g], rows[fold == g], params, modeling) for g in groups}
    margin = np.empty(len(rows), dtype=np.float64)
    base = logit(float(y.mean()))
    for g in groups:
        trees = median_low([fit.best_iteration for other, fit in stopped.items() if other != g])
        inside = fold == g
        unseen = stopped[g].unseen_margin(data, rows[inside], trees=trees, n_jobs=modeling.n_jobs)
        margin[inside] = unseen - stopped[g].intercept + base
    best_iterations = [stopped[g].best_iteration for g in groups]
    final = _fit(data, rows, params, n_trees=median_low(best_iterations))

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
    p = cross_fitted(calibration.method, margin, y, fold, fit_on)
    return Fitted(final, rows, fold, margin, p, best_iterations, calibration, on, note, params)


def _fit_stopped(data: Data, rows: Index, held_out: Index, params: dict[str, Any], modeling: ModelingSettings) -> Fit:
    import lightgbm as lgb

    train = lgb.Dataset(data.x[rows], data.y[rows], params=params)
    valid = train.create_valid(data.x[held_out], data.y[held_out], params=params)
    booster = lgb.train(
        params,
        train,
        num_boost_round=modeling.lgbm.n_estimators,
        valid_sets=[valid],
        callbacks=[lgb.early_stopping(modeling.early_stopping_rounds, verbose=False)],
        # Trees beyond this fold's own stopping point are needed when the other folds stopped later.
        keep_training_booster=True,
    )
    # The trees are all that is asked of it from here on; five binned copies of the rows are not.
    booster.free_dataset()
    return Fit(booster, rows, logit(float(data.y[rows].mean())), max(1, booster.best_iteration))


def _fit(data: Data, rows: Index, params: dict[str, Any], n_trees: int) -> Fit:
    import lightgbm as lgb

    train = lgb.Dataset(data.x[rows], data.y[rows], feature_name=data.names, params=params)
    booster = lgb.train(params, train, num_boost_round=n_trees)
    return Fit(booster, rows, logit(float(data.y[rows].mean())), n_trees)
