from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.modeling.calibration import (
    apply_map,
    choose,
    cross_fitted,
    eligible_methods,
    fit_map,
    logit,
    sigmoid,
)
from gosales_assets.engine.modeling.recipe import usable_folds


def drawn(n: int, *, slope: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.0, 1.5, n)
    y = (rng.random(n) < sigmoid(slope * margin)).astype(float)
    return margin, y


def folds_of(n: int, k: int = 5) -> np.ndarray:
    return (np.arange(n) % k).astype(np.int16)


BOTH = ["platt", "isotonic"]


@pytest.mark.parametrize(
    ("positives", "threshold", "requested", "expected"),
    [
        (1000, 1000, BOTH, ("platt", "isotonic")),
        (999, 1000, BOTH, ("platt",)),
        (5, 1000, ["isotonic"], ("platt",)),
        (5000, 1000, ["isotonic"], ("isotonic",)),
        (5000, 1000, ["platt"], ("platt",)),
        (5000, 1000, [], ("none",)),
    ],
)
def test_eligibility(positives: int, threshold: int, requested: list[str], expected: tuple[str, ...]) -> None:
    assert eligible_methods(positives, threshold, requested) == expected


@pytest.mark.parametrize(
    ("folds", "positives", "negatives", "expected"), [(3, 1, 159, 1), (3, 2, 100, 2), (5, 4, 3, 3), (5, 0, 9, 0)]
)
def test_usable_folds(folds: int, positives: int, negatives: int, expected: int) -> None:
    assert usable_folds(folds, positives, negatives) == expected


def choice(margin: np.ndarray, y: np.ndarray, requested: list[str], threshold: int = 10):
    n = len(y)
    return choose(
        margin,
        y,
        folds_of(n),
        np.ones(n, bool),
        positives=int(y.sum()),
        requested=requested,
        isotonic_threshold=threshold,
    )


def test_a_sigmoid_world_chooses_platt_although_isotonic_fits_better_in_sample() -> None:
    margin, y = drawn(600)
    made = choice(margin, y, BOTH)
    in_sample = {m: np.mean((apply_map(fit_map(m, margin, y), margin) - y) ** 2) for m in BOTH}
    assert in_sample["isotonic"] < in_sample["platt"]
    assert made.brier["platt"] < made.brier["isotonic"]
    assert made.method == "platt"
    assert made.reason == "lowest cross-fitted Brier score of platt, isotonic"


def test_a_world_of_steps_chooses_isotonic() -> None:
    rng = np.random.default_rng(1)
    margin = rng.uniform(-4, 4, 6000)
    y = (rng.random(6000) < np.where(margin < 2, 0.05, 0.9)).astype(float)
    made = choice(margin, y, BOTH)
    assert made.method == "isotonic"
    assert made.brier["isotonic"] < made.brier["platt"]


def test_a_tie_goes_to_platt() -> None:
    # A constant margin leaves both maps nothing but the prevalence of the other folds, up to their smoothing; with
    # every fold alike, and nothing to smooth at one half, the two are equal.
    y = np.tile([0.0, 1.0], 50)
    fold = np.repeat(np.arange(5), 20).astype(np.int16)
    made = choose(
        np.zeros(100), y, fold, np.ones(100, bool), positives=50, requested=["isotonic", "platt"], isotonic_threshold=1
    )
    assert made.brier["platt"] == made.brier["isotonic"] == 0.25
    assert made.method == "platt"


def test_too_few_positives_for_isotonic_are_said() -> None:
    margin, y = drawn(300)
    made = choice(margin, y, BOTH, threshold=1000)
    assert made.method == "platt"
    assert "isotonic needs 1000" in made.reason


def test_no_calibration_reads_the_margin() -> None:
    margin, y = drawn(100)
    made = choice(margin, y, [])
    assert (made.document, made.reason) == ({"method": "none"}, "the settings ask for no calibration")
    np.testing.assert_allclose(apply_map(made.document, np.array([0.0, -800.0, 800.0])), [0.5, 0.0, 1.0], atol=1e-12)


