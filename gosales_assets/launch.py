"""One run of one unit: in this process, or in one of several beside it.

Belongs here: launching, what is told of a run, and the processes. Does not belong here: what is stale, and which unit's
turn it is (`runner`).

Most of a run is the engine, and what is left is Python that keeps one processor busy. Runs beside each other need
processes of their own: the interpreter runs one thread of Python at a time, and Dagster stops a run by signals, which
only the first thread of a process gets. They share nothing but the Dagster instance and the files.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from multiprocessing import get_context
from types import TracebackType
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.instance.ref import InstanceRef

from gosales_assets.catalog import CATALOG
from gosales_assets.definitions import build_definitions
from gosales_assets.defs.automation import run_groups
from gosales_assets.defs.stage import asset_key
from gosales_assets.settings import Settings

#: More runs at a time than this wait for each other's cores: the engine uses them all.
MOST_WORKERS = 4

_DIED = (
    "a process ended in the middle of its run, or beside one that did, most likely killed for want of memory; what is "
    "published is whole. Try again with fewer runs at a time: --workers 1"
)

_ERROR = dg.AssetCheckSeverity.ERROR
_LEAKAGE = CATALOG["leakage/leakage_report"]

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Unit:
    """One partition of one run group."""

    group: str
    partition: str | None

    def __str__(self) -> str:
        return f"{self.group} {self.partition.replace('|', ' ')}" if self.partition else self.group


@dataclass(frozen=True)
class Launched:
    """What is told of a run.

    Attributes
    ----------
    failure
        Why it failed, in one paragraph; None when it did not.
    only_leakage
        Whether all that failed is the leakage gate of its partition.
    steps
        Steps that started.
    """

    run_id: str
    failure: str | None = None
    only_leakage: bool = False
    steps: int = 0


class Launcher:
    """Launches runs of one configuration in this process, and records them in an instance."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.definitions = build_definitions(settings)
        self.groups = run_groups()

    def launch(self, unit: Unit, chosen: Sequence[str], run_id: str, at: datetime) -> Launched:
        """Materialize artifacts of a unit, by id, in one run; partition sets are those of a moment."""
        job = self.definitions.resolve_job_def(unit.group)
        part = [asset_key(CATALOG[name]) for name in chosen] if len(chosen) < len(self.groups[unit.group]) else None
        # At one moment, Dagster also works out the first and last partition of a set once, not for every input.
        with partition_loading_context(effective_dt=at):
            result = job.execute_in_process(
                instance=self.instance,
                partition_key=unit.partition,
                asset_selection=part,
                run_config=_QUIET,
                raise_on_error=False,
                run_id=run_id,
            )
        steps = sum(event.is_step_start for event in result.all_events)
        if result.success:
            return Launched(run_id, steps=steps)
        return Launched(run_id, failure_of(result), _only_leakage(result), steps)


class Team:
    """Runs beside each other, each in a process of its own; ended when the block ends.

    Parameters
    ----------
    launcher
        Launches in this process.
    workers
        Runs at a time. With one, and in an instance that lives in this process only, this process launches them.
    """

    def __init__(self, launcher: Launcher, workers: int) -> None:
        self._launcher = launcher
        self.size = 1 if launcher.instance.is_ephemeral else max(1, workers)

    def __enter__(self) -> Team:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if "_processes" in self.__dict__:
            self._processes.shutdown(cancel_futures=True)

    @cached_property
    def _processes(self) -> ProcessPoolExecutor:
        told = (self._launcher.settings, self._launcher.instance.get_ref())
        # Spawned, not forked: a fork copies the locks of Polars' threads, and not the threads.
        return ProcessPoolExecutor(self.size, get_context("spawn"), initializer=begin, initargs=told)

    def assemble(self) -> None:
        """Let the processes start, which takes seconds, before there is work for them."""
        if self.size > 1:
            for _ in range(self.size):
                self._processes.submit(_ready)

    def launch(self, unit: Unit, chosen: Sequence[str], at: datetime, *, alone: bool) -> tuple[str, Future[Launched]]:
        """Launch a run; its id, and what will be told of it.

        Parameters
        ----------
        unit, chosen, at
            See `Launcher.launch`.
        alone
            Nothing is there to run beside it: this process launches it, and waits for it.
        """
        run_id = str(uuid4())
        if self.size > 1 and not alone:
            return run_id, self._processes.submit(_launch, unit, chosen, run_id, at)
        told: Future[Launched] = Future()
        told.set_result(self._launcher.launch(unit, chosen, run_id, at))
        return run_id, told

    def told(self, run_id: str, launched: Future[Launched]) -> Launched:
        """What is told of a run that has ended, also of one whose process died."""
        try:
            return launched.result()
        except BrokenProcessPool:
            instance = self._launcher.instance
            run = instance.get_run_by_id(run_id)
            if run is None:
                return Launched(run_id, "the process for this run ended before it began; what it printed says why")
            if not run.is_finished:
                instance.report_run_failed(run, _DIED)
            return Launched(run_id, _DIED)


# In a process of a team.

_launcher: Launcher


def begin(settings: Settings, instance: InstanceRef) -> None:
    """Make this process ready to launch."""
    global _launcher
    # An interrupt reaches every process of a terminal. Dagster listens to it while something runs; else nothing does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _launcher = Launcher(settings, dg.DagsterInstance.from_ref(instance))


def _ready() -> None:
    """Nothing; a process that can do it has begun."""


def _launch(unit: Unit, chosen: Sequence[str], run_id: str, at: datetime) -> Launched:
    return _launcher.launch(unit, chosen, run_id, at)


# What is told of a failure.


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed: the first failing check or step, in one paragraph."""
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == _ERROR:
            key = evaluation.asset_check_key
            where = f" {evaluation.partition}" if evaluation.partition else ""
            name = f"{key.asset_key.to_user_string()}:{key.name}"
            return f"gate closed: {name}{where} FAILED: {evaluation.description or ''}"
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            error = data.error.cause or data.error if data.error else None
            while error is not None and error.cause is not None:
                error = error.cause
            return error.message.strip() if error else f"step {event.step_key} failed"
    return "the run failed before its first step"


def _only_leakage(result: dg.ExecuteInProcessResult) -> bool:
    shut = [e for e in result.get_asset_check_evaluations() if not e.passed and e.severity == _ERROR]
    failed = [e for e in result.all_events if e.is_step_failure]
    return len(failed) == len(shut) and {e.asset_key for e in shut} == {asset_key(_LEAKAGE)}
