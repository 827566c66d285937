"""The storages of the default instance, held against those of Dagster that they replace."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

from gosales_assets.defs.eventlog import EventLog
from gosales_assets_tests.defs.graphs import CUTOFF, PARTS, A, B, Tiny, key
from gosales_assets_tests.e2e.conftest import instance_at

REPORT, RANKING, STAR = "leakage/leakage_report", "whitespace/whitespace_metrics", "star/checksums"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """Assets with partitions and without; checks that passed, failed, broke and were given by hand."""
    parts = PARTS.division_model_cutoffs

    @dg.asset(key=key(STAR))
    def checksums() -> dict:
        return {"fact": "1"}

    @dg.asset_check(asset=key(STAR), name="balance", blocking=True)
    def balance(checksums: dict) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset(key=key(REPORT), partitions_def=parts, ins={"star": dg.AssetIn(key(STAR))})
    def report(star: dict) -> dict:
        return star

    @dg.asset_check(asset=key(REPORT), name="gate", blocking=True, partitions_def=parts)
    def gate(context: dg.AssetCheckExecutionContext, report: dict) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=context.partition_key != B, metadata={"rows": 3})

    @dg.asset_check(asset=key(REPORT), name="advice", partitions_def=parts)
    def advice(report: dict) -> dg.AssetCheckResult:
        raise RuntimeError("the check broke")

    @dg.asset(
        key=key(RANKING),
        partitions_def=PARTS.model_cutoffs,
        ins={"reports": dg.AssetIn(key(REPORT), partition_mapping=PARTS.every_division)},
    )
    def ranking(reports: dict[str, dict]) -> dict:
        return {"divisions": sorted(reports)}

    root = tmp_path_factory.mktemp("eventlog")
    instance = instance_at(root / "home")
    tiny = Tiny([checksums, report, ranking], [balance, gate, advice], root / "files", instance)
    assert tiny.launch(STAR).success
    for partition in (A, B, A):
        tiny.launch(REPORT, partition=partition)
    given = dg.AssetCheckEvaluation(asset_key=key(REPORT), check_name="gate", passed=True, partition=B)
    instance.report_runless_asset_event(given)
    assert tiny.launch(STAR, checks=False).success
    assert tiny.launch(RANKING, partition=CUTOFF).success
    yield tiny
    instance.dispose()


def log_of(tiny: Tiny) -> EventLog:
    log = tiny.instance.event_log_storage
    assert isinstance(log, EventLog)
    return log


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything in an event log, but when its rows were written."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {name: [dict(r) for r in connection.execute(f"SELECT * FROM {name}")] for name in names}
    times = {"create_timestamp", "migration_completed"}
    return {name: [{k: v for k, v in r.items() if k not in times} for r in found] for name, found in rows.items()}


def test_what_is_stored_is_what_dagster_stores(tiny: Tiny, tmp_path: Path) -> None:
    """Every event given to Dagster's own storage in the same order makes the same rows of every table."""
    theirs = ConsolidatedSqliteEventLogStorage(str(tmp_path))
    log = log_of(tiny)
    events = log.get_logs_for_all_runs_by_log_id()
    assert {e.dagster_event_type for e in events.values()} >= {
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.STEP_FAILURE,
    }
    for event in events.values():
        theirs.store_event(event)
    mine, other = tables(Path(log.get_db_path())), tables(Path(theirs.get_db_path()))
    assert len(mine["event_logs"]) == len(events) > 100
    assert len(mine["asset_check_executions"]) >= 8
    assert mine.keys() == other.keys()
    for name in mine:
        assert mine[name] == other[name], name


def verdicts(storage: type[Any], log: EventLog, *asked: Any) -> list[Any]:
    found = storage.get_asset_check_partition_info(log, *asked)
    return sorted(found, key=lambda i: (i.check_key.name, i.partition_key or ""))


ON_REPORT = [dg.AssetCheckKey(key(REPORT), name) for name in ("gate", "advice")]
ON_STAR = [dg.AssetCheckKey(key(STAR), "balance")]


@pytest.mark.parametrize(
    ("checks", "partitions", "rows"),
    [
        (ON_REPORT, None, 4),
        (ON_REPORT, [A, B], 4),
        (ON_REPORT[:1], [B], 1),
        (ON_REPORT, [], 0),
        (ON_REPORT, ["2023-12-31|nobody"], 0),
        (ON_STAR, None, 1),
        ([dg.AssetCheckKey(key(STAR), "no such check")], None, 0),
        ([dg.AssetCheckKey(key("no/asset"), "gate")], None, 0),
        (ON_REPORT + ON_STAR, None, 5),
    ],
)
def test_verdicts_are_what_dagster_says(
    tiny: Tiny, checks: list[dg.AssetCheckKey], partitions: list[str] | None, rows: int
) -> None:
    mine = verdicts(EventLog, log_of(tiny), checks, None, partitions)
    assert mine == verdicts(ConsolidatedSqliteEventLogStorage, log_of(tiny), checks, None, partitions)
    assert len(mine) == rows


def test_the_runs_of_events_are_what_the_events_say(tiny: Tiny) -> None:
    log = log_of(tiny)
    records = tiny.instance.fetch_materializations(key(REPORT), limit=100).records
    assert len({r.run_id for r in records}) == len(records) >= 3
    assert log.run_ids([r.storage_id for r in records]) == {r.storage_id: r.run_id for r in records}
    assert log.run_ids([10**9]) == log.run_ids([]) == {}


def test_verdicts_of_an_asset_made_as_a_whole_after_its_partitions_are_what_dagster_says(tmp_path: Path) -> None:
    instance = instance_at(tmp_path)
    check = dg.AssetCheckKey(key(REPORT), "gate")
    for partition in (A, B, None):
        instance.report_runless_asset_event(dg.AssetMaterialization(key(REPORT), partition=partition))
        given = dg.AssetCheckEvaluation(asset_key=key(REPORT), check_name="gate", passed=True, partition=partition)
        instance.report_runless_asset_event(given)
        log = instance.event_log_storage
        mine = verdicts(EventLog, log, [check])
        assert mine == verdicts(ConsolidatedSqliteEventLogStorage, log, [check])
    assert len({i.latest_materialization_storage_id for i in mine}) == 1
    # After a wipe, nothing of before counts.
    instance.wipe_assets([key(REPORT)])
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=key(REPORT), check_name="gate", passed=True, partition=A)
    )
    mine = verdicts(EventLog, log, [check])
    assert mine == verdicts(ConsolidatedSqliteEventLogStorage, log, [check])
    assert [i.latest_materialization_storage_id for i in mine] == [None]
    instance.dispose()


def test_an_event_is_stored_with_all_that_follows_from_it_or_not_at_all(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(tiny)
    before = tables(Path(log.get_db_path()))

    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(EventLog, "_store_asset_event", broken)
    with pytest.raises(OSError, match="disk is full"):
        tiny.instance.report_runless_asset_event(dg.AssetMaterialization(key(STAR), tags={"a": "b"}))
    monkeypatch.undo()
    assert tables(Path(log.get_db_path())) == before
    # The storage is usable afterwards.
    assert len(log.get_asset_check_partition_info(ON_STAR)) == 1
