import json
from datetime import date

import polars as pl
import pytest

from gosales_assets.engine import metrics as m
from gosales_assets.engine.tables import Calibration, Gains
from gosales_assets.engine.validation.schema import (
    Alerts,
    Drift,
    SegmentPerformance,
    TopkScenarios,
    ValidationFrame,
    ValidationMetrics,
)
from gosales_assets.engine.validation.validate import Validation
from gosales_assets.settings import PopulationSettings, ValidationSettings
from gosales_assets_tests.engine.validation.world import CUTOFF, ROWS, inputs, run


@pytest.fixture(scope="module")
def result() -> Validation:
    return run(inputs())


def check_contracts(result: Validation) -> None:
    ValidationFrame.validate(result.frame)
    Gains.validate(result.gains)
    Calibration.validate(result.calibration)
    TopkScenarios.validate(result.topk_scenarios)
    TopkScenarios.validate(result.topk_scenarios_sorted)
    SegmentPerformance.validate(result.segment_performance)
    for model, document in (
        (ValidationMetrics, result.metrics),
        (Drift, result.drift),
        (Alerts, result.alerts),
    ):
        model.model_validate(json.loads(json.dumps(document, allow_nan=False)))


def test_every_file_keeps_its_contract(result):
    check_contracts(result)


def test_metrics_are_those_of_the_frame(result):
    frame = result.frame
    whitespace = frame.filter(pl.col("ownership") != "owner")
    final = result.metrics["final"]
    assert final["all"]["auc"] == pytest.approx(m.auc(frame["label"], frame["p_hat"]))
    assert final["whitespace"]["auc"] == pytest.approx(m.auc(whitespace["label"], whitespace["p_hat"]))
    assert final["whitespace"]["n"] == whitespace.height < final["all"]["n"] == ROWS
    assert final["whitespace"]["positives"] == whitespace["label"].sum()
    assert result.metrics["status"] == "ok"
    assert result.metrics["population"] == "whitespace"
    # The model tells the truth in this world.
    assert final["all"]["ratio_lo"] < 1 < final["all"]["ratio_hi"]


def test_metrics_say_where_model_and_labels_come_from(result):
    metrics = result.metrics
    assert metrics["model_cutoff"] == metrics["cutoff"] == "2024-06-30"
    assert metrics["training_cutoffs"] == ["2023-12-31"]
    assert metrics["training_label_window_end"] == "2024-06-30"  # closes on the day of the cutoff: allowed
    assert (metrics["window_start"], metrics["window_end"]) == ("2024-07-01", "2024-12-31")
    assert metrics["label_source"] == "labels"


def test_tables_hold_every_customer_of_both_populations(result):
    rows = {"all": ROWS, "whitespace": result.metrics["final"]["whitespace"]["n"]}
    for table, count in ((result.gains, "n"), (result.calibration, "count")):
        assert dict(table.group_by("population").agg(pl.col(count).sum()).rows()) == rows
    sliced = result.segment_performance.filter(pl.col("k_percent") == 10)
    assert (
        dict(sliced.filter(pl.col("segment_col") == "industry").group_by("population").agg(pl.col("n").sum()).rows())
        == rows
    )
    assert set(sliced.filter(pl.col("segment_col") == "industry")["segment"]) == {"a", "b", "unknown"}


def test_capture_grid_repeats_the_plain_scenarios(result):
    row = result.topk_scenarios.filter(
        (pl.col("population") == "all") & (pl.col("mode") == "top_percent") & (pl.col("k_percent") == 10)
    )
    assert result.metrics["capture_grid"]["all"]["10"] == pytest.approx(row["capture"].item())
    assert result.metrics["capture_grid"]["all"]["10"] == pytest.approx(result.metrics["final"]["all"]["capture@10"])


