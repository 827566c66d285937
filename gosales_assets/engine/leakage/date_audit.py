"""Which day did each feature read last? Measured by taking the later days away.

Belongs here: the audit of a feature matrix against the facts. Does not belong here: how features are computed, how
the verdict is weighed against other audits.

A name or a declaration proves nothing: a feature called ``…_12m`` may well read 12 months and a week. So the matrix is
built again from facts that end where the feature says it stops reading. If a stored value changes when nothing but
later days is taken away, the feature had read them, of whichever customer: what rests on the lines of others (lifts,
rates of an industry, priors, caps) is learned again from the shortened facts like everything else. Compared are also
the set of customers and their keys, because a roster of today leaks as surely as a sum.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

import pandera.polars as pa
import polars as pl

from gosales_assets.engine.features.base import CONTEXT, customer_base, read_all, told_to_targets
from gosales_assets.engine.features.build import feature_matrix, only_allowed
from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.registry import declared, evaluate, shared
from gosales_assets.engine.features.spec import (
    ASSETS,
    CUSTOMERS,
    FACTS,
    LIFE,
    SCOPES,
    Feature,
    FeatureSpec,
    Plan,
    Scope,
)
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import add_days

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings, OwnershipSettings, PopulationSettings

OK, LEAK, UNKNOWN = "OK", "LEAK", "UNKNOWN"
KEY, CONTEXT_FAMILY, UNDECLARED = "key", "context", "undeclared"


class FeatureDateAudit(pa.DataFrameModel):
    """One row per column of the feature matrix."""

    feature: pl.String = pa.Field(unique=True, description="Column of the matrix; customer_id stands for the row set.")
    family: pl.String = pa.Field(description="Family of the feature; key, context or undeclared for other columns.")
    scope: pl.String = pa.Field(isin=["all", "div"], description="all: every line. div: lines of the target.")
    source_table: pl.String = pa.Field(
        nullable=True, description="Artifact it is computed from; empty when undeclared."
    )
    declared_window_end: pl.Date = pa.Field(nullable=True, description="Last day it declares to read.")
    latest_event_date: pl.Date = pa.Field(
        nullable=True,
        description="Latest day with an event in what it read; for a leak the first such day it should not have known.",
    )
    cutoff: pl.Date = pa.Field(description="Last day that was known.")
    status: pl.String = pa.Field(isin=[OK, LEAK, UNKNOWN], description="UNKNOWN closes the gate like LEAK.")
    reason: pl.String = pa.Field(description="What was measured; what to do when it is bad.")

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique: ClassVar = ["feature"]


COLUMNS: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "family": pl.String(),
    "scope": pl.String(),
    "source_table": pl.String(),
    "declared_window_end": pl.Date(),
    "latest_event_date": pl.Date(),
    "cutoff": pl.Date(),
    "status": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True)
class Rebuilt:
    """What the audits of all targets at one cutoff share: rebuild it once with `rebuild`.

    Attributes
    ----------
    base
        customer_base from the facts known at the cutoff, and the customers known by then.
    lagged
        By days of lag: the features of scope ``all`` that declare it and the shared columns, from facts that end there.
    days
        Days with a line known at the cutoff, ascending.
    """

    base: pl.DataFrame
    lagged: Mapping[int, pl.DataFrame]
    days: Sequence[date]


def rebuild(
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    cutoff: date,
    *,
    features: FeatureSettings,
    population: PopulationSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    assets: pl.DataFrame | None = None,
    mask_tail_days: int = 0,
) -> Rebuilt:
    """Build what is the same for all targets from nothing but what was known at the cutoff.

    Parameters
    ----------
    facts, dim, cutoff, features, population, divisions, skus, assets, mask_tail_days
        As for `customer_base`.

    Returns
    -------
    Rebuilt
    """
    known, seen = facts.filter(_upto(cutoff)), dim.filter(_upto(cutoff, "first_seen_date"))
    base = customer_base(
        known,
        seen,
        cutoff,
        features=features,
        population=population,
        divisions=divisions,
        skus=skus,
        assets=_assets_upto(assets, cutoff),
        mask_tail_days=mask_tail_days,
    )
    plan = Plan.of(features, divisions, skus)
    lagged = {}
    for lag, chosen in _lagged(plan, "all").items():
        ledger = read_all(
            facts.filter(_upto(add_days(cutoff, -lag))),
            seen,
            cutoff,
            features=features,
            divisions=divisions,
            skus=skus,
            mask_tail_days=mask_tail_days,
        )
        # What the lines up to that day tell the features of a target too: a lift rests on all customers' lines.
        lagged[lag] = pl.DataFrame([*evaluate(chosen, ledger, "all"), *told_to_targets(ledger, lag)])
    return Rebuilt(base, lagged, _days(known))


def feature_date_audit(
    features: pl.DataFrame,
    base: pl.DataFrame,
    facts: pl.LazyFrame,
    target: Target,
    cutoff: date,
    *,
    dim: pl.DataFrame,
    settings: FeatureSettings,
    ownership: OwnershipSettings,
    population: PopulationSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    assets: pl.DataFrame | None = None,
    mask_tail_days: int = 0,
    rebuilt: Rebuilt | None = None,
) -> pl.DataFrame:
    """Audit every column of a feature matrix for events after the day it may know.

    Parameters
    ----------
    features
        The stored feature matrix.
    base
        The stored customer_base it was made from.
    facts
        fact_transactions, whole.
    target, cutoff
        What the matrix is of.
    dim
        dim_customer: the roster and industry features rest on it.
    settings
        The settings of the features.
    ownership, population, divisions, skus, assets, mask_tail_days
        As for `build_features`.
    rebuilt
        What `rebuild` returned for the same cutoff and settings; rebuilt here when not given.

    Returns
    -------
    DataFrame
        Columns of `FeatureDateAudit`, in the order of the matrix; declared features the matrix lacks come last.
    """
    plan = Plan.of(settings, divisions, skus)
    if rebuilt is None:
        rebuilt = rebuild(
            facts,
            dim,
            cutoff,
            features=settings,
            population=population,
            divisions=divisions,
            skus=skus,
            assets=assets,
            mask_tail_days=mask_tail_days,
        )
    mine = facts.filter(target.lines() & _upto(cutoff)).collect()
    fresh, _ = feature_matrix(
        rebuilt.base,
        mine.lazy(),
        target,
        cutoff,
        features=settings,
        ownership=ownership,
        population=population,
        divisions=divisions,
        skus=skus,
        assets=_assets_upto(assets, cutoff),
        mask_tail_days=mask_tail_days,
    )
    lagged = {
        lag: _ended_early(lag, rebuilt, mine, target, cutoff, plan, mask_tail_days) for lag in _lagged(plan, "div")
    }
    days = {"all": rebuilt.days, "div": _days(mine.lazy())}
    seen = dim.filter(_upto(cutoff, "first_seen_date"))["first_seen_date"].max()
    truth = _Truth(fresh, rebuilt.base, lagged, days, seen, facts, assets, target, cutoff)  # type: ignore[arg-type]
    specs = {f.spec.name: f.spec for f in declared(plan)} | _keys()
    rows = [truth.judge(name, specs.get(name), features, base) for name in features.columns]
    rows += [truth.absent(spec) for name, spec in specs.items() if name not in features.columns]
    return pl.DataFrame(rows, schema=COLUMNS)


def _ended_early(
    lag: int, rebuilt: Rebuilt, mine: pl.DataFrame, target: Target, cutoff: date, plan: Plan, mask_tail_days: int
) -> pl.DataFrame:
    """The features that declare a lag, from facts that end as many days before the cutoff."""
    told = rebuilt.lagged[lag]
    ledger = Ledger.read(
        mine.lazy().filter(_upto(add_days(cutoff, -lag))),
        rebuilt.base.with_columns(told[column.name] for column in shared(plan) if column.lag_days == lag),
        cutoff,
        plan,
        target=target,
        mask_tail_days=mask_tail_days,
    )
    columns = [
        *rebuilt.base.select("customer_id", "segment"),
        *told,
        *evaluate(_lagged(plan, "div")[lag], ledger, "div"),
    ]
    specs = [f.spec for scope in SCOPES for f in _lagged(plan, scope)[lag]]
    return only_allowed(pl.DataFrame(columns), specs, plan)


def _lagged(plan: Plan, scope: Scope) -> dict[int, list[Feature]]:
    """Features of a scope that declare to stop reading before the cutoff, by every lag there is."""
    lagged = [f for f in declared(plan) if f.spec.lag_days]
    lags = sorted({f.spec.lag_days for f in lagged})
    return {lag: [f for f in lagged if f.spec.lag_days == lag and f.spec.scope == scope] for lag in lags}


def _upto(day: date, column: str = "order_date") -> pl.Expr:
    """Known by a day. Written out here on purpose: an audit must not lean on the rule it judges."""
    return (pl.col(column) <= day).fill_null(False)


def _assets_upto(assets: pl.DataFrame | None, cutoff: date) -> pl.DataFrame | None:
    """Assets without those bought later; one of unknown date is there at every cutoff."""
    return None if assets is None else assets.filter(~(pl.col("purchase_date") > cutoff).fill_null(False))


def _days(facts: pl.LazyFrame) -> list[date]:
    return facts.select("order_date").drop_nulls().unique().sort("order_date").collect()["order_date"].to_list()


def _keys() -> dict[str, FeatureSpec]:
    """The columns beside the features, declared for the audit."""

    def key(name: str, family: str, scope: Scope, source: str) -> FeatureSpec:
        return FeatureSpec(
            name=name,
            family=family,
            scope=scope,
            span=LIFE,
            sources=(source,),
            dtype="Float64",
            known_forward=False,
            description="",
            measures_age=name == "context__recency_days",
        )

    keys = [key("customer_id", KEY, "all", CUSTOMERS), key("segment", KEY, "all", FACTS)]
    keys += [key("ownership", KEY, "div", FACTS), *(key(c, CONTEXT_FAMILY, "all", FACTS) for c in CONTEXT)]
    return {k.name: k for k in keys}


@dataclass(frozen=True)
class _Truth:
    """What the columns must equal, and the events they may have read.

    Attributes
    ----------
    fresh, base, lagged
        The matrix and the base from what was known at the cutoff; lagged features from what they may know.
    days
        By scope: days with a line known at the cutoff, ascending.
    seen
        Latest day a customer of the roster was first seen.
    assets
        fact_assets, whole; None when there are none.
    """

    fresh: pl.DataFrame
    base: pl.DataFrame
    lagged: Mapping[int, pl.DataFrame]
    days: Mapping[str, Sequence[date]]
    seen: date | None
    facts: pl.LazyFrame
    assets: pl.DataFrame | None
    target: Target
    cutoff: date

    def judge(self, name: str, spec: FeatureSpec | None, features: pl.DataFrame, base: pl.DataFrame) -> dict[str, Any]:
        """One row of the audit."""
        if spec is None:
            return self._row(name, None, UNKNOWN, "not declared: nothing says what it may read; declare or drop it")
        stored = features[name]
        if stored.dtype != self.fresh[name].dtype:
            return self._row(name, spec, UNKNOWN, f"stored as {stored.dtype}, declared {self.fresh[name].dtype}")
        if spec.measures_age and (youngest := _smallest(stored)) is not None and youngest < 0:
            future = add_days(self.cutoff, -youngest)
            return self._row(name, spec, LEAK, f"{-youngest} days after the cutoff by its own value", future)
        if spec.lag_days and not _same(features, self.lagged[spec.lag_days], name):
            return self._differs(name, spec, self._declared_end(spec))
        if not _same(features, self.fresh, name) or (name in base.columns and not _same(base, self.base, name)):
            return self._differs(name, spec, self.cutoff)
        latest = self._latest(spec)
        reason = "unchanged when later days are taken away" if latest else "no event in what it declares to read"
        return self._row(name, spec, OK, reason, latest)

    def absent(self, spec: FeatureSpec) -> dict[str, Any]:
        """The row of a declared feature that is not there."""
        return self._row(spec.name, spec, UNKNOWN, "declared, but not in the matrix; rebuild the matrix")

    def _differs(self, name: str, spec: FeatureSpec, end: date) -> dict[str, Any]:
        beyond = self._first_after(spec, end)
        if beyond is None:
            reason = f"not what the facts give, and they hold nothing after {end}; rebuild the matrix"
            return self._row(name, spec, UNKNOWN, reason)
        reason = f"not what days up to {end} give: it read days after {end}, or was built from other facts"
        return self._row(name, spec, LEAK, reason, beyond)

    def _latest(self, spec: FeatureSpec) -> date | None:
        if FACTS not in spec.sources:
            return self._bought().max() if ASSETS in spec.sources else self.seen  # type: ignore[return-value]
        window = spec.span.window(self.cutoff)
        days = self.days[_lines_of(spec)]
        at = bisect_right(days, window.until)
        return days[at - 1] if at and days[at - 1] > window.after else None

    def _declared_end(self, spec: FeatureSpec) -> date:
        """Last day a feature says it reads: from the lag alone, not from the window its code looks at."""
        return add_days(self.cutoff, -spec.lag_days)

    def _first_after(self, spec: FeatureSpec, end: date) -> date | None:
        after: list[date | None] = []
        if ASSETS in spec.sources:
            after.append(self._bought(after=end).min())  # type: ignore[arg-type]
        if spec.sources != (ASSETS,):
            lines = self.facts.filter(self.target.lines()) if _lines_of(spec) == "div" else self.facts
            after.append(lines.filter(~_upto(end)).select(pl.col("order_date").min()).collect().item())
        return min((day for day in after if day is not None), default=None)

    def _bought(self, after: date | None = None) -> pl.Series:
        """Purchase dates of the assets known at the cutoff, or of those bought after a day."""
        if self.assets is None:
            return pl.Series(dtype=pl.Date)
        known = _upto(self.cutoff, "purchase_date") if after is None else ~_upto(after, "purchase_date")
        return self.assets.filter(known)["purchase_date"]

    def _row(
        self, name: str, spec: FeatureSpec | None, status: str, reason: str, latest: date | None = None
    ) -> dict[str, Any]:
        return {
            "feature": name,
            "family": spec.family if spec else UNDECLARED,
            "scope": spec.scope if spec else "all",
            "source_table": spec.source if spec else None,
            "declared_window_end": self._declared_end(spec) if spec else None,
            "latest_event_date": latest,
            "cutoff": self.cutoff,
            "status": status,
            "reason": reason,
        }


def _lines_of(spec: FeatureSpec) -> Scope:
    """Whose lines may show in a feature: those of all products when it rests on other customers and products too."""
    return "all" if spec.pooled else spec.scope


def _smallest(column: pl.Series) -> int | None:
    smallest = column.min()
    return None if smallest is None else int(smallest)  # type: ignore[arg-type]


def _same(stored: pl.DataFrame, truth: pl.DataFrame, name: str) -> bool:
    """Whether a column holds the same values, nulls included, for the customers both frames hold.

    Customers in one frame only are the concern of the row set, the row ``customer_id``.
    """
    mine, theirs = stored["customer_id"], truth["customer_id"]
    if name == "customer_id":
        return mine.equals(theirs)
    if mine.equals(theirs):
        return stored[name].equals(truth[name])
    both = stored.select("customer_id", mine=name).join(
        truth.select("customer_id", theirs=name), on="customer_id", how="inner"
    )
    return both["mine"].equals(both["theirs"])
