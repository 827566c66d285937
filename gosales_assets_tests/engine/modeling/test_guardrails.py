from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.findings import blocking
from gosales_assets.engine.modeling.guardrails import GUARDRAILS, findings, severities
from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.rows import History
from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings
from gosales_assets_tests.engine.modeling import world


def lines(training: Training) -> dict[str, dict]:
    return {line["name"]: line for line in training.model_card["guardrails"]}


def modeling(**changes: object) -> ModelingSettings:
    return ModelingSettings.model_validate(world.MODELING.model_dump() | changes)


def features(past: dict[date, History], *exprs: pl.Expr) -> dict[date, History]:
    return {c: h._replace(features=h.features.with_columns(*exprs)) for c, h in past.items()}


def with_label(past: dict[date, History], name: str) -> dict[date, History]:
    """A copy of the label among the features, under another name."""
    return {
        c: h._replace(
            features=h.features.join(h.labels.select("customer_id", pl.col("label").alias(name)), "customer_id")
        )
        for c, h in past.items()
    }


def listed(*names: str) -> dict:
    more = [{"name": n, "dtype": "Float64", "family": "x", "safe": True} for n in names]
    base = world.feature_list(6)
    return {"version": "more", "features": base["features"] + more}


def test_an_honest_training_touches_none(trained: Training) -> None:
    found = lines(trained)
    assert list(found) == list(GUARDRAILS)
    touched = {name for name, line in found.items() if line["status"] != "PASS"}
    # Four hundred customers cannot be calibrated to 3 % of anything.
    assert touched <= {"cal_mae"}
    assert (trained.model_card["signal"], trained.model_card["signal_z"]) == ("clear", found["signal"]["value"])
    assert found["signal"]["value"] > 4


def test_every_guardrail_is_a_check_of_every_card(trained: Training) -> None:
    severity = severities({})
    baseline = world.train_on({})
    for training in (trained, baseline):
        found = findings(training.model_card, severity)
        assert [f.check for f in found] == list(severity)
        assert not blocking(found)
    assert {f.severity for f in findings(baseline.model_card, severity) if not f.passed} == {"WARN"}
    assert {name for name, s in severity.items() if s == "ERROR"} == {"guardrail_leak_names", "guardrail_leak_auc"}


def test_a_feature_that_knows_the_answer_is_left_out_and_holds_the_model(past: dict, trained: Training) -> None:
    planted = with_label(past, "f6")
    leaking = world.train_on(planted, features=listed("f6"))
    world.assert_valid(leaking)
    assert "f6" not in leaking.model["features"]
    assert leaking.model_card["dropped_features"] == [{"feature": "f6", "reason": "leak_auc"}]
    assert lines(leaking)["leak_auc"]["value"] == 1.0
    # Without it the model is what it was.
    assert leaking.model["booster"] == trained.model["booster"]
    (stopped,) = blocking(findings(leaking.model_card, severities({})))
    assert (stopped.check, "f6" in stopped.reason) == ("guardrail_leak_auc", True)
    # The operator may accept the model that does without.
    assert not blocking(findings(leaking.model_card, severities({"guardrail_leak_auc": "WARN"})))


def test_a_feature_named_like_an_outcome_is_left_out_and_holds_the_model(past: dict) -> None:
    named = world.train_on(features(past, pl.lit(1.0).alias("future_flag")), features=listed("future_flag"))
    assert "future_flag" not in named.model["features"]
    (stopped,) = blocking(findings(named.model_card, severities({})))
    assert stopped.check == "guardrail_leak_names"
    assert "future_flag" in stopped.reason


def test_matrices_of_another_list_are_flagged(past: dict) -> None:
    line = lines(world.train_on(features(past, pl.lit(1.0).alias("f9"))))["feature_list_version"]
    assert (line["status"], line["value"]) == ("FAIL", 1.0)
    assert "f9" in line["reason"]
    assert "list-of-6" in line["reason"]


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("overfit_gap", {"modeling": modeling(overfit_gap_max=0.01)}, ""),
        ("cal_mae", {"validation": ValidationSettings(cal_mae_threshold=0.0001)}, ""),
        (
            "converged",
            {"modeling": modeling(lgbm=world.MODELING.lgbm.model_dump() | {"n_estimators": 3})},
            "n_estimators",
        ),
        ("population_used", {"validation": ValidationSettings(min_positives_value=200)}, "200 are needed"),
    ],
)
def test_limits_are_settings(past: dict, name: str, settings: dict, reason: str) -> None:
    training = world.train_on(past, **settings)
    line = lines(training)[name]
    assert line["status"] == "FAIL"
    assert reason in line["reason"]
    (finding,) = (f for f in findings(training.model_card, severities({})) if f.check == f"guardrail_{name}")
    assert (finding.passed, finding.severity, finding.metadata["status"]) == (False, "WARN", "FAIL")
    strict = severities({f"guardrail_{name}": "ERROR"})
    assert [f.check for f in blocking(findings(training.model_card, strict))] == [f"guardrail_{name}"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_that_cannot_converge_says_so(past: dict) -> None:
    asked = modeling(models=["logreg"], logreg={"C": 1.0, "max_iter": 1})
    line = lines(world.train_on(past, modeling=asked))["converged"]
    assert line["status"] == "FAIL"
    assert line["value"] == 6.0  # five folds and the final fit
    assert "max_iter" in line["reason"]


def test_noise_is_called_none_and_never_held_for_it() -> None:
    past = world.history(500, signal=0.0, n_features=10, owners=0.0, seed=4)
    training = world.train_on(past, n_features=10)
    assert training.model_card["signal"] == "none"
    assert training.model_card["signal_z"] < 2.33
    assert lines(training)["signal"]["status"] == "FAIL"
    assert not blocking(findings(training.model_card, severities({})))


def test_too_few_positives_are_no_verdict(past: dict) -> None:
    training = world.train_on(
        past, validation=ValidationSettings(min_positives_value=5000), population=PopulationSettings(evaluate_on="all")
    )
    for name in ("cal_mae", "signal"):
        assert lines(training)[name]["status"] == "INSUFFICIENT_DATA"
    assert training.model_card["signal"] == "unknown"
    assert not blocking(findings(training.model_card, dict.fromkeys(severities({}), "ERROR")))
