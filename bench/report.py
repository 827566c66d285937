"""From measurements to ``results.json`` and to what is printed: targets, verdicts, growth.

Belongs here: what a number must reach, and how it is shown. Does not belong here: measuring.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.timing import growth_exponent

AREAS = ("star", "features", "families", "labels", "training", "run")

#: Most each number may be.
TARGETS = {
    "star": 4.0,
    "features": 15.0,
    "families": 25.0,
    "families_growth": 1.1,
    "labels": 10.0,
    "labels_cpu_seconds_50000": 60.0,
    "labels_growth": 1.1,
    "training": 1.5,
    "outside_share_demo": 0.40,
    "outside_share_10000": 0.10,
    "outside_seconds_per_run": 0.4,
    "outside_seconds_per_step": 0.2,
    "runs_demo": 100,
    "runs_of_null_run": 0,
}

_WHAT = {
    "star": "star build / plain scan-and-write",
    "features": "features per cutoff / one plain group-by",
    "families": "every family, 14 targets / one plain group-by",
    "labels": "labels, 14 targets x 12 cutoffs / plain group-bys",
    "training": "training / bare LightGBM fits",
}


def machine(threads: int, seconds: float) -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cores": os.cpu_count(),
        "polars_threads": threads,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("dagster", "polars", "lightgbm", "pandera")},
        "bench_seconds": round(seconds),
        # More than the cores: others used the machine too, and seconds are too many; ratios less so.
        "load_average": round(os.getloadavg()[2], 1),
    }


def assemble(measured: Mapping[str, Mapping[str, Any]], sizes: Sequence[int], on: dict[str, Any]) -> dict[str, Any]:
    """The document: machine, targets, verdicts, growth exponents, and every measurement."""
    return {
        "machine": on,
        "sizes": list(sizes),
        "targets": TARGETS,
        "verdicts": [
            {"what": what, "at": at, "value": value, "target": target, "met": value <= target}
            for what, at, value, target in _verdicts(measured)
        ],
        "growth_exponents": _growth(measured, sizes),
        "measured": {area: dict(by_size) for area, by_size in measured.items()},
    }


def _verdicts(measured: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, float, float]]:
    for area, what in _WHAT.items():
        for size, got in measured.get(area, {}).items():
            for name, ratio in _ratios(got).items():
                yield what, f"{size} customers{name}", ratio, TARGETS[area]
    for area, grown in (("families", "every family"), ("labels", "labels")):
        if (exponent := _cpu_growth(measured, area)) is not None:
            at = " to ".join((min(measured[area], key=int), max(measured[area], key=int)))
            yield f"growth of {grown}, processor time", f"{at} customers", exponent, TARGETS[f"{area}_growth"]
    # 30 seconds on two cores for a million lines; the clock also counts what others do on the machine.
    if million := measured.get("labels", {}).get("50000"):
        key = "labels_cpu_seconds_50000"
        yield "processor seconds of all labels", "50000 customers", million["cpu_seconds"], TARGETS[key]
    for size, got in measured.get("run", {}).items():
        at = "demo" if size == "demo" else f"{size} customers"
        yield "share of gosales run outside the engine", at, got["outside_share"], TARGETS[f"outside_share_{size}"]
        for unit in ("run", "step"):
            key = f"outside_seconds_per_{unit}"
            yield f"seconds outside the engine per {unit}", at, got[key], TARGETS[key]
        if size == "demo":
            yield "runs", at, got["runs"], TARGETS["runs_demo"]
        yield "runs of a second run with nothing changed", at, got["again"]["runs"], TARGETS["runs_of_null_run"]


def _cpu_growth(measured: Mapping[str, Mapping[str, Any]], area: str) -> float | None:
    """Exponent of processor seconds over customers: it is the same on a machine that others use."""
    by_size = measured.get(area, {})
    return growth_exponent([int(s) for s in by_size], [got["cpu_seconds"] for got in by_size.values()])


def _ratios(got: Mapping[str, Any]) -> dict[str, float]:
    """Ratios of a measurement by what tells them apart."""
    if "ratio" in got:
        return {"": got["ratio"]}
    return {f", {layout}": part["ratio"] for layout, part in got.items() if isinstance(part, Mapping)}


def _growth(measured: Mapping[str, Mapping[str, Any]], sizes: Sequence[int]) -> dict[str, float | None]:
    """Exponents of seconds over customers: of ours, and of the plain thing beside it."""

    def exponent(area: str, *path: str) -> float | None:
        found = []
        for size in sizes:
            value: Any = measured[area][str(size)]
            for key in path:
                value = value[key]
            found.append(value)
        return growth_exponent(sizes, found)

    growth: dict[str, float | None] = {}
    if measured.get("star"):
        for layout in ("wide", "tidy"):
            growth[f"star_{layout}"] = exponent("star", layout, "seconds")
            growth[f"star_{layout}_plain"] = exponent("star", layout, "plain_seconds")
    if measured.get("features"):
        growth["features"] = exponent("features", "seconds")
        growth["features_plain"] = exponent("features", "plain_seconds")
    if measured.get("training"):
        # Of the targets that were trained at every size: small sizes are measured on all of them, large ones on one.
        trained = ({t for t, m in measured["training"][str(s)]["targets"].items() if m["fits"]} for s in sizes)
        shared = set.intersection(*trained)
        for slug in sorted(shared):
            growth[f"training_{slug}"] = exponent("training", "targets", slug, "seconds")
    return growth


def show(results: Mapping[str, Any]) -> None:
    """Print verdicts, growth, memory and seconds."""
    console = Console()
    on = results["machine"]
    verdicts = _table(f"Against targets ({on['cores']} cores, {on['polars_threads']} Polars threads)")
    for heading in ("what", "at", "measured", "target", ""):
        verdicts.add_column(heading, justify="right" if heading in ("measured", "target") else "left")
    for v in results["verdicts"]:
        mark = "[green]met[/green]" if v["met"] else "[red]missed[/red]"
        verdicts.add_row(v["what"], v["at"], f"{v['value']:g}", f"<= {v['target']:g}", mark)
    console.print(verdicts)
    if results["growth_exponents"]:
        growth = _table("Growth over customers: seconds ~ customers ^ exponent")
        growth.add_column("what")
        growth.add_column("exponent", justify="right")
        for what, value in results["growth_exponents"].items():
            growth.add_row(what, "-" if value is None else f"{value:.2f}")
        console.print(growth)
    spent = _table("Seconds and peak memory")
    for heading in ("area", "customers", "seconds", "plain", "peak MiB"):
        spent.add_column(heading, justify="left" if heading == "area" else "right")
    for area, by_size in results["measured"].items():
        for size, got in by_size.items():
            for name, seconds, plain in _spent(area, got):
                spent.add_row(name, size, seconds, plain, f"{got['peak_mb']:.0f}" if "peak_mb" in got else "")
    console.print(spent)


def _spent(area: str, got: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if area == "star":
        for layout in ("wide", "tidy"):
            yield f"star {layout}", f"{got[layout]['seconds']:.3f}", f"{got[layout]['plain_seconds']:.3f}"
    elif area in ("features", "families", "labels", "training"):
        yield area, f"{got['seconds']:.3f}", f"{got['plain_seconds']:.3f}"
    elif area == "run":
        yield f"gosales run, {got['runs']} runs, {got['steps']} steps", f"{got['seconds']:.1f}", ""
        yield "gosales run again", f"{got['again']['seconds']:.1f}", ""


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)
