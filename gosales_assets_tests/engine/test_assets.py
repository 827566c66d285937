"""Assets as of a cutoff: nothing of the future, and an age for what has no date."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.assets import AS_OF_SCHEMA, assets_as_of, belongs_to
from gosales_assets.taxonomy import Taxonomy
from gosales_assets.timeline import add_days, days_between

CUTOFF = date(2024, 6, 30)
TAXONOMY = Taxonomy.reference()
FACT = {
    "customer_id": pl.String,
    "product_sku": pl.String,
    "item_rollup": pl.String,
    "division": pl.String,
    "quantity": pl.Float64,
    "purchase_date": pl.Date,
    "expiration_date": pl.Date,
}


def held(*rows: tuple[str | None, str | None, float, date | None, date | None]) -> pl.DataFrame:
    """Assets: customer, roll-up, quantity, purchase, expiry."""
    schema = {k: FACT[k] for k in ("customer_id", "item_rollup", "quantity", "purchase_date", "expiration_date")}
    frame = pl.DataFrame(list(rows), schema, orient="row")
    return frame.with_columns(product_sku=pl.lit(None, pl.String), division=pl.lit(None, pl.String)).select(*FACT)


#: The customers of the oracle, at 2024-06-30.
WORLD = held(
    ("A", "SWX", 1.0, date(2022, 6, 30), date(2024, 12, 31)),
    ("A", "SWX", 2.0, date(2023, 6, 30), date(2024, 7, 10)),
    ("A", "PDM", 1.0, None, date(2024, 5, 31)),
    ("B", "SWX", 5.0, date(2024, 8, 1), date(2025, 8, 1)),
    ("B", "SWX", 1.0, date(1900, 1, 1), None),
    ("C", "SWX", 1.0, date(2024, 8, 1), None),  # known from an asset of the future only
)


def measures(frame: pl.DataFrame, customer: str) -> dict[str, Any]:
    """The figures of the oracle, from `assets_as_of` alone."""
    mine = frame.filter(customer_id=customer)
    active, ends = mine.filter("active"), pl.col("expiration_date")

    def units(rows: pl.DataFrame) -> float:
        return float(rows["quantity"].sum())

    def expiring(days: int) -> float:
        return units(mine.filter((ends > CUTOFF) & (ends <= add_days(CUTOFF, days))))

    total, ended = units(active), mine.filter(ends < CUTOFF)["expiration_date"].max()
    return {
        "active": total,
        "ever": units(mine),
        "expiring": (expiring(30), expiring(60), expiring(90)),
        "share_30": round(expiring(30) / total, 4) if total else 0.0,
        "tenure": days_between(mine["effective_purchase_date"].min(), CUTOFF),
        "bad_share": float((~active["valid_purchase"]).mean()),
        "since_expiration": None if ended is None else days_between(ended, CUTOFF),
        "on_off_rows": (active.height, mine.height - active.height),
    }


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # A: 1 + 2 SWX are active, the PDM ended 2024-05-31, 30 days ago; 2 of 3 end 2024-07-10, within 30 days;
        # the oldest was bought 2022-06-30, 731 days ago.
        ("A", {"active": 3, "ever": 4, "expiring": (2, 2, 2), "share_30": 0.6667, "tenure": 731, "bad_share": 0.0,
               "since_expiration": 30, "on_off_rows": (2, 1)}),
        # B: the five bought 2024-08-01 do not exist yet; the one of 1900 is as old as the median of SWX, 548 days.
        ("B", {"active": 1, "ever": 1, "expiring": (0, 0, 0), "share_30": 0.0, "tenure": 548, "bad_share": 1.0,
               "since_expiration": None, "on_off_rows": (1, 0)}),
    ],
)  # fmt: skip
def test_the_assets_of_the_oracle(customer: str, expected: dict[str, Any]) -> None:
    assert measures(assets_as_of(WORLD, CUTOFF), customer) == expected


def test_an_unknown_purchase_date_is_the_median_of_the_roll_up_then_of_all() -> None:
    frame = assets_as_of(WORLD, CUTOFF).filter(~pl.col("valid_purchase"))
    # Tenures up to the cutoff: 731 and 366 days, median 548.5, in whole days 548: 2022-12-30. A's PDM has no roll-up
    # mate and takes the median of all, which is the same.
    assert frame.select("customer_id", "item_rollup", "effective_purchase_date").rows() == [
        ("A", "PDM", date(2022, 12, 30)),
        ("B", "SWX", date(2022, 12, 30)),
    ]


def test_the_median_of_the_roll_up_goes_before_that_of_all() -> None:
    frame = assets_as_of(
        held(
            ("A", "SWX", 1.0, date(2024, 6, 20), None),  # 10 days
            ("A", "PDM", 1.0, date(2024, 5, 31), None),  # 30 days
            ("A", "PDM", 1.0, date(2024, 5, 1), None),  # 60 days
            ("B", "SWX", 1.0, None, None),
            ("B", "Other", 1.0, None, None),
            ("B", None, 1.0, None, None),
        ),
        CUTOFF,
    ).filter(customer_id="B")
    # SWX: 10 days; without mates the median of 10, 30, 60: 30 days.
    got = dict(frame.select("item_rollup", "effective_purchase_date").iter_rows())
    assert got == {"SWX": date(2024, 6, 20), "Other": date(2024, 5, 31), None: date(2024, 5, 31)}


def test_without_any_date_an_asset_is_ten_years_old() -> None:
    frame = assets_as_of(held(("A", "SWX", 1.0, None, None)), CUTOFF)
    # 2024-06-30 less 3650 days: ten years less the three leap days 2016, 2020, 2024.
    assert frame["effective_purchase_date"].item() == date(2014, 7, 3)


@pytest.mark.parametrize(
    ("purchase", "valid", "exists"),
    [
        (date(1996, 1, 1), True, True),
        (date(1995, 12, 31), False, True),
        (None, False, True),
        (CUTOFF, True, True),
        (date(2024, 7, 1), None, False),
    ],
)
def test_purchase_dates_at_the_edges(purchase: date | None, valid: bool | None, exists: bool) -> None:
    frame = assets_as_of(held(("A", "SWX", 1.0, purchase, None)), CUTOFF)
    assert frame["valid_purchase"].to_list() == ([valid] if exists else [])


@pytest.mark.parametrize(
    ("expiration", "active"),
    [(None, True), (CUTOFF, True), (date(2024, 6, 29), False), (date(2030, 1, 1), True)],
)
def test_the_last_day_of_an_asset_counts(expiration: date | None, active: bool) -> None:
    assert assets_as_of(held(("A", "SWX", 1.0, date(2020, 1, 1), expiration)), CUTOFF)["active"].to_list() == [active]


def test_nobodys_assets_and_no_assets_are_held_by_nobody() -> None:
    frame = assets_as_of(held((None, "SWX", 1.0, CUTOFF, None), ("A", "SWX", 0.0, CUTOFF, None)), CUTOFF)
    assert frame.is_empty()
    assert dict(frame.schema) == AS_OF_SCHEMA == dict(assets_as_of(None, CUTOFF).schema)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="quantity"):
        assets_as_of(WORLD.drop("quantity"), CUTOFF)
    assert assets_as_of(WORLD.drop("item_rollup", "division"), CUTOFF).height == 4


@pytest.mark.parametrize(
    ("target", "sku", "division", "expected"),
    [
        ("solidworks", "SWX_Core", "Solidworks", True),
        ("solidworks", None, " solidworks", True),
        ("printers", "FDM", "Hardware", True),
        ("printers", "Consumables", "Hardware", False),
        ("printers", None, "Hardware", False),  # hardware, but which?
        ("simulation", None, "Simulation", True),
        ("solidworks", "SWX_Core", None, True),
        ("simulation", None, None, False),
        ("solidworks", "SW_Inspection", "Solidworks", False),  # denied
        ("solidworks", "SW_Inspection", None, False),
    ],
)
def test_assets_belong_to_a_target_by_product_then_by_division(
    target: str, sku: str | None, division: str | None, expected: bool
) -> None:
    one = pl.DataFrame({"product_sku": [sku], "division": [division]}, schema={
        "product_sku": pl.String, "division": pl.String})  # fmt: skip
    mine = belongs_to(TAXONOMY.without(["SW_Inspection"]).target(target))
    assert one.select(mine=mine)["mine"].to_list() == [expected]


_days = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2026, 1, 1)))
_rows = st.lists(
    st.tuples(st.sampled_from(["A", "B", None]), st.sampled_from(["SWX", "PDM", None]),
              st.sampled_from([0.0, 1.0, 3.0]), _days, _days),
    max_size=8,
)  # fmt: skip


@given(rows=_rows, later=st.lists(st.dates(add_days(CUTOFF, 1), date(2026, 1, 1)), max_size=3), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_the_future_and_the_order_change_nothing(rows: list[Any], later: list[date], seed: int) -> None:
    today = assets_as_of(held(*rows), CUTOFF)
    more = held(*rows, *[("A", "SWX", 9.0, day, None) for day in later]).sample(fraction=1.0, shuffle=True, seed=seed)
    assert assets_as_of(more, CUTOFF).equals(today)
    assert (today["effective_purchase_date"] <= CUTOFF).all()
