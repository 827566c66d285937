"""Small formulas and rules that need no shared fixture."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.features.ledger import ratio
from gosales_assets.engine.features.winsor import winsorize
from gosales_assets_tests.engine.features.worlds import TAXONOMY, World, dim, facts, fixture, random_world, uncapped


@pytest.mark.parametrize(
    "values, p, lower, upper, capped",
    [
        ([1000.0, 0.0], 0.5, 0.0, 500.0, [500.0, 0.0]),
        # Position .99 * 4 = 3.96 between 10 and 1000: 10 + .96 * 990.
        ([0.0, 0.0, 0.0, 10.0, 1000.0], 0.99, 0.0, 960.4, [0.0, 0.0, 0.0, 10.0, 960.4]),
        ([100.0, 50.0], 0.5, 50.0, 75.0, [75.0, 50.0]),
        ([-5.0, 3.0], 1.0, -5.0, 3.0, [-5.0, 3.0]),
    ],
)
def test_winsor(values, p, lower, upper, capped):
    column, cap = winsorize(pl.Series("x", values), pl.repeat(True, len(values), eager=True), p)
    assert column.to_list() == pytest.approx(capped)
    assert cap == {
        "lower": lower,
        "upper": pytest.approx(upper),
        "n_clipped": sum(a != b for a, b in zip(values, capped, strict=True)),
        "fit_rows": len(values),
    }


def test_winsor_is_fitted_on_modelled_rows_and_applied_to_all():
    column, cap = winsorize(pl.Series("x", [10.0, 20.0, 500.0]), pl.Series([True, True, False]), 1.0)
    assert column.to_list() == [10, 20, 20]
    assert cap == {"lower": 10.0, "upper": 20.0, "n_clipped": 1, "fit_rows": 2}


def test_winsor_without_modelled_rows_leaves_the_column():
    column, cap = winsorize(pl.Series("x", [10.0]), pl.Series([False]), 0.5)
    assert column.to_list() == [10]
    assert cap == {"lower": None, "upper": None, "n_clipped": 0, "fit_rows": 0}


def test_caps_are_recorded_as_applied():
    lines = facts(
        [
            ("A", date(2024, 1, 10), "Solidworks", "SWX_Core", 100.0, 1.0),
            ("B", date(2024, 1, 11), "Solidworks", "SWX_Core", 50.0, 1.0),
            # Older than the warm window: no vote on the cap.
            ("Z", date(2020, 1, 11), "Solidworks", "SWX_Core", 9.0, 1.0),
        ]
    )
    world = World(
        lines, dim(lines), cutoff=date(2024, 1, 31), features=uncapped().model_copy(update={"gp_winsor_p": 0.5})
    )
    build = world.build()
    assert build.stats["winsor_caps"]["rfm__all__gp_sum__3m"] == {
        "lower": 0.0,  # Z, who is capped like everybody but did not vote
        "upper": 75.0,
        "n_clipped": 1,
        "fit_rows": 2,
        "fit_population": ["warm", "cold"],
    }
    assert build.features["rfm__all__gp_sum__3m"].to_list() == [75, 50, 0]
    assert build.stats["columns"]["rfm__all__gp_sum__3m"]["max"] == 75
    assert build.features["context__gp_recent"].to_list() == [100, 50, 0]
    # Offsets, deltas and means keep their extremes.
    assert build.features["rfm__all__gp_sum__delta_12m_prev12m"].to_list() == [100, 50, 0]


def test_the_cutoff_day_is_included():
    lines = facts(
        [
            ("1", date(2024, 1, 1), "Solidworks", "SWX_Core", 100.0, 1.0),
            ("1", date(2023, 12, 15), "Services", "Services", 50.0, 1.0),
            ("2", date(2023, 11, 1), "Solidworks", "SWX_Core", 10.0, 1.0),
        ]
    )
    world = World(lines, dim(lines), cutoff=date(2024, 1, 1), features=uncapped(windows_months=(3,)))
    frame = world.build().features
    assert frame["rfm__all__tx_n__3m"].to_list() == [2, 1]
    assert frame["rfm__all__gp_sum__3m"].to_list() == [150, 10]


@pytest.mark.parametrize("asked", ["sOlIdWoRkS", "Solidworks", " solidworks "])
def test_division_and_target_in_any_case(asked):
    lines = facts(
        [
            ("1", date(2024, 1, 10), "SOLIDWORKS", "SWX_Core", 1.0, 1.0),
            ("1", date(2024, 2, 5), "solidworks", "SWX_Core", 1.0, 1.0),
        ]
    )
    world = World(lines, dim(lines), cutoff=date(2024, 1, 31), target=TAXONOMY.target(asked))
    frame = world.build().features
    assert frame["rfm__div__tx_n__3m"].to_list() == [1]
    assert frame["xdiv__all__tx_n_solidworks__12m"].to_list() == [1]


def test_a_target_of_skus_counts_its_skus_only():
    lines = facts(
        [
            ("1", date(2024, 1, 10), "Hardware", "FDM", 7.0, 1.0),
            ("1", date(2024, 1, 11), "Hardware", "Consumables", 5.0, 1.0),
        ]
    )
    frame = World(lines, dim(lines), cutoff=date(2024, 1, 31), target=TAXONOMY.target("printers")).build().features
    assert frame["rfm__div__gp_sum__3m"].to_list() == [7]
    assert frame["xdiv__all__gp_sum_hardware__12m"].to_list() == [12]


def test_ids_survive():
    ids = ["00123", "a1b2-guid", 'Müller, "Söhne" & Co', "123"]
    lines = facts([(i, date(2024, 1, 10), "Training", "Training", 1.0, 1.0) for i in ids])
    frame = World(lines, dim(lines)).build().features
    assert frame["customer_id"].to_list() == sorted(ids)


def test_customers_without_lines_change_no_cap_and_no_prior():
    world = random_world()
    more = {f"N{i:04d}": date(2020, 1, 1) for i in range(10 * world.dim.height)}
    crowded = world.but(dim=dim(world.facts, **more)).build()
    alone = world.build()
    for name, cap in alone.stats["winsor_caps"].items():
        assert crowded.stats["winsor_caps"][name] | {"lower": None} == cap | {"lower": None}
    assert alone.features["customer_id"].is_in(crowded.features["customer_id"].to_list()).sum() > 50
    both = alone.features.join(crowded.features, on="customer_id", suffix="_crowded")
    assert both["xdiv__div__gp_share__12m"].equals(both["xdiv__div__gp_share__12m_crowded"])


def test_a_share_needs_a_positive_total():
    lines = facts(
        [
            ("A", date(2024, 6, 1), "Solidworks", "SWX_Core", 60.0, 1.0),
            ("A", date(2024, 6, 1), "Services", "Services", 40.0, 1.0),
            ("B", date(2024, 6, 1), "Solidworks", "SWX_Core", 60.0, 1.0),
            ("B", date(2024, 6, 1), "Services", "Services", -90.0, 1.0),
        ]
    )
    frame = World(lines, dim(lines), features=uncapped()).build().features
    assert frame["xdiv__all__gp_share_solidworks__12m"].to_list() == [0.6, None]
    # B has no share of its own: the prior, which is A's.
    assert frame["xdiv__div__gp_share__12m"].to_list() == [0.6, 0.6]


def test_half_cents_and_large_amounts_add_up_exactly():
    lines = facts([("A", date(2024, 6, 1), "Training", "Training", v, 1.0) for v in [0.1] * 3 + [1e9, -1e9]])
    frame = World(lines, dim(lines), features=uncapped()).build().features
    assert frame["rfm__all__gp_sum__3m"].to_list() == [0.3]


def test_ratio_of_nothing_is_unknown():
    got = ratio(np.array([1.0, 0.0, 1.0, -1.0]), np.array([0.0, 0.0, -2.0, 2.0]))
    assert np.array_equal(got, [np.nan, np.nan, np.nan, -0.5], equal_nan=True)


@pytest.mark.parametrize("seed", range(3))
def test_windows_against_a_plain_group_by(seed):
    """The running totals give what a filter and a group_by give, at a cutoff that is no month end."""
    world = random_world(seed, cutoff=date(2024, 5, 17), features=uncapped())
    frame = world.build().features
    start = {3: date(2024, 2, 17), 6: date(2023, 11, 17), 12: date(2023, 5, 17), 24: date(2022, 5, 17)}
    for months, after in start.items():
        inside = world.facts.filter((pl.col("order_date") > after) & (pl.col("order_date") <= date(2024, 5, 17)))
        plain = inside.group_by("customer_id").agg(
            tx=pl.len(),
            gp=pl.col("gross_profit").sum(),
            skus=pl.col("product_sku").n_unique(),
            returns=(pl.col("gross_profit") < 0).sum(),
            months=pl.col("order_date").dt.strftime("%Y%m").n_unique(),
            divisions=pl.col("product_division").n_unique(),
        )
        both = frame.select("customer_id", pl.col(f"^.*__{months}m$")).join(plain, on="customer_id", how="left")
        both = both.with_columns(pl.col(plain.columns[1:]).fill_null(0))
        assert (both[f"rfm__all__tx_n__{months}m"] == both["tx"]).all()
        assert both[f"rfm__all__gp_sum__{months}m"].to_list() == pytest.approx(both["gp"].to_list(), abs=1e-6)
        assert (both[f"diversity__all__sku_nunique__{months}m"] == both["skus"]).all()
        if months == 12:
            assert (both["returns__all__return_tx_n__12m"] == both["returns"]).all()
            assert (both["xdiv__all__division_nunique__12m"] == both["divisions"]).all()
        if months == 24:
            assert (both["lifecycle__all__active_months__24m"] == both["months"]).all()


def test_gaps_against_a_plain_group_by():
    world = random_world(5, features=uncapped())
    frame = world.build().features
    known = world.facts.filter(pl.col("order_date") <= world.cutoff)
    days = known.select("customer_id", "order_date").unique().sort("customer_id", "order_date")
    gaps = days.with_columns(gap=pl.col("order_date").diff().over("customer_id").dt.total_days())
    plain = gaps.group_by("customer_id").agg(pl.col("gap").median().alias("median"), pl.col("gap").mean().alias("mean"))
    both = frame.join(plain, on="customer_id", how="left")
    assert both["lifecycle__all__gap_median_days__life"].to_list() == pytest.approx(both["median"].to_list())
    assert both["lifecycle__all__gap_mean_days__life"].to_list() == pytest.approx(both["mean"].to_list())


def test_slope_against_numpy():
    world = random_world(6, features=uncapped())
    frame = world.build().features
    ends = [date(2023, m, d) for m, d in ((6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31))]
    ends += [date(2024, m, d) for m, d in ((1, 31), (2, 29), (3, 31), (4, 30), (5, 31), (6, 30))]
    customer = world.facts["customer_id"].mode()[0]
    mine = world.facts.filter(pl.col("customer_id") == customer)
    y = [
        mine.filter((pl.col("order_date") > a) & (pl.col("order_date") <= b))["gross_profit"].sum()
        for a, b in pairwise(ends)
    ]
    row = frame.row(by_predicate=pl.col("customer_id") == customer, named=True)
    assert row["dynamics__all__gp_slope__12m"] == pytest.approx(np.polyfit(range(12), y, 1)[0])
    assert row["dynamics__all__gp_std__12m"] == pytest.approx(np.std(y))


def test_a_roster_of_unseen_customers_is_not_known():
    world = fixture()
    late = dim(world.facts, C=date(2020, 1, 1), Late=date(2024, 7, 1))
    assert world.but(dim=late).build().features["customer_id"].to_list() == ["A", "B", "C", "D"]
