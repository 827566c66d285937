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

AREAS = ("star", "star_scale", "features", "families", "labels", "training", "worth", "run", "limit")

#: Most each number may be; what it must exceed, where its name is among `ABOVE`.
TARGETS = {
    "star": 4.0,
    "star_scale": 4.0,
    "star_scale_peak_mb": 8 * 1024,
    "features": 15.0,
    "families": 25.0,
    "families_growth": 1.1,
    "labels": 10.0,
    "labels_seconds_50000": 30.0,
    "labels_growth": 1.1,
    "training": 1.3,
    "outside_share_demo": 0.40,
    "outside_share_10000": 0.10,
    "outside_seconds_per_run": 0.4,
    "outside_seconds_per_step": 0.2,
    "runs_demo": 100,
    "runs_of_null_run": 0,
    "auc_over_reference": 0.85,
    "lift_over_reference": 0.85,
    "expected_over_observed": 1.15,
    "observed_over_expected": 1.15,
    "share_of_cells_within_half_and_double": 0.9,
    "excess_error_over_base_rate": 0.25,
    "lead_over_baseline": 0.0,
    "worth_all": -0.002,
    "worth_expiry": 0.0,
    "worth_basket": 0.0,
}

ABOVE = frozenset(
    {
        *("auc_over_reference", "lift_over_reference", "share_of_cells_within_half_and_double", "lead_over_baseline"),
        *("worth_all", "worth_expiry", "worth_basket"),
    }
)

_GAINS = {
    "all": "gain of all families over the core, lower end",
    "expiry": "gain of assets where terms end, lower end",
    "basket": "gain of basket and similarity alone, lower end",
}

_WHAT = {
    "star": "star build / plain scan-and-write",
    "features": "features per cutoff / one plain group-by",
    "families": "every family, 14 targets / one plain group-by",
    "labels": "labels, 14 targets x 12 cutoffs / plain group-bys",
    "training": "training / bare LightGBM and scikit-learn fits",
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
        "verdicts": [_verdict(*judged) for judged in _verdicts(measured)],
        "growth_exponents": _growth(measured, sizes),
        "measured": {area: dict(by_size) for area, by_size in measured.items()},
    }


#: What is judged, where, its value, and the name of its target.
Judged = tuple[str, str, float, str]


def _verdict(what: str, at: str, value: float, name: str) -> dict[str, Any]:
    target, above = TARGETS[name], name in ABOVE
    met = value > target if above else value <= target
    return {"what": what, "at": at, "value": value, "target": target, "met": met, "above": above}


def _verdicts(measured: Mapping[str, Mapping[str, Any]]) -> Iterator[Judged]:
    for area, what in _WHAT.items():
        for size, got in measured.get(area, {}).items():
            for name, ratio in _ratios(got).items():
                yield what, f"{size} customers{name}", ratio, area
    for size, got in measured.get("star_scale", {}).items():
        yield _WHAT["star"], f"{size} lines, tidy", got["ratio"], "star_scale"
        yield "peak MiB of the star build", f"{size} lines, tidy", got["peak_mb"], "star_scale_peak_mb"
    for area, grown in (("families", "every family"), ("labels", "labels")):
        if (exponent := _cpu_growth(measured, area)) is not None:
            at = " to ".join((min(measured[area], key=int), max(measured[area], key=int)))
            yield f"growth of {grown}, processor time", f"{at} customers", exponent, f"{area}_growth"
    if million := measured.get("labels", {}).get("50000"):
        yield "seconds of all labels", "50000 customers", million["seconds"], "labels_seconds_50000"
    yield from _run_verdicts(measured.get("run", {}))
    yield from _worth_verdicts(measured.get("worth", {}))
    yield from _limit_verdicts(measured.get("limit", {}))


