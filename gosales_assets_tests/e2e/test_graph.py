"""The whole graph on a small world: every file, nothing twice, same bytes, conservation."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.defs import storage
from gosales_assets.defs.stage import asset_key
from gosales_assets.launch import Unit
from gosales_assets.runner import Runner
from gosales_assets.settings import SIDE_SOURCES
from gosales_assets.sources import read_sales_log, read_side
from gosales_assets_tests.e2e.conftest import build, contents, small

pytestmark = pytest.mark.long

ROLLUP = CATALOG["rollups/icp_scores"]


class Inputs:
    """The records of the small world and of its side sources, to be written to files in any order."""

    def __init__(self) -> None:
        source = small(Path("nowhere"))
        self.log = read_sales_log(source.sources.sales_log, source.products).records.drop("_source_file").collect()
        self.sides = {side: read_side(source.sources, side, source.products) for side in SIDE_SOURCES}

    def build(self, home: Path, seed: int | None = None) -> tuple[Runner, dg.DagsterInstance]:
        """The whole graph from files under a folder, shuffled when there is a seed."""

        def ordered(rows: pl.DataFrame) -> pl.DataFrame:
            return rows if seed is None else rows.sample(fraction=1.0, shuffle=True, seed=seed)

        ordered(self.log).write_parquet(home / "log.parquet")
        for side, rows in self.sides.items():
            ordered(rows).write_csv(home / f"{side}.csv")
        sources = {
            "sales_log": {"kind": "files", "layout": "wide", "path": str(home / "log.parquet"), "as_of": "2024-12-31"},
            **{side: {"path": str(home / f"{side}.csv")} for side in SIDE_SOURCES},
        }
        return build(home / "out", small(home / "out", sources=sources))


class Built(NamedTuple):
    """A built world, and the hashes of its files when it had just been built."""

    runner: Runner
    contents: dict[str, str]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs()


@pytest.fixture(scope="module")
def built(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    runner, instance = inputs.build(tmp_path_factory.mktemp("world"))
    yield Built(runner, contents(Path(str(runner.store.root))))
    instance.dispose()


@pytest.fixture
def world(built: Built) -> Runner:
    return built.runner


def test_every_catalogued_file_exists_for_every_partition(world: Runner):
    missing = []
    for artifact in CATALOG.values():
        if artifact.name == "icp_scores_fallback" or artifact.on_demand:
            continue
        if artifact.grain == "run":
            assert world.store.find(artifact)
            continue
        partitions = world.platform.partitions.of(artifact)
        for key in partitions.get_partition_keys() if partitions else [None]:
            path = world.store.path(artifact, key)
            missing += [] if path.exists() else [str(path)]
            if artifact.picture:
                drawn = world.store.picture_path(artifact, key)
                missing += [] if drawn.exists() else [str(drawn)]
    assert not missing


def test_the_pictures_of_a_model_are_recorded_with_it(world: Runner):
    key = dg.MultiPartitionKey({"cutoff": "2024-06-30", "division": "training"})
    for artifact in (a for a in CATALOG.values() if a.picture):
        records = world.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset_key(artifact), asset_partitions=[str(key)]), limit=1
        ).records
        about = records[0].asset_materialization.metadata
        png = world.store.picture_path(artifact, str(key))
        assert about["picture_path"].value == str(png)
        shown = str(about["picture"].value)
        assert shown.endswith(f"(data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()})")
        assert len(shown) < 40_000
        assert "Training at 2024-06-30" in shown


def test_everybody_who_is_delivered_has_reasons_of_the_model(world: Runner):
    for rollup, p in (("rollups/icp_scores", "icp_score"), ("whitespace/whitespace_explanations", "p_icp")):
        artifact = CATALOG[rollup]
        told = world.store.read(artifact, "2024-06-30" if "<cutoff>" in artifact.pattern else None)
        fitted = {
            slug
            for slug in ("solidworks", "training")
            if world.store.read(CATALOG["models/model"], f"2024-06-30|{slug}")["status"] == "ok"
        }
        assert fitted
        told = told.filter(pl.col("division").is_in(fitted))
        assert told.height > 100
        assert told[p].n_unique() > 10
        assert told["reason_1"].null_count() == 0
        sizes = [told[f"reason_{n}_contribution"].abs().fill_null(0.0) for n in (1, 2, 3)]
        assert (sizes[0] >= sizes[1]).all()
        assert (sizes[1] >= sizes[2]).all()
    assert told["why"].str.contains(r"\((raises|lowers)\)").all()
    assert not told["why"].str.contains("__|the target|the cutoff").any()


def test_a_second_run_launches_nothing(world: Runner):
    again = Runner(world.settings, world.instance)
    outcome = again.run(again.plan())
    assert (outcome.stopped, outcome.launched) == (None, 0)


def test_re_running_a_model_to_the_same_bytes_leaves_nothing_stale(world: Runner):
    unit = Unit("models_scores", "2024-06-30|training")
    before = contents(Path(str(world.store.root)))
    forced = world.run([unit], force=True)
    assert forced.launched == 1
    assert contents(Path(str(world.store.root))) == before
    assert world.run(world.plan()).launched == 0


def test_every_record_and_every_cent_is_somewhere(world: Runner):
    counts = world.store.read(CATALOG["star/row_counts"])
    log = {r["stage"]: r for r in counts.filter(pl.col("table") == "sales_log").iter_rows(named=True)}
    parts = [log["accepted"], log["quarantined"], log["exact_duplicate"], log["unread"]]
    assert log["raw"]["rows"] == sum(p["rows"] for p in parts) > 1000
    assert round(log["raw"]["gross_profit"] - sum(p["gross_profit"] for p in parts), 2) == 0
    # The world is dirty, and the dirt was found: nothing balances on an empty side.
    assert log["quarantined"]["rows"] > 0
    assert log["exact_duplicate"]["rows"] > 0
    facts = world.store.read(CATALOG["star/fact_transactions"])
    assert round(facts["gross_profit"].sum() - log["accepted"]["gross_profit"], 2) == 0


def test_forward_metrics_are_given_for_everybody_and_for_the_whitespace(world: Runner):
    summary = world.store.read(CATALOG["rollups/metrics_summary"])
    forward = summary.filter(pl.col("split") == "holdout")
    assert set(forward["population"]) == {"all", "whitespace"}
    assert set(forward["division"]) == {"solidworks", "training"}
    few = forward.filter(pl.col("positives") < 10)
    assert few["auc"].null_count() == few.height


def test_nobody_is_offered_what_they_own(world: Runner):
    offered = world.store.read(CATALOG["rollups/whitespace"])
    assert offered.height > 0
    for slug in ("solidworks", "training"):
        labels = world.store.read(CATALOG["labels/labels"], f"2024-06-30|{slug}")
        owners = set(labels.filter(pl.col("ownership") == "owner")["customer_id"])
        assert owners
        assert not owners & set(offered.filter(pl.col("division") == slug)["customer_id"])


def test_a_model_learns_from_closed_windows_only(world: Runner):
    for key in world.platform.partitions.division_model_cutoffs.get_partition_keys():
        model = world.store.read(CATALOG["models/model"], str(key))
        cutoff = str(key).partition("|")[0]
        assert model["training"]["label_window_end"] <= cutoff


def test_the_same_records_in_any_order_and_any_folder_give_the_same_bytes(inputs: Inputs, built: Built, tmp_path: Path):
    shuffled, instance = inputs.build(tmp_path, seed=3)
    assert len(built.contents) > 100
    again = contents(Path(str(shuffled.store.root)))
    assert {n for n in built.contents if built.contents[n] != again.get(n)} == set()
    assert set(built.contents) == set(again)
    instance.dispose()


def test_a_locked_primary_is_delivered_beside_it(world: Runner, monkeypatch: pytest.MonkeyPatch):
    """Another program holds icp_scores.csv open: the scores go to icp_scores_<timestamp>.csv, and readers find them."""
    primary = world.store.path(ROLLUP)
    old = primary.read_bytes()
    real = storage.os.replace

    def locked(source: str, target: Path) -> None:
        if str(target) == str(primary):
            raise PermissionError(13, "locked by another program", str(target))
        real(source, target)

    job = world.launcher.definitions.resolve_job_def("delivery")
    monkeypatch.setattr(storage.os, "replace", locked)
    result = job.execute_in_process(instance=world.instance, asset_selection=[asset_key(ROLLUP)])
    assert result.success
    fallback = world.store.find(CATALOG["rollups/icp_scores_fallback"])
    assert len(fallback) == 1
    assert primary.read_bytes() == old
    recorded = world.instance.get_latest_materialization_event(asset_key(CATALOG["rollups/icp_scores_fallback"]))
    assert str(recorded.asset_materialization.metadata["path"].value) == str(fallback[0])
    # A reader takes what was delivered last, not the older primary.
    primary.write_text("customer_id\nstale\n")
    reports = job.execute_in_process(
        instance=world.instance, asset_selection=[dg.AssetKey(["reports", "cross_sell_accounts"])]
    )
    monkeypatch.undo()
    assert reports.success
    primary.write_bytes(old)
    fallback[0].unlink()
    assert world.run([Unit("delivery", None)], force=True).stopped is None


def test_documents_hold_no_nan(world: Runner):
    for artifact in CATALOG.values():
        if artifact.format == "json":
            for path in world.store.find(artifact):
                json.loads(path.read_text(), parse_constant=lambda name, p=path: pytest.fail(f"{p}: {name}"))


def test_scores_note_the_columns_they_did_not_read(world: Runner):
    event = world.instance.get_latest_materialization_event(asset_key(CATALOG["scores/division_scores"]))
    assert event.asset_materialization.metadata["columns_ignored"].value == []
