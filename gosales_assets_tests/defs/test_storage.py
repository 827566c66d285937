"""The artifact store and IO manager: whole files, the right partitions, and what is recorded of them."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from upath import UPath

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.storage import ArtifactStore, Pictured
from gosales_assets_tests.defs.graphs import CUTOFF, PARTS, A, B, Tiny, key, reason

METRICS, SUMMARY, SCORES = "models/metrics", "rollups/metrics_summary", "rollups/icp_scores"
RANKING, STAR, FACTS = "whitespace/whitespace_metrics", "star/checksums", "star/fact_transactions"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tags(instance: dg.DagsterInstance, name: str, partition: str | None = None) -> dict[str, str]:
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(name), asset_partitions=[partition] if partition else None), limit=1
    ).records
    return dict(records[0].asset_materialization.tags or {})


def metadata(instance: dg.DagsterInstance, name: str) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(key(name))
    return {k: v.value for k, v in event.asset_materialization.metadata.items()}


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


# --- writing


def test_a_file_is_replaced_as_a_whole_and_leaves_no_litter(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    path = store.path(CATALOG[STAR])
    store.write(path, b"old")
    store.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert files(tmp_path) == ["gosales/outputs/star/contracts/checksums.json"]
    assert oct(os.stat(str(path)).st_mode & 0o777) == "0o644"


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)
    path = store.path(CATALOG[STAR])
    store.write(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        store.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["gosales/outputs/star/contracts/checksums.json"]


def test_a_reader_in_the_middle_of_a_write_sees_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(tmp_path)
    path = store.path(CATALOG[STAR])
    store.write(path, b"old")
    seen: list[bytes] = []
    synced = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(path.read_bytes()), synced(fd))[1])
    store.write(path, b"new and longer")
    assert seen == [b"old"]


def test_a_file_that_is_absent_is_named_with_what_to_do(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for read in (store.read, store.scan):
        with pytest.raises(FileNotFoundError, match=r"fact_transactions\.parquet does not exist; materialize star"):
            read(CATALOG[FACTS])


def test_files_are_found_by_artifact_and_not_by_likeness(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    labels, prevalence = CATALOG["labels/labels"], CATALOG["labels/label_prevalence"]
    for artifact in (labels, prevalence):
        for slug in ("printers", "success_plan"):
            store.write(store.path(artifact, f"2024-06-30|{slug}"), b"x")
    store.write(store.path(CATALOG["rollups/icp_scores"]), b"x")
    store.write(store.path(CATALOG["rollups/icp_scores_fallback"], timestamp="20240701T010203000004Z"), b"x")
    assert [p.name for p in store.find(labels)] == [
        "labels_printers_2024-06-30.parquet",
        "labels_success_plan_2024-06-30.parquet",
    ]
    assert len(store.find(prevalence)) == 2
    assert [p.name for p in store.find(CATALOG["rollups/icp_scores"])] == ["icp_scores.csv"]
    assert [p.name for p in store.find(CATALOG["rollups/icp_scores_fallback"])] == [
        "icp_scores_20240701T010203000004Z.csv"
    ]
    assert ArtifactStore(tmp_path / "nowhere").find(labels) == []


# --- a graph


def made(name: str, value: Any, partitions: dg.PartitionsDefinition | None = None) -> dg.AssetsDefinition:
    @dg.asset(key=key(name), partitions_def=partitions)
    def asset() -> Any:
        return value() if callable(value) else value

    return asset


def test_what_is_recorded_of_a_file(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tiny = Tiny([made("star/row_counts", pl.DataFrame({"table": ["f"], "rows": [3]}))], [], tmp_path, instance)
    made_now = tiny.launch("star/row_counts")
    assert made_now.success
    path = tmp_path / "gosales/outputs/star/contracts/row_counts.csv"
    data = path.read_bytes()
    assert data == b"table,rows\nf,3\n"
    sha = hashlib.sha256(data).hexdigest()
    recorded = metadata(instance, "star/row_counts")
    assert recorded["path"] == str(path)
    assert recorded["bytes"] == len(data)
    assert recorded["sha256"] == sha
    assert recorded["dagster/row_count"] == 1
    assert [(c.name, c.type) for c in recorded["dagster/column_schema"].columns] == [
        ("table", "String"),
        ("rows", "Int64"),
    ]
    # It stands with the materialization and is not stored again with the event of the output.
    said = [e.event_specific_data.metadata for e in made_now.all_events if e.is_handled_output]
    assert said == [{}]
    # The content is the version: Dagster takes it as the asset's own.
    assert tags(instance, "star/row_counts")[DATA_VERSION_TAG] == sha
    assert tags(instance, "star/row_counts")["dagster/data_version_is_user_provided"] == "true"


def test_a_picture_lies_beside_its_file_and_is_no_part_of_its_version(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    gains, versions = pl.DataFrame({"decile": [1]}), []
    cutoff, division = A.split("|")
    folder = tmp_path / "gosales/outputs/models" / division / cutoff
    for png in (b"one", b"another"):
        asset = made("models/gains", Pictured(gains, png), PARTS.division_model_cutoffs)
        assert Tiny([asset], [], tmp_path, instance).launch("models/gains", partition=A).success
        assert files(folder) == ["gains.csv", "gains.png"]
        assert ((folder / "gains.csv").read_bytes(), (folder / "gains.png").read_bytes()) == (b"decile\n1\n", png)
        recorded = metadata(instance, "models/gains")
        assert (recorded["picture_path"], recorded["dagster/row_count"]) == (str(folder / "gains.png"), 1)
        versions.append(tags(instance, "models/gains", A)[DATA_VERSION_TAG])
    assert versions[0] == versions[1] == hashlib.sha256(b"decile\n1\n").hexdigest()


def test_the_same_content_is_the_same_version_and_other_content_another(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    state = {"value": {"a": 1}}
    tiny = Tiny([made(STAR, lambda: state["value"])], [], tmp_path, instance)
    versions = []
    for value in ({"a": 1}, {"a": 1}, {"a": 2}):
        state["value"] = value
        tiny.launch(STAR)
        versions.append(tags(instance, STAR)[DATA_VERSION_TAG])
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize("root", ["local", "memory"])
def test_every_kind_of_input_arrives_as_annotated(root: str, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    seen: dict[str, Any] = {}
    where = str(tmp_path) if root == "local" else f"memory://bucket-{tmp_path.name}/deep"
    facts = pl.DataFrame({"customer_id": ["00123"], "gross_profit": [1.5]})

    @dg.asset(key=key(METRICS), partitions_def=PARTS.division_model_cutoffs)
    def metrics(context) -> dict:
        return {"of": context.partition_key.keys_by_dimension["division"]}

    @dg.asset(
        key=key(RANKING),
        partitions_def=PARTS.model_cutoffs,
        ins={
            "lazy": dg.AssetIn(key(FACTS)),
            "metrics": dg.AssetIn(key(METRICS), partition_mapping=PARTS.every_division),
        },
    )
    def ranking(lazy: pl.LazyFrame, metrics: dict[str, dict]) -> dict:
        seen.update(lazy=lazy, metrics=metrics)
        return {"ok": True}

    @dg.asset(key=key("star/row_counts"), ins={"eager": dg.AssetIn(key(FACTS))})
    def counts(eager: pl.DataFrame) -> pl.DataFrame:
        seen.update(eager=eager)
        return eager

    tiny = Tiny([made(FACTS, facts), metrics, ranking, counts], [], where, instance)
    assert tiny.launch(FACTS, "star/row_counts").success
    for partition in (A, B):
        assert tiny.launch(METRICS, partition=partition).success
    assert tiny.launch(RANKING, partition=CUTOFF).success
    assert isinstance(seen["lazy"], pl.LazyFrame)
    assert seen["lazy"].collect().equals(facts)
    assert seen["eager"].equals(facts)
    assert seen["metrics"] == {A: {"of": "a"}, B: {"of": "b"}}
    path = UPath(where) / "gosales/outputs/models/b" / CUTOFF / "metrics.json"
    assert path.exists()
    assert metadata(instance, METRICS)["path"] == str(path)


def fan_in(seen: dict[str, Any], mapping: dg.PartitionMapping, annotation: Any, **meta: Any) -> dg.AssetsDefinition:
    def compute(metrics: Any) -> dict:
        seen["metrics"] = metrics
        return {}

    compute.__annotations__["metrics"] = annotation
    return dg.asset(
        key=key(STAR), ins={"metrics": dg.AssetIn(key(METRICS), partition_mapping=mapping, metadata=meta or None)}
    )(compute)


def metrics_of(partitions: dg.PartitionsDefinition = PARTS.division_model_cutoffs) -> dg.AssetsDefinition:
    return made(METRICS, {"x": 1}, partitions)


def test_a_fan_in_of_one_partition_is_still_a_dict(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    seen: dict[str, Any] = {}
    only = dg.SpecificPartitionsPartitionMapping([A])
    tiny = Tiny([metrics_of(), fan_in(seen, only, dict[str, dict])], [], tmp_path, instance)
    tiny.launch(METRICS, partition=A)
    assert tiny.launch(STAR).success
    assert seen["metrics"] == {A: {"x": 1}}


def test_one_value_of_many_partitions_is_refused(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tiny = Tiny([metrics_of(), fan_in({}, dg.AllPartitionMapping(), dict)], [], tmp_path, instance)
    for partition in (A, B):
        tiny.launch(METRICS, partition=partition)
    assert "resolves to 2 partitions; annotate it `dict[str, ...]`" in reason(tiny.launch(STAR))


def test_a_required_input_of_no_partition_is_refused(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """A mapping that resolves to nothing must not look like an empty fan-in."""

    @dg.asset(
        key=key("scores/closed_calibration"),
        partitions_def=PARTS.division_model_cutoffs,
        ins={"metrics": dg.AssetIn(key(METRICS), partition_mapping=PARTS.last_closed)},
    )
    def closed(metrics: dict[str, dict]) -> dict:
        return {}

    tiny = Tiny([metrics_of(), closed], [], tmp_path, instance)
    tiny.launch(METRICS, partition=A)
    said = reason(tiny.launch("scores/closed_calibration", partition=A))
    assert said.startswith("models/metrics: input 'metrics' resolves to no partition at all")


def test_only_an_input_marked_existing_may_be_incomplete_or_empty(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    seen: dict[str, Any] = {}
    everything = dg.AllPartitionMapping()
    required = Tiny([metrics_of(), fan_in(seen, everything, dict[str, dict])], [], tmp_path, instance)
    existing = Tiny([metrics_of(), fan_in(seen, everything, dict[str, dict], existing=True)], [], tmp_path, instance)
    assert existing.launch(STAR).success
    assert seen["metrics"] == {}
    existing.launch(METRICS, partition=B)
    assert existing.launch(STAR).success
    assert seen["metrics"] == {B: {"x": 1}}
    said = reason(required.launch(STAR))
    assert f"models/a/{CUTOFF}/metrics.json does not exist; materialize models/metrics first" in said


# --- scores that another program holds open


def scores(n: int) -> pl.DataFrame:
    row = CATALOG[SCORES]
    schema = dict(row.dtypes())
    return pl.DataFrame({c: [None] * n for c in schema}, schema=schema).with_columns(customer_id=pl.lit("00123"))


def test_a_locked_primary_is_delivered_beside_it_and_read_from_there(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"rows": 1}
    seen: dict[str, Any] = {}

    @dg.asset(key=key("star/row_counts"), ins={"icp": dg.AssetIn(key(SCORES))})
    def reader(icp: pl.DataFrame) -> pl.DataFrame:
        seen["rows"] = icp.height
        return pl.DataFrame({"rows": [icp.height]})

    tiny = Tiny([made(SCORES, lambda: scores(state["rows"])), reader], [], tmp_path, instance)
    assert tiny.launch(SCORES).success
    primary = tmp_path / "gosales/outputs/icp_scores.csv"
    before = primary.read_bytes()

    # As Windows does for a file that a spreadsheet holds open.
    replace = os.replace

    def locked(source: Any, target: Any) -> None:
        if Path(target) == primary:
            raise PermissionError(13, "The process cannot access the file", str(target))
        replace(source, target)

    state["rows"] = 2
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", locked)
        assert tiny.launch(SCORES, "star/row_counts").success
    assert seen["rows"] == 2
    assert primary.read_bytes() == before
    names = [p.name for p in primary.parent.iterdir() if p.is_file()]
    (fallback,) = [n for n in names if n != "icp_scores.csv"]
    assert re.fullmatch(r"icp_scores_\d{8}T\d{12}Z\.csv", fallback)
    assert metadata(instance, SCORES)["path"] == str(primary.parent / fallback)
    recorded = metadata(instance, "rollups/icp_scores_fallback")
    assert recorded["path"] == str(primary.parent / fallback)
    assert "cannot access the file" in recorded["reason"]
    # A later run still reads the newest delivery, and the next one that succeeds is the primary again.
    assert tiny.launch("star/row_counts").success
    assert seen["rows"] == 2
    state["rows"] = 3
    assert tiny.launch(SCORES, "star/row_counts").success
    assert seen["rows"] == 3
    assert metadata(instance, SCORES)["path"] == str(primary)


def test_another_file_that_is_locked_fails_its_run(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Tiny([made(STAR, {"a": 1})], [], tmp_path, instance)

    def locked(source: Any, target: Any) -> None:
        raise PermissionError(13, "locked", str(target))

    monkeypatch.setattr(os, "replace", locked)
    assert "locked" in reason(tiny.launch(STAR))
    assert files(tmp_path) == []
    assert instance.get_latest_materialization_event(key(STAR)) is None


# --- settings in force


def test_the_settings_in_force_are_written_once_per_run(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tiny = Tiny([made(STAR, {"a": 1})], [], tmp_path, instance, config_resolved="seed: 1\n")
    runs = [tiny.launch(STAR).run_id for _ in range(2)]
    config = CATALOG["observability/config_resolved"]
    assert [p.as_posix() for p in tiny.store.find(config)] == sorted(
        (tmp_path / f"gosales/outputs/runs/{run}/config_resolved.yaml").as_posix() for run in runs
    )
    assert all(p.read_text() == "seed: 1\n" for p in tiny.store.find(config))
    events = instance.fetch_materializations(key("observability/config_resolved"), limit=10).records
    assert len(events) == 2
    # Another process of the same run starts its own manager.
    context: Any = SimpleNamespace(run_id=runs[0], instance=instance)
    tiny.definitions.resources["io_manager"].setup_for_execution(context)
    assert len(instance.fetch_materializations(key("observability/config_resolved"), limit=10).records) == 2
