"""The bench measures what it says: it runs, its clocks add up, and its results say what was missed."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench.__main__ import main
from bench.limit import beside
from bench.report import TARGETS, assemble
from bench.run import Clock, covered
from bench.timing import growth_exponent, in_turns
from bench.world import DEMO
from bench.worth import (
    BASKET,
    CHOSEN,
    CORE,
    CUTOFFS,
    EXPIRY,
    Judged,
    everything_on,
    feature_sets,
    sets_for,
    summary,
    weighted_auc,
)
from gosales_assets.engine.features import feature_specs
from gosales_assets.engine.metrics import auc
from gosales_assets.settings import Settings

pytestmark = pytest.mark.long

RESULTS = Path(__file__).parent.parent / "bench" / "results.json"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A bench of star, features, all families and labels at 200 customers, and of the star at 2 000 and 4 000 lines."""
    out = tmp_path_factory.mktemp("bench") / "results.json"
    areas = "star,star_scale,features,families,labels"
    assert main(["--sizes", "200", "--lines", "2000,4000", "--areas", areas, "--out", str(out)]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_every_ratio_is_ours_over_the_plain_thing(small):
    star, features = small["measured"]["star"]["200"], small["measured"]["features"]["200"]
    for got in (star["wide"], star["tidy"], star["tidy_parquet"], features, small["measured"]["star_scale"]["4000"]):
        assert got["plain_seconds"] > 0
        # Rounded seconds of a plain thing that takes a millisecond know its ratio to a few percent only.
        assert got["ratio"] == pytest.approx(got["seconds"] / got["plain_seconds"], rel=0.1)
    assert features["targets"] == 6
    assert 0 < features["rows"] <= 200
    families = small["measured"]["families"]["200"]
    assert (families["targets"], families["lines"]) == (14, 4_000)
    assert families["columns"] > 2 * features["columns"]
    labels = small["measured"]["labels"]["200"]
    assert (labels["targets"], labels["cutoffs"], labels["lines"]) == (14, 12, 4_000)
    assert 0 < labels["rows"] <= 14 * 12 * 200
    assert star["peak_mb"] > 50


def test_verdicts_compare_with_the_targets(small):
    verdicts = small["verdicts"]
    logs = {f"200 customers, {log}" for log in ("wide", "tidy", "tidy_parquet")}
    assert {v["at"] for v in verdicts} == {*logs, "2000 lines, tidy", "4000 lines, tidy", "200 customers"}
    assert all(v["met"] == (v["value"] <= v["target"]) for v in verdicts)
    targets = ("star", "star_scale", "star_scale_peak_mb", "features", "families", "labels")
    assert {v.get("target") for v in verdicts} == {TARGETS[t] for t in targets}


def test_lines_are_as_many_as_asked_and_grow_with_the_log(small):
    scale = small["measured"]["star_scale"]
    assert {size: got["records"] for size, got in scale.items()} == {"2000": 2000, "4000": 4000}
    assert scale["4000"]["tidy_log_bytes"] > 1.8 * scale["2000"]["tidy_log_bytes"]
    assert {"star_scale", "star_scale_plain"} <= set(small["growth_exponents"])


def test_committed_results_are_of_this_bench():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(results) == {"machine", "sizes", "targets", "verdicts", "growth_exponents", "measured"}
    assert results["targets"] == TARGETS
    assert results["measured"]
    assert {"star", "star_scale", "features"} <= set(results["measured"])
    for area in ("star", "features"):
        assert set(results["measured"][area]) == set(map(str, results["sizes"]))


def test_an_unknown_area_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--areas", "star,speed"])
    assert "'speed' is unknown" in capsys.readouterr().err


def test_growth_of_all_families_is_judged():
    measured = {"families": {"10": {"ratio": 9.0, "cpu_seconds": 1.0}, "100": {"ratio": 30.0, "cpu_seconds": 20.0}}}
    found = {(v["what"], v["at"]): (v["value"], v["met"]) for v in assemble(measured, [], {})["verdicts"]}
    assert found["growth of every family, processor time", "10 to 100 customers"] == (1.301, False)
    assert found["every family, 14 targets / one plain group-by", "100 customers"] == (30.0, False)


def test_labels_of_a_million_lines_are_judged_by_their_seconds():
    measured = {"labels": {"50000": {"ratio": 9.0, "seconds": 31.0, "cpu_seconds": 61.0}}}
    found = {v["what"]: (v["value"], v["met"]) for v in assemble(measured, [], {})["verdicts"]}
    assert found["seconds of all labels"] == (31.0, False)
    assert found["labels, 14 targets x 12 cutoffs / plain group-bys"] == (9.0, True)


def test_growth_exponent_of_a_quadratic_is_two():
    sizes = [1_000, 10_000, 50_000]
    assert growth_exponent(sizes, [3e-9 * s**2 for s in sizes]) == pytest.approx(2.0)
    assert growth_exponent(sizes, [0.5] * 3) == pytest.approx(0.0)


def test_in_turns_keeps_the_best_of_each():
    waits = iter([0.3, 0.05, 0.2])
    best = in_turns(lambda: time.sleep(next(waits)), lambda: None, repeats=3)
    assert 0.05 <= best[0].wall < 0.2
    assert best[1].wall < 0.05


def test_clock_counts_inner_work_once():
    clock = Clock()
    outer = clock.around(lambda: clock.around(time.sleep, "decode")(0.02), "body", "star")
    outer()
    assert set(clock.kinds) == {"body"}
    assert clock.stages["star"] == clock.kinds["body"]
    assert clock.kinds["body"].wall >= 0.02


def test_clock_stops_when_the_work_fails():
    clock = Clock()
    with pytest.raises(ZeroDivisionError):
        clock.around(lambda: 1 / 0, "body")()
    clock.around(lambda: None, "judge")()
    assert set(clock.kinds) == {"body", "judge"}


def test_what_two_processes_say_is_one_account(tmp_path):
    mine, other = Clock(), Clock()
    for clock in (mine, other):
        clock.around(time.sleep, "body", "star")(0.02)
        clock.launched.append((1.0, 2.0))
        clock.steps = 3
    spent = mine.kinds["body"].wall + other.kinds["body"].wall
    other.write(tmp_path / "other.json")
    mine.add(tmp_path / "other.json")
    assert mine.kinds["body"].wall == mine.stages["star"].wall == pytest.approx(spent)
    assert (len(mine.working), len(mine.launched), mine.steps) == (2, 2, 6)


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0.0),
        ([(0, 2), (5, 6)], 3.0),
        # Two processes at once count once, also when one lies within the other.
        ([(5, 6), (1, 3), (0, 2)], 4.0),
        ([(0, 9), (1, 2), (3, 4)], 9.0),
    ],
)
def test_time_in_which_anything_worked_is_the_length_of_a_union(spans, length):
    assert covered(spans) == length


