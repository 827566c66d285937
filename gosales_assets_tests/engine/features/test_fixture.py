"""The hand-worked fixture: every window edge, every family, one customer at a time."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.timeline import add_days
from gosales_assets_tests.engine.features.worlds import CUTOFF, World, assets_of_c, dim, facts, fixture, uncapped


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    return {row["customer_id"]: row for row in fixture().build().features.iter_rows(named=True)}


WINDOWS = (3, 6, 12, 24)


@pytest.mark.parametrize(
    "customer, scope, offset, expected",
    [
        # 3m starts 2024-03-31 (month end snaps to month end) and excludes it; 12m excludes 2023-06-30.
        ("A", "all", "", [(1, 100, 100), (3, 170, 170 / 3), (3, 170, 170 / 3), (5, 340, 68)]),
        ("A", "div", "", [(1, 100, 100), (1, 100, 100), (1, 100, 100), (2, 300, 150)]),
        # 2022-06-30 is the open end of 24m.
        ("B", "all", "", [(0, 0, None)] * 4),
        ("D", "all", "", [(0, 0, None), (2, 20, 10), (2, 20, 10), (2, 20, 10)]),
        ("D", "div", "", [(0, 0, None)] * 4),
        ("C", "all", "", [(0, 0, None)] * 4),
        # 60 days before the cutoff is 2024-05-01; 3m then starts 2024-02-01, 12m 2023-05-01, 24m 2022-05-01.
        ("A", "all", "_off60d", [(2, 70, 35), (2, 70, 35), (4, 240, 60), (4, 240, 60)]),
        ("B", "all", "_off60d", [(0, 0, None)] * 3 + [(1, 1000, 1000)]),
        ("D", "all", "_off60d", [(0, 0, None)] + [(2, 20, 10)] * 3),
        ("A", "div", "_off60d", [(0, 0, None)] * 2 + [(1, 200, 200)] * 2),
        ("B", "div", "_off60d", [(0, 0, None)] * 3 + [(1, 1000, 1000)]),
    ],
)
def test_windows(rows, customer, scope, offset, expected):
    for months, values in zip(WINDOWS, expected, strict=True):
        got = [rows[customer][f"rfm__{scope}__{m}__{months}m{offset}"] for m in ("tx_n", "gp_sum", "gp_mean")]
        assert got == pytest.approx(list(values)), f"{months}m{offset}"


def test_target_is_matched_in_any_spelling():
    plain = fixture()
    column = pl.col("product_division")
    spelt = plain.but(
        facts=plain.facts.with_columns(
            pl.when(column == "Solidworks").then(pl.lit("SOLIDWORKS ")).otherwise(column).alias("product_division")
        )
    )
    assert spelt.build().features.equals(plain.build().features)


@pytest.mark.parametrize(
    "months, expected",
    [(3, (0, 0, None)), (6, (2, 70, 35)), (12, (2, 70, 35)), (24, (4, 240, 60))],
)
def test_masked_tail_hides_the_newest_days_from_every_family(months, expected):
    # 60 days masked: nothing after 2024-05-01. The starts stay: 3m still opens on 2024-03-31.
    masked = fixture().but(options={"mask_tail_days": 60})
    row = masked.build().features.row(by_predicate=pl.col("customer_id") == "A", named=True)
    assert [row[f"rfm__all__{m}__{months}m"] for m in ("tx_n", "gp_sum", "gp_mean")] == list(expected)
    assert row["rfm__all__recency_days__life"] == 91  # 2024-03-31
    assert row["lifecycle__all__last_gap_days__life"] == 91
    assert row["rfm__div__recency_days__life"] == 366  # 2023-06-30
    assert row["diversity__all__sku_nunique__6m"] == 2


@pytest.mark.parametrize(
    "customer, scope, gp, tx",
    [
        # 12m 170 and 3 lines; the 12 before 340 - 170 = 170 and 5 - 3 = 2.
        ("A", "all", (0, 1.0), (1, 1.5)),
        # 100 and 1; before 300 - 100 = 200 and 1.
        ("A", "div", (-100, 0.5), (0, 1.0)),
        # Nothing before: no ratio, whatever the recent value.
        ("D", "all", (20, None), (2, None)),
        ("C", "all", (0, None), (0, None)),
    ],
)
def test_deltas(rows, customer, scope, gp, tx):
    row = rows[customer]
    for metric, (delta, ratio) in (("gp_sum", gp), ("tx_n", tx)):
        assert row[f"rfm__{scope}__{metric}__delta_12m_prev12m"] == delta
        assert row[f"rfm__{scope}__{metric}__ratio_12m_prev12m"] == ratio


@pytest.mark.parametrize(
    "customer, everything, target",
    [("A", 30, 30), ("B", 731, 731), ("D", 172, None), ("C", None, None)],  # A: raw 0, raised to the floor
)
def test_recency(rows, customer, everything, target):
    assert rows[customer]["rfm__all__recency_days__life"] == everything
    assert rows[customer]["rfm__div__recency_days__life"] == target


def test_recency_transforms_of_thirty_days(rows):
    row = rows["A"]
    assert row["rfm__all__log_recency__life"] == pytest.approx(3.433987, abs=1e-6)  # ln 31
    halved = [row[f"rfm__all__recency_decay__hl{h}"] for h in (30, 90, 180)]  # 2^-1, 2^-1/3, 2^-1/6
    assert halved == pytest.approx([0.5, 0.793701, 0.890899], abs=1e-6)
    assert rows["C"]["rfm__all__log_recency__life"] is None
    assert rows["C"]["rfm__all__recency_decay__hl30"] is None


@pytest.mark.parametrize("customer, days, bucket", [("A", 412, "1to2y"), ("B", 731, "ge2y"), ("D", 172, "3to6m")])
def test_tenure(rows, customer, days, bucket):
    row = rows[customer]
    assert row["lifecycle__all__tenure_days__life"] == days
    flags = {n.split("__")[-1]: v for n, v in row.items() if "__tenure_bucket__" in n}
    assert flags == {name: int(name == bucket) for name in ("lt3m", "3to6m", "6to12m", "1to2y", "ge2y")}


def test_nothing_is_known_of_the_life_of_a_customer_without_lines(rows):
    life = {n: v for n, v in rows["C"].items() if n.startswith("lifecycle__")}
    assert life.pop("lifecycle__all__order_days__life") == 0
    assert life.pop("lifecycle__all__active_months__24m") == 0
    assert set(life.values()) == {None}


@pytest.mark.parametrize(
    "days, bucket",
    [
        (0, "lt3m"),
        (90, "lt3m"),
        (91, "3to6m"),
        (180, "3to6m"),
        (181, "6to12m"),
        (365, "6to12m"),
        (366, "1to2y"),
        (730, "1to2y"),
        (731, "ge2y"),
    ],
)
def test_edges_of_tenure(days, bucket):
    lines = facts([("A", add_days(CUTOFF, -days), "Training", "Training", 1.0, 1.0)])
    row = World(lines, dim(lines)).build().features.row(0, named=True)
    assert [n.split("__")[-1] for n, v in row.items() if "__tenure_bucket__" in n and v == 1] == [bucket]


def test_cadence_counts_order_dates_not_lines(rows):
    # A: 2023-05-15, 06-30, 2024-03-30, 03-31, 06-30 -> gaps 46, 274, 1, 91.
    assert rows["A"]["lifecycle__all__gap_median_days__life"] == 68.5
    assert rows["A"]["lifecycle__all__gap_mean_days__life"] == 103
    assert rows["A"]["lifecycle__all__order_days__life"] == 5
    # D: two lines of one day are one order, so there is no gap.
    assert rows["D"]["lifecycle__all__gap_median_days__life"] is None
    assert rows["D"]["lifecycle__all__gap_mean_days__life"] is None
    assert rows["D"]["lifecycle__all__order_days__life"] == 1


def test_activity_and_season(rows):
    assert rows["A"]["lifecycle__all__active_months__24m"] == 4  # 2023-05, 2023-06, 2024-03, 2024-06
    # Five lines: Q2 2023-05-15, Q2 2023-06-30, Q1 twice, Q2 2024-06-30.
    assert [rows["A"][f"season__all__q{q}_share__24m"] for q in (1, 2, 3, 4)] == [0.4, 0.6, 0, 0]
    assert [rows["C"][f"season__all__q{q}_share__24m"] for q in (1, 2, 3, 4)] == [None] * 4


def test_monthly_dynamics(rows):
    # Months end 2023-07-31 … 2024-06-30; March is x = 8 (70 in 2 lines), June x = 11 (100 in 1).
    row = rows["A"]
    assert row["dynamics__all__gp_slope__12m"] == pytest.approx(5.069930, abs=1e-6)  # (2.5*70 + 5.5*100) / 143
    assert row["dynamics__all__gp_std__12m"] == pytest.approx(32.264101, abs=1e-6)
    assert row["dynamics__all__tx_slope__12m"] == pytest.approx(0.0734266, abs=1e-7)  # (2.5*2 + 5.5*1) / 143
    assert row["dynamics__all__tx_std__12m"] == pytest.approx(0.595119, abs=1e-6)
    assert rows["C"]["dynamics__all__gp_slope__12m"] == 0


def test_mix(rows):
    row = rows["A"]
    shares = {s: row[f"xdiv__all__gp_share_{s}__12m"] for s in ("solidworks", "services", "simulation", "training")}
    assert shares == pytest.approx(
        {"solidworks": 0.588235, "services": 0.294118, "simulation": 0.117647, "training": 0}, abs=1e-6
    )
    assert sum(row[f"xdiv__all__gp_sum_{s}__12m"] for s in shares) == 170
    assert row["xdiv__all__tx_n_solidworks__12m"] == 1
    assert row["xdiv__all__tx_n_solidworks__life"] == 2
    assert row["xdiv__all__gp_sum_training__life"] == -30
    assert (row["xdiv__all__division_nunique__12m"], rows["D"]["xdiv__all__division_nunique__12m"]) == (3, 1)
    assert rows["C"]["xdiv__all__gp_share_solidworks__12m"] is None


@pytest.mark.parametrize("customer, share", [("A", 0.404412), ("D", 0.210084), ("B", 0.294118), ("C", 0.294118)])
def test_smoothed_share_of_the_target(rows, customer, share):
    # Prior (.588235 + 0) / 2. A: (3*.588235 + 5*.294118) / 8; D: (2*0 + 5*.294118) / 7; without lines: the prior.
    assert rows[customer]["xdiv__div__gp_share__12m"] == pytest.approx(share, abs=1e-6)


def test_unsmoothed_share_of_the_target():
    frame = fixture(use_eb_smoothing=False).build().features
    assert frame["xdiv__div__gp_share__12m"].to_list() == pytest.approx([100 / 170, None, None, 0.0])


def test_diversity(rows):
    assert [rows["A"][f"diversity__all__sku_nunique__{w}m"] for w in WINDOWS] == [1, 3, 3, 4]
    assert [rows["A"][f"diversity__div__sku_nunique__{w}m"] for w in WINDOWS] == [1, 1, 1, 1]
    assert [rows["D"][f"diversity__all__sku_nunique__{w}m"] for w in WINDOWS] == [0, 1, 1, 1]


def test_returns(rows):
    got = {c: (rows[c]["returns__all__return_tx_n__12m"], rows[c]["returns__all__return_rate__12m"]) for c in "ACD"}
    assert got == {"A": (0, 0.0), "C": (0, None), "D": (1, 0.5)}  # A's -30 lies before the window


def test_lifetime(rows):
    row = rows["A"]
    names = ("tx_n", "gp_sum", "gp_mean", "division_nunique", "sku_nunique")
    assert [row[f"lifetime__all__{n}__life"] for n in names] == [5, 340, 68, 4, 4]
    assert (rows["B"]["lifetime__all__tx_n__life"], rows["B"]["lifetime__all__gp_sum__life"]) == (1, 1000)
    assert (rows["C"]["lifetime__all__tx_n__life"], rows["C"]["lifetime__all__gp_mean__life"]) == (0, None)


def test_source_flags(rows):
    assert {c: rows[c]["src__has_tx"] for c in "ABCD"} == {"A": 1, "B": 1, "C": 0, "D": 1}
    world = fixture()
    industry = pl.when(pl.col("customer_id") == "B").then(pl.lit("Aerospace")).otherwise(pl.lit(" "))
    flags = world.but(dim=world.dim.with_columns(industry=industry)).build().features["src__has_industry"]
    assert flags.to_list() == [0, 1, 0, 0]


def test_segments_and_ownership():
    frame = fixture().but(assets=assets_of_c()).build().features
    got = {c: (s, o) for c, s, o in frame.select("customer_id", "segment", "ownership").iter_rows()}
    # 18 months back is 2022-12-31: B's line is older. C holds an active asset of the target.
    assert got == {
        "A": ("warm", "owner"),
        "B": ("prospect", "owner"),
        "C": ("cold", "owner"),
        "D": ("warm", "never"),
    }


def test_context_is_raw(rows):
    context = ("gp_recent", "tx_recent", "gp_life", "recency_days")
    assert [rows["A"][f"context__{n}"] for n in context] == [170, 3, 340, 0]
    assert [rows["B"][f"context__{n}"] for n in context] == [0, 0, 1000, 731]
    assert [rows["C"][f"context__{n}"] for n in context] == [0, 0, 0, None]


def test_margin_needs_revenue(rows):
    assert {v for n, v in rows["A"].items() if n.startswith("margin__")} == {None}
    lines = facts(
        [
            ("A", date(2024, 6, 1), "Solidworks", "SWX_Core", 30.0, 1.0),
            ("A", date(2024, 6, 2), "Services", "Services", 20.0, 1.0),
            ("A", date(2024, 6, 3), "Services", "Services", 999.0, 1.0),
            ("B", date(2024, 6, 3), "Services", "Services", -5.0, 1.0),
        ],
        revenue=[100.0, 25.0, None, -10.0],
    )
    frame = World(lines, dim(lines), features=uncapped()).build().features
    # A: (30 + 20) / (100 + 25), the line without revenue counts on neither side; B: revenue is not positive.
    assert frame["margin__all__gp_pct__3m"].to_list() == [0.4, None]
    assert frame["margin__div__gp_pct__3m"].to_list() == [0.3, None]
