"""``python -m bench``: measure, write ``bench/results.json``, print.

Belongs here: options, one process per area and size, the order of measurements. Does not belong here: measuring
(`star`, `features`, `families`, `training`, `worth`, `run`, `limit`), what the numbers must reach (`report`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.report import AREAS, assemble, machine, show

RESULTS = Path(__file__).parent / "results.json"
SIZES = (1_000, 10_000, 50_000)
LINES = (1_000_000, 3_000_000, 10_000_000)
#: Customers of a crowd: what `families` and `labels` measure when no sizes are asked for.
CROWDS = (10_000, 50_000, 100_000)
#: Worlds of `worth` when no sizes are asked for: one for every set of families, a larger one for documented effects.
WORTHS = (10_000, 30_000)
#: Fixed, so that results of machines with more cores can be compared.
THREADS = "2"
DEMO_SIZE, LARGE_RUN = "demo", 10_000
#: Customers of the world whose rankings are held to what can be reached, and the name of the real transactions.
LIMIT_SIZE, REAL = 10_000, "completejourney"

#: What a process measures: module and function. Only that module is loaded, so that no measurement pays for another.
_WORK = {
    "world": ("world", "write"),
    "star": ("star", "measure"),
    "lines": ("world", "write_lines"),
    "star_scale": ("star", "measure_lines"),
    "features": ("features", "measure"),
    "families": ("families", "measure"),
    "labels": ("labels", "measure"),
    "training": ("training", "measure"),
    "worth": ("worth", "measure"),
    "run": ("run", "measure"),
    "again": ("run", "again"),
    "limit": ("limit", "measure"),
    "real": ("limit", "real"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="customers, separated by commas")
    parser.add_argument("--lines", default=",".join(map(str, LINES)), help="lines of star_scale, separated by commas")
    parser.add_argument("--areas", default=",".join(AREAS), help=f"of {', '.join(AREAS)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    parser.add_argument("--child", nargs=4, metavar=("WHAT", "SIZE", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return _child(*options.child)
    sizes = _listed(parser, "--sizes", options.sizes, int)
    lines = _listed(parser, "--lines", options.lines, int)
    areas = _listed(parser, "--areas", options.areas, str)
    if unknown := [a for a in areas if a not in AREAS]:
        parser.error(f"--areas: {unknown[0]!r} is unknown; choose from {', '.join(AREAS)}")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gosales-bench-") as folder:
        measured = measure(sizes, lines, areas, Path(folder))
    results = assemble(measured, sizes, machine(int(THREADS), time.perf_counter() - start))
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    show(results)
    print(f"written to {options.out}")
    return 0


def _listed(parser: argparse.ArgumentParser, option: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(kind(part.strip()) for part in text.split(",")))
    except ValueError as error:
        parser.error(f"{option} {text!r}: {error}")


def measure(
    sizes: Sequence[int], lines: Sequence[int], areas: Sequence[str], folder: Path
) -> dict[str, dict[str, Any]]:
    """Everything asked, by area and size; each in a process of its own."""
    measured: dict[str, dict[str, Any]] = {"world": {}, **{area: {} for area in areas}}
    crowded = [area for area in areas if area in ("families", "labels")]
    small = [area for area in areas if area not in (*crowded, "star_scale", "worth", "run", "limit")]
    for size in sizes if small else ():
        where = folder / str(size)
        measured["world"][str(size)] = _in_process("world", str(size), where)
        for area in small:
            measured[area][str(size)] = _in_process(area, str(size), where)
        shutil.rmtree(where)
    for size in lines if "star_scale" in areas else ():
        where = folder / "lines" / str(size)
        written = _in_process("lines", str(size), where)
        measured["star_scale"][str(size)] = written | _in_process("star_scale", str(size), where)
        shutil.rmtree(where)
    for area in crowded:
        for size in CROWDS if sizes == list(SIZES) else sizes:
            measured[area][str(size)] = _in_process(area, str(size), folder / "crowd" / str(size))
            shutil.rmtree(folder / "crowd" / str(size))
    for size in (WORTHS if sizes == list(SIZES) else sizes) if "worth" in areas else ():
        where = folder / "worth" / str(size)
        _in_process("world", str(size), where)
        measured["worth"][str(size)] = _in_process("worth", str(size), where)
        shutil.rmtree(where)
    if "run" in areas:
        for world in [DEMO_SIZE, *([str(LARGE_RUN)] if LARGE_RUN in sizes else [])]:
            where = folder / "run" / world
            measured["run"][world] = _in_process("run", world, where)
            measured["run"][world]["again"] = _in_process("again", world, where)
            shutil.rmtree(where)
    if "limit" in areas:
        world = str(min(LIMIT_SIZE, max(sizes)))
        measured["limit"][world] = _in_process("limit", world, folder / "limit")
        measured["limit"][REAL] = _in_process("real", REAL, folder / "limit")
    return measured


def _in_process(what: str, size: str, folder: Path) -> dict[str, Any]:
    """Measure one thing in a fresh process, so that its peak memory is its own."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{what} {size} ...", flush=True)
    out = folder / f"{what}.json"
    log = folder / f"{what}.log"
    root = str(Path(__file__).resolve().parent.parent)
    os.sync()  # what was written before goes to disk now, not while something is measured
    environment = {**os.environ, "POLARS_MAX_THREADS": THREADS, "PYTHONPATH": root, "CI": "1"}
    with log.open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "--child", what, size, str(folder), str(out)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=root,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise SystemExit(f"bench {what} {size} ended with {done.returncode}:\n{tail}")
    return json.loads(out.read_text(encoding="utf-8"))


def _child(what: str, size: str, folder: str, out: str) -> int:
    customers = None if size in (DEMO_SIZE, REAL) else int(size)
    module, function = _WORK[what]
    result = getattr(importlib.import_module(f"bench.{module}"), function)(customers, Path(folder))
    Path(out).write_text(json.dumps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
