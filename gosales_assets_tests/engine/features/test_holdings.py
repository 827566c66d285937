"""Features of assets: the hand-computed customers, nothing of the future, no term of today where terms are today's."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gosales_assets.engine.features import feature_specs
from gosales_assets.engine.features.families.assets import HORIZONS
from gosales_assets.engine.leakage.date_audit import feature_date_audit
from gosales_assets.settings import FeatureSettings
from gosales_assets.timeline import add_days
from gosales_assets_tests.engine.features.test_future import files
from gosales_assets_tests.engine.features.worlds import (
    CUTOFF,
    TAXONOMY,
    FeatureBuild,
    World,
    fixture,
    random_world,
    uncapped,
)

SCHEMA = {
    "customer_id": pl.String,
    "product_sku": pl.String,
    "division": pl.String,
    "quantity": pl.Float64,
    "purchase_date": pl.Date,
    "expiration_date": pl.Date,
}
DIVISION = TAXONOMY.by_sku

Asset = tuple[str, str, float, date | None, date | None]


def held(*rows: Asset) -> pl.DataFrame:
    """fact_assets: customer, SKU (its own roll-up), quantity, purchase, expiry."""
    named = [(c, s, DIVISION[s].division, q, bought, ends) for c, s, q, bought, ends in rows]
    return pl.DataFrame(named, SCHEMA, orient="row").with_columns(item_rollup=pl.col("product_sku"))


def world(assets: pl.DataFrame, *, guard: int = 14, **changes: Any) -> World:
    """The fixture's customers with these assets, everything made of assets switched on."""
    chosen = {"use_assets": True, "assets_keep_terms": True, "use_assets_als": True} | changes
    return fixture(expiring_guard_days=guard, **chosen).but(assets=assets)


def row(build: FeatureBuild, customer: str) -> dict[str, Any]:
    return build.features.row(by_predicate=pl.col("customer_id") == customer, named=True)


#: At 2024-06-30. A: one seat to 2024-12-31, two to 2024-07-10, and a PDM of unknown date that ended 2024-05-31.
#: B: five seats bought after the cutoff, and one of the year 1900 without an end.
ORACLE = held(
    ("A", "SWX_Core", 1.0, date(2022, 6, 30), date(2024, 12, 31)),
    ("A", "SWX_Core", 2.0, date(2023, 6, 30), date(2024, 7, 10)),
    ("A", "PDM", 1.0, None, date(2024, 5, 31)),
    ("B", "SWX_Core", 5.0, date(2024, 8, 1), date(2025, 8, 1)),
    ("B", "SWX_Core", 1.0, date(1900, 1, 1), None),
    ("D", "SWX_Core", 1.0, date(2024, 8, 1), None),
)


@pytest.mark.parametrize(
    "customer, expected",
    [
        # 1 + 2 seats have not ended; 2 of them end on day 10, so within 30, 60 and 90. The oldest is 731 days old; the
        # PDM of unknown date is as old as the median of 731 and 366 days and has ended 30 days ago.
        ("A", {"active_n__life": 3, "ever_n__life": 4, "expired_n__life": 1, "tenure_days__life": 731,
               "expiring_n__next30d": 2, "expiring_n__next60d": 2, "expiring_n__next90d": 2,
               "expiring_share__next30d": 2 / 3, "bad_purchase_share__life": 0.0,
               "days_since_expiration__life": 30, "days_to_expiration__life": 10, "days_covered__life": 184,
               "days_covered_solidworks__life": 184, "days_covered_pdm__life": None,
               "on_assets__life": 2, "off_assets__life": 1, "on_share__life": 2 / 3,
               "active_n_solidworks__life": 3, "active_n_pdm__life": 0, "ever_n_pdm__life": 1,
               "days_since_expiration_pdm__life": 30, "days_since_expiration_solidworks__life": None}),
        # The seats of August do not exist; the one of 1900 is 548 days old, the whole part of the median 548.5.
        ("B", {"active_n__life": 1, "ever_n__life": 1, "expired_n__life": 0, "tenure_days__life": 548,
               "expiring_n__next30d": 0, "expiring_n__next90d": 0, "expiring_share__next30d": 0.0,
               "bad_purchase_share__life": 1.0, "days_since_expiration__life": None,
               "days_to_expiration__life": None, "on_assets__life": 1, "off_assets__life": 0, "on_share__life": 1.0}),
        # Whose only asset is bought after the cutoff holds nothing: known zeros, and no age, end or share.
        ("D", {"active_n__life": 0, "ever_n__life": 0, "expiring_n__next90d": 0, "tenure_days__life": None,
               "bad_purchase_share__life": None, "on_share__life": None, "expiring_share__next90d": None,
               "days_since_expiration__life": None}),
    ],
)  # fmt: skip
def test_the_customers_of_the_oracle(customer, expected):
    got = row(world(ORACLE, guard=0).build(), customer)
    assert {k: got[f"assets__all__{k}"] for k in expected} == {
        k: v if v is None else pytest.approx(v) for k, v in expected.items()
    }
    assert got["src__has_assets"] == (customer != "D")