def test_missing_a_target_is_said():
    run = {
        "outside_share": 0.5,
        "outside_seconds_per_run": 0.1,
        "outside_seconds_per_step": 0.1,
        "runs": 89,
        "again": {"runs": 1},
    }
    document = assemble({"run": {"demo": run}}, [], {})
    missed = {v["what"] for v in document["verdicts"] if not v["met"]}
    assert missed == {"share of gosales run outside the engine", "runs of a second run with nothing changed"}
    assert not any(math.isnan(v["value"]) for v in document["verdicts"])


def test_a_weighted_auc_is_that_of_rows_repeated():
    rng = np.random.default_rng(1)
    bought, margin = (rng.random(200) < 0.3).astype(float), rng.integers(0, 20, 200) / 10
    assert weighted_auc(bought, margin, np.ones(200)) == pytest.approx(auc(bought, margin))
    times = rng.integers(0, 4, 200)
    again = np.repeat(np.arange(200), times)
    assert weighted_auc(bought, margin, times.astype(float)) == pytest.approx(auc(bought[again], margin[again]))


def judged(gain: float) -> list[Judged]:
    """Every target at every cutoff, from scores that know half of what happens, and a set that knows more of it."""
    rng = np.random.default_rng(2)
    rows = []
    for target in (*EXPIRY, *BASKET):
        for cutoff in CUTOFFS:
            signal, noise = rng.normal(size=(2, 600))
            bought = (signal + rng.normal(size=600) > 1).astype(float)
            sets = dict.fromkeys([*CHOSEN, "core", "all", "alone", "alone + basket"], signal + noise)
            sets |= {"assets": signal + (1 - gain) * noise}
            rows.append(Judged(target, cutoff, np.arange(600), bought, sets))
    return rows


