"""One strict tree of settings: defaults < gosales.yaml < ``GOSALES__*`` environment < explicit overrides.

Belongs here: every knob of the platform, typed, with its unit in the description, and the checks that need no data.
Does not belong here: what the knobs do. Unknown keys at any depth are errors that name the nearest valid key.

>>> Settings.load(overrides={"timeline": {"cadence_months": 6}}).timeline.cadence_months
6
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePath
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gosales_assets.taxonomy import LabelBasis, Target, Taxonomy, TaxonomyError, read_skus
from gosales_assets.timeline import Calendar

ENV_PREFIX = "GOSALES__"
CONFIG_ENV = "GOSALES_CONFIG"
DEFAULT_CONFIG = "gosales.yaml"

Months = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Percent = Annotated[int, Field(ge=1, le=100)]
Severity = Literal["ERROR", "WARN"]
Segment = Literal["warm", "cold", "prospect"]
Population = Literal["whitespace", "all"]


#: Settings whose shape is fixed but which nothing reads yet. Giving one another value than its default is an error:
#: a knob that silently does nothing is worse than none.
NOT_IN_EFFECT: tuple[str, ...] = (
    "sources.sales_log.database",
    "whitespace.capacity_mode",
    "whitespace.accounts_per_rep",
    "whitespace.als_blend_weights",
    "whitespace.cooldown_days",
    "whitespace.cooldown_factor",
    "whitespace.challenger_enabled",
    "whitespace.segment_allocation",
    "whitespace.segment_columns",
    "whitespace.segment_min_rows",
    "release.control_share",
    "validation.bootstrap_n",
    "gates.hold_auc_upper_below",
    "gates.hold_lift_upper_below",
    "leakage",
)


class SettingsError(ValueError):
    """Settings that cannot be used; one line per problem, each with the dotted key."""


class Section(BaseModel):
    """Base of every group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class ColumnMapping(Section):
    """Header of the user's log for each field the platform reads; unset fields are found by their known aliases."""

    customer_id: str | None = Field(None, description="Customer key. Text end to end: 00123 stays 00123.")
    customer_name: str | None = Field(None, description="Display name of the customer.")
    order_date: str | None = Field(None, description="Date of the order: the only time axis.")
    invoice_id: str | None = Field(None, description="Document number. Missing ones get a deterministic surrogate.")
    invoice_date: str | None = Field(None, description="Date of the invoice, information only.")
    product_sku: str | None = Field(None, description="Tidy layout: product key of the line.")
    product_division: str | None = Field(
        None, description="Tidy layout: division of the line. Wide layout: selling division."
    )
    quantity: str | None = Field(None, description="Tidy layout: units, returns negative.")
    revenue: str | None = Field(None, description="Revenue in the currency of the record, information only.")
    gross_profit: str | None = Field(
        None, description="Tidy layout: gross profit in the currency of the record, returns negative."
    )
    currency: str | None = Field(
        None, description="Currency of the record's amounts, ISO code; without it they are in `etl.currency`."
    )
    currency_rate: str | None = Field(
        None, description="Exchange rate of the record; `etl.currency_rate.quoted_as` says which way round."
    )
    rep: str | None = Field(None, description="Sales representative.")
    branch: str | None = Field(None, description="Branch or territory.")
    record_id: str | None = Field(
        None, description="Unique id of the record; without it the record's content is its identity."
    )


class SampleWorld(Section):
    """The synthetic world (kind ``sample``)."""

    customers: int = Field(3000, ge=1, description="Number of customers.")
    seed: int = Field(7, description="Seed of the world.")
    start: date = Field(date(2019, 1, 1), description="First day of the log.")
    end: date = Field(date(2024, 12, 31), description="Last day of the log.")
    dirt_share: Share = Field(
        0.02, description="Share of records that are spoiled (bad dates, currency strings, duplicates, …)."
    )
    annual_trend: float = Field(0.05, ge=-0.5, le=0.5, description="Growth of demand per year, as a fraction.")
    layout: Literal["wide", "tidy"] = Field("wide", description="Layout the log is emitted in.")


class DatabaseSource(Section):
    """Where to read a log from a database. The address itself comes from the environment only."""

    url_env: str = Field(
        "GOSALES_DATABASE_URL",
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="Name of the environment variable that holds the connection URI.",
    )
    table: str | None = Field(None, description="Table or view, `schema.name`; must be in `allowed_identifiers`.")
    allowed_identifiers: tuple[str, ...] = Field((), description="Tables and columns that may be named in a query.")