#: Customer C: nine seats and terms, one bought after the cutoff, one before there were dates.
OF_C = held(
    ("C", "SWX_Core", 2.0, date(2022, 1, 1), None),
    ("C", "Simulation", 1.0, date(2021, 1, 1), date(2024, 6, 30)),
    ("C", "EPDM_CAD_Editor_Seats", 1.0, date(2020, 1, 1), date(2024, 6, 29)),
    ("C", "SWX_Core", 3.0, date(2024, 1, 15), date(2024, 8, 15)),
    ("C", "FDM", 1.0, date(2024, 8, 1), None),
    ("C", "Training", 1.0, date(1990, 1, 1), None),
)


def test_a_customer_with_assets_only():
    """2 + 3 seats, a Simulation that ends on the cutoff and a Training are held; the printer is not bought yet."""
    got = row(world(OF_C).build(), "C")
    assert got["segment"] == "cold"
    expected = {
        "active_n__life": 7, "active_n_solidworks__life": 5, "active_n_simulation__life": 1,
        "active_n_training__life": 1, "active_n_pdm__life": 0, "active_n_hardware__life": 0,
        "ever_n__life": 8, "ever_n_hardware__life": 0, "ever_n_pdm__life": 1, "expired_n__life": 1,
        # 2024-08-15 is 46 days away.
        "expiring_n__next30d": 0, "expiring_n__next60d": 3, "expiring_n__next90d": 3,
        "expiring_share__next30d": 0, "expiring_share__next60d": 3 / 7, "expiring_share__next90d": 3 / 7,
        "on_assets__life": 4, "off_assets__life": 1, "on_share__life": 0.8,
        "tenure_days__life": 1642, "bad_purchase_share__life": 1 / 4,
        "days_since_expiration__life": 1, "days_since_expiration_pdm__life": 1, "days_to_expiration__life": 46,
    }  # fmt: skip
    assert {k: got[f"assets__all__{k}"] for k in expected} == {k: pytest.approx(v) for k, v in expected.items()}
    assert got["src__has_tx"] == 0
    assert got["src__has_assets"] == 1


def test_the_scope_of_the_target_sees_its_assets_only():
    got = row(world(OF_C).build(), "C")
    assert (got["assets__div__ever_n__life"], got["assets__div__expiring_n__next60d"]) == (5, 3)
    assert got["assets__div__days_to_expiration__life"] == 46
    assert got["assets__div__days_since_expiration__life"] is None
    pdm = row(world(OF_C).but(target=TAXONOMY.target("pdm_seats")).build(), "C")
    assert (pdm["assets__div__ever_n__life"], pdm["assets__div__days_since_expiration__life"]) == (1, 1)
    assert pdm["ownership"] == "owner"  # expired yesterday: not yet up for re-inclusion


def test_terms_under_way_are_left_out_up_to_and_with_the_guard():
    ends = [add_days(CUTOFF, d) for d in (0, 14, 15, 30, 31)]
    got = row(world(held(*(("C", "PDM", 1.0, date(2022, 1, 1), day) for day in ends))).build(), "C")
    assert [got[f"assets__all__expiring_n__next{d}d"] for d in HORIZONS] == [2, 3, 3]
    assert got["assets__all__days_to_expiration__life"] == 15
    with pytest.raises(ValidationError, match="less than or equal to 29"):
        FeatureSettings(expiring_guard_days=30)


def test_columns_speak_of_the_future_only_where_they_say_so():
    specs = [s for s in feature_specs(world(ORACLE).features, TAXONOMY.divisions) if s.family == "assets"]
    ahead = {s.name for s in specs if s.known_forward}
    assert ahead == {s.name for s in specs if any(word in s.name for word in ("expiring", "days_to", "covered"))}
    assert not any(s.safe for s in specs if s.name in ahead)
    assert {s.source for s in specs} == {"fact_assets"}


# --- the future

WORLD = random_world(3, customers=40, lines=400)
PEOPLE = [*WORLD.facts["customer_id"].unique().sort().to_list()[:12], "X001", "X002"]
ON = uncapped(use_assets=True, assets_keep_terms=True, use_assets_als=True, use_als_embeddings=True)
DAYS_BEFORE = st.one_of(st.none(), st.just(date(1900, 1, 1)), st.dates(date(2015, 1, 1), CUTOFF))
DAYS_AFTER = st.integers(1, 400).map(lambda d: add_days(CUTOFF, d))
ENDS = st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
SKUS = st.sampled_from(["SWX_Core", "PDM", "FDM", "Success_Plan", "Simulation"])
UNITS = st.sampled_from([0.0, 1.0, 2.5, 40.0])
KNOWN = held(
    *(
        (customer, sku, 1.0 + i % 3, add_days(CUTOFF, -37 * i), add_days(CUTOFF, 365 - 37 * i))
        for i, (customer, sku) in enumerate((c, s) for c in PEOPLE for s in ("SWX_Core", "PDM"))
    )
)


