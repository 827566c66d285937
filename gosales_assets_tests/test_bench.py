"""The bench measures what it says: it runs, its clocks add up, and its results say what was missed."""

import json
import math
import time
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.report import TARGETS, assemble
from bench.run import Clock
from bench.timing import growth_exponent, in_turns

RESULTS = Path(__file__).parent.parent / "bench" / "results.json"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A bench of star, features, all families and labels at 200 customers."""
    out = tmp_path_factory.mktemp("bench") / "results.json"
    assert main(["--sizes", "200", "--areas", "star,features,families,labels", "--out", str(out)]) == 0
    return json.loads(out.read_text(encoding="utf-8"))


def test_every_ratio_is_ours_over_the_plain_thing(small):
    star, features = small["measured"]["star"]["200"], small["measured"]["features"]["200"]
    for got in (star["wide"], star["tidy"], features):
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
    assert {v["at"] for v in verdicts} == {"200 customers, wide", "200 customers, tidy", "200 customers"}
    assert all(v["met"] == (v["value"] <= v["target"]) for v in verdicts)
    assert {v["target"] for v in verdicts} == {
        TARGETS["star"],
        TARGETS["features"],
        TARGETS["families"],
        TARGETS["labels"],
    }


def test_committed_results_are_of_this_bench():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(results) == {"machine", "sizes", "targets", "verdicts", "growth_exponents", "measured"}
    assert results["targets"] == TARGETS
    assert results["measured"]
    assert {"star", "features"} <= set(results["measured"])
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


def test_labels_of_a_million_lines_are_judged_by_processor_time():
    measured = {"labels": {"50000": {"ratio": 9.0, "cpu_seconds": 61.0}}}
    found = {v["what"]: (v["value"], v["met"]) for v in assemble(measured, [], {})["verdicts"]}
    assert found["processor seconds of all labels"] == (61.0, False)
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
