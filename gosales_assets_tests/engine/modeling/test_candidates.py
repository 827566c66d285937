from __future__ import annotations

import pytest

from gosales_assets.engine.modeling.candidates import Candidate, candidates, positive_weight
from gosales_assets.settings import ModelingSettings


def lgbm(leaves: int, rows: int, features: float, bag: float) -> Candidate:
    names = ("num_leaves", "min_data_in_leaf", "feature_fraction", "bagging_fraction", "learning_rate")
    return Candidate("lgbm", dict(zip(names, (leaves, rows, features, bag, 0.05), strict=True)))


@pytest.mark.parametrize(
    ("sharp", "soft"),
    [
        # floor(.8 * 31) = 24, 2 * 50, .9 * .7
        ((31, 50, 0.7, 0.7), (24, 100, 0.63, 0.63)),
        ((63, 100, 0.9, 0.9), (50, 200, 0.81, 0.81)),
        ((15, 20, 0.5, 0.5), (15, 40, 0.5, 0.5)),
        # What is below the least already is not raised to it.
        ((7, 200, 0.3, 0.8), (7, 400, 0.3, 0.72)),
    ],
)
def test_softening(sharp: tuple, soft: tuple) -> None:
    assert lgbm(*sharp).softened() == lgbm(*soft)


def test_a_linear_model_has_no_softer_version() -> None:
    assert Candidate("logreg", {"C": 1.0, "l1_ratio": 0.0}).softened() is None


@pytest.mark.parametrize(
    ("positives", "negatives", "weight"), [(100, 250, 2.5), (5, 995, 10.0), (0, 9, 9.0), (300, 100, 1.0)]
)
def test_positive_weight(positives: int, negatives: int, weight: float) -> None:
    assert positive_weight(positives, negatives, 10.0) == weight


def test_the_settings_name_who_competes() -> None:
    alone = candidates(ModelingSettings(models=("logreg",)))
    assert [(c.name, dict(c.params)) for c in alone] == [("logreg", {"C": 0.001, "l1_ratio": 0.0})]
    both = candidates(ModelingSettings())
    assert [c.name for c in both] == ["lgbm", "logreg"]
    assert both[0].params["num_leaves"] == ModelingSettings().lgbm.num_leaves
    assert "n_estimators" not in both[0].params


def test_a_larger_budget_adds_candidates_and_exchanges_none() -> None:
    few, more = (candidates(ModelingSettings(search_trials=n)) for n in (2, 5))
    assert len(few) == 2 * 3
    assert len(more) == 2 * 6
    assert {c.name for c in few} < {c.name for c in more}
    assert len({c.name for c in more}) == len(more)
    assert few == candidates(ModelingSettings(search_trials=2))
    assert {c.name for c in few} != {c.name for c in candidates(ModelingSettings(search_trials=2, seed=1))}


def test_the_whole_grid_holds_every_combination_once() -> None:
    grid = {"l1_ratio": (0.0, 0.5), "C": (0.001, 1.0)}
    found = candidates(ModelingSettings.model_validate({"models": ["logreg"], "lr_grid": grid, "search_trials": 99}))
    # Four combinations; C = .001 with ridge is the fixed configuration already.
    assert sorted((c.params["l1_ratio"], c.params["C"]) for c in found) == [
        (0.0, 0.001), (0.0, 1.0), (0.5, 0.001), (0.5, 1.0)
    ]  # fmt: skip


def test_weights_are_given_only_where_calibration_follows() -> None:
    import numpy as np

    y = np.array([1.0] + [0.0] * 9)
    asked = {"class_weight": "balanced", "scale_pos_weight_cap": 4.0}
    for methods, weight, balanced in ((["platt"], 4.0, "balanced"), ([], 1.0, "none")):
        settings = ModelingSettings.model_validate(asked | {"calibration_methods": methods})
        trees, linear = candidates(settings)
        assert trees.used(settings, y)["scale_pos_weight"] == weight
        assert linear.used(settings, y)["class_weight"] == balanced
