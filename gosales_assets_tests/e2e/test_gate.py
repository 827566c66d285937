"""A shut gate stops what is behind it, also in a run of its own; a repair opens it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import asset_key
from gosales_assets.launch import Unit, failure_of
from gosales_assets.runner import Runner
from gosales_assets_tests.e2e.conftest import build, small

pytestmark = pytest.mark.long

PARTITION = "2024-06-30|training"
AUDIT = CATALOG["leakage/feature_date_audit"]
REPORT = CATALOG["leakage/leakage_report"]


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A built world in which one model's leakage report says FAIL, because an audit it reads found a leak."""
    # As far as the ranking: nothing behind it is asked here.
    runner, _ = build(tmp_path_factory.mktemp("gate"), but=("validation", "histories", "delivery"))
    audit = runner.store.read(AUDIT, PARTITION)
    leak = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("LEAK")).otherwise("status")
    audit.with_columns(status=leak).write_csv(str(runner.store.path(AUDIT, PARTITION)))
    return runner


def launch(runner: Runner, group: str, partition: str, *artifacts) -> dg.ExecuteInProcessResult:
    return runner.launcher.definitions.resolve_job_def(group).execute_in_process(
        instance=runner.instance,
        partition_key=partition,
        asset_selection=[asset_key(a) for a in artifacts] or None,
        raise_on_error=False,
    )


def test_a_failed_leakage_gate_stops_the_ranking_until_it_is_repaired(shut: Runner):
    ranked = Path(str(shut.store.path(CATALOG["whitespace/whitespace"], "2024-06-30")))
    published = ranked.read_bytes()

    failed = launch(shut, "models_scores", PARTITION, REPORT)
    assert not failed.success
    assert "gate_leakage" in failure_of(failed)
    assert shut.store.read(REPORT, PARTITION)["overall"] == "FAIL"

    refused = launch(shut, "whitespace", "2024-06-30")
    assert not refused.success
    reason = failure_of(refused)
    assert "gate closed: leakage/leakage_report:gate_leakage 2024-06-30|training FAILED" in reason
    assert "feature_date_audit" in reason
    assert ranked.read_bytes() == published
    # The ranking of a cutoff whose gates are open is not held up.
    assert launch(shut, "whitespace", "2023-12-31").success
    assert any(
        "gate_leakage" in gate
        for gate in Runner(shut.settings, shut.instance).closed_gates(Unit("models_scores", PARTITION))
    )

    assert launch(shut, "labels_features", PARTITION, AUDIT).success
    assert launch(shut, "models_scores", PARTITION, REPORT).success
    assert launch(shut, "whitespace", "2024-06-30").success
    assert ranked.read_bytes() == published


def test_excluding_a_shut_division_is_said_everywhere(shut: Runner):
    audit = shut.store.read(AUDIT, PARTITION)
    broken = audit.with_columns(status=pl.lit("LEAK"))
    broken.write_csv(str(shut.store.path(AUDIT, PARTITION)))
    assert not launch(shut, "models_scores", PARTITION, REPORT).success
    lenient = Runner(small(Path(str(shut.store.root)), release={"on_closed_gate": "exclude"}), shut.instance)
    result = launch(lenient, "whitespace", "2024-06-30")
    assert result.success, failure_of(result)
    offered = lenient.store.read(CATALOG["whitespace/whitespace"], "2024-06-30")
    assert set(offered["division"]) == {"solidworks"}
    held = lenient.store.read(CATALOG["whitespace/whitespace_metrics"], "2024-06-30")["held_divisions"]
    assert list(held) == ["training"]
    summary = lenient.store.read(CATALOG["whitespace/capacity_summary"], "2024-06-30")
    assert summary.filter(pl.col("division") == "training")["status"].to_list() == ["held"]
    log = lenient.store.read(CATALOG["whitespace/whitespace_log"], "2024-06-30")
    assert any(line["division"] == "training" and "held" in str(line) for line in log)
    warned = [e for e in result.get_asset_check_evaluations() if e.check_name == "quality_all_divisions"]
    assert [e.passed for e in warned] == [False]
