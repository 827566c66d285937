from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.validation.frame import with_expected_value
from gosales_assets.engine.validation.scenarios import list_order, segment_performance, sorted_scenarios, topk_scenarios


def frame(p, y=None, gp=None, ev=None, **more) -> pl.DataFrame:
    n = len(p)
    columns = {
        "customer_id": [f"{i:02d}" for i in range(1, n + 1)],
        "ownership": ["never"] * n,
        "p_hat": [float(v) for v in p],
        "ev_norm": [float(v) for v in ev or [0] * n],
        "context__recency_days": [10] * n,
        "label": y or [0] * n,
        "holdout_gp": [float(v) for v in gp or [0] * n],
        "window_open": [False] * n,
    }
    return pl.DataFrame(columns | more, schema_overrides={"label": pl.Int8})


def scenarios(rows, **more):
    grid = {"capacity_grid": [30], "accounts_per_rep_grid": [2], "segment_columns": ["industry"], "min_positives": 1}
    return topk_scenarios(rows, **(grid | more)).filter(pl.col("population") == "all")


# Ten customers in order of score: values 10..1, gross profit 100..10, three buyers, reps and industries alternate
TEN = frame(
    [1.0 - i / 20 for i in range(10)],
    y=[1, 1, 1] + [0] * 7,
    gp=list(range(100, 0, -10)),
    ev=list(range(10, 0, -1)),
    rep=["A", "B"] * 5,
    industry=["A", "B"] * 5,
)


@pytest.mark.parametrize(
    "mode, contacts, expected, realized, capture, precision, rev_capture",
    [
        ("top_percent", 3, 27, 270, 1, 1, 270 / 550),
        # The best two of A (1, 3) and of B (2, 4): values 10 + 8 + 9 + 7, gross profit 100 + 80 + 90 + 70.
        ("per_rep", 4, 34, 340, 1, 0.75, 340 / 550),
        # A1, B2, A3.
        ("hybrid_segment", 3, 27, 270, 1, 1, 270 / 550),
    ],
)
def test_scenarios_of_ten_customers(mode, contacts, expected, realized, capture, precision, rev_capture):
    row = scenarios(TEN).filter(pl.col("mode") == mode).row(0, named=True)
    assert (row["contacts"], row["expected_gp_norm"], row["realized_gp"]) == (contacts, expected, realized)
    assert (row["capture"], row["precision"]) == (capture, precision)
    assert row["rev_capture"] == pytest.approx(rev_capture)
    assert row["status"] == "ok"
    assert row["accounts_per_rep"] == (2 if mode == "per_rep" else None)
    assert row["k_percent"] == (None if mode == "per_rep" else 30)
    assert row["segment_column"] == ("industry" if mode == "hybrid_segment" else None)


def test_without_rep_or_segment_only_the_plain_scenario():
    assert scenarios(TEN.drop("rep", "industry"))["mode"].to_list() == ["top_percent"]


def test_hybrid_takes_segments_in_turn():
    # A holds all high scores; of three contacts one must go to B.
    rows = frame([0.9, 0.8, 0.7, 0.1], y=[1, 1, 1, 0], industry=["A", "A", "A", "B"])
    table = scenarios(rows, capacity_grid=[75])
    assert dict(table.select("mode", "capture").rows()) == {"top_percent": 1.0, "hybrid_segment": 2 / 3}
    # A segment that runs out leaves its turns to the others.
    assert scenarios(rows, capacity_grid=[100]).filter(pl.col("mode") == "hybrid_segment")["contacts"].item() == 4


def test_hybrid_gives_the_unknown_segment_its_turn():
    rows = frame([0.9, 0.8, 0.1], y=[1, 0, 1], industry=["A", "A", None])
    row = scenarios(rows, capacity_grid=[67]).filter(pl.col("mode") == "hybrid_segment").row(0, named=True)
    assert (row["contacts"], row["capture"]) == (2, 1.0)


@pytest.mark.parametrize("n, k, contacts", [(100, 29, 29), (300, 41, 123), (3, 10, 1)])
def test_size_in_integers(n, k, contacts):
    assert scenarios(frame([0.5] * n), capacity_grid=[k])["contacts"].item() == contacts


def test_order_of_contacts():
    rows = frame([0.5, 0.5, 0.5, 0.5, 0.9], ev=[0.1, 0.2, 0.1, 0.1, 0.0]).with_columns(
        pl.Series("context__recency_days", [None, 9, 5, 5, 9], pl.Int32)
    )
    # p first; then value; then recency, never last; then customer.
    assert list_order(rows)["customer_id"].to_list() == ["05", "02", "03", "04", "01"]


@pytest.mark.parametrize("mode", ["top_percent", "per_rep", "hybrid_segment"])
def test_ties_go_to_the_lower_customer_in_every_mode(mode):
    rows = frame([0.5] * 4, y=[1, 0, 0, 0], rep=["A"] * 4, industry=["A"] * 4)
    table = scenarios(rows.reverse(), capacity_grid=[25], accounts_per_rep_grid=[1])
    assert table.filter(pl.col("mode") == mode)["capture"].item() == 1.0


def test_no_positives_is_unknown_not_zero():
    row = scenarios(frame([0.9, 0.1], gp=[-5, 0]), capacity_grid=[50]).row(0, named=True)
    assert row["capture"] is row["precision"] is row["rev_capture"] is None
    assert (row["status"], row["positives"], row["realized_gp"]) == ("insufficient_data", 0, -5.0)


