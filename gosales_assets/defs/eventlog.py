"""The event log and run storage of the default instance: one SQLite file each, kept open.

Dagster's SQLite storages open a connection per call and one database per run. A run of this graph makes hundreds of
calls, so that opening and stamping files costs more than the work. These two keep one connection pool per process, in
write-ahead mode; the event log also stores an event in one transaction and reads the verdicts on an asset in few
statements. What is stored and answered is what Dagster's own storage would: a test holds one against the other. Named
in ``dagster.yaml``; any other Dagster storage works in their place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus, AssetCheckPartitionInfo
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from sqlalchemy.pool import QueuePool

#: Seconds a writer waits for another process's transaction.
BUSY_SECONDS = 60


def _engine(url: str) -> db.Engine:
    engine = db.create_engine(
        url, poolclass=QueuePool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )

    @db.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        # NORMAL: in write-ahead mode a power cut may lose the last transaction, never corrupt the file.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


# Statements are built once: building one takes SQLAlchemy longer than SQLite needs to answer it.

_event, _check = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
_of_asset = db.bindparam("asset_key", type_=db.Text)
_materialized = _event.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value

_STORE = SqlEventLogStorageTable.insert()

_WIPED = db.select(AssetKeyTable.c.wipe_timestamp).where(AssetKeyTable.c.asset_key == _of_asset)

_LAST_MADE = (
    db.select(_event.id, _event.partition)
    .where(_event.asset_key == _of_asset, _materialized)
    .order_by(_event.id.desc())
    .limit(1)
)


def _last_executions(*some: db.ColumnElement[bool]) -> db.Select[Any]:
    """The last execution of each check in each partition, and the last materialization of that partition."""
    last = (
        db.select(db.func.max(_check.id))
        .where(
            _check.asset_key == _of_asset,
            _check.check_name.in_(db.bindparam("checks", expanding=True)),
            # Older versions of Dagster stored executions without the event that planned them.
            _check.evaluation_event_storage_id.is_not(None),
            *some,
        )
        .group_by(_check.check_name, _check.partition)
    )
    made = db.select(db.func.max(_event.id)).where(
        _event.asset_key == _of_asset, _materialized, _event.partition == _check.partition
    )
    return db.select(
        _check.check_name,
        _check.partition,
        _check.execution_status,
        _check.run_id,
        _check.evaluation_event_storage_id,
        _check.materialization_event_storage_id,
        made.correlate(AssetCheckExecutionsTable).scalar_subquery().label("made"),
    ).where(_check.id.in_(last.correlate(None)))


_RUNS_OF = db.select(_event.id, _event.run_id).where(_event.id.in_(db.bindparam("ids", expanding=True)))
_EXECUTIONS = _last_executions()
_EXECUTIONS_OF = _last_executions(_check.partition.in_(db.bindparam("partitions", expanding=True)))


class EventLog(ConsolidatedSqliteEventLogStorage):
    """All events of all runs in one SQLite file."""

    @cached_property
    def _kept_open(self) -> db.Engine:
        return _engine(self._conn_string)

    @cached_property
    def _here(self) -> threading.local:
        """The connection of the transaction a thread is in."""
        return threading.local()

    @cached_property
    def _seen(self) -> set[tuple[str, ...]]:
        """Tables and columns that were there once: a schema only grows."""
        return set()

    @contextmanager
    def _connect(self) -> Iterator[db.Connection]:
        if (mine := getattr(self._here, "connection", None)) is not None:
            yield mine
            return
        with self._kept_open.begin() as connection:
            self._here.connection = connection
            try:
                yield connection
            finally:
                del self._here.connection

    def has_table(self, table_name: str) -> bool:
        if (table_name,) not in self._seen and db.inspect(self._kept_open).has_table(table_name):
            self._seen.add((table_name,))
        return (table_name,) in self._seen

    def _has_asset_key_col_on_connection(self, conn: db.Connection, column_name: str) -> bool:
        column = (AssetKeyTable.name, column_name)
        if column not in self._seen and super()._has_asset_key_col_on_connection(conn, column_name):
            self._seen.add(column)
        return column in self._seen

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event with all that is derived from it, or nothing of it."""
        with self._connect() as connection:
            event_id = connection.execute(_STORE, self._event_to_row(event)).lastrowid
            kind = event.dagster_event_type
            if kind in ASSET_EVENTS and event.get_dagster_event().asset_key:
                self._store_asset_event_tags(connection, [event], [event_id])
                self._store_asset_event(connection, event, event_id)
            if kind in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)

    def _store_asset_event(self, conn: db.Connection, event: EventLogEntry, event_id: int) -> None:
        key = event.get_dagster_event().asset_key
        values = self._get_asset_entry_values(event, event_id, self._has_asset_key_index_cols_on_connection(conn))
        if key is None or not values:
            return
        # An asset is new once and known ever after; Dagster inserts first and updates when that fails.
        known = conn.execute(AssetKeyTable.update().where(AssetKeyTable.c.asset_key == key.to_string()), values)
        if not known.rowcount:
            conn.execute(AssetKeyTable.insert(), {"asset_key": key.to_string(), **values})

    def get_asset_check_partition_info(
        self,
        keys: Sequence[dg.AssetCheckKey],
        after_storage_id: int | None = None,
        partition_keys: Sequence[str] | None = None,
    ) -> Sequence[AssetCheckPartitionInfo]:
        """Status and targets of the last execution of checks, by partition."""
        assets = {key.asset_key for key in keys}
        if after_storage_id is not None or len(assets) != 1:
            return super().get_asset_check_partition_info(keys, after_storage_id, partition_keys)
        names = {key.name: key for key in keys}
        asked: dict[str, Any] = {"asset_key": assets.pop().to_string(), "checks": list(names)}
        with self._connect() as connection:
            if connection.execute(_WIPED, asked).scalar() is not None:
                # What was recorded before is then left out, which the statements here do not know.
                return super().get_asset_check_partition_info(keys, after_storage_id, partition_keys)
            last = connection.execute(_LAST_MADE, asked).first()
            if partition_keys is None:
                rows = connection.execute(_EXECUTIONS, asked).all()
            else:
                rows = connection.execute(_EXECUTIONS_OF, {**asked, "partitions": list(partition_keys)}).all()
        # A materialization of the asset as a whole is one of every partition.
        whole = last.id if last is not None and last.partition is None else None
        return [
            AssetCheckPartitionInfo(
                check_key=names[row.check_name],
                partition_key=row.partition,
                latest_execution_status=AssetCheckExecutionRecordStatus(row.execution_status),
                latest_planned_run_id=row.run_id,
                latest_check_event_storage_id=row.evaluation_event_storage_id,
                latest_materialization_storage_id=max((i for i in (row.made, whole) if i is not None), default=None),
                latest_target_materialization_storage_id=row.materialization_event_storage_id,
            )
            for row in rows
        ]

    def run_ids(self, storage_ids: Sequence[int]) -> dict[int, str]:
        """The runs that recorded events, without reading the events; one without a run has the id Dagster gives it."""
        with self._connect() as connection:
            rows = connection.execute(_RUNS_OF, {"ids": list(storage_ids)}).all()
        return {row.id: row.run_id for row in rows}

    def dispose(self) -> None:
        super().dispose()
        self._kept_open.dispose()


class Runs(SqliteRunStorage):
    """Runs in one SQLite file."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Runs:
        base = SqliteRunStorage.from_local(inst_data=inst_data, **config_value)
        return cls(base._conn_string, inst_data)

    @cached_property
    def _kept_open(self) -> db.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[db.Connection]:
        with self._kept_open.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._kept_open.dispose()
