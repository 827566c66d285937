"""The label: window, netting, cohorts, censoring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.labels.build import build_labels, label_prevalence
from gosales_assets.engine.labels.schema import LabelPrevalence, Labels
from gosales_assets.settings import LabelSettings, OwnershipSettings, PopulationSettings
from gosales_assets.taxonomy import Taxonomy

CUTOFF = date(2024, 6, 30)
TAXONOMY = Taxonomy.reference()

Line = tuple[str, date, str, str, float, float]

#: Customer, day, division, SKU, gross profit, quantity.
SEED: list[Line] = [
    ("1", date(2024, 6, 1), "Solidworks", "SWX_Core", 100.0, 1.0),
    ("2", date(2024, 5, 15), "Services", "Training", 50.0, 1.0),
    ("1", date(2024, 8, 1), "Solidworks", "SWX_Core", 20.0, 1.0),
    ("2", date(2024, 7, 5), "Solidworks", "SWX_Core", -5.0, -1.0),
    ("3", date(2024, 7, 10), "Services", "Training", 10.0, 1.0),
]


def facts(lines: list[Line]) -> pl.LazyFrame:
    schema = {
        "customer_id": pl.String,
        "order_date": pl.Date,
        "product_division": pl.String,
        "product_sku": pl.String,
        "gross_profit": pl.Float64,
        "quantity": pl.Float64,
    }
    return pl.LazyFrame(lines, schema, orient="row")


def dim(*ids: str, seen: date = date(2023, 1, 1)) -> pl.DataFrame:
    """Customers known since ``seen``: a label row needs someone known at the cutoff."""
    schema = {"customer_id": pl.String, "first_seen_date": pl.Date}
    return pl.DataFrame([(i, seen) for i in ids], schema, orient="row")


def label(
    lines: list[Line],
    target: str = "solidworks",
    *,
    people: pl.DataFrame | None = None,
    cutoff: date = CUTOFF,
    months: int = 6,
    as_of: date | None = None,
    basis: Any = None,
    denylist: Iterable[str] = (),
    buffer_days: int = 0,
    assets: pl.DataFrame | None = None,
    **options: Any,
) -> pl.DataFrame:
    found = TAXONOMY.without(denylist).target(target)
    got = build_labels(
        facts(lines),
        dim("1", "2", "3") if people is None else people,
        replace(found, label_basis=basis) if basis else found,
        cutoff,
        window_months=months,
        labels=LabelSettings(**options),
        ownership=OwnershipSettings(),
        population=PopulationSettings(),
        as_of=as_of,
        assets=assets,
        buffer_days=buffer_days,
    )
    Labels.validate(got, lazy=True)
    return got


def by_customer(frame: pl.DataFrame, column: str = "label") -> dict[str, Any]:
    return dict(frame.select("customer_id", column).iter_rows())


# --- L1, L2 -----------------------------------------------------------------------------------------------------------


def test_seed_in_mode_all() -> None:
    got = label(SEED)
    # 1: +20 in the window, owns it since 06-01. 2: a return of 5, bought Training before. 3: nothing before, Training
    # (another target) in the window.
    assert got.select(
        "customer_id", "net_gp_window", "label", "is_new_logo", "is_expansion", "is_renewal_like"
    ).rows() == [("1", 20.0, 1, 0, 0, 1), ("2", -5.0, 0, 0, 1, 0), ("3", 0.0, 0, 1, 0, 0)]
    assert got["window_start"].unique().to_list() == [date(2024, 7, 1)]
    assert got["window_end"].unique().to_list() == [date(2024, 12, 31)]  # month end snaps to month end
    assert by_customer(got, "ownership") == {"1": "owner", "2": "never", "3": "never"}
    assert by_customer(got, "segment") == {"1": "warm", "2": "warm", "3": "prospect"}
    assert by_customer(got, "n_target_lines") == {"1": 1, "2": 1, "3": 0}
    # A return is no purchase.
    assert by_customer(got, "first_purchase_date_in_window") == {"1": date(2024, 8, 1), "2": None, "3": None}
    assert got["division"].unique().to_list() == ["solidworks"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # total, positives, prevalence, new logos, expansions, renewals
        ("all", (3, 1, 0.333333, 1, 1, 1)),
        ("expansion", (2, 1, 0.5, 0, 1, 1)),
    ],
)
def test_prevalence_of_the_seed(mode: Any, expected: tuple[float, ...]) -> None:
    got = label_prevalence(label(SEED, mode=mode), mode=mode)
    LabelPrevalence.validate(got, lazy=True)
    columns = ("total", "positives", "prevalence", "is_new_logo", "is_expansion", "is_renewal_like")
    assert got.select(columns).row(0) == expected
    row = got.row(0, named=True)
    assert (row["mode"], row["positives_renewal_like"], row["prevalence_renewal_like"]) == (mode, 1, 1.0)
    assert (row["positives_expansion"], row["positives_whitespace"]) == (0, 0)
    assert row["prevalence_new_logo"] == (0.0 if mode == "all" else None)  # no rows, no share
    assert row["whitespace"] == expected[0] - 1
    assert row["censored"] == expected[0]  # the seed ends on 2024-08-01


@pytest.mark.parametrize(("threshold", "positives"), [(0.0, 1), (19.99, 1), (20.0, 0)])
def test_the_threshold_is_strict(threshold: float, positives: int) -> None:
    assert label(SEED, gp_min_threshold=threshold)["label"].sum() == positives


def test_the_roster_is_as_of_the_cutoff() -> None:
    people = pl.concat([dim("1", "2"), dim("3", seen=date(2024, 7, 10))])
    assert label(SEED, people=people)["customer_id"].to_list() == ["1", "2"]


def test_targets_by_sku_do_not_follow_the_division_text() -> None:
    got = label(SEED, "training")
    assert by_customer(got) == {"1": 0, "2": 0, "3": 1}
    assert got.select("is_expansion", "is_renewal_like", "is_new_logo").rows() == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    # The SKU Services only, although the Training lines name the division Services.
    assert label(SEED, "services")["label"].sum() == 0


# --- L3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "positive"),
    [
        (date(2024, 6, 30), 0),  # the cutoff's own day is history
        (date(2024, 7, 1), 1),
        (date(2024, 12, 30), 1),
        (date(2024, 12, 31), 1),  # 2024-06-30 + 6 months snaps to the month end
        (date(2025, 1, 1), 0),
    ],
)
def test_window_boundaries(day: date, positive: int) -> None:
    got = label([("1", day, "Solidworks", "SWX_Core", 10.0, 1.0)], people=dim("1"))
    assert by_customer(got) == {"1": positive}


@pytest.mark.parametrize(
    ("cutoff", "months", "end"),
    [
        (date(2024, 8, 31), 6, date(2025, 2, 28)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2024, 12, 31), 6, date(2025, 6, 30)),
        (date(2024, 6, 30), 1, date(2024, 7, 31)),
        (date(2024, 6, 30), 4, date(2024, 10, 31)),
    ],
)
def test_window_ends(cutoff: date, months: int, end: date) -> None:
    got = label([], people=dim("1"), cutoff=cutoff, months=months)
    assert got["window_end"].item() == end


def test_a_buffer_moves_both_ends() -> None:
    # 30 days after 2024-06-30 is 2024-07-30, and six months after that 2025-01-30: 2024-07-30 itself is outside.
    def on(day: date) -> int:
        return label([("1", day, "", "SWX_Core", 1.0, 1.0)], "swx_seats", people=dim("1"), buffer_days=30)[
            "label"
        ].item()

    assert [on(date(2024, 7, 30)), on(date(2024, 7, 31)), on(date(2025, 1, 30)), on(date(2025, 1, 31))] == [0, 1, 1, 0]


# --- L4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "threshold", "expected"),
    [
        ((100.0, -100.0), 0.0, 0),  # net 0
        ((100.0, -99.99), 0.0, 1),  # net 0.01
        ((100.0, -99.99), 0.01, 0),  # 0.010000000000005 as a float, one cent as money
        ((0.1, 0.2, -0.3), 0.0, 0),  # 5.5e-17 as a float
        ((0.02,), 0.015, 1),
        ((0.01,), 0.015, 0),
    ],
)
def test_netting_in_cents(amounts: tuple[float, ...], threshold: float, expected: int) -> None:
    lines: list[Line] = [("1", date(2024, 8, 1), "Solidworks", "SWX_Core", a, 0.0) for a in amounts]
    assert label(lines, people=dim("1"), gp_min_threshold=threshold)["label"].item() == expected


# --- L5 ---------------------------------------------------------------------------------------------------------------

LAST_2024: Line = ("9", date(2024, 12, 27), "Services", "Training", 1.0, 1.0)
TYPO: Line = ("9", date(2050, 1, 1), "Services", "Training", 1.0, 1.0)


@pytest.mark.parametrize(
    ("lines", "months", "as_of", "censored"),
    [
        (SEED, 1, None, 0),  # ends 2024-07-31, the last order is of 08-01
        (SEED, 6, None, 1),
        (SEED, 12, None, 1),
        ([*SEED, ("9", date(2024, 12, 31), "", "Training", 1.0, 1.0)], 6, None, 0),  # the data ends with the window
        ([*SEED, TYPO], 6, date(2024, 8, 1), 1),  # a date of 2050 does not extend declared data
        ([*SEED, LAST_2024], 6, date(2024, 12, 31), 0),  # a quiet last weekend does not cut it short
        ([], 6, None, 1),  # no data at all
    ],
)
def test_censoring(lines: list[Line], months: int, as_of: date | None, censored: int) -> None:
    got = label(lines, months=months, as_of=as_of)
    assert got["censored_flag"].to_list() == [censored] * 3


# --- L6, L7 -----------------------------------------------------------------------------------------------------------


def test_the_denylist_holds_in_every_window() -> None:
    deny = ["SWX_Core"]
    got = label(SEED, gp_min_threshold=10.0, denylist=deny)
    assert by_customer(got)["1"] == 0
    assert by_customer(got, "net_gp_window")["1"] == 0.0
    assert by_customer(got, "is_renewal_like")["1"] == 0  # a denied SKU makes no owner either
    widened = label(SEED, denylist=deny, sparse_min_positive_target=1, sparse_max_window_months=12)
    assert widened["label"].sum() == 0
    assert widened["effective_window_months"][0] == 12


@pytest.mark.parametrize(
    ("lines", "maximum", "effective", "end", "positive"),
    [
        # Consumables are no printers: 1, 4, 6 months are tried in vain.
        ([], 6, 6, date(2024, 12, 31), 0),
        # FDM on 09-15 is inside four months: 1, 4.
        ([("1", date(2024, 9, 15), "Hardware", "FDM", 5000.0, 1.0)], 6, 4, date(2024, 10, 31), 1),
        ([("1", date(2025, 6, 30), "Hardware", "FDM", 5000.0, 1.0)], 12, 12, date(2025, 6, 30), 1),  # 1, 4, 7, 10, 12
        ([], 1, 1, date(2024, 7, 31), 0),  # nowhere to widen to
    ],
)
def test_widening(lines: list[Line], maximum: int, effective: int, end: date, positive: int) -> None:
    consumables: list[Line] = [
        ("1", date(2024, 5, 1), "Hardware", "Consumables", 5.0, 1.0),
        ("1", date(2024, 7, 5), "Hardware", "Consumables", 50.0, 1.0),
    ]
    got = label(
        [*consumables, *lines],
        "printers",
        people=dim("1"),
        months=1,
        sparse_min_positive_target=1,
        sparse_max_window_months=maximum,
    )
    assert got.select("effective_window_months", "window_end", "label").row(0) == (effective, end, positive)


# --- L8, L9, L10 ------------------------------------------------------------------------------------------------------


def test_divisions_match_in_any_case() -> None:
    lines: list[Line] = [
        ("1", date(2024, 3, 1), "SOLIDWORKS", "SWX_Core", 10.0, 1.0),
        ("1", date(2024, 5, 15), " solidworks ", "SWX_Core", 15.0, 1.0),
        ("2", date(2024, 5, 20), "Services", "Training", 5.0, 1.0),
    ]
    got = label(lines, "SOLIDWORKS", people=dim("1", "2"), cutoff=date(2024, 4, 30), months=2)
    assert got.select("customer_id", "net_gp_window", "label", "is_renewal_like", "is_new_logo").rows() == [
        ("1", 15.0, 1, 1, 0),
        ("2", 0.0, 0, 0, 1),
    ]
    assert got["window_end"][0] == date(2024, 6, 30)
    assert got["censored_flag"].to_list() == [1, 1]


def test_customer_ids_stay_text() -> None:
    ids = ["00123", "123", "ACME-001"]
    assert label([], people=dim(*ids))["customer_id"].to_list() == ids


@pytest.mark.parametrize(("basis", "expected"), [("gp", 0), ("gp_or_qty", 1), (None, 1)])
def test_quantity_only_skus_count_under_their_basis(basis: str | None, expected: int) -> None:
    lines: list[Line] = [("1", date(2024, 8, 1), "Simulation", "SW_Plastics", 0.0, 1.0)]
    got = label(lines, "simulation", people=dim("1"), basis=basis)
    assert got["label"].item() == expected
    assert got["net_qty_window"].item() == 1.0


def test_the_quantity_of_other_skus_does_not_count() -> None:
    # Three seats of Simulation at a loss: not a quantity-only SKU, so gross profit decides.
    lines: list[Line] = [("1", date(2024, 8, 1), "Simulation", "Simulation", -50.0, 3.0)]
    assert label(lines, "simulation", people=dim("1"))["label"].item() == 0


def test_an_asset_holder_is_no_new_logo() -> None:
    held = pl.DataFrame(
        {
            "customer_id": ["1", "2"],
            "product_sku": ["SWX_Core", "Training"],
            "quantity": [1.0, 1.0],
            "purchase_date": [date(2020, 1, 1)] * 2,
            "expiration_date": [None, date(2030, 1, 1)],
        }
    )
    got = label([], assets=held)
    assert got.select("is_renewal_like", "is_expansion", "is_new_logo").rows() == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert by_customer(got, "segment") == {"1": "cold", "2": "cold", "3": "prospect"}


def test_nobody_known_gives_an_empty_table_of_the_schema() -> None:
    got = label(SEED, people=dim("1", seen=date(2025, 1, 1)))
    assert got.height == 0
    assert label_prevalence(got, mode="all").height == 0


# --- L15 --------------------------------------------------------------------------------------------------------------

_LINES = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "4"]),
        st.dates(date(2023, 6, 1), date(2025, 6, 1)),
        st.sampled_from(["Solidworks", "Simulation"]),
        st.sampled_from(["SWX_Core", "Simulation", "SW_Plastics"]),
        st.integers(-300, 300).map(lambda c: c / 100),
        st.integers(-2, 2).map(float),
    ),
    max_size=14,
)


@settings(max_examples=25)
@given(lines=_LINES, mode=st.sampled_from(["all", "expansion"]), threshold=st.sampled_from([0.0, 0.5]), data=st.data())
def test_label_properties(lines: list[Line], mode: str, threshold: float, data: st.DataObject) -> None:
    people = dim("1", "2", "3", "4")
    options: dict[str, Any] = {"people": people, "mode": mode, "gp_min_threshold": threshold}
    as_of = date(2025, 12, 31)
    got = label(lines, "solidworks", as_of=as_of, **options)
    flags = got.select(pl.sum_horizontal("is_new_logo", "is_expansion", "is_renewal_like"))
    assert flags.to_series().to_list() == [1] * got.height
    assert got["customer_id"].is_unique().all()
    if mode == "expansion":
        assert got["is_new_logo"].sum() == 0
    assert got.filter(label=1)["net_gp_window"].gt(threshold).all()
    assert (got.filter(label=0)["net_gp_window"] <= threshold).all()
    assert ((got["ownership"] == "owner").cast(pl.Int8) == got["is_renewal_like"]).all()

    shuffled = data.draw(st.permutations(lines))
    assert label(shuffled, "solidworks", as_of=as_of, **options).equals(got)

    # Lines after the window, and lines of other targets inside it, change no label.
    later: list[Line] = [("1", date(2025, 1, 1), "Solidworks", "SWX_Core", 99.0, 9.0)]
    other: list[Line] = [("2", date(2024, 9, 1), "Training", "Training", 99.0, 9.0)]
    assert label([*lines, *later, *other], "solidworks", as_of=as_of, **options).equals(got)

    # Lines after the cutoff change neither the cohort nor its flags.
    inside: list[Line] = [("3", date(2024, 7, 1), "Solidworks", "SWX_Core", 99.0, 9.0)]
    known = ["customer_id", "ownership", "segment", "is_new_logo", "is_expansion", "is_renewal_like"]
    assert label([*lines, *inside], "solidworks", as_of=as_of, **options).select(known).equals(got.select(known))
