import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.validation.alerts import alerts
from gosales_assets.engine.validation.drift import psi_per_feature
from gosales_assets.engine.validation.schema import Alerts
from gosales_assets.settings import ValidationSettings
from gosales_assets_tests.engine.validation.world import CUTOFF, ROWS, TARGET, inputs, run


def normal(mean: float, n: int = 1000, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(mean, 1, n).tolist()


def drift_of(current: dict, baseline: dict, min_rows: int = 300) -> dict:
    return psi_per_feature(pl.DataFrame(current), pl.DataFrame(baseline), threshold=0.25, min_rows=min_rows)


def test_shifted_feature_is_flagged_and_equal_one_is_not():
    found = drift_of({"a": normal(3), "b": normal(0, seed=1)}, {"a": normal(0), "b": normal(0, seed=2)})
    assert found["a"]["psi"] >= 0.25
    assert (found["a"]["status"], found["b"]["status"]) == ("flagged", "ok")


@pytest.mark.parametrize(
    "current, baseline, status",
    [
        ({"x__life": normal(3)}, {"x__life": normal(0)}, "reported"),
        ({"x": normal(3, 299)}, {"x": normal(0)}, "insufficient_data"),
        ({"x": normal(3, 300)}, {"x": normal(0, 300)}, "flagged"),
        ({"x": normal(3)}, {"y": normal(0)}, "unknown"),
        ({"x": [1.0] * 10}, {"x": []}, "unknown"),
    ],
)
def test_status_of_a_feature(current, baseline, status):
    frame = pl.DataFrame(baseline, schema_overrides={"x": pl.Float64} if "x" in baseline else {})
    found = psi_per_feature(pl.DataFrame(current), frame, threshold=0.25, min_rows=300)
    assert {d["status"] for d in found.values()} == {status}
    assert all((d["psi"] is None) == (status == "unknown") for d in found.values())


def test_keys_and_context_are_not_features():
    frame = {"customer_id": ["a"], "segment": ["warm"], "ownership": ["never"], "context__gp_life": [1.0], "f": [True]}
    assert list(drift_of(frame, frame)) == ["f"]


def test_drift_compares_with_out_of_fold_scores_of_the_training_cutoffs():
    result = run(inputs())
    # Scores of the other folds are .99 throughout; they are not read.
    assert result.drift["ks_phat_train_holdout"] < 0.15
    assert result.drift["by_population"]["all"]["n_train"] == ROWS
    assert result.drift["n_train"] < ROWS
    assert result.drift["highlights"] == []
    assert result.drift["psi_per_feature"]["lifecycle__all__tenure_days__life"]["psi"] > 0.25
    assert result.alerts["status"] in ("ok", "alert")


def test_drift_looks_only_at_modelled_customers():
    frames = inputs()
    strangers = frames["features"].with_columns(
        pl.concat_str(pl.lit("x"), "customer_id").alias("customer_id"), pl.lit(1e9).alias("rfm__all__gp_sum__12m")
    )
    frames["features"] = pl.concat([frames["features"], strangers])
    assert run(frames).drift == run(inputs()).drift


def test_drifted_scores_and_features_alert():
    frames = inputs()
    frames["train_scores"] = frames["train_scores"].with_columns(pl.col("p_oof") / 4)
    frames["train_feature_sample"] = frames["train_feature_sample"].with_columns(
        pl.col("rfm__all__tx_n__12m") + 2, pl.col("rfm__all__gp_sum__12m") * 20
    )
    result = run(frames)
    found = {a["type"]: a for a in result.alerts["alerts"]}
    assert found["ks_p_hat_train_vs_holdout_high"]["value"] > 0.15
    assert [h["feature"] for h in result.drift["highlights"]] == sorted(
        ["rfm__all__gp_sum__12m", "rfm__all__tx_n__12m"], key=lambda f: -result.drift["psi_per_feature"][f]["psi"]
    )
    assert "2 of 2 features drifted" in found["feature_psi_high"]["message"]
    assert result.alerts["status"] == "alert"
    assert result.metrics["drift_highlights"]["psi_flagged_top"] == result.drift["highlights"]


# -------------------------------------------------------------------------------------------------------------- alerts


def feature(status, **more):
    return {"psi": None if status == "unknown" else 0.1, "n_baseline": 1000, "n_current": 500, "status": status} | more


def documents(**final):
    values = {"status": "ok", "positives": 60, "base_rate": 0.1, "cal_mae": 0.02}
    values |= {"ratio": 1.0, "ratio_lo": 0.8, "ratio_hi": 1.3} | final
    metrics = {"population": "whitespace", "final": {"whitespace": values}, "capture_grid": {"whitespace": {"10": 0.4}}}
    drift = {
        "n_train": 1000,
        "n_current": 500,
        "positives": 300,
        "ks_phat_train_holdout": 0.05,
        "psi_ev_vs_holdout_gp": 0.1,
        # The model never saw g: nothing to compare, nothing to worry about.
        "psi_per_feature": {"f": feature("ok"), "g": feature("unknown", n_baseline=0)},
        "highlights": [],
    }
    return metrics, drift


SEGMENTS = pl.DataFrame(
    {
        "population": ["whitespace"] * 3 + ["all"],
        "segment_col": ["industry"] * 4,
        "segment": ["a", "b", "c", "a"],
        "k_percent": [10] * 4,
        "positives": [30, 29, 40, 30],
        "capture": [0.34, 0.1, 0.36, 0.1],
    }
)
NO_SEGMENTS = SEGMENTS.clear()


def judge(metrics, drift, segments=NO_SEGMENTS):
    document = alerts(metrics, drift, segments, target=TARGET, cutoff=CUTOFF, validation=ValidationSettings())
    Alerts.model_validate(document)
    return document


def test_nothing_wrong_and_everything_known_is_ok():
    document = judge(*documents())
    assert (document["status"], document["alerts"], document["unknown"]) == ("ok", [], [])


@pytest.mark.parametrize(
    "final, drift, fires",
    [
        ({"cal_mae": 0.03}, {}, "calibration_mae_high"),  # equality alerts
        ({"cal_mae": 0.0299}, {}, None),
        ({}, {"ks_phat_train_holdout": 0.15}, "ks_p_hat_train_vs_holdout_high"),
        ({}, {"psi_ev_vs_holdout_gp": 0.25}, "psi_ev_vs_holdout_gp_high"),
        ({"ratio": 1.6, "ratio_lo": 1.1, "ratio_hi": 2.4}, {}, "expected_to_observed_off"),
        ({"ratio": 0.6, "ratio_lo": 0.5, "ratio_hi": 0.9}, {}, "expected_to_observed_off"),
        ({"ratio": 1.6, "ratio_lo": 0.9, "ratio_hi": 2.4}, {}, None),  # the interval holds 1
        ({"ratio": 1.3, "ratio_lo": 1.1, "ratio_hi": 1.5}, {}, None),  # inside the range
        ({"base_rate": 0.0019}, {}, "prevalence_out_of_range"),
        ({"base_rate": 0.51}, {}, "prevalence_out_of_range"),
    ],
)
def test_thresholds(final, drift, fires):
    metrics, distances = documents(**final)
    document = judge(metrics, distances | drift)
    assert [a["type"] for a in document["alerts"]] == ([fires] if fires else [])
    assert document["status"] == ("alert" if fires else "ok")


@pytest.mark.parametrize(
    "final, drift, rule",
    [
        ({"cal_mae": None, "status": "insufficient_data", "positives": 4}, {}, "calibration_mae_high"),
        ({"ratio_lo": None}, {}, "expected_to_observed_off"),
        ({}, {"ks_phat_train_holdout": None}, "ks_p_hat_train_vs_holdout_high"),
        ({}, {"n_train": 299, "ks_phat_train_holdout": 0.9}, "ks_p_hat_train_vs_holdout_high"),
        ({}, {"psi_ev_vs_holdout_gp": None}, "psi_ev_vs_holdout_gp_high"),
        ({}, {"psi_ev_vs_holdout_gp": 0.9, "positives": 299}, "psi_ev_vs_holdout_gp_high"),
        ({}, {"psi_per_feature": {}}, "feature_psi_high"),
        ({}, {"psi_per_feature": {"f": feature("ok"), "g": feature("unknown", n_current=0)}}, "feature_psi_high"),
    ],
)
def test_what_cannot_be_judged_is_listed_and_never_ok(final, drift, rule):
    metrics, distances = documents(**final)
    document = judge(metrics, distances | drift)
    assert document["alerts"] == []
    assert [u["type"] for u in document["unknown"]] == [rule]
    assert document["status"] == "unknown"


def test_segment_far_below_the_whole_alerts_when_it_has_enough_buyers():
    document = judge(*documents(), SEGMENTS)
    assert [(a["type"], a["value"]) for a in document["alerts"]] == [("segment_capture_low", 0.34)]
