"""Nothing that happens after the cutoff, and no order of the input, changes a byte.

The poison is rows of every table the features read, dated after the cutoff: lines (of customers who buy the target the
next day, of new customers, of new products and divisions, of huge amounts), new customers with new industries, assets
bought later. What must stay as it is are the bytes of the files. An industry has no date of its own: that of a known
customer counts as it stands, of a customer first seen later it is not read (see `test_families` for renames).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gosales_assets import timeline
from gosales_assets.catalog import CATALOG
from gosales_assets.defs.formats import encode
from gosales_assets.engine import population
from gosales_assets.engine.features import build, ledger, spec
from gosales_assets.engine.whitespace.basket import mb_rules
from gosales_assets.timeline import add_days, until
from gosales_assets_tests.engine.features.worlds import (
    CUTOFF,
    FACTS,
    SOLIDWORKS,
    World,
    assets_of_c,
    dim,
    everything,
    peopled,
    random_lines,
    random_world,
)

WORLD = peopled(random_world(3, customers=40, lines=500, features=everything()))
KNOWN = WORLD.facts.filter(until(CUTOFF))
SEEN = {"X001": date(2020, 1, 1), "X002": date(2023, 2, 1)}
#: Bought on the last day that is known, expiring later.
ASSETS = assets_of_c().with_columns(customer_id=pl.lit("X002"), purchase_date=pl.lit(CUTOFF))


def known(**changes: object) -> World:
    """The world as it was at the cutoff."""
    return peopled(WORLD.but(facts=KNOWN, dim=dim(KNOWN, **SEEN), assets=ASSETS)).but(**changes)


Lines = list[tuple[str, date, tuple[str, str], float]]


def poisoned(later: Lines, *, industry: str = "Moonshots", quantity: float = 50.0) -> World:
    """The same world with later lines and assets; customers they bring are first seen then, with a new industry."""
    rows = [(customer, day, *product, profit, 1.0, profit) for customer, day, product, profit in later]
    new = pl.DataFrame(rows, schema=FACTS, orient="row").with_columns(branch=pl.lit("Ohio"), rep=pl.lit("New Rep"))
    order = ["customer_id", "order_date", "product_sku", "gross_profit"]
    lines = pl.concat([KNOWN, new]).sort(order)
    owners = ["X001", *new["customer_id"].unique().sort()]
    bought = pl.DataFrame({"customer_id": owners}).with_columns(
        product_sku=pl.lit("SWX_Core"),
        quantity=pl.lit(quantity),
        purchase_date=pl.lit(add_days(CUTOFF, 1)),
        expiration_date=pl.lit(None, pl.Date),
    )
    world = peopled(WORLD.but(facts=KNOWN, dim=dim(lines, **SEEN), assets=pl.concat([ASSETS, bought])))
    late = pl.col("first_seen_date") > CUTOFF
    people = world.dim.with_columns(
        pl.when(late).then(pl.lit(industry)).otherwise(c).alias(c) for c in ("industry", "industry_sub")
    )
    return world.but(facts=lines, dim=people)


def files(world: World, base: pl.DataFrame | None = None) -> dict[str, bytes]:
    """The bytes of every file that features and basket publish."""
    base = world.base() if base is None else base
    built = world.build(base)
    made = {
        "features/customer_base": base,
        "features/features": built.features,
        "features/feature_catalog": built.catalog,
        "features/feature_stats": built.stats,
        "whitespace/mb_rules": mb_rules(world.facts.lazy(), world.target, CUTOFF, features=world.features),
    }
    return {name: encode(CATALOG[name], value) for name, value in made.items()}


CLEAN = files(known())
LATER_LINE = st.tuples(
    st.sampled_from([*KNOWN["customer_id"].unique().sort().to_list()[:8], "X001", "NEW_1", "NEW_2", "0000"]),
    st.integers(1, 400).map(lambda days: add_days(CUTOFF, days)),
    st.sampled_from([("Solidworks", "SWX_Core"), ("Hardware", "FDM"), ("Solidworks", "BRAND_NEW"), ("Moon", "ROCK")]),
    st.sampled_from([1e9, -1e9, 0.01, 123.45]),
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(LATER_LINE, min_size=1, max_size=12), st.sampled_from(["Moonshots", "Toys"]), st.sampled_from([1.0, 1e6])
)
def test_what_happens_later_changes_no_byte(lines, industry, quantity):
    assert files(poisoned(lines, industry=industry, quantity=quantity)) == CLEAN


BUYER = KNOWN["customer_id"][0]
NEXT_DAY: Lines = [
    (BUYER, add_days(CUTOFF, 1), ("Solidworks", "SWX_Core"), 77.0),
    ("NEW_1", add_days(CUTOFF, 1), ("Solidworks", "SWX_Core"), 1e9),
]


def test_the_day_after_the_cutoff_changes_no_byte():
    assert files(poisoned(NEXT_DAY)) == CLEAN


def test_the_poison_is_there():
    """What the tests above add reaches every table, and is no news to the day after."""
    world = poisoned(NEXT_DAY)
    assert world.facts.height == KNOWN.height + 2
    assert "NEW_1" in world.dim["customer_id"]
    assert world.assets.height == 4
    late = world.but(cutoff=add_days(CUTOFF, 1))
    assert late.build().features.height == world.build().features.height + 1


# --- the tests above can fail: a rule that is wrong by one day changes bytes, whichever rule it is


def a_day_late(cutoff: date, column: str = "order_date") -> pl.Expr:
    return until(add_days(cutoff, 1), column)


def late_window(cutoff: date, months: int, offset_days: int = 0, mask_tail_days: int = 0) -> timeline.Window:
    window = timeline.feature_window(cutoff, months, offset_days, mask_tail_days)
    return timeline.Window(window.after, add_days(window.until, 1))


def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "until", a_day_late)


def lines_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "until", a_day_late)
    monkeypatch.setattr(build, "until", a_day_late)


def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    lines_of_the_target(monkeypatch)
    monkeypatch.setattr(spec, "feature_window", late_window)


def roster_and_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "until", a_day_late)


@pytest.mark.parametrize(
    ("wrong", "changed"),
    [
        (every_line, ["lifetime__all__tx_n__life"]),
        (lines_of_the_target, ["lifetime__all__tx_n__life", "lifetime__div__tx_n__life"]),
        (windows, ["rfm__all__tx_n__3m", "rfm__div__gp_sum__24m", "enc__div__industry_tx_rate__24m"]),
        (roster_and_assets, ["customer_id", "ownership"]),
    ],
)
def test_a_rule_wrong_by_one_day_is_noticed(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[pytest.MonkeyPatch], None], changed: list[str]
):
    honest = known().build().features
    wrong(monkeypatch)
    world = poisoned(NEXT_DAY)
    leaky = world.build().features
    assert files(world)["features/features"] != CLEAN["features/features"]
    for column in changed:
        assert not leaky[column].equals(honest[column], null_equal=True), column


def test_a_basket_that_ends_a_day_late_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """A lag of zero puts the end of the basket at the cutoff; a day more, and the next purchase makes its own rule."""
    at_once = everything(affinity_lag_days=0)
    everybody = [(c, add_days(CUTOFF, 1), ("Solidworks", "SWX_Core"), 1.0) for c in KNOWN["customer_id"].unique()]
    honest, world = known(features=at_once), poisoned(everybody).but(features=at_once)
    column = "mb__div__lift_mean__12m"
    assert world.build().features[column].equals(honest.build().features[column], null_equal=True)

    def late(cutoff: date, months: int, lag_days: int) -> timeline.Window:
        window = timeline.lagged_window(cutoff, months, lag_days)
        return timeline.Window(window.after, add_days(window.until, 1))

    monkeypatch.setattr(spec, "lagged_window", late)
    every_line(monkeypatch)
    assert not world.build().features[column].equals(honest.build().features[column], null_equal=True)


# --- the order of the input


@settings(max_examples=8)
@given(st.integers(0, 2**31))
def test_order_of_the_input_changes_nothing(seed):
    shuffled = WORLD.but(
        facts=WORLD.facts.sample(fraction=1, shuffle=True, seed=seed),
        dim=WORLD.dim.sample(fraction=1, shuffle=True, seed=seed),
    )
    assert files(shuffled) == files(WORLD)


def test_many_lines_in_any_order_give_the_same_bytes():
    """Enough rows for several threads, with amounts whose float sums depend on the order of addition."""
    table = random_lines(9, customers=50, lines=6_000, first=date(2021, 7, 1), last=date(2024, 6, 30))
    table = table.with_columns(gross_profit=(pl.col("gross_profit") * 1_234.567).round(2))
    table = pl.concat([table] * 5)
    world = peopled(World(table, dim(table), features=everything()))
    shuffled = world.but(facts=world.facts.sample(fraction=1, shuffle=True, seed=4))
    assert files(world) == files(shuffled)
    assert world.target == SOLIDWORKS
