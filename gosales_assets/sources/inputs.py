"""Facts about the external inputs that are not their records: versions, order, declared end.

Belongs here: what decides whether an input changed, and what is known about it without reading it all. Does not belong
here: readers.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from gosales_assets.settings import SalesLog, Sources

#: Version of an input that is not configured.
ABSENT = hashlib.sha256(b"absent").hexdigest()


def input_version(sources: Sources, name: str) -> str:
    """sha256 of one external input.

    Parameters
    ----------
    sources
        ``sources`` of the settings.
    name
        ``sales_log`` or one of `side.SIDE_TABLES`.

    Returns
    -------
    str
        Hash of the files; of the parameters for the synthetic world; `ABSENT` when nothing is configured.
    """
    from gosales_assets.sources import files, fingerprint

    if name == "sales_log":
        return fingerprint(sources.sales_log)
    if path := getattr(sources, name).path:
        return files.digest(files.resolve((path,), what=f"sources.{name}.path"))
    return fingerprint(sources.sales_log) if is_configured(sources, name) else ABSENT


def is_configured(sources: Sources, name: str) -> bool:
    """Whether there is a source behind a side table: a file, or the synthetic world. Without one it is absent."""
    from gosales_assets.sources.sample import SIDE_OF_WORLD

    return bool(getattr(sources, name).path) or (sources.sales_log.kind == "sample" and name in SIDE_OF_WORLD)


def declared_as_of(spec: SalesLog) -> date | None:
    """The last day the log is complete for, where settings or source declare it."""
    if spec.as_of is not None:
        return spec.as_of
    if spec.kind == "sample":
        return spec.sample.end
    if spec.kind == "completejourney":
        from gosales_assets.sources.completejourney import AS_OF

        return AS_OF
    return None


def canonical_order(records: pl.LazyFrame) -> pl.LazyFrame:
    """Records in an order that does not depend on the order they arrived in."""
    return records.sort(records.collect_schema().names(), nulls_last=True, maintain_order=True)
