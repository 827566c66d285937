"""A small world, and how it is made of the whole graph in a real instance on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from gosales_assets.runner import Runner
from gosales_assets.settings import Settings

#: Two divisions, three cutoffs half a year apart: a history, a validation and a ranking, in seconds.
SMALL: dict[str, Any] = {
    "divisions": ["solidworks", "training"],
    "sources": {"sales_log": {"sample": {"customers": 500, "seed": 11}}},
    "timeline": {"first_cutoff": "2023-06-30", "last_cutoff": "2024-06-30", "training_cutoffs": 2},
    "modeling": {"folds": 3, "min_positive_customers": 10, "lgbm": {"n_estimators": 30}},
}

INSTANCE = {
    "event_log_storage": {"module": "gosales_assets.defs.eventlog", "class": "EventLog"},
    "run_storage": {"module": "gosales_assets.defs.eventlog", "class": "Runs"},
    "schedule_storage": {"module": "dagster._core.storage.schedules", "class": "SqliteScheduleStorage"},
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
    "telemetry": {"enabled": False},
}


def instance_at(home: Path) -> dg.DagsterInstance:
    """A real instance with the project's storages."""
    home.mkdir(parents=True, exist_ok=True)
    config = {k: dict(v) for k, v in INSTANCE.items()}
    for name in ("event_log_storage", "run_storage", "schedule_storage"):
        config[name]["config"] = {"base_dir": str(home)}
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    return dg.DagsterInstance.from_config(str(home))


def small(root: Path, **more: Any) -> Settings:
    """Settings of the small world under a root."""
    tree = {**SMALL, "artifact_root": str(root), **more}
    return Settings.load(environ={}, overrides=tree)


def build(root: Path, settings: Settings | None = None, but: Sequence[str] = ()) -> tuple[Runner, dg.DagsterInstance]:
    """Materialize everything under a root but some run groups; fails the test when it does not end well."""
    instance = instance_at(root / "home")
    runner = Runner(settings or small(root), instance)
    outcome = runner.run([unit for unit in runner.plan() if unit.group not in but])
    assert outcome.stopped is None, outcome.stopped
    return runner, instance


def contents(root: Path) -> dict[str, str]:
    """sha256 of every file but the settings in force, which name the run and the root."""
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != "config_resolved.yaml" and "home" not in p.relative_to(root).parts
    }
