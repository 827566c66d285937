"""The gate guard on a tiny graph: what Dagster records, and what of it opens or shuts a gate.

These are the contract tests of the calls into the event log that have no public wrapper: they fail when another Dagster
records checks, targets or planned runs in another way.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy.exc import IntegrityError

from gosales_assets.defs.guard import gates_of
from gosales_assets_tests.defs.graphs import CUTOFF, PARTS, A, B, Tiny, key, reason

REPORT, RANKING, STAR = "leakage/leakage_report", "whitespace/whitespace_metrics", "star/checksums"
GATE, ADVICE, BALANCE = "gate_leakage", "quality_advice", "contract_conservation"


class World:
    """What the assets make and the checks say, changed between runs."""

    def __init__(self) -> None:
        self.good = {"a": True, "b": True}
        self.severity = dg.AssetCheckSeverity.ERROR
        self.crash = False
        self.meanwhile: Callable[[], None] = lambda: None


@pytest.fixture
def world() -> World:
    return World()


def graph(world: World, root: Any, instance: dg.DagsterInstance, *, on_closed: str = "fail") -> Tiny:
    @dg.asset(key=key(REPORT), partitions_def=PARTS.division_model_cutoffs)
    def leakage_report(context: dg.AssetExecutionContext) -> dict:
        return {"good": world.good[context.partition_key.keys_by_dimension["division"]]}

    @dg.asset_check(asset=key(REPORT), name=GATE, blocking=True, partitions_def=PARTS.division_model_cutoffs)
    def gate(leakage_report: dict) -> dg.AssetCheckResult:
        world.meanwhile()
        if world.crash:
            raise RuntimeError("the check broke")
        return dg.AssetCheckResult(passed=leakage_report["good"], severity=world.severity, description="fold 2 leaks")

    @dg.asset_check(asset=key(REPORT), name=ADVICE, partitions_def=PARTS.division_model_cutoffs)
    def advice(leakage_report: dict) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)

    @dg.asset(
        key=key(RANKING),
        partitions_def=PARTS.model_cutoffs,
        ins={
            "reports": dg.AssetIn(
                key(REPORT),
                partition_mapping=PARTS.every_division,
                metadata={"on_closed": on_closed} if on_closed != "fail" else None,
            )
        },
    )
    def ranking(reports: dict[str, dict]) -> dict:
        return {"divisions": sorted(reports)}

    return Tiny([leakage_report, ranking], [gate, advice], root, instance)


@pytest.fixture
def tiny(world: World, tmp_path: Path) -> Iterator[Tiny]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield graph(world, tmp_path, instance)


def states(tiny: Tiny, *partitions: str) -> dict[str | None, str]:
    return {g.partition: g.state for g in tiny.gates.closed(tiny.instance, key(REPORT), partitions or (A, B))}


def both(tiny: Tiny, **how: Any) -> None:
    for partition in (A, B):
        tiny.launch(REPORT, partition=partition, **how)


def test_only_blocking_checks_are_gates(tiny: Tiny) -> None:
    assert dict(tiny.gates.blocking) == {key(REPORT): [dg.AssetCheckKey(key(REPORT), GATE)]}


def test_a_registry_nobody_made_opens_nothing() -> None:
    with pytest.raises(dg.DagsterInvariantViolationError, match="load gosales_assets"):
        gates_of("no such definitions")


def test_passed_gates_open_and_a_warning_beside_them_does_not_matter(tiny: Tiny) -> None:
    both(tiny)
    assert states(tiny) == {}
    result = tiny.launch(RANKING, partition=CUTOFF)
    assert result.success
    assert result.output_for_node("whitespace__whitespace_metrics") == {"divisions": [A, B]}


@pytest.fixture(params=["in memory", "on disk"])
def instance(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An instance in memory, and one with the storages the project ships."""
    if request.param == "in memory":
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
        return
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    shutil.copyfile(Path(__file__).parents[2] / "dagster.yaml", home / "dagster.yaml")
    with dg.DagsterInstance.get() as instance:
        from gosales_assets.defs.eventlog import EventLog, Runs

        assert isinstance(instance.event_log_storage, EventLog)
        assert isinstance(instance.run_storage, Runs)
        yield instance


