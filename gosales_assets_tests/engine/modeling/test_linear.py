from __future__ import annotations

import json

import numpy as np
import pytest

from gosales_assets.engine.modeling.linear import Linear, signed_log

NAMES = ["a", "b", "c"]


def drawn(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.lognormal(3, 2, n), rng.poisson(2.0, n), np.full(n, 7.0)]).astype(np.float32)
    y = (rng.random(n) < 1 / (1 + np.exp(2 - np.log1p(x[:, 0]) * 0.5))).astype(np.float64)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, y


def fitted(x: np.ndarray, y: np.ndarray, **changes: object) -> Linear:
    asked = {"inverse_penalty": 0.1, "l1_ratio": 0.0, "balanced": False, "max_iter": 200, "seed": 1}
    return Linear.fit(signed_log(x), y, NAMES, **(asked | changes))  # type: ignore[arg-type]


def test_preparation_by_hand() -> None:
    # Signed log of e-1, null, 1-e: 1, null, -1; the mean of the known ones is 0, so the column is 1, 0, -1:
    # mean 0, standard deviation sqrt(2/3).
    x = np.array([[np.e - 1], [np.nan], [1 - np.e]], dtype=np.float32)
    made = Linear.fit(
        signed_log(x), np.array([1.0, 0, 0]), ["a"], inverse_penalty=1, l1_ratio=0, balanced=False, max_iter=50, seed=0
    )
    assert made.mean[0] == pytest.approx(0.0, abs=1e-7)
    assert made.scale[0] == pytest.approx(np.sqrt(2 / 3), abs=1e-6)
    np.testing.assert_allclose(made.standardised(signed_log(x))[:, 0], np.array([1, 0, -1]) / np.sqrt(2 / 3), atol=1e-6)


def test_margins_are_those_of_scikit_learn() -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    x, y = drawn()
    pipeline = make_pipeline(
        FunctionTransformer(signed_log),
        SimpleImputer(strategy="mean"),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=200, tol=1e-4),
    ).fit(x, y)
    unseen = drawn(seed=3)[0]
    np.testing.assert_allclose(fitted(x, y).margin(unseen), pipeline.decision_function(unseen), atol=1e-6)


def test_a_constant_feature_has_no_weight_and_an_empty_one_no_effect() -> None:
    x, y = drawn()
    x[:, 1] = np.nan
    made = fitted(x, y)
    assert abs(made.coef[1:]).max() < 1e-12
    assert np.isfinite(made.margin(x)).all()


def test_it_survives_its_document_to_the_last_bit() -> None:
    x, y = drawn()
    made = fitted(x, y)
    again = Linear.of(json.loads(json.dumps(made.document(), allow_nan=False)), NAMES)
    np.testing.assert_array_equal(again.margin(x), made.margin(x))
    np.testing.assert_array_equal(again.contributions(x), made.contributions(x))


def test_an_edited_document_is_refused() -> None:
    document = fitted(*drawn()).document()
    with pytest.raises(ValueError, match="differ in number"):
        Linear.of(document, NAMES[:2])
    with pytest.raises(ValueError, match="prepared in a way"):
        Linear.of(document | {"scaler": document["scaler"] | {"transform": "identity"}}, NAMES)


def test_a_row_scores_the_same_alone() -> None:
    x, y = drawn()
    made = fitted(x, y)
    np.testing.assert_array_equal(made.margin(x)[5:6], made.margin(x[5:6]))
    assert made.margin(x[:0]).shape == (0,)


def test_contributions_add_up_and_are_what_the_shap_package_says() -> None:
    import shap

    x, y = drawn()
    made = fitted(x, y)
    values = made.contributions(x)
    np.testing.assert_allclose(values.sum(axis=1), made.margin(x), atol=1e-9)
    background = made.standardised(signed_log(x))
    everybody = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.LinearExplainer((made.coef, made.intercept), everybody)
    np.testing.assert_allclose(values[:, :-1], explainer.shap_values(background), atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_lasso_makes_zeros_and_says_when_it_was_cut_off() -> None:
    x, y = drawn()
    made = fitted(x, y, l1_ratio=1.0, inverse_penalty=0.02, max_iter=2000)
    assert made.converged
    assert (made.coef == 0.0).sum() >= 2
    assert not fitted(x, y, l1_ratio=0.5, max_iter=1).converged


def test_balanced_classes_start_from_even_odds() -> None:
    x, y = drawn()
    rare = y * (np.random.default_rng(5).random(len(y)) < 0.2)
    assert fitted(x, rare).intercept < -1.5
    assert abs(fitted(x, rare, balanced=True).intercept) < 0.5