def test_calibrated_scenarios_are_sorted_by_value_otherwise_by_capture(result):
    mae = result.metrics["final"]["whitespace"]["cal_mae"]
    for limit, column in ((mae + 0.01, "expected_gp_norm"), (mae, "capture")):
        table = run(inputs(), validation=ValidationSettings(cal_mae_threshold=limit)).topk_scenarios_sorted
        assert table["population"].to_list() == ["whitespace"] * 6 + ["all"] * 6
        values = table.filter(pl.col("population") == "whitespace")[column].to_list()
        assert values == sorted(values, reverse=True)
    assert result.topk_scenarios["population"][0] == "all"  # the plain file keeps the order of definition


def test_shuffled_inputs_change_nothing(result):
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=7) for name, frame in inputs().items()}
    again = run(shuffled)
    for name, value in vars(result).items():
        other = getattr(again, name)
        assert value.equals(other) if isinstance(value, pl.DataFrame) else value == other, name


# -------------------------------------------------------------------------------------------------- unknown outcomes


def test_an_open_window_has_no_outcome_anywhere():
    frames = inputs()
    frames["labels"] = frames["labels"].with_columns(pl.lit(1, pl.Int8).alias("censored_flag"))
    result = run(frames)
    check_contracts(result)
    assert result.frame["window_open"].all()
    assert result.frame["label"].null_count() == result.frame["holdout_gp"].null_count() == ROWS
    assert result.gains.is_empty()
    assert result.calibration.is_empty()
    assert result.metrics["status"] == "window_open"
    for final in result.metrics["final"].values():
        assert final["status"] == "window_open"
        known = {k for k, v in final.items() if v is not None}
        assert known == {"status", "n", "n_distinct_scores", "expected"}
    for column in ("capture", "precision", "rev_capture", "realized_gp", "positives"):
        assert result.topk_scenarios[column].null_count() == result.topk_scenarios.height > 0
    assert set(result.segment_performance["status"]) == {"window_open"}
    assert result.metrics["holdout_gp"] == {"all": None, "whitespace": None}
    assert result.drift["ks_p_hat_pos_vs_neg"] is None
    assert result.drift["ks_phat_train_holdout"] is not None  # scores are known all the same
    unknown = {u["type"]: u["reason"] for u in result.alerts["unknown"]}
    assert "has not closed" in unknown["calibration_mae_high"]
    assert result.alerts["status"] in ("unknown", "alert")


def test_a_window_nobody_bought_in_is_not_a_bad_score():
    frames = inputs()
    frames["labels"] = frames["labels"].with_columns(
        pl.lit(0, pl.Int8).alias("label"), pl.lit(0.0).alias("net_gp_window")
    )
    result = run(frames)
    check_contracts(result)
    assert result.metrics["status"] == "insufficient_data"
    final = result.metrics["final"]["whitespace"]
    assert (final["positives"], final["base_rate"]) == (0, 0.0)
    assert final["auc"] is final["average_precision"] is final["lift@10"] is None
    assert result.topk_scenarios["capture"].null_count() == result.topk_scenarios.height
    assert result.topk_scenarios["realized_gp"].to_list() == [0.0] * result.topk_scenarios.height
    assert result.gains["cum_capture"].null_count() == result.gains.height > 0
    # Nobody bought: that much is known, and unusual.
    assert "prevalence_out_of_range" in {a["type"] for a in result.alerts["alerts"]}


def test_few_positives_give_values_from_ten_and_intervals_from_thirty():
    frames = inputs()
    # Twelve whitespace buyers, nobody else.
    buyers = frames["scores"].filter(pl.col("ownership") != "owner").head(12)["customer_id"].implode()
    frames["labels"] = frames["labels"].with_columns(pl.col("customer_id").is_in(buyers).cast(pl.Int8).alias("label"))
    final = run(frames).metrics["final"]["whitespace"]
    assert final["positives"] == 12
    assert final["auc"] is not None
    assert final["ratio"] is not None
    assert final["ratio_lo"] is None
    frames["labels"] = frames["labels"].with_columns(
        pl.col("customer_id").is_in(buyers.list.head(9)).cast(pl.Int8).alias("label")
    )
    metrics = run(frames).metrics
    assert metrics["status"] == "insufficient_data"
    assert metrics["final"]["whitespace"]["auc"] is None


