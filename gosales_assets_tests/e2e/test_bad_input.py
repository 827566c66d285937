"""Input that cannot be used gives a clear error or a stated status, and leaves what was published as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.launch import Unit
from gosales_assets.runner import Runner
from gosales_assets.settings import Settings
from gosales_assets.sources import SourceError
from gosales_assets_tests.e2e.conftest import SMALL, contents, instance_at

pytestmark = pytest.mark.long

STAR = [Unit("star", None)]
GOOD = "customer_id,order_date,product_sku,product_division,quantity,gross_profit\n" + "".join(
    f"C{i % 40:03},2023-{i % 12 + 1:02}-15,SWX_Core,Solidworks,1,{100 + i}\n" for i in range(400)
)
HEADER = GOOD.splitlines()[0] + "\n"
NOBODY = HEADER + "".join(f",{line.partition(',')[2]}\n" for line in GOOD.splitlines()[1:])
#: A column that was read is gone; its lines still have a division.
FEWER = "".join(",".join(c for i, c in enumerate(line.split(",")) if i != 2) + "\n" for line in GOOD.splitlines())


def runner_on(root: Path, log: str | None, **more) -> Runner:
    """A runner over one tidy CSV file; None takes the file away."""
    path = root / "log.csv"
    path.unlink(missing_ok=True)
    if log is not None:
        path.write_text(log)
    sources = {"sales_log": {"kind": "files", "layout": "tidy", "path": str(path)}}
    settings = Settings.load(
        environ={}, overrides={**SMALL, "artifact_root": str(root / "out"), "sources": sources, **more}
    )
    return Runner(settings, instance_at(root / "home"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a star of the good log, and a copy of it as it was published."""
    root, copy = (tmp_path_factory.mktemp(name) for name in ("published", "copy"))
    good = runner_on(root, GOOD)
    assert good.run(STAR).stopped is None
    good.instance.dispose()
    shutil.copytree(root, copy, dirs_exist_ok=True)
    return root, copy


@pytest.fixture
def star(published: tuple[Path, Path]) -> Iterator[Path]:
    """That folder; as it was published when a test begins."""
    root, copy = published
    yield root
    shutil.rmtree(root)
    shutil.copytree(copy, root)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Everything made of the good log: nobody buys training, and it ends in December 2023, before the last cutoff."""
    runner = runner_on(tmp_path_factory.mktemp("whole"), GOOD)
    outcome = runner.run(runner.plan())
    assert outcome.stopped is None, outcome.stopped
    return runner


@pytest.mark.parametrize(
    ("log", "reason", "shuts"),
    [
        (None, "log.csv", False),
        ("", "empty", False),
        (HEADER, "no record", True),
        (GOOD.replace("order_date", "remark"), "order_date", True),
        (GOOD.replace("-15,", "-99,"), "invalid_date", True),
        (NOBODY, "missing_customer_id 400", True),
        (FEWER, "sales_log.product_sku was there in the previous build and is gone", True),
    ],
    ids=[
        "missing file",
        "empty file",
        "header only",
        "required column missing",
        "all rows bad",
        "P11 null ids only",
        "P11 column removed",
    ],
)
def test_a_log_that_cannot_be_used_is_refused_and_nothing_published_changes(star: Path, log, reason, shuts):
    before = contents(star / "out")
    assert any(name.endswith("fact_transactions.parquet") for name in before)
    bad = runner_on(star, log)
    try:
        stopped = bad.run(STAR).stopped
    except SourceError as error:
        said = str(error)
    else:
        assert stopped is not None, "a log that cannot be used went through"
        said = stopped.reason
    assert reason in said
    after = contents(star / "out")
    # What explains a refusal is published, and the copy of what was received; the tables are not touched.
    evidence = ("contract_violations.csv", "row_counts.csv", "sales_log.parquet")
    assert {k: v for k, v in after.items() if not k.endswith(evidence)} == {
        k: v for k, v in before.items() if not k.endswith(evidence)
    }
    # A shut contract keeps everything behind it from running; an unread log leaves the old star usable.
    if not shuts:
        bad = runner_on(star, GOOD)
    downstream = bad.run([Unit("customer_base", "2023-06-30")])
    assert (downstream.stopped is not None) == shuts
    assert not shuts or "gate closed: star/" in downstream.stopped.reason


def test_a_second_build_of_the_same_input_changes_no_byte(star: Path):
    before = contents(star / "out")
    assert any(name.endswith("schema_snapshot.json") for name in before)
    lines = GOOD.splitlines()[1:]
    for log in (GOOD, HEADER + "\n".join(lines[::-1]) + "\n"):
        again = runner_on(star, log)
        forced = again.run(STAR, force=True)
        assert (forced.stopped, forced.materialized > 0) == (None, True)
        assert contents(star / "out") == before


def test_a_removed_column_is_accepted_for_one_build_and_then_expected(star: Path):
    accept = {"etl": {"severity": {"contract_schema_drift": "WARN"}}}
    snapshot = CATALOG["star/schema_snapshot"]
    first = runner_on(star, GOOD)
    before = first.store.read(snapshot)
    refused = runner_on(star, FEWER).run(STAR).stopped
    assert refused is not None
    assert "etl.severity.contract_schema_drift: WARN" in refused.reason
    assert first.store.read(snapshot) == before  # what was refused is no previous build

    assert runner_on(star, FEWER, **accept).run(STAR).stopped is None
    assert first.store.read(snapshot) != before
    last = runner_on(star, FEWER)
    assert last.run(STAR).stopped is None
    assert last.run([Unit("customer_base", "2023-06-30")]).stopped is None


def test_a_division_without_positives_gets_a_baseline_and_is_not_ranked(whole: Runner):
    runner = whole
    model = runner.store.read(CATALOG["models/model"], "2024-06-30|training")
    assert (model["status"], model["kind"]) == ("insufficient_data", "baseline")
    metrics = runner.store.read(CATALOG["models/metrics"], "2024-06-30|training")
    assert metrics["final"]["whitespace"]["auc"] is None
    offered = runner.store.read(CATALOG["whitespace/whitespace"], "2024-06-30")
    assert "training" not in set(offered["division"])
    summary = runner.store.read(CATALOG["whitespace/capacity_summary"], "2024-06-30")
    assert summary.filter(pl.col("division") == "training")["status"].to_list() == ["insufficient_data"]


def test_a_log_of_one_customer_goes_through_with_its_status(tmp_path: Path):
    lines = [line for line in GOOD.splitlines()[1:] if line.startswith("C001")]
    runner = runner_on(tmp_path, HEADER + "\n".join(lines) + "\n", divisions=["solidworks"])
    outcome = runner.run(runner.plan())
    assert outcome.stopped is None, outcome.stopped
    assert runner.store.read(CATALOG["models/model"], "2024-06-30|solidworks")["status"] == "insufficient_data"


def test_a_cutoff_after_the_data_ends_is_censored_not_negative(whole: Runner):
    runner = whole
    labels = runner.store.read(CATALOG["labels/labels"], "2023-12-31|solidworks")
    assert set(labels["censored_flag"]) == {1}
    metrics = runner.store.read(CATALOG["validation/metrics"], "2023-12-31|solidworks")
    assert metrics["status"] == "window_open"
    assert metrics["final"]["all"]["auc"] is None
