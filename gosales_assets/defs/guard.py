"""The gate guard: a failed blocking check stops what is downstream, on every road.

Dagster stops downstream steps of the *same run* when a blocking check fails. A later run, a backfill edge that changes
partitions and a single-run ranged backfill look at the materialization only. The guard stands where every road passes:
in the loading of an input. It asks the instance for the latest result of every blocking check of the partition being
loaded and refuses when one failed, is missing, or judged other bytes.

Belongs here: the calls into the event log that have no public wrapper; a contract test holds them to this Dagster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus, AssetCheckPartitionInfo

from gosales_assets.defs.eventlog import EventLog

_SUCCEEDED = AssetCheckExecutionRecordStatus.SUCCEEDED
_FAILED = AssetCheckExecutionRecordStatus.FAILED


@dataclass(frozen=True)
class ClosedGate:
    """One check of one partition that does not let its asset be read."""

    check: dg.AssetCheckKey
    partition: str | None
    state: str
    reason: str

    def __str__(self) -> str:
        where = f" {self.partition}" if self.partition else ""
        because = f": {self.reason}" if self.reason else ""
        return f"{self.check.asset_key.to_user_string()}:{self.check.name}{where} {self.state}{because}"


@dataclass
class GateRegistry:
    """Which checks gate which asset.

    Filled from the full Definitions, because the graph of a job lacks the checks outside its selection.
    """

    blocking: dict[dg.AssetKey, list[dg.AssetCheckKey]] = field(default_factory=lambda: defaultdict(list))

    def register(self, graph: object) -> None:
        """Read the blocking checks off a resolved asset graph."""
        self.blocking.clear()
        for key in graph.asset_check_keys:  # type: ignore[attr-defined]
            if graph.get(key).blocking:  # type: ignore[attr-defined]
                self.blocking[key.asset_key].append(key)

    def closed(
        self, instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str] | None
    ) -> list[ClosedGate]:
        """The gates of an asset that are shut.

        Parameters
        ----------
        instance
            Where results are recorded.
        asset
            The asset about to be read.
        partitions
            Its partitions about to be read; None when it has none.
        """
        checks = self.blocking.get(asset)
        if not checks:
            return []
        infos = {
            (i.check_key, i.partition_key): i
            for i in instance.event_log_storage.get_asset_check_partition_info(
                checks, partition_keys=list(partitions) if partitions is not None else None
            )
        }
        wanted: Sequence[str | None] = partitions if partitions is not None else (None,)
        found = {(check, p): infos.get((check, p)) for p in wanted for check in checks}
        makers = _makers(instance, asset, [i for i in found.values() if i])
        said = _evaluations(instance, [i for i in found.values() if i and _must_be_read(i, makers)])
        gates = (_judge(check, p, info, said, makers) for (check, p), info in found.items())
        return [gate for gate in gates if gate]

    def require_open(self, instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str] | None) -> None:
        """Raise when a gate of the asset is shut.

        Raises
        ------
        dagster.Failure
            Naming asset, check, partition, and what to do. Not retried: the same bytes would be refused again.
        """
        if closed := self.closed(instance, asset, partitions):
            raise dg.Failure(
                description="gate closed: "
                + "; ".join(map(str, closed))
                + f". Repair what the check names, materialize {asset.to_user_string()} again, then launch this.",
                metadata={"gates": dg.MetadataValue.json([str(gate) for gate in closed])},
                allow_retries=False,
            )


def _must_be_read(info: AssetCheckPartitionInfo, makers: Mapping[int | None, str]) -> bool:
    """Whether what a finished check said decides, beyond that it passed.

    A failure may be a warning. A pass may be a waiver, which has a last day: somebody gives it after a run has made the
    file, so that a pass of the very run that made it is none.
    """
    if info.latest_execution_status == _SUCCEEDED:
        return info.latest_planned_run_id != makers.get(info.latest_materialization_storage_id)
    return info.latest_execution_status == _FAILED


def _evaluations(
    instance: dg.DagsterInstance, infos: Sequence[AssetCheckPartitionInfo]
) -> dict[int, dg.AssetCheckEvaluation]:
    """What was said in executions, by the storage id of their last event."""
    if not infos:
        return {}
    ids = [i.latest_check_event_storage_id for i in infos]
    records = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, storage_ids=ids), limit=len(ids)
    )
    events = {r.storage_id: r.event_log_entry.get_dagster_event() for r in records}
    return {i: event.asset_check_evaluation_data for i, event in events.items()}


def _makers(
    instance: dg.DagsterInstance, asset: dg.AssetKey, infos: Sequence[AssetCheckPartitionInfo]
) -> Mapping[int | None, str]:
    """The runs that made materializations of an asset, by storage id; what was reported without a run has no maker."""
    ids = sorted({i for i in (info.latest_materialization_storage_id for info in infos) if i is not None})
    if not ids:
        return {}
    storage = instance.event_log_storage
    if isinstance(storage, EventLog):
        runs = storage.run_ids(ids)
    else:
        found = dg.AssetRecordsFilter(asset_key=asset, storage_ids=ids)
        runs = {r.storage_id: r.run_id for r in instance.fetch_materializations(found, limit=len(ids)).records}
    return {made: run for made, run in runs.items() if run != RUNLESS_RUN_ID}


def _judge(
    check: dg.AssetCheckKey,
    partition: str | None,
    info: AssetCheckPartitionInfo | None,
    said: Mapping[int, dg.AssetCheckEvaluation],
    makers: Mapping[int | None, str],
) -> ClosedGate | None:
    """The closed gate a check makes for one partition; None when it is open.

    Parameters
    ----------
    info
        Status and targets of the check's last execution; None when it never ran.
    said
        What executions said, of those for which it decides.
    makers
        The runs that made materializations.
    """
    if info is None:
        return ClosedGate(check, partition, "MISSING", "it was never judged")
    if info.latest_execution_status not in (_SUCCEEDED, _FAILED):
        return ClosedGate(check, partition, info.latest_execution_status.value, "its last execution did not finish")
    if _must_be_read(info, makers):
        evaluation = said.get(info.latest_check_event_storage_id)
        if evaluation is None:
            return ClosedGate(check, partition, info.latest_execution_status.value, "what it said is gone")
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            return ClosedGate(check, partition, "FAILED", evaluation.description or "")
        if (gate := _expired(check, partition, evaluation)) is not None:
            return gate
    if is_current(info, makers.get(info.latest_materialization_storage_id)):
        return None
    return ClosedGate(check, partition, "STALE", "it judged an earlier materialization")


def is_current(info: AssetCheckPartitionInfo, maker: str | None) -> bool:
    """Whether a check's last execution is later than, or part of, the making of what is stored.

    A check inside a stage's step is recorded before its materialization, so that it targets the one before: it counts
    when the run that judged is the run that made. One without a target (an unpartitioned check in a partitioned run)
    counts when it is newer.
    """
    judged_by_maker = maker is not None and info.latest_planned_run_id == maker
    untargeted = info.latest_target_materialization_storage_id is None
    newer = info.latest_check_event_storage_id > (info.latest_materialization_storage_id or 0)
    return judged_by_maker or info.is_current or (untargeted and newer)


def _expired(check: dg.AssetCheckKey, partition: str | None, evaluation: dg.AssetCheckEvaluation) -> ClosedGate | None:
    """A waiver names its last day in the metadata of the evaluation that opened the gate."""
    until = evaluation.metadata.get("waived_until")
    if until is None:
        return None
    last_day = date.fromisoformat(str(until.value))
    if last_day < date.today():  # noqa: DTZ011 - expiry of a permission, not a computed value
        return ClosedGate(check, partition, "FAILED", f"its waiver ended on {last_day}")
    return None


_REGISTRIES: dict[str, GateRegistry] = {}


def register_gates(name: str, graph: object) -> None:
    """Keep the registry of one set of Definitions under a name; building them again replaces it."""
    _REGISTRIES.setdefault(name, GateRegistry()).register(graph)


def gates_of(name: str) -> GateRegistry:
    """The registry of that name.

    Raises
    ------
    dagster.DagsterInvariantViolationError
        When the definitions it belongs to were never built in this process: no gate could then be judged.
    """
    if name not in _REGISTRIES:
        raise dg.DagsterInvariantViolationError(
            f"no gates are registered as {name!r}; load gosales_assets.definitions first"
        )
    return _REGISTRIES[name]