def test_a_constant_baseline_claims_no_ranking():
    frames = inputs()
    frames["scores"] = frames["scores"].with_columns(
        pl.lit(0.25).alias("p_hat"), pl.lit(-1.1).alias("margin"), pl.lit("insufficient_data").alias("model_status")
    )
    frames["train_scores"] = frames["train_scores"].clear()
    frames["train_feature_sample"] = frames["train_feature_sample"].clear()
    result = run(frames)
    check_contracts(result)
    assert result.metrics["status"] == "baseline"
    assert result.metrics["final"]["all"]["status"] == "degenerate"
    assert result.metrics["final"]["all"]["auc"] is None
    assert result.metrics["final"]["all"]["brier"] is not None
    assert result.gains["lift"].null_count() == result.gains.height
    assert result.metrics["training_cutoffs"] == []
    assert {d["status"] for d in result.drift["psi_per_feature"].values()} == {"unknown"}
    assert "ks_p_hat_train_vs_holdout_high" in {u["type"] for u in result.alerts["unknown"]}


def test_a_saturated_division_is_judged_on_everybody():
    frames = inputs()
    few = pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("never")).otherwise(pl.lit("owner")).alias("ownership")
    frames["scores"], frames["labels"] = frames["scores"].with_columns(few), frames["labels"].with_columns(few)
    metrics = run(frames).metrics
    assert (metrics["saturated"], metrics["status"], metrics["population"]) == (True, "saturated", "all")
    metrics = run(frames, population=PopulationSettings(saturated_below=0.01)).metrics
    assert (metrics["saturated"], metrics["population"]) == (False, "whitespace")


def test_no_scored_customer():
    frames = inputs()
    for name in ("scores", "features"):
        frames[name] = frames[name].clear()
    result = run(frames)
    check_contracts(result)
    assert result.metrics["status"] == "insufficient_data"
    assert result.topk_scenarios.is_empty()


# ----------------------------------------------------------------------------------------- inputs that do not belong


def test_customers_without_any_purchase_may_lack_a_label():
    frames = inputs()
    first = pl.col("customer_id") == "00000"
    never = pl.when(~first).then("context__recency_days").alias("context__recency_days")
    frames["scores"] = frames["scores"].with_columns(never)
    frames["labels"] = frames["labels"].filter(~first)
    metrics = run(frames).metrics
    assert (metrics["rows"], metrics["rows_unlabelled"]) == (ROWS - 1, 1)


def broken(table: str, *columns: pl.Expr) -> dict[str, pl.DataFrame]:
    frames = inputs(60)
    frames[table] = frames[table].with_columns(*columns)
    return frames


@pytest.mark.parametrize(
    "frames, message",
    [
        (
            inputs(60) | {"labels": inputs(60)["labels"].tail(-1)},
            "lack 1 scored customers with purchases, first '00000'",
        ),
        (inputs(60) | {"labels": pl.concat([inputs(60)["labels"]] * 2)}, "60 customers occur more than once"),
        (broken("labels", pl.lit("pdm").alias("division")), "labels.division holds pdm, expected cam"),
        (broken("scores", pl.lit(date(2024, 3, 31)).alias("cutoff")), "division_scores.cutoff holds 2024-03-31"),
        (broken("labels", pl.lit(date(2025, 6, 30)).alias("window_end")), "window_end differs"),
        (broken("labels", pl.lit("owner").alias("ownership")), "ownership differs"),
        (broken("train_scores", pl.lit(CUTOFF).alias("cutoff")), "labels reach 2024-12-31, after the cutoff judged"),
        (broken("scores", pl.col("customer_id").alias("model_version")), "model_version holds 60 values"),
    ],
)
def test_inputs_that_do_not_belong_together_are_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        run(frames)
