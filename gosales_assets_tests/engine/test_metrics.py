import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gosales_assets.engine import metrics as m
from gosales_assets.engine.tables import Calibration, Gains, PopulationMetrics, Thresholds

P = [0.90, 0.80, 0.70, 0.60, 0.55, 0.40, 0.30, 0.20, 0.15, 0.05]
Y = [1, 1, 0, 1, 0, 0, 1, 0, 0, 0]
W = [100, 300, 200, 50, 50, 100, 150, 25, 25, 0]


def rows(y, p, margin=None, ids=None, **more) -> pl.DataFrame:
    ids = [f"{i:03d}" for i in range(len(y))] if ids is None else ids
    return pl.DataFrame({"customer_id": ids, "label": y, "p": p, "margin": margin or p, **more}).with_columns(
        pl.col("label").cast(pl.Int8), pl.col("p", "margin").cast(pl.Float64)
    )


def order(p, margin=None) -> np.ndarray:
    return m.model_order(p, margin or p, [f"{i:03d}" for i in range(len(p))])


# ---------------------------------------------------------------------------------------------------------- values


def test_core_values_of_ten_rows():
    # Positives rank 1, 2, 4, 7: they beat 6 + 6 + 5 + 3 = 20 of 4 * 6 = 24 negatives.
    assert m.auc(Y, P) == pytest.approx(20 / 24)
    # Precision at the four hits: 1, 1, 3/4, 4/7.
    assert m.average_precision(Y, P) == pytest.approx((1 + 1 + 3 / 4 + 4 / 7) / 4)
    assert m.average_precision(Y, P) == pytest.approx(0.830357, abs=1e-6)
    # Recall steps of 1/4 end at precisions 1, 1, 3/4, 4/7 and start at 1, 1, 2/3, 1/2.
    assert m.pr_auc(Y, P) == pytest.approx((1 + 1 + (2 / 3 + 3 / 4) / 2 + (1 / 2 + 4 / 7) / 2) / 4)
    assert m.pr_auc(Y, P) == pytest.approx(0.811012, abs=1e-6)
    assert m.brier(Y, P) == pytest.approx(0.17175)


@pytest.mark.parametrize(
    "k, size, threshold, lift, rev_lift, capture",
    [
        # Base rate .4; weights sum to 1000, of which positives 100 + 300 + 50 + 150 = 600.
        (5, 1, 0.90, 2.5, 1.666667, 0.25),
        (10, 1, 0.90, 2.5, 1.666667, 0.25),
        (20, 2, 0.80, 2.5, 1.666667, 0.50),
        (30, 3, 0.70, 1.666667, 1.111111, 0.50),  # 400 / 600 over 600 / 1000
        (50, 5, 0.55, 1.5, 1.071429, 0.75),  # 450 / 700 over 600 / 1000
    ],
)
def test_top_share_values_of_ten_rows(k, size, threshold, lift, rev_lift, capture):
    assert m.top_m(10, k) == size
    assert m.threshold(P, k) == threshold
    assert m.lift_at_k(Y, order(P), k) == pytest.approx(lift, abs=1e-6)
    assert m.rev_lift_at_k(Y, W, order(P), k) == pytest.approx(rev_lift, abs=1e-6)
    assert m.capture_at_k(Y, order(P), k) == capture


def test_precision_recall_areas_differ_by_definition():
    # Thresholds .9, .8, .7, .1: precision 1, 1/2, 2/3, 1/2; recall 1/2, 1/2, 1, 1.
    y, p = [1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]
    assert m.auc(y, p) == 0.75
    assert m.pr_auc(y, p) == pytest.approx(0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2)  # .791667
    assert m.average_precision(y, p) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)  # .833333


def test_areas_agree_with_scikit_learn():
    from sklearn import metrics as sk

    rng = np.random.default_rng(3)
    p = rng.integers(0, 30, 400) / 30  # many ties
    y = (rng.random(400) < p * 0.4).astype(int)
    precision, recall, _ = sk.precision_recall_curve(y, p)
    assert m.auc(y, p) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert m.average_precision(y, p) == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)
    assert m.pr_auc(y, p) == pytest.approx(sk.auc(recall, precision), abs=1e-12)
    assert m.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)


