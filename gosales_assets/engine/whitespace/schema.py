"""Contracts of the files of phase 4.

Belongs here: columns, types, ranges and keys of the tables, and the documents. Does not belong here: how a value is
computed.
"""

from __future__ import annotations

from typing import Literal

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from gosales_assets.engine import tables
from gosales_assets.engine.whitespace.eligibility import GateStatus
from gosales_assets.engine.whitespace.reasons import MAX_REASON_CHARS, is_sensitive

SEGMENTS = ("warm", "cold", "prospect")
GRADES = ("A", "B", "C", "D", "F")

#: What became of a division in a ranking.
Status = Literal["ranked", "held", "not_ranked", "insufficient_data", "no_candidates"]
#: What the newest closed validation says about a division's probabilities.
CalibrationStatus = Literal["ok", "off", "insufficient_data", "none"]
STATUSES: tuple[Status, ...] = ("ranked", "held", "not_ranked", "insufficient_data", "no_candidates")
CALIBRATION_STATUSES: tuple[CalibrationStatus, ...] = ("ok", "off", "insufficient_data", "none")


def _unit(description: str, *, nullable: bool = False) -> float:
    return pa.Field(ge=0, le=1, nullable=nullable, description=description)


class MbRules(pa.DataFrameModel):
    """Market-basket rules of one target at one cutoff."""

    division: str = pa.Field(description="Target the rule speaks about (key).")
    product_sku: str = pa.Field(description="Product a customer has; never one of the target's own.")
    support: pl.Int32 = pa.Field(ge=1, description="Customers with the product in the basket window.")
    target_customers: pl.Int32 = pa.Field(ge=0, description="Those of them who also bought the target in the window.")
    baseline_division_rate: float = _unit("Customers who bought the target / customers active in the window.")
    confidence: float = _unit("target_customers / support.")
    lift: float = pa.Field(ge=0, description="confidence / baseline_division_rate; 0 when nobody bought the target.")
    n_customers: pl.Int32 = pa.Field(ge=1, description="Customers active in the window.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["division", "product_sku"]  # noqa: RUF012

    @pa.dataframe_check(error="target_customers is more than support")
    def _within_support(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("target_customers") <= pl.col("support"))


class Whitespace(pa.DataFrameModel):
    """The ranked list of a cutoff: one row per customer and division it does not own."""

    rank: pl.Int32 = pa.Field(ge=1, unique=True, description="Position in the list, 1 is best.")
    customer_id: str = pa.Field(description="Customer key.")
    customer_name: str = pa.Field(nullable=True, description="Customer as people know it.")
    division: str = pa.Field(description="Division offered (key).")
    division_name: str = pa.Field(description="Division offered, display name.")
    cutoff: pl.Date = pa.Field(description="Last day known to the ranking.")
    window_start: pl.Date = pa.Field(description="First day of the window the probability speaks about.")
    window_end: pl.Date = pa.Field(description="Last day of that window.")
    score: float = _unit("Weighted sum of the four components.")
    score_pct: float = _unit("Percentile of the score within its division.")
    score_grade: str = pa.Field(
        isin=GRADES, nullable=True, description="A-F from score_pct; empty when the division has no signal."
    )
    score_challenger: float = pa.Field(nullable=True, description="Score of the challenger; empty unless enabled.")
    p_icp: float = _unit("Calibrated probability of a purchase in the window.")
    p_icp_pct: float = _unit("Percentile of p_icp.")
    p_icp_grade: str = pa.Field(
        isin=GRADES, nullable=True, description="A-F from p_icp_pct; empty when the division has no signal."
    )
    base_rate: float = _unit("Average purchase rate of the division in training.", nullable=True)
    p_multiple: float = pa.Field(ge=0, nullable=True, description="p_icp / base_rate.")
    lift_norm: float = _unit("Percentile of the best market-basket lift; 0 without a rule.")
    als_norm: float = _unit("Percentile of similarity to owners; 0 without embeddings.")
    EV_norm: float = _unit("Percentile of capped recent gross profit.")
    gp_recent: float = pa.Field(nullable=True, description="Recent gross profit of the customer, account currency.")
    recency_days: pl.Int32 = pa.Field(
        nullable=True, description="Days since the customer's last line; empty: never. Breaks ties."
    )
    ownership: str = pa.Field(
        isin=("never", "lapsed", "owner"),
        nullable=True,
        description="never or lapsed; owner only when settings list owners; empty: unknown.",
    )
    segment: str = pa.Field(isin=SEGMENTS, description="warm, cold or prospect.")
    nba_reason: str = pa.Field(
        str_length={"min_value": 1, "max_value": MAX_REASON_CHARS}, description="Why this row, in one sentence."
    )
    selected: pl.Int8 = pa.Field(isin=(0, 1), description="1: inside the capacity.")
    model_status: str = pa.Field(description="Status of the model behind p_icp.")
    calibration_status: str = pa.Field(
        isin=CALIBRATION_STATUSES, description="Verdict of the newest closed validation on the probabilities."
    )
    model_version: str = pa.Field(description="sha256 of the model document.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["customer_id", "division"]  # noqa: RUF012

    @pa.dataframe_check(error="score does not fall with rank")
    def _ordered(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(
            (pl.col("score").diff() <= 0).fill_null(True) & (pl.col("rank").diff() == 1).fill_null(True)
        )

    @pa.dataframe_check(error="nba_reason holds a sensitive word")
    def _no_sensitive_word(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~is_sensitive("nba_reason"))


class WhitespaceExplanations(pa.DataFrameModel):
    """What carries each row of the list: same rows, same order."""

    rank: pl.Int32 = pa.Field(ge=1, unique=True, description="Position in the list.")
    customer_id: str = pa.Field(description="Customer key.")
    division: str = pa.Field(description="Division offered (key).")
    division_name: str = pa.Field(description="Division offered, display name.")
    cutoff: pl.Date = pa.Field(description="Last day known to the ranking.")
    score: float = _unit("Sum of the four contributions.")
    p_icp: float = _unit("Calibrated probability of a purchase in the window.")
    p_icp_pct: float = _unit("Percentile of p_icp.")
    lift_norm: float = _unit("Percentile of the best market-basket lift.")
    als_norm: float = _unit("Percentile of similarity to owners.")
    EV_norm: float = _unit("Percentile of capped recent gross profit.")
    contribution_p_icp: float = _unit("Weight of the probability x p_icp_pct.")
    contribution_lift: float = _unit("Weight of affinity x lift_norm.")
    contribution_als: float = _unit("Weight of similarity x als_norm.")
    contribution_ev: float = _unit("Weight of value x EV_norm.")
    top_1: str = pa.Field(nullable=True, description="Component with the largest contribution.")
    top_1_value: float = _unit("That contribution.", nullable=True)
    top_2: str = pa.Field(nullable=True, description="Component with the second largest contribution.")
    top_2_value: float = _unit("That contribution.", nullable=True)
    reason_1: str = tables.reason(1)
    reason_1_value: float = tables.reason_value(1)
    reason_1_contribution: float = tables.reason_contribution(1)
    reason_2: str = tables.reason(2)
    reason_2_value: float = tables.reason_value(2)
    reason_2_contribution: float = tables.reason_contribution(2)
    reason_3: str = tables.reason(3)
    reason_3_value: float = tables.reason_value(3)
    reason_3_contribution: float = tables.reason_contribution(3)
    why: str = pa.Field(
        nullable=True,
        description="The reasons in plain words: what is known of the customer, and whether it raises or lowers the "
        "probability.",
    )
    mb_lift_max: float = pa.Field(ge=0, nullable=True, description="Best lift among the customer's products.")
    mb_lift_mean: float = pa.Field(ge=0, nullable=True, description="Mean lift of its products that have a rule.")
    mb_top_sku: str = pa.Field(nullable=True, description="The product behind mb_lift_max.")
    nba_reason: str = pa.Field(description="Why this row, in one sentence.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["customer_id", "division"]  # noqa: RUF012

    @pa.dataframe_check(error="why holds a sensitive word")
    def _no_sensitive_word(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~is_sensitive("why").fill_null(False))


class ThresholdsWhitespace(pa.DataFrameModel):
    """Score at which a share of the list is reached."""

    mode: str = pa.Field(eq="top_percent", description="How the slice is taken.")
    k_percent: pl.Int32 = pa.Field(ge=1, le=100, unique=True, description="Share of the list, percent.")
    threshold: float = _unit("Lowest score inside the share.")
    count: pl.Int32 = pa.Field(ge=1, description="Rows with at least that score; more than the share on ties.")

    class Config:
        strict = True
        ordered = True
        coerce = False


class CapacitySummary(pa.DataFrameModel):
    """The selected slice by division; every division of the configuration has a row."""

    division: str = pa.Field(unique=True, description="Division (key).")
    division_name: str = pa.Field(description="Division, display name.")
    cutoff: pl.Date = pa.Field(description="Last day known to the ranking.")
    status: str = pa.Field(isin=STATUSES, description="What became of the division.")
    reason: str = pa.Field(nullable=True, description="Why it is not ranked; empty when it is.")
    selected_count: pl.Int32 = pa.Field(ge=0, description="Rows inside the capacity.")
    selected_share: float = _unit("Their share of all selected rows.")
    selected_expected_wins: float = pa.Field(ge=0, description="Sum of p_icp over them: purchases expected.")
    calibration_status: str = pa.Field(
        isin=CALIBRATION_STATUSES, description="Verdict of the newest closed validation."
    )
    calibration_ratio: float = pa.Field(
        ge=0, nullable=True, description="Expected / observed purchases in that validation; empty: no evidence."
    )
    eligibility_start_rows: pl.Int32 = pa.Field(ge=0, description="Scored rows.")
    eligibility_kept_rows: pl.Int32 = pa.Field(ge=0, description="Rows that passed every gate.")
    eligibility_owned_excluded: pl.Int32 = pa.Field(ge=0, description="Owners.")
    eligibility_recent_contact_excluded: pl.Int32 = pa.Field(ge=0, description="Contacted recently.")
    eligibility_open_deal_excluded: pl.Int32 = pa.Field(ge=0, description="With an open deal.")
    eligibility_region_mismatch_excluded: pl.Int32 = pa.Field(ge=0, description="Outside the rep's region.")
    eligibility_total_excluded: pl.Int32 = pa.Field(ge=0, description="Rows dropped by any gate.")
    segment_warm_selected: pl.Int32 = pa.Field(ge=0, description="Selected rows of warm customers.")
    segment_cold_selected: pl.Int32 = pa.Field(ge=0, description="Selected rows of cold customers.")
    segment_prospect_selected: pl.Int32 = pa.Field(ge=0, description="Selected rows of prospects.")

    class Config:
        strict = True
        ordered = True
        coerce = False

    @pa.dataframe_check(error="start rows are not kept plus excluded rows")
    def _balances(cls, data: pa.PolarsData) -> pl.LazyFrame:
        total = pl.col("eligibility_kept_rows") + pl.col("eligibility_total_excluded")
        return data.lazyframe.select(pl.col("eligibility_start_rows") == total)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Eligibility(_Document):
    """Rows before, dropped by each gate, and kept. Gates are disjoint: start = kept + excluded."""

    start_rows: int = Field(ge=0, description="Scored rows.")
    owned_excluded: int = Field(ge=0, description="Owners.")
    recent_contact_excluded: int = Field(ge=0, description="Contacted recently.")
    open_deal_excluded: int = Field(ge=0, description="With an open deal.")
    region_mismatch_excluded: int = Field(ge=0, description="Outside the rep's region.")
    total_excluded: int = Field(ge=0, description="Rows dropped by any gate.")
    kept_rows: int = Field(ge=0, description="Rows that passed every gate.")
    lapsed_kept: int = Field(ge=0, description="Former owners among the kept rows: win-back.")
    ownership_unknown_kept: int = Field(ge=0, description="Rows kept although their ownership is unknown.")
    region_unknown_kept: int = Field(ge=0, description="Rows kept although their region is unknown.")


class Coverage(_Document):
    """Share of candidates with a raw signal."""

    lift: float = Field(ge=0, le=1, description="With a market-basket lift above 0.")
    als: float = Field(ge=0, le=1, description="With an embedding.")


class Weights(_Document):
    """Weight of each component, summing to 1."""

    p_icp_pct: float = Field(ge=0, le=1, description="Probability.")
    lift_norm: float = Field(ge=0, le=1, description="Affinity.")
    als_norm: float = Field(ge=0, le=1, description="Similarity.")
    EV_norm: float = Field(ge=0, le=1, description="Value.")


class CalibrationEvidence(_Document):
    """What the newest closed validation before the cutoff says: same recipe, earlier model."""

    status: CalibrationStatus = Field(
        description="ok; off: ratio outside the tolerated range; insufficient_data; none: no closed validation."
    )
    evidence_cutoff: str | None = Field(description="Cutoff of that validation.")
    n: int | None = Field(description="Rows judged.")
    positives: int | None = Field(description="Distinct customers who bought.")
    ratio: float | None = Field(description="Expected / observed purchases.")


class Normalization(_Document):
    mode: Literal["percentile", "pooled"] = Field(description="Components ranked within the division, or over all.")
    ev_cap: float | None = Field(description="Gross profit at which value was capped, account currency.")
    ev_capped_rows: int = Field(ge=0, description="Rows above the cap.")
    has_signal: bool = Field(description="False: every candidate has the same probability, so nobody gets a grade.")


class Selection(_Document):
    mode: Literal["top_percent"] = Field(description="How the slice is taken.")
    k_percent: int = Field(description="Its size, percent of the list.")
    selected_count: int = Field(ge=0, description="Rows inside the capacity.")
    selected_share: float = Field(ge=0, le=1, description="Their share of all selected rows.")
    expected_wins: float = Field(ge=0, description="Purchases expected among them.")
    segments: dict[str, int] = Field(description="Selected rows by segment.")


class WhitespaceLogLine(_Document):
    """Everything that was decided about one division: one line of the log."""

    division: str = Field(description="Division (key).")
    division_name: str = Field(description="Division, display name.")
    cutoff: str = Field(description="Last day known to the ranking.")
    window_start: str = Field(description="First day the probabilities speak about.")
    window_end: str = Field(description="Last day the probabilities speak about.")
    status: Status = Field(description="What became of the division.")
    reason: str | None = Field(description="Why it is not ranked.")
    model_status: str | None = Field(description="Status of its model; null when nothing was scored.")
    leakage: str | None = Field(description="Verdict of its leakage report; null without one.")
    calibration: CalibrationEvidence = Field(description="Evidence about its probabilities.")
    gates: dict[str, GateStatus] | None = Field(description="What became of each eligibility gate.")
    eligibility: Eligibility | None = Field(description="Counts of the gates.")
    coverage: Coverage | None = Field(description="Coverage of affinity and similarity.")
    base_weights: Weights | None = Field(description="Weights of the settings.")
    weights: Weights | None = Field(description="Weights after scaling by coverage.")
    normalization: Normalization | None = Field(description="How components were made comparable.")
    selection: Selection | None = Field(description="What of the division was selected.")
    components: dict[str, str] = Field(description="State of each part of the ranking: built, off, not_built.")


class ShareWarning(_Document):
    """Concentration of the selected slice."""

    division: str | None = Field(description="Division with the largest share.")
    max_share: float = Field(ge=0, le=1, description="That share.")
    threshold: float = Field(description="Largest share tolerated.")
    warn: bool = Field(description="Whether the share is above the threshold.")


class SelectedSlice(_Document):
    rows: int = Field(ge=0, description="Selected rows.")
    customers: int = Field(ge=0, description="Distinct customers among them: accounts to work.")
    expected_wins: float = Field(ge=0, description="Sum of their probabilities.")


class WhitespaceMetrics(_Document):
    """Size, concentration, expected capture, coverage and weights of a list."""

    cutoff: str = Field(description="Last day known to the ranking.")
    window_start: str = Field(description="First day the probabilities speak about.")
    window_end: str = Field(description="Last day the probabilities speak about.")
    rows: int = Field(ge=0, description="Rows of the list.")
    customers: int = Field(ge=0, description="Distinct customers on it.")
    checksum: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of customer, division and score of every row.")
    normalize: Literal["percentile", "pooled"] = Field(description="How components were made comparable.")
    capacity_mode: Literal["top_percent"] = Field(description="How the slice was taken.")
    capacity_percent: int = Field(description="Its size, percent of the list.")
    selected: SelectedSlice = Field(description="The selected slice.")
    division_shares_top10pct: dict[str, float] = Field(description="Share of each division in the top 10 % of rows.")
    bias: ShareWarning = Field(description="Concentration of the selected slice.")
    capture_at_5: float | None = Field(description="Share of all expected purchases in the top 5 %.")
    capture_at_10: float | None = Field(description="Share of all expected purchases in the top 10 %.")
    capture_at_20: float | None = Field(description="Share of all expected purchases in the top 20 %.")
    expected_lift_at_10: float | None = Field(description="Mean probability of the top 10 % / of the whole list.")
    stability_jaccard: float | None = Field(
        description="Overlap of the selected slice with the previous cutoff's; null: no previous list was compared."
    )
    ev_capped_n: int = Field(ge=0, description="Rows whose value was capped.")
    coverage: dict[str, Coverage] = Field(description="By ranked division.")
    weights: dict[str, Weights] = Field(description="By ranked division.")
    eligibility: dict[str, Eligibility] = Field(description="By ranked division.")
    calibration: dict[str, CalibrationEvidence] = Field(description="By division.")
    held_divisions: dict[str, str] = Field(description="Divisions left out because a gate is shut, with the reason.")
    excluded_divisions: dict[str, str] = Field(description="Divisions left out for another reason, with it.")