def test_a_gain_is_told_from_none_and_the_verdicts_follow(monkeypatch):
    monkeypatch.setattr("bench.worth.RESAMPLES", 80)  # enough for a gain as plain as these
    found = summary(judged(gain=0.4))
    assert found["expiry"]["low"] > 0.005
    assert found["gains"]["basket"]["mean of targets"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert 0.5 < found["core_auc"]["cpe"] < 0.95
    document = assemble({"worth": {"10000": found}}, [], {})
    assert [v["met"] for v in document["verdicts"]] == [True, True, False]  # no loss; terms; nothing of the basket
    worse = summary(judged(gain=-0.4))
    assert worse["expiry"]["high"] < 0


def test_the_sets_of_features_add_their_families_to_the_core():
    settings = everything_on(Settings.load(DEMO, environ={}))
    products = settings.products
    specs = feature_specs(settings.features, products.divisions, products.skus)
    sets, family = feature_sets(specs), {s.name: s.family for s in specs}
    assert {family[n] for n in sets["core"]} == set(CORE)
    assert sorted(sets["all"]) == sorted(family)
    for name, families in CHOSEN.items():
        assert {family[n] for n in set(sets[name]) - set(sets["core"])} - {"src"} == set(families)
    assert not {"xdiv", "mb"} & {family[n] for n in sets["alone"]}


def test_a_large_world_is_asked_for_the_documented_effects_only():
    sets = {name: [name] for name in ("core", *CHOSEN, "all", "alone", "alone + basket")}
    assert list(sets_for(EXPIRY[0], sets, effects_only=True)) == ["core", "assets"]
    assert list(sets_for(BASKET[0], sets, effects_only=True)) == ["alone", "alone + basket"]
    assert set(sets_for(BASKET[0], sets, effects_only=False)) == set(sets)
    assert set(sets_for(EXPIRY[0], sets, effects_only=False)) == set(sets) - {"alone", "alone + basket"}
    whole = judged(gain=0.4)
    few = [replace(j, margin={n: j.margin[n] for n in sets_for(j.target, sets, effects_only=True)}) for j in whole]
    small, large = summary(whole), summary(few)
    assert large["gains"] == {}
    assert large["expiry"] == small["expiry"]
    document = assemble({"worth": {"10000": small, "30000": large}}, [], {})
    assert [v["at"] for v in document["verdicts"]] == ["10000 customers", "30000 customers", "30000 customers"]


def test_a_department_is_judged_by_the_cells_that_can_judge():
    # One cell of four with the buyer first by ours and last by recency; a second one without a buyer says nothing.
    cell = pl.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "cell": "x",
            "label": [1, 0, 0, 0],
            "p": [0.5, 0.5, 0.0, 0.0],
            "ours": [4.0, 3.0, 2.0, 1.0],
            "counts": [1.0, 1.0, 1.0, 1.0],
            "recency": [1.0, 2.0, 3.0, 4.0],
        }
    )
    nobody = cell.with_columns(cell=pl.lit("y"), label=pl.lit(0, pl.Int64))
    found = beside(pl.concat([cell, nobody]))
    assert (found["cells"], found["positives"]) == (1, 1)
    assert [found[by]["auc"] for by in ("ours", "counts", "recency")] == [1.0, 0.5, 0.0]
    assert found["brier"] == pytest.approx((0.25 + 0.25) / 4)
    assert beside(nobody) == {"cells": 0}


def limit_of(**changes):
    lead = {"a": 0.7, "b": 0.6, "value": 0.1, "lo": 0.05, "hi": 0.15}
    found = {
        "auc_over_reference": 0.9,
        "lift_over_reference": 0.9,
        "auc_over_truth": 0.6,
        "lift_over_truth": 0.7,
        "calibration": {
            "expected_over_observed": 1.0,
            "share_of_cells_within_half_and_double": 1.0,
            "excess_error_over_base_rate": 0.1,
        },
        "baselines": {"counts": {"auc": lead, "lift": lead}, "recency": {"auc": lead, "lift": lead}},
    }
    return found | changes


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, set()),
        ({"auc_over_reference": 0.84}, {"auc over reference"}),
        (
            {"calibration": {"expected_over_observed": 0.8, "share_of_cells_within_half_and_double": 0.5}},
            {"observed over expected", "share of cells within half and double"},
        ),
        (
            {"baselines": {"recency": {"auc": {"lo": -0.01}, "lift": {"lo": 0.1}}}},
            {"lower end of the lead in auc over recency"},
        ),
    ],
)
def test_falling_short_of_the_limit_is_said(changes, missed):
    document = assemble({"limit": {"10000": limit_of(**changes)}}, [], {})
    assert {v["what"] for v in document["verdicts"] if not v["met"]} == missed
    # Real transactions know no reference.
    real = {k: v for k, v in limit_of().items() if "over" not in k}
    assert all(v["met"] for v in assemble({"limit": {"completejourney": real}}, [], {})["verdicts"])