def test_ties_go_to_margin_then_customer():
    # Five rows tie at p = .5; the top half of six takes three of the first four: 1, 0, 1 by customer.
    assert m.lift_at_k([1, 0, 1, 0, 1, 0], order([0.5, 0.5, 0.5, 0.5, 0.2, 0.1]), 50) == pytest.approx(4 / 3)
    # The margin decides before the customer does.
    assert m.model_order([0.5] * 3, [0.1, 0.3, 0.2], ["a", "b", "c"]).tolist() == [1, 2, 0]
    # Customers compare as text: "10" < "9"; and bytes of UTF-8: "Z" < "a" < "é".
    assert m.model_order([0.5] * 2, [0.0] * 2, ["9", "10"]).tolist() == [1, 0]
    assert m.model_order([0.5] * 3, [0.0] * 3, ["é", "a", "Z"]).tolist() == [2, 1, 0]
    assert m.model_order([0.5] * 2, [0.0, -0.0], ["b", "a"]).tolist() == [1, 0]


def test_missing_score_ranks_last():
    # Scores .1, 0, .2, .3: the top half is rows 3 and 2, labels 1 and 0, as in the base.
    assert m.lift_at_k([0, 1, 0, 1], order([0.1, math.nan, 0.2, 0.3]), 50) == 1.0
    assert m.lift_at_k([0, 1, 0, 1], m.model_order(pl.Series([0.1, None, 0.2, 0.3]), [0.0] * 4, "abcd"), 50) == 1.0


def test_negative_and_missing_weights_count_as_nothing():
    y, ranked = [1, 0, 1, 0], order([0.9, 0.8, 0.7, 0.6])
    assert m.rev_lift_at_k(y, [-100, 150, 50, 100], ranked, 50) == 0.0  # (0 / 150) / (50 / 300)
    assert m.rev_lift_at_k(y, [math.nan, 50, 50, 0], ranked, 50) == 0.0
    assert m.rev_lift_at_k([0] * 4, [1, math.nan, 1, 1], ranked, 50) is None
    assert m.rev_lift_at_k(y, [0, 0, 5, 5], ranked, 50) is None  # no weight in the top


def test_lift_of_a_perfect_ranking_is_one_over_base():
    y = [0] * 90 + [1] * 10
    assert m.lift_at_k(y, order([i / 100 for i in range(100)]), 10) == 10.0


def test_threshold_is_the_mth_largest():
    p = np.random.default_rng(0).random(100_000)
    assert m.threshold(p, 10) == np.sort(p)[::-1][9_999]


@pytest.mark.parametrize("n, k, size", [(100, 29, 29), (100, 57, 57), (300, 41, 123), (3, 10, 1), (10, 0, 1)])
def test_top_size_in_integers(n, k, size):
    assert m.top_m(n, k) == size


@pytest.mark.parametrize("k", [-1, 101, 120])
def test_share_outside_percent_is_named(k):
    with pytest.raises(ValueError, match=str(k)):
        m.top_m(10, k)


@given(n=st.integers(1, 10**6), k=st.integers(0, 100))
def test_top_size_is_exact(n, k):
    size = m.top_m(n, k)
    assert 1 <= size <= n
    assert size == 1 or (100 * size <= n * k < 100 * (size + 1))


def test_unknown_is_none():
    assert m.auc([1, 1], [0.1, 0.2]) is None
    assert m.average_precision([0, 0], [0.1, 0.2]) is None
    assert m.pr_auc([0, 0], [0.1, 0.2]) is None
    assert m.lift_at_k([0, 0], order([0.1, 0.2]), 50) is None
    assert m.capture_at_k([0, 0], order([0.1, 0.2]), 50) is None
    assert m.brier([], []) is None
    assert m.threshold([], 10) is None
    assert set(m.expected_to_observed([], []).values()) == {None}


# ---------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    "n, counts",
    [
        (10, [1] * 10),
        (11, [2] + [1] * 9),
        (20, [2] * 10),
        (25, [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]),
        (101, [11] + [10] * 9),
    ],
)
def test_decile_counts(n, counts):
    table = m.gains_table(rows([1] + [0] * (n - 1), [i / n for i in range(n)]))
    assert table["decile"].to_list() == list(range(1, 11))
    assert table["n"].to_list() == counts


def test_fewer_rows_than_deciles():
    assert m.gains_table(rows([1, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5]))["decile"].to_list() == [1, 3, 5, 7, 9]


