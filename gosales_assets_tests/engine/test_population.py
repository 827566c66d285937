"""Roster, ownership and segments as of a cutoff."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.population import ownership, roster, segments
from gosales_assets.taxonomy import Target, Taxonomy

CUTOFF = date(2024, 6, 30)
TAXONOMY = Taxonomy.reference()
SOLIDWORKS = TAXONOMY.target("solidworks")


def facts(*lines: tuple[str, date, float, float]) -> pl.LazyFrame:
    """Lines of SWX_Core: customer, day, gross profit, quantity."""
    schema = {"customer_id": pl.String, "order_date": pl.Date, "gross_profit": pl.Float64, "quantity": pl.Float64}
    return pl.LazyFrame(list(lines), schema, orient="row").with_columns(
        product_sku=pl.lit("SWX_Core"), product_division=pl.lit("Solidworks")
    )


def assets(*rows: tuple[str, str, float | None, date | None, date | None]) -> pl.DataFrame:
    schema = {
        "customer_id": pl.String,
        "product_sku": pl.String,
        "quantity": pl.Float64,
        "purchase_date": pl.Date,
        "expiration_date": pl.Date,
    }
    return pl.DataFrame(list(rows), schema, orient="row")


def who(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": list(ids)}, schema={"customer_id": pl.String})


def owned(lines: pl.LazyFrame, held: pl.DataFrame | None = None, target: Target = SOLIDWORKS, **more: object) -> str:
    """Ownership of customer A."""
    options = {"lookback_months": None, "reinclude_days": 365, **more}
    frame = ownership(lines, who("A"), target, CUTOFF, assets=held, **options)  # type: ignore[arg-type]
    assert frame.columns == ["customer_id", "ownership"]
    return frame["ownership"].item()


def test_roster_is_as_of_the_cutoff_and_sorted() -> None:
    dim = pl.DataFrame(
        {
            "customer_id": ["b", "a", "late", "never"],
            "first_seen_date": [CUTOFF, date(2020, 1, 1), date(2024, 7, 1), None],
        }
    )
    assert roster(dim, CUTOFF)["customer_id"].to_list() == ["a", "b"]
    assert roster(dim.lazy(), CUTOFF).equals(roster(dim, CUTOFF))


OLD = date(2020, 1, 15)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "never"),
        ([("A", OLD, 100.0, 1.0)], "owner"),
        ([("A", CUTOFF, 100.0, 1.0)], "owner"),  # a cutoff includes its day
        ([("A", date(2024, 7, 1), 100.0, 1.0)], "never"),  # the future owns nothing
        ([("A", OLD, 100.0, 1.0), ("A", date(2021, 1, 1), -100.0, -1.0)], "never"),  # 100 - 100, 1 - 1
        ([("A", OLD, -5.0, 1.0)], "owner"),  # sold at a loss: net quantity 1
        ([("A", OLD, 0.1, 0.0), ("A", OLD, 0.2, 0.0), ("A", OLD, -0.3, 0.0)], "never"),  # 5.5e-17 is no gross profit
    ],
)
def test_ownership_nets_returns_by_quantity_or_gross_profit(
    lines: list[tuple[str, date, float, float]], expected: str
) -> None:
    assert owned(facts(*lines)) == expected


def test_a_purchase_before_the_lookback_is_lapsed() -> None:
    # 24 months before 2024-06-30 is 2022-06-30, excluded; the day after is included.
    assert owned(facts(("A", date(2022, 6, 30), 9.0, 1.0)), lookback_months=24) == "lapsed"
    assert owned(facts(("A", date(2022, 7, 1), 9.0, 1.0)), lookback_months=24) == "owner"


def test_the_denylist_makes_no_owner() -> None:
    target = TAXONOMY.without(["SWX_Core"]).target("solidworks")
    assert owned(facts(("A", OLD, 9.0, 1.0)), target=target) == "never"
    assert owned(facts(), assets(("A", "SWX_Core", 1.0, OLD, None)), target=target) == "never"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        # bought by the cutoff and not expired before it
        (("A", "SWX_Core", 1.0, date(2022, 6, 30), None), "owner"),
        (("A", "SWX_Core", 1.0, date(2022, 6, 30), CUTOFF), "owner"),
        (("A", "SWX_Core", 1.0, None, None), "owner"),  # held, since when is unknown
        (("A", "SWX_Core", 1.0, date(1900, 1, 1), None), "owner"),
        (("A", "SWX_Core", 1.0, date(2024, 7, 1), None), "never"),  # bought after the cutoff
        (("A", "SWX_Core", 0.0, date(2022, 6, 30), None), "never"),
        (("A", "Training", 1.0, date(2022, 6, 30), None), "never"),  # another target's asset
        # 2024-06-30 - 365 days = 2023-07-01
        (("A", "SWX_Core", 1.0, date(2020, 1, 1), date(2023, 7, 1)), "lapsed"),
        (("A", "SWX_Core", 1.0, date(2020, 1, 1), date(2023, 7, 2)), "owner"),  # not long enough ago to come back
    ],
)
def test_assets_make_owners_until_long_expired(
    held: tuple[str, str, float | None, date | None, date | None], expected: str
) -> None:
    assert owned(facts(), assets(held)) == expected


EXPIRED = ("A", "SWX_Core", 1.0, date(2019, 1, 1), date(2022, 12, 31))


@pytest.mark.parametrize(
    ("bought", "held", "expected"),
    [
        (date(2019, 1, 1), [EXPIRED], "lapsed"),  # an owner whose only asset expired 547 days ago
        (date(2024, 1, 1), [EXPIRED], "owner"),  # bought inside the last 365 days
        (date(2023, 7, 1), [EXPIRED], "lapsed"),  # 365 days ago: outside (c - 365 d, c]
        (date(2023, 7, 2), [EXPIRED], "owner"),
        (date(2019, 1, 1), [EXPIRED, ("A", "SWX_Core", 1.0, date(2021, 1, 1), None)], "owner"),  # another one is active
    ],
)
def test_reinclusion_needs_all_assets_expired_and_no_purchase_since(
    bought: date, held: list[tuple[str, str, float | None, date | None, date | None]], expected: str
) -> None:
    assert owned(facts(("A", bought, 100.0, 1.0)), assets(*held)) == expected


def test_a_return_since_does_not_count_as_a_purchase() -> None:
    lines = facts(("A", date(2019, 1, 1), 500.0, 5.0), ("A", date(2024, 1, 1), -100.0, -1.0))
    assert owned(lines, assets(EXPIRED)) == "lapsed"


@pytest.mark.parametrize(
    ("recency", "active", "expected"),
    # c = 2024-06-30, 18 calendar months: (2022-12-31, 2024-06-30]. 546 days before c is 2023-01-01, 547 is 2022-12-31.
    [
        (100, 0, "warm"),
        (546, 0, "warm"),
        (547, 2, "cold"),
        (999, 1, "cold"),
        (547, 0, "prospect"),
        (None, 0, "prospect"),
    ],
)
def test_segments(recency: int | None, active: int, expected: str) -> None:
    days = [] if recency is None else [("A", CUTOFF.fromordinal(CUTOFF.toordinal() - recency), -1.0, 0.0)]
    held = [("A", "Training", 1.0, OLD, None)] * active
    got = segments(facts(*days), who("A"), CUTOFF, warm_window_months=18, assets=assets(*held))
    assert got.rows() == [("A", expected)]


def test_segments_ignore_what_is_not_known_yet() -> None:
    lines = facts(("A", date(2024, 7, 1), 5.0, 1.0))
    held = assets(("A", "Training", 1.0, date(2024, 8, 1), None), ("A", "Training", 1.0, OLD, date(2024, 6, 29)))
    assert segments(lines, who("A"), CUTOFF, warm_window_months=18, assets=held).rows() == [("A", "prospect")]


def test_every_customer_gets_one_row_and_order_of_lines_does_not_matter() -> None:
    lines = facts(*[(c, OLD, g, 1.0) for c in "CAB" for g in (0.1, 0.2, -0.3)])
    people = who("C", "B", "A", "Z")
    options = {"lookback_months": 24, "reinclude_days": 365}
    got = ownership(lines, people, SOLIDWORKS, CUTOFF, **options)
    assert got["customer_id"].to_list() == ["A", "B", "C", "Z"]
    assert got.equals(ownership(lines.reverse(), people.reverse(), SOLIDWORKS, CUTOFF, **options))
