"""Values the settings name: which of them a free text is.

Belongs here: matching texts of the data to names that have a column of their own. Does not belong here: which names
there are.

The columns of the matrix must not depend on data, or two cutoffs could not be pooled and a model not applied to the
next one. So the most frequent values of a cutoff do not get columns; those that are named do, at every cutoff.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gosales_assets.engine.features.spec import Named
from gosales_assets.taxonomy import TaxonomyError, slugify


def places(texts: Iterable[str], named: Named) -> np.ndarray:
    """Position of each text among the names, -1 for others.

    Texts are one when their slugs are: ``"Mold, Tool & Die"`` and ``"mold tool and die"``.

    Examples
    --------
    >>> places(["R&D", "r and d", "Sales", ""], (("R & D", "r_and_d"),)).tolist()
    [0, 0, -1, -1]
    """
    at = {slug: i for i, (_, slug) in enumerate(named)}
    return np.array([at.get(_slug(text), -1) for text in texts], dtype=np.int64)


def _slug(text: str) -> str:
    try:
        return slugify(text)
    except TaxonomyError:
        return ""  # what cannot be a column's name is none of those that are
