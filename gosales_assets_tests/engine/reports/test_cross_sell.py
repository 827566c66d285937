"""The cross-sell lists: threshold, groups, both orders, fallbacks, and one cutoff for everything."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gosales_assets.engine.reports.accounts import (
    _NO_WHITESPACE,
    FALLBACK,
    ReportError,
    enterprise_threshold,
    group_of,
    opportunity_score,
)
from gosales_assets.engine.reports.cross_sell import CrossSell, cross_sell_lists
from gosales_assets.engine.reports.schema import CrossSellAccounts, CrossSellIcp, CrossSellWhitespace
from gosales_assets.engine.whitespace.components import grade
from gosales_assets.engine.whitespace.schema import Whitespace as WhitespaceList
from gosales_assets.settings import ReportSettings
from gosales_assets.taxonomy import Target

CUTOFF, EARLIER = date(2024, 6, 30), date(2023, 12, 31)
NAMES = {"cpe": "CPE", "printers": "Printers", "solidworks": "Solidworks"}
TARGETS = [Target(s, n, "division", frozenset(), division=n) for s, n in NAMES.items()]
SETTINGS = ReportSettings(accounts=100, enterprise_min_accounts=150)

#: What a customer is to a target: "own", "lapsed", or the percentile of its score (probability is half of it).
Account = dict[str, str | float]


def icp_frame(accounts: dict[str, Account], *, silent: tuple[str, ...] = ()) -> pl.DataFrame:
    """icp_scores of accounts; divisions in ``silent`` carry no grade."""
    rows = []
    for customer, account in accounts.items():
        for slug, state in account.items():
            percentile = float(state) if not isinstance(state, str) else 0.3
            rows.append(
                {
                    "customer_id": customer,
                    "customer_name": f"Account {customer}",
                    "division": slug,
                    "division_name": NAMES[slug],
                    "cutoff_date": CUTOFF,
                    "window_start": date(2024, 7, 1),
                    "window_end": date(2024, 12, 31),
                    "icp_score": percentile / 2,
                    "icp_percentile": percentile,
                    "base_rate": 0.1,
                    "p_multiple": percentile / 2 / 0.1,
                    "ownership": {"own": "owner", "lapsed": "lapsed"}.get(str(state), "never"),
                }
            )
    letter = pl.when(~pl.col("division").is_in(silent)).then(grade("icp_percentile"))
    return pl.DataFrame(rows).with_columns(icp_grade=letter)


def list_frame(rows: list[tuple[str, str, float]], cutoff: date = CUTOFF) -> pl.DataFrame:
    """Whitespace list of (customer, division, percentile of the score)."""
    return pl.DataFrame(
        {
            "customer_id": [r[0] for r in rows],
            "division": [r[1] for r in rows],
            "cutoff": [cutoff] * len(rows),
            "score": [r[2] * 0.9 for r in rows],
            "score_pct": [r[2] for r in rows],
            "p_icp_pct": [0.7] * len(rows),
            "EV_norm": [0.5] * len(rows),
            "lift_norm": [0.25] * len(rows),
            "als_norm": [0.0] * len(rows),
            "nba_reason": ["3.1x average; affinity"] * len(rows),
            "calibration_status": ["off" if r[1] == "solidworks" else "none" for r in rows],
        },
        schema_overrides={
            "customer_id": pl.String,
            "division": pl.String,
            "score": pl.Float64,
            "score_pct": pl.Float64,
        },
    ).with_columns(score_grade=grade("score_pct"))


def facts_frame(gross_profit: dict[str, float], extra: list[tuple[str, date, float]] = ()) -> pl.LazyFrame:  # type: ignore[assignment]
    """One line per customer inside the last year, plus others."""
    lines = [(c, date(2024, 1, 15), gp) for c, gp in gross_profit.items()] + list(extra)
    return pl.LazyFrame(
        {
            "customer_id": [line[0] for line in lines],
            "order_date": [line[1] for line in lines],
            "gross_profit": [line[2] for line in lines],
            "invoice_id": [f"i{n}" for n in range(len(lines))],
        },
        schema={"customer_id": pl.String, "order_date": pl.Date, "gross_profit": pl.Float64, "invoice_id": pl.String},
    )


def made(
    accounts: dict[str, Account],
    listed: pl.DataFrame | None = None,
    gross_profit: dict[str, float] | None = None,
    facts: pl.LazyFrame | None = None,
    settings: ReportSettings = SETTINGS,
    **kwargs: Any,
) -> CrossSell:
    if facts is None:
        facts = facts_frame(dict.fromkeys(accounts, 100.0) if gross_profit is None else gross_profit)
    lists = cross_sell_lists(icp_frame(accounts, **kwargs), listed, facts, targets=TARGETS, reports=settings)
    CrossSellAccounts.validate(lists.accounts, lazy=True)
    CrossSellIcp.validate(lists.icp, lazy=True)
    CrossSellWhitespace.validate(lists.whitespace, lazy=True)
    return lists


# ---- threshold


@pytest.mark.parametrize(
    "wanted, threshold, reached",
    [
        (1, 9.1, [10]),  # .90 quantile of 1..10
        (3, 7.75, [8, 9, 10]),  # .75
        (5, 5.5, [6, 7, 8, 9, 10]),  # .50
        (11, 1.0, list(range(1, 11))),  # more than there are: the lowest
    ],
)
def test_enterprise_threshold(wanted: int, threshold: float, reached: list[int]) -> None:
    gp = pl.Series([float(v) for v in range(1, 11)])
    found = enterprise_threshold(gp, wanted)
    assert found == pytest.approx(threshold)
    assert gp.filter(gp >= found).to_list() == reached


@given(gp=st.lists(st.integers(-50, 500).map(float), min_size=1, max_size=40), wanted=st.integers(1, 50))
@settings(max_examples=60)
def test_enterprise_accounts_are_as_many_as_wanted_or_all_with_profit(gp: list[float], wanted: int) -> None:
    series = pl.Series(gp)
    threshold = enterprise_threshold(series, wanted)
    positive = [v for v in gp if v > 0]
    reached = int((series >= threshold).sum())
    assert reached >= wanted or threshold == min(positive, default=0.0)


def test_without_gross_profit_everyone_is_an_enterprise_account() -> None:
    assert enterprise_threshold(pl.Series([0.0, 0.0]), 1) == 0.0
    assert enterprise_threshold(pl.Series([], dtype=pl.Float64), 1) == 0.0
    lists = made({"1": {"cpe": "own", "printers": 0.5}, "2": {"cpe": "own", "printers": 0.6}}, gross_profit={})
    assert (lists.scope.enterprise, lists.scope.threshold) == (2, 0.0)


# ---- groups and orders


def test_groups_by_what_is_owned() -> None:
    owned = pl.DataFrame({"n": [3, 2, 1, 0]})
    assert owned.select(group_of(pl.col("n"), 3)).to_series().to_list() == ["A", "B", "C", None]
    # two targets: one owned is C, both are A; B does not occur
    assert owned.select(group_of(pl.col("n"), 2)).to_series().to_list() == ["A", "A", "C", None]


def test_groups_are_listed_several_one_all_and_those_without_are_not() -> None:
    lists = made(
        {
            "all": {"cpe": "own", "printers": "own", "solidworks": "own"},
            "one": {"cpe": 0.99, "printers": "own", "solidworks": 0.99},
            "two": {"cpe": 0.1, "printers": "own", "solidworks": "own"},
            "none": {"cpe": 0.99, "printers": 0.99, "solidworks": 0.99},
        }
    )
    expected = [("two", "B", 1, 1), ("one", "C", 2, 1), ("all", "A", 3, 1)]
    for frame in (lists.accounts, lists.icp, lists.whitespace):
        assert frame.select("customer_id", "group_key", "overall_rank", "group_rank").rows() == expected
    assert lists.icp["group_label"].to_list() == [
        "B. Owns 2 of 3 (missing CPE)",
        "C. Owns one of 3 (expand into CPE, Solidworks)",
        "A. Owns all 3 today",
    ]
    assert lists.scope.owned_counts == {0: 1, 1: 1, 2: 1, 3: 1}
    owns_everything = lists.icp.row(by_predicate=pl.col("customer_id") == "all", named=True)
    assert (owns_everything["missing_divisions"], owns_everything["top_recommendations"]) == (None, None)
    assert owns_everything["opportunity_score"] == 0.0


def test_equal_scores_go_by_gross_profit_then_customer() -> None:
    account: Account = {"cpe": 0.5, "printers": "own", "solidworks": "own"}
    lists = made(dict.fromkeys(("9", "10", "2"), account), gross_profit={"9": 500.0, "10": 100.0, "2": 100.0})
    assert lists.icp["customer_id"].to_list() == ["9", "10", "2"]
    assert lists.whitespace["customer_id"].to_list() == ["9", "10", "2"]


def test_opportunity_is_the_sum_of_percentiles_of_what_is_missing() -> None:
    lists = made(
        {
            "1": {"cpe": 0.736, "printers": "own", "solidworks": "own"},
            "2": {"cpe": 0.4, "printers": "own", "solidworks": 0.1},
        }
    )
    assert lists.icp.select("customer_id", "opportunity_score", "missing_divisions").rows() == [
        ("1", 0.736, "CPE"),
        ("2", 0.5, "CPE, Solidworks"),
    ]
    assert lists.icp["top_recommendations"].to_list() == [
        "CPE (36.8 % chance, 3.7x average, grade B)",
        "CPE (20.0 % chance, 2.0x average, grade C); Solidworks (5.0 % chance, 0.5x average, grade F)",
    ]


def test_opportunity_counts_three_offers_at_most() -> None:
    frame = pl.DataFrame({"icp_priority": [0.1, 0.9, None, 0.8, 0.7]})
    assert frame.select(opportunity_score()).item() == pytest.approx(2.4)


def test_lapsed_targets_are_missing_and_marked_as_win_back() -> None:
    lists = made({"1": {"cpe": "lapsed", "printers": "own", "solidworks": 0.5}})
    row = lists.accounts.row(0, named=True)
    assert (row["current_divisions"], row["missing_divisions"], row["winback_divisions"]) == (
        "Printers",
        "CPE, Solidworks",
        "CPE",
    )


# ---- whitespace order and fallback


def test_a_missing_row_falls_back_to_the_percentile_of_the_probability() -> None:
    accounts: dict[str, Account] = {
        "1": {"cpe": 0.8, "printers": "own", "solidworks": "own"},
        "2": {"cpe": 0.2, "printers": "own", "solidworks": "own"},
    }
    lists = made(accounts, list_frame([("2", "cpe", 0.6)]))
    first, second = lists.whitespace.to_dicts()
    # .8 of a percentile against .6 of a percentile: raw, a probability of .4 would have lost against a score of .54
    assert (first["customer_id"], first["whitespace_best_source"]) == ("1", FALLBACK)
    assert (first["whitespace_best_priority"], first["whitespace_best_score"]) == (0.8, None)
    assert [first[f"whitespace_best_{c}"] for c in ("EV_norm", "lift_norm", "als_norm")] == [0.0, 0.0, 0.0]
    assert (second["customer_id"], second["whitespace_best_source"]) == ("2", "whitespace")
    assert (second["whitespace_best_priority"], second["whitespace_best_score"]) == (0.6, 0.54)
    assert (second["whitespace_best_grade"], second["whitespace_best_reason"]) == ("C", "3.1x average; affinity")
    assert lists.summary.count("1 account of the whitespace order has a best offer without a whitespace row") == 1


def test_the_best_offer_leads_and_the_best_three_add_up() -> None:
    accounts: dict[str, Account] = {"1": {"cpe": 0.9, "printers": "own", "solidworks": 0.2}}
    lists = made(accounts, list_frame([("1", "cpe", 0.3), ("1", "solidworks", 0.95)]))
    row = lists.whitespace.row(0, named=True)
    assert (row["whitespace_best_division"], row["whitespace_best_grade"]) == ("Solidworks", "A")
    assert row["whitespace_score_total"] == pytest.approx(1.25)
    assert row["whitespace_opportunity_summary"] == (
        "Solidworks (whitespace 0.95, grade A); CPE (whitespace 0.30, grade D)"
    )
    # the other order goes by probability
    assert lists.icp["best_division"].to_list() == ["CPE"]


def test_a_target_the_list_leaves_out_is_not_offered_by_another_road() -> None:
    # cpe is on the list for nobody: its gate is shut or it is not ranked
    accounts: dict[str, Account] = {"1": {"cpe": 0.99, "printers": "own", "solidworks": 0.2}}
    lists = made(accounts, list_frame([("1", "solidworks", 0.3)]))
    assert lists.scope.not_listed == ("CPE", "Printers")
    assert lists.icp["best_division"].to_list() == ["Solidworks"]
    assert lists.whitespace["whitespace_opportunity_summary"].to_list() == ["Solidworks (whitespace 0.30, grade D)"]
    assert "Not offered: CPE, Printers" in lists.summary


def test_a_target_without_signal_is_not_offered() -> None:
    lists = made({"1": {"cpe": 0.5, "printers": "own", "solidworks": 0.2}}, silent=("cpe",))
    assert lists.scope.no_signal == ("CPE",)
    assert lists.icp["best_division"].to_list() == ["Solidworks"]
    assert lists.icp["icp_grade_cpe"].to_list() == [None]
    assert "Not offered: CPE. The model cannot tell customers apart" in lists.summary


def test_what_is_read_of_the_list_is_what_the_list_publishes() -> None:
    published = WhitespaceList.to_schema().columns
    assert {c: published[c].dtype.type for c in _NO_WHITESPACE.columns} == dict(_NO_WHITESPACE.schema)


def test_no_list_of_the_cutoff_makes_every_offer_a_fallback() -> None:
    accounts: dict[str, Account] = {"1": {"cpe": 0.9, "printers": "own", "solidworks": "own"}}
    stale = list_frame([("1", "cpe", 0.1)], cutoff=EARLIER)
    for listed in (None, stale):
        lists = made(accounts, listed)
        assert lists.whitespace["whitespace_best_source"].to_list() == [FALLBACK]
        assert not lists.scope.has_whitespace
        assert "no whitespace list of 30 June 2024" in lists.summary


# ---- files


def test_ranks_are_contiguous_groups_restart_and_mixes_add_up() -> None:
    accounts: dict[str, Account] = {
        f"{i:03d}": {"cpe": i / 200, "printers": "own", "solidworks": "own" if i % 3 else (200 - i) / 200}
        for i in range(1, 151)
    }
    lists = made(accounts, settings=ReportSettings(accounts=60, enterprise_min_accounts=150))
    for frame in (lists.accounts, lists.icp, lists.whitespace):
        assert frame["overall_rank"].to_list() == list(range(1, 61))
        assert frame.height == min(60, lists.scope.enterprise)
        for group in frame["group_key"].unique():
            assert frame.filter(pl.col("group_key") == group)["group_rank"].to_list() == list(
                range(1, frame.filter(pl.col("group_key") == group).height + 1)
            )
    assert sum(lists.scope.groups.values()) == lists.scope.enterprise == 150


def test_the_base_list_carries_both_ranks_and_balances_them() -> None:
    # 1 leads by probability, 2 by whitespace, 3 is second in both
    accounts: dict[str, Account] = {
        c: {"cpe": p, "printers": "own", "solidworks": "own"} for c, p in (("1", 0.9), ("2", 0.1), ("3", 0.8))
    }
    listed = list_frame([("1", "cpe", 0.1), ("2", "cpe", 0.9), ("3", "cpe", 0.8)])
    lists = made(accounts, listed)
    assert lists.icp["customer_id"].to_list() == ["1", "3", "2"]
    assert lists.whitespace["customer_id"].to_list() == ["2", "3", "1"]
    # sums of ranks 4, 4, 4: gross profit and then the customer decide
    assert lists.accounts.select("customer_id", "icp_rank", "whitespace_rank").rows() == [
        ("1", 1, 3),
        ("2", 3, 1),
        ("3", 2, 2),
    ]


def test_columns_are_named_by_target() -> None:
    lists = made({"1": {"cpe": 0.5, "printers": "own", "solidworks": 0.123456}})
    assert [c for c in lists.icp.columns if c.startswith("icp_")] == [
        f"icp_{kind}_{slug}" for slug in NAMES for kind in ("score", "percentile", "grade")
    ]
    assert lists.icp["icp_score_solidworks"].to_list() == [0.0617]  # .061728 at four decimals
    assert lists.accounts.columns != lists.icp.columns


def test_money_lines_and_invoices_stop_at_the_cutoff_and_agree() -> None:
    facts = facts_frame(
        {"1": 10.005},
        [
            ("1", CUTOFF, 0.1),  # the cutoff day itself counts
            ("1", date(2023, 6, 30), 7.0),  # one day before the 12 months
            ("1", date(2023, 7, 1), 0.2),  # the first day of them
            ("1", date(2024, 7, 1), 9999.0),  # after the cutoff: invisible
        ],
    )
    row = made({"1": {"cpe": 0.5, "printers": "own", "solidworks": "own"}}, facts=facts).accounts.row(0, named=True)
    assert row["gross_profit_12m"] == pytest.approx(10.3, abs=0.011)
    assert row["gross_profit_lifetime"] == pytest.approx(17.3, abs=0.011)
    assert (row["transactions_lifetime"], row["invoices_12m"]) == (4, 3)


def test_shuffled_inputs_give_the_same_files() -> None:
    accounts: dict[str, Account] = {
        f"{i:02d}": {"cpe": (i % 4) / 10 + 0.1, "printers": "own", "solidworks": 0.5 if i % 2 else "own"}
        for i in range(30)
    }
    listed = list_frame([(c, "cpe", 0.5) for c in accounts])
    icp, facts = icp_frame(accounts), facts_frame(dict.fromkeys(accounts, 50.0)).collect()
    first = cross_sell_lists(icp, listed, facts.lazy(), targets=TARGETS, reports=SETTINGS)
    again = cross_sell_lists(
        icp.sample(fraction=1, shuffle=True, seed=1),
        listed.sample(fraction=1, shuffle=True, seed=2),
        facts.sample(fraction=1, shuffle=True, seed=3).lazy(),
        targets=list(reversed(TARGETS)),
        reports=SETTINGS,
    )
    for name in ("accounts", "icp", "whitespace"):
        assert_frame_equal(getattr(first, name), getattr(again, name))
    assert first.summary == again.summary


# ---- what cannot be reported on


def test_scores_of_no_target_are_refused() -> None:
    icp = icp_frame({"1": {"cpe": 0.5}})
    with pytest.raises(ReportError, match="none of the targets"):
        cross_sell_lists(icp.clear(), None, facts_frame({}), targets=TARGETS, reports=SETTINGS)


def test_scores_of_two_cutoffs_are_refused() -> None:
    icp = icp_frame({"1": {"cpe": 0.5}})
    both = pl.concat([icp, icp.with_columns(cutoff_date=pl.lit(EARLIER))])
    with pytest.raises(ReportError, match="2 cutoffs"):
        cross_sell_lists(both, None, facts_frame({}), targets=TARGETS, reports=SETTINGS)


def test_a_customer_twice_is_refused() -> None:
    icp = icp_frame({"1": {"cpe": 0.5}})
    with pytest.raises(ReportError, match="twice"):
        cross_sell_lists(pl.concat([icp, icp]), None, facts_frame({}), targets=TARGETS, reports=SETTINGS)


def test_nobody_to_list_is_said_not_raised() -> None:
    lists = made({"1": {"cpe": 0.5, "printers": 0.5}})
    assert lists.accounts.height == lists.icp.height == lists.whitespace.height == 0
    text = lists.summary
    assert "No account qualifies: of 1 scored account, 0 own any of the 2 product lines" in text


# ---- summary


def test_the_summary_says_what_when_who_and_what_it_is_worth() -> None:
    accounts: dict[str, Account] = {
        "1": {"cpe": 0.8, "printers": "own", "solidworks": "own"},
        "2": {"cpe": 0.4, "printers": "own", "solidworks": 0.1},
        "3": {"cpe": 0.9, "printers": 0.9, "solidworks": 0.9},
    }
    text = made(accounts, gross_profit={"1": 2000.0, "2": 1000.5, "3": 1.0}).summary
    assert text.startswith("# Cross-sell: the next 2 accounts to call\n")
    assert "As of 30 June 2024" in text
    assert "between 1 July 2024 and 31 December 2024" in text
    assert "Of 3 accounts with a score, 2 own at least one of the 3 product lines reported on" in text
    assert "a gross profit of 1,000.50 or more" in text
    # chances .4 + .2 against average rates .1 + .1
    assert "**0.6 of 2** will buy it" in text
    assert "worth 3.0 times that" in text
    assert "| 1 | Account 1 (1) | Printers, Solidworks | **CPE** | 40.0 % | 4.0x | 2,000 |" in text
    assert "| B: own several | 1 | 1 | 1 | 1 |" in text
    assert "| **Total** | **2** | **2** | **2** | **2** |" in text
    assert "owned: none: 1, 1: 1, 2: 1" in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_summary_says_how_far_the_chances_are_proven() -> None:
    accounts: dict[str, Account] = {"1": {"cpe": 0.9, "printers": "own", "solidworks": 0.2}}
    lists = made(accounts, list_frame([("1", "cpe", 0.3), ("1", "solidworks", 0.95)]))
    assert (lists.scope.off, lists.scope.unproven) == (("Solidworks",), ("CPE",))
    text = lists.summary
    assert "Chances of Solidworks were **off**" in text
    assert "Chances of CPE are unproven" in text


def test_a_target_that_is_not_scored_is_named() -> None:
    lists = made({"1": {"cpe": 0.5, "printers": "own"}})
    assert lists.scope.not_scored == ("Solidworks",)
    assert "Not scored at this cutoff: Solidworks." in lists.summary


def test_names_cannot_break_the_table() -> None:
    icp = icp_frame({"1": {"cpe": 0.8, "printers": "own"}}).with_columns(customer_name=pl.lit("A|B\n<b>*x*</b>"))
    text = cross_sell_lists(icp, None, facts_frame({"1": 5.0}), targets=TARGETS, reports=SETTINGS).summary
    assert "| A\\|B \\<b\\>\\*x\\*\\</b\\> (1) |" in text
