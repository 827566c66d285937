"""Codecs: what is written is read back, the same bytes every time, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gosales_assets.catalog import Artifact
from gosales_assets.defs import formats


def artifact(name: str) -> Artifact:
    """A row of no schema in the format of the name."""
    return Artifact("star", name.partition(".")[0], f"x/{name}", "", "")


CSV, PARQUET, JSON, JSONL, YAML, MD = (artifact(f"t.{s}") for s in ("csv", "parquet", "json", "jsonl", "yaml", "md"))

#: What a spreadsheet or a CSV reader trips over.
NASTY = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'", "''", "'=1", "''=1", "'a", "a=1", " =1", '"', '""', ",", ";",
    "a\nb", "a\r\nb", "\n", "\r", "", " ", "null", "NaN", "007", "1e5", "true", "é", "日本", "\u2028",
]  # fmt: skip

TEXT = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12
)


# --- cells a spreadsheet would execute


@given(st.lists(st.none() | TEXT, min_size=1, max_size=8))
@example(NASTY)
@settings(max_examples=200)
def test_no_delivered_cell_is_executable_and_none_is_lost(values: list[str | None]) -> None:
    # A second column: a row that is nothing but one empty cell is no row in CSV.
    frame = pl.DataFrame({"n": range(len(values)), "text": pl.Series(values, dtype=pl.String)})
    data = formats.encode(CSV, frame)
    cells = [row[1] for row in csv.reader(io.StringIO(data.decode(), newline=""))][1:]
    assert len(cells) == len(values)
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in cells)
    assert_frame_equal(formats.restore(formats.neutralise(frame)), frame)
    back = formats.decode(CSV, data)
    assert_frame_equal(back.with_columns(pl.col("text").cast(pl.String)).select("n"), frame.select("n"))


@given(st.lists(st.none() | TEXT, min_size=1, max_size=8))
@example(NASTY)
@settings(max_examples=200)
def test_a_table_with_a_schema_reads_back_as_it_was_written(values: list[str | None]) -> None:
    from gosales_assets.catalog import CATALOG

    row = CATALOG["star/contract_violations"]
    schema = dict(row.dtypes())
    text = next(name for name, dtype in schema.items() if dtype == pl.String)
    other = next(name for name in schema if name != text)
    frame = pl.DataFrame({n: [None] * len(values) for n in schema}, schema=schema).with_columns(
        pl.Series(text, values, dtype=pl.String),
        pl.Series(other, ["x"] * len(values)).cast(schema[other], strict=False),
    )
    assert_frame_equal(formats.decode(row, formats.encode(row, frame)), frame)


def test_numbers_keep_their_sign() -> None:
    frame = pl.DataFrame({"n": [-1.5, 2.0], "i": [-3, 4], "d": [date(2024, 6, 30), None]})
    assert formats.encode(CSV, frame).decode() == "n,i,d\n-1.5,-3,2024-06-30\n2.0,4,\n"


def test_types_of_a_csv_come_from_its_schema_not_from_a_guess() -> None:
    from gosales_assets.catalog import CATALOG

    row = CATALOG["rollups/icp_scores"]
    schema = dict(row.dtypes())
    frame = pl.DataFrame({n: [None] for n in schema}, schema=schema).with_columns(customer_id=pl.lit("00123"))
    back = formats.decode(row, formats.encode(row, frame))
    assert back["customer_id"].to_list() == ["00123"]
    assert dict(back.schema) == schema


# --- the same bytes every time


def tables() -> st.SearchStrategy[pl.DataFrame]:
    rows = st.lists(st.tuples(TEXT | st.none(), st.floats() | st.none(), st.integers(-5, 5)), max_size=20)
    return rows.map(lambda r: pl.DataFrame(r, schema={"a": pl.String, "b": pl.Float64, "c": pl.Int64}, orient="row"))


@given(tables())
@settings(max_examples=30)
def test_parquet_bytes_are_a_function_of_the_table(frame: pl.DataFrame) -> None:
    once = formats.encode(PARQUET, frame)
    rebuilt = pl.concat([frame[:3], frame[3:]], rechunk=False)
    assert formats.encode(PARQUET, frame.lazy()) == once
    assert formats.encode(PARQUET, rebuilt) == once
    assert_frame_equal(formats.decode(PARQUET, once), frame)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (CSV, pl.DataFrame({"a": [1, 2], "b": ["x", "=y"]})),
        (JSON, {"b": 1, "a": [None, "é"]}),
        (JSONL, [{"b": 1}, {"a": "x\u2028y\n"}]),
        (YAML, {"b": 1, "a": ["é", None, "2024-06-30"]}),
        (MD, "# Titel\n\n| é |\n"),
    ],
    ids=lambda v: v.format if isinstance(v, Artifact) else "",
)
def test_a_value_is_read_back_and_its_bytes_repeat(row: Artifact, value: Any) -> None:
    data = formats.encode(row, value)
    assert formats.encode(row, value) == data
    back = formats.decode(row, data)
    if isinstance(value, pl.DataFrame):
        assert_frame_equal(back, value)
    else:
        assert back == value


def test_keys_stay_in_the_order_given_and_text_is_not_escaped() -> None:
    assert formats.encode(JSON, {"b": "é", "a": 1}).decode() == '{\n  "b": "é",\n  "a": 1\n}\n'
    assert formats.encode(JSONL, [{"b": "é", "a": 1}, {}]).decode() == '{"b":"é","a":1}\n{}\n'
    assert formats.encode(YAML, {"b": "é", "a": 1}).decode() == "b: é\na: 1\n"


# --- what is refused


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_is_strict(value: float) -> None:
    for row, document in ((JSON, {"a": [{"b": value}]}), (JSONL, [{"a": value}])):
        with pytest.raises(ValueError, match="JSON"):
            formats.encode(row, document)
    json.loads(formats.encode(JSON, {"a": None}))


@pytest.mark.parametrize(
    ("row", "value"),
    [(CSV, {"a": 1}), (PARQUET, [1]), (JSON, [1]), (JSON, "x"), (JSONL, {"a": 1}), (YAML, "x"), (MD, b"x"), (MD, {})],
)
def test_a_value_that_does_not_fit_its_format_is_refused(row: Artifact, value: object) -> None:
    with pytest.raises(TypeError, match=f"star/t: cannot write {type(value).__name__} as {row.format}"):
        formats.encode(row, value)