class SalesLog(Section):
    """The raw sales log."""

    kind: Literal["sample", "files", "database", "completejourney"] = Field("sample", description="Reader.")
    layout: Literal["wide", "tidy"] = Field(
        "wide", description="wide: one row per document, money spread over product columns. tidy: one row per line."
    )
    path: tuple[str, ...] = Field(
        (), description="Kind `files`: paths or globs, relative to the configuration file; CSV or Parquet."
    )
    encoding: str | None = Field(
        None, description="Kind `files`: encoding of CSV files; unset tries the BOM, utf-8, then cp1252."
    )
    separator: str = Field(",", min_length=1, max_length=1, description="Kind `files`: CSV field separator.")
    columns: ColumnMapping = Field(ColumnMapping(), description="Headers of the log.")
    as_of: date | None = Field(None, description="Last day the log is complete for; unset: inferred, with a warning.")
    day_first: bool = Field(
        False,
        description="Whether 3/4/2024 is 3 April, in the log and in the tables beside it. Applies to ambiguous "
        "dates with slashes only.",
    )
    gross_profit_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Gross profit as a fraction of revenue, for logs without it; unset: gross profit is required.",
    )
    sample: SampleWorld = Field(SampleWorld(), description="Parameters of the synthetic world.")
    database: DatabaseSource = Field(DatabaseSource(), description="Parameters of the database reader.")
    exclude_divisions: tuple[str, ...] = Field((), description="Divisions left out of the log, named in row_counts.")

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class SideSource(Section):
    """An optional table beside the log."""

    path: str | None = Field(
        None, description="CSV or Parquet, relative to the configuration file; unset: absent, and said so."
    )


class Sources(Section):
    sales_log: SalesLog = Field(SalesLog(), description="The raw sales log.")
    industry_enrichment: SideSource = Field(SideSource(), description="Industry per customer name or id.")
    industry_matches: SideSource = Field(
        SideSource(),
        description="Accepted pairs of a customer's name and a name of the industry table, as dim_customer shows them.",
    )
    customer_assets: SideSource = Field(SideSource(), description="Assets and subscriptions per customer.")
    item_taxonomy: SideSource = Field(SideSource(), description="Roll-up, SKU and division of the items assets name.")
    crm_attributes: SideSource = Field(SideSource(), description="Customer master of the CRM.")
    account_status: SideSource = Field(
        SideSource(), description="Representative, last contact and open deal per account."
    )


#: Names of the tables beside the log.
SIDE_SOURCES: tuple[str, ...] = tuple(n for n, f in Sources.model_fields.items() if f.annotation is SideSource)


class TaxonomySettings(Section):
    """Products and targets."""

    path: str | None = Field(None, description="YAML or CSV of your products, relative to the configuration file.")
    extend: bool = Field(False, description="Whether that file replaces (false) or extends (true) the built-in map.")
    divisions: tuple[str, ...] = Field(
        (), description="Divisions of a log whose lines name their division: one target each, no product map."
    )
    label_basis: LabelBasis = Field("gp", description="Basis of the targets made from `divisions`.")


class TimelineSettings(Section):
    first_cutoff: date = Field(date(2022, 6, 30), description="First cutoff, a month end.")
    last_cutoff: date | None = Field(date(2024, 6, 30), description="Last cutoff; null grows with the clock.")
    cadence_months: int = Field(6, description="Months between cutoffs: 1, 2, 3, 4, 6 or 12.")
    label_window_months: Months = Field(6, description="Length of the label window, months.")
    embargo_days: Days = Field(
        0, description="Days between the last label window learned from and the cutoff: the booking delay of the data."
    )
    training_cutoffs: int = Field(4, ge=1, description="Past cutoffs a model pools, at most.")
    min_history_months: Months | None = Field(
        None,
        description="Months of data wanted before the first cutoff; unset: the longest feature window. Fewer warns.",
    )


class CurrencyRateSettings(Section):
    """How the log's exchange rates are meant, and which are believed."""

    quoted_as: str = Field(
        "CAD per USD",
        description="What the rate is: 1.35 `CAD per USD` divides Canadian amounts. Currencies not named have no rate; "
        "`foreign per account` and `account per foreign` hold for whatever currency a record names.",
    )
    min: float = Field(0.9, ge=1e-5, le=1e5, description="A lower rate is not believed and its record quarantined.")
    max: float = Field(1.7, ge=1e-5, le=1e5, description="A higher rate is not believed and its record quarantined.")

    @field_validator("quoted_as")
    @classmethod
    def _two_currencies(cls, value: str) -> str:
        sides = value.upper().split()
        if not re.fullmatch(r"[A-Z]{3} PER [A-Z]{3}|FOREIGN PER ACCOUNT|ACCOUNT PER FOREIGN", " ".join(sides)):
            raise ValueError("write `CAD per USD`, `foreign per account` or `account per foreign`")
        if sides[0] == sides[2]:
            raise ValueError("name two different currencies")
        return value

    @model_validator(mode="after")
    def _bounds(self) -> CurrencyRateSettings:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; no rate would be believed")
        return self


class EtlSettings(Section):
    """Conditioning of the log and its contracts."""

    currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="Account currency of every amount the platform writes, ISO code."
    )
    foreign_currency: Literal["convert", "quarantine", "as_is"] = Field(
        "convert",
        description="Records that name another currency: convert them by their own rate (quarantined without one), "
        "quarantine them all, or take their amounts for account currency (as_is: the export has converted them).",
    )
    currency_rate: CurrencyRateSettings = Field(CurrencyRateSettings(), description="Exchange rates of the log.")
    min_date: date = Field(date(1990, 1, 1), description="Earlier order dates are quarantined.")
    allow_unknown_columns: bool = Field(
        True, description="False: a product-like header outside the taxonomy blocks instead of warning."
    )
    severity: dict[str, Severity] = Field({}, description="Severity by contract rule; rules not named keep their own.")
    violations_cap: int = Field(
        10_000, ge=1, description="Lines per rule in contract_violations.csv; a total line names the rest."
    )
    enable_industry_fuzzy: bool = Field(False, description="Match customers to industries by similar names too.")
    fuzzy_min_unmatched: int = Field(50, ge=0, description="Fuzzy matching runs from this many unmatched customers.")
    fuzzy_max_unmatched: int = Field(
        20_000, ge=1, description="Fuzzy matching is skipped above this many unmatched customers."
    )
    fuzzy_skip_if_coverage_ge: Share = Field(0.95, description="Fuzzy matching is skipped from this industry coverage.")
    max_quarantined_share: Share = Field(0.2, description="Share of quarantined records above which the build fails.")


