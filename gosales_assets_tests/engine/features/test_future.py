"""Nothing that happens after the cutoff, and no order of the input, changes a byte."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gosales_assets.engine.features import FeatureBuild, ledger
from gosales_assets.timeline import add_days, until
from gosales_assets_tests.engine.features.worlds import (
    CUTOFF,
    FACTS,
    SOLIDWORKS,
    World,
    dim,
    random_lines,
    random_world,
)

WORLD = random_world(3, customers=40, lines=500)
KNOWN = WORLD.facts.filter(pl.col("order_date") <= CUTOFF)


def without_future() -> World:
    return WORLD.but(facts=KNOWN, dim=dim(KNOWN, X001=date(2020, 1, 1), X002=date(2023, 2, 1)))


def poisoned(rows: pl.DataFrame) -> World:
    """The same world with later lines; customers they bring are first seen when they buy."""
    lines = pl.concat([KNOWN, rows]).sort("customer_id", "order_date", "product_sku", "gross_profit")
    assets = pl.DataFrame(
        {
            "customer_id": ["X001"],
            "product_sku": ["SWX_Core"],
            "quantity": [50.0],
            "purchase_date": [add_days(CUTOFF, 1)],
            "expiration_date": pl.Series([None], dtype=pl.Date),
        }
    )
    return WORLD.but(facts=lines, dim=dim(lines, X001=date(2020, 1, 1), X002=date(2023, 2, 1)), assets=assets)


def same(a: FeatureBuild, b: FeatureBuild) -> bool:
    return a.features.equals(b.features) and a.stats == b.stats and a.catalog.equals(b.catalog)


CLEAN = without_future().build()
LATER_LINE = st.tuples(
    st.sampled_from([*KNOWN["customer_id"].unique().sort().to_list()[:8], "X001", "NEW_1", "NEW_2", "0000"]),
    st.integers(1, 400).map(lambda days: add_days(CUTOFF, days)),
    st.sampled_from([("Solidworks", "SWX_Core"), ("Hardware", "FDM"), ("Solidworks", "BRAND_NEW"), ("Moon", "ROCK")]),
    st.sampled_from([1e9, -1e9, 0.01, 123.45]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LATER_LINE, min_size=1, max_size=12))
def test_later_lines_change_nothing(lines):
    rows = pl.DataFrame([(c, d, *p, gp, 1.0, gp) for c, d, p, gp in lines], schema=FACTS, orient="row")
    assert same(poisoned(rows).build(), CLEAN)


BUYS_ON_THE_NEXT_DAY = pl.DataFrame(
    [(KNOWN["customer_id"][0], add_days(CUTOFF, 1), "Solidworks", "SWX_Core", 77.0, 1.0, 77.0)],
    schema=FACTS,
    orient="row",
)


def test_the_day_after_the_cutoff_changes_nothing():
    assert same(poisoned(BUYS_ON_THE_NEXT_DAY).build(), CLEAN)


@pytest.mark.parametrize("place", ["all", "div"])
def test_a_window_wrong_by_one_day_is_noticed(monkeypatch, place):
    """The test above can fail: let either scope know one day too many."""
    base = poisoned(BUYS_ON_THE_NEXT_DAY).base()

    def a_day_late(cutoff: date, column: str = "order_date") -> pl.Expr:
        return until(add_days(cutoff, 1), column)

    monkeypatch.setattr(ledger, "until", a_day_late)
    if place == "all":
        base = poisoned(BUYS_ON_THE_NEXT_DAY).base()
    else:
        monkeypatch.setattr("gosales_assets.engine.features.build.until", a_day_late)
    leaky = poisoned(BUYS_ON_THE_NEXT_DAY).build(base)
    changed = [c for c in leaky.features.columns if not leaky.features[c].equals(CLEAN.features[c])]
    assert f"lifetime__{place}__tx_n__life" in changed
    assert leaky.stats["checksum"] != CLEAN.stats["checksum"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31))
def test_order_of_the_input_changes_nothing(seed):
    shuffled = WORLD.but(
        facts=WORLD.facts.sample(fraction=1, shuffle=True, seed=seed),
        dim=WORLD.dim.sample(fraction=1, shuffle=True, seed=seed),
    )
    assert same(shuffled.build(), WORLD.build())


def test_many_lines_in_any_order_give_the_same_bytes():
    """Enough rows for several threads, with amounts whose float sums depend on the order of addition."""
    table = random_lines(9, customers=50, lines=6_000, first=date(2021, 7, 1), last=date(2024, 6, 30))
    table = table.with_columns(gross_profit=(pl.col("gross_profit") * 1_234.567).round(2))
    table = pl.concat([table] * 5)
    world = World(table, dim(table))
    shuffled = world.but(facts=table.sample(fraction=1, shuffle=True, seed=4))
    assert same(world.build(), shuffled.build())
    assert world.target == SOLIDWORKS
