"""The date audit finds what reads the future, and nothing else."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.features import FeatureBuild, ledger, spec
from gosales_assets.engine.leakage import date_audit
from gosales_assets.engine.leakage.date_audit import FeatureDateAudit, feature_date_audit, rebuild
from gosales_assets.settings import FeatureSettings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Window, add_days, feature_window, lagged_window, until
from gosales_assets_tests.engine.features.worlds import (
    CUTOFF,
    FACTS,
    TAXONOMY,
    World,
    assets_of_c,
    dim,
    everything,
    facts,
    fixture,
    peopled,
    random_world,
)

PRINTERS: Target = TAXONOMY.target("printers")


def settings_of(world: World) -> dict:
    return {
        "population": world.population,
        "divisions": world.divisions,
        "skus": world.skus,
        "assets": world.assets,
    }


def audit(world: World, build: FeatureBuild | pl.DataFrame, base: pl.DataFrame, **options) -> pl.DataFrame:
    table = feature_date_audit(
        build if isinstance(build, pl.DataFrame) else build.features,
        base,
        world.facts.lazy(),
        world.target,
        world.cutoff,
        dim=world.dim,
        settings=world.features,
        ownership=world.ownership,
        **settings_of(world),
        **options,
    )
    FeatureDateAudit.validate(table, lazy=True)
    return table


def row(table: pl.DataFrame, feature: str) -> dict:
    return table.row(by_predicate=pl.col("feature") == feature, named=True)


def by_status(table: pl.DataFrame, status: str) -> set[str]:
    return set(table.filter(status=status)["feature"])


@pytest.fixture(scope="module")
def world() -> World:
    return random_world(4)


@pytest.fixture(scope="module")
def base(world) -> pl.DataFrame:
    return world.base()


@pytest.fixture(scope="module")
def build(world, base) -> FeatureBuild:
    return world.build(base)


@pytest.mark.parametrize("target", ["solidworks", "printers", "training"])
def test_honest_features_pass(world, base, target):
    world = world.but(target=TAXONOMY.target(target))
    table = audit(world, world.build(base), base)
    assert by_status(table, "OK") == set(table["feature"])
    assert table["feature"].to_list() == world.build(base).features.columns
    assert (table["latest_event_date"] <= world.cutoff).all()
    assert (table["latest_event_date"] <= table["declared_window_end"]).all()


@pytest.mark.parametrize("allowed", [{}, {"warm": ("rfm", "mb", "src"), "cold": ("src",)}])
def test_honest_features_of_every_family_pass(allowed):
    world = peopled(random_world(4, features=everything(segment_feature_allowlist=allowed)))
    base = world.base()
    build = world.build(base)
    table = audit(world, build, base)
    assert by_status(table, "OK") == set(table["feature"]) == set(build.features.columns)


def test_what_rests_on_others_is_dated_by_the_lines_of_all():
    """A lift or a rate of an industry reads lines of every product, not the target's alone."""
    world = peopled(random_world(4, features=everything()))
    later = facts([("K0001", add_days(CUTOFF, -5), "Services", "Services", 1.0, 1.0)])
    later = later.with_columns(branch=pl.lit(None, pl.String), rep=pl.lit(None, pl.String))
    lines = pl.concat([world.facts.filter(until(add_days(CUTOFF, -70))), later]).sort("customer_id", "order_date")
    world = world.but(facts=lines)
    base = world.base()
    table = audit(world, world.build(base), base)
    found = {r["feature"]: r for r in table.iter_rows(named=True)}
    rate, lift = found["enc__div__industry_tx_rate__24m"], found["mb__div__lift_max__12m_lag60d"]
    assert rate["latest_event_date"] == add_days(CUTOFF, -5)
    assert rate["source_table"] == "fact_transactions + dim_customer"
    assert lift["latest_event_date"] <= lift["declared_window_end"] == add_days(CUTOFF, -60)
    assert found["rfm__div__tx_n__3m"]["latest_event_date"] != add_days(CUTOFF, -5)


