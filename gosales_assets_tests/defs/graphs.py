"""Tiny graphs on catalogue keys, run with the real IO manager and the real gate registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from gosales_assets.defs.guard import GateRegistry, gates_of, register_gates
from gosales_assets.defs.partitions import Partitions
from gosales_assets.defs.storage import ArtifactIOManager, ArtifactStore
from gosales_assets.timeline import Calendar
from gosales_assets_tests.defs.conftest import QUIET

#: One model cutoff, two divisions.
PARTS = Partitions(Calendar(date(2023, 6, 30), date(2023, 12, 31), 6, 6), ("a", "b"))
CUTOFF = "2023-12-31"
A, B = f"{CUTOFF}|a", f"{CUTOFF}|b"

Selectable = dg.AssetsDefinition | dg.AssetChecksDefinition | dg.AssetSelection


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


@dataclass
class Tiny:
    """A graph in a folder and an instance."""

    assets: Sequence[Any]
    checks: Sequence[dg.AssetChecksDefinition]
    root: str | Path
    instance: dg.DagsterInstance
    config_resolved: str = ""
    name: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        manager = ArtifactIOManager(artifact_root=str(self.root), gates=self.name, config_resolved=self.config_resolved)
        self.definitions = dg.Definitions(
            assets=list(self.assets), asset_checks=list(self.checks), resources={"io_manager": manager}
        )
        register_gates(self.name, self.definitions.resolve_asset_graph())

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(self.root)

    @property
    def gates(self) -> GateRegistry:
        return gates_of(self.name)

    def launch(self, *selected: str, partition: str | None = None, checks: bool = True) -> dg.ExecuteInProcessResult:
        """Materialize assets, with their checks or without, in one run."""
        chosen: Any = dg.AssetSelection.assets(*map(key, selected))
        return self._run(chosen if checks else chosen.without_checks(), partition)

    def judge(self, asset: str, check: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
        """Execute one check alone."""
        chosen = dg.AssetSelection.checks(dg.AssetCheckKey(key(asset), check))
        # A run of checks alone takes its partition from tags only, as the UI sets them.
        tags = {"dagster/partition": partition} if partition else {}
        if partition and "|" in partition:
            cutoff, division = partition.split("|")
            tags |= {"dagster/partition/cutoff": cutoff, "dagster/partition/division": division}
        return self._run(chosen, None, tags)

    def _run(
        self, selection: dg.AssetSelection, partition: str | None, tags: dict[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        job = dg.define_asset_job("tiny", selection=selection)
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        return merged.resolve_job_def("tiny").execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, run_config=QUIET, raise_on_error=False
        )


def reason(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step said."""
    assert not result.success
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            assert data.error
            return (data.error.cause or data.error).message
    raise AssertionError("no step failed")