def test_platt_solves_its_likelihood_equations() -> None:
    margin, y = drawn(500, slope=0.6)
    p = apply_map(fit_map("platt", margin, y), margin)
    n = y.sum()
    target = np.where(y == 1, (n + 1) / (n + 2), 1 / (len(y) - n + 2))
    # At the maximum the residuals sum to zero, alone and against the margin.
    assert abs((p - target).sum()) < 1e-5
    assert abs(((p - target) * margin).sum()) < 1e-5


def test_platt_recovers_the_map() -> None:
    margin, y = drawn(40_000, slope=0.7)
    document = fit_map("platt", margin, y)
    assert document["slope"] == pytest.approx(0.7, abs=0.05)
    assert document["intercept"] == pytest.approx(0.0, abs=0.05)


def test_a_separable_margin_stays_finite() -> None:
    margin = np.array([-2.0, -1.0, 1.0, 2.0])
    document = fit_map("platt", margin, np.array([0.0, 0.0, 1.0, 1.0]))
    assert np.isfinite([document["slope"], document["intercept"]]).all()
    # Smoothed targets: 3/4 and 1/4 are the most two positives and two negatives can show.
    p = apply_map(document, margin)
    assert p[0] < 0.3
    assert p[-1] > 0.7


def test_a_margin_worse_than_chance_is_flattened_not_turned_round() -> None:
    margin, y = drawn(500, slope=-1.0)
    document = fit_map("platt", margin, y)
    n = y.sum()
    smoothed = (n * (n + 1) / (n + 2) + (500 - n) / (500 - n + 2)) / 500
    assert document == {"method": "platt", "slope": 0.0, "intercept": pytest.approx(logit(smoothed))}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(30, 120), st.sampled_from(["platt", "isotonic", "none"]))
def test_maps_rise_and_stay_between_0_and_1(seed: int, n: int, method: str) -> None:
    margin, y = drawn(n, seed=seed)
    y[0] = 1.0
    p = apply_map(fit_map(method, margin, y), np.sort(np.concatenate([margin, [-50.0, 50.0]])))
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()


def test_isotonic_knots_reproduce_the_regression_and_never_promise_0_or_1() -> None:
    from sklearn.isotonic import IsotonicRegression

    margin, y = drawn(400)
    bound = 1 / 402
    expected = IsotonicRegression(y_min=bound, y_max=1 - bound, out_of_bounds="clip").fit(margin, y)
    at = np.linspace(-9, 9, 301)
    p = apply_map(fit_map("isotonic", margin, y), at)
    np.testing.assert_allclose(p, expected.predict(at), atol=1e-12)
    assert p.min() >= bound
    assert p.max() <= 1 - bound


def test_unknown_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="'beta' is unknown"):
        apply_map({"method": "beta"}, np.zeros(1))


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_cross_fitting_never_reads_the_labels_it_maps(method: str) -> None:
    margin, y = drawn(300)
    fold = folds_of(300)
    everybody = np.ones(300, bool)
    before = cross_fitted(method, margin, y, fold, everybody)
    flipped = np.where(fold == 2, 1 - y, y)
    after = cross_fitted(method, margin, flipped, fold, everybody)
    np.testing.assert_array_equal(before[fold == 2], after[fold == 2])
    assert (before[fold != 2] != after[fold != 2]).any()


def test_cross_fitting_learns_from_the_population_asked_for() -> None:
    margin, y = drawn(300)
    fit_on = np.arange(300) < 200
    before = cross_fitted("platt", margin, y, folds_of(300), fit_on)
    after = cross_fitted("platt", margin, np.where(fit_on, y, 1 - y), folds_of(300), fit_on)
    np.testing.assert_array_equal(before, after)
