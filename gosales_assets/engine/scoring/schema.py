"""Schema of the scores."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from gosales_assets.engine import tables


class DivisionScores(pa.DataFrameModel):
    """Probability of buying the target in the window, one row per modelled customer."""

    customer_id: pl.String = pa.Field(unique=True, description="Customer key.")
    division: pl.String = pa.Field(description="Slug of the target.")
    division_name: pl.String = pa.Field(description="Display name of the target.")
    cutoff: pl.Date = pa.Field(description="Last day known.")
    window_start: pl.Date = pa.Field(description="First day the probability speaks of.")
    window_end: pl.Date = pa.Field(description="Last day it speaks of.")
    prediction_window_months: pl.Int16 = pa.Field(ge=1, description="Months it speaks of.")
    segment: pl.String = pa.Field(isin=["warm", "cold", "prospect"], description="Segment at the cutoff.")
    ownership: pl.String = pa.Field(isin=["owner", "lapsed", "never"], description="Ownership at the cutoff.")
    p_hat: pl.Float64 = pa.Field(ge=0, le=1, description="Calibrated probability of a purchase in the window.")
    margin: pl.Float64 = pa.Field(description="Log-odds before calibration.")
    base_rate: pl.Float64 = pa.Field(ge=0, le=1, description="Prevalence the probability is compared with.")
    model_status: pl.String = pa.Field(
        isin=["ok", "insufficient_data"], description="insufficient_data: everybody has the base rate."
    )
    calibration_method: pl.String = pa.Field(isin=["platt", "isotonic", "none"], description="Map behind p_hat.")
    model_version: pl.String = pa.Field(description="sha256 of the model document.")
    reason_1: pl.String = tables.reason(1)
    reason_1_value: pl.Float64 = tables.reason_value(1)
    reason_1_contribution: pl.Float64 = tables.reason_contribution(1)
    reason_2: pl.String = tables.reason(2)
    reason_2_value: pl.Float64 = tables.reason_value(2)
    reason_2_contribution: pl.Float64 = tables.reason_contribution(2)
    reason_3: pl.String = tables.reason(3)
    reason_3_value: pl.Float64 = tables.reason_value(3)
    reason_3_contribution: pl.Float64 = tables.reason_contribution(3)
    context__gp_recent: pl.Float64 = pa.Field(
        nullable=True, description="Gross profit of the recent year, account currency."
    )
    context__tx_recent: pl.Int32 = pa.Field(nullable=True, ge=0, description="Lines in the same window.")
    context__gp_life: pl.Float64 = pa.Field(nullable=True, description="Gross profit up to the cutoff.")
    context__recency_days: pl.Int32 = pa.Field(
        nullable=True, ge=0, description="Days since the last line; empty: never bought."
    )

    class Config:
        strict = True
        ordered = True
        coerce = False