def test_gains_of_ten_rows():
    table = m.gains_table(rows(Y, P))
    assert table["fraction_positives"].to_list() == Y
    assert table["mean_predicted"].to_list() == P
    assert table["cum_capture"].to_list() == [0.25, 0.5, 0.5, 0.75, 0.75, 0.75, 1, 1, 1, 1]
    assert table["lift"].to_list() == [2.5, 2.5, 0, 2.5, 0, 0, 2.5, 0, 0, 0]
    assert table["n_distinct_scores"].to_list() == [10] * 10
    Gains.validate(m.stack({"all": table, "whitespace": table}))


def test_gains_of_a_constant_model_claim_no_lift():
    table = m.gains_table(rows([1, 0] * 10, [0.3] * 20))
    assert table["n_distinct_scores"].to_list() == [1] * 10
    assert table["lift"].null_count() == 10
    assert m.gains_table(rows([0] * 20, [i / 20 for i in range(20)]))["cum_capture"].null_count() == 10


def test_calibration_in_ten_bins():
    # p = .025, .075, …; two per bin.
    p = [(i - 0.5) / 20 for i in range(1, 21)]
    y = [0] * 8 + [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1]
    frame = rows(y, p)
    table = m.calibration_table(frame)
    assert table["count"].to_list() == [2] * 10
    assert table["mean_predicted"].to_list() == pytest.approx([0.05 + 0.1 * i for i in range(10)])
    assert table["fraction_positives"].to_list() == [0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1]
    # |gaps|: .05 .15 .25 .35 .05 .05 .15 .25 .15 .05 -> 1.5 / 10
    assert m.calibration_error(table) == pytest.approx(0.15)
    assert m.brier(y, p) == pytest.approx(0.133125)
    assert m.auc(y, p) == pytest.approx(0.916667, abs=1e-6)
    Calibration.validate(m.stack({"all": table}))


@pytest.mark.parametrize(
    "y, p, bins, error",
    [
        ([0, 1, 0, 1, 0], [0.5] * 5, [(0.5, 0.4, 5)], 0.1),
        # Gaps 0, .9, 0 with weights 2, 2, 1.
        ([0, 0, 1, 1, 1], [0.0, 0.0, 0.1, 0.1, 1.0], [(0, 0, 2), (0.1, 1, 2), (1, 1, 1)], 0.36),
        ([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], [(0.1, 0, 2), (0.9, 1, 2)], 0.1),
        ([0, 1, 0, 1], [0.5] * 4, [(0.5, 0.5, 4)], 0.0),
        # Gaps .1 .2 .3 .6 .5 .4 .7 .2 .1 0 -> 3.1 / 10
        (
            [0, 0, 0, 1, 0, 1, 0, 1, 1, 1],
            [i / 10 for i in range(1, 11)],
            [(i / 10, y, 1) for i, y in enumerate([0, 0, 0, 1, 0, 1, 0, 1, 1, 1], 1)],
            0.31,
        ),
    ],
)
def test_calibration_bins(y, p, bins, error):
    table = m.calibration_table(rows(y, p))
    assert table.select("mean_predicted", "fraction_positives", "count").rows() == bins
    assert m.calibration_error(table) == pytest.approx(error)


def test_honest_probabilities_are_calibrated():
    rng = np.random.default_rng(1)
    p = rng.random(5000)
    assert m.calibration_error(m.calibration_table(rows((rng.random(5000) < p).astype(int), p.tolist()))) < 0.02
    p = rng.choice([0.05, 0.95], 400)
    y = (rng.random(400) < p).astype(int)
    assert m.brier(y, p) < 0.08
    assert m.calibration_error(m.calibration_table(rows(y, p.tolist()))) < 0.05


def test_no_rows():
    empty = rows([], [])
    assert m.gains_table(empty).is_empty()
    assert m.calibration_error(m.calibration_table(empty)) is None
    assert m.thresholds_table(empty, [10]).is_empty()
    Gains.validate(m.stack({"all": m.gains_table(empty)}))
    Calibration.validate(m.stack({"all": m.calibration_table(empty)}))
    Thresholds.validate(m.stack({"all": m.thresholds_table(empty, [10])}))


