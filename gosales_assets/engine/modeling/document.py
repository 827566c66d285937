"""The model as a document: numbers and text, never a pickled object.

Belongs here: writing a fitted model as JSON-able data, its identity, and reading the booster back. Does not belong
here: fitting, scoring rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lightgbm

FORMAT = 1


def model_version(model: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of a model document: two models of one version score alike."""
    text = json.dumps(model, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def load_booster(model: Mapping[str, Any]) -> lightgbm.Booster:
    """The LightGBM model of a document.

    Raises
    ------
    ValueError
        When the document has another format, or its booster and its feature list disagree.
    """
    import lightgbm as lgb

    if model["format"] != FORMAT:
        raise ValueError(f"model document has format {model['format']!r}; this version reads {FORMAT}; train again")
    booster = lgb.Booster(model_str=model["booster"])
    if booster.feature_name() != list(model["features"]):
        raise ValueError(
            "model document: the features of the booster are not those the document lists; the file was edited, train "
            "again"
        )
    return booster
