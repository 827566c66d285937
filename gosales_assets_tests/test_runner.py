"""The runner: what is stale and what is not, held against Dagster's own judgement."""

from __future__ import annotations

import copy
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from gosales_assets import launch
from gosales_assets.catalog import CATALOG
from gosales_assets.defs.stage import asset_key
from gosales_assets.launch import Unit
from gosales_assets.runner import Outcome, Runner
from gosales_assets.settings import Settings
from gosales_assets.sources import read_sales_log
from gosales_assets_tests.e2e.conftest import SMALL, contents, instance_at

pytestmark = pytest.mark.long

MODEL = Unit("models_scores", "2024-06-30|training")


#: Here it matters what runs, not how well it predicts.
CHEAP: dict[str, Any] = {
    "features": {"windows_months": [6, 12], "enable_offset_windows": False, "enable_window_deltas": False},
    "modeling": {"folds": 2, "min_positive_customers": 5, "shap_max_rows": 50, "lgbm": {"n_estimators": 10}},
}


class World:
    """A log in a file, settings over it, and the instance all runs are recorded in."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root / "log.parquet"
        tree = copy.deepcopy(SMALL)
        tree["sources"]["sales_log"]["sample"]["customers"] = 300
        world = Settings.load(environ={}, overrides=tree)
        records = read_sales_log(world.sources.sales_log, world.products).records
        self.records = records.drop("_source_file").collect()
        self.write(self.records)
        log = {"kind": "files", "layout": "wide", "path": str(self.log), "as_of": "2024-12-31"}
        self.tree = {**SMALL, **CHEAP, "artifact_root": str(root / "out"), "sources": {"sales_log": log}}
        self.instance = instance_at(root / "home")

    def write(self, records: pl.DataFrame) -> None:
        records.write_parquet(self.log)

    def keep(self) -> None:
        """Remember what is stored and recorded now."""
        for name in ("out", "home"):
            shutil.copytree(self.root / name, self.root / "kept" / name)

    def restore(self) -> None:
        """Put back what was kept, without making it again."""
        self.instance.dispose()
        for name in ("out", "home"):
            shutil.rmtree(self.root / name)
            shutil.copytree(self.root / "kept" / name, self.root / name)
        self.write(self.records)
        self.instance = instance_at(self.root / "home")

    def runner(self, **more: Any) -> Runner:
        return Runner(Settings.load(environ={}, overrides={**self.tree, **more}), self.instance)

    def run(self, runner: Runner | None = None, **how: Any) -> Outcome:
        runner = runner or self.runner()
        return runner.run(runner.plan(), **how)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("runner"))
    outcome = world.run()
    assert outcome.stopped is None, outcome.stopped
    assert outcome.launched == outcome.units
    world.instance.dispose()
    world.keep()
    world.restore()
    yield world
    world.instance.dispose()


@pytest.fixture
def world(built: World) -> Iterator[World]:
    """The built world; put back as it was when a test is done with it."""
    yield built
    built.restore()


def everything(runner: Runner) -> list[tuple[Unit, Any]]:
    return [(unit, artifact) for unit in runner.plan() for artifact in runner.groups[unit.group]]


def by_dagster(runner: Runner, units: list[Unit]) -> set[tuple[str, str | None]]:
    resolver = CachingStaleStatusResolver(runner.instance, runner.graph, LoadingContextForTest(runner.instance))
    return {
        (artifact.id, unit.partition)
        for unit in units
        for artifact in runner.groups[unit.group]
        if resolver.get_status(asset_key(artifact), unit.partition) != StaleStatus.FRESH
    }


def by_runner(runner: Runner, units: list[Unit]) -> set[tuple[str, str | None]]:
    return {(artifact.id, unit.partition) for unit in units for artifact in runner.stale(unit)}


def materialized(world: World, outcome: Outcome) -> set[str]:
    """Assets some run of the outcome made."""
    return {
        e.asset_key.to_user_string()
        for run_id in outcome.run_ids
        for e in (r.event_log_entry.dagster_event for r in _records(world, run_id))
        if e and e.asset_key
    } - {"observability/config_resolved"}


def _records(world: World, run_id: str) -> Any:
    return world.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records


# --- the plan


def test_the_plan_is_every_partition_of_every_group_once_and_in_order(built: World) -> None:
    runner = built.runner()
    units = runner.plan()
    planned = [(unit.group, unit.partition) for unit in units]
    assert len(planned) == len(set(planned))
    for group, artifacts in runner.groups.items():
        partitions = runner.platform.partitions.of(artifacts[0])
        keys = set(partitions.get_partition_keys()) if partitions else {None}
        assert {p for g, p in planned if g == group} == keys, group
    # Each unit comes after all it reads.
    place = {(a.id, unit.partition): i for i, unit in enumerate(units) for a in runner.groups[unit.group]}
    for unit, artifact in everything(runner):
        key = asset_key(artifact)
        for parent in runner.graph.get(key).parent_keys:
            name = parent.to_user_string()
            if (name, None) in place:
                assert place[name, None] <= place[artifact.id, unit.partition]
            elif runner.graph.get(parent).partitions_def is not None:
                for partition in runner._parent_keys(key, unit.partition, parent):
                    assert place[name, partition] <= place[artifact.id, unit.partition], (artifact.id, name)


def test_a_part_of_the_plan_brings_the_history_it_learns_from(built: World) -> None:
    units = [str(u) for u in built.runner().plan(["training"], ["2024-06-30"])]
    assert units == [
        "star",
        "customer_base 2023-06-30",
        "labels_features 2023-06-30 training",
        "customer_base 2023-12-31",
        "labels_features 2023-12-31 training",
        "customer_base 2024-06-30",
        "labels_features 2024-06-30 training",
        "models_scores 2024-06-30 training",
        "histories training",
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((["trainin"], []), "division 'trainin' is not among the partitions: solidworks, training"),
        (([], ["2024-06-29"]), "cutoff '2024-06-29' is not among the partitions: 2023-06-30, 2023-12-31, 2024-06-30"),
    ],
)
def test_partitions_that_do_not_exist_are_named(built: World, asked: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built.runner().plan(*asked)


# --- staleness


def test_nothing_is_stale_after_a_run_and_dagster_agrees(built: World) -> None:
    runner = built.runner()
    runner.observe()
    units = runner.plan()
    assert by_runner(runner, units) == by_dagster(runner, units) == set()
    assert built.run(runner).launched == 0


def without_a_customer(records: pl.DataFrame) -> pl.DataFrame:
    return records.filter(pl.col("CustomerId").ne_missing(records["CustomerId"].drop_nulls()[0]))


def without_the_last_month(records: pl.DataFrame) -> pl.DataFrame:
    return records.filter(~pl.col("Rec Date").str.starts_with("2024-12").fill_null(False))


@pytest.mark.parametrize(
    ("change", "spared"),
    [
        pytest.param(without_a_customer, set(), marks=pytest.mark.slow),
        # No model at a cutoff of these has seen December: features come out the same, and models are left alone.
        (without_the_last_month, {"models/model", "scores/division_scores", "leakage/fold_customer_overlap"}),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_a_changed_log_runs_what_depends_on_it_as_dagster_would(world: World, change: Any, spared: set[str]) -> None:
    """Unit by unit the runner and Dagster name the same stale assets, until none is left."""
    world.write(change(world.records))
    runner = world.runner()
    runner.observe()
    units = runner.plan()
    # Only what reads the log itself is known to be stale before it has run.
    assert by_runner(runner, units) == by_dagster(runner, units) == {("sources/sales_log", None)}
    compared: list[Unit] = []
    # Dagster does not look through a mapping of all partitions of a set in time; the recorded versions do.
    beyond = {("rollups/whitespace", None)}

    def compare(unit: Unit, state: str) -> None:
        if state == "start":
            assert by_runner(runner, [unit]) - beyond == by_dagster(runner, [unit]), unit
            compared.append(unit)

    outcome = world.run(runner, progress=compare)
    assert outcome.stopped is None, outcome.stopped
    assert compared == units
    made = materialized(world, outcome)
    assert {"sources/sales_log", "star/fact_transactions", "features/features", "labels/labels"} <= made
    assert ("models/model" in made) == (not spared)
    # What does not read the log was left alone, and so was what read the same bytes as before.
    others = {"sources/industry_enrichment", "sources/customer_assets", "features/feature_list", "leakage/static_scan"}
    assert made.isdisjoint(others | spared)
    assert by_runner(runner, units) == by_dagster(runner, units) == set()
    assert world.run().launched == 0


def test_the_same_records_in_another_order_re_run_the_copy_of_the_log_and_nothing_else(world: World) -> None:
    world.write(world.records.reverse())
    outcome = world.run()
    assert outcome.launched == 1
    assert materialized(world, outcome) == {"sources/sales_log"}


def test_a_setting_re_runs_the_stages_that_read_it_and_what_changed_by_that(world: World) -> None:
    more = {"reports": {"accounts": 7}}
    runner = world.runner(**more)
    runner.observe()
    assert {name for name, _ in by_runner(runner, runner.plan())} == {
        a.id for a in CATALOG.values() if a.phase == "reports"
    }
    outcome = world.run(runner)
    assert outcome.launched == 1
    assert world.run(world.runner(**more)).launched == 0


def test_re_running_one_model_to_the_same_bytes_leaves_nothing_stale(built: World) -> None:
    runner = built.runner()
    assert runner.run([MODEL], force=True).launched == 1
    again = built.runner()
    again.observe()
    assert by_runner(again, again.plan()) == by_dagster(again, again.plan()) == set()
    assert built.run(again).launched == 0


@pytest.mark.parametrize(
    ("name", "partition"),
    [("whitespace/whitespace", "2024-06-30"), ("models/gains", "2024-06-30|training"), ("star/checksums", None)],
)
def test_a_file_that_is_gone_is_made_again_and_nothing_else(built: World, name: str, partition: str | None) -> None:
    runner = built.runner()
    path = runner.store.path(CATALOG[name], partition)
    before = path.read_bytes()
    path.unlink()
    unit = next(u for u, a in everything(runner) if (a.id, u.partition) == (name, partition))
    assert runner.stale(unit) == {CATALOG[name]: "its file is gone"}
    outcome = built.run(runner)
    assert (outcome.launched, outcome.materialized) == (1, 1)
    assert path.read_bytes() == before


def test_a_picture_that_is_gone_is_drawn_again(built: World) -> None:
    runner = built.runner()
    picture = runner.store.picture_path(CATALOG["models/gains"], MODEL.partition)
    before = picture.read_bytes()
    picture.unlink()
    assert runner.stale(MODEL) == {CATALOG["models/gains"]: "its picture is gone"}
    outcome = built.run(runner)
    assert (outcome.launched, outcome.materialized) == (1, 1)
    assert picture.read_bytes() == before


def test_force_makes_everything_once(built: World) -> None:
    runner = built.runner()
    units = [Unit("histories", "training"), Unit("delivery", None)]
    outcome = runner.run(units, force=True)
    assert (outcome.launched, outcome.stopped) == (2, None)
    assert outcome.materialized == sum(len(runner.groups[u.group]) for u in units)


# --- beside each other


def begin_doomed(*told: Any) -> None:
    """Begin a process that dies when it is about to write the first model."""
    from gosales_assets.defs import storage

    launch.begin(*told)
    encode = storage.formats.encode

    def dying(artifact: Any, value: Any) -> bytes:
        if artifact.id == "models/model":
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(artifact, value)

    storage.formats.encode = dying


def test_runs_beside_each_other_make_the_same_bytes_and_a_process_that_dies_is_told(
    built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    settings = Settings.load(environ={}, overrides={**built.tree, "artifact_root": str(root)})
    with instance_at(tmp_path / "home") as instance:
        with monkeypatch.context() as patched:
            patched.setattr(launch, "begin", begin_doomed)
            runner = Runner(settings, instance)
            outcome = runner.run(runner.plan(), workers=2)
        assert outcome.stopped is not None
        assert outcome.stopped.unit.group == "models_scores"
        assert "killed for want of memory" in outcome.stopped.reason
        assert "--workers 1" in outcome.stopped.reason
        # No run is left that seems to go on, and what was published is whole.
        assert all(run.is_finished for run in instance.get_runs())
        run = instance.get_run_by_id(outcome.stopped.run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE
        then = contents(root)
        made = contents(built.root / "kept" / "out")
        assert then
        assert then.items() <= made.items()
        # What is left is made by the next.
        runner = Runner(settings, instance)
        again = runner.run(runner.plan(), workers=2)
        assert again.stopped is None, again.stopped
        assert again.launched < again.units
        assert contents(root) == made
        runner = Runner(settings, instance)
        assert runner.run(runner.plan(), workers=2).launched == 0


# --- verdicts


def launch_by_hand(runner: Runner, unit: Unit, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("one", selection=selection)
    merged = dg.Definitions.merge(runner.launcher.definitions, dg.Definitions(jobs=[job]))
    return merged.resolve_job_def("one").execute_in_process(
        instance=runner.instance, partition_key=unit.partition, raise_on_error=False
    )


def test_what_was_made_without_its_checks_is_made_again(built: World) -> None:
    """Somebody materialized a report by hand and left the gate out: the guard holds it, and a run repairs it."""
    runner = built.runner()
    report = CATALOG["leakage/leakage_report"]
    assert launch_by_hand(runner, MODEL, dg.AssetSelection.assets(asset_key(report)).without_checks()).success
    again = built.runner()
    assert any("STALE" in gate for gate in again.closed_gates(MODEL))
    assert again.stale(MODEL) == {report: "no blocking check has judged what is stored"}
    outcome = built.run(again)
    assert (outcome.launched, outcome.stopped) == (1, None)
    assert built.runner().closed_gates(MODEL) == []


def test_a_contract_that_failed_on_what_was_not_published_is_judged_again(world: World) -> None:
    """A setting made the star fail; taking it back must open the gates, though every file is as before."""
    strict = world.runner(etl={"max_quarantined_share": 0.0})
    outcome = world.run(strict)
    assert outcome.stopped is not None
    assert "max_quarantined" in outcome.stopped.reason or "quarantine" in outcome.stopped.reason
    again = world.runner()
    star = Unit("star", None)
    assert any("FAILED" in gate for gate in again.closed_gates(star))
    assert again.stale(star)[CATALOG["star/fact_transactions"]] == "no blocking check has judged what is stored"
    outcome = world.run(again)
    assert (outcome.launched, outcome.stopped) == (1, None)
    assert world.runner().closed_gates(star) == []


def shut_the_gate(runner: Runner) -> bytes:
    """Plant a leak in the audit of one model's own cutoff; returns the bytes as they were."""
    path = runner.store.path(CATALOG["leakage/feature_date_audit"], MODEL.partition)
    before = path.read_bytes()
    table = runner.store.read(CATALOG["leakage/feature_date_audit"], MODEL.partition)
    table.with_columns(status=pl.lit("LEAK")).write_csv(str(path))
    return before