def test_thresholds_describe_what_they_select():
    table = m.thresholds_table(rows(Y, [0.9, 0.5, 0.5, 0.5, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1]), [10, 20])
    # K=20 asks for two rows; three tie at .5, so four are selected, three of them positive.
    assert table.rows() == [(10, 0.9, 1, 1, 1.0, 0.25), (20, 0.5, 2, 4, 0.75, 0.75)]
    Thresholds.validate(m.stack({"all": table}))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
)
def test_tables_conserve_rows_and_ignore_their_order(cells, rnd):
    frame = rows([y for y, _, _ in cells], [p / 12 for _, p, _ in cells], [float(g) for _, _, g in cells])
    positions = list(range(frame.height))
    rnd.shuffle(positions)
    shuffled = frame[positions]
    for table, count in ((m.gains_table, "n"), (m.calibration_table, "count")):
        result = table(frame)
        assert result[count].sum() == frame.height
        assert result["positives"].sum() == frame["label"].sum()
        assert result.equals(table(shuffled))
    assert m.thresholds_table(frame, [5, 50]).equals(m.thresholds_table(shuffled, [5, 50]))
    kw = {"top_k_percents": [10, 50], "min_positives": 1}
    assert m.summary(frame, **kw) == m.summary(shuffled, **kw)


# --------------------------------------------------------------------------------------------------------- summary


def test_summary_of_ten_rows():
    values = m.summary(rows(Y, P, weight=[float(w) for w in W]), top_k_percents=[10, 30], min_positives=4)
    assert values["status"] == "ok"
    assert (values["n"], values["positives"], values["base_rate"]) == (10, 4, 0.4)
    assert values["auc"] == pytest.approx(20 / 24)
    assert values["lift@30"] == pytest.approx(1.666667, abs=1e-6)
    assert values["rev_lift@30"] == pytest.approx(1.111111, abs=1e-6)
    assert values["capture@30"] == 0.5
    assert values["ratio"] == pytest.approx(4.65 / 4)
    assert PopulationMetrics.model_validate(values).model_dump() == values


def test_summary_without_weight_has_no_revenue_lift():
    assert m.summary(rows(Y, P), top_k_percents=[10], min_positives=1)["rev_lift@10"] is None


def test_too_few_positive_customers_give_counts_and_no_metric():
    values = m.summary(rows(Y, P), top_k_percents=[10], min_positives=5)
    assert values["status"] == "insufficient_data"
    assert (values["n"], values["positives"], values["expected"]) == (10, 4, 4.65)
    for name in ("auc", "average_precision", "pr_auc", "brier", "cal_mae", "ratio", "lift@10", "capture@10"):
        assert values[name] is None
    PopulationMetrics.model_validate(values)


def test_unknown_outcome_keeps_the_form_and_claims_nothing():
    known = m.summary(rows(Y, P), top_k_percents=[10], min_positives=1)
    unknown = m.unknown_summary(rows(Y, P), top_k_percents=[10], status="window_open")
    assert list(unknown) == list(known)
    assert {k: v for k, v in unknown.items() if v is not None} == {
        "status": "window_open",
        "n": 10,
        "n_distinct_scores": 10,
        "expected": 4.65,
    }
    PopulationMetrics.model_validate(unknown)


def test_interval_needs_more_positives_than_the_value():
    values = m.summary(rows(Y, P), top_k_percents=[10], min_positives=4, min_positives_interval=5)
    assert values["ratio"] == pytest.approx(4.65 / 4)
    assert values["ratio_lo"] is values["ratio_hi"] is None


def test_positives_are_distinct_customers():
    # Two positive rows of one customer are one positive.
    frame = rows([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], ids=["a", "a", "b", "c"])
    assert m.summary(frame, top_k_percents=[10], min_positives=2)["status"] == "insufficient_data"


def test_constant_model_is_degenerate():
    values = m.summary(rows(Y, [0.4] * 10), top_k_percents=[10], min_positives=1)
    assert values["status"] == "degenerate"
    assert values["auc"] is values["lift@10"] is values["average_precision"] is None
    assert values["brier"] == pytest.approx(0.24)
    assert values["cal_mae"] == pytest.approx(0.0)


def test_everybody_positive():
    values = m.summary(rows([1] * 10, P), top_k_percents=[10], min_positives=1)
    assert values["status"] == "single_class"
    assert values["auc"] is None
    assert values["lift@10"] == 1.0


