"""The event log and run storage of the default instance: one SQLite file each, kept open.

Dagster's SQLite storages open a connection per call and one database per run. A run of this graph makes hundreds of
calls, so that opening and stamping files costs more than the work. These two keep one connection pool per process, in
write-ahead mode. Named in ``dagster.yaml``; any other Dagster storage works in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as db
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
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


class EventLog(ConsolidatedSqliteEventLogStorage):
    """All events of all runs in one SQLite file."""

    @cached_property
    def _kept_open(self) -> db.Engine:
        return _engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[db.Connection]:
        with self._kept_open.begin() as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        return db.inspect(self._kept_open).has_table(table_name)

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
