"""Account status as of a cutoff, and the gates it feeds."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from gosales_assets.engine.star.side import STATUS
from gosales_assets.engine.whitespace.status import status_as_of
from gosales_assets_tests.engine.whitespace.worlds import CUTOFF, rank, scores

DAY = date(2024, 6, 30)


def status(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{c: r.get(c) for c in STATUS.columns} for r in rows], STATUS.schema(), orient="row")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"last_contact_date": date(2024, 6, 25)}, {"days_since_last_contact": 5}),
        ({"last_contact_date": DAY}, {"days_since_last_contact": 0}),
        ({"last_contact_date": date(2024, 7, 1)}, {}),  # what was before is not known
        ({"has_open_deal": True, "open_deal_date": DAY}, {"has_open_deal": True}),
        ({"has_open_deal": True, "open_deal_date": date(2024, 7, 1)}, {"has_open_deal": False}),  # opened later
        ({"has_open_deal": True}, {"has_open_deal": True}),
        ({"has_open_deal": False}, {"has_open_deal": False}),
        ({"region": "West ", "rep_region": "WEST"}, {"region_match": True}),
        ({"region": "West", "rep_region": "East"}, {"region_match": False}),
        ({"region": "West"}, {}),
    ],
)
def test_what_the_gates_read(told: dict[str, Any], expected: dict[str, Any]) -> None:
    frame = status_as_of(status({"customer_id": "A", **told}), DAY)
    assert (frame is None) == (not expected)
    assert frame is None or frame.to_dicts() == [{"customer_id": "A", **expected}]


def test_nothing_told_is_no_input() -> None:
    assert status_as_of(None, DAY) is None
    assert status_as_of(status(), DAY) is None
    assert status_as_of(status({"customer_id": "A", "rep": "Kim"}), DAY) is None


def test_the_gates_act_on_the_status_of_the_accounts() -> None:
    frames = {"alpha": scores("alpha", [0.3, 0.2, 0.1], ["a", "b", "c"])}
    settings = {"eligibility": {"exclude_if_open_deal": True, "exclude_if_recent_contact_days": 30}}
    told = status(
        {"customer_id": "a", "has_open_deal": True},
        {"customer_id": "b", "last_contact_date": CUTOFF},
        {"customer_id": "x"},
    )
    listed = rank(frames, settings=settings, status=told)
    assert listed.whitespace["customer_id"].to_list() == ["c"]
    (line,) = listed.log
    assert line["gates"] | {"open_deal": "evaluated", "recent_contact": "evaluated"} == line["gates"]
    (line,) = rank(frames, settings=settings, status=status()).log
    assert line["gates"] | {"open_deal": "not_evaluated", "recent_contact": "not_evaluated"} == line["gates"]
