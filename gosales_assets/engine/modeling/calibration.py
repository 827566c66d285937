"""From margins to probabilities: one map, fitted on margins of customers its model has not seen.

Belongs here: the maps, which of them may be used, and the choice between them. Does not belong here: where the margins
come from, metrics of the result.

A map is a plain mapping of numbers, so that it is stored as JSON and applied without a library:
``{"method": "platt", "slope": a, "intercept": b}`` for ``p = 1 / (1 + exp(-(a * margin + b)))``,
``{"method": "isotonic", "x": [...], "y": [...]}`` for linear interpolation between knots, constant outside them, and
``{"method": "none"}`` for the margin read as log-odds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["platt", "isotonic", "none"]
Floats = NDArray[np.float64]

#: Simpler first: it wins ties.
_PREFERENCE: tuple[Method, ...] = ("platt", "isotonic")


@dataclass(frozen=True)
class Calibration:
    """The map chosen and why.

    Attributes
    ----------
    document
        The map, see the module.
    reason
        One sentence.
    n
        Rows it was fitted on.
    positives
        Distinct positive customers among them.
    brier
        Cross-fitted Brier score of every map that was eligible, and of the margin read as it is (``none``).
    p
        Probability of every row from maps of this kind that other folds made, see `cross_fitted`.
    """

    document: dict[str, Any]
    reason: str
    n: int
    positives: int
    brier: dict[str, float]
    p: Floats = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    @property
    def method(self) -> Method:
        method: Method = self.document["method"]
        return method


def sigmoid(margin: Floats) -> Floats:
    """Probability of log-odds, without overflow."""
    # exp of a negative number never overflows; each half of the line uses the form that has one.
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def logit(p: float) -> float:
    """Log-odds of a probability strictly between 0 and 1."""
    return float(np.log(p) - np.log1p(-p))


def eligible_methods(positives: int, threshold: int, requested: Sequence[str]) -> tuple[Method, ...]:
    """The maps that may compete, given the distinct positive customers.

    Isotonic regression has as many degrees of freedom as it finds steps and needs ``threshold`` positives. Where it is
    all that was asked for and may not be used, Platt's two parameters stand in. Nothing asked for: no calibration.

    Examples
    --------
    >>> eligible_methods(999, 1000, ["isotonic"]), eligible_methods(1000, 1000, ["isotonic"])
    (('platt',), ('isotonic',))
    """
    allowed = tuple(m for m in _PREFERENCE if m in requested and (m != "isotonic" or positives >= threshold))
    return allowed or (("platt",) if requested else ("none",))


def fit_map(method: Method, margin: Floats, y: Floats) -> dict[str, Any]:
    """Fit one map.

    Parameters
    ----------
    method
        ``platt``, ``isotonic`` or ``none``.
    margin
        Log-odds of a model that has not seen these rows, shape (n,), n >= 1.
    y
        Labels 0/1, shape (n,).

    Returns
    -------
    dict
        The map. It never falls: where margins and labels run against each other the Platt slope is 0 and every row
        gets the smoothed prevalence, because a model worse than chance must not be turned round.
    """
    if method == "platt":
        return _fit_platt(margin, y)
    if method == "isotonic":
        return _fit_isotonic(margin, y)
    return {"method": "none"}


def apply_map(document: Mapping[str, Any], margin: Floats) -> Floats:
    """Probabilities of margins, shape (n,)."""
    if document["method"] == "platt":
        return sigmoid(document["slope"] * margin + document["intercept"])
    if document["method"] == "isotonic":
        return np.interp(margin, document["x"], document["y"])
    if document["method"] == "none":
        return sigmoid(margin)
    raise ValueError(f"calibrator method {document['method']!r} is unknown; known: platt, isotonic, none")


def cross_fitted(
    method: Method, margin: Floats, y: Floats, fold: NDArray[np.int16], fit_on: NDArray[np.bool_]
) -> Floats:
    """Probabilities of every row from a map that was fitted on the ``fit_on`` rows of the *other* folds only.

    A fold whose complement holds no row to fit on gets the margin read as it is.
    """
    p = np.empty(len(margin), dtype=np.float64)
    for held_out in np.unique(fold):
        inside = fold == held_out
        learn = fit_on & ~inside
        document = fit_map(method, margin[learn], y[learn]) if learn.any() else {"method": "none"}
        p[inside] = apply_map(document, margin[inside])
    return p


def choose(
    margin: Floats,
    y: Floats,
    fold: NDArray[np.int16],
    fit_on: NDArray[np.bool_],
    *,
    positives: int,
    requested: Sequence[str],
    isotonic_threshold: int,
) -> Calibration:
    """Choose a map by cross-fitted Brier score and fit it on all ``fit_on`` rows.

    In-sample the most flexible map always wins; cross-fitted, every row is judged by a map of other customers. A tie
    goes to the simpler map.

    Parameters
    ----------
    margin, y, fold
        Out-of-fold log-odds, labels and group fold, shape (n,).
    fit_on
        Rows of the population that is calibrated.
    positives
        Distinct positive customers among the ``fit_on`` rows.
    requested
        Maps the settings allow.
    isotonic_threshold
        Distinct positive customers isotonic needs.
    """
    methods = eligible_methods(positives, isotonic_threshold, requested)
    judged = {m: cross_fitted(m, margin, y, fold, fit_on) for m in (*methods, "none")}
    brier: dict[str, float] = {m: float(np.mean((p[fit_on] - y[fit_on]) ** 2)) for m, p in judged.items()}
    # min() keeps the first of equals, and the methods come simplest first.
    best: Method = min(methods, key=lambda m: round(brier[m], 12))
    if best == "none":
        reason = "the settings ask for no calibration"
    elif len(methods) > 1:
        reason = f"lowest cross-fitted Brier score of {', '.join(methods)}"
    elif "isotonic" in requested and best == "platt":
        reason = f"{positives} distinct positive customers; isotonic needs {isotonic_threshold}"
    else:
        reason = "the only method the settings allow"
    return Calibration(
        fit_map(best, margin[fit_on], y[fit_on]), reason, int(fit_on.sum()), positives, brier, judged[best]
    )


def _fit_platt(margin: Floats, y: Floats) -> dict[str, Any]:
    """Maximum-likelihood sigmoid on Platt's smoothed targets, (n+ + 1)/(n+ + 2) and 1/(n- + 2).

    The targets keep the fit finite on separable margins and shift the mean prediction by less than one positive.
    """
    n_pos = float(y.sum())
    target = np.where(y == 1, (n_pos + 1) / (n_pos + 2), 1 / (len(y) - n_pos + 2))
    flat = {"method": "platt", "slope": 0.0, "intercept": logit(float(target.mean()))}
    spread = float(margin.std())
    if spread == 0.0:
        return flat
    from sklearn.linear_model import LogisticRegression

    # A soft target t is one row of each class, weighted t and 1 - t. Margins are standardised for the solver, which is
    # no Newton method: with few positives its first step overshoots to where the likelihood is flat.
    centre = float(margin.mean())
    z = ((margin - centre) / spread)[:, None]
    regression = LogisticRegression(C=np.inf, solver="lbfgs", tol=1e-8, max_iter=1000)
    regression.fit(
        np.vstack([z, z]), np.repeat([1.0, 0.0], len(y)), sample_weight=np.concatenate([target, 1.0 - target])
    )
    slope = float(regression.coef_[0, 0]) / spread
    if slope <= 0.0:
        return flat
    return {"method": "platt", "slope": slope, "intercept": float(regression.intercept_[0]) - slope * centre}


def _fit_isotonic(margin: Floats, y: Floats) -> dict[str, Any]:
    """Least-squares rising steps, stored as knots; kept off 0 and 1 by what n rows can tell, 1/(n+2)."""
    from sklearn.isotonic import IsotonicRegression

    bound = 1.0 / (len(y) + 2)
    regression = IsotonicRegression(y_min=bound, y_max=1.0 - bound, out_of_bounds="clip").fit(margin, y)
    return {
        "method": "isotonic",
        "x": [float(v) for v in regression.X_thresholds_],
        "y": [float(v) for v in regression.y_thresholds_],
    }