def test_a_failed_gate_refuses_a_separate_run_until_it_is_repaired(
    world: World, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    tiny = graph(world, tmp_path / "files", instance)
    world.good["b"] = False
    assert tiny.launch(REPORT, partition=A).success
    assert not tiny.launch(REPORT, partition=B).success
    # Dagster alone would let this through: the materialization is there.
    assert instance.get_materialized_partitions(key(REPORT)) == {A, B}
    refused = tiny.launch(RANKING, partition=CUTOFF)
    said = reason(refused)
    assert said.startswith(f"gate closed: leakage/leakage_report:gate_leakage {B} FAILED: fold 2 leaks.")
    assert "materialize leakage/leakage_report again" in said
    assert A not in said
    assert instance.get_materialized_partitions(key(RANKING)) == set()
    assert tiny.store.find(_artifact(RANKING)) == []
    world.good["b"] = True
    assert tiny.launch(REPORT, partition=B).success
    assert tiny.launch(RANKING, partition=CUTOFF).success
    # A later failure shuts it again, and the list of before stays.
    world.good["b"] = False
    tiny.launch(REPORT, partition=B)
    assert "FAILED" in reason(tiny.launch(RANKING, partition=CUTOFF))
    assert tiny.store.read(_artifact(RANKING), CUTOFF) == {"divisions": [A, B]}


def _artifact(name: str) -> Any:
    from gosales_assets.catalog import CATALOG

    return CATALOG[name]


def test_what_was_never_judged_is_shut(tiny: Tiny) -> None:
    tiny.launch(REPORT, partition=A)
    tiny.launch(REPORT, partition=B, checks=False)
    assert states(tiny) == {B: "MISSING"}
    assert f"{B} MISSING" in reason(tiny.launch(RANKING, partition=CUTOFF))


def test_a_verdict_on_earlier_bytes_does_not_count(tiny: Tiny) -> None:
    both(tiny)
    tiny.launch(REPORT, partition=B, checks=False)
    assert states(tiny) == {B: "STALE"}
    # Judged again, alone, it is current.
    assert tiny.judge(REPORT, GATE, B).success
    assert states(tiny) == {}


def test_the_check_itself_may_load_what_it_has_yet_to_judge(tiny: Tiny) -> None:
    tiny.launch(REPORT, partition=A, checks=False)
    assert states(tiny, A) == {A: "MISSING"}
    assert tiny.judge(REPORT, GATE, A).success


def test_a_check_that_broke_is_no_pass(tiny: Tiny, world: World) -> None:
    both(tiny)
    world.crash = True
    tiny.judge(REPORT, GATE, B)
    assert set(states(tiny)) == {B}
    assert "its last execution did not finish" in reason(tiny.launch(RANKING, partition=CUTOFF))


def test_while_a_gate_is_being_judged_it_is_shut(tiny: Tiny, world: World) -> None:
    both(tiny)
    seen: list[dict[str | None, str]] = []
    world.meanwhile = lambda: seen.append(states(tiny))
    tiny.launch(REPORT, partition=B)
    assert [set(s) for s in seen] == [{B}]
    assert states(tiny) == {}


def test_a_check_of_one_partition_says_nothing_of_another(tiny: Tiny, world: World) -> None:
    world.good["a"] = False
    both(tiny)
    assert states(tiny, B) == {}
    assert states(tiny) == {A: "FAILED"}


def test_a_failure_of_severity_warn_does_not_block(tiny: Tiny, world: World) -> None:
    world.good["b"], world.severity = False, dg.AssetCheckSeverity.WARN
    both(tiny)
    assert states(tiny) == {}
    assert tiny.launch(RANKING, partition=CUTOFF).success


def test_a_closed_gate_may_leave_its_partition_out_instead(world: World, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tiny = graph(world, tmp_path, instance, on_closed="exclude")
        world.good["b"] = False
        both(tiny)
        result = tiny.launch(RANKING, partition=CUTOFF)
        assert result.success
        assert result.output_for_node("whitespace__whitespace_metrics") == {"divisions": [A]}


# --- waivers


def waive(tiny: Tiny, partition: str, until: str) -> None:
    tiny.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key(REPORT),
            check_name=GATE,
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            partition=partition,
            metadata={"waived_by": "an operator", "why": "a known customer", "waived_until": until},
        )
    )


def day(offset: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=offset)).isoformat()