def test_a_basket_that_ends_later_than_declared_is_found(monkeypatch):
    """Lines of other customers, 59 days before the cutoff, change the rules and so the lifts of everybody."""
    world = random_world(4, features=FeatureSettings(use_basket_features=True, basket_min_support=2))
    buyers = world.facts["customer_id"].unique().sort()
    lines = facts([(c, add_days(CUTOFF, -59), "Solidworks", "SWX_Core", 50.0, 1.0) for c in buyers[::2]])
    world = world.but(facts=pl.concat([world.facts, lines]).sort("customer_id", "order_date"))
    base = world.base()
    assert by_status(audit(world, world.build(base), base), "LEAK") == set()

    def a_day_less(cutoff: date, months: int, lag_days: int):
        return lagged_window(cutoff, months, lag_days - 1)

    monkeypatch.setattr(spec, "lagged_window", a_day_less)
    base = world.base()
    table = audit(world, world.build(base), base)
    assert by_status(table, "LEAK") == {f for f in table["feature"] if f.startswith("mb__")}
    assert row(table, "mb__div__lift_max__12m_lag60d")["latest_event_date"] == add_days(CUTOFF, -59)


def test_an_industry_rate_that_reads_a_day_too_many_is_found(monkeypatch):
    def a_day_late(cutoff: date, column: str = "order_date") -> pl.Expr:
        return until(add_days(cutoff, 1), column)

    def late_window(cutoff: date, months: int, offset_days: int = 0, mask_tail_days: int = 0):
        window = feature_window(cutoff, months, offset_days, mask_tail_days)
        return Window(window.after, add_days(window.until, 1))

    world = peopled(random_world(4, features=everything()))
    other = facts([("K0001", add_days(CUTOFF, 1), "Services", "Services", 50.0, 1.0)])
    other = other.with_columns(branch=pl.lit(None, pl.String), rep=pl.lit(None, pl.String))
    world = world.but(facts=pl.concat([world.facts, other]).sort("customer_id", "order_date"))
    monkeypatch.setattr(ledger, "until", a_day_late)
    monkeypatch.setattr(spec, "feature_window", late_window)
    base = world.base()
    leaks = by_status(audit(world, world.build(base), base), "LEAK")
    # Nobody bought the target: it is the lines of all that make the rate.
    assert {"enc__div__industry_tx_rate__24m", "enc__div__sub_tx_rate__24m"} <= leaks
    assert "rfm__div__tx_n__3m" not in leaks


def test_latest_days_are_those_of_the_data():
    fix = fixture()
    base = fix.base()
    table = audit(fix, fix.build(base), base)
    latest = {r["feature"]: (r["declared_window_end"], r["latest_event_date"]) for r in table.iter_rows(named=True)}
    june, may = date(2024, 6, 30), date(2024, 5, 1)
    assert latest["rfm__all__tx_n__3m"] == (june, june)
    assert latest["rfm__all__tx_n__12m_off60d"] == (may, date(2024, 3, 31))
    assert latest["rfm__div__tx_n__12m_off60d"] == (may, date(2023, 6, 30))
    # No line of the target between 2023-11-01 and 2024-05-01: nothing was read, which is no leak.
    assert latest["rfm__div__tx_n__6m_off60d"] == (may, None)
    assert row(table, "rfm__div__tx_n__6m_off60d")["status"] == "OK"
    assert latest["src__has_industry"] == (june, date(2024, 1, 10))  # D, the customer first seen last


