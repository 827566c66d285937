"""What competes to be the model: LightGBM and logistic regression, each with its hyper-parameters.

Belongs here: the list of candidates the settings ask for, how one is fitted, and its softer version. Does not belong
here: which rows are fitted (`recipe`), who wins (`selection`).

A candidate with early stopping off and one with it on are fitted alike from outside: `Candidate.fit` and
`Candidate.fit_stopped`. The linear model has nothing to stop.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gosales_assets.engine.modeling.calibration import logit
from gosales_assets.engine.modeling.linear import Linear
from gosales_assets.engine.modeling.trees import Trees

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Family = Literal["lgbm", "logreg"]

#: What the overfit guard gives LightGBM at least: fewer leaves or columns than these starve it.
_LEAST_LEAVES, _LEAST_FRACTION = 15, 0.5


class Scorer(Protocol):
    """A fitted model of any family."""

    @staticmethod
    def scaled(x: Matrix) -> Any:
        """Features on the scale the family works on: value by value, so that all fits of a training share it."""
        ...

    def margin_scaled(self, z: Any, *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows that are `scaled` already."""
        ...

    def margin(self, x: Matrix, *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows."""
        ...

    def contributions(self, x: Matrix, *, n_jobs: int = 1) -> Floats:
        """Contribution of each feature to the log-odds, base value last."""
        ...


@dataclass(frozen=True)
class Made:
    """A fit, its rounds (where it stopped, or how many were asked; 0 when there are none), and whether it was done."""

    scorer: Scorer
    rounds: int
    converged: bool


@dataclass(frozen=True)
class Candidate:
    """A family and its hyper-parameters.

    Attributes
    ----------
    family
        ``lgbm`` or ``logreg``.
    params
        Hyper-parameters: of LightGBM by its own names, of the linear model ``C`` and ``l1_ratio``.
    fixed
        Whether they are the ones the settings name, not drawn from a grid.
    """

    family: Family
    params: Mapping[str, float]
    fixed: bool = True

    @property
    def name(self) -> str:
        """The family; a drawn candidate is told apart by its values."""
        if self.fixed:
            return self.family
        return f"{self.family}({', '.join(f'{k}={v:g}' for k, v in sorted(self.params.items()))})"

    @property
    def scorer(self) -> type[Trees] | type[Linear]:
        """What a fit of the family is."""
        return Trees if self.family == "lgbm" else Linear

    @property
    def leaves(self) -> int:
        """Leaves per tree, the measure of complexity among ties; a linear model has none."""
        return int(self.params.get("num_leaves", 0))

    def offset(self, y: Floats, modeling: ModelingSettings) -> float:
        """Log-odds a fit on these labels starts from, class weights included.

        The model of a fold rich in positives starts low, because the other folds are poor in them; taking this out
        makes margins of different folds comparable.
        """
        if self.family == "logreg" and _balanced(modeling):
            return 0.0
        return logit(float(y.mean()))

    def softened(self) -> Candidate | None:
        """The same with less freedom, for when it remembers more than it learns; None when there is no such thing.

        Examples
        --------
        >>> sharp = {"num_leaves": 31, "min_data_in_leaf": 50, "feature_fraction": 0.7, "bagging_fraction": 0.7}
        >>> dict(Candidate("lgbm", sharp).softened().params)
        {'num_leaves': 24, 'min_data_in_leaf': 100, 'feature_fraction': 0.63, 'bagging_fraction': 0.63}
        """
        if self.family != "lgbm":
            return None
        leaves, p = int(self.params["num_leaves"]), self.params
        fractions = {
            name: min(p[name], max(_LEAST_FRACTION, round(0.9 * p[name], 6)))
            for name in ("feature_fraction", "bagging_fraction")
        }
        softer = {
            "num_leaves": min(leaves, max(_LEAST_LEAVES, math.floor(0.8 * leaves))),
            "min_data_in_leaf": 2 * int(p["min_data_in_leaf"]),
            **fractions,
        }
        return Candidate(self.family, {**p, **softer}, self.fixed)

    def used(self, modeling: ModelingSettings, y: Floats) -> dict[str, Any]:
        """Every parameter a fit on labels ``y`` gets."""
        if self.family == "lgbm":
            return lgbm_params(self, modeling, positives=int(y.sum()), negatives=int(len(y) - y.sum()))
        return {
            **self.params,
            "max_iter": modeling.logreg.max_iter,
            "class_weight": "balanced" if _balanced(modeling) else "none",
            "seed": modeling.seed,
        }

    def limits(self, modeling: ModelingSettings) -> dict[str, Any]:
        """What ends a fit, besides its parameters."""
        if self.family != "lgbm":
            return {}
        return {
            "n_estimators": modeling.lgbm.n_estimators,
            "early_stopping_rounds": modeling.early_stopping_rounds,
        }

    def fit(self, z: Any, y: Floats, names: Sequence[str], modeling: ModelingSettings, *, rounds: int) -> Made:
        """Fit on rows, `Scorer.scaled`; ``rounds`` is the number of trees."""
        if self.family == "lgbm":
            return Made(Trees.fit(z, y, names, self.used(modeling, y), rounds=rounds), rounds, True)
        return self._linear(z, y, names, modeling)

    def fit_stopped(
        self, z: Any, y: Floats, held_out: tuple[Any, Floats], names: Sequence[str], modeling: ModelingSettings
    ) -> Made:
        """Fit on rows, `Scorer.scaled`, stopping where held-out rows say so."""
        if self.family == "lgbm":
            trees = Trees.fit_stopped(
                z,
                y,
                held_out,
                self.used(modeling, y),
                rounds=modeling.lgbm.n_estimators,
                patience=modeling.early_stopping_rounds,
            )
            return Made(trees, trees.best_iteration, trees.converged)
        return self._linear(z, y, names, modeling)

    def _linear(self, z: Floats, y: Floats, names: Sequence[str], modeling: ModelingSettings) -> Made:
        linear = Linear.fit(
            z,
            y,
            names,
            inverse_penalty=self.params["C"],
            l1_ratio=self.params["l1_ratio"],
            balanced=_balanced(modeling),
            max_iter=modeling.logreg.max_iter,
            seed=modeling.seed,
        )
        return Made(linear, 0, linear.converged)


def candidates(modeling: ModelingSettings) -> list[Candidate]:
    """What competes: per family its fixed configuration, and as many of its grid as the budget allows.

    The draw from a grid depends on seed and grid alone: combinations are ranked by a hash of themselves, so that a
    larger budget adds candidates and exchanges none.
    """
    found: list[Candidate] = []
    for family in modeling.models:
        own = _own(family, modeling)
        found.append(own)
        grid: Mapping[str, Sequence[float]] = (
            modeling.lgbm_grid.model_dump() if family == "lgbm" else modeling.lr_grid.model_dump()
        )
        drawn = [
            Candidate(family, {**own.params, **dict(zip(grid, values, strict=True))}, fixed=False)
            for values in itertools.product(*grid.values())
        ]
        drawn = [c for c in drawn if c.params != own.params]
        ranked = sorted(drawn, key=lambda c: hashlib.sha256(f"{modeling.seed}|{c.name}".encode()).hexdigest())
        found += ranked[: modeling.search_trials]
    return found


def _own(family: Family, modeling: ModelingSettings) -> Candidate:
    """The configuration of a family that the settings name."""
    if family == "logreg":
        return Candidate(family, {"C": modeling.logreg.C, "l1_ratio": modeling.logreg.l1_ratio})
    return Candidate(family, modeling.lgbm.model_dump(exclude={"n_estimators"}))


def _balanced(modeling: ModelingSettings) -> bool:
    """Class weights distort probabilities: none where nothing calibrates them afterwards."""
    return modeling.class_weight == "balanced" and bool(modeling.calibration_methods)


def lgbm_params(candidate: Candidate, modeling: ModelingSettings, *, positives: int, negatives: int) -> dict[str, Any]:
    """The parameters of a LightGBM fit.

    Positives are weighted by ``min(negatives / positives, cap)``, and not at all when nothing calibrates the distorted
    probabilities afterwards.
    """
    weight = (
        positive_weight(positives, negatives, modeling.scale_pos_weight_cap) if modeling.calibration_methods else 1.0
    )
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        **candidate.params,
        "scale_pos_weight": weight,
        "seed": modeling.seed,
        "num_threads": modeling.n_jobs,
        # Histograms are summed per column in one fixed order, whatever the number of threads.
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def positive_weight(positives: int, negatives: int, cap: float) -> float:
    """What a positive weighs: negatives over positives, at least 1 and at most the cap.

    Examples
    --------
    >>> positive_weight(100, 250, 10.0), positive_weight(5, 995, 10.0)
    (2.5, 10.0)
    """
    return max(1.0, min(negatives / max(1, positives), cap))
