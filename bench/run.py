"""Where the time of ``gosales run`` goes: our engine, or what surrounds it.

Belongs here: the real command in a process of its own, with clocks around what computes. Engine is what any way of
running this graph would have to do: the bodies of the stages and gates, judging schemas, encoding and decoding files.
Outside is everything else: starting Python, importing, building definitions, planning, recording, the gate guard,
syncing files to disk. Nothing of the platform is changed; its functions are wrapped while it is measured.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.timing import NO_TIME, Seconds, now, peak_mb, timed
from bench.world import DEMO

#: Loaded by the engine inside functions; loading them is no computation, so it is done before and counts as outside.
_HEAVY = ("lightgbm", "sklearn.linear_model", "sklearn.isotonic", "pandera.polars")


@dataclass
class Clock:
    """Time by kind of work; inner work counts for the outermost kind only."""

    kinds: dict[str, Seconds] = field(default_factory=lambda: defaultdict(Seconds))
    stages: dict[str, Seconds] = field(default_factory=lambda: defaultdict(Seconds))
    busy: bool = False

    @contextmanager
    def running(self, kind: str, stage: str | None = None) -> Iterator[None]:
        if self.busy:
            yield
            return
        self.busy, start = True, now()
        try:
            yield
        finally:
            spent = now().minus(start)
            self.busy = False
            self.kinds[kind] = self.kinds[kind].plus(spent)
            if stage:
                self.stages[stage] = self.stages[stage].plus(spent)

    def around(self, function: Callable[..., Any], kind: str, stage: str | None = None) -> Callable[..., Any]:
        @functools.wraps(function)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            with self.running(kind, stage):
                return function(*args, **kwargs)

        return clocked


@dataclass
class Counts:
    runs: int = 0
    steps: int = 0
    launched: Seconds = NO_TIME


def measure(customers: int | None, folder: Path) -> dict[str, Any]:
    """Run the demonstration's graph in a fresh folder and say where the time went.

    Parameters
    ----------
    customers
        Size of the world; None: the demonstration as it is.
    folder
        Where artifacts and the Dagster instance are written.
    """
    start = now()
    enter(customers, folder)
    for name in _HEAVY:
        importlib.import_module(name)
    clock, counts = Clock(), Counts()
    _time_engine(clock)
    _count_runs(counts)
    command("run", "--config", str(DEMO), "--top", "0")
    whole, engine = now().minus(start), NO_TIME
    for spent in clock.kinds.values():
        engine = engine.plus(spent)
    outside = whole.minus(engine)
    return {
        "seconds": round(whole.wall, 2),
        "engine_seconds": round(engine.wall, 2),
        "outside_seconds": round(outside.wall, 2),
        "outside_share": round(outside.wall / whole.wall, 4),
        "outside_cpu_share": round(outside.cpu / whole.cpu, 4),
        "runs": counts.runs,
        "steps": counts.steps,
        "outside_seconds_per_run": round(outside.wall / counts.runs, 3),
        "outside_seconds_per_step": round(outside.wall / counts.steps, 3),
        "outside_cpu_seconds_per_run": round(outside.cpu / counts.runs, 3),
        "before_and_between_runs_seconds": round(whole.minus(counts.launched).wall, 2),
        "engine_by_kind": _rounded(clock.kinds),
        "body_by_stage": _rounded(clock.stages),
        "peak_mb": peak_mb(),
    }


def _rounded(times: Mapping[str, Seconds]) -> dict[str, float]:
    """Seconds on the clock, most first."""
    return {name: round(spent.wall, 2) for name, spent in sorted(times.items(), key=lambda item: -item[1].wall)}


def again(customers: int | None, folder: Path) -> dict[str, Any]:
    """The same command once more, with nothing changed."""
    start = now()
    enter(customers, folder)
    counts = Counts()
    _count_runs(counts)
    command("run", "--config", str(DEMO), "--top", "0")
    return {"seconds": round(now().minus(start).wall, 2), "runs": counts.runs, "peak_mb": peak_mb()}


def enter(customers: int | None, folder: Path) -> None:
    """Work in a folder, as a user of the command would, with nothing of the caller's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in [n for n in os.environ if n.startswith("GOSALES")]:
        del os.environ[name]
    os.environ["DAGSTER_HOME"] = str(folder / ".dagster")
    if customers is not None:
        os.environ["GOSALES__SOURCES__SALES_LOG__SAMPLE__CUSTOMERS"] = str(customers)
    os.chdir(folder)


def command(*arguments: str) -> None:
    """The ``gosales`` command in this process."""
    from gosales_assets.cli import app

    code = app(list(arguments), standalone_mode=False)
    if code:
        raise SystemExit(f"gosales {' '.join(arguments)} ended with {code}; nothing can be measured of it")


def _count_runs(counts: Counts) -> None:
    from gosales_assets.runner import Runner

    launch = Runner._launch

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        took, result = timed(lambda: launch(self, *args, **kwargs))
        counts.launched = counts.launched.plus(took)
        counts.runs += 1
        counts.steps += sum(event.is_step_start for event in result.all_events)
        return result

    Runner._launch = counted  # type: ignore[method-assign]


def _time_engine(clock: Clock) -> None:
    """Put clocks around everything that computes. Before definitions are built: they keep what they are given."""
    from gosales_assets.defs import assets, checks, formats
    from gosales_assets.defs import stage as stages

    formats.encode = clock.around(formats.encode, "encode")
    formats.decode = clock.around(formats.decode, "decode")
    stages.judge_schema = clock.around(stages.judge_schema, "judge")
    stage = stages.stage

    def clocked(*args: Any, **kwargs: Any) -> Any:
        decorate = stage(*args, **kwargs)
        return lambda body: decorate(clock.around(body, "body", body.__name__))

    stages.stage = clocked
    for package in (assets, checks):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            loaded = importlib.import_module(module.name)
            if getattr(loaded, "stage", None) is stage:
                loaded.stage = clocked  # type: ignore[attr-defined]