def test_a_matrix_built_one_day_late_is_found(world):
    # Someone buys the target on the day after the cutoff.
    lines = facts([("K0001", add_days(CUTOFF, 1), "Solidworks", "SWX_Core", 50.0, 1.0)])
    world = world.but(facts=pl.concat([world.facts, lines]).sort("customer_id", "order_date"))
    late = world.but(cutoff=add_days(CUTOFF, 1))
    table = audit(world, late.build(), late.base())
    leaks = by_status(table, "LEAK")
    assert {"lifetime__all__tx_n__life", "rfm__all__tx_n__3m", "rfm__div__gp_sum__12m"} <= leaks
    assert {"xdiv__all__tx_n_solidworks__life", "rfm__all__recency_days__life", "context__tx_recent"} <= leaks
    assert row(table, "lifetime__div__tx_n__life")["latest_event_date"] == add_days(CUTOFF, 1)
    assert "read days after 2024-06-30" in row(table, "lifetime__div__tx_n__life")["reason"]


@pytest.mark.parametrize("scope", ["all", "div"])
def test_an_offset_shorter_by_one_day_than_declared_is_found(world, base, build, scope):
    # 59 days before the cutoff there is a line of the target: the window that ends there reads it, off60d must not.
    lines = facts([("K0001", add_days(CUTOFF, -59), "Solidworks", "SWX_Core", 50.0, 1.0)])
    world = world.but(facts=pl.concat([world.facts, lines]).sort("customer_id", "order_date"))
    wrong = world.but(features=FeatureSettings(offset_days=(59,)))
    names = {
        c: c.replace("off59d", "off60d")
        for c in wrong.build().features.columns
        if c.endswith("off59d") and c.split("__")[1] == scope
    }
    leaky = wrong.build().features.select("customer_id", *names).rename(names)
    matrix = world.build().features
    matrix = matrix.drop(names.values()).hstack(leaky.drop("customer_id")).select(matrix.columns)
    table = audit(world, matrix, world.base())
    leaks = by_status(table, "LEAK")
    assert f"rfm__{scope}__tx_n__3m_off60d" in leaks
    assert leaks <= set(names.values())
    assert row(table, f"rfm__{scope}__tx_n__3m_off60d")["latest_event_date"] == add_days(CUTOFF, -59)


def test_code_that_reads_one_day_too_many_is_found(world, monkeypatch):
    """The audit rebuilds with the very code that leaks, and still finds it: the day is not there to be read."""

    def a_day_late(cutoff: date, column: str = "order_date") -> pl.Expr:
        return until(add_days(cutoff, 1), column)

    lines = facts([("K0001", add_days(CUTOFF, 1), "Solidworks", "SWX_Core", 50.0, 1.0)])
    world = world.but(facts=pl.concat([world.facts, lines]).sort("customer_id", "order_date"))
    monkeypatch.setattr(ledger, "until", a_day_late)
    base = world.base()
    table = audit(world, world.build(base), base)
    assert "lifetime__all__tx_n__life" in by_status(table, "LEAK")


def test_an_offset_window_coded_one_day_late_is_found(world, monkeypatch):
    def a_day_late(cutoff: date, months: int, offset_days: int = 0, mask_tail_days: int = 0):
        return feature_window(cutoff, months, max(0, offset_days - 1), mask_tail_days)

    lines = facts([("K0001", add_days(CUTOFF, -59), "Solidworks", "SWX_Core", 50.0, 1.0)])
    world = world.but(facts=pl.concat([world.facts, lines]).sort("customer_id", "order_date"))
    monkeypatch.setattr(spec, "feature_window", a_day_late)
    base = world.base()
    table = audit(world, world.build(base), base)
    offsets = {f for f in table["feature"] if f.endswith("off60d")}
    assert {"rfm__all__tx_n__3m_off60d", "rfm__div__tx_n__3m_off60d"} <= by_status(table, "LEAK") <= offsets