def test_a_division_may_be_left_out_instead_and_the_run_goes_on(world: World) -> None:
    runner = world.runner(release={"on_closed_gate": "exclude"})
    path = runner.store.path(CATALOG["leakage/feature_date_audit"], MODEL.partition)
    before = shut_the_gate(runner)
    try:
        runner.store.path(CATALOG["leakage/leakage_report"], MODEL.partition).unlink()
        outcome = world.run(runner)
        assert outcome.stopped is None
        assert [stop.unit for stop in outcome.left_out] == [MODEL]
        assert "gate_leakage 2024-06-30|training FAILED" in outcome.left_out[0].reason
        offered = runner.store.read(CATALOG["whitespace/whitespace"], "2024-06-30")
        assert set(offered["division"]) == {"solidworks"}
        # The feed of the CRM falls back to the newest cutoff at which every division is released.
        fed = runner.store.read(CATALOG["rollups/icp_scores"])
        assert set(fed["cutoff_date"].cast(pl.String)) == {"2023-12-31"}
        assert set(fed["division"]) == {"solidworks", "training"}
    finally:
        path.write_bytes(before)
    repaired = world.runner()
    assert launch_by_hand(
        repaired, MODEL, dg.AssetSelection.assets(asset_key(CATALOG["leakage/leakage_report"]))
    ).success
    assert world.run().stopped is None
    fed = repaired.store.read(CATALOG["rollups/icp_scores"])
    assert set(fed["cutoff_date"].cast(pl.String)) == {"2024-06-30"}


def test_a_run_stops_at_a_shut_gate_and_says_so_again_the_next_time(world: World) -> None:
    report, audit = CATALOG["leakage/leakage_report"], CATALOG["leakage/feature_date_audit"]
    runner = world.runner()
    path = runner.store.path(audit, MODEL.partition)
    before = shut_the_gate(runner)
    assert not launch_by_hand(runner, MODEL, dg.AssetSelection.assets(asset_key(report))).success
    for _ in range(2):
        outcome = world.run()
        assert outcome.stopped is not None
        assert "leakage/leakage_report:gate_leakage 2024-06-30|training FAILED" in outcome.stopped.reason
    path.write_bytes(before)
    assert launch_by_hand(runner, MODEL, dg.AssetSelection.assets(asset_key(report))).success
    assert world.run().stopped is None
