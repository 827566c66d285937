"""Where the time of ``gosales run`` goes: our engine, or what surrounds it.

Belongs here: the real command in processes of its own, with clocks around what computes. Engine is what any way of
running this graph would have to do: the bodies of the stages and gates, judging schemas, encoding and decoding files.
Outside is everything else: starting Python, importing, building definitions, planning, recording, the gate guard,
syncing files to disk. Nothing of the platform is changed; its functions are wrapped while it is measured.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import os
import pkgutil
import resource
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.timing import NO_TIME, Seconds, now, peak_mb
from bench.world import DEMO

#: Loaded by the engine inside functions; loading them is no computation, so it is done before and counts as outside.
#: The first process launches what runs alone, which judges tables and fits nothing.
_JUDGES = ("pandera.polars",)
_HEAVY = ("lightgbm", "sklearn.linear_model", "sklearn.isotonic", *_JUDGES)
#: Runs at a time: what `gosales run` does on two cores.
WORKERS = 2
#: What the clocks of a process say, by its number.
_WRITTEN = "clock-{}.json"


@dataclass
class Clock:
    """Time of one process by kind of work, and when it was working; inner work counts for the outermost kind only."""

    kinds: dict[str, Seconds] = field(default_factory=lambda: defaultdict(Seconds))
    stages: dict[str, Seconds] = field(default_factory=lambda: defaultdict(Seconds))
    working: list[tuple[float, float]] = field(default_factory=list)
    launched: list[tuple[float, float]] = field(default_factory=list)
    steps: int = 0
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
            end = now()
            self.busy = False
            self.working.append((start.wall, end.wall))
            self.kinds[kind] = self.kinds[kind].plus(end.minus(start))
            if stage:
                self.stages[stage] = self.stages[stage].plus(end.minus(start))

    def around(self, function: Callable[..., Any], kind: str, stage: str | None = None) -> Callable[..., Any]:
        @functools.wraps(function)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            with self.running(kind, stage):
                return function(*args, **kwargs)

        return clocked

    def write(self, path: Path) -> None:
        told = {k: v for k, v in vars(self).items() if k != "busy"}
        path.write_text(json.dumps(told), encoding="utf-8")

    def add(self, path: Path) -> None:
        """Take in what another process wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        for name, mine in (("kinds", self.kinds), ("stages", self.stages)):
            for key, spent in told[name].items():
                mine[key] = mine[key].plus(Seconds(*spent))
        self.working += map(tuple, told["working"])
        self.launched += map(tuple, told["launched"])
        self.steps += told["steps"]


def measure(customers: int | None, folder: Path) -> dict[str, Any]:
    """Run the demonstration's graph in a fresh folder and say where the time went.

    Runs go beside each other, as they do for a user. Outside is then the time in which no process is in the engine;
    what is told per run and step, and the share of the processors, is the sum over all processes.

    Parameters
    ----------
    customers
        Size of the world; None: the demonstration as it is.
    folder
        Where artifacts and the Dagster instance are written.
    """
    start = now()
    enter(customers, folder)
    clock = install(_JUDGES)
    from gosales_assets import launch

    launch.begin = begin_clocked  # type: ignore[assignment]
    command("run", "--config", str(DEMO), "--top", "0", "--workers", str(WORKERS))
    whole = now().minus(start)
    for path in folder.glob(_WRITTEN.format("*")):
        clock.add(path)
    whole_cpu = whole.cpu + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    engine, runs = NO_TIME, len(clock.launched)
    for spent in clock.kinds.values():
        engine = engine.plus(spent)
    engine_wall, launched_wall = covered(clock.working), covered(clock.launched)
    in_runs = sum(end - begun for begun, end in clock.launched) - engine.wall
    outside_wall, between = whole.wall - engine_wall, whole.wall - launched_wall
    return {
        "seconds": round(whole.wall, 2),
        "workers": WORKERS,
        "engine_seconds": round(engine_wall, 2),
        "outside_seconds": round(outside_wall, 2),
        "outside_share": round(outside_wall / whole.wall, 4),
        "loaded_within_engine": [name for name in _HEAVY if name in sys.modules and name not in _JUDGES],
        "outside_cpu_share": round(1 - engine.cpu / whole_cpu, 4),
        "runs": runs,
        "steps": clock.steps,
        "outside_seconds_per_run": round((in_runs + between) / runs, 3),
        "outside_seconds_per_step": round((in_runs + between) / clock.steps, 3),
        "outside_cpu_seconds_per_run": round((whole_cpu - engine.cpu) / runs, 3),
        "before_and_between_runs_seconds": round(between, 2),
        "engine_by_kind": _rounded(clock.kinds),
        "body_by_stage": _rounded(clock.stages),
        "peak_mb": peak_mb(),
        "peak_mb_of_a_worker": peak_mb(resource.RUSAGE_CHILDREN),
    }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of a union of spans.

    Examples
    --------
    >>> covered([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    total, reached = 0.0, -math.inf
    for begun, end in sorted(spans):
        total += max(0.0, end - max(begun, reached))
        reached = max(reached, end)
    return total


def install(loaded: Iterable[str]) -> Clock:
    """Clocks around all that computes or launches in this process, and libraries loaded before."""
    for name in loaded:
        importlib.import_module(name)
    clock = Clock()
    _time_engine(clock)
    _time_launches(clock)
    return clock


def begin_clocked(*told: Any) -> None:
    """What begins a process beside the first, with clocks; what they say is written after every run."""
    from gosales_assets import launch

    clock = install(_HEAVY)
    launcher = launch.Launcher
    launched = launcher.launch

    def written(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = launched(self, *args, **kwargs)
        clock.write(Path(_WRITTEN.format(os.getpid())))
        return result

    launcher.launch = written  # type: ignore[method-assign]
    launch.begin(*told)


def _rounded(times: Mapping[str, Seconds]) -> dict[str, float]:
    """Seconds on the clock, most first."""
    return {name: round(spent.wall, 2) for name, spent in sorted(times.items(), key=lambda item: -item[1].wall)}


def again(customers: int | None, folder: Path) -> dict[str, Any]:
    """The same command once more, with nothing changed."""
    start = now()
    enter(customers, folder)
    clock = Clock()
    _time_launches(clock)
    command("run", "--config", str(DEMO), "--top", "0")
    return {"seconds": round(now().minus(start).wall, 2), "runs": len(clock.launched), "peak_mb": peak_mb()}


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


def _time_launches(clock: Clock) -> None:
    from gosales_assets.launch import Launcher

    launch = Launcher.launch

    def clocked(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = now()
        told = launch(self, *args, **kwargs)
        end = now()
        clock.launched.append((start.wall, end.wall))
        clock.steps += told.steps
        return told

    Launcher.launch = clocked  # type: ignore[method-assign]


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
