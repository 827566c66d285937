"""Whether a feature matrix is what a model was trained to read.

Belongs here: holding the columns of a matrix to the canonical list of features before anything is scored. Does not
belong here: turning columns into numbers (`modeling.rows`), what a feature means.

A model reads its features by name, in its own order. What it lacks is an error and never a zero: 0 days since the last
order would be a customer who bought today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from gosales_assets.engine.modeling.rows import OWNERSHIP_FEATURES, FeatureError

KEYS = frozenset({"customer_id", "segment", "ownership"})
CONTEXT = "context__"


def unlisted(features: pl.DataFrame, feature_list: Mapping[str, Any]) -> list[str]:
    """Columns of a matrix that are neither listed features nor keys nor context: scoring does not read them."""
    listed = {f["name"] for f in feature_list["features"]}
    return [c for c in features.columns if c not in listed | KEYS and not c.startswith(CONTEXT)]


def require_features(features: pl.DataFrame, model: Mapping[str, Any], feature_list: Mapping[str, Any]) -> None:
    """Refuse a matrix the model cannot be applied to.

    Parameters
    ----------
    features
        The matrix.
    model
        Model document: ``features`` and the ``feature_list_version`` it was trained on.
    feature_list
        The canonical list in force: ``version`` and ``features`` (name, dtype, family).

    Raises
    ------
    FeatureError
        When the model was trained on another list, or the matrix lacks a feature or holds it in another type; the
        message names them.
    """
    if model["feature_list_version"] != feature_list["version"]:
        raise FeatureError(
            f"model of {model['division']} at {model['cutoff']} was trained on the feature list "
            f"{_short(model['feature_list_version'])}, the list in force is {_short(feature_list['version'])}; the "
            "settings of the features changed in between: train again"
        )
    wanted = [name for name in model["features"] if name not in OWNERSHIP_FEATURES]
    declared = {f["name"]: f["dtype"] for f in feature_list["features"]}
    found = {name: str(dtype) for name, dtype in features.schema.items()}
    if strange := [n for n in wanted if n not in declared]:
        raise FeatureError(f"model reads {_named(strange)}, which the feature list does not hold; train again")
    if missing := [n for n in wanted if n not in found]:
        raise FeatureError(
            f"features: {len(missing)} column(s) of the feature list are missing: {_named(missing)}; rebuild the "
            "features with the settings the feature list was made with"
        )
    if wrong := [f"{n} ({found[n]} instead of {declared[n]})" for n in wanted if found[n] != declared[n]]:
        raise FeatureError(
            f"features: {len(wrong)} column(s) have another type than the feature list says: {_named(wrong)}; rebuild "
            "the features"
        )


def _named(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _short(version: str) -> str:
    return version[:12]
