from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.modeling import explain
from gosales_assets.engine.modeling.document import load_scorer, model_version
from gosales_assets.engine.modeling.explain import REASON_COLUMNS, reasons, summarise
from gosales_assets.engine.modeling.linear import Linear
from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.rows import FeatureError, matrix, unlisted
from gosales_assets.engine.scoring.schema import DivisionScores
from gosales_assets.engine.scoring.score import score
from gosales_assets.settings import PopulationSettings
from gosales_assets.taxonomy import Target
from gosales_assets_tests.engine.modeling import world


@pytest.fixture(scope="module")
def trained() -> Training:
    return world.train_on(world.history())


@pytest.fixture(scope="module")
def now() -> pl.DataFrame:
    return world.history(cutoffs=[world.CUTOFF], seed=9)[world.CUTOFF].features


def list_of(model: dict) -> dict:
    """The list the model was trained on."""
    n = int(model["feature_list_version"].removeprefix("list-of-"))
    return world.feature_list(n)


def scored(model: dict, features: pl.DataFrame, **changes: object) -> pl.DataFrame:
    asked = {
        "target": world.TARGET,
        "cutoff": world.CUTOFF,
        "feature_list": list_of(model),
        "window_months": 6,
        "population": world.POPULATION,
    }
    return score(model, features, **(asked | changes))


def test_scores_have_their_form_and_speak_of_the_window_after_the_cutoff(trained: Training, now: pl.DataFrame) -> None:
    scores = scored(trained.model, now)
    DivisionScores.validate(scores, lazy=True)
    assert scores.height == 392  # prospects are not modelled
    assert scores["customer_id"].is_sorted()
    row = scores.row(0, named=True)
    assert [str(row[k]) for k in ("cutoff", "window_start", "window_end")] == ["2024-03-31", "2024-04-01", "2024-09-30"]
    assert set(scores["model_version"]) == {model_version(trained.model)} == {trained.model_card["model_version"]}
    assert set(scores["calibration_method"]) == {"platt"}
    assert set(scores["base_rate"]) == {trained.model["base_rate"]}
    assert scores["context__gp_recent"].to_list() == (
        now.filter(pl.col("segment") != "prospect").sort("customer_id")["context__gp_recent"].to_list()
    )


def test_p_is_the_calibrated_margin_of_the_stored_model(trained: Training, now: pl.DataFrame) -> None:
    scores = scored(trained.model, now)
    rows = now.filter(pl.col("segment") != "prospect").sort("customer_id")
    margin = load_scorer(trained.model).margin(matrix(rows, trained.model["features"]))
    a, b = trained.model["calibrator"]["slope"], trained.model["calibrator"]["intercept"]
    np.testing.assert_allclose(scores["margin"], margin, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores["p_hat"], 1 / (1 + np.exp(-(a * margin + b))), rtol=0, atol=1e-9)


def test_the_model_survives_its_file_and_the_rows_their_order(trained: Training, now: pl.DataFrame) -> None:
    scores = scored(trained.model, now)
    assert scored(json.loads(json.dumps(trained.model)), now).equals(scores)
    assert scored(trained.model, now.sample(fraction=1.0, shuffle=True, seed=1)).equals(scores)
    assert scored(trained.model, now, n_jobs=2).equals(scores)


def test_a_customer_scores_the_same_alone(trained: Training, now: pl.DataFrame) -> None:
    scores = scored(trained.model, now)
    alone = scored(trained.model, now.filter(pl.col("customer_id") == "c0005"))
    assert alone.equals(scores.filter(pl.col("customer_id") == "c0005"))


def test_nobody_to_score(trained: Training, now: pl.DataFrame) -> None:
    empty = scored(trained.model, now.clear())
    DivisionScores.validate(empty, lazy=True)
    assert empty.is_empty()


def test_reasons_name_the_only_feature_that_matters() -> None:
    past = world.history(500, signal=3.0, owners=0.0, n_features=3)
    model = world.train_on(past, n_features=3).model
    features = past[min(past)].features
    strong = scored(model, features.filter(pl.col("f0").abs() > 1))
    assert strong.height > 100
    assert set(strong["reason_1"]) == {"f0"}
    values = features.join(strong.select("customer_id"), on="customer_id").sort("customer_id")["f0"]
    assert strong["reason_1_value"].to_list() == values.to_list()


