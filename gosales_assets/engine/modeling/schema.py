"""Schemas of what a training writes: its tables and its documents.

Belongs here: columns, types, ranges, keys, the form of the documents. Does not belong here: gains, calibration and
thresholds, whose form training and validation share (`engine.tables`).
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gosales_assets.engine.tables import PopulationMetrics

Status = Literal["ok", "insufficient_data"]
Population = Literal["all", "whitespace"]
Reason = Literal["no_closed_history", "single_class", "min_positive_customers", "insufficient_per_class"]


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


class FoldCustomerOverlap(_Table):
    """What the two sides of each fold share."""

    fold_kind: pl.String = pa.Field(
        isin=["group", "time"], description="group: split by customer. time: split by cutoff."
    )
    cutoff: pl.Date = pa.Field(nullable=True, description="Cutoff validated on; empty for group folds.")
    fold: pl.Int16 = pa.Field(ge=0, description="Number of the fold within its kind.")
    n_train: pl.Int64 = pa.Field(ge=0, description="Rows learned from.")
    n_valid: pl.Int64 = pa.Field(ge=0, description="Rows held out.")
    n_overlap: pl.Int64 = pa.Field(ge=0, description="Distinct customers on both sides.")
    label_calendar_overlap: pl.Int8 = pa.Field(
        isin=[0, 1], nullable=True, description="1: label windows of the sides share days; empty for group folds."
    )
    purge_days: pl.Int32 = pa.Field(
        nullable=True, description="Days between the last training label and the cutoff validated on."
    )
    embargo_days: pl.Int32 = pa.Field(ge=0, description="Days that must lie between.")
    status: pl.String = pa.Field(
        isin=["PASS", "FAIL", "INFO"], description="FAIL: the fold leaks. INFO: customers repeat over time, by design."
    )
    reason: pl.String = pa.Field(description="Why; empty for PASS.")

    class Config:
        unique: ClassVar = ["fold_kind", "fold"]


class ShapSummary(_Table):
    """Mean contribution of every feature to the model that is scored; no row for a baseline."""

    rank: pl.Int32 = pa.Field(ge=1, unique=True, description="1 = largest mean absolute contribution.")
    feature: pl.String = pa.Field(unique=True, description="Feature of the model.")
    family: pl.String = pa.Field(description="Its family.")
    mean_abs_shap: pl.Float64 = pa.Field(ge=0, description="Mean absolute contribution, log-odds.")
    mean_shap: pl.Float64 = pa.Field(description="Mean contribution, log-odds.")


class TrainScores(_Table):
    """Scores of training rows by models that did not see them."""

    customer_id: pl.String = pa.Field(description="Customer key.")
    cutoff: pl.Date = pa.Field(description="Past cutoff of the row.")
    segment: pl.String = pa.Field(isin=["warm", "cold", "prospect"], description="Segment at that cutoff.")
    ownership: pl.String = pa.Field(isin=["owner", "lapsed", "never"], description="Ownership at that cutoff.")
    label: pl.Int8 = pa.Field(isin=[0, 1], description="Whether the target was bought in the label window.")
    weight_gp: pl.Float64 = pa.Field(description="Gross profit of the recent year at that cutoff, account currency.")
    fold_kind: pl.String = pa.Field(isin=["group", "time"], description="Kind of fold the row was held out in.")
    fold: pl.Int16 = pa.Field(ge=0, description="Fold the row was held out in.")
    margin: pl.Float64 = pa.Field(description="Log-odds before calibration, from a model that did not see the row.")
    p_oof: pl.Float64 = pa.Field(ge=0, le=1, description="Probability, from a calibrator that did not see the row.")
    p_in_sample: pl.Float64 = pa.Field(
        ge=0, le=1, description="Probability from the stored model, which was fitted on the row: no evidence."
    )

    class Config:
        unique: ClassVar = ["customer_id", "cutoff", "fold_kind"]


class TrainFeatureSample(pa.DataFrameModel):
    """A seeded sample of training rows with their raw feature values; unknown stays null."""

    customer_id: pl.String = pa.Field(description="Customer key.")
    cutoff: pl.Date = pa.Field(description="Past cutoff of the row.")

    class Config:
        strict = False
        coerce = False
        unique: ClassVar = ["customer_id", "cutoff"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Calibrator(_Document):
    """The map from margin to probability."""

    method: Literal["platt", "isotonic", "none"] = Field(description="Kind of map.")
    slope: float | None = Field(None, ge=0, description="platt: p = 1 / (1 + exp(-(slope * margin + intercept))).")
    intercept: float | None = Field(None, description="platt: see slope.")
    x: list[float] | None = Field(None, description="isotonic: margins of the knots, rising.")
    y: list[float] | None = Field(None, description="isotonic: probabilities at the knots.")

    @model_validator(mode="after")
    def _complete(self) -> Calibrator:
        needs = {"platt": ("slope", "intercept"), "isotonic": ("x", "y"), "none": ()}[self.method]
        given = tuple(n for n in ("slope", "intercept", "x", "y") if getattr(self, n) is not None)
        if given != needs:
            raise ValueError(f"calibrator {self.method} has the parameters {given}; it needs {needs}")
        if self.x is not None and self.y is not None:
            rising = all(a < b for a, b in zip(self.x, self.x[1:], strict=False))
            if not self.x or len(self.x) != len(self.y) or not rising or not all(0 <= p <= 1 for p in self.y):
                raise ValueError("isotonic knots: x must rise, y must hold one probability per x")
        return self


class Imputer(_Document):
    strategy: Literal["mean"] = Field(description="What an unknown value becomes.")
    values: list[float] = Field(description="Per feature, on the scale of the scaler's transform.")


class Scaler(_Document):
    transform: Literal["signed_log"] = Field(description="signed_log: sign(x) log(1 + |x|), before all else.")
    mean: list[float] = Field(description="Per feature, subtracted after imputation.")
    scale: list[float] = Field(description="Per feature, divided by.")


class LinearModel(_Document):
    """A logistic regression as numbers: log-odds = intercept + sum of coefficient * (x' - mean) / scale."""

    coefficients: list[float] = Field(description="Per feature, log-odds per standard deviation.")
    intercept: float = Field(description="Log-odds of the average row.")
    imputer: Imputer = Field(description="Unknown values.")
    scaler: Scaler = Field(description="Scale of the features.")
    iterations: int = Field(ge=0, description="Steps of the solver.")
    converged: bool = Field(description="Whether it reached its tolerance.")


class TrainingBlock(_Document):
    """What a model learned from."""

    cutoffs: list[date] = Field(description="Cutoffs learned from, ascending.")
    label_window_end: date | None = Field(description="Last day of the last label window.")
    embargo_days: int = Field(ge=0, description="Days kept between it and the cutoff of the model.")
    n_rows: int = Field(ge=0, description="Rows.")
    n_customers: int = Field(ge=0, description="Distinct customers.")
    positives: int = Field(ge=0, description="Distinct positive customers.")
    positive_rows: int = Field(ge=0, description="Positive rows.")
    n_trees: int = Field(ge=0, description="Trees of the model.")
    rows_sha256: str = Field(description="sha256 of the sorted keys of those rows.")


class ModelDocument(_Document):
    """A model: everything scoring needs, as text and numbers."""

    format: Literal[2] = Field(description="Version of this form.")
    status: Status = Field(description="insufficient_data: a prevalence baseline.")
    kind: Literal["lightgbm", "logreg", "baseline"] = Field(description="What makes the margin.")
    mode: Literal["full", "safe"] = Field(description="safe: without features that lean on the eve of the cutoff.")
    division: str = Field(description="Slug of the target.")
    division_name: str = Field(description="Display name of the target.")
    cutoff: date = Field(description="Cutoff of the model.")
    booster: str | None = Field(description="lightgbm: the trees as text.")
    linear: LinearModel | None = Field(description="logreg: coefficients, scaler, imputer.")
    features: list[str] = Field(description="Columns of the matrix, in order; empty for a baseline.")
    feature_list_version: str = Field(description="Version of the feature list it was trained on.")
    calibrator: Calibrator = Field(description="From margin to probability.")
    base_rate: float = Field(ge=0, le=1, description="Prevalence of the past rows; smoothed for a baseline.")
    base_rate_population: Population = Field(description="Rows it was taken of, and calibrated on.")
    segments: list[str] = Field(description="Segments modelled.")
    training: TrainingBlock = Field(description="What it learned from.")
    recipe: str = Field(description="sha256 of everything but the data that decides what a training makes.")

    @model_validator(mode="after")
    def _one_kind(self) -> ModelDocument:
        has = (self.booster is not None, self.linear is not None, bool(self.features), self.status == "ok")
        fitted = self.kind != "baseline"
        if has != (self.kind == "lightgbm", self.kind == "logreg", fitted, fitted):
            raise ValueError(
                "a model has what its kind says (lightgbm: booster, logreg: linear), features and status ok; a "
                "baseline has none of them"
            )
        return self


class CutoffMetrics(PopulationMetrics):
    """Metrics of one population at one cutoff."""

    cutoff: date = Field(description="Cutoff judged.")
    population: Population = Field(description="Rows judged.")


class ByPopulation(_Document):
    all: PopulationMetrics = Field(description="The modelled population.")
    whitespace: PopulationMetrics = Field(description="Those of it who do not own the target.")


class TimeFold(_Document):
    """One rolling-origin fold."""

    fold: int = Field(ge=0, description="Number.")
    cutoff: date = Field(description="Cutoff validated on.")
    train_cutoffs: list[date] = Field(description="Cutoffs learned from.")
    n_train: int = Field(ge=0, description="Rows learned from.")
    n_valid: int = Field(ge=0, description="Rows validated on.")
    status: Literal["ok", "skipped"] = Field(description="skipped: too little data to learn from.")
    reason: str | None = Field(description="Why it was skipped: see reason, or no_rows.")
    n_trees: int | None = Field(ge=0, description="Trees of its model; 0 for a linear one.")
    calibration: Literal["platt", "isotonic", "none"] | None = Field(description="Its calibrator.")


class Candidate(_Document):
    model: str = Field(description="Name of the candidate.")
    params: dict[str, float] = Field(description="Its hyper-parameters.")
    value: float | None = Field(description="Its value of the selection metric, averaged over the cutoffs judged.")
    error: float | None = Field(ge=0, description="Standard error of that value, by customer.")
    per_cutoff: list[float] = Field(description="What was averaged.")
    variation: float | None = Field(ge=0, description="Its standard deviation over its mean.")
    brier: float | None = Field(description="Its Brier score, the first tie-break.")
    leaves: int = Field(ge=0, description="Leaves per tree, the second; 0 for a linear model.")


class Selection(_Document):
    """How the model was chosen."""

    population: Population = Field(description="Rows the choice reads.")
    population_reason: str = Field(description="Why these.")
    metric: str = Field(description="Metric that decides.")
    folds: Literal["time", "group"] = Field(description="Folds the metric was computed on.")
    winner: str = Field(description="The candidate chosen.")
    why: str = Field(description="Why it was.")
    candidates: list[Candidate] = Field(description="All of them.")


class ModelMetrics(_Document):
    """metrics.json of a training."""

    division: str = Field(description="Slug of the target.")
    division_name: str = Field(description="Display name of the target.")
    cutoff: date = Field(description="Cutoff of the model.")
    status: Status = Field(description="insufficient_data: no model, all metrics empty.")
    model_status: Status = Field(description="Status of the model document.")
    reason: Reason | None = Field(description="Why there is no model.")
    evaluation: Literal["out_of_time", "out_of_fold"] = Field(
        description="out_of_time: later cutoffs than learned from. out_of_fold: other customers."
    )
    evaluation_cutoffs: list[date] = Field(description="Cutoffs judged.")
    final: ByPopulation = Field(description="Metrics on rows no model had seen, averaged over the cutoffs judged.")
    per_cutoff: list[CutoffMetrics] = Field(description="What was averaged.")
    in_sample: ByPopulation = Field(description="The final model on the rows it was fitted on; not evidence.")
    selection: Selection = Field(description="How the model was chosen.")
    time_folds: list[TimeFold] = Field(description="The rolling-origin folds.")
    params: dict[str, Any] = Field(description="Parameters of every fit.")
    best_iterations: list[int] = Field(description="Trees at which each group fold stopped.")
    n_trees: int = Field(ge=0, description="Trees of the final model: their median; 0 for a linear one.")
    seed: int = Field(description="Seed of folds, samples and trees.")
    window_months: int = Field(ge=1, description="Label window, months.")


class DroppedFeature(_Document):
    feature: str = Field(description="Name.")
    reason: Literal["safe", "outcome_name", "leak_auc", "coverage", "sparse_family"] = Field(
        description="safe: SAFE mode. outcome_name, leak_auc: it knows the answer. coverage, sparse_family: "
        "modeling.stability."
    )


class Guardrail(_Document):
    name: str = Field(description="What is watched.")
    value: float | None = Field(description="What was found.")
    limit: float | None = Field(description="What it is compared with.")
    status: Literal["PASS", "FAIL", "INSUFFICIENT_DATA"] = Field(
        description="Outcome. Whether a FAIL holds the model back is its severity: gates.severity."
    )
    reason: str = Field(description="What it means.")


class TrainWindow(_Document):
    cutoffs: list[date] = Field(description="Cutoffs learned from.")
    cutoffs_wanted: int = Field(ge=1, description="timeline.training_cutoffs.")
    cutoffs_existed: int = Field(ge=0, description="Past cutoffs that were there.")
    cutoffs_used: int = Field(ge=0, description="Of those, with closed and uncensored labels.")
    first_label_day: date | None = Field(description="First day of the first label window.")
    label_window_end: date | None = Field(description="Last day of the last label window.")
    label_window_months: int = Field(ge=1, description="Months of a label window.")
    embargo_days: int = Field(ge=0, description="Days between the last label and the cutoff.")


class Counts(_Document):
    rows: int = Field(ge=0, description="Rows.")
    customers: int = Field(ge=0, description="Distinct customers.")
    positives: int = Field(ge=0, description="Distinct positive customers.")
    prevalence: float | None = Field(description="Positive rows over rows.")
    whitespace_rows: int = Field(ge=0, description="Rows of non-owners.")
    whitespace_positives: int = Field(ge=0, description="Distinct positive non-owners.")
    whitespace_prevalence: float | None = Field(description="Positive rows of non-owners over their rows.")


class CutoffCounts(Counts):
    cutoff: date = Field(description="Past cutoff.")


class DroppedCutoff(_Document):
    cutoff: date = Field(description="Past cutoff.")
    reason: Literal["censored", "widened", "open", "empty"] = Field(
        description="censored: the data ends before the label window. widened: the window is longer than asked for. "
        "open: the window ends after the model's cutoff. empty: nobody was known."
    )


class DataBlock(Counts):
    per_cutoff: list[CutoffCounts] = Field(description="The same, per cutoff.")
    dropped_cutoffs: list[DroppedCutoff] = Field(description="Cutoffs left out.")


class CalibrationBlock(_Document):
    method: Literal["platt", "isotonic", "none"] = Field(description="Map chosen.")
    reason: str = Field(description="Why.")
    population: Population = Field(description="Rows it was fitted on.")
    population_reason: str = Field(description="Why these.")
    n: int = Field(ge=0, description="How many rows.")
    positives: int = Field(ge=0, description="Distinct positive customers among them.")
    brier: dict[str, float | None] = Field(description="Cross-fitted Brier score by method; none: uncalibrated.")


class EvaluationBlock(ByPopulation):
    kind: Literal["out_of_time", "out_of_fold"] = Field(description="See metrics.json.")
    cutoffs: list[date] = Field(description="Cutoffs judged.")
    population: Population = Field(description="Population that selection and calibration read.")
    population_reason: str = Field(description="Why this one.")


class TopK(_Document):
    population: Population
    k_percent: int
    threshold: float
    count: int
    n_selected: int
    precision: float
    capture: float | None


class ModelCard(_Document):
    """model_card.json: the paper that travels with the model."""

    division: str = Field(description="Slug of the target.")
    division_name: str = Field(description="Display name of the target.")
    cutoff: date = Field(description="Cutoff of the model.")
    status: Status = Field(description="insufficient_data: a prevalence baseline.")
    reason: Reason | None = Field(description="Why there is no model.")
    model_kind: Literal["lightgbm", "logreg", "baseline"] = Field(description="What makes the margin.")
    model_version: str = Field(description="sha256 of the model document.")
    recipe: str = Field(description="sha256 of everything but the data that decides what a training makes.")
    feature_list_version: str = Field(description="Version of the feature list.")
    mode: Literal["full", "safe"] = Field(description="safe: without features that lean on the eve of the cutoff.")
    n_features: int = Field(ge=0, description="Columns of the matrix.")
    dropped_features: list[DroppedFeature] = Field(description="Listed features the model does not read.")
    train_window: TrainWindow = Field(description="When it learned.")
    data: DataBlock = Field(description="What it learned from.")
    hyper_parameters: dict[str, Any] = Field(description="Parameters of every fit.")
    best_iterations: list[int] = Field(description="Trees at which each group fold stopped.")
    n_trees: int = Field(ge=0, description="Trees of the model.")
    seed: int = Field(description="Seed of folds, samples and trees.")
    selection: Selection = Field(description="How the model was chosen.")
    calibration: CalibrationBlock = Field(description="How margins became probabilities.")
    signal: Literal["none", "weak", "clear", "unknown"] = Field(
        description="Whether the ranking is more than chance; unknown with too few positives."
    )
    signal_z: float | None = Field(description="AUC above one half, in standard errors of chance.")
    signal_auc: float | None = Field(ge=0, le=1, description="That AUC: of margins, population judged.")
    evaluation: EvaluationBlock = Field(description="How it is judged.")
    topk: list[TopK] = Field(description="thresholds.csv.")
    guardrails: list[Guardrail] = Field(description="What was watched.")
    notes: dict[str, str] = Field(description="How to read the numbers.")


class Interval(_Document):
    a: float | None = Field(description="Of the SAFE ranking.")
    b: float | None = Field(description="Of the full ranking.")
    value: float | None = Field(description="Their difference.")
    lo: float | None = Field(description="Lower end of its 95 % interval, customers resampled.")
    hi: float | None = Field(description="Upper end.")


class Variant(_Document):
    winner: str = Field(description="The candidate that won its contest.")
    n_features: int = Field(ge=0, description="Columns of its matrix.")
    auc: float | None = Field(description="Mean AUC over the cutoffs judged.")
    lift_10: float | None = Field(alias="lift@10", description="Mean lift at 10 %.")
    brier: float | None = Field(description="Brier score.")


class AdjacencyAblation(_Document):
    """Whether a ranking without features on the eve of the cutoff is better than the one with them."""

    division: str = Field(description="Slug of the target.")
    cutoff: date = Field(description="Cutoff of the model whose history it is.")
    status: Literal["PASS", "FAIL", "INSUFFICIENT_DATA"] = Field(
        description="FAIL: SAFE is better beyond chance and the division is not trained SAFE."
    )
    reason: str = Field(description="What follows.")
    population: Population | None = Field(description="Rows judged.")
    population_reason: str = Field(description="Why these.")
    cutoffs: list[date] = Field(description="Later cutoffs judged on.")
    n: int = Field(ge=0, description="Rows judged.")
    positives: int = Field(ge=0, description="Distinct positive customers among them.")
    variants: dict[Literal["full", "safe"], Variant] = Field(description="The two contests.")
    safe_minus_full: dict[Literal["auc", "lift"], Interval] = Field(description="Differences, same rows.")
    resamples: int = Field(ge=0, description="Of the bootstrap.")