class PopulationSettings(Section):
    segments: tuple[Segment, ...] = Field(
        ("warm", "cold"), min_length=1, description="Segments that are modelled: the population `all`."
    )
    warm_window_months: Months = Field(
        18, description="A customer with a line in this many months before the cutoff is warm."
    )
    evaluate_on: Population = Field(
        "whitespace", description="Population that selection, calibration choice, gates and roll-ups read."
    )
    saturated_below: Share = Field(
        0.05, description="A division whose whitespace is a smaller share of the population is saturated."
    )


class OwnershipSettings(Section):
    lookback_months: Months | None = Field(
        None, description="Purchases older than this make a lapsed owner; unset: owners for ever."
    )
    reinclude_days: Days = Field(
        365, description="Days since all assets of the target expired after which an owner counts as lapsed."
    )


class LabelSettings(Section):
    mode: Literal["all", "expansion"] = Field(
        "all", description="all: the whole as-of roster. expansion: customers with a line before the cutoff."
    )
    gp_min_threshold: float = Field(
        0.0, description="Net gross profit in the window must exceed this, account currency."
    )
    denylist_skus_csv: str | None = Field(
        None,
        description="CSV of SKUs that make neither a label nor an owner, relative to the configuration file; "
        "column `sku`, `product_sku` or `gp_col`.",
    )
    per_division_window_months: dict[str, Months] = Field(
        {}, description="Window by target slug, months; targets not named use the timeline's."
    )
    sparse_min_positive_target: int | None = Field(
        None, ge=1, description="Widen the window until this many positives; unset: never."
    )
    sparse_max_window_months: Months = Field(12, description="Widest window, months.")


class AssetsAls(Section):
    max_rows: int = Field(80_000, ge=1, description="More customers with an asset than this are an error.")
    max_cols: int = Field(200, ge=1, description="More item roll-ups than this are an error.")
    factors: int = Field(16, ge=1, description="Dimensions.")
    iters: int = Field(4, ge=1, description="Iterations.")
    reg: float = Field(0.1, ge=0, description="Ridge penalty.")


#: A name that stands for any, in the reference of the features.
_EXAMPLES = {"branches": "BRANCH", "industries": "INDUSTRY", "sub_industries": "SUB_INDUSTRY"}


class FeatureSettings(Section):
    windows_months: tuple[Months, ...] = Field((3, 6, 12, 24), min_length=1, description="Windows, months.")
    gp_winsor_p: float = Field(0.99, gt=0, le=1, description="Upper quantile at which windowed gross profit is capped.")
    add_missingness_flags: bool = Field(True, description="One flag per source a customer may be absent from.")
    use_eb_smoothing: bool = Field(True, description="Shrink the target's share of gross profit to the mean.")
    eb_alpha_lines: float = Field(5.0, ge=0, description="Weight of the prior, in lines.")
    recency_floor_days: Days = Field(30, description="Recencies below this are raised to it, days.")
    recency_decay_half_lives_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (30, 90, 180), description="Half-lives, days."
    )
    enable_offset_windows: bool = Field(True, description="Windows that end before the cutoff.")
    offset_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (60,), description="Days before the cutoff at which they end."
    )
    enable_window_deltas: bool = Field(True, description="Last 12 months against the 12 before.")
    use_market_basket: bool = Field(True, description="Affinity of what is owned to the target, for the ranking.")
    use_basket_features: bool = Field(False, description="The same affinity as features of the model.")
    affinity_lag_days: Days = Field(60, description="Market basket stops this many days before the cutoff.")
    basket_window_months: Months = Field(12, description="Market basket looks back this far, months.")
    basket_min_support: int = Field(10, ge=1, description="Customers a SKU needs to make a rule.")
    basket_topk: int = Field(3, ge=1, description="Strongest rules of a customer that its affinity averages.")
    use_sku_signals: bool = Field(False, description="Gross profit, quantity and price of each SKU of the taxonomy.")
    use_branch_mix: bool = Field(False, description="How a customer's lines spread over branches and representatives.")
    branches: tuple[str, ...] = Field(
        (), max_length=30, description="Branches with a share of their own when the branch mix is on."
    )
    industries: tuple[str, ...] = Field((), max_length=20, description="Industries with a flag of their own.")
    sub_industries: tuple[str, ...] = Field((), max_length=30, description="Sub-industries with a flag of their own.")
    use_interactions: bool = Field(
        False, description="The first 12 of the industries crossed with size, breadth and growth of a customer."
    )
    use_als_embeddings: bool = Field(False, description="Transaction embeddings.")
    als_lookback_months: Months = Field(24, description="Embeddings look back this far, months.")
    use_assets: bool = Field(False, description="Assets: what is held, since when, and when its terms end.")
    assets_keep_terms: bool = Field(
        False,
        description="The asset table keeps every end of a term as it stood, because a renewal adds a row: features may "
        "read it. Off: a renewal overwrites it, and a past cutoff must not know today's.",
    )
    use_assets_als: bool = Field(False, description="Embeddings of assets.")
    assets_als: AssetsAls = Field(AssetsAls(), description="Parameters of the assets embedding.")
    expiring_guard_days: Days = Field(
        14, le=29, description="Contract ends this close to the cutoff are left out, days."
    )
    pooled_encoders_enable: bool = Field(False, description="Industry purchase rates.")
    pooled_encoders_lookback_months: Months = Field(24, description="Industry rates look back this far, months.")
    pooled_alpha_industry: float = Field(50.0, ge=0, description="Weight of the prior of an industry, lines.")
    pooled_alpha_sub: float = Field(50.0, ge=0, description="Weight of the prior of a sub-industry, lines.")
    segment_feature_allowlist: dict[Segment, tuple[str, ...]] = Field(
        {}, description="Feature families a segment may use, the others are empty for it; not named: all."
    )

    @field_validator("windows_months")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(set(value)) != list(value):
            raise ValueError("list each window once, shortest first")
        return value

    def everything(self) -> FeatureSettings:
        """Every family switched on; where the settings name values, one that stands for any: for the reference."""
        switched = {name: True for name, value in self if isinstance(value, bool)}
        named = {name: (example,) for name, example in _EXAMPLES.items()}
        return FeatureSettings.model_validate(self.model_dump() | switched | named)


