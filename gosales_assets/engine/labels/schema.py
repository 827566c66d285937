"""Schemas of the label tables and of the cutoff manifest.

Belongs here: columns, types, ranges and keys. Does not belong here: how a label is made.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


class Labels(_Table):
    """One row per customer of the roster as of the cutoff."""

    customer_id: pl.String = pa.Field(unique=True, description="Customer key.")
    division: pl.String = pa.Field(description="Slug of the target.")
    division_name: pl.String = pa.Field(description="Display name of the target.")
    cutoff: pl.Date = pa.Field(description="Last day known.")
    label: pl.Int8 = pa.Field(isin=[0, 1], description="1 when the target was bought in the window, net of returns.")
    window_start: pl.Date = pa.Field(description="First day of the label window.")
    window_end: pl.Date = pa.Field(description="Last day of the label window.")
    requested_window_months: pl.Int16 = pa.Field(ge=1, description="Length of the window asked for, months.")
    effective_window_months: pl.Int16 = pa.Field(
        ge=1, description="Length of the window used, months; longer if widened."
    )
    ownership: pl.String = pa.Field(isin=["owner", "lapsed", "never"], description="Ownership at the cutoff.")
    segment: pl.String = pa.Field(isin=["warm", "cold", "prospect"], description="Segment at the cutoff.")
    is_new_logo: pl.Int8 = pa.Field(isin=[0, 1], description="Had bought nothing by the cutoff.")
    is_expansion: pl.Int8 = pa.Field(isin=[0, 1], description="Had bought, but does not own the target.")
    is_renewal_like: pl.Int8 = pa.Field(isin=[0, 1], description="Owns the target.")
    censored_flag: pl.Int8 = pa.Field(isin=[0, 1], description="The data ends before the window does.")
    net_gp_window: pl.Float64 = pa.Field(description="Gross profit of the target in the window, net of returns.")
    net_qty_window: pl.Float64 = pa.Field(description="Quantity of the target in the window, net of returns.")
    n_target_lines: pl.Int32 = pa.Field(ge=0, description="Lines of the target in the window.")
    first_purchase_date_in_window: pl.Date = pa.Field(
        nullable=True, description="First day in the window with a line of the target that is no return."
    )


class LabelPrevalence(_Table):
    """Positives and their share, one row; no row when the roster is empty."""

    division: pl.String = pa.Field(description="Slug of the target.")
    cutoff: pl.Date = pa.Field(description="Last day known.")
    mode: pl.String = pa.Field(isin=["all", "expansion"], description="Who has a label row.")
    window_start: pl.Date = pa.Field(description="First day of the label window.")
    window_end: pl.Date = pa.Field(description="Last day of the label window.")
    total: pl.Int64 = pa.Field(ge=1, description="Customers with a label.")
    positives: pl.Int64 = pa.Field(ge=0, description="Customers with label 1.")
    prevalence: pl.Float64 = pa.Field(ge=0, le=1, description="Positives over total, 6 decimals.")
    is_new_logo: pl.Int64 = pa.Field(ge=0, description="Customers that had bought nothing.")
    is_expansion: pl.Int64 = pa.Field(ge=0, description="Customers that had bought, but not the target.")
    is_renewal_like: pl.Int64 = pa.Field(ge=0, description="Owners of the target.")
    positives_new_logo: pl.Int64 = pa.Field(ge=0, description="Positives among new logos.")
    positives_expansion: pl.Int64 = pa.Field(ge=0, description="Positives among expansions.")
    positives_renewal_like: pl.Int64 = pa.Field(ge=0, description="Positives among owners.")
    prevalence_new_logo: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Share; empty without rows.")
    prevalence_expansion: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Share; empty without rows.")
    prevalence_renewal_like: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Share; empty without rows.")
    whitespace: pl.Int64 = pa.Field(ge=0, description="Customers who do not own the target.")
    positives_whitespace: pl.Int64 = pa.Field(ge=0, description="Positives among them.")
    prevalence_whitespace: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Share; empty without rows.")
    censored: pl.Int64 = pa.Field(ge=0, description="Rows whose window the data does not cover.")

    class Config:
        unique: ClassVar = ["division", "cutoff"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ManifestEntry(_Document):
    """What the labels of one cutoff meant."""

    status: Literal["ok", "empty"] = Field(description="`empty`: no customer was known at the cutoff.")
    mode: Literal["all", "expansion"] = Field(description="Who has a label row.")
    requested_window_months: int = Field(ge=1, description="Window asked for, months.")
    effective_window_months: int | None = Field(ge=1, description="Window used, months; null when empty.")
    widened: bool = Field(description="Whether the window was widened to find positives.")
    window_start: date | None = Field(description="First day of the window; null when empty.")
    window_end: date | None = Field(description="Last day of the window; null when empty.")
    window_rule: Literal["month_end_snap"] = Field(description="How months are added.")
    buffer_days: int = Field(ge=0, description="Days between cutoff and window.")
    gp_min_threshold: float = Field(description="Net gross profit must exceed this.")
    label_basis: Literal["gp", "gp_or_qty"] = Field(description="What makes a purchase.")
    denylist_sha256: str = Field(description="Hash of the sorted denylist.")
    denylist_skus: list[str] = Field(description="SKUs that make neither a label nor an owner.")
    data_max_order_date: date | None = Field(description="Last order in the data; null without data.")
    data_as_of: date | None = Field(description="Last day the data is complete for; null without data.")
    data_as_of_declared: bool = Field(description="Whether the source declares that day, or it was inferred.")
    censored: bool = Field(description="The data ends before the window does.")
    censor_reason: str | None = Field(description="Why; null when not censored.")
    rows: int = Field(ge=0, description="Label rows.")
    positives: int = Field(ge=0, description="Rows with label 1.")
    prevalence: float | None = Field(ge=0, le=1, description="Positives over rows, 6 decimals; null when empty.")
    fact_checksum: str = Field(description="Content hash of the facts, as in checksums.json.")
    labels_sha256: str = Field(description="Content hash of the labels.")


class CutoffManifest(_Document):
    """What every label of a division meant, by cutoff, ascending."""

    division: str = Field(description="Slug of the target.")
    division_name: str = Field(description="Display name.")
    target_kind: Literal["division", "sku_set"] = Field(description="How lines are matched.")
    skus: list[str] = Field(description="SKUs of the target, sorted.")
    cutoffs: dict[str, ManifestEntry] = Field(description="Entries by cutoff.")
