"""The linear candidate: elastic-net logistic regression with its own preparation, kept as plain numbers.

Belongs here: preparing a matrix for a linear model, fitting it, its margin and contributions, its form as JSON. Does
not belong here: which rows are fitted, calibration, the choice between candidates.

Preparation: every feature is put on a signed logarithmic scale (amounts and counts span five orders of magnitude; on
their own scale a handful of customers decides the fit), unknown values become the mean of the known ones, so that they
move nothing, and the result is standardised. All of it is learned from the rows that are fitted. scikit-learn fits;
what is stored and applied is numbers, so that nothing is unpickled and a row's margin depends on that row alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]

#: A feature whose standard deviation is below this is constant: it gets no weight.
_CONSTANT = 1e-9

_TOLERANCE = 1e-4


def signed_log(x: NDArray[Any]) -> Floats:
    """``sign(x) * log(1 + |x|)``: zero stays zero, returns mirror purchases, NaN stays NaN.

    Examples
    --------
    >>> signed_log(np.array([0.0, np.e - 1, 1 - np.e])).tolist()
    [0.0, 1.0, -1.0]
    """
    values = np.asarray(x, dtype=np.float64)
    size = np.abs(values)
    # Most counts and amounts are zero: logarithms are taken of the rest.
    np.log1p(size, out=size, where=size > 0)
    return np.asarray(np.copysign(size, values))


@dataclass(frozen=True)
class Linear:
    """A fitted logistic regression.

    Attributes
    ----------
    names
        Features, in the order of the matrix.
    mean
        Mean of the known values on the signed logarithmic scale, which an unknown one becomes.
    scale
        Standard deviation on that scale, unknown values filled.
    coef
        Change of the log-odds per standard deviation.
    intercept
        Log-odds at the centre.
    iterations
        Steps of the solver.
    converged
        Whether the solver reached its tolerance before its last step.
    """

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    coef: Floats
    intercept: float
    iterations: int
    converged: bool

    @classmethod
    def fit(
        cls,
        z: Floats,
        y: Floats,
        names: Sequence[str],
        *,
        inverse_penalty: float,
        l1_ratio: float,
        balanced: bool,
        max_iter: int,
        seed: int,
    ) -> Linear:
        """Fit on a matrix.

        Parameters
        ----------
        z
            Features on their scale (`scaled`), shape (rows, names); NaN for unknown.
        y
            Labels 0/1, both present.
        names
            Features.
        inverse_penalty
            C of scikit-learn: the smaller, the more the coefficients shrink.
        l1_ratio
            0 is ridge; towards 1 more coefficients become exactly zero.
        balanced
            Whether both classes weigh the same in total.
        max_iter
            Most steps of the solver.
        seed
            Order in which the stochastic solver visits rows; ridge does not use it.
        """
        standard, mean, scale = _learn(z)
        regression = unfitted(
            inverse_penalty=inverse_penalty, l1_ratio=l1_ratio, balanced=balanced, max_iter=max_iter, seed=seed
        )
        regression.fit(standard, y)
        iterations = int(regression.n_iter_.max())
        return cls(
            tuple(names),
            mean,
            scale,
            regression.coef_[0].astype(np.float64),
            float(regression.intercept_[0]),
            iterations,
            iterations < max_iter,
        )

    @staticmethod
    def scaled(x: NDArray[np.float32]) -> Floats:
        """Features on the signed logarithmic scale."""
        return signed_log(x)

    def standardised(self, z: Floats) -> Floats:
        """The matrix as the regression sees it."""
        standard = z - self.mean
        standard /= self.scale
        standard[np.isnan(standard)] = 0.0
        return standard

    def margin_scaled(self, z: Floats, *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows that are `scaled` already; a linear model has no rounds to stop at."""
        # Not a BLAS product: the sum of a row must not depend on the rows beside it.
        return np.einsum("ij,j->i", self.standardised(z), self.coef) + self.intercept

    def margin(self, x: NDArray[np.float32], *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows."""
        return self.margin_scaled(self.scaled(x))

    def contributions(self, x: NDArray[np.float32], *, n_jobs: int = 1) -> Floats:
        """Contribution of each feature to the log-odds, base value last: they add up to the margin.

        For a linear model these are the Shapley values against the average training row.
        """
        return np.column_stack([self.standardised(self.scaled(x)) * self.coef, np.full(len(x), self.intercept)])

    def document(self) -> dict[str, Any]:
        """The model as JSON-able numbers."""
        return {
            "coefficients": self.coef.tolist(),
            "intercept": self.intercept,
            "imputer": {"strategy": "mean", "values": self.mean.tolist()},
            "scaler": {"transform": "signed_log", "mean": self.mean.tolist(), "scale": self.scale.tolist()},
            "iterations": self.iterations,
            "converged": self.converged,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any], names: Sequence[str]) -> Linear:
        """Read `document` back.

        Raises
        ------
        ValueError
            When its arrays and the features differ in length, or it was prepared in a way this version does not know.
        """
        scaler, imputer = document["scaler"], document["imputer"]
        known = scaler["transform"] == "signed_log" and imputer["strategy"] == "mean"
        if not known or imputer["values"] != scaler["mean"]:
            raise ValueError("model document: the linear model was prepared in a way this version does not know")
        arrays = [
            np.array(values, dtype=np.float64) for values in (scaler["mean"], scaler["scale"], document["coefficients"])
        ]
        if any(a.shape != (len(names),) for a in arrays):
            raise ValueError(
                "model document: the linear model and the features it lists differ in number; the file was edited, "
                "train again"
            )
        mean, scale, coef = arrays
        return cls(
            tuple(names),
            mean,
            scale,
            coef,
            float(document["intercept"]),
            document["iterations"],
            document["converged"],
        )


def unfitted(
    *, inverse_penalty: float, l1_ratio: float, balanced: bool, max_iter: int, seed: int
) -> LogisticRegression:
    """The regression that a fit runs on standardised features; parameters as in `Linear.fit`."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=inverse_penalty,
        l1_ratio=l1_ratio,
        class_weight="balanced" if balanced else None,
        solver="saga" if l1_ratio else "lbfgs",
        max_iter=max_iter,
        tol=_TOLERANCE,
        random_state=seed,
    )


def _learn(z: Floats) -> tuple[Floats, Floats, Floats]:
    """The standardised matrix, and what that learned: mean of the known values, standard deviation of all."""
    unknown = np.isnan(z)
    standard = np.where(unknown, 0.0, z)
    mean = standard.sum(axis=0) / np.maximum(1, len(z) - unknown.sum(axis=0))
    standard -= mean
    standard[unknown] = 0.0
    scale = np.sqrt(np.einsum("ij,ij->j", standard, standard) / max(1, len(z)))
    scale = np.where(scale < _CONSTANT, 1.0, scale)
    standard /= scale
    return standard, mean, scale
