"""What a feature is: its declaration, and the plan of windows the settings ask for.

Belongs here: the declaration every feature is made of (`FeatureSpec`, `Feature`), spans of time as the names spell
them, and the resolved settings all families read (`Plan`). Does not belong here: how a feature is computed (a module
of `families` each), reading facts (`ledger`), order and completeness (`registry`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from gosales_assets.engine.features.embeddings import TRANSACTIONS, Factorization, of_assets
from gosales_assets.taxonomy import slugify
from gosales_assets.timeline import YEAR_MONTHS, Window, add_days, feature_window, lagged_window

if TYPE_CHECKING:
    from gosales_assets.engine.features.ledger import Ledger
    from gosales_assets.settings import FeatureSettings

Scope = Literal["all", "div"]
Dtype = Literal["Int32", "Int8", "Float64"]
NullPolicy = Literal["zero", "null", "known"]
Values = np.ndarray | pl.Series
Named = tuple[tuple[str, str], ...]

SCOPES: tuple[Scope, ...] = ("all", "div")
DTYPES: dict[str, pl.DataType] = {"Int32": pl.Int32(), "Int8": pl.Int8(), "Float64": pl.Float64()}
FACTS = "fact_transactions"
CUSTOMERS = "dim_customer"
ASSETS = "fact_assets"
#: Industries that are crossed with the size of a customer, at most: the first ones of the settings.
MAX_CROSSED = 12

_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class Span:
    """A span of time relative to a cutoff, as feature names spell it.

    Attributes
    ----------
    months
        Length; None reaches back to the first line.
    lag_days
        Days before the cutoff at which the span ends.
    keeps_start
        Whether the lag only cuts the end off; otherwise the whole span moves into the past.
    """

    months: int | None = None
    lag_days: int = 0
    keeps_start: bool = False

    @property
    def label(self) -> str:
        """Last part of a feature name.

        Examples
        --------
        >>> Span(12).label, Span(12, 60).label, Span(12, 60, keeps_start=True).label, Span().label
        ('12m', '12m_off60d', '12m_lag60d', 'life')
        """
        base = "life" if self.months is None else f"{self.months}m"
        how = "lag" if self.keeps_start else "off"
        return f"{base}_{how}{self.lag_days}d" if self.lag_days else base

    @property
    def words(self) -> str:
        """The span in a description."""
        base = "up to the cutoff" if self.months is None else f"in the {self.months} months up to the cutoff"
        if not self.lag_days:
            return base
        if self.keeps_start:
            return f"{base}, its last {self.lag_days} days left out"
        return base.replace("the cutoff", f"{self.lag_days} days before the cutoff")

    def window(self, cutoff: date) -> Window:
        """The dates of the span at a cutoff."""
        if self.months is None:
            return Window(date.min, add_days(cutoff, -self.lag_days))
        if self.keeps_start:
            return lagged_window(cutoff, self.months, self.lag_days)
        return feature_window(cutoff, self.months, offset_days=self.lag_days)


LIFE = Span()


@dataclass(frozen=True)
class FeatureSpec:
    """Declaration of one feature: everything about it that needs no data.

    The catalog file, the date audit, the choice of features for a model that must not lean on the eve of the cutoff
    (`safe`) and the documentation are made of it; nothing about a feature is ever read off its name.

    Attributes
    ----------
    name
        Column name, ``family__scope__metric__window``, of ``[a-z0-9_]``. Never holds the name of the target.
    family
        First part of the name.
    scope
        ``all``: the same for every target. ``div``: speaks of the target.
    span
        What it reads, relative to the cutoff.
    sources
        Artifacts the feature is computed from.
    dtype
        Polars type in the feature matrix.
    known_forward
        Whether the feature may speak of days after the cutoff because they were known by then (a contract's end).
    description
        One sentence with the unit.
    null_policy
        ``zero``: nothing booked counts as a known 0. ``null``: unknown stays null. ``known``: always has a value.
    measures_age
        Whether the value is a number of days before the cutoff, so that a negative one names a day after it.
    pooled
        Whether the value rests on lines of other customers and other products too (a rate, a lift, a prior), not on
        the customer's lines of the scope alone.
    adjacent
        Whether the value says mainly what happened close to the cutoff.
    """

    name: str
    family: str
    scope: Scope
    span: Span
    sources: tuple[str, ...]
    dtype: Dtype
    known_forward: bool
    description: str
    null_policy: NullPolicy = "zero"
    measures_age: bool = False
    pooled: bool = False
    adjacent: bool = False

    @property
    def window_months(self) -> int | None:
        """Length of the window in months; None for the whole history."""
        return self.span.months

    @property
    def lag_days(self) -> int:
        """Days before the cutoff at which the window ends."""
        return self.span.lag_days

    @property
    def safe(self) -> bool:
        """Whether a model that must not lean on the eve of the cutoff may read it."""
        return not self.adjacent

    @property
    def source(self) -> str:
        """The sources, as the catalog spells them."""
        return " + ".join(self.sources)


@dataclass(frozen=True)
class Feature:
    """A declared feature and how to compute it.

    Attributes
    ----------
    spec
        The declaration.
    value
        Gets the ledger of the spec's scope; returns one value per active customer in its order, NaN (numpy) or null
        (polars) where unknown. The others have what the null policy says.
    everyone
        Whether ``value`` returns one value per customer instead, active or not.
    """

    spec: FeatureSpec
    value: Callable[[Ledger], Values]
    everyone: bool = False


@dataclass(frozen=True)
class Shared:
    """A column of the customer base that features of every target rest on and no matrix holds.

    Attributes
    ----------
    name
        Column name, ``shared__…``.
    value
        Gets the ledger of all lines; returns one value per customer.
    lag_days
        Days before the cutoff at which what it reads ends.
    """

    name: str
    value: Callable[[Ledger], Values]
    lag_days: int = 0


@dataclass(frozen=True)
class Plan:
    """The settings of the families, resolved: which windows exist and over which division columns.

    Attributes
    ----------
    windows, offsets
        Window lengths in months, ascending; days before the cutoff at which offset windows end.
    year, two_years
        Windows of the families that look at one or two years: 12 and 24 months, or as many as the longest window
        allows.
    delta
        Length of the two adjacent windows that are compared, months: half of the longest window that is twice
        another one. None when there is none or deltas are off.
    half_lives, recency_floor
        Days.
    alpha
        Weight of the prior of the target's share, lines; None when smoothing is off.
    source_flags
        Whether features say which sources know the customer.
    divisions
        (display name, slug) of the division columns, in the order given.
    skus
        (SKU, slug) of the product columns; none when they are off.
    basket, basket_support, basket_topk
        What the market basket reads (None when it is off), customers a product needs to make a rule, and how many of a
        customer's rules count.
    pooled, alpha_industry, alpha_sub
        What the industry rates read (None when they are off), and the weights of their priors, lines.
    industries, sub_industries, branches
        (name, slug) of the columns for values the settings name.
    branch_mix
        Whether there are columns about branches and representatives.
    crossed
        Industries that are crossed with the size of a customer; none when that is off.
    allowed
        (segment, families it may use) of the segments that may not use all.
    assets
        Whether there are features of assets.
    expiring_guard
        Days after the cutoff whose ends of terms are left out; None when features must not read them at all.
    transactions_span
        How far back the embedding of lines looks.
    transactions_fit, assets_fit
        Parameters of the embeddings of lines and of assets; None when they are off.
    """

    windows: tuple[int, ...]
    offsets: tuple[int, ...]
    year: int
    two_years: int
    delta: int | None
    half_lives: tuple[int, ...]
    recency_floor: int
    alpha: float | None
    source_flags: bool
    divisions: Named
    skus: Named
    basket: Span | None
    basket_support: int
    basket_topk: int
    pooled: Span | None
    alpha_industry: float
    alpha_sub: float
    industries: Named
    sub_industries: Named
    branches: Named
    branch_mix: bool
    crossed: Named
    allowed: tuple[tuple[str, tuple[str, ...]], ...]
    assets: bool
    expiring_guard: int | None
    transactions_span: Span
    transactions_fit: Factorization | None
    assets_fit: Factorization | None

    @classmethod
    def of(cls, features: FeatureSettings, divisions: Sequence[str], skus: Sequence[str] = ()) -> Plan:
        """Resolve settings.

        Parameters
        ----------
        features
            The settings of the features.
        divisions
            Display names of the taxonomy's divisions.
        skus
            The taxonomy's SKUs.

        Raises
        ------
        ValueError
            When two divisions, SKUs, industries or branches share a slug: their columns would have one name.
        """
        windows = tuple(sorted(features.windows_months))
        longest = windows[-1]
        halves = [w for w in windows if 2 * w in windows]
        industries = _named("features.industries", features.industries)
        return cls(
            windows=windows,
            offsets=tuple(features.offset_days) if features.enable_offset_windows else (),
            year=min(YEAR_MONTHS, longest),
            two_years=min(2 * YEAR_MONTHS, longest),
            delta=halves[-1] if halves and features.enable_window_deltas else None,
            half_lives=tuple(features.recency_decay_half_lives_days),
            recency_floor=features.recency_floor_days,
            alpha=features.eb_alpha_lines if features.use_eb_smoothing else None,
            source_flags=features.add_missingness_flags,
            divisions=_named("divisions", divisions),
            skus=_named("SKUs", skus) if features.use_sku_signals else (),
            basket=(
                Span(features.basket_window_months, features.affinity_lag_days, keeps_start=True)
                if features.use_basket_features
                else None
            ),
            basket_support=features.basket_min_support,
            basket_topk=features.basket_topk,
            pooled=Span(features.pooled_encoders_lookback_months) if features.pooled_encoders_enable else None,
            alpha_industry=features.pooled_alpha_industry,
            alpha_sub=features.pooled_alpha_sub,
            industries=industries,
            sub_industries=_named("features.sub_industries", features.sub_industries),
            branches=_named("features.branches", features.branches) if features.use_branch_mix else (),
            branch_mix=features.use_branch_mix,
            crossed=industries[:MAX_CROSSED] if features.use_interactions else (),
            allowed=tuple(sorted((s, tuple(f)) for s, f in features.segment_feature_allowlist.items())),
            assets=features.use_assets,
            expiring_guard=features.expiring_guard_days if features.assets_keep_terms else None,
            transactions_span=Span(features.als_lookback_months),
            transactions_fit=TRANSACTIONS if features.use_als_embeddings else None,
            assets_fit=of_assets(features.assets_als) if features.use_assets_als else None,
        )

    @property
    def further_columns(self) -> tuple[str, ...]:
        """Columns of the lines that families of this plan read besides those every plan needs."""
        quantity = self.skus or self.transactions_fit
        return (*(("quantity",) if quantity else ()), *(("branch", "rep") if self.branch_mix else ()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every span of months the families may ask the ledger's grid for."""
        months = {*self.windows, self.year, self.two_years}
        lags = (0, *self.offsets)
        grid = tuple(Span(m, lag) for lag in lags for m in sorted(months))
        return grid if self.pooled is None or self.pooled in grid else (*grid, self.pooled)


def _named(what: str, names: Sequence[str]) -> Named:
    """Names with the slugs of their columns."""
    slugs: dict[str, str] = {}
    for name in names:
        if (other := slugs.setdefault(slugify(name), name)) != name:
            raise ValueError(f"{what} {other!r} and {name!r} share the column name {slugify(name)!r}; rename one")
    return tuple((name, slug) for slug, name in slugs.items())


def declare(
    family: str,
    scope: Scope,
    metric: str,
    span: Span,
    dtype: Dtype,
    value: Callable[[Ledger], Values],
    description: str,
    *,
    label: str | None = None,
    source: str | tuple[str, ...] = FACTS,
    known_forward: bool = False,
    null_policy: NullPolicy = "zero",
    measures_age: bool = False,
    pooled: bool = False,
    adjacent: bool | None = None,
    everyone: bool = False,
) -> Feature:
    """Declare a feature named by the grammar ``family__scope__metric__window``.

    Parameters
    ----------
    span
        What the feature reads. Also the last part of the name, unless ``label`` says otherwise.
    value
        Computes it from the ledger of its scope.
    source
        Artifact it is computed from, or several.
    adjacent
        As in `FeatureSpec`. By default a span of at most a year, whatever its lag, is adjacent, and so is what may
        speak of days after the cutoff; a family says otherwise where its values do.

    Raises
    ------
    ValueError
        When the name holds anything but lower-case letters, digits and underscores.
    """
    name = "__".join((family, scope, metric, label or span.label))
    if not _NAME.fullmatch(name):
        raise ValueError(f"feature name {name!r}: use lower-case letters, digits and underscores only")
    spec = FeatureSpec(
        name=name,
        family=family,
        scope=scope,
        span=span,
        sources=(source,) if isinstance(source, str) else source,
        dtype=dtype,
        known_forward=known_forward,
        description=description,
        null_policy=null_policy,
        measures_age=measures_age,
        pooled=pooled,
        adjacent=(known_forward or is_short(span)) if adjacent is None else adjacent,
    )
    return Feature(spec, value, everyone)


def is_short(span: Span) -> bool:
    """Whether a span is no longer than a year: what it holds is mostly close to the cutoff.

    Examples
    --------
    >>> is_short(Span(12, 60)), is_short(Span(24)), is_short(LIFE)
    (True, False, False)
    """
    return span.months is not None and span.months <= YEAR_MONTHS


def lines_of(scope: Scope) -> str:
    """The lines of a scope, in a description."""
    return "lines" if scope == "all" else "lines of the target"
