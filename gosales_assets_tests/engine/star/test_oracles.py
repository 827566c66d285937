"""Where each hand-computed oracle of the star (P1 to P20) is asserted, by test id: ``pytest -k P7``.

Belongs here: the map, and the proof that it names tests that exist. Does not belong here: the oracles themselves; they
stand with their computation beside the code they judge.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

#: Oracle -> (file, test) that holds it.
ORACLES: dict[str, tuple[tuple[str, str], ...]] = {
    # identifiers
    "P1": (
        ("engine/star/test_parsing.py", "test_identifiers"),
        ("engine/star/test_parsing.py", "test_identifiers_are_idempotent"),
    ),
    # amounts; what is none is unknown and a violation, blanks are zero without one
    "P2": (
        ("engine/star/test_parsing.py", "test_amounts"),
        ("engine/star/test_parsing.py", "test_what_is_no_amount_is_unknown_and_reported"),
        ("engine/star/test_build.py", "test_an_unreadable_cell_is_unknown_and_its_record_kept_while_it_says_something"),
        ("engine/star/test_corruption.py", "test_one_kind_of_dirt"),
    ),
    # dates of mixed formats
    "P3": (
        ("engine/star/test_parsing.py", "test_mixed_formats_of_one_column_all_parse"),
        ("engine/star/test_parsing.py", "test_dates"),
    ),
    # a log of two records
    "P4": (("engine/star/test_build.py", "test_two_records_become_two_lines_and_two_customers"),),
    # orders of one day
    "P5": (("engine/star/test_build.py", "test_orders_of_one_day_are_kept_and_only_equal_records_are_duplicates"),),
    # two headers of one product
    "P6": (
        ("engine/star/test_build.py", "test_two_headers_of_one_product_give_one_line"),
        ("engine/star/test_build.py", "test_headers_that_contradict_each_other_quarantine_the_record"),
    ),
    # routing by selling division
    "P7": (("engine/star/test_build.py", "test_routing_by_selling_division"),),
    # surrogate invoices
    "P8": (("engine/star/test_build.py", "test_surrogate_invoices_are_per_record_and_do_not_depend_on_order"),),
    # rounding before the zero filter
    "P9": (("engine/star/test_build.py", "test_lines_are_rounded_before_zeros_are_left_out"),),
    # contracts on the raw log, by record
    "P10": (
        ("engine/star/test_build.py", "test_records_are_judged_raw_with_key_and_observed_value"),
        ("engine/star/test_build.py", "test_a_missing_product_column_is_named_and_stops_the_build"),
        ("engine/star/test_corruption.py", "test_one_kind_of_dirt"),
    ),
    # a failed build leaves what was published
    "P11": (("e2e/test_bad_input.py", "test_a_log_that_cannot_be_used_is_refused_and_nothing_published_changes"),),
    # enrichment: one row per customer, exact, then by number
    "P12": (
        ("engine/star/test_customers.py", "test_industry_by_name_or_number"),
        ("engine/star/test_customers.py", "test_the_most_complete_row_of_a_name_wins_and_the_conflict_is_reported"),
        ("engine/star/test_customers.py", "test_assets_join_the_roster"),
    ),
    # similar names
    "P13": (
        ("engine/star/test_names.py", "test_the_likeness_of_the_oracle"),
        ("engine/star/test_customers.py", "test_industry_by_a_similar_name"),
        ("engine/star/test_customers.py", "test_when_similar_names_are_looked_for"),
    ),
    # assets as of a cutoff
    "P15": (
        ("engine/test_assets.py", "test_the_assets_of_the_oracle"),
        ("engine/test_assets.py", "test_an_unknown_purchase_date_is_the_median_of_the_roll_up_then_of_all"),
    ),
    # documents rolled up to targets
    "P14": (("engine/star/test_events.py", "test_events_net_and_label"),),
    # the product map and its overrides
    "P16": (
        ("test_taxonomy.py", "test_the_reference_map"),
        ("test_taxonomy.py", "test_an_override_keeps_what_it_does_not_name"),
    ),
    # names of targets
    "P17": (
        ("test_taxonomy.py", "test_slugs"),
        ("test_taxonomy.py", "test_a_target_is_found_in_any_spelling"),
        ("test_taxonomy.py", "test_an_unknown_target_is_an_error_that_suggests_one"),
    ),
    # determinism and conservation
    "P18": (
        ("engine/star/test_build.py", "test_every_record_and_every_cent_is_somewhere_in_any_order"),
        ("engine/star/test_corruption.py", "test_all_kinds_at_once"),
        ("e2e/test_bad_input.py", "test_a_second_build_of_the_same_input_changes_no_byte"),
    ),
    # unknown settings
    "P19": (("test_settings.py", "test_an_unknown_key_at_any_depth_names_the_nearest"),),
    # identity of records: keys hashed from order and line number are not kept, the content of a record is its key
    "P20": (
        ("engine/star/test_build.py", "test_the_file_of_a_record_is_no_content"),
        ("engine/star/test_build.py", "test_records_that_share_a_hash_are_told_apart_by_what_is_read"),
    ),
}


@pytest.mark.parametrize("oracle", [f"P{n}" for n in range(1, 21)])
def test_every_oracle_is_held_by_tests_that_exist(oracle: str) -> None:
    for file, test in ORACLES[oracle]:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in functions, f"{file} has no {test}"