class LgbmParams(Section):
    n_estimators: int = Field(300, ge=1, description="Most trees.")
    learning_rate: float = Field(0.06, gt=0, description="Shrinkage.")
    num_leaves: int = Field(7, ge=2, description="Leaves per tree.")
    min_data_in_leaf: int = Field(200, ge=1, description="Rows per leaf.")
    feature_fraction: float = Field(0.3, gt=0, le=1, description="Features per tree.")
    bagging_fraction: float = Field(0.8, gt=0, le=1, description="Rows per bag.")
    bagging_freq: int = Field(1, ge=0, description="Trees per bag; 0 switches bagging off.")
    lambda_l2: float = Field(50.0, ge=0, description="Ridge penalty on leaf values.")
    max_bin: int = Field(63, ge=2, description="Histogram bins.")


class LogregParams(Section):
    C: float = Field(0.001, gt=0, description="Inverse penalty: the smaller, the more coefficients shrink.")
    l1_ratio: Share = Field(0.0, description="Elastic-net mix: 0 ridge, 1 lasso.")
    max_iter: int = Field(500, ge=1, description="Most steps of the solver.")


class LrGrid(Section):
    l1_ratio: tuple[Share, ...] = Field((0.0, 0.2, 0.5), min_length=1, description="Elastic-net mixes tried.")
    C: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.001, 0.01, 0.1), min_length=1, description="Inverse penalties tried."
    )


class LgbmGrid(Section):
    num_leaves: tuple[Annotated[int, Field(ge=2)], ...] = Field((4, 7, 15), min_length=1, description="Leaves tried.")
    min_data_in_leaf: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (50, 100, 200), min_length=1, description="Rows per leaf tried."
    )
    learning_rate: tuple[Rate, ...] = Field((0.03, 0.1), min_length=1, description="Shrinkages tried.")
    feature_fraction: tuple[Rate, ...] = Field((0.3, 0.7), min_length=1, description="Feature shares tried.")
    bagging_fraction: tuple[Rate, ...] = Field((0.6, 0.8), min_length=1, description="Row shares tried.")


class Stability(Section):
    coverage_floor: Share = Field(0.0, description="Features known for a smaller share of training rows are dropped.")
    min_positive_rate: Share = Field(0.0, description="Below this rate sparse families are dropped.")
    min_positive_count: int = Field(
        0, ge=0, description="Below this many positive customers sparse families are dropped."
    )
    penalty_lambda: float = Field(0.0, ge=0, description="Weight of the spread over cutoffs in selection.")
    cv_guard_max: float | None = Field(None, gt=0, description="Largest coefficient of variation of lift over cutoffs.")
    sparse_families: tuple[str, ...] = Field((), description="Feature families dropped when positives are few.")
    backbone_families: tuple[str, ...] = Field((), description="Families never dropped.")


