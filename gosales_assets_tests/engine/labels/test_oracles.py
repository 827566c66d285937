"""Where each hand-worked case of the specification of labels is held: case -> tests; and those that span modules.

Belongs here: the map, that what it names exists, and cases of no single module: the target a model learns (L12), the
cutoffs it is asked at (L13), what judges it (L14). Does not belong here: the other cases.
"""

from __future__ import annotations

import importlib
from datetime import date
from typing import Any

import pytest

from gosales_assets.settings import Settings
from gosales_assets.timeline import Calendar
from gosales_assets_tests.engine.labels.test_build import Line, by_customer, dim, label

BUILD, MANIFEST, AUDIT, HERE = (f"engine.labels.test_{name}" for name in ("build", "manifest", "audit", "oracles"))
ROWS, SETTINGS, TAXONOMY = "engine.modeling.test_rows", "test_settings", "test_taxonomy"

ORACLES: dict[str, tuple[tuple[str, str], ...]] = {
    "L1 seed, modes, thresholds, roster": (
        (BUILD, "test_seed_in_mode_all"),
        (BUILD, "test_prevalence_of_the_seed"),
        (BUILD, "test_the_threshold_is_strict"),
        (BUILD, "test_the_roster_is_as_of_the_cutoff"),
    ),
    "L2 targets by SKU": ((BUILD, "test_targets_by_sku_do_not_follow_the_division_text"),),
    "L3 boundaries": (
        (BUILD, "test_window_boundaries"),
        (BUILD, "test_window_ends"),
        ("engine.star.test_parsing", "test_typed_dates_pass_and_lose_the_time_of_day"),
    ),
    "L4 netting in cents": ((BUILD, "test_netting_in_cents"),),
    "L5 censoring, declared and inferred end": (
        (BUILD, "test_censoring"),
        (MANIFEST, "test_the_end_of_the_data"),
        (ROWS, "test_pool_names_what_it_leaves_out"),
        (AUDIT, "test_cutoffs_are_told_apart_by_what_ails_them"),
    ),
    "L6 denylist": (
        (BUILD, "test_the_denylist_holds_in_every_window"),
        (MANIFEST, "test_denied_skus_are_listed_and_hashed"),
        (SETTINGS, "test_a_denylist_that_cannot_hold_is_an_error_that_names_it"),
        (SETTINGS, "test_editing_the_denylist_makes_what_reads_targets_stale"),
        (TAXONOMY, "test_no_target_counts_what_is_denied"),
    ),
    "L7 widening": (
        (BUILD, "test_widening"),
        (MANIFEST, "test_manifest_tells_what_was_used_from_what_was_asked"),
        (ROWS, "test_windows_of_another_length_are_not_mixed_in"),
    ),
    "L8 divisions in any case": ((BUILD, "test_divisions_match_in_any_case"),),
    "L9 ids": ((BUILD, "test_customer_ids_stay_text"),),
    "L10 quantity only": (
        (BUILD, "test_quantity_only_skus_count_under_their_basis"),
        (BUILD, "test_the_quantity_of_other_skus_does_not_count"),
    ),
    "L11 audit": (
        (AUDIT, "test_the_audit_has_the_denominator_of_the_labels"),
        (AUDIT, "test_a_return_is_no_positive_of_the_audit"),
    ),
    "L12 training target": ((HERE, "test_the_target_a_model_learns_is_the_label"),),
    "L13 cutoffs": (
        (HERE, "test_cutoffs_go_back_from_month_end_to_month_end"),
        (HERE, "test_a_calendar_is_never_guessed"),
    ),
    "L14 holdout": (
        (HERE, "test_the_window_after_the_cutoff_judges"),
        (HERE, "test_a_window_the_data_does_not_cover_judges_nothing"),
    ),
    "L15 properties": ((BUILD, "test_label_properties"),),
    "L16 manifest": ((MANIFEST, "test_the_window_of_a_division_is_in_labels_and_manifest_alike"),),
    "buffer moves both ends": ((BUILD, "test_a_buffer_moves_both_ends"),),
}


@pytest.mark.parametrize("case", ORACLES)
def test_every_case_has_its_tests(case: str) -> None:
    for module, name in ORACLES[case]:
        assert callable(getattr(importlib.import_module(f"gosales_assets_tests.{module}"), name))


def test_all_sixteen_are_there() -> None:
    assert {case.split()[0] for case in ORACLES} >= {f"L{i}" for i in range(1, 17)}


