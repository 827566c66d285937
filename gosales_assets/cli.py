"""The command line: thin over the same definitions that Dagster loads.

Belongs here: options, printing, exit codes. Does not belong here: anything computed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import dagster as dg

    from gosales_assets.launch import Unit
    from gosales_assets.runner import Outcome, Runner
    from gosales_assets.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="From a raw sales log to ranked whitespace, gated.")
console = Console(stderr=False)
errors = Console(stderr=True)

#: Exit codes: settings or input cannot be used; a gate or contract closed.
UNUSABLE, CLOSED = 2, 1

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="gosales.yaml; by default that of the working directory.")
]

_GROUP_TITLES = {
    "star": "star schema",
    "customer_base": "customers at",
    "labels_features": "labels, features",
    "models_scores": "models, scores",
    "whitespace": "whitespace",
    "validation": "validation",
    "histories": "histories",
    "delivery": "delivery, reports",
}


def dagster_home() -> Path:
    """Where the Dagster instance lives: ``$DAGSTER_HOME``, else ``.dagster`` in the working directory.

    Dagster reads ``dagster.yaml`` from there only, so a missing one is put there.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(Path.cwd() / ".dagster"))).absolute()
    os.environ["DAGSTER_HOME"] = str(home)
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():
        package = Path(__file__).parent
        source = next(p for p in (package / "dagster.yaml", package.parent / "dagster.yaml") if p.exists())
        shutil.copyfile(source, target)
    return home


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    import dagster as dg

    dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


