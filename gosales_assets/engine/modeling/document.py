"""The model as a document: numbers and text, never a pickled object.

Belongs here: writing a fitted model as JSON-able data, its identity, and reading it back. Does not belong here:
fitting, scoring rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gosales_assets.engine.modeling.candidates import Scorer
from gosales_assets.engine.modeling.linear import Linear
from gosales_assets.engine.modeling.trees import Trees

FORMAT = 2


def model_version(model: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of a model document: two models of one version score alike."""
    text = json.dumps(model, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stored(scorer: Scorer) -> dict[str, Any]:
    """The part of a model document that is the model: ``kind``, ``booster``, ``linear``."""
    if isinstance(scorer, Trees):
        return {"kind": "lightgbm", "booster": scorer.booster.model_to_string(), "linear": None}
    if isinstance(scorer, Linear):
        return {"kind": "logreg", "booster": None, "linear": scorer.document()}
    raise TypeError(f"{type(scorer).__name__} has no stored form")


NO_MODEL: dict[str, Any] = {"kind": "baseline", "booster": None, "linear": None}


def load_scorer(model: Mapping[str, Any]) -> Scorer | None:
    """The fitted model of a document; None for a baseline.

    Raises
    ------
    ValueError
        When the document has another format, or its model and its feature list disagree.
    """
    if model["format"] != FORMAT:
        raise ValueError(f"model document has format {model['format']!r}; this version reads {FORMAT}; train again")
    if model["kind"] == "baseline":
        return None
    names = list(model["features"])
    if model["kind"] == "logreg":
        return Linear.of(model["linear"], names)
    import lightgbm as lgb

    booster = lgb.Booster(model_str=model["booster"])
    if booster.feature_name() != names:
        raise ValueError(
            "model document: the features of the booster are not those the document lists; the file was edited, train "
            "again"
        )
    return Trees(booster, booster.num_trees())