class ModelingSettings(Section):
    seed: int = Field(42, description="Seed of folds, samples and trees.")
    folds: int = Field(5, ge=2, description="Customer-grouped folds.")
    models: tuple[Literal["lgbm", "logreg"], ...] = Field(
        ("lgbm", "logreg"), min_length=1, description="Candidate models."
    )
    lgbm: LgbmParams = Field(LgbmParams(), description="Parameters of LightGBM.")
    logreg: LogregParams = Field(LogregParams(), description="Parameters of the linear model.")
    search_trials: int = Field(
        0, ge=0, description="Combinations of its grid tried per model besides its own parameters; 0: none."
    )
    overfit_gap_max: float = Field(
        0.20,
        gt=0,
        description="AUC on fitted rows may exceed AUC on other customers by this; above, trees are softened.",
    )
    early_stopping_rounds: int = Field(30, ge=1, description="Rounds without improvement on held-out customers.")
    lr_grid: LrGrid = Field(LrGrid(), description="What a search of the linear model draws from.")
    lgbm_grid: LgbmGrid = Field(LgbmGrid(), description="What a search of LightGBM draws from.")
    calibration_methods: tuple[Literal["platt", "isotonic"], ...] = Field(
        ("platt", "isotonic"), description="Calibrators to choose from by cross-fitted Brier; empty: none."
    )
    sparse_isotonic_threshold_pos: int = Field(
        1000, ge=0, description="Isotonic needs this many distinct positive customers."
    )
    top_k_percents: tuple[Percent, ...] = Field((5, 10, 20), min_length=1, description="Top shares reported, percent.")
    n_jobs: int = Field(1, ge=1, description="Threads of one fit; fixed, so that bytes repeat.")
    class_weight: Literal["balanced", "none"] = Field("none", description="Class weights of the linear model.")
    scale_pos_weight_cap: float = Field(
        1.0, ge=1, description="Most weight of a positive in LightGBM; 1: none, probabilities stay honest."
    )
    min_positive_customers: int = Field(
        30, ge=1, description="Distinct positive customers a model needs; fewer: prevalence baseline."
    )
    shap_max_rows: int = Field(
        2000, ge=0, description="Customers SHAP is summarised over; sampled, never skipped. 0: none."
    )
    feature_sample_rows: int = Field(5000, ge=1, description="Rows of train_feature_sample.")
    stability: Stability = Field(Stability(), description="Guards on features and selection.")
    safe_divisions: tuple[str, ...] = Field(
        (), description="Targets trained without features that lean on the year before the cutoff."
    )


class EligibilitySettings(Section):
    exclude_if_owned_ever: bool = Field(True, description="Owners (see `ownership`) are not offered what they own.")
    exclude_if_active_assets: bool = Field(True, description="Holders of an active asset of the target are owners.")
    exclude_if_recent_contact_days: Days = Field(
        0, description="Contacted this many days ago or fewer: not listed. 0: off."
    )
    exclude_if_open_deal: bool = Field(False, description="Customers with an open deal are not listed.")
    require_region_match: bool = Field(False, description="Only customers of the rep's region are listed.")


