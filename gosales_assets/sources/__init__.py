"""Readers of raw data: files, the synthetic world, a public data set. One door: the functions below.

Belongs here: finding, decoding and handing over what was received, as received. Does not belong here: cleaning,
mapping of columns, judging (the engine's star schema does that), settings, Dagster.

Records come as a `polars.LazyFrame` whose columns are the trimmed headers of the log plus ``_source_file`` (base name
of the file a record stands in). Columns of CSV files are all text, those of Parquet keep their types.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from gosales_assets.sources.errors import SourceError

if TYPE_CHECKING:
    from gosales_assets.settings import SalesLog, Sources
    from gosales_assets.taxonomy import Taxonomy

__all__ = [
    "RawLog",
    "SourceError",
    "fingerprint",
    "read_sales_log",
    "read_side",
]

_NO_DATABASE = (
    "sources.sales_log.kind is 'database', which this version cannot read. Export the table to Parquet or CSV (for "
    "example with `COPY (SELECT …) TO 'sales_log.csv' CSV HEADER`, or your client's export), then set "
    "sources.sales_log.kind: files and sources.sales_log.path: sales_log.csv; `gosales init sales_log.csv` writes the "
    "rest"
)


@dataclass(frozen=True)
class RawLog:
    """A sales log as received.

    Attributes
    ----------
    records
        The records; no cleaning, no row numbers.
    layout
        ``wide`` or ``tidy``.
    as_of
        Last day the log is complete for, where the source or the settings declare it.
    description
        Where it came from: kind, files with bytes and encodings, parameters. For people and metadata.
    """

    records: pl.LazyFrame
    layout: Literal["wide", "tidy"]
    as_of: date | None
    description: dict[str, Any] = field(default_factory=dict)


def read_sales_log(spec: SalesLog, taxonomy: Taxonomy) -> RawLog:
    """Read the sales log the settings name.

    Parameters
    ----------
    spec
        ``sources.sales_log`` of the settings.
    taxonomy
        Products; the synthetic world names divisions by it.

    Raises
    ------
    SourceError
        When a file is missing, empty or cannot be decoded, when it has no columns, when the layout does not fit the
        kind, or when the kind cannot be read; the message says what to do.
    """
    return _READERS[spec.kind](spec, taxonomy)


def _sample(spec: SalesLog, taxonomy: Taxonomy) -> RawLog:
    from gosales_assets.sources.sample import world_of

    _must_be(spec, spec.sample.layout, "sources.sales_log.sample.layout")
    world = world_of(spec.sample)
    spoiled = world.records(spec.sample.layout, taxonomy, spec.sample.dirt_share)
    return RawLog(
        records=spoiled.records.lazy(),
        layout=spec.sample.layout,
        as_of=spec.as_of or spec.sample.end,
        description={
            "kind": "sample",
            "parameters": spec.sample.model_dump(mode="json"),
            "records": spoiled.records.height,
            "planted": dict(spoiled.planted.select("kind", "records").iter_rows()),
        },
    )


def _files(spec: SalesLog, taxonomy: Taxonomy) -> RawLog:
    from gosales_assets.sources.files import read_tables

    log = read_tables(spec.path, encoding=spec.encoding, separator=spec.separator, what="sources.sales_log.path")
    return RawLog(log.records, spec.layout, spec.as_of, {"kind": "files", "files": log.description})


def _completejourney(spec: SalesLog, taxonomy: Taxonomy) -> RawLog:
    from gosales_assets.sources.completejourney import AS_OF, read

    _must_be(spec, "tidy", "the data set")
    records, description = read()
    return RawLog(records, "tidy", spec.as_of or AS_OF, description)


def _database(spec: SalesLog, taxonomy: Taxonomy) -> RawLog:
    raise SourceError(_NO_DATABASE)


_READERS: dict[str, Callable[[SalesLog, Taxonomy], RawLog]] = {
    "sample": _sample,
    "files": _files,
    "completejourney": _completejourney,
    "database": _database,
}


def _must_be(spec: SalesLog, layout: str, where: str) -> None:
    if spec.layout != layout:
        raise SourceError(
            f"sources.sales_log.layout is {spec.layout!r}, but {where} is {layout!r}; "
            f"set sources.sales_log.layout: {layout}"
        )


def fingerprint(spec: SalesLog) -> str:
    """sha256 of the input: bytes of the files in order of their names, parameters of the sample, or the data set.

    Parameters
    ----------
    spec
        ``sources.sales_log`` of the settings.

    Returns
    -------
    str
        64 hexadecimal digits. Changes exactly when what is read changes.

    Raises
    ------
    SourceError
        As `read_sales_log`.
    """
    if spec.kind == "files":
        from gosales_assets.sources.files import digest, resolve

        return digest(resolve(spec.path, what="sources.sales_log.path"))
    if spec.kind == "completejourney":
        from gosales_assets.sources.completejourney import data_files
        from gosales_assets.sources.files import digest

        return digest(data_files())
    if spec.kind == "database":
        raise SourceError(_NO_DATABASE)
    parameters = {"kind": "sample", **spec.sample.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def read_side(sources: Sources, name: str, taxonomy: Taxonomy) -> pl.DataFrame:
    """Read a table beside the log.

    Parameters
    ----------
    sources
        ``sources`` of the settings. Without a path the synthetic world brings its own; other logs have none.
    name
        One of `side.SIDE_TABLES`.
    taxonomy
        Names the divisions in the item list of the synthetic world.

    Returns
    -------
    DataFrame
        The columns of the table, all text, as received; no rows when absent (`inputs.is_configured`).

    Raises
    ------
    SourceError
        When the file is missing or lacks what it is for.
    """
    from gosales_assets.sources.side import SIDE_TABLES, read_table

    if path := getattr(sources, name).path:
        return read_table(name, path)
    if sources.sales_log.kind == "sample":
        from gosales_assets.sources.sample import world_of

        spec = sources.sales_log.sample
        return world_of(spec).side(name, taxonomy, spec.dirt_share)
    return pl.DataFrame(schema=dict.fromkeys(SIDE_TABLES[name].columns, pl.String))
