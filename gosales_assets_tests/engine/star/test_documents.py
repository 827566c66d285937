"""Checksums and schema snapshots."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from gosales_assets.engine.star.checksums import content_sha256
from gosales_assets_tests.engine.star.worlds import sale, star, wide

FRAME = pl.DataFrame(
    {
        "a": ["x", None, ""],
        "b": [1.5, None, 0.0],
        "c": [date(2024, 1, 1), None, date(1970, 1, 1)],
        "d": [True, None, False],
    }
)


def test_a_checksum_is_of_content_alone() -> None:
    parts = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert content_sha256(FRAME) == content_sha256(parts)
    assert content_sha256(FRAME) == "sha256:" + content_sha256(FRAME).removeprefix("sha256:")


@pytest.mark.parametrize(
    "other",
    [
        FRAME.reverse(),
        FRAME.rename({"a": "z"}),
        FRAME.select("b", "a", "c", "d"),
        FRAME.with_columns(a=pl.Series(["x", "", None])),  # null is not the empty text
        FRAME.with_columns(a=pl.Series(["", "x", None])),
        FRAME.with_columns(b=pl.Series([1.5, 0.0, None])),  # nor zero
        FRAME.with_columns(b=pl.Series([1.5, None, 1e-9])),
        FRAME.with_columns(d=pl.Series([True, False, False])),
        FRAME.with_columns(pl.col("b").cast(pl.Float32)),
    ],
)
def test_any_difference_changes_the_checksum(other: pl.DataFrame) -> None:
    assert content_sha256(other) != content_sha256(FRAME)


@pytest.mark.parametrize("a, b, c", [("x", "x", "y"), (0, 0, 1), (None, None, 1), (True, True, False)])
def test_where_a_value_repeats_matters(a: object, b: object, c: object) -> None:
    one, two = (pl.DataFrame({"a": values}) for values in ([a, b, c], [a, c, c]))
    assert content_sha256(one) != content_sha256(two)
    assert content_sha256(one) != content_sha256(one.reverse())


def test_where_one_text_ends_matters() -> None:
    assert content_sha256(pl.DataFrame({"a": ["ab", "c"]})) != content_sha256(pl.DataFrame({"a": ["a", "bc"]}))


def test_a_type_without_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="'when'"):
        content_sha256(pl.DataFrame({"when": [datetime(2024, 1, 1)]}))  # noqa: DTZ001


def test_the_snapshot_names_columns_types_keys_and_roles() -> None:
    snapshot = star(wide({**sale(), "SWX_Core": "1"})).schema_snapshot
    assert list(snapshot["tables"]) == [
        "account_status",
        "dim_customer",
        "fact_assets",
        "fact_events",
        "fact_transactions",
        "sales_log",
    ]
    facts = snapshot["tables"]["fact_transactions"]
    assert facts["primary_key"] == ["source_row_id", "product_sku"]
    assert facts["columns"][0] == {"name": "customer_id", "dtype": "String", "nullable": False, "role": None}
    assert {c["name"] for c in facts["columns"] if c["nullable"]} == {
        "source_division",
        "branch",
        "rep",
        "invoice_date",
        "revenue",
    }
    assert snapshot["tables"]["dim_customer"]["primary_key"] == ["customer_id"]
    roles = {c["name"]: c["role"] for c in snapshot["tables"]["sales_log"]["columns"]}
    assert (roles["CustomerId"], roles["SWX_Core"]) == ("customer_id", "product SWX_Core")