def test_a_waiver_opens_one_partition_until_its_last_day(
    tiny: Tiny, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.good = {"a": False, "b": False}
    both(tiny)
    waive(tiny, B, day(2))
    assert states(tiny) == {A: "FAILED"}
    waive(tiny, A, day(4))
    assert tiny.launch(RANKING, partition=CUTOFF).success

    class InThreeDays(date):
        @classmethod
        def today(cls) -> date:
            return date.fromisoformat(day(3))

    monkeypatch.setattr("gosales_assets.defs.guard.date", InThreeDays)
    assert states(tiny) == {B: "FAILED"}
    assert f"its waiver ended on {day(2)}" in reason(tiny.launch(RANKING, partition=CUTOFF))


def test_a_waiver_ends_with_the_next_verdict(tiny: Tiny, world: World) -> None:
    world.good["b"] = False
    both(tiny)
    waive(tiny, B, day(2))
    assert states(tiny) == {}
    tiny.launch(REPORT, partition=B)
    assert states(tiny) == {B: "FAILED"}


def test_a_waiver_is_for_the_bytes_it_was_given_for(tiny: Tiny, world: World) -> None:
    world.good["b"] = False
    both(tiny)
    waive(tiny, B, day(2))
    tiny.launch(REPORT, partition=B, checks=False)
    assert states(tiny) == {B: "STALE"}


def test_a_waiver_given_in_a_run_of_its_own_ends_too(tiny: Tiny, world: World) -> None:
    """As a second waiver must be: see the test below."""
    world.good["b"] = False
    both(tiny)
    until = day(2)

    @dg.op(out={})
    def give() -> Iterator[dg.AssetCheckEvaluation]:
        about = {"waived_until": until}
        yield dg.AssetCheckEvaluation(asset_key=key(REPORT), check_name=GATE, passed=True, partition=B, metadata=about)

    job = dg.GraphDefinition(name="waiver", node_defs=[give])
    assert job.execute_in_process(instance=tiny.instance).success
    assert states(tiny) == {}
    until = day(-1)
    assert job.execute_in_process(instance=tiny.instance).success
    assert states(tiny) == {B: "FAILED"}


def test_a_file_reported_without_a_run_is_not_what_a_waiver_was_given_for(tiny: Tiny) -> None:
    """Neither has a run; that makes the one no judge of the other."""
    both(tiny)
    waive(tiny, B, day(2))
    tiny.instance.report_runless_asset_event(dg.AssetMaterialization(key(REPORT), partition=B))
    assert states(tiny) == {B: "STALE"}


def test_this_dagster_takes_one_evaluation_without_a_run_per_partition(tiny: Tiny) -> None:
    """A second waiver of a partition must carry a run of its own; when this fails, it need not any more."""
    both(tiny)
    waive(tiny, B, day(1))
    with pytest.raises(IntegrityError):
        waive(tiny, B, day(2))


# --- assets without partitions


def test_a_check_without_partitions_in_a_run_with_one_counts(tmp_path: Path) -> None:
    """Such a check records no target: it counts when it is newer than the materialization."""
    state = {"good": True}

    @dg.asset(key=key(STAR))
    def checksums() -> dict:
        return {"fact": "1"}

    @dg.asset_check(asset=key(STAR), name=BALANCE, blocking=True)
    def balance(checksums: dict) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=state["good"], description="a cent is missing")

    @dg.asset(key=key(REPORT), partitions_def=PARTS.division_model_cutoffs, ins={"star": dg.AssetIn(key(STAR))})
    def report(star: dict) -> dict:
        return star

    with dg.DagsterInstance.ephemeral() as instance:
        tiny = Tiny([checksums, report], [balance], tmp_path, instance)
        assert tiny.launch(STAR, REPORT, partition=A).success
        assert tiny.gates.closed(instance, key(STAR), None) == []
        assert tiny.launch(STAR, checks=False).success
        assert [g.state for g in tiny.gates.closed(instance, key(STAR), None)] == ["STALE"]
        state["good"] = False
        assert not tiny.launch(STAR).success
        said = reason(tiny.launch(REPORT, partition=A))
        assert said.startswith("gate closed: star/checksums:contract_conservation FAILED: a cent is missing.")
        state["good"] = True
        assert tiny.launch(STAR).success
        assert tiny.launch(REPORT, partition=A).success