def test_empty_population():
    values = m.summary(rows([], []), top_k_percents=[10], min_positives=1)
    assert values["status"] == "insufficient_data"
    assert values["base_rate"] is None
    PopulationMetrics.model_validate(values)


def test_pooled_cutoffs_are_refused():
    frame = rows(Y, P, cutoff=["2024-03-31"] * 5 + ["2024-06-30"] * 5)
    with pytest.raises(ValueError, match="per cutoff"):
        m.summary(frame, top_k_percents=[10], min_positives=1)


def test_missing_column_and_missing_label_are_named():
    with pytest.raises(ValueError, match="missing: margin"):
        m.gains_table(rows(Y, P).drop("margin"))
    with pytest.raises(ValueError, match="label has 1 nulls"):
        m.gains_table(rows([None, 1], [0.1, 0.2]))


def test_unknown_metric_is_refused():
    values = m.summary(rows(Y, P), top_k_percents=[10], min_positives=1)
    with pytest.raises(ValidationError, match="unknown metric 'gini'"):
        PopulationMetrics.model_validate(values | {"gini": 0.2})


def test_populations():
    frame = rows(Y, P, ownership=["owner"] * 3 + ["lapsed"] * 3 + ["never"] * 4)
    table = m.by_population(frame, m.gains_table)
    assert table.columns[0] == "population"
    assert table.group_by("population", maintain_order=True).agg(pl.col("n").sum()).rows() == [
        ("all", 10),
        ("whitespace", 7),
    ]


# ------------------------------------------------------------------------------------------ expected and observed


def test_expected_to_observed_interval_is_wilson():
    # 20 of 100 positive: Wilson's interval of the rate is (.133367, .288829).
    values = m.expected_to_observed([1] * 20 + [0] * 80, [0.25] * 100)
    assert values["ratio"] == pytest.approx(1.25)
    assert values["ratio_lo"] == pytest.approx(0.25 / 0.288829, abs=1e-5)
    assert values["ratio_hi"] == pytest.approx(0.25 / 0.133367, abs=1e-5)


def test_expected_to_observed_without_positives_has_a_lower_end_only():
    values = m.expected_to_observed([0] * 50, [0.1] * 50)
    assert (values["expected"], values["observed"], values["ratio"], values["ratio_hi"]) == (5.0, 0.0, None, None)
    assert values["ratio_lo"] == pytest.approx(5 / (50 * 3.841459 / 53.841459), abs=1e-5)  # z² / (n + z²)


def test_expected_to_observed_interval_covers():
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        p = rng.beta(1, 15, 800)
        values = m.expected_to_observed((rng.random(800) < p).astype(int), p)
        inside += values["ratio_lo"] <= 1 <= values["ratio_hi"]
    assert 0.92 <= inside / 300 <= 0.99


# --------------------------------------------------------------------------------------------------------- distances


def test_psi_of_equal_samples_is_zero():
    assert m.psi(list(range(100)), list(range(100))) == 0.0
    assert m.psi([1, None, 2, None], pl.Series([None, 2, None, 1])) == 0.0


def test_psi_of_a_flag():
    # .5/.5 against .8/.2: .3 ln 1.6 + (-.3) ln .4
    assert m.psi([0] * 50 + [1] * 50, [0] * 80 + [1] * 20) == pytest.approx(0.415888, abs=1e-6)
    assert m.psi(pl.Series([False, True]), pl.Series([False] * 4 + [True])) == pytest.approx(0.415888, abs=1e-6)


def test_psi_of_a_count_that_is_mostly_zero():
    # Baseline 0 (.95) and 1..5 (.01 each); sample .92, .01 each, and .03 of values the baseline never had:
    # (-.03) ln(.92/.95) + (.03 - .0001) ln(.03/.0001), renormalised for the floor.
    value = m.psi([0] * 95 + [1, 2, 3, 4, 5], [0] * 92 + list(range(1, 9)))
    assert value == pytest.approx(0.1715, abs=1e-4)


def test_psi_with_two_quantile_bins():
    # One edge, 2.5: shares (.5, .5) against (0, 1), floored at 1e-4 and renormalised.
    assert m.psi([1, 2, 3, 4], [3, 4, 5, 6], bins=2, discrete=False) == pytest.approx(4.604249, abs=1e-6)
    # By value: (.25, .25, .25, .25, 0) against (0, 0, .25, .25, .5).
    assert m.psi([1, 2, 3, 4], [3, 4, 5, 6]) == pytest.approx(8.17, abs=0.01)