def test_reasons_are_the_largest_signed_contributions(trained: Training, now: pl.DataFrame) -> None:
    """Against a sort of the whole matrix of contributions, for every customer."""
    names = trained.model["features"]
    rows = now.filter(pl.col("segment") != "prospect").sort("customer_id")
    values = load_scorer(trained.model).contributions(matrix(rows, names))
    scores = scored(trained.model, now)
    # Together with the base value they are the margin, to the precision of doubles.
    np.testing.assert_allclose(values.sum(axis=1), scores["margin"], rtol=0, atol=1e-9)
    expected = []
    for signed in values[:, :-1]:
        order = sorted((j for j in range(len(names)) if signed[j]), key=lambda j: (-abs(signed[j]), names[j]))[:3]
        expected.append([(names[j], signed[j]) for j in order] + [(None, None)] * (3 - len(order)))
    told = scores.select(f"reason_{n}{part}" for n in (1, 2, 3) for part in ("", "_contribution")).rows()
    assert [list(zip(row[::2], row[1::2], strict=True)) for row in told] == expected


def test_an_unknown_value_is_a_reason_and_stays_unknown(trained: Training, now: pl.DataFrame) -> None:
    unknown = now.with_columns(f0=pl.lit(None, pl.Float64))
    scores = scored(trained.model, unknown)
    told = scores.filter(pl.col("reason_1") == "f0")
    assert told.height > 50
    assert told["reason_1_value"].null_count() == told.height
    assert told["reason_1_contribution"].null_count() == 0
    infinite = scored(trained.model, now.with_columns(f0=pl.lit(float("inf"))))
    assert infinite.equals(scores)


class _Linear:
    """log-odds = 0.25 + 2 a - b + 0.5 c, of rows whose unknown values count as 0."""

    weights = np.array([2.0, -1.0, 0.5])

    def margin(self, x: np.ndarray, *, rounds: int | None = None, n_jobs: int = 1) -> np.ndarray:
        return np.nan_to_num(x) @ self.weights + 0.25

    def contributions(self, x: np.ndarray, *, n_jobs: int = 1) -> np.ndarray:
        return np.column_stack([np.nan_to_num(x) * self.weights, np.full(len(x), 0.25)])


def test_reasons_of_a_linear_model_by_hand() -> None:
    rows = pl.DataFrame({"c": [4.0, None, 0.0], "b": [1.0, -0.1, None], "a": [-3.0, 0.05, 0.0]})
    # Row 1: c 2, b -1, a -6. Row 2: b 0.1 and a 0.1 tie, the name decides. Row 3: nothing moves it.
    single = [float(np.float32(0.05)) * 2, float(np.float32(0.1))]
    assert reasons(_Linear(), rows, ["a", "b", "c"]).rows() == [
        ("a", -3.0, -6.0, "c", 4.0, 2.0, "b", 1.0, -1.0),
        ("a", 0.05, single[0], "b", -0.1, single[1], None, None, None),
        (None,) * 9,
    ]


def test_a_fitted_linear_model_explains_itself_by_hand() -> None:
    """Prepared by hand: signed logarithm, less the mean, over the deviation, times the coefficient."""
    linear = Linear(("a", "b"), np.array([1.0, 0.0]), np.array([0.5, 1.0]), np.array([0.3, -0.2]), -1.5, 1, True)
    rows = pl.DataFrame({"a": [float(np.e**2 - 1), None], "b": [float(1 - np.e), 0.0]})
    found = reasons(linear, rows, ["a", "b"])
    # (2 - 1) / 0.5 * 0.3 = 0.6 and (-1 - 0) / 1 * -0.2 = 0.2; an unknown value is the mean and moves nothing.
    assert found["reason_1"].to_list() == ["a", None]
    assert found["reason_1_contribution"][0] == pytest.approx(0.6, abs=1e-6)
    assert found["reason_2"].to_list() == ["b", None]
    assert found["reason_2_contribution"][0] == pytest.approx(0.2, abs=1e-6)
    assert found["reason_3"].null_count() == 2  # a model of two features
    margin = linear.margin(matrix(rows, ["a", "b"]))
    np.testing.assert_allclose(margin, [-1.5 + 0.6 + 0.2, -1.5], atol=1e-6)


