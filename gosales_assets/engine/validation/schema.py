"""Contracts of the files of phase 5, and of the evidence later cutoffs read.

Belongs here: columns, types, ranges and keys of the tables, and the documents. Gains and calibration have the form of
training (`engine.tables`). Does not belong here: how a value is computed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Literal, Optional

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from gosales_assets.engine.tables import MetricStatus, PopulationMetrics

Population = Literal["all", "whitespace"]
#: Status of a table row's metrics.
ROW_STATUSES = ("ok", "insufficient_data", "window_open")
#: Status of a whole validation: besides those of its metrics, that no model was trained or nobody is left to sell to.
ValidationStatus = Literal[MetricStatus, "baseline", "saturated"]


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


def _share(description: str, *, nullable: bool = False) -> Any:
    return pa.Field(ge=0, le=1, nullable=nullable, description=description)


def _population() -> Any:
    return pa.Field(isin=["all", "whitespace"], description="Rows judged: everybody modelled, or non-owners.")


def _interval(of: str, end: str) -> Any:
    return pa.Field(nullable=True, description=f"{end} end of the 95 % interval of {of}; empty when not computed.")


class ValidationFrame(_Table):
    """Every scored customer beside what happened in the label window."""

    customer_id: pl.String = pa.Field(unique=True, description="Customer key.")
    division: pl.String = pa.Field(description="Target (key).")
    division_name: pl.String = pa.Field(description="Target, display name.")
    cutoff: pl.Date = pa.Field(description="Last day known to the score.")
    window_start: pl.Date = pa.Field(description="First day of the label window.")
    window_end: pl.Date = pa.Field(description="Last day of the label window.")
    segment: pl.String = pa.Field(isin=["warm", "cold", "prospect"], description="Segment at the cutoff.")
    ownership: pl.String = pa.Field(isin=["owner", "lapsed", "never"], description="Ownership of the target then.")
    industry: pl.String = pa.Field(nullable=True, description="Industry of the customer.")
    industry_sub: pl.String = pa.Field(nullable=True, description="Sub-industry of the customer.")
    rep: Optional[pl.String] = pa.Field(nullable=True, description="Representative at the cutoff.")  # noqa: UP045
    p_hat: pl.Float64 = _share("Calibrated probability of a purchase in the window.")
    margin: pl.Float64 = pa.Field(description="Uncalibrated score.")
    base_rate: pl.Float64 = _share("Rate of positives the model was trained on.", nullable=True)
    context__gp_recent: pl.Float64 = pa.Field(
        nullable=True, description="Gross profit over the recent window before the cutoff, account currency."
    )
    context__recency_days: pl.Int32 = pa.Field(
        ge=0, nullable=True, description="Days from the last line to the cutoff; empty for never."
    )
    ev_capped: pl.Float64 = pa.Field(description="context__gp_recent capped at a quantile, account currency.")
    ev_norm: pl.Float64 = _share("Rank share of ev_capped; 0 when it is equal for everybody.")
    label: pl.Int8 = pa.Field(isin=[0, 1], nullable=True, description="Bought in the window; empty while it is open.")
    holdout_gp: pl.Float64 = pa.Field(
        nullable=True, description="Net gross profit of the target in the window, account currency; empty while open."
    )
    censored_flag: pl.Int8 = pa.Field(isin=[0, 1], description="Whether the data ends before the window does.")
    window_open: pl.Boolean = pa.Field(description="Whether outcomes are not known yet.")
    label_source: pl.String = pa.Field(isin=["labels"], description="Where the outcome comes from.")

    @pa.dataframe_check(error="label and holdout_gp are known exactly when the window is closed")
    def _known_when_closed(cls, data: pa.PolarsData) -> pl.LazyFrame:
        unknown = pl.col("window_open")
        return data.lazyframe.select(
            (pl.col("label").is_null() == unknown) & (pl.col("holdout_gp").is_null() == unknown)
        )


class TopkScenarios(_Table):
    """What a capacity would have bought."""

    population: pl.String = _population()
    mode: pl.String = pa.Field(
        isin=["top_percent", "per_rep", "hybrid_segment"],
        description="top_percent: the best share. per_rep: the best of each rep. hybrid_segment: segments in turn.",
    )
    k_percent: pl.Int64 = pa.Field(ge=1, le=100, nullable=True, description="Share contacted, percent.")
    contacts: pl.Int64 = pa.Field(ge=0, description="Customers contacted.")
    capture: pl.Float64 = _share("Share of all buyers among them.", nullable=True)
    precision: pl.Float64 = _share("Rate of buyers among them.", nullable=True)
    expected_gp_norm: pl.Float64 = pa.Field(ge=0, description="Sum of ev_norm over them; no unit.")
    realized_gp: pl.Float64 = pa.Field(nullable=True, description="Net gross profit they brought, account currency.")
    rev_capture: pl.Float64 = _share("Their share of the positive gross profit.", nullable=True)
    accounts_per_rep: pl.Int64 = pa.Field(ge=1, nullable=True, description="Mode per_rep: contacts of each rep.")
    segment_column: pl.String = pa.Field(nullable=True, description="Mode hybrid_segment: the column turned over.")
    positives: pl.Int64 = pa.Field(ge=0, nullable=True, description="Buyers in the population; empty while open.")
    status: pl.String = pa.Field(isin=ROW_STATUSES, description="Why metrics are empty, or ok.")
    capture_ci_lo: pl.Float64 = _interval("capture", "Lower")
    capture_ci_hi: pl.Float64 = _interval("capture", "Upper")
    precision_ci_lo: pl.Float64 = _interval("precision", "Lower")
    precision_ci_hi: pl.Float64 = _interval("precision", "Upper")
    rev_capture_ci_lo: pl.Float64 = _interval("rev_capture", "Lower")
    rev_capture_ci_hi: pl.Float64 = _interval("rev_capture", "Upper")
    realized_gp_ci_lo: pl.Float64 = _interval("realized_gp", "Lower")
    realized_gp_ci_hi: pl.Float64 = _interval("realized_gp", "Upper")

    class Config:
        unique: ClassVar = ["population", "mode", "k_percent", "accounts_per_rep"]


class SegmentPerformance(_Table):
    """Performance inside each segment."""

    population: pl.String = _population()
    segment_col: pl.String = pa.Field(description="Column sliced by.")
    segment: pl.String = pa.Field(description="Its value; unknown when missing.")
    k_percent: pl.Int64 = pa.Field(ge=1, le=100, description="Share of the segment contacted, percent.")
    n: pl.Int64 = pa.Field(ge=1, description="Customers in the segment.")
    positives: pl.Int64 = pa.Field(ge=0, nullable=True, description="Buyers among them; empty while open.")
    contacts: pl.Int64 = pa.Field(ge=1, description="Customers contacted: max(1, n*K // 100).")
    capture: pl.Float64 = _share("Share of the segment's buyers among those contacted.", nullable=True)
    precision: pl.Float64 = _share("Rate of buyers among those contacted.", nullable=True)
    rev_capture: pl.Float64 = _share("Their share of the segment's positive gross profit.", nullable=True)
    status: pl.String = pa.Field(isin=ROW_STATUSES, description="Why metrics are empty, or ok.")

    class Config:
        unique: ClassVar = ["population", "segment_col", "segment", "k_percent"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DriftHeadline(_Document):
    """Distances of one population."""

    n_train: int = Field(ge=0, description="Out-of-fold training scores compared.")
    n_current: int = Field(ge=0, description="Scores now.")
    ks_phat_train_holdout: float | None = Field(
        ge=0, le=1, description="Distance of the scores now from the out-of-fold scores of the training cutoffs."
    )
    ks_p_hat_pos_vs_neg: float | None = Field(ge=0, le=1, description="Distance of buyers' from non-buyers' scores.")
    psi_ev_vs_holdout_gp: float | None = Field(
        ge=0, description="How differently realized gross profit spreads over deciles of expected value."
    )


class PopulationDrift(DriftHeadline):
    positives: int | None = Field(ge=0, description="Buyers; empty while the window is open.")


class Highlight(_Document):
    feature: str = Field(description="Feature.")
    psi: float = Field(ge=0, description="Population stability index.")


class DriftHighlights(_Document):
    psi_threshold: float = Field(description="From this value a feature is flagged.")
    psi_flagged_top: list[Highlight] = Field(max_length=20, description="Flagged features, most drifted first.")


class FeatureDrift(_Document):
    psi: float | None = Field(ge=0, description="Population stability index; empty when unknown.")
    n_baseline: int = Field(ge=0, description="Training rows compared.")
    n_current: int = Field(ge=0, description="Rows now.")
    status: Literal["ok", "flagged", "reported", "insufficient_data", "unknown"] = Field(
        description="reported: grows by construction, never flagged. insufficient_data: too few rows for a verdict. "
        "unknown: absent or empty on one side."
    )


class Drift(PopulationDrift):
    """Distance of a cutoff from what its model learned from."""

    division: str = Field(description="Target (key).")
    cutoff: dt.date = Field(description="Cutoff judged.")
    population: Population = Field(description="Population of the values at the top.")
    by_population: dict[Population, PopulationDrift] = Field(description="The same for each population.")
    psi_threshold: float = Field(description="From this value a feature is flagged.")
    psi_min_rows: int = Field(description="Rows either side needs for a flag.")
    psi_per_feature: dict[str, FeatureDrift] = Field(description="Every feature of the model or of the cutoff.")
    highlights: list[Highlight] = Field(max_length=20, description="Flagged features, most drifted first.")


class ValidationMetrics(_Document):
    """Forward metrics of one division at one cutoff."""

    division: str = Field(description="Target (key).")
    division_name: str = Field(description="Target, display name.")
    cutoff: dt.date = Field(description="Cutoff judged.")
    model_cutoff: dt.date | None = Field(description="Cutoff of the model; always the one judged.")
    model_version: str | None = Field(description="sha256 of the model.")
    model_status: str | None = Field(description="ok, or why there is no model.")
    calibration_method: str | None = Field(description="Map from score to probability.")
    training_cutoffs: list[dt.date] = Field(description="Cutoffs the model learned from.")
    training_label_window_end: dt.date | None = Field(description="Last day of their labels; not after the cutoff.")
    label_source: Literal["labels"] = Field(description="Where outcomes come from.")
    window_start: dt.date | None = Field(description="First day of the label window.")
    window_end: dt.date | None = Field(description="Last day of the label window.")
    prediction_window_months: int | None = Field(description="Its length, months.")
    rows: int = Field(ge=0, description="Customers judged.")
    rows_unlabelled: int = Field(ge=0, description="Scored customers without a label (never bought anything).")
    status: ValidationStatus = Field(
        description="window_open: outcomes not known. baseline: no model. saturated: hardly any whitespace. "
        "Else the status of the metrics of `population`."
    )
    population: Population = Field(description="Population that counts: alerts and roll-ups read it.")
    saturated: bool = Field(description="Whether the whitespace is too small to speak for the division.")
    final: dict[Population, PopulationMetrics] = Field(description="The metrics, in the form of training.")
    capture_grid: dict[Population, dict[str, float | None]] = Field(description="Capture by capacity, percent.")
    holdout_gp: dict[Population, float | None] = Field(description="Net gross profit in the window, account currency.")
    ev_cap: float | None = Field(description="Largest expected value after the cap, account currency.")
    ev_capped_rows: int = Field(ge=0, description="Customers above the cap.")
    segment_columns: list[str] = Field(description="Columns performance was sliced by.")
    segment_columns_absent: list[str] = Field(description="Configured columns that do not exist.")
    drift: DriftHeadline = Field(description="The distances of `population`.")
    drift_highlights: DriftHighlights = Field(description="Flagged features.")


class Alert(_Document):
    type: str = Field(description="Rule.")
    value: float = Field(description="What was found.")
    threshold: float | None = Field(description="The limit it is compared with.")
    message: str = Field(description="One sentence.")
    severity: Literal["WARN", "ERROR"] = Field(description="WARN stops nothing.")


class UnknownAlert(_Document):
    type: str = Field(description="Rule.")
    reason: str = Field(description="Why it could not be judged.")


class Alerts(_Document):
    """What validation warns about, and what it could not judge."""

    division: str = Field(description="Target (key).")
    cutoff: dt.date = Field(description="Cutoff judged.")
    population: Population = Field(description="Population judged.")
    status: Literal["ok", "alert", "unknown"] = Field(description="ok only when every rule was judged and none fired.")
    alerts: list[Alert] = Field(description="Rules that fired.")
    unknown: list[UnknownAlert] = Field(description="Rules that could not be judged.")


class ClosedCalibration(_Document):
    """Expected against observed positives of the newest validation that had closed by a cutoff."""

    division: str = Field(description="Target (key).")
    cutoff: dt.date = Field(description="Cutoff that may read this.")
    evidence_cutoff: dt.date | None = Field(description="Cutoff of the validation; earlier.")
    population: Population = Field(description="Population judged.")
    status: Literal["ok", "none", "insufficient_data"] = Field(description="none: no validation had closed.")
    n: int | None = Field(ge=0, description="Customers judged.")
    positives: int | None = Field(ge=0, description="Buyers.")
    expected: float | None = Field(ge=0, description="Sum of probabilities.")
    observed: float | None = Field(ge=0, description="Buyers.")
    ratio: float | None = Field(ge=0, description="Expected over observed.")
    ratio_lo: float | None = Field(ge=0, description="Lower end of its 95 % interval (Wilson).")
    ratio_hi: float | None = Field(ge=0, description="Upper end of its 95 % interval (Wilson).")
    mae: float | None = Field(ge=0, le=1, description="Mean absolute calibration error, weighted over bins.")
