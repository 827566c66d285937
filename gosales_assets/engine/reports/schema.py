"""Contracts of the roll-ups and the cross-sell files.

Belongs here: columns, types, ranges and keys. Does not belong here: how a value is computed. The cross-sell files hold
columns per target (``icp_score_<slug>``), so their names are patterns.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from gosales_assets.engine import tables
from gosales_assets.engine.reports.accounts import GROUPS
from gosales_assets.engine.reports.rollups import POPULATIONS, SPLITS, UNKNOWN

GRADES = ("A", "B", "C", "D", "F")
SOURCES = ("whitespace", "ICP fallback")


def _unit(description: str, *, nullable: bool = False) -> float:
    return pa.Field(ge=0, le=1, nullable=nullable, description=description)


def _count(description: str) -> int:
    return pa.Field(ge=0, description=description)


class CalibrationHistory(pa.DataFrameModel):
    """Calibration of a division over all cutoffs."""

    division: str = pa.Field(description="Slug of the target.")
    division_name: str = pa.Field(description="Display name of the target.")
    cutoff: pl.Date = pa.Field(description="Cutoff of the scores judged.")
    split: str = pa.Field(isin=SPLITS, description="Rows judged: holdout is what happened after the cutoff.")
    population: str = pa.Field(isin=POPULATIONS, description="Everybody, or those who did not own the target.")
    bin: int = pa.Field(ge=1, description="Bin of score, 1 = lowest.")
    p_min: float = _unit("Smallest probability in the bin.")
    p_max: float = _unit("Largest probability in the bin.")
    mean_predicted: float = _unit("Mean probability.")
    fraction_positives: float = _unit("Observed rate of buyers.")
    count: int = pa.Field(ge=1, description="Rows in the bin.")
    positives: int = _count("Buyers in the bin.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["cutoff", "split", "population", "bin"]  # noqa: RUF012


class MetricsSummary(pa.DataFrameModel):
    """Metrics of every division and cutoff; what is not known is empty."""

    division: str = pa.Field(description="Slug of the target.")
    division_name: str = pa.Field(nullable=True, description="Display name of the target.")
    cutoff: pl.Date = pa.Field(description="Cutoff of the model.")
    split: str = pa.Field(
        isin=SPLITS,
        description="train_oot: later cutoffs than trained on; train_oof: other customers; holdout: the "
        "window after the cutoff.",
    )
    population: str = pa.Field(isin=POPULATIONS, description="Everybody, or those who did not own the target.")
    n: int = pa.Field(ge=0, nullable=True, description="Rows judged.")
    positives: int = pa.Field(ge=0, nullable=True, description="Distinct customers who bought.")
    base_rate: float = _unit("Rows that bought / rows.", nullable=True)
    auc: float = _unit("Area under ROC, within a cutoff.", nullable=True)
    average_precision: float = _unit("Step-wise area under precision and recall.", nullable=True)
    pr_auc: float = _unit("Trapezoid area under precision and recall.", nullable=True)
    lift: float = pa.Field(
        alias=r"^lift@(100|[1-9][0-9]?)$",
        regex=True,
        ge=0,
        nullable=True,
        description="Rate of buyers in the top K percent / overall rate.",
    )
    brier: float = _unit("Mean squared error of the probability.", nullable=True)
    cal_mae: float = _unit("Calibration error, weighted over bins.", nullable=True)
    expected_to_observed: float = pa.Field(ge=0, nullable=True, description="Expected / observed buyers.")
    expected_to_observed_lo: float = pa.Field(ge=0, nullable=True, description="Lower end of its 95 % interval.")
    expected_to_observed_hi: float = pa.Field(ge=0, nullable=True, description="Upper end of its 95 % interval.")
    status: str = pa.Field(nullable=True, description="Why values are empty, or ok.")
    model_status: str = pa.Field(nullable=True, description="Status of the model behind them.")
    leakage: str = pa.Field(isin=("PASS", "FAIL", UNKNOWN), description="Verdict of the leakage report on that model.")

    class Config:
        strict = True
        coerce = False
        unique = ["division", "cutoff", "split", "population"]  # noqa: RUF012


class IcpScores(pa.DataFrameModel):
    """Probability per customer and division at the latest complete cutoff."""

    customer_id: str = pa.Field(description="Customer key.")
    customer_name: str = pa.Field(nullable=True, description="Customer as people know it.")
    division: str = pa.Field(description="Division (key).")
    division_name: str = pa.Field(description="Division, display name.")
    cutoff_date: pl.Date = pa.Field(description="Last day known to the score.")
    window_start: pl.Date = pa.Field(description="First day of the window the probability speaks about.")
    window_end: pl.Date = pa.Field(description="Last day of that window.")
    prediction_window_months: int = pa.Field(ge=1, description="Length of that window, months.")
    icp_score: float = _unit("Calibrated probability of a purchase in the window.")
    icp_percentile: float = _unit("Average rank within the division; 0.5 when it cannot tell its customers apart.")
    icp_grade: str = pa.Field(
        isin=GRADES, nullable=True, description="A-F from icp_percentile; empty when the division has no signal."
    )
    base_rate: float = _unit("Average purchase rate of the division in training.", nullable=True)
    p_multiple: float = pa.Field(ge=0, nullable=True, description="icp_score / base_rate.")
    ownership: str = pa.Field(isin=("owner", "lapsed", "never"), description="Whether the customer owns the division.")
    segment: str = pa.Field(isin=("warm", "cold", "prospect"), description="warm, cold or prospect.")
    industry: str = pa.Field(nullable=True, description="Industry of the customer.")
    industry_sub: str = pa.Field(nullable=True, description="Finer industry of the customer.")
    gp_recent: float = pa.Field(nullable=True, description="Recent gross profit of the customer, all divisions.")
    tx_recent: int = pa.Field(nullable=True, description="Recent invoice lines of the customer.")
    gp_life: float = pa.Field(nullable=True, description="Gross profit of the customer up to the cutoff.")
    recency_days: int = pa.Field(nullable=True, description="Days since the customer's last line; empty: never.")
    reason_1: str = tables.reason(1)
    reason_1_value: float = tables.reason_value(1)
    reason_1_contribution: float = tables.reason_contribution(1)
    reason_2: str = tables.reason(2)
    reason_2_value: float = tables.reason_value(2)
    reason_2_contribution: float = tables.reason_contribution(2)
    reason_3: str = tables.reason(3)
    reason_3_value: float = tables.reason_value(3)
    reason_3_contribution: float = tables.reason_contribution(3)
    calibration_method: str = pa.Field(nullable=True, description="Calibrator of the model.")
    model_status: str = pa.Field(description="ok, or why there is a baseline instead of a model.")
    model_version: str = pa.Field(description="sha256 of the model document.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["customer_id", "division"]  # noqa: RUF012


class _Accounts(pa.DataFrameModel):
    """What the three cross-sell files share."""

    overall_rank: int = pa.Field(ge=1, unique=True, description="Position in this file, 1 is best.")
    group_key: str = pa.Field(isin=tuple(GROUPS), description="A owns all targets, B several, C one.")
    group_rank: int = pa.Field(ge=1, description="Position within the group.")
    group_label: str = pa.Field(description="The group in words.")
    customer_id: str = pa.Field(unique=True, description="Customer key.")
    customer_name: str = pa.Field(nullable=True, description="Customer as people know it.")
    current_divisions: str = pa.Field(description="Targets the account owns at the cutoff.")
    missing_divisions: str = pa.Field(nullable=True, description="Targets it does not own; empty: none.")
    winback_divisions: str = pa.Field(nullable=True, description="Those of them it once owned: another conversation.")
    icp_score: float = pa.Field(
        alias="^icp_score_[a-z0-9_]+$", regex=True, ge=0, le=1, nullable=True,
        description="Calibrated probability of buying the target in its window.",
    )  # fmt: skip
    icp_grade: str = pa.Field(
        alias="^icp_grade_[a-z0-9_]+$", regex=True, isin=GRADES, nullable=True,
        description="Grade of that probability within the target; empty without signal.",
    )  # fmt: skip
    gross_profit_12m: float = pa.Field(description="Gross profit of the 12 months up to the cutoff.")
    gross_profit_lifetime: float = pa.Field(description="Gross profit of all time up to the cutoff.")
    transactions_lifetime: int = _count("Invoice lines of all time up to the cutoff.")
    invoices_12m: int = _count("Invoices of the 12 months up to the cutoff.")
    cutoff_date: pl.Date = pa.Field(description="Last day known to this file.")
    window_start: pl.Date = pa.Field(description="First day of the window of the first recommendation.")
    window_end: pl.Date = pa.Field(description="Last day of that window.")

    class Config:
        strict = True
        coerce = False


class _WithPercentiles(_Accounts):
    icp_percentile: float = pa.Field(
        alias="^icp_percentile_[a-z0-9_]+$", regex=True, ge=0, le=1, nullable=True,
        description="Rank of that probability within the target.",
    )  # fmt: skip
    top_recommendations: str = pa.Field(nullable=True, description="The best targets it lacks; empty: none.")
    opportunity_score: float = pa.Field(ge=0, description="Sum of the percentiles of those targets, three at most.")
    best_division: str = pa.Field(nullable=True, description="The first of them.")
    best_probability: float = _unit("Probability of buying it in its window.", nullable=True)
    best_base_rate: float = _unit("Average purchase rate of that target in training.", nullable=True)
    best_p_multiple: float = pa.Field(ge=0, nullable=True, description="Probability / average rate.")


class CrossSellAccounts(_WithPercentiles):
    """The base list: accounts that stand well in both orders, with their rank in each."""

    icp_rank: int = pa.Field(ge=1, unique=True, description="Rank among all enterprise accounts by probability.")
    whitespace_rank: int = pa.Field(ge=1, unique=True, description="Rank among them by whitespace opportunity.")
    whitespace_best_division: str = pa.Field(nullable=True, description="Best opportunity by whitespace score.")
    whitespace_score_total: float = pa.Field(ge=0, description="Sum of the best whitespace percentiles, three at most.")


class CrossSellIcp(_WithPercentiles):
    """The accounts ordered by probability of what they lack."""


class CrossSellWhitespace(_Accounts):
    """The accounts ordered by their whitespace opportunities."""

    whitespace_best_division: str = pa.Field(nullable=True, description="Best opportunity; empty: nothing to offer.")
    whitespace_best_priority: float = _unit("Its percentile within its target: the common scale.", nullable=True)
    whitespace_best_score: float = _unit("Its whitespace score; empty for a fallback.", nullable=True)
    whitespace_best_grade: str = pa.Field(isin=GRADES, nullable=True, description="Grade of the percentile.")
    whitespace_best_reason: str = pa.Field(nullable=True, description="Why, in one sentence.")
    whitespace_best_source: str = pa.Field(
        isin=SOURCES, nullable=True, description="whitespace, or ICP fallback where the list has no row."
    )
    whitespace_best_p_icp: float = _unit("Calibrated probability.", nullable=True)
    whitespace_best_p_icp_pct: float = _unit("Percentile of the probability.", nullable=True)
    whitespace_best_p_multiple: float = pa.Field(ge=0, nullable=True, description="Probability / average rate.")
    whitespace_best_EV_norm: float = _unit("Value component; 0 for a fallback.", nullable=True)
    whitespace_best_lift_norm: float = _unit("Affinity component; 0 for a fallback.", nullable=True)
    whitespace_best_als_norm: float = _unit("Similarity component; 0 for a fallback.", nullable=True)
    whitespace_score_total: float = pa.Field(ge=0, description="Sum of the best percentiles, three at most.")
    whitespace_opportunity_summary: str = pa.Field(nullable=True, description="The best opportunities, three at most.")
