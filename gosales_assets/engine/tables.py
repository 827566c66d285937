"""Schemas shared by phases: gains, calibration, thresholds, the metrics of one population, the reasons of a customer.

Belongs here: the form of what `metrics` and `modeling.explain` compute. Does not belong here: documents and tables of
one phase only.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

MetricStatus = Literal["ok", "insufficient_data", "degenerate", "single_class", "window_open"]

_AT_K = re.compile(r"(lift|rev_lift|capture)@(100|[1-9][0-9]?)")


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


class Gains(_Table):
    """Positives and lift by decile of rank."""

    population: pl.String = pa.Field(isin=["all", "whitespace"], description="Rows judged: everybody, or non-owners.")
    decile: pl.Int64 = pa.Field(ge=1, le=10, description="Decile of rank, 1 = highest scores.")
    n: pl.Int64 = pa.Field(ge=1, description="Rows in the decile.")
    positives: pl.Int64 = pa.Field(ge=0, description="Positive rows in the decile.")
    fraction_positives: pl.Float64 = pa.Field(ge=0, le=1, description="Positives over rows.")
    mean_predicted: pl.Float64 = pa.Field(ge=0, le=1, description="Mean calibrated probability.")
    cum_capture: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Share of all positives in this decile and the better ones."
    )
    lift: pl.Float64 = pa.Field(
        ge=0, nullable=True, description="Rate of positives over the population's; empty when all scores are equal."
    )
    n_distinct_scores: pl.Int64 = pa.Field(ge=1, description="Distinct probabilities in the population.")

    class Config:
        unique: ClassVar = ["population", "decile"]


class Calibration(_Table):
    """Predicted against observed rates by bin of score."""

    population: pl.String = pa.Field(isin=["all", "whitespace"], description="Rows judged: everybody, or non-owners.")
    bin: pl.Int64 = pa.Field(ge=1, le=10, description="Bin of score, 1 = lowest.")
    p_min: pl.Float64 = pa.Field(ge=0, le=1, description="Smallest probability in the bin.")
    p_max: pl.Float64 = pa.Field(ge=0, le=1, description="Largest probability in the bin.")
    mean_predicted: pl.Float64 = pa.Field(ge=0, le=1, description="Mean probability.")
    fraction_positives: pl.Float64 = pa.Field(ge=0, le=1, description="Observed rate of positives.")
    count: pl.Int64 = pa.Field(ge=1, description="Rows in the bin.")
    positives: pl.Int64 = pa.Field(ge=0, description="Positive rows in the bin.")

    class Config:
        unique: ClassVar = ["population", "bin"]


class Thresholds(_Table):
    """What a score threshold selects, for each share of the list."""

    population: pl.String = pa.Field(isin=["all", "whitespace"], description="Rows judged: everybody, or non-owners.")
    k_percent: pl.Int64 = pa.Field(ge=1, le=100, description="Share of the list wanted, percent.")
    threshold: pl.Float64 = pa.Field(ge=0, le=1, description="Smallest probability inside it; select p >= threshold.")
    count: pl.Int64 = pa.Field(ge=1, description="Rows wanted: max(1, n*K // 100).")
    n_selected: pl.Int64 = pa.Field(ge=1, description="Rows with p >= threshold: more when probabilities tie.")
    precision: pl.Float64 = pa.Field(ge=0, le=1, description="Rate of positives among n_selected.")
    capture: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Share of all positives among n_selected.")

    class Config:
        unique: ClassVar = ["population", "k_percent"]


def reason(n: int) -> Any:
    """The column that names the feature of a reason."""
    return pa.Field(
        nullable=True, description=f"Feature with contribution number {n} by size to the log-odds; empty: none."
    )


def reason_value(n: int) -> Any:
    """The column with the customer's value of that feature."""
    return pa.Field(nullable=True, description=f"The customer's value of the feature in reason_{n}; empty: unknown.")


def reason_contribution(n: int) -> Any:
    """The column with what that feature does."""
    return pa.Field(
        nullable=True,
        description=f"What reason_{n} adds to the log-odds before calibration: positive raises the probability.",
    )


class PopulationMetrics(BaseModel):
    """The metrics of one population: what `metrics.summary` returns.

    ``lift@K``, ``rev_lift@K`` and ``capture@K`` stand beside the named fields, one of each per configured K.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float | None]

    status: MetricStatus = Field(description="Why metrics are empty, or ok.")
    n: int = Field(ge=0, description="Rows.")
    positives: int | None = Field(ge=0, description="Distinct positive customers; empty while the window is open.")
    base_rate: float | None = Field(ge=0, le=1, description="Positive rows over rows.")
    auc: float | None = Field(ge=0, le=1, description="Area under ROC, within a cutoff.")
    average_precision: float | None = Field(ge=0, le=1, description="Step-wise area under precision and recall.")
    pr_auc: float | None = Field(ge=0, le=1, description="Trapezoid area under precision and recall.")
    brier: float | None = Field(ge=0, le=1, description="Mean squared error of the probability.")
    cal_mae: float | None = Field(ge=0, le=1, description="Calibration error, weighted over bins.")
    n_distinct_scores: int | None = Field(ge=0, description="Distinct probabilities.")
    expected: float | None = Field(ge=0, description="Sum of probabilities.")
    observed: float | None = Field(ge=0, description="Positive rows.")
    ratio: float | None = Field(ge=0, description="Expected over observed positives.")
    ratio_lo: float | None = Field(ge=0, description="Lower end of its 95 % interval (Wilson).")
    ratio_hi: float | None = Field(ge=0, description="Upper end of its 95 % interval (Wilson).")

    @model_validator(mode="after")
    def _shares(self) -> PopulationMetrics:
        if unknown := [name for name in self.__pydantic_extra__ or {} if not _AT_K.fullmatch(name)]:
            raise ValueError(f"unknown metric {unknown[0]!r}; known beside the fields: lift@K, rev_lift@K, capture@K")
        return self