def test_psi_of_shifted_and_of_equal_distributions():
    rng = np.random.default_rng(42)
    assert m.psi(rng.normal(0, 1, 1000), rng.normal(3, 1, 1000)) >= 0.25
    assert m.psi(rng.random(1000), rng.random(1000)) < 0.1


def test_psi_gives_frequent_values_and_nulls_their_own_bins():
    rng = np.random.default_rng(0)
    spend = rng.lognormal(5, 1, 400)
    baseline = np.concatenate([np.zeros(600), spend])
    # Same positive spend; zeros fall from 60 % to 20 %: a pooled lowest bin would hold 60 % and hide which half moved.
    sample = np.concatenate([np.zeros(100), spend])
    a, b = 0.6, 0.2
    assert m.psi(baseline, sample) == pytest.approx((b - a) * math.log(b / a) + (a - b) * math.log(0.8 / 0.4), abs=1e-2)
    nulls = pl.Series(baseline.tolist()).to_frame("x").with_columns(pl.when(pl.col("x") > 0).then("x"))["x"]
    # 600 of 1000 against 100 of 500 unknown: the same index.
    after = pl.Series(sample.tolist()).to_frame("x").with_columns(pl.when(pl.col("x") > 0).then("x"))["x"]
    assert m.psi(nulls, after) == pytest.approx(m.psi(baseline, sample), abs=2e-2)


def test_psi_of_nothing_is_unknown():
    assert m.psi([], [1.0]) is None
    assert m.psi([1.0], []) is None


def test_psi_of_text_against_numbers_is_an_error():
    with pytest.raises(ValueError, match="String in the baseline and Float64"):
        m.psi(pl.Series(["a"]), [1.0])


def test_psi_of_text():
    assert m.psi(pl.Series(["a"] * 50 + ["b"] * 50), pl.Series(["a"] * 80 + ["b"] * 20)) == pytest.approx(
        0.415888, abs=1e-6
    )


@settings(max_examples=30)
@given(
    st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=80),
    st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=80),
)
def test_psi_is_never_negative_and_ignores_order(a, b):
    a, b = pl.Series(a, dtype=pl.Float64), pl.Series(b, dtype=pl.Float64)
    value = m.psi(a, b)
    assert value >= 0
    assert value == m.psi(a.reverse(), b.shuffle(seed=1))


@pytest.mark.parametrize(
    "a, b, distance",
    [
        ([1, 2, 3], [2, 3, 4], 1 / 3),
        ([0, 0], [1, 1], 1.0),
        ([1, 2], [1, 2], 0.0),
        ([1, None, 2], [2, 1, None], 0.0),
        ([], [1], None),
        ([None], [1], None),
    ],
)
def test_ks(a, b, distance):
    value = m.ks(pl.Series(a, dtype=pl.Float64), pl.Series(b, dtype=pl.Float64))
    assert value == (None if distance is None else pytest.approx(distance))


def test_value_weighted_psi():
    # Bins {1, 1} and {3, 5}: expected shares (.2, .8), realized (.5, .5): .3 ln 2.5 - .3 ln .625.
    assert m.value_weighted_psi([1, 1, 3, 5], [0, 4, 2, 2], "abcd", bins=2) == pytest.approx(0.415888, abs=1e-6)
    expected, realized = np.linspace(0, 100, 200), np.linspace(50, 150, 200)
    ids = [f"{i:03d}" for i in range(200)]
    assert m.value_weighted_psi(expected, realized, ids) == pytest.approx(0.147100, abs=1e-6)
    # Equal values fall into bins by customer, whatever the order of rows.
    assert m.value_weighted_psi([1, 1, 1, 1], [4, 0, 0, 0], "dcba", bins=2) == m.value_weighted_psi(
        [1, 1, 1, 1], [0, 0, 0, 4], "abcd", bins=2
    )


@pytest.mark.parametrize("expected, realized", [([0, 0], [1, 1]), ([1, 1], [0, -5]), ([], [])])
def test_value_weighted_psi_of_no_money_is_unknown(expected, realized):
    assert m.value_weighted_psi(expected, realized, "ab"[: len(expected)]) is None