JANUARY: list[Line] = [
    ("1", date(2024, 1, 1), "Solidworks", "SWX_Core", 10.0, 1.0),
    ("1", date(2024, 2, 1), "Services", "Training", 10.0, 1.0),
    ("2", date(2023, 12, 15), "Simulation", "Simulation", 10.0, 1.0),
]
LATER: Line = ("1", date(2024, 2, 5), "solidworks", "SWX_Core", 10.0, 1.0)


@pytest.mark.parametrize(
    ("lines", "target", "expected"),
    [
        (JANUARY, "solidworks", {"1": 0, "2": 0}),  # owning it before, and buying Training after, is no purchase of it
        ([*JANUARY, LATER], "sOlIdWoRkS", {"1": 1, "2": 0}),
    ],
)
def test_the_target_a_model_learns_is_the_label(lines: list[Line], target: str, expected: dict[str, int]) -> None:
    # (2024-01-31, 2024-02-29]. A training reads this frame and nothing else: `rows.pool` joins its column `label`.
    got = label(lines, target, people=dim("1", "2"), cutoff=date(2024, 1, 31), months=1)
    assert got["window_end"][0] == date(2024, 2, 29)
    assert by_customer(got) == expected


@pytest.mark.parametrize(
    ("first", "last", "cadence", "cutoffs"),
    [
        # Three steps of six months that end on 2024-12-31.
        ("2023-12-31", "2024-12-31", 6, ["2023-12-31", "2024-06-30", "2024-12-31"]),
        ("2023-12-31", "2024-06-30", 6, ["2023-12-31", "2024-06-30"]),  # 06-30 less six months is 12-31, not 12-30
        ("2024-12-31", "2024-12-31", 6, ["2024-12-31"]),  # a single one
    ],
)
def test_cutoffs_go_back_from_month_end_to_month_end(first: str, last: str, cadence: int, cutoffs: list[str]) -> None:
    calendar = Calendar(
        date.fromisoformat(first), date.fromisoformat(last), cadence_months=cadence, label_window_months=6
    )
    assert [c.isoformat() for c in calendar.cutoffs()] == cutoffs
    assert [calendar.step(calendar.cutoffs()[-1], -n) for n in range(len(cutoffs))] == calendar.cutoffs()[::-1]


@pytest.mark.parametrize(
    ("timeline", "message"),
    [
        # There is no list of cutoffs to be filled from a default when an entry is wrong, and no legacy list.
        ({"first_cutoff": "invalid-date"}, "first_cutoff"),
        ({"first_cutoff": "2024-06-30", "last_cutoff": "2024-12-31", "cadence_months": 0}, "cadence_months"),
        ({"first_cutoff": "2024-06-30", "last_cutoff": "2024-08-31", "cadence_months": 6}, "2024-08-31"),
    ],
)
def test_a_calendar_is_never_guessed(timeline: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.load(environ={"GOSALES_CONFIG": ""}, overrides={"timeline": timeline})


HELD_OUT: list[Line] = [
    ("1", date(2025, 2, 1), "Solidworks", "SWX_Core", 100.0, 1.0),
    ("2", date(2025, 2, 1), "Solidworks", "Training", 1000.0, 1.0),  # sold by SOLIDWORKS; it is Training all the same
    ("3", date(2025, 8, 1), "Solidworks", "SWX_Core", 50.0, 1.0),  # after the window
]


@pytest.mark.parametrize(
    ("target", "buyers"),
    [("swx_seats", {"1": 100.0}), ("training", {"2": 1000.0}), ("printers", {})],
)
def test_the_window_after_the_cutoff_judges(target: str, buyers: dict[str, float]) -> None:
    # (2024-12-31, 2025-06-30]. There is no second file of held-out sales: the labels of a later extract judge.
    got = label(HELD_OUT, target, cutoff=date(2024, 12, 31), as_of=date(2025, 8, 31))
    assert got["censored_flag"].unique().to_list() == [0]  # closed, so it judges; without buyers too
    bought = got.filter(label=1)
    assert dict(zip(bought["customer_id"], bought["net_gp_window"], strict=True)) == buyers


def test_a_window_the_data_does_not_cover_judges_nothing() -> None:
    """Oracle L14, no files: unavailable is censored, and never a score against what was known before."""
    got = label(HELD_OUT[:2], "swx_seats", cutoff=date(2024, 12, 31), as_of=date(2024, 12, 31))
    assert got["censored_flag"].unique().to_list() == [1]