def built(assets: pl.DataFrame, **changes: Any) -> FeatureBuild:
    return WORLD.but(features=ON, assets=assets, **changes).build()


CLEAN = built(KNOWN)
CLEAN_FILES = files(WORLD.but(features=ON, assets=KNOWN))


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    later=st.lists(st.tuples(st.sampled_from([*PEOPLE, "NEW"]), SKUS, UNITS, DAYS_AFTER, ENDS), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_assets_bought_later_change_no_byte(later, seed):
    both = pl.concat([KNOWN, held(*later)]).sample(fraction=1, shuffle=True, seed=seed)
    assert files(WORLD.but(features=ON, assets=both)) == CLEAN_FILES
    # The renewals of what is bought later are of the future too.
    moved = pl.col("expiration_date").dt.offset_by("1y")
    renewed = both.with_columns(
        expiration_date=pl.when(pl.col("purchase_date") > CUTOFF).then(moved).otherwise("expiration_date")
    )
    assert files(WORLD.but(features=ON, assets=renewed)) == CLEAN_FILES


def test_an_asset_of_the_cutoff_day_is_known():
    """The test above can fail: one day earlier, and the same asset changes every family made of assets."""
    today = built(pl.concat([KNOWN, held((PEOPLE[0], "Simulation", 9.0, CUTOFF, add_days(CUTOFF, 60)))]))
    changed = {c.split("__")[0] for c in today.features.columns if not today.features[c].equals(CLEAN.features[c])}
    assert {"assets", "als"} <= changed


def test_where_terms_are_todays_no_feature_of_assets_reads_them():
    off = ON.model_copy(update={"assets_keep_terms": False})
    today = KNOWN.with_columns(pl.col("expiration_date").dt.offset_by("3y"))
    before, after = (WORLD.but(features=off, assets=a).build().features for a in (KNOWN, today))
    mine = [c for c in before.columns if c.startswith("assets__")]
    assert before.select(mine).equals(after.select(mine))
    assert not any("expir" in c or "active" in c or "covered" in c or "__on_" in c for c in mine)
    assert {"assets__all__ever_n__life", "assets__all__tenure_days__life", "assets__div__ever_n__life"} <= set(mine)
    shared = [c for c in WORLD.but(features=off, assets=KNOWN).base().columns if c.startswith("shared__als")]
    bases = [WORLD.but(features=off, assets=a).base().select(shared) for a in (KNOWN, today)]
    assert shared
    assert bases[0].equals(bases[1])


def test_the_newest_days_can_be_hidden():
    eve = held((PEOPLE[0], "Simulation", 9.0, add_days(CUTOFF, -3), None))
    hidden = built(pl.concat([KNOWN, eve]), options={"mask_tail_days": 7}).features
    without = built(KNOWN, options={"mask_tail_days": 7}).features
    mine = [c for c in hidden.columns if c.startswith(("assets__", "als__"))]
    shown = built(pl.concat([KNOWN, eve])).features
    # The owner of the target is not Simulation's, so ownership is the same and only what is hidden could differ.
    assert hidden.select(mine).equals(without.select(mine))
    assert not shown.select(mine).equals(CLEAN.features.select(mine))


def test_features_of_assets_without_assets_are_refused():
    for chosen in ({"use_assets": True}, {"use_assets_als": True}):
        with pytest.raises(ValueError, match="no assets were given"):
            fixture(**chosen).base()


# --- the audit


def audit(world: World, stored: World) -> pl.DataFrame:
    return feature_date_audit(
        stored.build().features,
        stored.base(),
        world.facts.lazy(),
        world.target,
        world.cutoff,
        dim=world.dim,
        settings=world.features,
        ownership=world.ownership,
        population=world.population,
        divisions=world.divisions,
        assets=world.assets,
    )


def test_the_audit_passes_assets_known_at_the_cutoff():
    later = held((PEOPLE[0], "SWX_Core", 5.0, add_days(CUTOFF, 20), None))
    honest = WORLD.but(features=ON, assets=pl.concat([KNOWN, later]))
    table = audit(honest, honest)
    assert set(table["status"]) == {"OK"}
    told = table.filter(pl.col("source_table") == "fact_assets")
    assert told["latest_event_date"].unique().to_list() == [CUTOFF]


def test_the_audit_finds_an_asset_that_was_read_before_it_was_bought():
    later = held((PEOPLE[0], "SWX_Core", 5.0, add_days(CUTOFF, 20), None))
    true = WORLD.but(features=ON, assets=pl.concat([KNOWN, later]))
    early = true.but(assets=pl.concat([KNOWN, later.with_columns(purchase_date=pl.lit(CUTOFF))]))
    table = audit(true, early).filter(pl.col("feature") == "assets__all__ever_n__life")
    assert table.select("status", "latest_event_date").rows() == [("LEAK", add_days(CUTOFF, 20))]