def _worth_verdicts(worth: Mapping[str, Any]) -> Iterator[Judged]:
    """Families where all were trained, effects in the largest world."""
    largest = max(worth, key=int, default=None)
    for size, got in worth.items():
        found = {"all": got["gains"]["all"]["mean of targets"]} if got["gains"] else {}
        found |= {name: got[name] for name in ("expiry", "basket")} if size == largest else {}
        for name, gain in found.items():
            yield _GAINS[name], f"{size} customers", gain["low"], f"worth_{name}"


def _run_verdicts(run: Mapping[str, Any]) -> Iterator[Judged]:
    for size, got in run.items():
        at = "demo" if size == "demo" else f"{size} customers"
        yield "share of gosales run outside the engine", at, got["outside_share"], f"outside_share_{size}"
        for unit in ("run", "step"):
            key = f"outside_seconds_per_{unit}"
            yield f"seconds outside the engine per {unit}", at, got[key], key
        if size == "demo":
            yield "runs", at, got["runs"], "runs_demo"
        yield "runs of a second run with nothing changed", at, got["again"]["runs"], "runs_of_null_run"


def _cpu_growth(measured: Mapping[str, Mapping[str, Any]], area: str) -> float | None:
    """Exponent of processor seconds over customers: it is the same on a machine that others use."""
    by_size = measured.get(area, {})
    return growth_exponent([int(s) for s in by_size], [got["cpu_seconds"] for got in by_size.values()])


def _limit_verdicts(limit: Mapping[str, Any]) -> Iterator[Judged]:
    """Rankings against what can be reached, probabilities against what happened, and the lead over baselines."""
    for size, got in limit.items():
        at = f"{size} customers" if size.isdigit() else size
        ratio = got["calibration"]["expected_over_observed"]
        numbers = {k: got[k] for k in ("auc_over_reference", "lift_over_reference") if k in got}
        numbers |= {"expected_over_observed": ratio, "observed_over_expected": round(1 / ratio, 4)}
        numbers |= {k: v for k, v in got["calibration"].items() if k in TARGETS and k not in numbers}
        for name, value in numbers.items():
            yield name.replace("_", " "), at, value, name
        for baseline, by_statistic in got["baselines"].items():
            for statistic, difference in by_statistic.items():
                what = f"lower end of the lead in {statistic} over {_BASELINES[baseline]}"
                yield what, at, difference["lo"], "lead_over_baseline"


_BASELINES = {"counts": "a plain regression on counts", "recency": "recency"}


def _ratios(got: Mapping[str, Any]) -> dict[str, float]:
    """Ratios of a measurement by what tells them apart."""
    if "ratio" in got:
        return {"": got["ratio"]}
    return {f", {log}": got[log]["ratio"] for log in _logs(got)}


def _growth(measured: Mapping[str, Mapping[str, Any]], sizes: Sequence[int]) -> dict[str, float | None]:
    """Exponents of seconds over customers or lines: of ours, and of the plain thing beside it."""

    def exponent(area: str, *path: str, sizes: Sequence[int] = sizes) -> float | None:
        found = []
        for size in sizes:
            value: Any = measured[area][str(size)]
            for key in path:
                value = value[key]
            found.append(value)
        return growth_exponent(sizes, found)

    growth: dict[str, float | None] = {}
    if measured.get("star"):
        for log in _logs(measured["star"][str(sizes[0])]):
            growth[f"star_{log}"] = exponent("star", log, "seconds")
            growth[f"star_{log}_plain"] = exponent("star", log, "plain_seconds")
    if measured.get("star_scale"):
        lines = list(map(int, measured["star_scale"]))
        growth["star_scale"] = exponent("star_scale", "seconds", sizes=lines)
        growth["star_scale_plain"] = exponent("star_scale", "plain_seconds", sizes=lines)
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


def _logs(got: Mapping[str, Any]) -> list[str]:
    """The logs a star was measured on."""
    return [name for name, part in got.items() if isinstance(part, Mapping)]