def test_returns_lower_realized_money_but_not_the_share_of_what_was_won():
    rows = frame([0.9, 0.8, 0.1], y=[1, 0, 1], gp=[60, -40, 40])
    row = scenarios(rows, capacity_grid=[67]).row(0, named=True)
    assert (row["contacts"], row["realized_gp"], row["rev_capture"]) == (2, 20.0, 0.6)


def test_population_that_is_empty_has_no_scenario():
    rows = frame([0.9, 0.1], y=[1, 0], ownership=["owner", "owner"])
    table = topk_scenarios(rows, capacity_grid=[50], accounts_per_rep_grid=[], segment_columns=[], min_positives=1)
    assert table["population"].to_list() == ["all"]


def test_sorted_scenarios_put_what_counts_first():
    table = topk_scenarios(
        TEN, capacity_grid=[10, 20, 30], accounts_per_rep_grid=[2], segment_columns=[], min_positives=1
    )
    best = sorted_scenarios(table, population="whitespace", calibrated=False).row(0, named=True)
    # Capture 1 is reached with three contacts and with four: the smaller list first.
    assert (best["population"], best["mode"], best["contacts"]) == ("whitespace", "top_percent", 3)
    best = sorted_scenarios(table, population="all", calibrated=True).row(0, named=True)
    assert (best["population"], best["mode"], best["expected_gp_norm"]) == ("all", "per_rep", 34)
    assert (
        sorted_scenarios(table, population="all", calibrated=True).sort(table.columns).equals(table.sort(table.columns))
    )


# ----------------------------------------------------------------------------------------------------------- segments


def segments(rows, min_positives=1, grid=(30,)):
    table = segment_performance(
        rows, segment_columns=["industry", "region"], capacity_grid=grid, min_positives=min_positives
    )
    return table.filter(pl.col("population") == "all")


def test_segments_of_ten_customers():
    # A holds 1, 3, 5, 7, 9 (buyers 1, 3), B 2, 4, 6, 8, 10 (buyer 2); 30 % of five is one contact.
    # Gross profit of A: 100 + 80 + 60 + 40 + 20 = 300; of B 250.
    table = segments(TEN).select("segment_col", "segment", "n", "positives", "contacts", "capture", "precision")
    assert table.rows() == [("industry", "A", 5, 2, 1, 0.5, 1.0), ("industry", "B", 5, 1, 1, 1.0, 1.0)]
    assert segments(TEN)["rev_capture"].to_list() == pytest.approx([100 / 300, 90 / 250])


def test_segment_with_few_positives_is_not_judged():
    table = segments(TEN, min_positives=2)
    assert table["status"].to_list() == ["ok", "insufficient_data"]
    assert table["capture"].to_list() == [0.5, None]


def test_missing_segment_is_its_own_group():
    rows = frame([0.9, 0.8, 0.7], y=[1, 1, 0], industry=["A", None, None])
    assert segments(rows).select("segment", "n", "positives").rows() == [("A", 1, 1), ("unknown", 2, 1)]


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(-5, 9), st.sampled_from(["A", "B", None])),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 100),
    st.randoms(use_true_random=False),
)
def test_scenarios_conserve_and_ignore_the_order_of_rows(cells, k, rnd):
    p, y, gp, industry = zip(*cells, strict=True)
    rows = frame([v / 4 for v in p], y=list(y), gp=[g / 10 for g in gp], industry=list(industry), rep=list(industry))
    rows = rows.with_columns(pl.col("industry", "rep").cast(pl.String))
    positions = list(range(rows.height))
    rnd.shuffle(positions)
    table = scenarios(rows, capacity_grid=[k, 100])
    assert table.equals(scenarios(rows[positions], capacity_grid=[k, 100]))
    assert segments(rows, grid=[k]).equals(segments(rows[positions], grid=[k]))
    whole = table.filter(pl.col("k_percent") == 100)
    assert whole["contacts"].to_list() == [rows.height] * whole.height
    assert whole["realized_gp"].to_list() == pytest.approx([sum(g / 10 for g in gp)] * whole.height, abs=0.01)
    if sum(y):
        assert whole["capture"].to_list() == [1.0] * whole.height
        assert segments(rows, grid=[k])["positives"].sum() == sum(y)


# -------------------------------------------------------------------------------------------------------------- value


def test_expected_value_is_capped_and_ranked():
    # The 75 % quantile of 0, 1, 2, 3, 100 is 3 (linear); unknown counts as 0.
    rows = pl.DataFrame({"context__gp_recent": [3.0, 100.0, 1.0, None, 0.0, 2.0], "day": [date(2024, 1, 1)] * 6})
    table = with_expected_value(rows, 0.75)
    assert table["ev_capped"].to_list() == [3.0, 3.0, 1.0, 0.0, 0.0, 2.0]
    # Ranks 5.5, 5.5, 3, 1.5, 1.5, 4 of six.
    assert table["ev_norm"].to_list() == pytest.approx([5.5 / 6, 5.5 / 6, 3 / 6, 1.5 / 6, 1.5 / 6, 4 / 6])


@pytest.mark.parametrize("values", [[5.0, 5.0], [None, None], []])
def test_expected_value_that_does_not_vary_says_nothing(values):
    rows = pl.DataFrame({"context__gp_recent": pl.Series(values, dtype=pl.Float64)})
    assert with_expected_value(rows, 0.95)["ev_norm"].to_list() == [0.0] * len(values)
