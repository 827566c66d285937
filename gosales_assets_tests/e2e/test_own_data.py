"""Somebody's own log, by the commands a person would type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from gosales_assets.settings import SampleWorld, Settings
from gosales_assets.sources.sample import world_of

pytestmark = pytest.mark.long

RENAMED = {
    "wide": {
        "CustomerId": "Client No",
        "Rec Date": "Booked On",
        "Division": "Line of Business",
        "InvoiceId": "Document",
    },
    "tidy": {
        "customer_id": "Client No",
        "order_date": "Booked On",
        "product_division": "Line of Business",
        "product_sku": "Article",
        "quantity": "Units",
        "revenue": "Net Sales",
        "gross_profit": "Margin USD",
    },
}


def write_log(folder: Path, layout: str, customers: int) -> Path:
    """The synthetic log under headers of somebody's own."""
    taxonomy = Settings.load(environ={}).products
    world = world_of(SampleWorld(customers=customers, seed=5, layout=layout))
    log = world.records(layout, taxonomy, 0.01).records.drop("_source_file")
    log = log.rename({k: v for k, v in RENAMED[layout].items() if k in log.columns})
    assert set(RENAMED[layout].values()) <= set(log.columns)
    path = folder / ("sales.csv" if layout == "wide" else "sales.parquet")
    log.write_csv(path) if layout == "wide" else log.write_parquet(path)
    return path


def gosales(folder: Path, *arguments: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GOSALES", "DAGSTER"))}
    done = subprocess.run(
        [sys.executable, "-m", "gosales_assets.cli", *arguments],
        cwd=folder, env=env | {"CI": "true", "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def settings_of(folder: Path) -> Settings:
    return Settings.load(folder / "mine" / "gosales.yaml", environ={})


@pytest.mark.parametrize("layout", ["wide", "tidy"])
def test_init_then_run_gives_scores_of_a_renamed_log(tmp_path: Path, layout: str):
    log = write_log(tmp_path, layout, customers=300)
    gosales(tmp_path, "init", str(log), "--out", "mine")
    settings = settings_of(tmp_path)
    # The second model: the first that pools, from two cutoffs. A later one would only make more of the same.
    division, cutoff = "training", settings.calendar.model_cutoffs()[1].isoformat()
    out = gosales(tmp_path, "run", "--config", "mine/gosales.yaml", "--division", division, "--cutoff", cutoff)
    assert "runs launched" in out
    root = tmp_path / settings.artifact_root
    scores = pl.read_parquet(root / f"gosales/outputs/internal/scores/division_scores_{division}_{cutoff}.parquet")
    assert scores.height > 50
    counts = pl.read_csv(root / "gosales/outputs/star/contracts/row_counts.csv")
    raw, accepted = (counts.filter(pl.col("stage") == s)["rows"][0] for s in ("raw", "accepted"))
    assert 0.95 * raw < accepted <= raw


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["wide", "tidy"])
def test_init_then_run_gives_the_ranked_list_of_a_renamed_log(tmp_path: Path, layout: str):
    log = write_log(tmp_path, layout, customers=400)
    gosales(tmp_path, "init", str(log), "--out", "mine")
    gosales(tmp_path, "run", "--config", "mine/gosales.yaml")
    ranked = pl.read_csv(tmp_path / settings_of(tmp_path).artifact_root / "gosales/outputs/whitespace.csv")
    assert ranked.height > 100
