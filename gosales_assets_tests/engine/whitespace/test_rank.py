"""The list as a whole: order, statuses, gates, determinism, contracts."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from pandera.errors import SchemaErrors
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from gosales_assets.engine.whitespace import RankingError, schema
from gosales_assets.engine.whitespace.rank import Whitespace, check_capacity_mode
from gosales_assets.settings import FeatureSettings, ReleaseSettings, WhitespaceSettings
from gosales_assets_tests.engine.whitespace.worlds import CUTOFF, WINDOW, dim, facts, rank, rules, scores, target

EXCLUDE = ReleaseSettings(on_closed_gate="exclude")
FAILED = {"overall": "FAIL", "required": ["static_scan"], "checks": {"static_scan": {"status": "FAIL"}}}


def conforms(result: Whitespace) -> Whitespace:
    """Hold every file of a ranking against its contract."""
    schema.Whitespace.validate(result.whitespace, lazy=True)
    schema.WhitespaceExplanations.validate(result.explanations, lazy=True)
    schema.ThresholdsWhitespace.validate(result.thresholds, lazy=True)
    schema.CapacitySummary.validate(result.capacity_summary, lazy=True)
    schema.WhitespaceMetrics.model_validate(result.metrics)
    for line in result.log:
        schema.WhitespaceLogLine.model_validate(line)
    json.dumps([result.metrics, result.log], allow_nan=False)
    return result


def one_division(**changes: Any) -> Whitespace:
    """p .80 .40 .40 .10, lift 2 0 1 0, gross profit 1000 200 0 50."""
    frame = scores("a", [0.8, 0.4, 0.4, 0.1], context__gp_recent=[1000.0, 200.0, 0.0, 50.0])
    return rank(
        {"a": frame},
        rules={"a": rules("a", {"X": 2.0, "Y": 1.0})},
        facts=facts([("c1", "X", "z"), ("c1", "Y", "z"), ("c3", "Y", "z")]),
        dim=dim(["c1", "c2", "c3"]),
        **changes,
    )


def test_one_division_by_hand() -> None:
    result = conforms(one_division())
    got = {row["customer_id"]: row for row in result.whitespace.to_dicts()}
    # p_pct 1 .625 .625 .25; lift 1 0 .75 0 (covered .5, full weight); cap 880, EV 1 .75 .25 .5;
    # similarity has no coverage, so the weights are .6 .2 0 .1 over .9
    assert [got[c]["score"] for c in ("c1", "c2", "c3", "c4")] == pytest.approx(
        [1.0, 0.5, 0.611111, 0.222222], abs=1e-6
    )
    assert result.whitespace["customer_id"].to_list() == ["c1", "c3", "c2", "c4"]
    assert result.whitespace["rank"].to_list() == [1, 2, 3, 4]
    assert result.whitespace["score_pct"].to_list() == [1.0, 0.75, 0.5, 0.25]
    assert result.whitespace["score_grade"].to_list() == ["A", "B", "C", "D"]
    assert result.whitespace["p_icp_grade"].to_list() == ["A", "C", "C", "D"]
    assert result.whitespace["p_multiple"].to_list() == pytest.approx([8, 4, 4, 1])
    assert result.whitespace["nba_reason"].to_list() == [
        "High p=0.80; affinity + EV",
        "4.0x average; affinity + EV",
        "4.0x average; EV",
        "1.0x average; EV",
    ]
    assert result.whitespace["customer_name"].to_list() == ["Customer c1", "Customer c3", "Customer c2", None]
    assert result.whitespace["selected"].to_list() == [1, 0, 0, 0]
    assert result.whitespace["score_challenger"].is_null().all()


def test_explanations_carry_the_score() -> None:
    result = one_division()
    why = result.explanations
    assert_frame_equal(
        why.select("rank", "customer_id", "nba_reason"), result.whitespace.select("rank", "customer_id", "nba_reason")
    )
    total = why.select(pl.sum_horizontal("^contribution_.*$")).to_series()
    assert total.to_list() == pytest.approx(why["score"].to_list())
    first = why.row(0, named=True)
    assert (first["top_1"], first["top_2"]) == ("p_icp_pct", "lift_norm")
    assert first["top_2_value"] == pytest.approx(0.2 / 0.9)
    assert (first["mb_lift_max"], first["mb_lift_mean"], first["mb_top_sku"]) == (2.0, 1.5, "X")
    assert [first[f"reason_1{part}"] for part in ("", "_value", "_contribution")] == ["rfm__all__gp__12m", 1250, 0.42]
    assert first["why"] == "rfm__all__gp__12m: 1250 (raises)"
    assert why["mb_top_sku"].to_list() == ["X", "Y", None, None]


def test_evidence_of_one_division_in_log_summary_and_metrics() -> None:
    document = {"division": "a", "cutoff": "2024-06-30", "evidence_cutoff": "2023-12-31", "status": "ok"}
    counts = {"n": 900, "positives": 40, "expected": 50.0, "observed": 40.0, "ratio": 1.25, "mae": 0.01}
    closed = {"a": {**document, **counts}}
    result = conforms(one_division(closed=closed))
    (line,) = result.log
    assert line["status"] == "ranked"
    assert line["coverage"] == {"lift": 0.5, "als": 0.0}
    assert line["weights"]["p_icp_pct"] == pytest.approx(0.6 / 0.9)
    assert line["weights"]["als_norm"] == 0
    assert line["components"]["als"] == "not_built"
    assert line["normalization"] == {
        "mode": "percentile",
        "ev_cap": pytest.approx(880),
        "ev_capped_rows": 1,
        "has_signal": True,
    }
    assert line["selection"]["segments"] == {"warm": 1, "cold": 0, "prospect": 0}
    assert line["calibration"] == {
        "status": "ok",
        "evidence_cutoff": "2023-12-31",
        "n": 900,
        "positives": 40,
        "ratio": 1.25,
    }
    assert result.metrics["ev_capped_n"] == 1
    assert result.metrics["selected"] == {"rows": 1, "customers": 1, "expected_wins": 0.8}
    assert result.metrics["capture_at_10"] == pytest.approx(0.8 / 1.7)
    assert result.metrics["bias"]["warn"] is True  # one division holds the whole slice
    summary = result.capacity_summary.row(0, named=True)
    assert (summary["calibration_ratio"], summary["selected_share"], summary["selected_expected_wins"]) == (
        1.25,
        1.0,
        0.8,
    )
    assert (result.metrics["window_start"], result.metrics["window_end"]) == ("2024-07-01", "2024-12-31")


def test_order_breaks_ties_down_to_the_customer() -> None:
    # one clear winner; the rest alike, then fresher, then never active, then by id as text
    frame = scores(
        "a",
        [0.9, *[0.5] * 5],
        ids=["6", "5", "4", "10", "2", "1"],
        context__recency_days=[300, 20, 20, 20, 5, None],
    )
    result = conforms(rank({"a": frame}, settings={"capacity_percent": 50}))
    assert result.whitespace["customer_id"].to_list() == ["6", "2", "10", "4", "5", "1"]
    assert result.whitespace["selected"].to_list() == [1, 1, 1, 0, 0, 0]


def test_identical_rows_are_selected_by_ascending_customer() -> None:
    frame = scores("a", [0.9, *[0.5] * 5], ids=["1", "2", "3", "4", "5", "6"])
    result = rank({"a": frame}, settings={"capacity_percent": 50})
    assert result.whitespace.filter(pl.col("selected") == 1)["customer_id"].to_list() == ["1", "2", "3"]


def test_the_same_customer_in_two_divisions_is_ordered_by_division() -> None:
    result = conforms(rank({"b": scores("b", [0.2, 0.1]), "a": scores("a", [0.2, 0.1])}))
    assert result.whitespace.select("customer_id", "division").rows() == [
        ("c1", "a"), ("c1", "b"), ("c2", "a"), ("c2", "b"),
    ]  # fmt: skip
    assert result.metrics["customers"] == 2


def test_probability_and_value_break_ties_before_recency() -> None:
    # Equal weights on nothing but value and probability would hide the order: all weight on affinity, which nobody has.
    frame = scores(
        "a",
        [0.5, 0.6, 0.5],
        context__gp_recent=[10.0, 0.0, 20.0],
        context__recency_days=[1, 99, 50],
    )
    heavy = rules("a", {"X": 1.0})
    world = facts([(c, "X", "z") for c in ("c1", "c2", "c3")])
    result = rank({"a": frame}, settings={"weights": (0, 1, 0, 0)}, rules={"a": heavy}, facts=world)
    # everybody has the same lift: a constant scores 0
    assert result.whitespace["score"].to_list() == [0.0] * 3
    assert result.whitespace["customer_id"].to_list() == ["c2", "c3", "c1"]


def test_grades_are_positions_within_the_division() -> None:
    result = conforms(rank({"a": scores("a", [0.9, 0.8]), "b": scores("b", [0.2, 0.1])}))
    got = result.whitespace.sort("division", "customer_id")
    assert got["score_pct"].to_list() == [1.0, 0.5, 1.0, 0.5]
    assert got["score_grade"].to_list() == ["A", "C", "A", "C"]


def test_owners_are_left_out_before_anything_is_ranked() -> None:
    frame = scores("a", [0.9, 0.5, 0.1], ownership=["owner", "lapsed", "never"])
    result = conforms(rank({"a": frame}))
    assert result.whitespace["customer_id"].to_list() == ["c2", "c3"]
    assert result.whitespace["ownership"].to_list() == ["lapsed", "never"]
    assert result.whitespace["p_icp_pct"].to_list() == [1.0, 0.5]
    summary = result.capacity_summary.row(0, named=True)
    assert (summary["eligibility_start_rows"], summary["eligibility_kept_rows"]) == (3, 2)
    assert summary["eligibility_owned_excluded"] == 1
    assert result.log[0]["eligibility"]["lapsed_kept"] == 1


def test_owners_are_listed_when_settings_say_so() -> None:
    frame = scores("a", [0.9, 0.5], ownership=["owner", "never"])
    off = {"eligibility": {"exclude_if_owned_ever": False, "exclude_if_active_assets": False}}
    assert conforms(rank({"a": frame}, settings=off)).whitespace["ownership"].to_list() == ["owner", "never"]


def test_unknown_ownership_of_one_division_keeps_its_rows() -> None:
    known = scores("x", [0.3, 0.2], ownership=["owner", "never"])
    unknown = scores("y", [0.3, 0.2], ownership=[None, None])
    result = conforms(rank({"x": known, "y": unknown}))
    kept = {line["division"]: line["eligibility"] for line in result.log}
    assert (kept["x"]["kept_rows"], kept["y"]["kept_rows"]) == (1, 2)
    assert kept["y"]["ownership_unknown_kept"] == 2


def test_gates_work_through_the_ranking_and_say_what_they_could_not_see() -> None:
    gates = {"eligibility": {"exclude_if_recent_contact_days": 21, "exclude_if_open_deal": True}}
    seen = scores("a", [0.9, 0.8, 0.1], has_open_deal=[True, False, None], days_since_last_contact=[90, 5, None])
    result = conforms(rank({"a": seen, "b": scores("b", [0.2, 0.1])}, settings=gates))
    log = {line["division"]: line for line in result.log}
    assert log["a"]["eligibility"]["open_deal_excluded"] == 1
    assert log["a"]["eligibility"]["recent_contact_excluded"] == 1
    assert log["a"]["gates"]["open_deal"] == "evaluated"
    assert log["b"]["gates"]["open_deal"] == log["b"]["gates"]["recent_contact"] == "not_evaluated"
    assert log["b"]["eligibility"]["kept_rows"] == 2


def test_ids_stay_text() -> None:
    result = rank({"a": scores("a", [0.3, 0.2], ids=["00123", "123"])}, dim=dim(["00123", "123"]))
    assert result.whitespace["customer_id"].to_list() == ["00123", "123"]
    assert result.whitespace["customer_name"].to_list() == ["Customer 00123", "Customer 123"]
    assert result.explanations["customer_id"].to_list() == ["00123", "123"]


@pytest.mark.parametrize("p", [[0.2, 0.2, 0.2], [0.2]])
def test_a_division_without_signal_is_neutral_and_has_no_grade(p: list[float]) -> None:
    result = conforms(rank({"a": scores("a", p)}))
    assert result.whitespace["p_icp_pct"].unique().to_list() == [0.5]
    assert result.whitespace["score_pct"].unique().to_list() == [0.5]
    assert result.whitespace["p_icp_grade"].is_null().all()
    assert result.whitespace["score_grade"].is_null().all()
    assert result.log[0]["normalization"]["has_signal"] is False


def test_no_base_rate_no_multiple() -> None:
    result = conforms(rank({"a": scores("a", [0.2, 0.1], base_rate=[0.0, 0.0])}))
    assert result.whitespace["p_multiple"].is_null().all()
    assert result.whitespace["nba_reason"].to_list() == ["p=0.20", "p=0.10"]


def test_market_basket_switched_off_gives_its_weight_away() -> None:
    result = conforms(one_division(features=FeatureSettings(use_market_basket=False)))
    assert result.log[0]["components"]["lift"] == "off"
    assert result.log[0]["weights"]["lift_norm"] == 0
    assert result.explanations["mb_top_sku"].is_null().all()


# --- who takes part ---------------------------------------------------------------------------------------------------


def test_divisions_that_cannot_be_ranked_are_named_everywhere() -> None:
    frames = {name: scores(name, [0.3, 0.2]) for name in ("good", "overlapping", "shut")}
    frames["poor"] = scores("poor", [0.1, 0.1], model_status="insufficient_data")
    frames["nobody"] = scores("nobody", [])
    targets = [target(n, ranked=n != "overlapping") for n in (*frames, "gone")]
    reports = {name: FAILED if name == "shut" else {"overall": "PASS"} for name in frames}
    held = {"gone": "gate_leakage failed: static_scan"}
    result = conforms(rank(frames, targets=targets, held=held, reports=reports, release=EXCLUDE))
    assert result.whitespace["division"].unique().to_list() == ["good"]
    status = dict(result.capacity_summary.select("division", "status").rows())
    assert status == {
        "good": "ranked",
        "gone": "held",
        "nobody": "no_candidates",
        "overlapping": "not_ranked",
        "poor": "insufficient_data",
        "shut": "held",
    }
    assert {line["division"]: line["status"] for line in result.log} == status
    assert result.metrics["held_divisions"] == {
        "gone": "gate_leakage failed: static_scan",
        "shut": "leakage report says FAIL (static_scan is FAIL)",
    }
    assert set(result.metrics["excluded_divisions"]) == {"nobody", "overlapping", "poor"}
    assert all(line["reason"] for line in result.log if line["division"] != "good")


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"a": FAILED}, "static_scan is FAIL"),
        ({"a": {"overall": "FAIL", "required": ["fold"], "checks": {}}}, "fold is missing"),
        ({}, "there is no leakage report"),
    ],
)
def test_a_shut_gate_stops_the_ranking_unless_settings_exclude(report: dict, why: str) -> None:
    frames = {"a": scores("a", [0.3, 0.2]), "b": scores("b", [0.3, 0.2])}
    reports = {"b": {"overall": "PASS"}, **report}
    with pytest.raises(RankingError, match=f"'a'.*{why}.*on_closed_gate"):
        rank(frames, reports=reports)
    assert rank(frames, reports=reports, release=EXCLUDE).whitespace["division"].unique().to_list() == ["b"]


def test_a_waiver_opens_a_gate_and_is_logged() -> None:
    result = conforms(rank({"a": scores("a", [0.3, 0.2])}, reports={"a": FAILED}, waived={"a": "J. Doe until July"}))
    assert result.whitespace.height == 2
    assert result.log[0]["reason"] == "gate opened by waiver: J. Doe until July"
    assert result.log[0]["leakage"] == "FAIL"


@pytest.mark.parametrize("mode", ["percentile", "pooled"])
def test_probabilities_that_do_not_hold_cannot_be_pooled(mode: str) -> None:
    closed = {"a": {"status": "ok", "evidence_cutoff": "2023-12-31", "ratio": 2.4}}
    frames = {"a": scores("a", [0.3, 0.2]), "b": scores("b", [0.3, 0.2])}
    result = conforms(rank(frames, closed=closed, settings={"normalize": mode}))
    listed = result.whitespace["division"].unique().sort().to_list()
    if mode == "pooled":
        assert listed == ["b"]
        assert "2.40" in result.metrics["held_divisions"]["a"]
    else:
        assert listed == ["a", "b"]
        shown = result.whitespace.filter(pl.col("division") == "a")["calibration_status"].unique().to_list()
        assert shown == ["off"]


def test_too_little_evidence_is_not_a_verdict() -> None:
    closed = {
        "a": {"status": "insufficient_data", "evidence_cutoff": "2023-12-31", "n": 5, "positives": 1, "ratio": None}
    }
    result = conforms(rank({"a": scores("a", [0.3, 0.2])}, closed=closed, settings={"normalize": "pooled"}))
    assert result.whitespace["calibration_status"].unique().to_list() == ["insufficient_data"]


def test_everything_held_leaves_headers() -> None:
    result = conforms(rank({}, targets=[target("a")], held={"a": "shut"}))
    assert result.whitespace.is_empty()
    assert result.thresholds.is_empty()
    assert result.metrics["rows"] == 0
    assert result.metrics["capture_at_10"] is None
    assert result.capacity_summary["status"].to_list() == ["held"]


def test_a_division_that_everybody_owns_is_ranked_empty() -> None:
    frames = {"a": scores("a", [0.3, 0.2], ownership="owner"), "b": scores("b", [0.3, 0.2])}
    result = conforms(rank(frames))
    assert result.whitespace["division"].unique().to_list() == ["b"]
    assert result.log[0]["status"] == "no_candidates"
    assert result.log[0]["eligibility"]["owned_excluded"] == 2


def test_rules_read_back_from_a_file_still_fit() -> None:
    # A reader may widen counts, and finds no types at all in a file without rows.
    widened = rules("a", {"X": 2.0}).with_columns(pl.col("support", "n_customers").cast(pl.Int64))
    untyped = pl.DataFrame(schema=dict.fromkeys(rules("b").columns, pl.String))
    frames = {"a": scores("a", [0.3, 0.2]), "b": scores("b", [0.3, 0.2])}
    result = conforms(rank(frames, rules={"a": widened, "b": untyped}, facts=facts([("c1", "X", "z")])))
    assert result.metrics["coverage"]["a"]["lift"] == 0.5
    assert result.metrics["coverage"]["b"]["lift"] == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": {"a": scores("b", [0.3])}}, "'division' holds b, expected a"),
        ({"frames": {"a": scores("a", [0.3], cutoff=WINDOW.last_day)}}, "'cutoff' holds 2024-12-31"),
        ({"frames": {"a": scores("a", [0.3, 0.3], ids=["1", "1"])}}, r"customer_id \('1',\) occurs more than once"),
        ({"frames": {"a": scores("a", [float("nan")])}}, "'p_hat' is nan for customer 'c1'"),
        ({"frames": {"a": scores("a", [1.5])}}, "'p_hat' is 1.5"),
        ({"frames": {"a": scores("a", [None])}}, "'p_hat' is None"),
        ({"frames": {"a": scores("a", [0.3, 0.2], model_status=["ok", "insufficient_data"])}}, "one model scores"),
        ({"frames": {"a": scores("a", [0.3]).drop("ownership")}}, "lacks the columns ownership"),
        ({"frames": {}, "targets": [target("a")]}, "no scores for division 'a'"),
        ({"rules": {}}, "no market-basket rules for division 'a'"),
        ({"rules": {"a": rules("b", {"X": 1.0})}}, "mb_rules of division 'a'"),
        ({"rules": {"a": rules("a", {"7": 1.0}).cast({"product_sku": pl.Int64})}}, "'product_sku' is Int64"),
        ({"reports": {"a": {"overall": "PASS", "cutoff": "2024-03-31"}}}, "leakage_report of division 'a' is about"),
        ({"closed": {"a": {"status": "ok", "evidence_cutoff": "2024-06-30", "ratio": 1.0}}}, "from the future"),
        ({"dim": pl.concat([dim(["c1"]), dim(["c1"])])}, "dim_customer"),
    ],
)
def test_inputs_that_cannot_be_used_are_named(changes: dict[str, Any], message: str) -> None:
    changes = dict(changes)
    frames = changes.pop("frames", {"a": scores("a", [0.3, 0.2])})
    with pytest.raises(RankingError, match=message):
        rank(frames, **changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capacity_mode", "per_rep"),
        ("capacity_mode", "hybrid"),
        ("segment_allocation", {"warm": 0.7}),
        ("segment_columns", ("industry",)),
        ("challenger_enabled", True),
    ],
)
def test_settings_without_effect_are_refused(key: str, value: Any) -> None:
    with pytest.raises(RankingError, match=f"whitespace.{key} .* not available in this version; use"):
        check_capacity_mode(WhitespaceSettings(**{key: value}))
    with pytest.raises(RankingError, match=key):
        rank({"a": scores("a", [0.3])}, settings={key: value})


def test_per_rep_names_what_to_use() -> None:
    with pytest.raises(RankingError, match="not available in this version; use top_percent"):
        check_capacity_mode(WhitespaceSettings(capacity_mode="per_rep"))
    check_capacity_mode(WhitespaceSettings())


# --- determinism ------------------------------------------------------------------------------------------------------


def big_world(seed: int | None) -> Whitespace:
    """Three divisions of 400 customers with many ties; ``seed`` shuffles every input."""
    ids = [f"{i:04d}" for i in range(400)]
    frames = {
        name: scores(
            name,
            [((i * 7 + j) % 23) / 40 for i in range(400)],
            ids=ids,
            context__gp_recent=[float((i * 13) % 50) * 1.1 for i in range(400)],
            context__recency_days=[(i * 3) % 17 or None for i in range(400)],
            ownership=[("owner", "never", "lapsed")[(i + j) % 3] for i in range(400)],
        )
        for j, name in enumerate(("a", "b", "c"))
    }
    tables = {name: rules(name, {"X": 1.7, "Y": 0.3 + j, "Z": 1.1}) for j, name in enumerate(frames)}
    lines = facts([(ids[i], sku, "z") for i in range(0, 400, 3) for sku in ("X", "Y", "Z")[: i % 4]])
    roster = dim(ids)
    if seed is not None:

        def mixed(f: pl.DataFrame) -> pl.DataFrame:
            return f.sample(fraction=1.0, shuffle=True, seed=seed)

        frames = {name: mixed(frames[name]) for name in reversed(list(frames))}
        tables = {name: mixed(table) for name, table in tables.items()}
        lines, roster = mixed(lines.collect()).lazy(), mixed(roster)
    return rank(frames, rules=tables, facts=lines, dim=roster)


def as_bytes(result: Whitespace) -> list[str]:
    frames = (result.whitespace, result.explanations, result.thresholds, result.capacity_summary)
    return [*(frame.write_csv() for frame in frames), json.dumps(result.metrics), json.dumps(result.log)]


def test_same_inputs_same_bytes_in_any_order() -> None:
    plain = conforms(big_world(None))
    assert plain.whitespace.height > 700
    assert as_bytes(plain) == as_bytes(big_world(None)) == as_bytes(big_world(1)) == as_bytes(big_world(2))


def test_counts_and_shares_add_up() -> None:
    result = big_world(None)
    summary = result.capacity_summary
    n = result.whitespace.height
    assert summary["selected_count"].sum() == n * 10 // 100
    assert summary["selected_share"].sum() == pytest.approx(1)
    assert summary["eligibility_kept_rows"].sum() == n
    assert sum(result.metrics["division_shares_top10pct"].values()) == pytest.approx(1)
    for weights in result.metrics["weights"].values():
        assert sum(weights.values()) == pytest.approx(1)
    assert result.whitespace["score"].is_between(0, 1).all()


# --- contracts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("score_grade", pl.lit("E")),
        ("segment", pl.lit("hot")),
        ("ownership", pl.lit("maybe")),
        ("calibration_status", pl.lit("fine")),
        ("p_icp", pl.lit(1.2)),
        ("nba_reason", pl.lit("because of age")),
        ("nba_reason", pl.lit("x" * 151)),
        ("customer_id", pl.lit("c1")),
        ("rank", pl.col("rank").reverse()),
        ("selected", pl.lit(2, pl.Int8)),
    ],
)
def test_contract_of_the_list_refuses(column: str, value: pl.Expr) -> None:
    frame = one_division().whitespace
    with pytest.raises(SchemaErrors):
        schema.Whitespace.validate(frame.with_columns(value.alias(column)), lazy=True)


def test_contract_of_the_summary_refuses_counts_that_do_not_balance() -> None:
    broken = one_division().capacity_summary.with_columns(eligibility_kept_rows=pl.lit(9, pl.Int32))
    with pytest.raises(SchemaErrors, match="start rows"):
        schema.CapacitySummary.validate(broken, lazy=True)


def test_contract_of_documents_refuses_unknown_keys_and_infinity() -> None:
    result = one_division()
    with pytest.raises(ValidationError):
        schema.WhitespaceMetrics.model_validate({**result.metrics, "extra": 1})
    with pytest.raises(ValidationError):
        schema.WhitespaceMetrics.model_validate({**result.metrics, "capture_at_5": float("inf")})


def test_cutoff_stands_in_every_row() -> None:
    result = one_division()
    assert result.whitespace["cutoff"].unique().to_list() == [CUTOFF]
    assert result.whitespace.select("window_start", "window_end").unique().rows() == [
        (WINDOW.first_day, WINDOW.last_day)
    ]
