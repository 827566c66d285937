"""Where each hand-worked case of the specification of features is held: case -> test.

Belongs here: the map, and that what it names exists. Does not belong here: any case. Cases of assets and of embeddings
stand with those families.
"""

from __future__ import annotations

import importlib

import pytest

_HERE = "engine.features"
FIXTURE, FORMULAS = f"{_HERE}.test_fixture", f"{_HERE}.test_formulas"
FAMILIES, FUTURE = f"{_HERE}.test_families", f"{_HERE}.test_future"
LABELS = "engine.labels.test_build"

ORACLES: dict[str, tuple[str, str]] = {
    # The shared fixture: four customers at 2024-06-30, and every edge of a window.
    "label window, buffer on both ends": (LABELS, "test_a_buffer_moves_both_ends"),
    "label window ends at the month end": (LABELS, "test_window_ends"),
    "windows of A, B, D, all and target": (FIXTURE, "test_windows"),
    "windows moved by 60 days": (FIXTURE, "test_windows"),
    "target in any spelling": (FIXTURE, "test_target_is_matched_in_any_spelling"),
    "tail mask of 60 days": (FIXTURE, "test_masked_tail_hides_the_newest_days_from_every_family"),
    "deltas and ratios": (FIXTURE, "test_deltas"),
    "recency with floor": (FIXTURE, "test_recency"),
    "transforms of 30 days": (FIXTURE, "test_recency_transforms_of_thirty_days"),
    "tenure and its edges": (FIXTURE, "test_edges_of_tenure"),
    "gaps between order dates": (FIXTURE, "test_cadence_counts_order_dates_not_lines"),
    "active months, quarters": (FIXTURE, "test_activity_and_season"),
    "monthly slope and deviation": (FIXTURE, "test_monthly_dynamics"),
    "shares by division": (FIXTURE, "test_mix"),
    "smoothed share, weight in lines": (FIXTURE, "test_smoothed_share_of_the_target"),
    "products: profit, units, per unit": (FAMILIES, "test_products"),
    "distinct products in four windows": (FIXTURE, "test_diversity"),
    "returns": (FIXTURE, "test_returns"),
    "lifetime": (FIXTURE, "test_lifetime"),
    "flags of the sources": (FIXTURE, "test_source_flags"),
    "dates with a time of day": ("engine.star.test_parsing", "test_typed_dates_pass_and_lose_the_time_of_day"),
    "segments, 18 months": (FIXTURE, "test_segments_and_ownership"),
    "nothing is unknown as 0": (FIXTURE, "test_nothing_is_known_of_the_life_of_a_customer_without_lines"),
    # Small formulas.
    "caps: [1000, 0], [0, 0, 0, 10, 1000], [100, 50]": (FORMULAS, "test_winsor"),
    "caps as applied, from the settings given": (FORMULAS, "test_caps_are_recorded_as_applied"),
    "the cutoff day counts": (FORMULAS, "test_the_cutoff_day_is_included"),
    "asked for as sOlIdWoRkS": (FORMULAS, "test_division_and_target_in_any_case"),
    "same inputs, same bytes, any order": (FUTURE, "test_order_of_the_input_changes_nothing"),
    "basket: lifts 1.6 and .5, top-k, 59 and 60 days": (FAMILIES, "test_basket"),
    "encoder: .311111, .380952, .437229, unseen, unknown": (FAMILIES, "test_purchase_rates_of_industries"),
    "a smoothed share of profit lies between share and prior": (FAMILIES, "test_share_of_gross_profit_is_a_share"),
    "branches: .6 and .2, the line without one counts": (FAMILIES, "test_branches_and_representatives"),
    "slugs": ("test_taxonomy", "test_slugs"),
    "two names of one slug are one": (FAMILIES, "test_industries_named_by_the_settings"),
    "list against matrix: lacking, text, extra": (
        "engine.scoring.test_score",
        "test_missing_features_are_named_and_extra_ones_ignored",
    ),
    "list against matrix: another type": ("engine.scoring.test_score", "test_a_feature_of_another_type_is_named"),
    "ids 00123 and a1b2-guid": (f"{_HERE}.test_ids", "test_ids_come_out_as_they_went_in"),
    "rows after the cutoff": (FUTURE, "test_what_happens_later_changes_no_byte"),
    "customers without lines change no cap, prior, rule or rate": (
        FAMILIES,
        "test_customers_without_lines_change_nothing_of_the_others",
    ),
    "SAFE: what is left out": (FAMILIES, "test_safe_features_do_not_lean_on_the_eve_of_the_cutoff"),
}


@pytest.mark.parametrize("case", ORACLES)
def test_every_case_has_its_test(case: str) -> None:
    module, name = ORACLES[case]
    assert callable(getattr(importlib.import_module(f"gosales_assets_tests.{module}"), name))