def test_a_roster_of_today_is_found(world, base):
    today = world.but(dim=world.dim.with_columns(first_seen_date=pl.lit(date(2020, 1, 1))))
    newcomer = facts([("NEW", add_days(CUTOFF, 30), "Solidworks", "SWX_Core", 50.0, 1.0)])
    lines = pl.concat([world.facts, newcomer]).sort("customer_id", "order_date")
    honest = world.but(facts=lines, dim=dim(lines, X001=date(2020, 1, 1), X002=date(2023, 2, 1)))
    everyone = honest.but(dim=honest.dim.with_columns(first_seen_date=pl.lit(date(2020, 1, 1))))
    table = audit(honest, everyone.build(), everyone.base())
    assert "customer_id" in by_status(table, "LEAK")
    # For the customers known at the cutoff the values are the same.
    assert row(table, "rfm__all__tx_n__3m")["status"] == "OK"
    assert today.dim.height == world.dim.height


def test_an_owner_by_a_later_asset_is_found():
    fix = fixture()
    later = assets_of_c().with_columns(purchase_date=pl.lit(add_days(CUTOFF, 5)))
    as_of_today = fix.but(assets=assets_of_c())
    table = audit(fix.but(assets=later), as_of_today.build(), as_of_today.base())
    assert {"ownership", "segment"} <= by_status(table, "LEAK") | by_status(table, "UNKNOWN")


def test_a_negative_age_names_the_day(world, base, build):
    cutoff = date(2024, 12, 31)
    world = world.but(cutoff=cutoff)
    base = world.base()
    name = "rfm__all__recency_days__life"
    matrix = world.build(base).features.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(-3).otherwise(name).cast(pl.Int32).alias(name)
    )
    found = row(audit(world, matrix, base), name)
    assert (found["status"], found["latest_event_date"]) == ("LEAK", date(2025, 1, 3))


def test_what_cannot_be_measured_is_unknown(world, base, build):
    matrix = build.features.with_columns(magic=pl.lit(1.0)).drop("rfm__all__tx_n__3m")
    matrix = matrix.with_columns(pl.col("rfm__all__tx_n__6m").cast(pl.Float64))
    table = audit(world, matrix, base)
    assert by_status(table, "UNKNOWN") == {"magic", "rfm__all__tx_n__3m", "rfm__all__tx_n__6m"}
    assert row(table, "magic")["source_table"] is None
    assert by_status(table, "LEAK") == set()


def test_a_value_the_facts_do_not_give_is_unknown_when_there_is_no_later_day():
    fix = fixture()
    fix = fix.but(facts=fix.facts.filter(pl.col("order_date") <= CUTOFF))
    base = fix.base()
    matrix = fix.build(base).features.with_columns(pl.col("lifetime__all__tx_n__life") + 1)
    found = row(audit(fix, matrix, base), "lifetime__all__tx_n__life")
    assert found["status"] == "UNKNOWN"
    assert "rebuild the matrix" in found["reason"]


def test_a_base_that_leaks_is_found_though_the_matrix_does_not(world, base, build):
    spoiled = base.with_columns(pl.col("lifetime__all__tx_n__life") + 1)
    assert by_status(audit(world, build, spoiled), "LEAK") == {"lifetime__all__tx_n__life"}


def test_sharing_what_was_rebuilt_changes_nothing(world, base, build):
    shared = rebuild(world.facts.lazy(), world.dim, world.cutoff, features=world.features, **settings_of(world))
    for target in (world.target, PRINTERS):
        mine = world.but(target=target)
        assert audit(mine, mine.build(base), base, rebuilt=shared).equals(audit(mine, mine.build(base), base))


def test_no_facts_at_all():
    empty = World(pl.DataFrame(schema=FACTS), dim(pl.DataFrame(schema=FACTS), C=date(2020, 1, 1)))
    base = empty.base()
    table = audit(empty, empty.build(base), base)
    assert by_status(table, "OK") == set(table["feature"])
    assert table.filter(source_table="fact_transactions")["latest_event_date"].null_count() == table.height - 2


def test_the_audit_is_the_one_of_the_catalog_columns():
    assert list(date_audit.COLUMNS) == list(FeatureDateAudit.to_schema().columns)
