"""Materialize what is asked and stale, each partition after all it reads.

Belongs here: the order of partitions, the comparison of recorded versions with the present ones, and the loop of runs.
There is no cache of our own: what is compared are the code and data versions Dagster recorded with every
materialization, read in bulk. Does not belong here: how a run is launched (`launch`), printing, and anything an asset
computes.

A run is one partition of one run group (`automation.run_groups`). Inside a run group only stale assets are
materialized; what becomes stale by that follows in another run, so that a re-run to the same bytes spares everything
behind it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus, AssetCheckPartitionInfo

from gosales_assets.catalog import Artifact
from gosales_assets.defs.assets.sources import RAW, observe, raw_key
from gosales_assets.defs.guard import gates_of, is_current
from gosales_assets.defs.partitions import cutoff_key
from gosales_assets.defs.stage import Platform, asset_key
from gosales_assets.defs.storage import ArtifactStore
from gosales_assets.launch import Launched, Launcher, Team, Unit
from gosales_assets.settings import Settings

#: What Dagster records for an input that was never materialized or observed.
_NEVER = "INITIAL"

_SUCCEEDED = AssetCheckExecutionRecordStatus.SUCCEEDED
_FAILED = AssetCheckExecutionRecordStatus.FAILED


@dataclass(frozen=True)
class Stop:
    """Why a run ended early."""

    unit: Unit
    run_id: str
    reason: str


@dataclass
class Outcome:
    """What `Runner.run` did."""

    units: int = 0
    launched: int = 0
    materialized: int = 0
    stopped: Stop | None = None
    left_out: list[Stop] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """What was recorded with the latest materialization of a partition."""

    storage_id: int
    run_id: str
    tags: Mapping[str, str]

    @property
    def data_version(self) -> str:
        return self.tags.get(DATA_VERSION_TAG, _NEVER)


class Ledger:
    """The latest materialization of every partition, read in two queries per asset."""

    def __init__(self, instance: dg.DagsterInstance, artifacts: Iterable[Artifact]) -> None:
        self._instance = instance
        self._records: dict[dg.AssetKey, dict[str | None, Record]] = {}
        for artifact in artifacts:
            self._records[asset_key(artifact)] = self._fetch(
                asset_key(artifact), partitioned=artifact.grain != "snapshot"
            )

    def _fetch(self, key: dg.AssetKey, *, partitioned: bool) -> dict[str | None, Record]:
        if not partitioned:
            latest = self._instance.fetch_materializations(key, limit=1).records
            return {None: _record(latest[0])} if latest else {}
        ids = self._instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        wanted = sorted(ids.values())
        found: dict[str | None, Record] = {}
        for start in range(0, len(wanted), 500):
            chunk = wanted[start : start + 500]
            records = self._instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk), limit=len(chunk)
            ).records
            found.update({r.partition_key: _record(r) for r in records})
        return found

    def note(self, run_id: str) -> int:
        """Take in the materializations of a run that has just ended; returns how many."""
        records = self._instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        for record in records:
            assert record.asset_key is not None
            self._records.setdefault(record.asset_key, {})[record.partition_key] = _record(record)
        return len(records)

    def get(self, key: dg.AssetKey, partition: str | None) -> Record | None:
        return self._records.get(key, {}).get(partition)

    def of(self, key: dg.AssetKey) -> Mapping[str | None, Record]:
        return self._records.get(key, {})


def _record(record: dg.EventLogRecord) -> Record:
    materialization = record.asset_materialization
    assert materialization is not None
    return Record(record.storage_id, record.run_id, materialization.tags or {})


def _judged(info: AssetCheckPartitionInfo | None, record: Record) -> bool:
    """Whether a check has said something about the file of a record."""
    if info is None or info.latest_execution_status not in (_SUCCEEDED, _FAILED):
        return False
    if info.latest_execution_status == _FAILED:
        return info.latest_planned_run_id == record.run_id
    return is_current(info, record.run_id)


class _Order:
    """Whose turn it is: of the units whose inputs are made, the first in the order of the plan."""

    def __init__(self, units: Sequence[Unit], needs: Mapping[Unit, set[Unit]]) -> None:
        self.place = {unit: i for i, unit in enumerate(units)}
        self._units = units
        self._sorter = TopologicalSorter(needs)
        self._sorter.prepare()
        self._due: list[int] = []

    def has_next(self) -> bool:
        for unit in self._sorter.get_ready():
            heappush(self._due, self.place[unit])
        return bool(self._due)

    def next(self) -> Unit:
        """Take the unit; it is not offered again."""
        return self._units[heappop(self._due)]

    def done(self, unit: Unit) -> None:
        self._sorter.done(unit)


class Runner:
    """Runs the graph of one configuration in one instance.

    Parameters
    ----------
    settings
        The settings in force.
    instance
        Where runs are recorded.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings = settings
        self.platform = Platform(settings)
        self.instance = instance
        self.launcher = Launcher(settings, instance)
        self.graph = self.launcher.definitions.resolve_asset_graph()
        self.groups = self.launcher.groups
        #: Partition sets are resolved at one moment, so that a plan cannot change while it runs.
        self.moment = datetime.now(UTC)
        self.store = ArtifactStore(settings.artifact_root)
        self.ledger = Ledger(instance, (a for group in self.groups.values() for a in group))
        self._raw: dict[dg.AssetKey, str] = {}
        self._keys: dict[tuple[Any, ...], list[str]] = {}
        self._unjudged = self._find_unjudged()

    # --- the plan

    def plan(self, divisions: Sequence[str] = (), cutoffs: Sequence[str] = ()) -> list[Unit]:
        """The units of the asked partitions, in dependency order.

        Parameters
        ----------
        divisions, cutoffs
            Slugs and cutoff keys; empty asks for all that the settings define. The history a model at an asked cutoff
            learns from is included. Rankings and roll-ups span all divisions: left out when only some are asked.

        Raises
        ------
        ValueError
            When a division or cutoff is not among the partitions.
        """
        p = self.platform.partitions
        slugs = list(divisions) or list(p.slugs)
        if unknown := [d for d in slugs if d not in p.slugs]:
            raise ValueError(f"division {unknown[0]!r} is not among the partitions: {', '.join(p.slugs)}")
        with partition_loading_context(effective_dt=self.moment):
            every, modelled, validated = (
                s.get_partition_keys() for s in (p.cutoffs, p.model_cutoffs, p.validation_cutoffs)
            )
        asked = list(cutoffs) or every
        if unknown := [c for c in asked if c not in every]:
            raise ValueError(f"cutoff {unknown[0]!r} is not among the partitions: {', '.join(every)}")
        history = {
            cutoff_key(h) for c in asked for h in self.settings.calendar.history(datetime.fromisoformat(c).date())
        }
        whole = set(slugs) == set(p.slugs)
        units = [Unit("star", None)]
        for cutoff in every:
            if cutoff in asked or cutoff in history:
                units.append(Unit("customer_base", cutoff))
                units += [Unit("labels_features", f"{cutoff}|{d}") for d in slugs]
            if cutoff in asked and cutoff in modelled:
                units += [Unit("models_scores", f"{cutoff}|{d}") for d in slugs]
                units += [Unit("whitespace", cutoff)] if whole else []
            if cutoff in asked and cutoff in validated:
                units += [Unit("validation", f"{cutoff}|{d}") for d in slugs]
        units += [Unit("histories", d) for d in slugs]
        return [*units, Unit("delivery", None)] if whole else units

    # --- staleness

    def observe(self) -> None:
        """Record the versions of the external inputs, when they changed since they were last recorded."""
        for name in RAW:
            key, version = raw_key(name), observe(self.platform, name).value
            self._raw[key] = version
            latest = self.instance.fetch_observations(key, limit=1).records
            observation = latest[0].asset_observation if latest else None
            if observation is None or (observation.tags or {}).get(DATA_VERSION_TAG) != version:
                self.instance.report_runless_asset_event(dg.AssetObservation(key, tags={DATA_VERSION_TAG: version}))

    def stale(self, unit: Unit) -> dict[Artifact, str]:
        """The assets of a unit that are not what their code and inputs would make now, with the reason."""
        if not self._raw:
            self.observe()
        reasons = ((a, self._why_stale(a, unit.partition)) for a in self.groups[unit.group])
        return {artifact: reason for artifact, reason in reasons if reason}

    def _why_stale(self, artifact: Artifact, partition: str | None) -> str | None:
        key = asset_key(artifact)
        record = self.ledger.get(key, partition)
        if record is None:
            return "never materialized"
        if (key, partition) in self._unjudged:
            return "no blocking check has judged what is stored"
        if not self.store.exists(artifact, partition):
            return "its file is gone"
        if artifact.picture and not self.store.picture_path(artifact, partition).exists():
            return "its picture is gone"
        node = self.graph.get(key)
        if record.tags.get(CODE_VERSION_TAG) != node.code_version:
            return "its code or settings changed"
        for parent in sorted(node.parent_keys):
            if reason := self._why_input_changed(record, key, partition, parent):
                return reason
        return None

    def _why_input_changed(
        self, record: Record, key: dg.AssetKey, partition: str | None, parent: dg.AssetKey
    ) -> str | None:
        recorded = record.tags.get(get_input_data_version_tag(parent))
        name = parent.to_user_string()
        if parent in self._raw:
            return None if recorded == self._raw[parent] else f"{name} changed"
        known = self.ledger.of(parent)
        if not known:
            return None if recorded in (None, _NEVER) else f"{name} is gone"
        if None in known:
            return None if recorded == known[None].data_version else f"{name} changed"
        keys = self._parent_keys(key, partition, parent)
        if len(keys) >= SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD:
            # Fan-ins this wide are not tracked by version: re-run when any partition is newer.
            pointer = record.tags.get(get_input_event_pointer_tag(parent), "")
            newest = max(r.storage_id for r in known.values())
            return None if pointer.isdigit() and int(pointer) >= newest else f"{name} has newer partitions"
        present = [known[k].data_version for k in sorted(keys) if k in known]
        if not present and recorded in (None, _NEVER):
            return None  # none of these partitions existed then, and none does now, though others do
        return None if recorded == hashlib.sha256("".join(present).encode()).hexdigest() else f"{name} changed"

    def _parent_keys(self, key: dg.AssetKey, partition: str | None, parent: dg.AssetKey) -> list[str]:
        """Partitions of a parent that a partition of a child reads, by the declared mapping."""
        # By identity: the outputs of a stage share these objects, and the graph keeps them alive.
        child, upstream = self.graph.get(key), self.graph.get(parent)
        mapping = child.partition_mappings.get(parent)
        memo = (id(child.partitions_def), id(upstream.partitions_def), id(mapping), partition)
        if memo not in self._keys:
            with partition_loading_context(effective_dt=self.moment):
                found = self.graph.get_parent_partition_keys_for_child(partition, parent, key)
                self._keys[memo] = list(found.partitions_subset.get_partition_keys())
        return self._keys[memo]

    def _find_unjudged(self) -> set[tuple[dg.AssetKey, str | None]]:
        """Materialized partitions whose last verdict is not on what is stored.

        A process died in between, somebody materialized without the checks, or a later run made something that failed
        its contract and was not published: the gate is then shut although the stored file is as before.
        """
        storage = self.instance.event_log_storage
        unjudged: set[tuple[dg.AssetKey, str | None]] = set()
        for key, checks in gates_of(self.settings.digest()).blocking.items():
            if made := self.ledger.of(key):
                infos = {(i.check_key, i.partition_key): i for i in storage.get_asset_check_partition_info(checks)}
                unjudged |= {(key, p) for p, r in made.items() for c in checks if not _judged(infos.get((c, p)), r)}
        return unjudged

    # --- running

    def run(
        self,
        units: Sequence[Unit],
        *,
        force: bool = False,
        workers: int = 1,
        progress: Callable[[Unit, str], None] = lambda unit, state: None,
    ) -> Outcome:
        """Materialize what is stale in the units, each after all it reads, until one fails.

        With ``release.on_closed_gate: exclude`` a shut leakage gate does not end the run: its division is left out of
        what follows, and named in the outcome.

        Parameters
        ----------
        units
            From `plan`.
        force
            Materialize everything, stale or not.
        workers
            Runs at a time. What they make does not depend on it.
        progress
            Called with each unit and ``start``, ``fresh`` or ``done``.
        """
        outcome = Outcome(units=len(units))
        self.observe()
        order = _Order(units, self._needs(units))
        going: dict[Future[Launched], tuple[Unit, str, list[Artifact]]] = {}
        launches: Counter[Unit] = Counter()
        failed: list[Stop] = []

        with Team(self.launcher, workers) as team:

            def bring_up(unit: Unit, chosen: list[Artifact], fresh: str) -> None:
                if not chosen:
                    order.done(unit)
                    progress(unit, fresh)
                    return
                launches[unit] += 1
                if launches[unit] > len(self.groups[unit.group]) + 1:
                    raise RuntimeError(f"{unit}: {', '.join(a.id for a in chosen)} stay stale, run after run")
                alone = not (going or order.has_next())
                run_id, told = team.launch(unit, [a.id for a in chosen], self.moment, alone=alone)
                going[told] = (unit, run_id, chosen)

            if sum(self._is_new(unit) for unit in units) > 1:
                team.assemble()
            while True:
                while not failed and len(going) < team.size and order.has_next():
                    unit = order.next()
                    progress(unit, "start")
                    bring_up(unit, list(self.groups[unit.group] if force else self.stale(unit)), "fresh")
                if not going:
                    break
                for told in sorted(
                    wait(going, return_when=FIRST_COMPLETED).done, key=lambda f: order.place[going[f][0]]
                ):
                    unit, run_id, chosen = going.pop(told)
                    stop = self._take_in(outcome, unit, chosen, team.told(run_id, told))
                    if stop is not None:
                        failed.append(stop)
                    else:
                        bring_up(unit, [] if failed else list(self.stale(unit)), "done")
        outcome.stopped = min(failed, key=lambda stop: order.place[stop.unit], default=None)
        return outcome

    def _take_in(self, outcome: Outcome, unit: Unit, chosen: Sequence[Artifact], run: Launched) -> Stop | None:
        """Note what a run made, and whether it ends everything."""
        outcome.launched += 1
        outcome.run_ids.append(run.run_id)
        outcome.materialized += self.ledger.note(run.run_id)
        self._unjudged -= {(asset_key(a), unit.partition) for a in chosen}
        if run.failure is None:
            return None
        stop = Stop(unit, run.run_id, run.failure)
        if run.only_leakage and self.settings.release.on_closed_gate == "exclude":
            outcome.left_out.append(stop)
            return None
        return stop

    def _needs(self, units: Sequence[Unit]) -> dict[Unit, set[Unit]]:
        """The units that make what each unit reads."""
        known = set(units)
        group_of = {asset_key(a): name for name, artifacts in self.groups.items() for a in artifacts}
        return {unit: (self._read(unit, group_of) & known) - {unit} for unit in units}

    def _read(self, unit: Unit, group_of: Mapping[dg.AssetKey, str]) -> set[Unit]:
        read: set[Unit] = set()
        for key in map(asset_key, self.groups[unit.group]):
            for parent in self.graph.get(key).parent_keys & group_of.keys():
                whole = self.graph.get(parent).partitions_def is None
                keys = [None] if whole else self._parent_keys(key, unit.partition, parent)
                read |= {Unit(group_of[parent], p) for p in keys}
        return read

    def _is_new(self, unit: Unit) -> bool:
        return all(self.ledger.get(asset_key(a), unit.partition) is None for a in self.groups[unit.group])

    # --- status

    def closed_gates(self, unit: Unit) -> list[str]:
        """The gates shut in front of what reads this unit."""
        registry = gates_of(self.settings.digest())
        shut: list[str] = []
        for artifact in self.groups[unit.group]:
            key = asset_key(artifact)
            if self.ledger.get(key, unit.partition) is not None:
                partitions = [unit.partition] if unit.partition else None
                shut += [str(gate) for gate in registry.closed(self.instance, key, partitions)]
        return shut
