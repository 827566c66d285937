"""What the tables look like, and what changed since the last build.

Belongs here: the schema snapshot and its comparison. Does not belong here: values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

SCHEMA_VERSION = 1


def schema_snapshot(
    raw: Mapping[str, pl.DataType], roles: Mapping[str, str], tables: Mapping[str, pl.DataFrame]
) -> dict[str, Any]:
    """Columns, types and keys of the raw log and the curated tables.

    Parameters
    ----------
    raw
        Schema of the log.
    roles
        Header -> what it is read as.
    tables
        Curated tables by artifact name.

    Returns
    -------
    dict
        Schema `gosales_assets.engine.star.schema.SchemaSnapshot`.
    """
    log = {
        "columns": [
            {"name": name, "dtype": str(raw[name]), "nullable": True, "role": roles.get(name)} for name in sorted(raw)
        ],
        "primary_key": [],
        "checks": [],
    }
    described = {name: _describe(name, frame) for name, frame in tables.items()}
    return {"schema_version": SCHEMA_VERSION, "tables": dict(sorted({"sales_log": log, **described}.items()))}


def _describe(name: str, frame: pl.DataFrame) -> dict[str, Any]:
    from gosales_assets.engine.star import schema as models

    model = {
        "fact_transactions": models.FactTransactions,
        "dim_customer": models.DimCustomer,
        "fact_events": models.FactEvents,
        "fact_assets": models.FactAssets,
        "account_status": models.AccountStatus,
    }[name].to_schema()

    def rules(column: str) -> Any:
        if column in model.columns:
            return model.columns[column]
        return next(c for pattern, c in model.columns.items() if c.regex and re.match(pattern, column))

    unique = [c for c in frame.columns if c in model.columns and model.columns[c].unique]
    keys = list(model.unique or unique)
    checks = [f"{c}: {check.name}{_arguments(check)}" for c in frame.columns for check in rules(c).checks]
    return {
        "columns": [
            {"name": c, "dtype": str(t), "nullable": bool(rules(c).nullable), "role": None}
            for c, t in frame.schema.items()
        ],
        "primary_key": keys,
        "checks": sorted(checks),
    }


def _arguments(check: Any) -> str:
    values = getattr(check, "statistics", None) or {}
    return f"({', '.join(f'{k}={v!r}' for k, v in sorted(values.items()))})"


def drift(previous: Mapping[str, Any] | None, current: Mapping[str, Any]) -> dict[str, list[str]]:
    """What was added, removed and retyped since the previous snapshot, as ``table.column``.

    Columns of the raw log that nobody read are listed under ``removed_unread``: their going changes nothing.

    Parameters
    ----------
    previous, current
        Snapshots; without a previous one nothing has changed.
    """
    changes: dict[str, list[str]] = {"added": [], "removed": [], "removed_unread": [], "retyped": []}
    if previous is None:
        return changes
    for table in sorted(set(previous["tables"]) | set(current["tables"])):
        before = {c["name"]: c for c in previous["tables"].get(table, {}).get("columns", [])}
        after = {c["name"]: c for c in current["tables"].get(table, {}).get("columns", [])}
        for name in sorted(set(before) | set(after)):
            if name not in before:
                changes["added"].append(f"{table}.{name}")
            elif name not in after:
                unread = table == "sales_log" and before[name].get("role") is None
                changes["removed_unread" if unread else "removed"].append(f"{table}.{name}")
            elif before[name]["dtype"] != after[name]["dtype"]:
                change = f"{before[name]['dtype']} -> {after[name]['dtype']}"
                changes["retyped"].append(f"{table}.{name}: {change}")
    return changes
