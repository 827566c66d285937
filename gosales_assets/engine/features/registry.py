"""All feature families, their canonical order, and the list a model is trained and scored with.

Belongs here: which families exist, in which order their columns stand, and that their declarations fit together.
Does not belong here: how any of them is computed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gosales_assets.engine.features.families import (
    assets,
    basket,
    branches,
    deltas,
    diversity,
    dynamics,
    encoders,
    industry,
    interactions,
    lifecycle,
    lifetime,
    margin,
    mix,
    products,
    recency,
    returns,
    season,
    similarity,
    sources,
    windows,
)
from gosales_assets.engine.features.ledger import Ledger
from gosales_assets.engine.features.spec import DTYPES, Feature, FeatureSpec, Plan, Scope, Shared

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings

#: In the order of the columns. A new family is a module with ``declare_features`` and its line here.
FAMILIES = (
    lifetime,
    recency,
    windows,
    deltas,
    margin,
    dynamics,
    lifecycle,
    season,
    mix,
    diversity,
    returns,
    products,
    branches,
    basket,
    industry,
    encoders,
    interactions,
    assets,
    similarity,
    sources,
)


@lru_cache(maxsize=16)
def declared(plan: Plan) -> tuple[Feature, ...]:
    """Every feature of a plan, in canonical order.

    Raises
    ------
    ValueError
        When two families declare the same name, or the settings allow a segment a family that does not exist.
    """
    features = tuple(f for family in FAMILIES for f in family.declare_features(plan))
    if twice := sorted(name for name, n in Counter(f.spec.name for f in features).items() if n > 1):
        raise ValueError(f"feature {twice[0]!r} is declared twice")
    families = {f.spec.family for f in features}
    for segment, allowed in plan.allowed:
        if unknown := sorted(set(allowed) - families):
            raise ValueError(
                f"features.segment_feature_allowlist.{segment} names the family {unknown[0]!r}, which the settings do "
                f"not build; built are {', '.join(sorted(families))}"
            )
    return features


@lru_cache(maxsize=16)
def shared(plan: Plan) -> tuple[Shared, ...]:
    """What the customer base holds for features of the targets beside features of its own."""
    sharing = (family.declare_shared for family in FAMILIES if hasattr(family, "declare_shared"))
    return tuple(column for declare_shared in sharing for column in declare_shared(plan))


def feature_specs(
    features: FeatureSettings, divisions: Sequence[str], skus: Sequence[str] = ()
) -> tuple[FeatureSpec, ...]:
    """Declarations of all features, in the order of the columns of the feature matrix.

    Parameters
    ----------
    features
        The settings of the features.
    divisions
        Display names of the taxonomy's divisions. Settings and divisions alone decide the list, never data: a
        division without a line has its columns all the same.
    skus
        The taxonomy's SKUs.

    Returns
    -------
    tuple of FeatureSpec
    """
    return tuple(f.spec for f in declared(Plan.of(features, divisions, skus)))


def descriptions(features: FeatureSettings, divisions: Sequence[str], skus: Sequence[str] = ()) -> dict[str, str]:
    """What each feature says, by its name; parameters as in `feature_specs`."""
    return {s.name: s.description for s in feature_specs(features, divisions, skus)}


def safe_features(specs: Iterable[FeatureSpec]) -> list[str]:
    """Names of the features a model may read that must not lean on the eve of the cutoff, in their order.

    What a feature is decides, by its declaration: windows of at most a year, recencies and whatever else singles the
    newest days out are left out, under whatever name.
    """
    return [s.name for s in specs if s.safe]


def feature_list(specs: Iterable[FeatureSpec]) -> dict[str, Any]:
    """The document ``feature_list.json``: what a matrix must hold to be scored, and in which order.

    Parameters
    ----------
    specs
        Declarations in canonical order.

    Returns
    -------
    dict
        ``version`` (sha256 of the list) and ``features`` (name, dtype and family of each, and whether it is safe).
    """
    features = [{"name": s.name, "dtype": s.dtype, "family": s.family, "safe": s.safe} for s in specs]
    text = json.dumps(features, sort_keys=True, separators=(",", ":"))
    return {"version": hashlib.sha256(text.encode()).hexdigest(), "features": features}


def evaluate(features: Iterable[Feature], ledger: Ledger, scope: Scope) -> list[pl.Series]:
    """Compute the features of one scope.

    Parameters
    ----------
    features
        Declared features; those of other scopes are passed over.
    ledger
        The lines of that scope.

    Returns
    -------
    list of Series
        Named and typed as declared, one value per customer; NaN and infinity have become null.
    """
    return [_column(f, ledger) for f in features if f.spec.scope == scope]


def _column(feature: Feature, ledger: Ledger) -> pl.Series:
    spec = feature.spec
    values = feature.value(ledger)
    if isinstance(values, pl.Series):
        values = values.cast(pl.Float64).to_numpy()  # null becomes NaN
    if not feature.everyone:
        values = ledger.spread(values, 0 if spec.null_policy == "zero" else np.nan)
    if spec.dtype == "Float64" or values.dtype.kind == "f":
        column = pl.Series(spec.name, np.where(np.isinf(values), np.nan, values), nan_to_null=True)
        return column if spec.dtype == "Float64" else column.cast(DTYPES[spec.dtype])
    return pl.Series(spec.name, values.astype(spec.dtype.lower()))