class WhitespaceSettings(Section):
    weights: tuple[float, float, float, float] = Field(
        (0.6, 0.2, 0.1, 0.1), description="Weights of probability, affinity, similarity, value."
    )
    normalize: Literal["percentile", "pooled"] = Field(
        "percentile", description="Components ranked within a division, or over all."
    )
    eligibility: EligibilitySettings = Field(EligibilitySettings(), description="Who may be listed.")
    capacity_mode: Literal["top_percent", "per_rep", "hybrid"] = Field(
        "top_percent", description="How the selected slice is taken."
    )
    capacity_percent: Percent = Field(10, description="Size of the selected slice, percent of the list.")
    accounts_per_rep: int = Field(25, ge=1, description="Accounts one rep can work.")
    ev_cap_percentile: float = Field(0.95, gt=0, le=1, description="Quantile at which expected value is capped.")
    als_coverage_threshold: Share = Field(0.30, description="Coverage from which a component has its full weight.")
    als_blend_weights: tuple[float, float] = Field(
        (0.5, 0.5), description="Weights of transactions and assets in similarity."
    )
    bias_division_max_share_topN: Share = Field(0.6, description="Largest share of the slice one division may take.")
    cooldown_days: Days = Field(30, description="Days a surfaced account is held back.")
    cooldown_factor: Share = Field(0.75, description="Factor on its score meanwhile.")
    challenger_enabled: bool = Field(False, description="Also rank with the challenger.")
    segment_allocation: dict[Segment, Share] = Field({}, description="Shares of the slice by segment.")
    segment_columns: tuple[str, ...] = Field((), description="Columns whose groups get their own weights.")
    segment_min_rows: int = Field(250, ge=0, description="Smaller groups use the division's weights.")

    @field_validator("weights", "als_blend_weights")
    @classmethod
    def _normalised(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(v == v and 0 <= v < float("inf") for v in value) or sum(value) <= 0:
            raise ValueError("weights must be finite, not negative, and not all zero")
        # Weights that sum to one already stay as they are: resolved settings must load again to the same numbers.
        total = 1.0 if math.isclose(sum(value), 1.0, rel_tol=1e-12) else sum(value)
        return tuple(v / total for v in value)


class ReleaseSettings(Section):
    on_closed_gate: Literal["fail", "exclude"] = Field(
        "fail", description="A division whose leakage gate is shut fails the ranking, or is left out of it by name."
    )
    control_share: Share = Field(0.0, description="Random share of the list held out as a control group.")


class ValidationSettings(Section):
    bootstrap_n: int = Field(1000, ge=0, description="Resamples of customers.")
    capacity_grid: tuple[Percent, ...] = Field((5, 10, 20), min_length=1, description="Capacities simulated, percent.")
    accounts_per_rep_grid: tuple[int, ...] = Field((10, 25), description="Accounts per rep simulated.")
    segment_columns: tuple[str, ...] = Field(
        ("segment", "industry", "industry_sub"), description="Columns performance is sliced by."
    )
    ks_threshold: float = Field(0.15, gt=0, description="Alert: distance of scores now from scores in training.")
    psi_threshold: float = Field(0.25, gt=0, description="Alert: population stability index.")
    psi_min_rows: int = Field(300, ge=1, description="No drift alert below this many rows.")
    cal_mae_threshold: float = Field(0.03, gt=0, description="Alert: mean absolute calibration error.")
    min_positives_value: int = Field(10, ge=1, description="Distinct positives below which a metric is empty.")
    min_positives_gate: int = Field(
        30, ge=1, description="Distinct positives below which no gate or interval is given."
    )


class GateSettings(Section):
    """Business gates: hold on evidence of bad, flag what looks weak, else release."""

    hold_auc_upper_below: float = Field(0.60, description="Hold when the upper 95 % bound of AUC is below.")
    hold_lift_upper_below: float = Field(1.5, description="Hold when the upper 95 % bound of lift at 10 % is below.")
    flag_auc_below: float = Field(0.65, description="Flag when AUC is below.")
    flag_lift_below: float = Field(2.0, description="Flag when lift at 10 % is below.")
    flag_ratio_outside: tuple[float, float] = Field(
        (0.5, 2.0), description="Flag when expected to observed positives is outside."
    )
    hold_insufficient_data: bool = Field(False, description="Whether too little evidence holds a division too.")
    severity: dict[str, Severity] = Field({}, description="Severity by check name; WARN makes the check non-blocking.")


class LeakageSettings(Section):
    mask_tail_days: Days = Field(14, description="Newest days hidden in the shift test.")
    purge_days: Days = Field(30, description="Purge of the gauntlet, days.")
    label_buffer_days: Days = Field(0, description="Days the label window is moved in the gauntlet.")
    shift14_epsilon_auc: float = Field(0.01, ge=0, description="Tolerated gain of AUC when shifted into the past.")
    shift14_epsilon_lift10: float = Field(0.25, ge=0, description="Tolerated gain of lift at 10 %.")
    ablation_epsilon_auc: float = Field(0.01, ge=0, description="Tolerated gain when top features are dropped.")
    ablation_epsilon_lift10: float = Field(
        0.25, ge=0, description="Tolerated gain of lift when top features are dropped."
    )
    permutation_min_auc_gap: float = Field(
        0.05, ge=0, description="Tolerated AUC above one half under permuted labels."
    )
    permutation_max_p_value: Share = Field(0.01, description="Significance of the permutation test.")
    permutation_n: int = Field(20, ge=1, description="Permutations.")


class ReportSettings(Section):
    targets: tuple[str, ...] = Field((), description="Targets of the cross-sell reports; empty: the ranked ones.")
    accounts: int = Field(100, ge=1, description="Accounts listed.")
    enterprise_min_accounts: int = Field(150, ge=1, description="Accounts wanted above the enterprise threshold.")


class AutomationSettings(Section):
    schedule_delay_days: int = Field(
        3, ge=1, le=28, description="Days after a cutoff at which its partitions are launched."
    )
    schedule_hour: int = Field(
        6, ge=0, le=22, description="Hour of the day of that launch; features follow an hour later."
    )


class Settings(BaseSettings):
    """The whole tree. Build it with `Settings.load`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__", validate_default=True
    )

    artifact_root: str = Field(
        ".", description="Folder or fsspec URL under which every file is written, relative to the working directory."
    )
    divisions: tuple[str, ...] = Field(
        (), description="Targets to build, the keys of the `division` partitions; empty: the taxonomy's ranked ones."
    )
    sources: Sources = Field(Sources(), description="Where data comes from.")
    taxonomy: TaxonomySettings = Field(TaxonomySettings(), description="Products and targets.")
    timeline: TimelineSettings = Field(TimelineSettings(), description="Cutoffs and windows.")
    etl: EtlSettings = Field(EtlSettings(), description="Conditioning of the log.")
    population: PopulationSettings = Field(PopulationSettings(), description="Who is modelled.")
    ownership: OwnershipSettings = Field(OwnershipSettings(), description="Who owns a target.")
    labels: LabelSettings = Field(LabelSettings(), description="What a positive is.")
    features: FeatureSettings = Field(FeatureSettings(), description="What is known at a cutoff.")
    modeling: ModelingSettings = Field(ModelingSettings(), description="Training and calibration.")
    whitespace: WhitespaceSettings = Field(WhitespaceSettings(), description="Ranking of opportunities.")
    release: ReleaseSettings = Field(ReleaseSettings(), description="What is delivered.")
    validation: ValidationSettings = Field(ValidationSettings(), description="Forward validation.")
    gates: GateSettings = Field(GateSettings(), description="Business gates.")
    leakage: LeakageSettings = Field(LeakageSettings(), description="Leakage gauntlet.")
    reports: ReportSettings = Field(ReportSettings(), description="Published reports.")
    automation: AutomationSettings = Field(AutomationSettings(), description="Schedules.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` puts the file below and the overrides above the environment; keyword arguments are that merge.
        return (init_settings,)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Merge defaults, file, environment and overrides.

        Parameters
        ----------
        path
            The configuration file. None reads the file named by ``GOSALES_CONFIG``, else ``gosales.yaml`` in the
            working directory when it exists, else nothing.
        environ
            Environment to read; the process's by default.
        overrides
            Nested mapping that wins over everything.

        Raises
        ------
        SettingsError
            One line per problem: dotted key, value, what is accepted, nearest name for an unknown key.
        """
        environ = os.environ if environ is None else environ
        chosen = path or environ.get(CONFIG_ENV)
        file = Path(chosen) if chosen else Path(DEFAULT_CONFIG)
        tree: dict[str, Any] = {}
        if file.is_file():
            tree = _read_yaml(file)
            _resolve_paths(tree, file.parent)
        elif chosen:
            raise SettingsError(f"configuration file {file} does not exist; `gosales init LOG` writes one")
        for key, text in sorted(environ.items()):
            if key.startswith(ENV_PREFIX):
                _set(tree, key.removeprefix(ENV_PREFIX).lower().split("__"), _parse(key, text))
        tree = _merge(tree, dict(overrides or {}))
        if problems := _unknown_keys(cls, tree):
            raise SettingsError("\n".join(problems))
        tree = _without_empty_sections(cls, tree)
        try:
            settings = cls(**tree)
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, e['loc'])) or 'settings'} = {_shown(e['input'])}: "
                + e["msg"].removeprefix("Value error, ")
                for e in error.errors()
            ]
            raise SettingsError("\n".join(lines)) from None
        if idle := _idle_keys(settings, tree):
            raise SettingsError("\n".join(idle))
        return settings

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        try:
            self.calendar  # noqa: B018 - raises when the dates do not fit
            overlaps = self.products.overlaps(t for t in self.targets if t.ranked)
            if emptied := [t for t in self.targets if t.denied and self.products.products and not t.skus]:
                raise TaxonomyError(
                    f"labels.denylist_skus_csv: every SKU of {emptied[0].slug!r} is denied; take it out of `divisions`"
                )
        except TaxonomyError as error:
            raise ValueError(str(error)) from None
        if overlaps:
            a, b, skus = overlaps[0]
            raise ValueError(
                f"divisions: {a!r} and {b!r} are both ranked and share {', '.join(skus)}; the same sale would be "
                "offered twice. Drop one, or set `ranked: false` on it in the taxonomy"
            )
        for slug in self.modeling.safe_divisions:
            self.products.target(slug)
        for slug, months in self.labels.per_division_window_months.items():
            self.products.target(slug)
            if months > self.timeline.label_window_months:
                raise ValueError(
                    f"labels.per_division_window_months.{slug} is {months}, longer than timeline.label_window_months "
                    f"({self.timeline.label_window_months}): a model would learn from windows that are still open. "
                    "Raise timeline.label_window_months to the longest window"
                )
        if not self.has_assets:
            for name in ("use_assets", "use_assets_als"):
                if getattr(self.features, name):
                    raise ValueError(
                        f"features.{name} is on, but there are no assets: name sources.customer_assets.path, or switch "
                        "it off. That nobody holds anything would be a guess"
                    )
        return self

    @property
    def has_assets(self) -> bool:
        """Whether the sources hold assets: a configured table, or the synthetic world's."""
        return self.sources.customer_assets.path is not None or self.sources.sales_log.kind == "sample"

    @cached_property
    def products(self) -> Taxonomy:
        """The taxonomy in force; no target counts what the denylist names."""
        spec, denylist = self.taxonomy, self.labels.denylist_skus_csv
        if spec.path:
            products = Taxonomy.from_file(spec.path, base=Taxonomy.reference() if spec.extend else None)
        elif spec.divisions:
            products = Taxonomy.from_divisions(spec.divisions, spec.label_basis)
        else:
            products = Taxonomy.reference()
        if denylist is None:
            return products
        try:
            return products.without(read_skus(denylist))
        except TaxonomyError as error:
            raise TaxonomyError(f"labels.denylist_skus_csv, {denylist}: {error}") from None

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets to build, by slug."""
        if not self.divisions:
            return self.products.default_targets
        chosen = {t.slug: t for t in map(self.products.target, self.divisions)}
        if idle := [t.slug for t in chosen.values() if not t.trainable]:
            raise TaxonomyError(f"divisions: {idle[0]!r} is a predictor only and cannot be a target")
        return tuple(chosen[slug] for slug in sorted(chosen))

    @cached_property
    def calendar(self) -> Calendar:
        """The cutoffs in force."""
        t = self.timeline
        return Calendar(
            t.first_cutoff, t.last_cutoff, t.cadence_months, t.label_window_months, t.embargo_days, t.training_cutoffs
        )

    def label_window_months(self, target: Target) -> int:
        """Label window of a target, months."""
        return self.labels.per_division_window_months.get(target.slug, self.timeline.label_window_months)

    def resolved(self) -> dict[str, Any]:
        """The whole tree as plain data, in declaration order. Holds no secret: secrets are read where they are used."""
        return self.model_dump(mode="json")

    def digest(self, *sections: str) -> str:
        """sha256 of the named sections (all when none is named): what a code version depends on.

        What a path points at counts, not where it lies: products and targets are hashed as read, the denylist as part
        of the targets, and of the sources only the file names are, because their bytes are observed as inputs. So
        moving a project, or naming its configuration by another path, makes nothing stale, and editing the taxonomy or
        the denylist does.
        """
        tree = self.resolved()
        tree.pop("artifact_root")
        tree["labels"].pop("denylist_skus_csv")
        tree["taxonomy"] = {
            "products": [asdict(p) for p in self.products.products],
            "targets": [asdict(t) for t in self.products.targets],
        }
        tree["divisions"] = [asdict(t) for t in self.targets]
        sources = tree["sources"]
        sources["sales_log"]["path"] = [PurePath(p).name for p in sources["sales_log"]["path"]]
        for side in SIDE_SOURCES:
            path = sources[side]["path"]
            sources[side]["path"] = path and PurePath(path).name
        picked = {name: tree[name] for name in sections} if sections else tree
        return hashlib.sha256(json.dumps(picked, sort_keys=True, default=sorted).encode()).hexdigest()


def reference() -> str:
    """``docs/settings.md``, generated: every key with its type, default and description."""
    lines = [
        "# Settings",
        "",
        "Generated from `gosales_assets/settings.py` by `gosales docs`; do not edit.",
        "",
        "Read in this order, later wins: defaults, `gosales.yaml`, environment (`GOSALES__SECTION__KEY`), explicit "
        "overrides. An unknown key at any depth is an error that names the nearest valid one. Paths in the file are "
        "relative to it.",
        "",
        "| Key | Type | Default | Meaning |",
        "| --- | --- | --- | --- |",
        *_reference_rows(Settings, ""),
    ]
    return "\n".join(lines) + "\n"


def _type_name(annotation: Any) -> str:
    """How a reader would say a type: `str or null`, `list of int`, `warm, cold or prospect`."""
    origin, args = get_origin(annotation), [a for a in get_args(annotation) if a is not ...]
    if origin is Annotated:
        return _type_name(args[0])
    if origin is Literal:
        return ", ".join(map(repr, args[:-1])) + (" or " if len(args) > 1 else "") + repr(args[-1])
    if origin in (Union, UnionType):
        return " or ".join("null" if a is type(None) else _type_name(a) for a in args)
    if origin is tuple:
        same = len(set(map(str, args))) == 1
        return f"list of {_type_name(args[0])}" if same else ", ".join(map(_type_name, args))
    if origin is dict:
        return f"mapping of {_type_name(args[0])} to {_type_name(args[1])}"
    return annotation.__name__


def _reference_rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += _reference_rows(inner, f"{prefix}{name}.")
            continue
        default = (
            field.default.isoformat() if isinstance(field.default, date) else json.dumps(field.default, default=str)
        )
        later = any(f"{prefix}{name}.".startswith(f"{key}.") for key in NOT_IN_EFFECT)
        note = " *Not in effect yet.*" if later else ""
        rows.append(f"| `{prefix}{name}` | {_type_name(inner)} | `{default}` | {field.description}{note} |")
    return rows


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{file}: not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: expected a mapping at the top, found {type(tree).__name__}")
    return tree


def _resolve_paths(tree: dict[str, Any], base: Path) -> None:
    """Make the file's paths absolute or relative to the working directory: they are written relative to the file."""

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(v) for v in value]
        return str(base / value) if isinstance(value, str) and "://" not in value else value

    for dotted in (
        "taxonomy.path",
        "labels.denylist_skus_csv",
        "sources.sales_log.path",
        *(f"sources.{name}.path" for name in SIDE_SOURCES),
    ):
        *parents, leaf = dotted.split(".")
        node: Any = tree
        for name in parents:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict) and node.get(leaf):
            node[leaf] = resolve(node[leaf])


