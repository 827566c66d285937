"""Roll-ups: which partition counts, what null means, and the percentile and grade of a delivered score."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gosales_assets.engine.modeling.explain import no_reasons
from gosales_assets.engine.reports.rollups import (
    RollupError,
    calibration_history,
    icp_scores,
    latest_complete_cutoff,
    latest_whitespace,
    metrics_summary,
    split_key,
)
from gosales_assets.engine.reports.schema import CalibrationHistory, IcpScores, MetricsSummary
from gosales_assets.taxonomy import Target


def target(slug: str) -> Target:
    return Target(slug, slug.upper(), "division", frozenset(), division=slug.upper())


CAD, CAM = target("cad"), target("cam")
OLD, NEW = date(2023, 12, 31), date(2024, 6, 30)
DIM = pl.DataFrame(
    {
        "customer_id": ["1", "2", "3", "4", "5"],
        "customer_name": ["Ada", None, "Cox", "Dee", "Eve"],
        "industry": ["Tools", None, None, None, None],
        "industry_sub": pl.Series([None] * 5, dtype=pl.String),
    }
)


def scores(division: Target, cutoff: date, p: list[float], **columns: Any) -> pl.DataFrame:
    """``division_scores`` of customers 1..n."""
    n = len(p)
    base = {
        "customer_id": [str(i + 1) for i in range(n)],
        "division": [division.slug] * n,
        "division_name": [division.display] * n,
        "cutoff": [cutoff] * n,
        "window_start": [date(2024, 7, 1)] * n,
        "window_end": [date(2024, 12, 31)] * n,
        "prediction_window_months": pl.Series([6] * n, dtype=pl.Int16),
        "segment": ["warm"] * n,
        "ownership": ["never"] * n,
        "p_hat": p,
        "margin": p,
        "base_rate": [0.2] * n,
        "model_status": ["ok"] * n,
        "calibration_method": ["platt"] * n,
        "model_version": ["f" * 64] * n,
        **no_reasons(n).to_dict(),
        "context__gp_recent": [100.004] * n,
        "context__tx_recent": pl.Series([3] * n, dtype=pl.Int32),
        "context__gp_life": [250.0] * n,
        "context__recency_days": pl.Series([12] * (n - 1) + [None], dtype=pl.Int32),
    }
    return pl.DataFrame({**base, **columns})


# ---- keys


@pytest.mark.parametrize("key", ["2024-06-30", "2024-06-30|", "june|cad"])
def test_a_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(RollupError, match=r"2024-06-30|june"):
        split_key(key)


def test_the_newest_cutoff_with_every_target_counts() -> None:
    keys = ["2023-12-31|cad", "2023-12-31|cam", "2024-06-30|cad"]
    assert latest_complete_cutoff(keys, [CAD, CAM]) == OLD
    assert latest_complete_cutoff(keys, [CAD]) == NEW
    assert latest_complete_cutoff([*keys, "2024-06-30|other"], [CAD]) == NEW


def test_no_complete_cutoff_says_what_is_missing() -> None:
    with pytest.raises(RollupError, match="2024-06-30 lacks cam"):
        latest_complete_cutoff(["2023-12-31|cad", "2024-06-30|cad"], [CAD, CAM])
    with pytest.raises(RollupError, match="no division has been scored"):
        latest_complete_cutoff([], [CAD])


# ---- icp_scores


def delivered(**kwargs: Any) -> pl.DataFrame:
    parts = {
        "2023-12-31|cad": scores(CAD, OLD, [0.9, 0.9, 0.9, 0.9, 0.9]),
        "2023-12-31|cam": scores(CAM, OLD, [0.9, 0.9, 0.9, 0.9, 0.9]),
        "2024-06-30|cad": scores(CAD, NEW, [0.1, 0.2, 0.2, 0.9, 0.5]),
        "2024-06-30|cam": scores(CAM, NEW, [0.3] * 5),
        "2024-09-30|cad": scores(CAD, date(2024, 9, 30), [0.1]),
        **kwargs,
    }
    frame = icp_scores(parts, DIM, [CAM, CAD])
    IcpScores.validate(frame, lazy=True)
    return frame


def test_percentile_and_grade_by_hand() -> None:
    # average ranks of .1 .2 .2 .9 .5 are 1 2.5 2.5 5 4, over 5 customers: .2 .5 .5 1 .8
    cad = delivered().filter(pl.col("division") == "cad")
    assert cad.select("customer_id", "icp_score", "icp_percentile", "icp_grade").rows() == [
        ("4", 0.9, 1.0, "A"),
        ("5", 0.5, 0.8, "B"),
        ("2", 0.2, 0.5, "C"),
        ("3", 0.2, 0.5, "C"),
        ("1", 0.1, 0.2, "D"),
    ]
    assert cad["p_multiple"].to_list() == pytest.approx([4.5, 2.5, 1.0, 1.0, 0.5])
    assert cad["gp_recent"].unique().to_list() == [100.0]


def test_a_division_that_cannot_tell_customers_apart_has_no_grade() -> None:
    cam = delivered().filter(pl.col("division") == "cam")
    assert cam["icp_percentile"].unique().to_list() == [0.5]
    assert cam["icp_grade"].null_count() == 5
    assert cam["customer_id"].to_list() == ["1", "2", "3", "4", "5"]


def test_a_baseline_has_no_grade_even_if_its_scores_differ() -> None:
    parts = {"2024-06-30|cad": scores(CAD, NEW, [0.1, 0.9], model_status=["insufficient_data"] * 2)}
    assert icp_scores(parts, DIM, [CAD])["icp_grade"].null_count() == 2


def test_only_the_latest_complete_cutoff_is_delivered_without_outcomes() -> None:
    frame = delivered()
    assert frame["cutoff_date"].unique().to_list() == [NEW]
    assert not {"label", "bought_in_division"} & set(frame.columns)
    assert frame.filter(pl.col("customer_id") == "1")["customer_name"].unique().to_list() == ["Ada"]


def test_a_customer_twice_in_a_division_is_refused() -> None:
    twice = pl.concat([scores(CAD, NEW, [0.1, 0.2])] * 2)
    with pytest.raises(RollupError, match="'1' stands twice in 'cad'"):
        icp_scores({"2024-06-30|cad": twice}, DIM, [CAD])


def test_an_unknown_base_rate_gives_no_multiple() -> None:
    parts = {"2024-06-30|cad": scores(CAD, NEW, [0.1, 0.2], base_rate=[0.0, None])}
    assert icp_scores(parts, DIM, [CAD])["p_multiple"].to_list() == [None, None]


def test_shuffled_and_lazy_partitions_give_the_same_rows() -> None:
    parts = {
        "2024-06-30|cam": scores(CAM, NEW, [0.3] * 5).sample(fraction=1, shuffle=True, seed=1).lazy(),
        "2024-06-30|cad": scores(CAD, NEW, [0.1, 0.2, 0.2, 0.9, 0.5]).sample(fraction=1, shuffle=True, seed=2).lazy(),
    }
    dim = DIM.sample(fraction=1, shuffle=True, seed=3)
    assert_frame_equal(icp_scores(parts, dim, [CAD, CAM]), delivered())


# ---- whitespace


def test_the_list_of_the_newest_cutoff() -> None:
    frames = {str(c): pl.DataFrame({"customer_id": ["1"], "cutoff": [c]}) for c in (NEW, OLD)}
    assert latest_whitespace(frames)["cutoff"].to_list() == [NEW]
    with pytest.raises(RollupError, match="no whitespace list"):
        latest_whitespace({})
    with pytest.raises(RollupError, match="holds rows of 2023-12-31"):
        latest_whitespace({"2024-06-30": frames["2023-12-31"]})


def test_an_empty_newest_list_is_still_the_newest() -> None:
    frames = {str(c): pl.DataFrame({"customer_id": ["1"], "cutoff": [c]}) for c in (NEW, OLD)}
    frames["2024-06-30"] = frames["2024-06-30"].clear()
    assert latest_whitespace(frames).height == 0


# ---- calibration


def calibration(mean: float, population: str = "whitespace") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "population": [population] * 2,
            "bin": [2, 1],
            "p_min": [0.2, 0.1],
            "p_max": [0.3, 0.2],
            "mean_predicted": [mean, 0.15],
            "fraction_positives": [0.5, 0.0],
            "count": [4, 6],
            "positives": [2, 0],
        }
    )


def test_calibration_of_all_cutoffs_in_one_table() -> None:
    frame = calibration_history(CAD, {"2024-06-30": calibration(0.25), "2023-12-31": calibration(0.22, "all")})
    CalibrationHistory.validate(frame, lazy=True)
    assert frame.select("cutoff", "split", "population", "bin", "mean_predicted").rows() == [
        (OLD, "holdout", "all", 1, 0.15),
        (OLD, "holdout", "all", 2, 0.22),
        (NEW, "holdout", "whitespace", 1, 0.15),
        (NEW, "holdout", "whitespace", 2, 0.25),
    ]


def test_no_calibration_is_an_empty_table() -> None:
    for parts in ({}, {"2024-06-30": calibration(0.2).clear()}):
        frame = calibration_history(CAD, parts)
        CalibrationHistory.validate(frame, lazy=True)
        assert frame.is_empty()


# ---- metrics


def block(**values: Any) -> dict[str, Any]:
    base = {"status": "ok", "n": 100, "positives": 20, "base_rate": 0.2, "auc": 0.7, "brier": 0.1, "lift@10": 2.5}
    return {**base, "average_precision": 0.4, "pr_auc": 0.41, "cal_mae": 0.02, "ratio": 1.1, "ratio_lo": 0.9, **values}


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in names}


def summarised(*args: Any) -> pl.DataFrame:
    frame = metrics_summary(*args)
    MetricsSummary.validate(frame, lazy=True)
    return frame


def test_a_missing_value_is_null_and_costs_no_row() -> None:
    # two documents, one without Brier, one with a null AUC: two rows, two nulls
    documents = {
        "2024-06-30|cad": {"final": {"all": without(block(), "brier")}},
        "2024-06-30|cam": {"final": {"all": block(auc=None)}},
    }
    frame = summarised(documents, {}, {})
    assert frame.select("division", "auc", "brier").rows() == [("cad", 0.7, None), ("cam", None, 0.1)]


def test_two_cutoffs_of_a_division_are_two_rows() -> None:
    documents = {f"{c}|cad": {"final": {"all": block(auc=a)}} for c, a in ((NEW, 0.6), (OLD, 0.8))}
    assert summarised(documents, {}, {}).select("cutoff", "auc").rows() == [(OLD, 0.8), (NEW, 0.6)]


def test_splits_populations_and_the_leakage_verdict() -> None:
    final = {"all": block(auc=0.8), "whitespace": block(auc=0.7)}
    model = {"division_name": "CAD", "evaluation": "out_of_time", "final": final}
    holdout = {"division_name": "CAD", "model_status": "ok", "final": final}
    short = {"division_name": "CAM", "evaluation": "out_of_fold", "final": {"all": block()}}
    frame = summarised(
        {"2024-06-30|cad": holdout},
        {"2024-06-30|cad": model, "2024-06-30|cam": short},
        {"2024-06-30|cad": {"overall": "FAIL"}},
    )
    assert frame.select("division", "split", "population", "auc", "leakage").rows() == [
        ("cad", "train_oot", "all", 0.8, "FAIL"),
        ("cad", "train_oot", "whitespace", 0.7, "FAIL"),
        ("cad", "holdout", "all", 0.8, "FAIL"),
        ("cad", "holdout", "whitespace", 0.7, "FAIL"),
        ("cam", "train_oof", "all", 0.7, "unknown"),
    ]
    assert frame["expected_to_observed"].to_list() == [1.1] * 5


def test_every_share_any_document_names_has_a_column() -> None:
    documents = {
        "2024-06-30|cad": {"final": {"all": block(**{"lift@5": 3.0})}},
        "2024-06-30|cam": {"final": {"all": without(block(**{"lift@20": 1.5, "rev_lift@20": 9.0}), "lift@10")}},
    }
    frame = summarised(documents, {}, {})
    assert [c for c in frame.columns if "lift" in c] == ["lift@5", "lift@10", "lift@20"]
    assert frame.select("lift@5", "lift@10", "lift@20").rows() == [(3.0, 2.5, None), (None, None, 1.5)]


def test_metrics_that_do_not_say_what_they_were_measured_on_are_refused() -> None:
    with pytest.raises(RollupError, match="evaluation is 'in_sample'"):
        metrics_summary({}, {"2024-06-30|cad": {"evaluation": "in_sample", "final": {}}}, {})


def test_no_document_is_an_empty_table() -> None:
    frame = metrics_summary({}, {}, {})
    assert frame.is_empty()
    assert {"division", "cutoff", "auc", "leakage"} <= set(frame.columns)
