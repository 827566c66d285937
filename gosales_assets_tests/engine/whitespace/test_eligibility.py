"""Gates in order, disjoint counts, and what unknown inputs do."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.whitespace import RankingError
from gosales_assets.engine.whitespace.eligibility import GATE_NAMES, apply_gates, count_gates, gate_status
from gosales_assets.settings import EligibilitySettings

ALL_ON = EligibilitySettings(exclude_if_recent_contact_days=30, exclude_if_open_deal=True, require_region_match=True)
SCHEMA = {
    "division": pl.String,
    "ownership": pl.String,
    "days_since_last_contact": pl.Int64,
    "has_open_deal": pl.Boolean,
    "region_match": pl.Boolean,
}


def frame(*rows: tuple[str | None, int | None, bool | None, bool | None]) -> pl.DataFrame:
    return pl.DataFrame([("a", *row) for row in rows], schema=SCHEMA, orient="row")


def test_every_row_is_charged_to_the_first_gate_it_fails() -> None:
    gated = apply_gates(
        frame(
            ("owner", 0, False, True),
            ("never", 5, True, False),  # contact comes before deal and region
            ("never", 1000, False, True),
            ("owner", 5, True, True),
            ("lapsed", 1000, False, False),
            ("never", 1000, True, True),
        ),
        ALL_ON,
    )
    assert gated["gate"].to_list() == ["owned", "recent_contact", None, "owned", "region_mismatch", "open_deal"]
    counts = count_gates(gated, ALL_ON).row(0, named=True)
    assert counts == {
        "division": "a",
        "start_rows": 6,
        "owned_excluded": 2,
        "recent_contact_excluded": 1,
        "open_deal_excluded": 1,
        "region_mismatch_excluded": 1,
        "total_excluded": 5,
        "kept_rows": 1,
        "lapsed_kept": 0,
        "ownership_unknown_kept": 0,
        "region_unknown_kept": 0,
    }


def test_unknown_keeps_the_row_and_is_counted() -> None:
    gated = apply_gates(frame((None, None, None, None), ("lapsed", None, None, True)), ALL_ON)
    counts = count_gates(gated, ALL_ON).row(0, named=True)
    assert counts["kept_rows"] == 2
    assert counts["ownership_unknown_kept"] == 1
    assert counts["lapsed_kept"] == 1
    assert counts["region_unknown_kept"] == 1


def test_a_contact_exactly_at_the_limit_is_recent() -> None:
    gated = apply_gates(frame(("never", 30, None, None), ("never", 31, None, None)), ALL_ON)
    assert gated["gate"].to_list() == ["recent_contact", None]


def test_gates_that_are_off_drop_nobody() -> None:
    off = EligibilitySettings(exclude_if_owned_ever=False, exclude_if_active_assets=False)
    gated = apply_gates(frame(("owner", 0, True, False)), off)
    assert gated["gate"].to_list() == [None]
    assert set(gate_status(gated.columns, off).values()) == {"off"}


def test_a_gate_without_its_input_is_not_evaluated() -> None:
    bare = frame(("never", None, None, None)).select("division", "ownership")
    assert gate_status(bare.columns, ALL_ON) == {
        "owned": "evaluated",
        "recent_contact": "not_evaluated",
        "open_deal": "not_evaluated",
        "region_mismatch": "not_evaluated",
        "active_assets": "in_ownership",
    }
    assert apply_gates(bare, ALL_ON)["gate"].to_list() == [None]


def test_a_flag_in_text_is_refused() -> None:
    text = frame(("never", 0, None, None)).with_columns(has_open_deal=pl.lit("0"))
    with pytest.raises(RankingError, match=r"has_open_deal.*String.*Boolean"):
        apply_gates(text, ALL_ON)


ROWS = st.tuples(
    st.sampled_from(["owner", "lapsed", "never", None]),
    st.one_of(st.none(), st.integers(0, 60)),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.booleans()),
)
SETTINGS = st.builds(
    EligibilitySettings,
    exclude_if_owned_ever=st.booleans(),
    exclude_if_recent_contact_days=st.sampled_from([0, 30]),
    exclude_if_open_deal=st.booleans(),
    require_region_match=st.booleans(),
)


@given(st.lists(ROWS, min_size=1, max_size=25), SETTINGS)
@settings(max_examples=50)
def test_counts_are_disjoint_and_complete(rows: list[tuple], gates: EligibilitySettings) -> None:
    counts = count_gates(apply_gates(frame(*rows), gates), gates).row(0, named=True)
    excluded = sum(counts[f"{name}_excluded"] for name in GATE_NAMES)
    assert counts["start_rows"] == len(rows)
    assert excluded == counts["total_excluded"] == counts["start_rows"] - counts["kept_rows"]
    owners = sum(row[0] == "owner" for row in rows)
    assert counts["owned_excluded"] == (owners if gates.exclude_if_owned_ever else 0)
