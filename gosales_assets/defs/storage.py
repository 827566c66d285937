"""The artifact IO manager: every file of the catalog is written and read here.

Belongs here: where an asset's partition lies, atomic writing, what is recorded of a file, what an input loads, and the
call of the gate guard. Does not belong here: the codecs (`formats`), the judging of gates (`guard`), any computation.

A reader sees the old file or the new one, never half: files are written under a temporary name in the same folder,
synced, then renamed. On an object store one PUT is that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import dagster as dg
import polars as pl
import yaml
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from upath import UPath

from gosales_assets.catalog import CATALOG, Artifact
from gosales_assets.defs import formats
from gosales_assets.defs.guard import gates_of
from gosales_assets.defs.partitions import placeholders

_CONFIG = CATALOG["observability/config_resolved"]
_SCORES, _SCORES_FALLBACK = CATALOG["rollups/icp_scores"], CATALOG["rollups/icp_scores_fallback"]


_PLACEHOLDER_VALUES = {
    "division": "[a-z0-9_]+",
    "cutoff": r"\d{4}-\d{2}-\d{2}",
    "run_id": "[0-9a-f-]+",
    "timestamp": r"\d{8}T\d+Z",
}


class Pictured(NamedTuple):
    """What an asset hands over when a picture of it lies beside its file: the value, and the bytes of a PNG."""

    value: Any
    png: bytes


class ArtifactStore:
    """Files under one root, local or any fsspec URL."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = UPath(root)

    @property
    def is_local(self) -> bool:
        return self.root.protocol in ("", "file", "local")

    def path(self, artifact: Artifact, partition: str | None = None, **more: str) -> UPath:
        """Where a partition of an artifact lies."""
        return self.root / artifact.path(**placeholders(artifact, partition), **more)

    def picture_path(self, artifact: Artifact, partition: str | None = None) -> UPath:
        """Where the picture of a partition of an artifact lies."""
        return self.root / artifact.picture_path(**placeholders(artifact, partition))

    def find(self, artifact: Artifact) -> list[UPath]:
        """Every file of an artifact that exists, whatever its partition."""
        if not self.root.exists():
            return []
        exact = re.escape(artifact.pattern)
        for name, value in _PLACEHOLDER_VALUES.items():
            exact = exact.replace(f"<{name}>", value)
        found = self.root.glob(re.sub(r"<\w+>", "*", artifact.pattern))
        return sorted((p for p in found if re.search(f"(^|/){exact}$", p.as_posix())), key=str)

    def write(self, path: UPath, data: bytes) -> None:
        """Replace a file as a whole.

        Raises
        ------
        OSError
            When the target is locked or the folder cannot be written; the old file is then untouched.
        """
        if not self.is_local:
            path.write_bytes(data)
            return
        target = Path(str(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise

    def read(self, artifact: Artifact, partition: str | None = None) -> Any:
        """The value of a partition.

        Raises
        ------
        FileNotFoundError
            Naming the file and the asset to materialize.
        """
        return self.read_path(artifact, self.path(artifact, partition))

    def read_path(self, artifact: Artifact, path: UPath) -> Any:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; materialize {artifact.id} first")
        return formats.decode(artifact, path.read_bytes())

    def scan(self, artifact: Artifact, partition: str | None = None) -> pl.LazyFrame:
        """A lazy frame over a local Parquet partition; other files are read.

        Polars opens object stores with options of its own, named otherwise than those of the root.
        """
        path = self.path(artifact, partition)
        if artifact.format != "parquet" or not self.is_local:
            return self.read_path(artifact, path).lazy()
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; materialize {artifact.id} first")
        return pl.scan_parquet(str(path))

    def exists(self, artifact: Artifact, partition: str | None = None) -> bool:
        return self.path(artifact, partition).exists()


def artifact_of(key: dg.AssetKey) -> Artifact:
    """The catalog row of an asset key."""
    return CATALOG["/".join(key.path)]


def data_version(data: bytes) -> str:
    """sha256 of a file's bytes: its data version."""
    return hashlib.sha256(data).hexdigest()


def recorded_version(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> str | None:
    """The data version of what was last materialized; None when nothing was."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
    ).records
    made = records[0].asset_materialization if records else None
    return (made.tags or {}).get(DATA_VERSION_TAG) if made else None


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Stores assets by their catalog row and opens no input behind a closed gate.

    Attributes
    ----------
    artifact_root
        Folder or fsspec URL.
    gates
        Name of the registry of blocking checks (`guard.gates_of`): a resource is copied and, with other executors,
        rebuilt in other processes, so that it can carry a name but no object.
    config_resolved
        Text of the settings in force.
    """

    artifact_root: str
    gates: str
    config_resolved: str = ""

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(self.artifact_root)

    # --- once per run

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Write the settings in force, once per run."""
        if not (self.config_resolved and context.run_id and context.instance):
            return
        path = self.store.path(_CONFIG, run_id=context.run_id)
        if path.exists():  # every process of a run starts its own manager
            return
        data = self.config_resolved.encode()
        self.store.write(path, data)
        context.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(_CONFIG.key),
                metadata={
                    "path": dg.MetadataValue.path(str(path)),
                    "run": dg.MetadataValue.dagster_run(context.run_id),
                },
                tags={DATA_VERSION_TAG: data_version(data)},
            )
        )

    # --- outputs

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        artifact = artifact_of(context.asset_key)
        partition = context.asset_partition_key if context.has_asset_partitions else None
        obj, png = obj if isinstance(obj, Pictured) else (obj, None)
        data = formats.encode(artifact, obj)
        path = self.store.path(artifact, partition)
        try:
            self.store.write(path, data)
        except OSError as error:
            if artifact is not _SCORES:
                raise
            path = self._write_fallback(context, data, error)
        version = data_version(data)
        # Not public: lets the content, not the run, decide whether anything downstream is stale.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(version))
        said = _describe(artifact, obj, path, data, version)
        if png is not None:
            drawn = self.store.picture_path(artifact, partition)
            self.store.write(drawn, png)
            said["picture_path"] = dg.MetadataValue.path(str(drawn))
        # To the materialization alone: what is said of an output is stored twice, the other time where nobody looks.
        context.step_context.add_asset_metadata(said, context.asset_key)

    def _write_fallback(self, context: dg.OutputContext, data: bytes, error: OSError) -> UPath:
        """Deliver the scores beside a primary file that another program holds open."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        path = self.store.path(_SCORES_FALLBACK, timestamp=stamp)
        self.store.write(path, data)
        context.log.warning(f"{self.store.path(_SCORES)} cannot be replaced ({error}); delivered as {path}")
        context.step_context.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(_SCORES_FALLBACK.key),
                metadata={"path": dg.MetadataValue.path(str(path)), "reason": str(error)},
                tags={DATA_VERSION_TAG: data_version(data)},
            )
        )
        return path

    # --- inputs

    def load_input(self, context: dg.InputContext) -> Any:
        artifact = artifact_of(context.asset_key)
        instance = context.step_context.instance
        wanted = list(context.asset_partition_keys) if context.has_asset_partitions else None
        asked = context.definition_metadata or {}
        existing = bool(asked.get("existing"))
        if wanted is not None and existing:
            made = instance.get_materialized_partitions(context.asset_key)
            wanted = [key for key in wanted if key in made]
        if wanted == [] and not existing:
            raise dg.Failure(
                description=f"{artifact.id}: input {context.name!r} resolves to no partition at all; a required input "
                "needs at least one. Look at the partition mapping of this edge.",
                allow_retries=False,
            )
        if context.asset_key not in _judged_by(context):
            gates = gates_of(self.gates)
            if asked.get("on_closed") == "exclude" and wanted is not None:
                shut = {g.partition: str(g) for g in gates.closed(instance, context.asset_key, wanted)}
                for gate in shut.values():
                    context.log.warning(f"left out behind a closed gate: {gate}")
                wanted = [key for key in wanted if key not in shut]
            else:
                gates.require_open(instance, context.asset_key, wanted)
        kind = _annotation(context)
        if get_origin(kind) is dict:
            element = get_args(kind)[1]
            return {key: self._load(instance, artifact, key, element) for key in sorted(wanted or [])}
        if wanted is not None and len(wanted) != 1:
            raise dg.Failure(
                description=f"{artifact.id}: input {context.name!r} resolves to {len(wanted)} partitions; annotate it "
                "`dict[str, ...]`",
                allow_retries=False,
            )
        return self._load(instance, artifact, wanted[0] if wanted else None, kind)

    def _load(self, instance: dg.DagsterInstance, artifact: Artifact, partition: str | None, kind: Any) -> Any:
        if artifact is _SCORES:
            return self.store.read_path(artifact, self._delivered_scores(instance))
        if kind is pl.LazyFrame:
            return self.store.scan(artifact, partition)
        return self.store.read(artifact, partition)

    def _delivered_scores(self, instance: dg.DagsterInstance) -> UPath:
        """Where the last delivery went: never an older primary beside a newer fallback."""
        event = instance.get_latest_materialization_event(dg.AssetKey(_SCORES.key))
        made = event.asset_materialization if event else None
        recorded = made.metadata.get("path") if made else None
        primary = self.store.path(_SCORES)
        # By name: a root that was moved, or is seen from another working directory, still holds what was delivered.
        return primary.parent / UPath(str(recorded.value)).name if recorded is not None else primary


def _annotation(context: dg.InputContext) -> Any:
    return context.dagster_type.typing_type


def _judged_by(context: dg.InputContext) -> set[dg.AssetKey]:
    """The assets a check step judges: it must be able to load what it has yet to open the gate of."""
    step = context.step_context
    definition = step.job_def.asset_layer.get_assets_def_for_node(step.node_handle)
    return {key.asset_key for key in definition.check_keys} - set(definition.keys) if definition else set()


def _describe(artifact: Artifact, value: Any, path: UPath, data: bytes, version: str) -> dict[str, Any]:
    """What is recorded of a file."""
    metadata: dict[str, Any] = {
        "path": dg.MetadataValue.path(str(path)),
        "dagster/uri": str(path),
        "bytes": len(data),
        "sha256": version,
    }
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.DataFrame):
        described = artifact.column_descriptions()
        metadata["dagster/row_count"] = value.height
        metadata["dagster/column_schema"] = dg.TableSchema(
            columns=[
                dg.TableColumn(name, str(dtype), description=described.get(name) or None)
                for name, dtype in value.schema.items()
            ]
        )
    elif isinstance(value, list | tuple):
        metadata["dagster/row_count"] = len(value)
    elif isinstance(value, Mapping) and "status" in value:
        metadata["status"] = str(value["status"])
    return metadata


def resolved_yaml(tree: Mapping[str, Any]) -> str:
    """The text of ``config_resolved.yaml``."""
    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True)
