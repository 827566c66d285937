"""Market-basket rules and affinity, by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gosales_assets.engine.whitespace.basket import AFFINITY_SCHEMA, RULE_SCHEMA, customer_affinity, mb_rules
from gosales_assets.engine.whitespace.schema import MbRules
from gosales_assets.settings import FeatureSettings
from gosales_assets.taxonomy import Target
from gosales_assets_tests.engine.whitespace.worlds import CUTOFF, facts, target

FEATURES = FeatureSettings()
D = target("d")


def owners(sku: str, division: str, numbers: range | list[int], *day: date) -> list[tuple]:
    return [(f"{n:02d}", sku, division, *day) for n in numbers]


#: 20 customers; X: 1-10, Y: 11-20, Z: 1; the target by 1-6, 11, 12.
WORLD = [
    *owners("X", "other", range(1, 11)),
    *owners("Y", "other", range(11, 21)),
    *owners("Z", "other", [1]),
    *owners("T", "d", [1, 2, 3, 4, 5, 6, 11, 12]),
]


def test_rules() -> None:
    got = mb_rules(facts(WORLD), D, CUTOFF, features=FEATURES)
    # baseline 8/20; X: 6 of 10, Y: 2 of 10; Z has too little support, T is the target itself
    expected = pl.DataFrame(
        [("d", "X", 10, 6, 0.4, 0.6, 1.5, 20), ("d", "Y", 10, 2, 0.4, 0.2, 0.5, 20)], schema=RULE_SCHEMA, orient="row"
    )
    assert_frame_equal(got, expected)
    MbRules.validate(got, lazy=True)


def test_rules_with_another_base() -> None:
    # 20 customers, 10 with the target; X: 8 of 10, Y: 3 of 12, Z: 9 customers and no rule
    world = [
        *owners("T", "d", range(1, 11)),
        *owners("X", "other", [*range(1, 9), 11, 12]),
        *owners("Y", "other", [8, 9, 10, *range(12, 21)]),
        *owners("Z", "other", [8, *range(13, 21)]),
    ]
    rules = mb_rules(facts(world), D, CUTOFF, features=FEATURES)
    assert rules.select("product_sku", "lift").rows() == [("X", 1.6), ("Y", 0.5)]
    affinity = customer_affinity(facts(world), rules, CUTOFF, FEATURES)
    assert affinity.row(by_predicate=pl.col("customer_id") == "08", named=True) == {
        "customer_id": "08",
        "division": "d",
        "mb_lift_max": 1.6,
        "mb_lift_mean": 1.05,
        "mb_top_sku": "X",
    }


def test_customer_affinity_averages_only_products_with_a_rule() -> None:
    rules = mb_rules(facts(WORLD), D, CUTOFF, features=FEATURES)
    affinity = customer_affinity(facts(WORLD), rules, CUTOFF, FEATURES)
    assert affinity.row(0) == ("01", "d", 1.5, 1.5, "X")
    assert affinity.height == 20
    assert affinity.schema == pl.Schema(AFFINITY_SCHEMA)


@pytest.mark.parametrize(
    ("day", "inside"),
    [
        (date(2023, 6, 30), False),  # exactly 12 months before the cutoff
        (date(2023, 7, 1), True),
        (date(2024, 5, 1), True),  # exactly 60 days before
        (date(2024, 5, 2), False),  # 59 days
        (date(2024, 7, 1), False),
    ],
)
def test_window_edges(day: date, inside: bool) -> None:
    world = [*owners("X", "other", range(1, 11), day), *owners("T", "d", [11])]
    rules = mb_rules(facts(world), D, CUTOFF, features=FEATURES)
    assert rules["product_sku"].to_list() == (["X"] if inside else [])
    assert customer_affinity(facts(world), pl.concat([rules]), CUTOFF, FEATURES).height == (10 if inside else 0)


def test_a_customer_outside_the_window_has_no_affinity() -> None:
    rules = mb_rules(facts(WORLD), D, CUTOFF, features=FEATURES)
    late = facts([*WORLD, ("99", "X", "other", date(2024, 6, 30))])
    assert "99" not in customer_affinity(late, rules, CUTOFF, FEATURES)["customer_id"].to_list()


def test_products_of_a_sku_target_make_no_rule() -> None:
    seats = Target("seats", "Seats", "sku_set", frozenset({"X"}))
    rules = mb_rules(facts(WORLD), seats, CUTOFF, features=FEATURES)
    # ten of twenty have X; of Y's ten customers nobody
    assert rules.select("product_sku", "baseline_division_rate", "lift").rows() == [("Y", 0.5, 0.0)]


def test_a_product_booked_under_the_target_and_elsewhere_is_the_targets_own() -> None:
    world = [*WORLD, ("13", "Y", "d")]
    assert mb_rules(facts(world), D, CUTOFF, features=FEATURES)["product_sku"].to_list() == ["X"]


def test_a_product_mapped_to_the_target_but_routed_elsewhere_makes_no_rule() -> None:
    routed = target("d", skus=["T", "Y"])
    assert mb_rules(facts(WORLD), routed, CUTOFF, features=FEATURES)["product_sku"].to_list() == ["X"]


def test_nobody_bought_the_target() -> None:
    rules = mb_rules(facts(owners("X", "other", range(1, 11))), D, CUTOFF, features=FEATURES)
    assert rules.select("support", "baseline_division_rate", "confidence", "lift").rows() == [(10, 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("lines", [[], owners("X", "other", range(1, 10))])
def test_nothing_qualifies(lines: list[tuple]) -> None:
    rules = mb_rules(facts(lines), D, CUTOFF, features=FEATURES)
    assert rules.is_empty()
    assert rules.schema == pl.Schema(RULE_SCHEMA)
    MbRules.validate(rules, lazy=True)
    assert customer_affinity(facts(lines), rules, CUTOFF, FEATURES).schema == pl.Schema(AFFINITY_SCHEMA)


def test_support_comes_from_settings_and_ties_from_support_and_name() -> None:
    # all lifts 1: every product is held by everybody who is active, with and without the target
    world = [
        *owners("T", "d", [1, 3]),
        *owners("B", "other", [1, 2]),
        *owners("A", "other", [3, 4]),
        *owners("C", "other", [1, 2, 3, 4]),
    ]
    rules = mb_rules(facts(world), D, CUTOFF, features=FeatureSettings(basket_min_support=2))
    assert rules["lift"].to_list() == [1.0, 1.0, 1.0]
    assert rules["product_sku"].to_list() == ["C", "A", "B"]
    affinity = customer_affinity(facts(world), rules, CUTOFF, FEATURES)
    assert affinity["mb_top_sku"].to_list() == ["C"] * 4


def test_repeated_lines_count_a_customer_once_and_order_does_not_matter() -> None:
    doubled = facts(WORLD + WORLD)
    rules = mb_rules(doubled, D, CUTOFF, features=FEATURES)
    assert_frame_equal(rules, mb_rules(facts(WORLD), D, CUTOFF, features=FEATURES))
    shuffled = doubled.collect().sample(fraction=1.0, shuffle=True, seed=3).lazy()
    assert_frame_equal(rules, mb_rules(shuffled, D, CUTOFF, features=FEATURES))
    assert_frame_equal(
        customer_affinity(shuffled, rules.reverse(), CUTOFF, FEATURES),
        customer_affinity(doubled, rules, CUTOFF, FEATURES),
    )


def test_all_targets_at_once() -> None:
    other = target("other")
    tables = [mb_rules(facts(WORLD), t, CUTOFF, features=FeatureSettings(basket_min_support=1)) for t in (D, other)]
    together = customer_affinity(facts(WORLD), tables, CUTOFF, FEATURES)
    apart = pl.concat([customer_affinity(facts(WORLD), [t], CUTOFF, FEATURES) for t in tables])
    assert_frame_equal(together, apart.sort("customer_id", "division"))
    assert together["division"].unique().sort().to_list() == ["d", "other"]
