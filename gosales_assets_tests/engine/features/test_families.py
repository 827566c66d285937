"""The families beside the core, hand-worked: products, branches, basket, industries, encoders, crossings, segments."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.features import feature_specs, safe_features
from gosales_assets.engine.features.families.encoders import smoothed
from gosales_assets.engine.whitespace.basket import customer_affinity, mb_rules
from gosales_assets.settings import FeatureSettings
from gosales_assets.taxonomy import Target, Taxonomy
from gosales_assets.timeline import add_days
from gosales_assets_tests.engine.features.worlds import (
    CUTOFF,
    SOLIDWORKS,
    TAXONOMY,
    World,
    assets_of_c,
    dim,
    everything,
    facts,
    fixture,
    peopled,
    random_world,
    uncapped,
)

JUNE = date(2024, 6, 1)


def rows_of(world: World) -> dict[str, dict]:
    return {row["customer_id"]: row for row in world.build().features.iter_rows(named=True)}


# --- products


def test_products() -> None:
    rows = rows_of(fixture(use_sku_signals=True))

    def of(customer: str, sku: str) -> list:
        return [rows[customer][f"sku__all__{m}_{sku}__12m"] for m in ("gp_sum", "qty_sum", "gp_per_unit")]

    assert of("A", "swx_core") == [100, 1, 100]  # 2023-06-30 lies before the window
    assert of("A", "services") == [50, 2, 25]
    assert of("A", "training") == [0, 0, None]
    assert of("D", "fdm") == [20, 0, None]  # one sold for 60, one taken back for 40: no unit, no price
    assert of("C", "swx_core") == [0, 0, None]


def test_products_are_those_of_the_taxonomy() -> None:
    columns = [s.name for s in feature_specs(FeatureSettings(use_sku_signals=True), ["A"], TAXONOMY.skus)]
    assert len([c for c in columns if c.startswith("sku__")]) == 3 * len(TAXONOMY.skus)
    nothing_mapped = Taxonomy.from_divisions(["A"])
    specs = feature_specs(FeatureSettings(use_sku_signals=True), ["A"], nothing_mapped.skus)
    assert not [s for s in specs if s.family == "sku"]


# --- branches and representatives


def test_branches_and_representatives() -> None:
    lines = facts([("A", JUNE, "Services", "Services", 1.0, 1.0)] * 5 + [("B", JUNE, "Services", "Services", 1.0, 1.0)])
    lines = lines.with_columns(
        branch=pl.Series(["Ohio", "OHIO ", "ohio", "Texas", None, None]),
        rep=pl.Series(["Ann", "Ann", "Ann", "Bo", None, None]),
    )
    rows = rows_of(
        World(lines, dim(lines, C=date(2020, 1, 1)), features=uncapped(use_branch_mix=True, branches=("Ohio", "Texas")))
    )
    # Ohio 3 of 5, Texas 1 of 5: the line without a branch counts, and has no column.
    shares = {c: [rows[c][f"branch__all__share_{b}__life"] for b in ("ohio", "texas")] for c in "ABC"}
    assert shares == {"A": [0.6, 0.2], "B": [0, 0], "C": [None, None]}
    assert [rows[c]["rep__all__nunique__life"] for c in "ABC"] == [2, 0, 0]
    assert [rows[c]["rep__all__top_share__life"] for c in "ABC"] == [0.75, None, None]  # 3 of the 4 that name one
    assert rows["A"]["branch__all__nunique__life"] == 4  # as written
    assert not [c for c in rows["A"] if "ann" in c.split("_")]


# --- market basket

D = Target("d", "D", "division", frozenset(), division="D")
LAST_USED = add_days(CUTOFF, -60)


def owners(sku: str, division: str, numbers: list[int] | range, day: date = LAST_USED) -> list[tuple]:
    return [(f"{n:02d}", day, division, sku, 1.0, 1.0) for n in numbers]


#: 20 customers, 10 with the target. X: 10, 8 of them with it; Y: 12, 3 of them; Z: 9, too few for a rule.
BASKET = [
    *owners("T", "D", range(1, 11)),
    *owners("X", "other", [*range(1, 9), 11, 12]),
    *owners("Y", "other", [8, 9, 10, *range(12, 21)]),
    *owners("Z", "other", [7, 8, *range(13, 20)]),
    *owners("Z", "other", [21], add_days(CUTOFF, -59)),
]


@pytest.mark.parametrize(
    ("customer", "topk", "expected"),
    [
        ("08", 3, [1.6, 1.05, 1.05]),  # X, Y, Z: lifts (8/10)/.5 and (3/12)/.5; Z has no rule
        ("08", 1, [1.6, 1.05, 1.6]),
        ("01", 3, [1.6, 1.6, 1.6]),
        ("14", 3, [0.5, 0.5, 0.5]),
        ("21", 3, [None, None, None]),  # 59 days before the cutoff: not read, and only Z
    ],
)
def test_basket(customer: str, topk: int, expected: list) -> None:
    lines = facts(BASKET)
    world = World(
        lines,
        dim(lines),
        target=D,
        features=uncapped(use_basket_features=True, basket_topk=topk),
        divisions=("D", "other"),
    )
    row = rows_of(world)[customer]
    assert [row[f"mb__div__{m}__12m_lag60d"] for m in ("lift_max", "lift_mean", "lift_topk")] == expected


def test_topk_averages_the_strongest() -> None:
    # Everybody has the target but 4: A of 1-8 lifts 8/8, B of 1-9 … each product one holder more without the target.
    lines = facts(
        [
            *owners("T", "D", range(1, 5)),
            *owners("A", "o", [1, 2]),
            *owners("B", "o", [1, 2, 5]),
            *owners("C", "o", [1, 5, 6]),
            *owners("E", "o", [1, 6, 7, 8]),
        ]
    )
    world = World(
        lines, dim(lines), target=D, features=uncapped(use_basket_features=True, basket_min_support=2), divisions=("D",)
    )
    # Base 4/8: A 2, B 4/3, C 2/3, E 1/2. The first has all four.
    row = rows_of(world)["01"]
    assert row["mb__div__lift_topk__12m_lag60d"] == pytest.approx((2 + 4 / 3 + 2 / 3) / 3)
    assert row["mb__div__lift_mean__12m_lag60d"] == pytest.approx((2 + 4 / 3 + 2 / 3 + 1 / 2) / 4)


@pytest.mark.parametrize("target", ["solidworks", "printers", "success_plan"])
def test_features_and_ranking_know_one_lift(target: str) -> None:
    basket = FeatureSettings(use_basket_features=True)
    world = random_world(8, customers=80, lines=1500, target=TAXONOMY.target(target), features=basket)
    frame = world.build().features
    rules = mb_rules(world.facts.lazy(), world.target, CUTOFF, features=world.features)
    ranking = customer_affinity(world.facts.lazy(), rules, CUTOFF, world.features)
    both = frame.join(ranking, on="customer_id", how="left")
    assert rules.height > 3
    assert ranking.height > 20
    for metric in ("max", "mean"):
        assert both[f"mb__div__lift_{metric}__12m_lag60d"].equals(both[f"mb_lift_{metric}"], null_equal=True)


def test_a_product_sold_in_two_divisions_counts_once() -> None:
    twice = [*BASKET, *owners("X", "another", range(1, 9))]
    on = FeatureSettings(use_basket_features=True)
    base, doubled = (World(facts(b), dim(facts(b)), target=D, divisions=("D",), features=on) for b in (BASKET, twice))
    column = "mb__div__lift_mean__12m_lag60d"
    assert base.build().features[column].equals(doubled.build().features[column])


# --- industries


def in_industries(world: World, **of: tuple[str | None, str | None]) -> World:
    table = pl.DataFrame(
        [(c, i, s) for c, (i, s) in of.items()],
        schema={"customer_id": pl.String, "industry": pl.String, "industry_sub": pl.String},
        orient="row",
    )
    return world.but(dim=world.dim.select("customer_id", "first_seen_date").join(table, on="customer_id", how="left"))


def test_industries_named_by_the_settings() -> None:
    world = in_industries(
        fixture(industries=("Mold, Tool & Die", "R&D"), sub_industries=("Drones",)),
        A=("mold tool and die", "drones "),
        B=(" R&D", None),
        D=("Toys", "Kites"),
    )
    rows = rows_of(world)
    names = ("is_mold_tool_and_die", "is_r_and_d", "sub_is_drones")
    flags = {c: [rows[c][f"industry__all__{n}__life"] for n in names] for c in "ABCD"}
    # Two spellings of one slug are one industry; unknown is neither.
    assert flags == {"A": [1, 0, 1], "B": [0, 1, None], "C": [None, None, None], "D": [0, 0, 0]}


def test_no_industry_of_the_data_makes_a_column() -> None:
    world = fixture()
    toys = in_industries(world, A=("Toys", "Kites"))
    assert toys.build().features.columns == world.build().features.columns


# --- encoders


def bought(customer: str, lines: int, of_target: int, gp: float = 1.0) -> list[tuple]:
    mine = [(customer, JUNE, "Solidworks", "SWX_Core", gp, 1.0)] * of_target
    return mine + [(customer, JUNE, "Services", "Services", gp, 1.0)] * (lines - of_target)


ENCODERS = uncapped(pooled_encoders_enable=True)


def test_purchase_rates_of_industries() -> None:
    # I1: 30 of 100 lines. I2: 10 of 20, its sub-industry s 5 of 5. Everybody: 40 of 120.
    lines = facts([*bought("A", 100, 30), *bought("B", 5, 5), *bought("C", 15, 5)])
    known = date(2020, 1, 1)
    world = World(lines, dim(lines, E=known, F=known), features=ENCODERS)
    world = in_industries(world, A=("I1", None), B=("I2", "s"), C=("I2", None), E=("I3", None), F=(None, None))
    rows = rows_of(world)
    industry = {c: rows[c]["enc__div__industry_tx_rate__24m"] for c in "ABCEF"}
    # (30 + 50/3) / 150, (10 + 50/3) / 70; nobody of I3 and nobody of no industry bought anything: 1/3.
    expected = {"A": 0.311111, "B": 0.380952, "C": 0.380952, "E": 1 / 3, "F": 1 / 3}
    assert industry == pytest.approx(expected, abs=1e-6)
    sub = {c: rows[c]["enc__div__sub_tx_rate__24m"] for c in "ABCEF"}
    # (5 + 50 * .380952) / 55; without a sub-industry as the industry is.
    assert sub == pytest.approx(expected | {"B": 0.437229}, abs=1e-6)


def test_share_of_gross_profit_is_a_share() -> None:
    # I1: 1000 of 10000 in 10 lines. I2: 3000 of 10000. Everybody 4000 of 20000: .2.
    lines = facts([*bought("A", 10, 1, 1000.0), *bought("B", 10, 3, 1000.0)])
    rows = rows_of(in_industries(World(lines, dim(lines), features=ENCODERS), A=("I1", None), B=("I2", None)))
    assert rows["A"]["enc__div__industry_gp_share__24m"] == pytest.approx((10 * 0.1 + 50 * 0.2) / 60)
    assert 0.1 <= rows["A"]["enc__div__industry_gp_share__24m"] <= 0.2


def test_an_industry_that_lost_money_has_the_share_of_all() -> None:
    lines = facts([*bought("A", 10, 2, 100.0), *bought("B", 4, 1, -5.0)])
    rows = rows_of(in_industries(World(lines, dim(lines), features=ENCODERS), A=("I1", None), B=("I2", None)))
    # Everybody: (200 - 5) / (1000 - 20).
    assert rows["B"]["enc__div__industry_gp_share__24m"] == pytest.approx(195 / 980)


def test_a_sub_industry_leans_on_the_industry_most_of_its_lines_come_from() -> None:
    lines = facts([*bought("A", 40, 40), *bought("B", 3, 0), *bought("C", 2, 0)])
    world = in_industries(World(lines, dim(lines), features=ENCODERS), A=("I1", None), B=("I2", "s"), C=("I1", "s"))
    by_industry = {"I1": (40 + 50 * 40 / 45) / 92, "I2": 50 * 40 / 45 / 53}
    sub = rows_of(world)["C"]["enc__div__sub_tx_rate__24m"]
    assert sub == pytest.approx(50 * by_industry["I2"] / 55)  # 3 of the 5 lines of s are of I2


def test_nothing_to_share() -> None:
    lines = facts([("A", date(2020, 1, 1), "Services", "Services", 1.0, 1.0)])  # before the window
    rows = rows_of(in_industries(World(lines, dim(lines), features=ENCODERS), A=("I1", "s")))
    assert {v for n, v in rows["A"].items() if n.startswith("enc__")} == {None}


def test_a_rename_of_an_industry_changes_no_rate() -> None:
    """An industry has no date: a rename reaches back, everywhere at once, and rates rest on groups, not on names."""
    world = peopled(random_world(2, features=ENCODERS))
    renamed = world.but(dim=world.dim.with_columns(pl.col("industry").replace({"Toys": "A new name", "r & d": "Zoo"})))
    assert world.dim["industry"].n_unique() == 4
    assert renamed.build().features.equals(world.build().features)


def test_encoders_end_at_the_cutoff_and_begin_with_their_window() -> None:
    inside = [*bought("A", 4, 1)]
    outside = [
        ("A", CUTOFF.replace(year=2022), "Solidworks", "SWX_Core", 1.0, 1.0),  # the open end of 24 months
        ("A", add_days(CUTOFF, 1), "Solidworks", "SWX_Core", 1.0, 1.0),
    ]
    few, more = facts(inside), facts([*inside, *outside])
    column = "enc__div__industry_tx_rate__24m"
    a, b = (in_industries(World(f, dim(f), features=ENCODERS), A=("I", None)).build().features for f in (few, more))
    assert a[column].to_list() == b[column].to_list() == [0.25]


def test_smoothing_alone() -> None:
    got = smoothed(np.array([0.5, np.nan, 0.5]), np.array([0.0, 3.0, 10.0]), 0.2, 0.0)
    assert got.tolist() == pytest.approx([0.2, 0.2, 0.5])


# --- crossings


def test_crossings() -> None:
    world = fixture(industries=("Aero", "Toys"), use_interactions=True)
    rows = rows_of(in_industries(world, A=("Aero", None), C=("Aero", None), D=("Toys", None)))
    metrics = ("gp_sum__life", "gp_mean__life", "sku_nunique__life", "growth__24m")
    crossed = {c: [rows[c][f"inter__all__aero_x_{m}"] for m in metrics] for c in "ABCD"}
    # A: 340 in 5 lines of 4 SKUs; 170 in the last 12 months and 170 in the 12 before.
    assert crossed["A"] == [340, 68, 4, 0]
    assert crossed["B"] == [None] * 4  # industry unknown
    assert crossed["C"] == [0, None, 0, None]  # nothing bought
    assert crossed["D"] == [0] * 4  # another industry
    assert rows["D"]["inter__all__toys_x_growth__24m"] == 1  # 20 after nothing


# --- segments


def test_a_segment_keeps_the_families_it_may_use() -> None:
    plain = fixture().but(assets=assets_of_c())
    world = plain.but(
        features=uncapped(segment_feature_allowlist={"cold": ("src", "lifetime"), "warm": ("rfm", "src")})
    )
    build, before = world.build(), {r["customer_id"]: r for r in plain.build().features.iter_rows(named=True)}
    rows = {r["customer_id"]: r for r in build.features.iter_rows(named=True)}
    families = {s.name: s.family for s in feature_specs(world.features, world.divisions, world.skus)}
    may = {"warm": {"rfm", "src"}, "cold": {"src", "lifetime"}, "prospect": set(families.values())}
    for customer, row in rows.items():
        for name, family in families.items():
            expected = before[customer][name] if family in may[row["segment"]] else None
            assert row[name] == expected, (customer, name)
    said = dict(build.catalog.select("family", "segments").unique().iter_rows())
    assert said["rfm"] == "warm, prospect"
    assert said["src"] == "warm, cold, prospect"
    assert said["season"] == "prospect"
    assert build.features.schema == plain.build().features.schema


def test_an_allowlist_of_an_unknown_family_is_refused() -> None:
    world = fixture(segment_feature_allowlist={"cold": ("rfm", "recency")})
    with pytest.raises(ValueError, match=r"allowlist.cold names the family 'recency', .*built are .*rfm"):
        world.build()


def test_statistics_describe_the_emptied_matrix() -> None:
    world = random_world(1, features=everything(segment_feature_allowlist={"warm": ("src",)}))
    build = peopled(world).build()
    name = "lifetime__all__tx_n__life"
    assert build.stats["columns"][name]["non_null"] == build.features[name].count() < build.features.height


# --- customers who never bought


def test_customers_without_lines_change_nothing_of_the_others() -> None:
    world = random_world(6, features=everything())
    strangers = {f"S{i:03d}": date(2023, 1, 1) for i in range(600)}
    few = peopled(world)
    everyone = dim(world.facts, X001=date(2020, 1, 1), X002=date(2023, 2, 1), **strangers)
    many = peopled(world.but(dim=everyone, assets=few.assets))
    a, b = few.build(), many.build()
    assert b.features.height == a.features.height + 600
    assert b.features.filter(~pl.col("customer_id").is_in(list(strangers))).equals(a.features)
    assert {c: v["upper"] for c, v in b.stats["winsor_caps"].items()} == {
        c: v["upper"] for c, v in a.stats["winsor_caps"].items()
    }


# --- SAFE


def test_safe_features_do_not_lean_on_the_eve_of_the_cutoff() -> None:
    specs = feature_specs(everything(), TAXONOMY.divisions, TAXONOMY.skus)
    safe = set(safe_features(specs))
    dropped = {
        "rfm__all__recency_decay__hl30",
        "rfm__all__log_recency__life",
        "rfm__div__recency_days__life",
        "lifecycle__all__last_gap_days__life",
        "rfm__all__tx_n__12m",
        "rfm__all__gp_sum__12m_off60d",
        "rfm__all__gp_sum__delta_12m_prev12m",
        "xdiv__all__gp_sum_camworks__12m",
        "xdiv__all__gp_share_camworks__12m",
        "dynamics__all__gp_slope__12m",
        "sku__all__qty_sum_pdm__12m",
        "mb__div__lift_max__12m_lag60d",
        "inter__all__aerospace_x_growth__24m",
    }
    kept = {
        "rfm__all__gp_sum__24m",
        "lifecycle__all__tenure_days__life",
        "enc__div__industry_tx_rate__24m",
        "industry__all__is_aerospace__life",
        "src__has_tx",
        "lifetime__div__tx_n__life",
    }
    names = {s.name for s in specs}
    assert dropped | kept <= names
    assert not dropped & safe
    assert kept <= safe
    assert [s.name for s in specs if s.name in safe] == safe_features(specs)


def test_the_name_decides_nothing() -> None:
    """Under other names the same declarations are chosen."""
    from dataclasses import replace

    specs = feature_specs(everything(), TAXONOMY.divisions, TAXONOMY.skus)
    blind = [replace(s, name=f"f{i}") for i, s in enumerate(specs)]
    assert safe_features(blind) == [f"f{i}" for i, s in enumerate(specs) if s.safe]


def test_every_family_at_once() -> None:
    world = peopled(random_world(1, features=everything(), target=SOLIDWORKS))
    build = world.build()
    families = set(build.catalog["family"])
    assert {"sku", "branch", "rep", "mb", "industry", "enc", "inter", "assets", "als"} <= families
    empty = build.catalog.filter(pl.col("coverage") == 0)["family"].unique().to_list()
    assert set(empty) <= {"sku", "xdiv", "assets"}  # products nobody bought or holds