def _settings(config: Path | None) -> Settings:
    from gosales_assets.settings import CONFIG_ENV, Settings, SettingsError

    if config is not None:
        os.environ[CONFIG_ENV] = str(config.absolute())
    try:
        return Settings.load(config)
    except SettingsError as error:
        errors.print("[red]settings cannot be used[/red]")
        errors.print(str(error), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(UNUSABLE) from None


@contextmanager
def _unusable() -> Iterator[None]:
    """Problems with input or arguments end with their message, not with a traceback."""
    from gosales_assets.sources import SourceError

    try:
        yield
    except (SourceError, ValueError) as error:
        errors.print("[red]cannot run[/red]")
        errors.print(str(error), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(UNUSABLE) from None


@app.command()
def run(
    config: Config = None,
    division: Annotated[list[str] | None, typer.Option("--division", "-d", help="Only these divisions.")] = None,
    cutoff: Annotated[list[str] | None, typer.Option("--cutoff", help="Only these cutoffs (YYYY-MM-DD).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Materialize everything, stale or not.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Runs at a time; by default the cores, four at most.")
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Opportunities printed at the end.")] = 5,
) -> None:
    """Materialize what is asked and stale, each partition after all it reads; stop at a closed gate."""
    settings = _settings(config)
    with _instance() as instance, _unusable():
        from gosales_assets.engine.parallel import cores
        from gosales_assets.launch import MOST_WORKERS
        from gosales_assets.runner import Runner

        runner = Runner(settings, instance)
        units = runner.plan(division or (), cutoff or ())
        outcome = _run_with_progress(runner, units, force=force, workers=workers or cores(MOST_WORKERS))
    for held in outcome.left_out:
        errors.print(f"[yellow]left out[/yellow] {held.unit} (run {held.run_id})", highlight=False)
        errors.print(held.reason, highlight=False, markup=False, soft_wrap=True)
    if outcome.stopped is not None:
        stop = outcome.stopped
        errors.print(f"\n[red bold]stopped[/red bold] at {stop.unit} (run {stop.run_id})", highlight=False)
        errors.print(stop.reason, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(CLOSED)
    console.print(
        f"{outcome.launched} runs launched, {outcome.materialized} files materialized, "
        f"{outcome.units} partitions asked; the rest was up to date." if outcome.launched else
        f"0 runs launched: all {outcome.units} partitions are up to date.",
        highlight=False,
    )  # fmt: skip
    _summary(settings, top)


def _run_with_progress(runner: Runner, units: list[Unit], *, force: bool, workers: int) -> Outcome:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("[bold]{task.fields[group]:<18}"),
        TextColumn("{task.fields[partition]:<28}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stdout.isatty() and "CI" in os.environ) as bar:
        task = bar.add_task("run", total=len(units), group="", partition="")

        def progress(unit: Unit, state: str) -> None:
            if state == "start":
                where = (unit.partition or "").replace("|", " ")
                bar.update(task, group=_GROUP_TITLES[unit.group], partition=where)
            else:
                bar.advance(task)

        return runner.run(units, force=force, workers=workers, progress=progress)


def _summary(settings: Settings, top: int) -> None:
    """What was made, and the best opportunities."""
    from gosales_assets.catalog import CATALOG, PHASES
    from gosales_assets.defs.storage import ArtifactStore

    store = ArtifactStore(settings.artifact_root)
    made = Table(title="What was made", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "files", "where"):
        made.add_column(heading, justify="right" if heading == "files" else "left")
    for phase, title in PHASES.items():
        rows = [a for a in CATALOG.values() if a.phase == phase]
        found = {str(path) for a in rows for path in store.find(a)}
        if found:
            made.add_row(title, str(len(found)), min((a.folder for a in rows), key=len))
    console.print(made)
    best = CATALOG["rollups/whitespace"]
    if top and store.exists(best):
        frame = store.read(best)
        if not frame.is_empty():
            console.print(_opportunities(frame, top))
    console.print(
        f"Read {store.path(CATALOG['reports/cross_sell_summary'])} first. The graph: make ui (or: dg dev).",
        highlight=False,
    )


def _opportunities(frame: object, top: int) -> Table:
    import polars as pl

    assert isinstance(frame, pl.DataFrame)
    first = frame.row(0, named=True)
    table = Table(
        title=f"The {top} best opportunities for {first['window_start']} to {first['window_end']}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("#", "customer", "offer", "chance", "vs. average", "why"):
        table.add_column(heading, justify="right" if heading in ("#", "chance", "vs. average") else "left")
    for row in frame.head(top).iter_rows(named=True):
        multiple = f"{row['p_multiple']:.1f}x" if row["p_multiple"] is not None else "-"
        name = row["customer_name"] or row["customer_id"]
        table.add_row(str(row["rank"]), name, row["division_name"], f"{row['p_icp']:.1%}", multiple, row["nba_reason"])
    return table


@app.command()
def status(config: Config = None) -> None:
    """Partitions by phase: fresh, stale, missing, or behind a closed gate."""
    settings = _settings(config)
    with _instance() as instance, _unusable():
        from gosales_assets.runner import Runner

        runner = Runner(settings, instance)
        runner.observe()
        table = Table(box=None, pad_edge=False)
        for heading in ("phase", "partitions", "fresh", "stale", "missing", "gates shut"):
            table.add_column(heading, justify="left" if heading == "phase" else "right")
        shut: list[str] = []
        counts: dict[str, list[int]] = {}
        for unit in runner.plan():
            row = counts.setdefault(unit.group, [0, 0, 0, 0, 0])
            stale = runner.stale(unit)
            missing = sum(reason == "never materialized" for reason in stale.values())
            closed = runner.closed_gates(unit)
            row[0] += 1
            row[1] += not stale
            row[2] += bool(stale) and missing < len(runner.groups[unit.group])
            row[3] += missing == len(runner.groups[unit.group])
            row[4] += len(closed)
            shut += closed
        for group, row in counts.items():
            table.add_row(_GROUP_TITLES[group], *map(str, row))
        console.print(table)
        for gate in shut:
            console.print(f"[red]shut[/red] {escape(gate)}", highlight=False, soft_wrap=True)
        if shut:
            raise typer.Exit(CLOSED)


@app.command()
def init(
    log: Annotated[list[Path], typer.Argument(help="Your sales log: CSV or Parquet, one or several files.")],
    out: Annotated[Path, typer.Option("--out", help="Folder the configuration is written to.")] = Path(),
) -> None:
    """Look at a sales log and write a commented gosales.yaml for it."""
    with _unusable():
        from gosales_assets.sources.scaffold import propose, render

        proposal = propose(log)
        target = out / "gosales.yaml"
        if target.exists():
            raise ValueError(f"{target} exists; move it away, or choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        text = render(proposal, out)
        target.write_text(text, encoding="utf-8")
    questions = [
        line.removeprefix("# QUESTION:").strip()
        for line in map(str.strip, text.splitlines())
        if line.startswith("# QUESTION:")
    ]
    console.print(f"{target} written. Next: gosales run --config {target}", highlight=False)
    for question in questions:
        console.print(f"[yellow]question[/yellow] {escape(question)}", highlight=False, soft_wrap=True)


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    customers: Annotated[int, typer.Option("--customers", min=1)] = 3000,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    layout: Annotated[str, typer.Option("--layout", help="wide or tidy")] = "wide",
    dirt: Annotated[float, typer.Option("--dirt", min=0, max=1, help="Share of spoiled records.")] = 0.02,
    truth: Annotated[bool, typer.Option("--truth", help="Also write the true purchase probabilities.")] = False,
    config: Config = None,
) -> None:
    """Write the synthetic world to files."""
    settings = _settings(config)
    with _unusable():
        from gosales_assets.settings import SampleWorld
        from gosales_assets.sources.sample import write_world

        if layout not in ("wide", "tidy"):
            raise ValueError(f"--layout is {layout!r}; choose wide or tidy")
        chosen: Literal["wide", "tidy"] = "wide" if layout == "wide" else "tidy"
        spec = SampleWorld(customers=customers, seed=seed, dirt_share=dirt, layout=chosen)
        for path in write_world(spec, settings.products, out, chosen, truth=truth):
            console.print(str(path), highlight=False)


@app.command()
def docs(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files are current.")] = False,
) -> None:
    """Write the documents that are generated: the artifact catalog, the settings, the features."""
    from gosales_assets.catalog import markdown
    from gosales_assets.engine.features.reference import reference as features
    from gosales_assets.settings import FeatureSettings, reference

    usual = FeatureSettings()
    texts = {
        "artifact_catalog.md": markdown(),
        "settings.md": reference(),
        "features.md": features(usual, usual.everything()),
    }
    for name, text in texts.items():
        path = out / name
        if not check:
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            console.print(str(path), highlight=False)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            errors.print(f"{path} is not what the code says; run `gosales docs`", highlight=False)
            raise typer.Exit(CLOSED)


if __name__ == "__main__":
    app()
