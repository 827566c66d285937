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
from gosales_assets.timeline import YEAR_MONTHS, Window, add_days, feature_window

if TYPE_CHECKING:
    from gosales_assets.engine.features.ledger import Ledger
    from gosales_assets.settings import FeatureSettings

Scope = Literal["all", "div"]
Dtype = Literal["Int32", "Int8", "Float64"]
NullPolicy = Literal["zero", "null", "known"]
Values = np.ndarray | pl.Series

SCOPES: tuple[Scope, ...] = ("all", "div")
DTYPES: dict[str, pl.DataType] = {"Int32": pl.Int32(), "Int8": pl.Int8(), "Float64": pl.Float64()}
FACTS = "fact_transactions"
CUSTOMERS = "dim_customer"
ASSETS = "fact_assets"

_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class FeatureSpec:
    """Declaration of one feature: everything about it that needs no data.

    Attributes
    ----------
    name
        Column name, ``family__scope__metric__window``, of ``[a-z0-9_]``. Never holds the name of the target.
    family
        First part of the name.
    scope
        ``all``: every line of the customer. ``div``: the target's lines only.
    window_months
        Length of the window in months; None for the whole history.
    lag_days
        Days before the cutoff at which the window ends.
    source
        Artifact the feature is computed from.
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
    """

    name: str
    family: str
    scope: Scope
    window_months: int | None
    lag_days: int
    source: str
    dtype: Dtype
    known_forward: bool
    description: str
    null_policy: NullPolicy = "zero"
    measures_age: bool = False

    @property
    def span(self) -> Span:
        return Span(self.window_months, self.lag_days)


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
class Span:
    """A span of time relative to a cutoff, as feature names spell it.

    Attributes
    ----------
    months
        Length; None reaches back to the first line.
    lag_days
        Days before the cutoff at which the span ends.
    """

    months: int | None = None
    lag_days: int = 0

    @property
    def label(self) -> str:
        """Last part of a feature name: ``12m``, ``12m_off60d``, ``life``.

        Examples
        --------
        >>> Span(12).label, Span(12, 60).label, Span().label
        ('12m', '12m_off60d', 'life')
        """
        base = "life" if self.months is None else f"{self.months}m"
        return f"{base}_off{self.lag_days}d" if self.lag_days else base

    @property
    def words(self) -> str:
        """The span in a description."""
        base = "up to the cutoff" if self.months is None else f"in the {self.months} months up to the cutoff"
        return base.replace("the cutoff", f"{self.lag_days} days before the cutoff") if self.lag_days else base

    def window(self, cutoff: date) -> Window:
        """The dates of the span at a cutoff."""
        if self.months is None:
            return Window(date.min, add_days(cutoff, -self.lag_days))
        return feature_window(cutoff, self.months, offset_days=self.lag_days)


LIFE = Span()


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
    assets
        Whether there are features of assets.
    expiring_guard
        Days after the cutoff whose ends of terms are left out; None when features must not read them at all.
    transactions_fit, assets_fit
        Parameters of the embeddings of lines and of assets; None when they are off.
    fit_months
        How far back the embedding of lines looks, months.
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
    divisions: tuple[tuple[str, str], ...]
    assets: bool
    expiring_guard: int | None
    transactions_fit: Factorization | None
    assets_fit: Factorization | None
    fit_months: int

    @classmethod
    def of(cls, features: FeatureSettings, divisions: Sequence[str]) -> Plan:
        """Resolve settings.

        Parameters
        ----------
        features
            The settings of the features.
        divisions
            Display names of the taxonomy's divisions.

        Raises
        ------
        ValueError
            When two divisions share a slug: their columns would have one name.
        """
        slugs: dict[str, str] = {}
        for name in divisions:
            if (other := slugs.setdefault(slugify(name), name)) != name:
                raise ValueError(
                    f"divisions {other!r} and {name!r} share the column name {slugify(name)!r}; rename one"
                )
        windows = tuple(sorted(features.windows_months))
        longest = windows[-1]
        halves = [w for w in windows if 2 * w in windows]
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
            divisions=tuple((name, slug) for slug, name in slugs.items()),
            assets=features.use_assets,
            expiring_guard=features.expiring_guard_days if features.assets_keep_terms else None,
            transactions_fit=TRANSACTIONS if features.use_als_embeddings else None,
            assets_fit=of_assets(features.assets_als) if features.use_assets_als else None,
            fit_months=features.als_lookback_months,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every span of months the families may ask the ledger's grid for."""
        months = {*self.windows, self.year, self.two_years}
        lags = (0, *self.offsets)
        return tuple(Span(m, lag) for lag in lags for m in sorted(months))


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
    source: str = FACTS,
    known_forward: bool = False,
    null_policy: NullPolicy = "zero",
    measures_age: bool = False,
    everyone: bool = False,
) -> Feature:
    """Declare a feature named by the grammar ``family__scope__metric__window``.

    Parameters
    ----------
    span
        What the feature reads. Also the last part of the name, unless ``label`` says otherwise.
    value
        Computes it from the ledger of its scope.

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
        window_months=span.months,
        lag_days=span.lag_days,
        source=source,
        dtype=dtype,
        known_forward=known_forward,
        description=description,
        null_policy=null_policy,
        measures_age=measures_age,
    )
    return Feature(spec, value, everyone)


def lines_of(scope: Scope) -> str:
    """The lines of a scope, in a description."""
    return "lines" if scope == "all" else "lines of the target"