def _parse(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"environment variable {key}: not valid YAML: {error}") from None


def _set(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for i, name in enumerate(path[:-1]):
        if tree.get(name) is None:
            tree[name] = {}
        tree = tree[name]
        if not isinstance(tree, dict):
            raise SettingsError(
                f"{'.'.join(path[: i + 1])} = {_shown(tree)}: {'.'.join(path)} is set too; one is wrong"
            )
    tree[path[-1]] = value


def _without_empty_sections(model: type[BaseModel], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out sections without content: YAML reads a section whose lines are all commented out as null."""
    kept: dict[str, Any] = {}
    for key, value in tree.items():
        inner = model.model_fields[key].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if value is None:
                continue
            value = _without_empty_sections(inner, value) if isinstance(value, Mapping) else value
        kept[key] = value
    return kept


def _merge(low: dict[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _unknown_keys(model: type[BaseModel], tree: Any, prefix: str = "") -> list[str]:
    """Unknown keys at any depth, each with the nearest valid name."""
    if not isinstance(tree, Mapping):
        return []
    problems = []
    for key, value in tree.items():
        field = model.model_fields.get(str(key))
        if field is None:
            near = get_close_matches(str(key), list(model.model_fields), n=1, cutoff=0.5)
            problems.append(
                f"unknown setting {prefix}{key}"
                + (f"; did you mean {prefix}{near[0]}?" if near else f"; known: {', '.join(model.model_fields)}")
            )
            continue
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                problems += _unknown_keys(inner, value, f"{prefix}{key}.")
    return problems


def _idle_keys(settings: Settings, tree: Mapping[str, Any]) -> list[str]:
    """Keys given a value that nothing would act on."""
    defaults, problems = Settings(), []
    for dotted in NOT_IN_EFFECT:
        given: Any = tree
        chosen: Any = settings
        usual: Any = defaults
        for name in dotted.split("."):
            given = given.get(name) if isinstance(given, Mapping) else None
            chosen, usual = getattr(chosen, name), getattr(usual, name)
        if given is not None and chosen != usual:
            problems.append(
                f"setting {dotted} has no effect in this version; leave it at its default ({_shown(usual)})"
            )
    return problems


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