def test_blocks_of_customers_change_nothing(
    trained: Training, now: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(trained.model, now)
    monkeypatch.setattr(explain, "_BLOCK", 50)
    assert scored(trained.model, now).equals(whole)


def test_summary_ranks_by_size_and_keeps_the_sign() -> None:
    values = np.array([[1.0, -2.0, 0.5], [1.0, 0.0, 0.5]])
    table = summarise(values, ["b", "a"], {"a": "x", "b": "y"})
    # Mean sizes are both 1: the name decides.
    assert table.rows() == [(1, "a", "x", 1.0, -1.0), (2, "b", "y", 1.0, 1.0)]


def test_a_baseline_gives_everybody_its_base_rate(now: pl.DataFrame) -> None:
    model = world.train_on(world.history(300, base=-50.0)).model
    scores = scored(model, now)
    DivisionScores.validate(scores, lazy=True)
    assert set(scores["p_hat"]) == {model["base_rate"]}
    assert 0 < model["base_rate"] < 0.01
    assert set(scores["model_status"]) == {"insufficient_data"}
    assert scores.select(REASON_COLUMNS).null_count().row(0) == (scores.height,) * 9
    assert scores["margin"][0] == pytest.approx(np.log(model["base_rate"] / (1 - model["base_rate"])))


def test_missing_features_are_named_and_extra_ones_ignored(trained: Training, now: pl.DataFrame) -> None:
    with pytest.raises(FeatureError, match="f2, f4"):
        scored(trained.model, now.drop("f2", "f4"))
    extra = now.with_columns(pl.lit("text").alias("zz")).select(sorted([*now.columns, "zz"]))
    assert scored(trained.model, extra).equals(scored(trained.model, now))
    assert unlisted(extra, list_of(trained.model)) == ["zz"]
    assert unlisted(now, list_of(trained.model)) == []


def test_a_feature_of_another_type_is_named(trained: Training, now: pl.DataFrame) -> None:
    """Numbers of another type fail like text: the list says what a feature is."""
    for dtype in (pl.Float32, pl.String):
        with pytest.raises(FeatureError, match=rf"f3 \({dtype} instead of Float64\).*rebuild the features"):
            scored(trained.model, now.with_columns(pl.col("f3").cast(dtype)))


def test_a_model_of_another_list_is_refused(trained: Training, now: pl.DataFrame) -> None:
    longer = world.feature_list(7)
    with pytest.raises(FeatureError, match=r"trained on the feature list list-of-6, the list in force is list-of-7"):
        scored(trained.model, now.with_columns(f6=pl.lit(0.0)), feature_list=longer)
    shorter = world.feature_list(5) | {"version": trained.model["feature_list_version"]}
    with pytest.raises(FeatureError, match="model reads f5, which the feature list does not hold"):
        scored(trained.model, now, feature_list=shorter)


def test_the_order_of_the_columns_is_the_models(trained: Training, now: pl.DataFrame) -> None:
    turned = now.select(sorted(now.columns, reverse=True))
    assert scored(trained.model, turned).equals(scored(trained.model, now))


def test_foreign_models_are_refused(trained: Training, now: pl.DataFrame) -> None:
    other = Target("pdm", "PDM", "sku_set", frozenset({"PDM"}))
    with pytest.raises(ValueError, match="model of training at 2024-03-31 cannot score pdm"):
        scored(trained.model, now, target=other)
    with pytest.raises(ValueError, match="at 2024-06-30"):
        scored(trained.model, now, cutoff=world.CALENDAR.next_tick(world.CUTOFF))
    with pytest.raises(ValueError, match="trained on segments warm, cold"):
        scored(trained.model, now, population=PopulationSettings(segments=("warm",)))