def show(results: Mapping[str, Any]) -> None:
    """Print verdicts, growth, memory and seconds."""
    console = Console()
    on = results["machine"]
    verdicts = _table(f"Against targets ({on['cores']} cores, {on['polars_threads']} Polars threads)")
    for heading in ("what", "at", "measured", "target", ""):
        verdicts.add_column(heading, justify="right" if heading in ("measured", "target") else "left")
    for v in results["verdicts"]:
        mark = "[green]met[/green]" if v["met"] else "[red]missed[/red]"
        bound = f"{'>' if v['above'] else '<='} {v['target']:g}"
        verdicts.add_row(v["what"], v["at"], f"{v['value']:g}", bound, mark)
    console.print(verdicts)
    for got in results["measured"].get("worth", {}).values():
        if got["gains"]:
            console.print(_gains(got))
    for got in results["measured"].get("limit", {}).values():
        if "divisions" in got:
            console.print(_departments(got["divisions"]))
    if results["growth_exponents"]:
        growth = _table("Growth: seconds ~ size ^ exponent")
        growth.add_column("what")
        growth.add_column("exponent", justify="right")
        for what, value in results["growth_exponents"].items():
            growth.add_row(what, "-" if value is None else f"{value:.2f}")
        console.print(growth)
    spent = _table("Seconds and peak memory")
    for heading in ("area", "size", "seconds", "plain", "peak MiB"):
        spent.add_column(heading, justify="left" if heading == "area" else "right")
    for area, by_size in results["measured"].items():
        for size, got in by_size.items():
            for name, seconds, plain in _spent(area, got):
                spent.add_row(name, size, seconds, plain, f"{got['peak_mb']:.0f}" if "peak_mb" in got else "")
    console.print(spent)


def _departments(divisions: Mapping[str, Any]) -> Table:
    """Real transactions: ours beside the baselines, by department and population."""
    table = _table("Real transactions, forward: ours / counts regression / last purchase")
    for heading in ("department", "population", "cells", "positives", "AUC", "average precision", "lift@10"):
        table.add_column(heading, justify="left" if heading in ("department", "population") else "right")
    table.add_column("Brier", justify="right")
    table.add_column("calibration error", justify="right")
    for division, by_population in divisions.items():
        for population, got in by_population.items():
            if not got["cells"]:
                table.add_row(division, population, "0")
                continue
            three = [
                " / ".join(f"{got[by][metric]:.{digits}f}" for by in ("ours", "counts", "recency"))
                for metric, digits in (("auc", 3), ("average_precision", 3), ("lift", 2))
            ]
            errors = [f"{got[name]:.3f}" for name in ("brier", "calibration_error")]
            table.add_row(division, population, str(got["cells"]), str(got["positives"]), *three, *errors)
    return table


def _gains(got: Mapping[str, Any]) -> Table:
    """What each set of families adds to the AUC of the core, by target."""
    table = _table("Whitespace AUC gained over the core families, out of time (95 % interval)")
    table.add_column("families")
    columns = list(got["gains"]["all"])
    for target in columns:
        table.add_column(target, justify="right")
    for name, by_target in got["gains"].items():
        cells = (by_target[t] for t in columns)
        table.add_row(name, *(f"{g['mean']:+.4f} ({g['low']:+.4f}, {g['high']:+.4f})" for g in cells))
    return table


def _spent(area: str, got: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if area == "star":
        for log in _logs(got):
            yield f"star {log}", f"{got[log]['seconds']:.3f}", f"{got[log]['plain_seconds']:.3f}"
    elif area in ("star_scale", "features", "families", "labels", "training"):
        yield area, f"{got['seconds']:.3f}", f"{got['plain_seconds']:.3f}"
    elif area == "worth":
        yield area, f"{got['seconds']:.1f}", ""
    elif area == "run":
        yield f"gosales run, {got['runs']} runs, {got['steps']} steps", f"{got['seconds']:.1f}", ""
        yield "gosales run again", f"{got['again']['seconds']:.1f}", ""


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)
