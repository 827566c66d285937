"""Schemas of the feature artifacts: matrix, catalog, statistics, list.

Belongs here: the form of what `build` and `registry` return. Does not belong here: which features exist, which
`feature_list` says.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData
from pydantic import BaseModel, ConfigDict, Field, model_validator

SEGMENTS = ["warm", "cold", "prospect"]
OWNERSHIPS = ["owner", "lapsed", "never"]
NAME = r"[a-z0-9_]+"
SOURCE = "(fact_transactions|dim_customer|fact_assets)"


class _Keyed(pa.DataFrameModel):
    """A frame with one row per customer; feature columns beside the declared ones are `feature_list`'s business."""

    customer_id: pl.String = pa.Field(unique=True, description="Customer key, text.")
    segment: pl.String = pa.Field(isin=SEGMENTS, description="warm, cold or prospect at the cutoff.")
    context__gp_recent: pl.Float64 = pa.Field(
        description="Gross profit of the last 12 months or the longest window, account currency. No feature."
    )
    context__tx_recent: pl.Int32 = pa.Field(ge=0, description="Lines in the same window. No feature.")
    context__gp_life: pl.Float64 = pa.Field(description="Gross profit up to the cutoff, account currency. No feature.")
    context__recency_days: pl.Int32 = pa.Field(
        ge=0, nullable=True, description="Days since the last line; null when there is none. No feature."
    )

    class Config:
        strict = False
        coerce = False

    @pa.dataframe_check(description="Rows are sorted by customer_id.")
    def sorted_by_customer(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(
            (pl.col("customer_id") > pl.col("customer_id").shift(1)).fill_null(True).all().alias("sorted")
        )

    @pa.dataframe_check(description="Column names are of lower-case letters, digits and underscores.")
    def safe_names(cls, data: PolarsData) -> pl.LazyFrame:
        names = pl.Series("name", data.lazyframe.collect_schema().names())
        return names.to_frame().lazy().select(pl.col("name").str.contains(f"^{NAME}$").all())

    @pa.dataframe_check(description="No value is NaN or infinite: the unknown is null.")
    def finite(cls, data: PolarsData) -> pl.LazyFrame:
        floats = [name for name, dtype in data.lazyframe.collect_schema().items() if dtype.is_float()]
        known = pl.all_horizontal([pl.col(c).is_finite().fill_null(True).all() for c in floats])
        return data.lazyframe.select(known.alias("finite"))


class CustomerBase(_Keyed):
    """What is the same for all targets at a cutoff, per customer, uncapped."""


class BaseProfile(pa.DataFrameModel):
    """One row per numeric column of the customer base, in their order."""

    column: pl.String = pa.Field(unique=True, str_matches=f"^{NAME}$", description="Column of the base.")
    dtype: pl.String = pa.Field(description="Polars type.")
    rows: pl.Int64 = pa.Field(ge=0, description="Customers.")
    non_null: pl.Int64 = pa.Field(ge=0, description="Customers of whom it is known.")
    non_zero: pl.Int64 = pa.Field(ge=0, description="Customers of whom it is known and not zero.")
    n_unique: pl.Int64 = pa.Field(ge=0, description="Distinct values.")
    min: pl.Float64 = pa.Field(nullable=True, description="Smallest value; null without one.")
    max: pl.Float64 = pa.Field(nullable=True, description="Largest value; null without one.")
    mean: pl.Float64 = pa.Field(nullable=True, description="Mean of what is known; null without one.")
    digest: pl.String = pa.Field(str_matches=r"^[0-9a-f]{64}$", description="sha256 of type and values.")

    class Config:
        strict = True
        coerce = False

    @pa.dataframe_check(description="What is not zero is known, and what is known is of a customer.")
    def counts_nest(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(
            (pl.col("non_zero") <= pl.col("non_null")) & (pl.col("non_null") <= pl.col("rows"))
        )


class Features(_Keyed):
    """The feature matrix of a target at a cutoff."""

    ownership: pl.String = pa.Field(isin=OWNERSHIPS, description="owner, lapsed or never of the target at the cutoff.")


class FeatureCatalog(pa.DataFrameModel):
    """One row per feature, in the order of the matrix."""

    name: pl.String = pa.Field(unique=True, str_matches=f"^{NAME}$", description="Column of the matrix.")
    family: pl.String = pa.Field(description="First part of the name.")
    scope: pl.String = pa.Field(isin=["all", "div"], description="all: every line. div: lines of the target.")
    window_months: pl.Int16 = pa.Field(ge=1, nullable=True, description="Length of the window; empty: whole history.")
    window_start: pl.Date = pa.Field(nullable=True, description="First day read; empty: whole history.")
    window_end: pl.Date = pa.Field(description="Last day read.")
    lag_days: pl.Int16 = pa.Field(ge=0, description="Days before the cutoff at which the window ends.")
    source_table: pl.String = pa.Field(
        str_matches=rf"^{SOURCE}( \+ {SOURCE})*$", description="Artifacts the feature is computed from."
    )
    dtype: pl.String = pa.Field(isin=["Int32", "Int8", "Float64"], description="Type in the matrix.")
    null_policy: pl.String = pa.Field(
        isin=["zero", "null", "known"],
        description="zero: nothing booked is a known 0. null: unknown stays empty. known: always has a value.",
    )
    known_forward: pl.Boolean = pa.Field(description="May speak of days after the cutoff that were known by then.")
    pooled: pl.Boolean = pa.Field(description="Rests on lines of other customers and products too: a rate, a lift.")
    safe: pl.Boolean = pa.Field(description="Does not say mainly what happened close to the cutoff.")
    segments: pl.String = pa.Field(
        str_matches=r"^((warm|cold|prospect)(, )?)*$", description="Segments that may use it; empty for the others."
    )
    coverage: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        description="Share of customers with something there: a value, for sums and counts other than 0.",
    )
    n_unique: pl.Int64 = pa.Field(ge=0, description="Distinct values; empty is none.")
    description: pl.String = pa.Field(description="Meaning and unit.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique: ClassVar = ["name"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ColumnStats(_Document):
    """One numeric column of the matrix, as stored."""

    dtype: str = Field(description="Polars type.")
    non_null: int = Field(ge=0, description="Customers with a value.")
    coverage: float = Field(ge=0, le=1, description="As in the catalog: before zeros are filled in.")
    min: float | None = Field(description="Smallest value; null without one.")
    max: float | None = Field(description="Largest value; null without one.")
    mean: float | None = Field(description="Mean of the values; null without one.")


class WinsorCap(_Document):
    """The caps of one column as they were applied."""

    lower: float | None = Field(description="Smallest value: nothing is cut from below.")
    upper: float | None = Field(description="Value larger ones were lowered to; null when there was nothing to fit on.")
    n_clipped: int = Field(ge=0, description="Customers whose value was lowered.")
    fit_rows: int = Field(ge=0, description="Customers the quantile was taken over.")
    fit_population: list[Literal["warm", "cold", "prospect"]] = Field(description="Their segments.")


class FeatureStats(_Document):
    """Statistics of a feature matrix."""

    columns: dict[str, ColumnStats] = Field(description="By column: context and features.")
    winsor_caps: dict[str, WinsorCap] = Field(description="By capped column.")
    row_count: int = Field(ge=0, description="Customers.")
    segments: dict[Literal["warm", "cold", "prospect"], int] = Field(description="Customers by segment.")
    feature_list_version: str = Field(pattern=r"^[0-9a-f]{64}$", description="Version of the list of features.")
    checksum: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$", description="Of names, types and values, whatever the file format."
    )

    @model_validator(mode="after")
    def _balanced(self) -> FeatureStats:
        if sum(self.segments.values()) != self.row_count:
            raise ValueError(f"segments add up to {sum(self.segments.values())}, row_count is {self.row_count}")
        return self


class ListedFeature(_Document):
    """One column a model may be given."""

    name: str = Field(pattern=f"^{NAME}$", description="Column of the matrix.")
    dtype: Literal["Int32", "Int8", "Float64"] = Field(description="Its type.")
    family: str = Field(description="Its family.")
    safe: bool = Field(description="Whether a model that must not lean on the eve of the cutoff may read it.")


class FeatureList(_Document):
    """The canonical list of expected features, in order."""

    version: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the list.")
    features: list[ListedFeature] = Field(description="In the order of the matrix.")
