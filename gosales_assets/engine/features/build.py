"""The feature matrix of one target at one cutoff, with its catalog and its statistics.

Belongs here: joining what all targets share with what concerns the target, capping, order of columns, and the two
documents that describe the result. Does not belong here: any single feature (`families`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine import population as people
from gosales_assets.engine.features.base import CONTEXT, beside
from gosales_assets.engine.features.families.windows import CAPPED
from gosales_assets.engine.features.holdings import read_holdings
from gosales_assets.engine.features.ledger import LINE_COLUMNS, Ledger
from gosales_assets.engine.features.profile import ColumnProfile, combine, digest, profile
from gosales_assets.engine.features.registry import declared, evaluate, feature_list, shared
from gosales_assets.engine.features.spec import SCOPES, FeatureSpec, Plan, Span
from gosales_assets.engine.features.winsor import winsorize
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import until

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings, OwnershipSettings, PopulationSettings

KEYS = ("customer_id", "segment", "ownership")
SEGMENTS = (people.WARM, people.COLD, people.PROSPECT)
COVERAGE_DECIMALS = 6
#: What features and ownership read of the target's lines.
LINES_READ = (*LINE_COLUMNS, "revenue", "quantity")


@dataclass(frozen=True)
class FeatureBuild:
    """A feature matrix and what describes it.

    Attributes
    ----------
    features
        One row per customer known at the cutoff, sorted by ``customer_id``: ``customer_id``, ``segment``,
        ``ownership``, the ``context__`` columns, then every declared feature in canonical order.
    catalog
        One row per feature: what it means, what it reads, how much of it is there.
    stats
        Ranges, caps as applied, counts and the checksum of the content.
    """

    features: pl.DataFrame
    catalog: pl.DataFrame
    stats: dict[str, Any]


def build_features(
    base: pl.DataFrame,
    facts: pl.LazyFrame,
    target: Target,
    cutoff: date,
    *,
    features: FeatureSettings,
    ownership: OwnershipSettings,
    population: PopulationSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    assets: pl.DataFrame | None = None,
    mask_tail_days: int = 0,
    base_profile: Mapping[str, ColumnProfile] | None = None,
) -> FeatureBuild:
    """Build the feature matrix of a target at a cutoff.

    Parameters
    ----------
    base
        What `customer_base` returned for the same cutoff and settings.
    facts
        fact_transactions, whole.
    target
        The target; its lines make the scope ``div``.
    cutoff
        Last day included.
    features, ownership, population
        Settings.
    divisions
        Display names of the taxonomy's divisions.
    skus
        The taxonomy's SKUs.
    assets
        fact_assets, for ownership and the features made of them; None when there are none.
    mask_tail_days
        Newest days hidden from all features, for tests of leakage; the same as for the base.
    base_profile
        Profiles of the base's columns (`profile`), to describe several targets of one cutoff faster. Worked out when
        not given.

    Returns
    -------
    FeatureBuild

    Raises
    ------
    ValueError
        When the base lacks a feature the settings declare: it was built with others.
    """
    plan = Plan.of(features, divisions, skus)
    specs = tuple(f.spec for f in declared(plan))
    matrix, caps = feature_matrix(
        base,
        facts,
        target,
        cutoff,
        features=features,
        ownership=ownership,
        population=population,
        divisions=divisions,
        skus=skus,
        assets=assets,
        mask_tail_days=mask_tail_days,
    )
    emptied = {s.name for s in specs if segments_of(s, plan) != SEGMENTS}
    unchanged = {c: p for c, p in (base_profile or {}).items() if c not in caps and c not in emptied}
    profiles = profile(matrix.drop(KEYS), unchanged)
    return FeatureBuild(
        features=matrix,
        catalog=_catalog(specs, profiles, cutoff, plan),
        stats=_stats(matrix, specs, profiles, caps, population.segments, _version(plan)),
    )


def feature_matrix(
    base: pl.DataFrame,
    facts: pl.LazyFrame,
    target: Target,
    cutoff: date,
    *,
    features: FeatureSettings,
    ownership: OwnershipSettings,
    population: PopulationSettings,
    divisions: Sequence[str],
    skus: Sequence[str] = (),
    assets: pl.DataFrame | None = None,
    mask_tail_days: int = 0,
) -> tuple[pl.DataFrame, dict[str, dict[str, Any]]]:
    """The matrix alone, and the caps applied by column. Parameters as for `build_features`."""
    plan = Plan.of(features, divisions, skus)
    specs = tuple(f.spec for f in declared(plan))
    known = {column.name: column for column in base.get_columns()}
    needed = [s.name for s in specs if s.scope == "all"] + [s.name for s in shared(plan)]
    if missing := [name for name in needed if name not in known]:
        raise ValueError(
            f"customer_base lacks {len(missing)} declared features ({', '.join(missing[:3])}, …): "
            "it was built with other settings or divisions; rebuild it for this cutoff"
        )
    # One pass over the facts serves features and ownership: neither reads a line of another target or a later day.
    wanted = [c for c in facts.collect_schema() if c in LINES_READ]
    lines = facts.filter(until(cutoff) & target.lines()).select(wanted).collect().lazy()
    owner = people.ownership(
        lines,
        base.select("customer_id"),
        target,
        cutoff,
        lookback_months=ownership.lookback_months,
        reinclude_days=ownership.reinclude_days,
        assets=assets,
    )
    keys = beside(base.select("customer_id", "segment"), owner)
    ledger = Ledger.read(
        lines,
        beside(base, owner),
        cutoff,
        plan,
        target=target,
        mask_tail_days=mask_tail_days,
        holdings=read_holdings(assets, base, cutoff, plan, target=target, mask_tail_days=mask_tail_days),
    )
    columns = {s.name: s for s in evaluate(declared(plan), ledger, "div")}
    columns |= {s.name: known[s.name] for s in specs if s.scope == "all"}
    caps: dict[str, dict[str, Any]] = {}
    modelled = base["segment"].is_in(list(population.segments))
    for name in capped_columns(plan):
        columns[name], caps[name] = winsorize(columns[name], modelled, features.gp_winsor_p)
    ordered = keys.select(KEYS).hstack([*base.select(CONTEXT.keys()), *(columns[s.name] for s in specs)])
    return only_allowed(ordered, specs, plan), caps


def segments_of(spec: FeatureSpec, plan: Plan) -> tuple[str, ...]:
    """Segments that may use a feature: those the settings do not restrict, and those they allow its family."""
    return tuple(s for s in SEGMENTS if s not in dict(plan.allowed) or spec.family in dict(plan.allowed)[s])


def only_allowed(matrix: pl.DataFrame, specs: Sequence[FeatureSpec], plan: Plan) -> pl.DataFrame:
    """Empty the features a customer's segment may not use.

    Parameters
    ----------
    matrix
        Any of the features, and ``segment``.
    specs
        Declarations of the features it holds.
    """
    emptied = [
        pl.when(pl.col("segment").is_in(list(allowed))).then(spec.name).alias(spec.name)
        for spec in specs
        if (allowed := segments_of(spec, plan)) != SEGMENTS
    ]
    return matrix.with_columns(emptied) if emptied else matrix


def capped_columns(plan: Plan) -> list[str]:
    """Names of the columns that are capped: windowed gross profit, both scopes, windows that end at the cutoff."""
    return [f"rfm__{scope}__{CAPPED}__{Span(months).label}" for scope in SCOPES for months in plan.windows]


def _coverage(spec: FeatureSpec | None, column: ColumnProfile) -> float:
    """Share of customers whose value is known before zeros are filled in."""
    covered = column.non_zero if spec is not None and spec.null_policy == "zero" else column.non_null
    return round(covered / column.rows, COVERAGE_DECIMALS) if column.rows else 0.0


@lru_cache(maxsize=16)
def _declarations(plan: Plan, cutoff: date) -> pl.DataFrame:
    """What the catalog says of each feature without looking at data: the same for all targets of a cutoff."""
    specs = [f.spec for f in declared(plan)]
    rows = [
        {
            "name": s.name,
            "family": s.family,
            "scope": s.scope,
            "window_months": s.window_months,
            "window_start": None if s.window_months is None else s.span.window(cutoff).first_day,
            "window_end": s.span.window(cutoff).last_day,
            "lag_days": s.lag_days,
            "source_table": s.source,
            "dtype": s.dtype,
            "null_policy": s.null_policy,
            "known_forward": s.known_forward,
            "pooled": s.pooled,
            "safe": s.safe,
            "segments": ", ".join(segments_of(s, plan)),
            "description": s.description,
        }
        for s in specs
    ]
    return pl.DataFrame(rows, {k: v for k, v in CATALOG_COLUMNS.items() if k not in _OF_DATA})


def _catalog(
    specs: Sequence[FeatureSpec], profiles: Mapping[str, ColumnProfile], cutoff: date, plan: Plan
) -> pl.DataFrame:
    told = {
        "coverage": [_coverage(s, profiles[s.name]) for s in specs],
        "n_unique": [profiles[s.name].n_unique for s in specs],
    }
    of_data = pl.DataFrame(told, {k: CATALOG_COLUMNS[k] for k in _OF_DATA})
    return _declarations(plan, cutoff).hstack(of_data).select(CATALOG_COLUMNS.keys())


CATALOG_COLUMNS: dict[str, pl.DataType] = {
    "name": pl.String(),
    "family": pl.String(),
    "scope": pl.String(),
    "window_months": pl.Int16(),
    "window_start": pl.Date(),
    "window_end": pl.Date(),
    "lag_days": pl.Int16(),
    "source_table": pl.String(),
    "dtype": pl.String(),
    "null_policy": pl.String(),
    "known_forward": pl.Boolean(),
    "pooled": pl.Boolean(),
    "safe": pl.Boolean(),
    "segments": pl.String(),
    "coverage": pl.Float64(),
    "n_unique": pl.Int64(),
    "description": pl.String(),
}
#: Columns of the catalog that a target's data decides.
_OF_DATA = ("coverage", "n_unique")


@lru_cache(maxsize=16)
def _version(plan: Plan) -> str:
    return feature_list(f.spec for f in declared(plan))["version"]


def _stats(
    matrix: pl.DataFrame,
    specs: Sequence[FeatureSpec],
    profiles: Mapping[str, ColumnProfile],
    caps: Mapping[str, dict[str, Any]],
    fit_population: Sequence[str],
    version: str,
) -> dict[str, Any]:
    by_name = {s.name: s for s in specs}
    counts = dict.fromkeys(SEGMENTS, 0)
    counts |= dict(matrix["segment"].value_counts().iter_rows())
    digests = [(name, profiles[name].digest if name in profiles else digest(matrix[name])) for name in matrix.columns]
    return {
        "columns": {
            name: {
                "dtype": p.dtype,
                "non_null": p.non_null,
                "coverage": _coverage(by_name.get(name), p),
                "min": p.min,
                "max": p.max,
                "mean": p.mean,
            }
            for name, p in profiles.items()
        },
        "winsor_caps": {name: {**cap, "fit_population": list(fit_population)} for name, cap in caps.items()},
        "row_count": matrix.height,
        "segments": counts,
        "feature_list_version": version,
        "checksum": combine(digests),
    }
