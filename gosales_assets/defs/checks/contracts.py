"""Contracts derived from the catalog: does a value fit the schema of its file?

Belongs here: running pandera and pydantic and putting what they say into a `Finding`. Does not belong here: schemas
(they live beside the engine code that makes the frames) and Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from pydantic import BaseModel, TypeAdapter, ValidationError

from gosales_assets.catalog import Artifact
from gosales_assets.engine.findings import Finding

CHECK = "contract_schema"

#: Failing cases shown with a check; the count is of all.
SHOWN_CASES = 20


def judge_schema(artifact: Artifact, value: Any) -> Finding:
    """Judge a value against the schema of its catalog row.

    Parameters
    ----------
    artifact
        A row with a schema.
    value
        A frame for tables (collected when lazy: pandera judges only the columns of a lazy frame), plain data for
        documents.
    """
    if artifact.is_table:
        return _judge_table(artifact, value.lazy().collect())
    return _judge_document(artifact, value)


def _judge_table(artifact: Artifact, frame: pl.DataFrame) -> Finding:
    from pandera.errors import SchemaErrors

    try:
        artifact.model().validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        if not isinstance(cases, pl.DataFrame):  # column-level failures may come as a plain table
            cases = pl.DataFrame(cases)
        rows = cases.select(pl.all().cast(pl.String, strict=False))
        counts = (
            rows.group_by([c for c in ("column", "check") if c in rows.columns])
            .len("cases")
            .sort("cases", descending=True)
        )
        worst = counts.row(0, named=True) if counts.height else {}
        broken = f"column {worst.get('column')!r} breaks {worst.get('check')!r} in {worst.get('cases')} place(s)"
        reason = f"{artifact.filename}: {broken}"
        shown = {
            "rules_broken": counts.head(SHOWN_CASES).to_dicts(),
            "failing_cases": rows.head(SHOWN_CASES).to_dicts(),
        }
        return Finding(artifact.name, CHECK, False, "ERROR", reason, {"rows": frame.height, **shown})
    return Finding(artifact.name, CHECK, True, metadata={"rows": frame.height, "columns": frame.width})


def _judge_document(artifact: Artifact, value: Any) -> Finding:
    model: type[BaseModel] = artifact.model()
    try:
        if isinstance(value, Sequence) and not isinstance(value, str | Mapping):
            TypeAdapter(list[model]).validate_python(list(value))  # type: ignore[valid-type]
        else:
            model.model_validate(value)
    except ValidationError as error:
        cases = [
            {"where": ".".join(map(str, e["loc"])), "problem": e["msg"], "value": repr(e["input"])[:120]}
            for e in error.errors()
        ]
        reason = f"{artifact.filename}: {cases[0]['where']}: {cases[0]['problem']} (found {cases[0]['value']})"
        return Finding(artifact.name, CHECK, False, "ERROR", reason, {"failing_cases": cases[:SHOWN_CASES]})
    return Finding(artifact.name, CHECK, True)
