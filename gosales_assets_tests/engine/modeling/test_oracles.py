"""Which test holds which oracle of the specification of training: the map, and that every test it names exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

MODELING = "engine/modeling"
ORACLES: dict[str, list[str]] = {
    "core metrics of ten rows": [
        "engine/test_metrics.py::test_core_values_of_ten_rows",
        "engine/test_metrics.py::test_top_share_values_of_ten_rows",
        "engine/test_metrics.py::test_precision_recall_areas_differ_by_definition",
        "engine/test_metrics.py::test_gains_of_ten_rows",
    ],
    "calibration bins": [
        "engine/test_metrics.py::test_calibration_in_ten_bins",
        "engine/test_metrics.py::test_calibration_bins",
        "engine/test_metrics.py::test_honest_probabilities_are_calibrated",
    ],
    "decile assignment": ["engine/test_metrics.py::test_decile_counts"],
    "ties, missing scores, edges": [
        "engine/test_metrics.py::test_ties_go_to_margin_then_customer",
        "engine/test_metrics.py::test_missing_score_ranks_last",
        "engine/test_metrics.py::test_lift_of_a_perfect_ranking_is_one_over_base",
        "engine/test_metrics.py::test_threshold_is_the_mth_largest",
        "engine/test_metrics.py::test_top_size_in_integers",
        "engine/test_metrics.py::test_share_outside_percent_is_named",
        "engine/test_metrics.py::test_unknown_is_none",
    ],
    "negative weights": ["engine/test_metrics.py::test_negative_and_missing_weights_count_as_nothing"],
    "purge by calendar": [
        f"{MODELING}/test_folds.py::test_training_cutoffs_close_with_their_embargo_by_the_one_validated",
        f"{MODELING}/test_folds.py::test_time_folds_leave_out_windows_that_a_longer_target_keeps_open",
        f"{MODELING}/test_folds.py::test_a_calendar_that_lets_labels_overlap_fails_the_audit",
    ],
    "overfit guard": [
        f"{MODELING}/test_candidates.py::test_softening",
        f"{MODELING}/test_candidates.py::test_positive_weight",
        f"{MODELING}/test_selection.py::test_the_softer_model_may_cost_two_thousandths",
        f"{MODELING}/test_train.py::test_the_overfit_guard_softens_what_remembers",
        f"{MODELING}/test_train.py::test_a_gap_at_the_limit_is_not_softened",
    ],
    "choice of calibration": [
        f"{MODELING}/test_calibration.py::test_eligibility",
        f"{MODELING}/test_calibration.py::test_usable_folds",
        f"{MODELING}/test_calibration.py::test_a_sigmoid_world_chooses_platt_although_isotonic_fits_better_in_sample",
        f"{MODELING}/test_calibration.py::test_no_calibration_reads_the_margin",
        f"{MODELING}/test_train.py::test_too_little_data_gives_the_prevalence_and_says_so",
    ],
    "champion": [
        f"{MODELING}/test_selection.py::test_objective_and_variation_of_two_candidates",
        f"{MODELING}/test_selection.py::test_champion",
        f"{MODELING}/test_selection.py::test_ties_go_to_brier_then_leaves_then_name",
    ],
    "population": ["engine/test_population.py::test_segments"],
    "SAFE features": [
        f"{MODELING}/test_oracles.py::test_safe_features",
        f"{MODELING}/test_columns.py::test_safe_mode_reads_what_is_declared_safe",
        f"{MODELING}/test_train.py::test_a_safe_division_reads_safe_features_only",
    ],
    "sparse families and coverage": [
        f"{MODELING}/test_columns.py::test_sparse_families_and_thin_coverage_are_dropped_unless_backbone"
    ],
    "leak guard": [
        f"{MODELING}/test_columns.py::test_leaks_are_dropped_by_name_and_by_value",
        f"{MODELING}/test_guardrails.py::test_a_feature_that_knows_the_answer_is_left_out_and_holds_the_model",
        f"{MODELING}/test_guardrails.py::test_a_feature_named_like_an_outcome_is_left_out_and_holds_the_model",
    ],
    "honesty": [
        f"{MODELING}/test_train.py::test_noise_is_reported_as_noise",
        f"{MODELING}/test_train.py::test_a_flat_model_is_called_degenerate",
        f"{MODELING}/test_honesty.py::test_coins_are_called_coins",
        f"{MODELING}/test_honesty.py::test_coins_are_called_coins_in_twenty_worlds",
    ],
    "gains of tied and constant scores": [
        "engine/test_metrics.py::test_gains_of_a_constant_model_claim_no_lift",
        "engine/test_metrics.py::test_constant_model_is_degenerate",
    ],
    "contributions": [
        f"{MODELING}/test_train.py::test_shap_adds_up_and_is_what_the_shap_package_says",
        f"{MODELING}/test_train.py::test_shap_samples_instead_of_skipping",
        f"{MODELING}/test_linear.py::test_contributions_add_up_and_are_what_the_shap_package_says",
        "engine/scoring/test_score.py::test_reasons_name_the_only_feature_that_matters",
    ],
    "determinism": [
        f"{MODELING}/test_train.py::test_shuffled_input_gives_the_same_bytes",
        f"{MODELING}/test_train.py::test_another_process_hash_seed_and_number_of_threads_give_the_same_bytes",
        f"{MODELING}/test_train.py::test_workers_change_nothing",
    ],
    "consistency": [
        f"{MODELING}/test_train.py::test_the_stored_model_reproduces_train_scores",
        f"{MODELING}/test_train.py::test_out_of_fold_scores_follow_from_what_is_recorded",
        f"{MODELING}/test_train.py::test_model_card_tables_and_model_tell_one_story",
    ],
    "gates fail on nothing, on what is broken, and at their limit": [
        "defs/test_guard.py::",
        f"{MODELING}/test_guardrails.py::test_limits_are_settings",
        f"{MODELING}/test_ablation.py::test_a_feature_that_works_in_the_past_only_is_found",
    ],
}


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_oracle_is_held_by_tests_that_exist(oracle: str) -> None:
    for named in ORACLES[oracle]:
        file, _, name = named.partition("::")
        source = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        functions = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
        assert (name in functions) if name else functions, named


@pytest.mark.parametrize(
    ("feature", "safe"),
    [
        ("rfm__all__recency_days__life", False),
        ("rfm__all__log_recency__life", False),
        ("rfm__all__recency_decay__hl30", False),
        ("rfm__all__gp_sum__12m_off60d", False),
        ("rfm__all__tx_n__3m", False),
        ("xdiv__div__gp_share__12m", False),
        ("dynamics__all__gp_slope__12m", False),
        ("rfm__all__gp_sum__24m", True),
        ("lifecycle__all__tenure_days__life", True),
    ],
)
def test_safe_features(feature: str, safe: bool) -> None:
    """Declarations decide, not names: windows of a year and less, whatever their lag, and recencies are not safe."""
    from gosales_assets.engine.features import feature_list, feature_specs
    from gosales_assets.engine.modeling.rows import safe_features
    from gosales_assets.settings import Settings

    settings = Settings.load(environ={"GOSALES_CONFIG": ""})
    products = settings.products
    listed = feature_list(feature_specs(settings.features, products.divisions, products.skus))
    assert feature in {f["name"] for f in listed["features"]}
    assert (feature in safe_features(listed)) is safe
