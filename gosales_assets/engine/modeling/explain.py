"""Why a model says what it says: contributions of features in log-odds.

Belongs here: the summary of contributions over a sample, the strongest ones of each row. Does not belong here:
computing them, which every family does for itself (`trees`, `linear`), and saying them in plain words
(`engine.whitespace.reasons`).

LightGBM computes TreeSHAP itself (``pred_contrib``), and the ``shap`` package returns exactly those numbers for a
LightGBM model, after an import of a second and more; a test compares the two. Contributions explain the margin: they
add up to it together with the base value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.modeling.rows import matrix

if TYPE_CHECKING:
    from gosales_assets.engine.modeling.candidates import Scorer

SUMMARY_SCHEMA = {
    "rank": pl.Int32,
    "feature": pl.String,
    "family": pl.String,
    "mean_abs_shap": pl.Float64,
    "mean_shap": pl.Float64,
}

N_REASONS = 3

#: The reasons of a row, the strongest first: feature, its value, its contribution.
REASON_SCHEMA: dict[str, Any] = {
    f"reason_{n}{part}": dtype
    for n in range(1, N_REASONS + 1)
    for part, dtype in (("", pl.String), ("_value", pl.Float64), ("_contribution", pl.Float64))
}
REASON_COLUMNS = tuple(REASON_SCHEMA)

#: Rows explained at a time. Explaining takes a few doubles per row and feature, whatever the number of rows.
_BLOCK = 8192


def summarise(values: NDArray[np.float64], names: list[str], families: dict[str, str]) -> pl.DataFrame:
    """Mean contributions per feature, strongest first.

    Parameters
    ----------
    values
        What `Scorer.contributions` gave, base value included.
    names
        Features, in the order of the columns.
    families
        Family by feature.

    Returns
    -------
    polars.DataFrame
        rank, feature, family, mean_abs_shap, mean_shap (log-odds); every feature has a row. Empty for no rows.
    """
    if not len(values):
        return pl.DataFrame(schema=SUMMARY_SCHEMA)
    signed = values[:, :-1]
    table = pl.DataFrame(
        {
            "feature": names,
            "family": [families[n] for n in names],
            "mean_abs_shap": np.abs(signed).mean(axis=0),
            "mean_shap": signed.mean(axis=0),
        }
    ).sort("mean_abs_shap", "feature", descending=[True, False])
    return table.select((pl.int_range(pl.len(), dtype=pl.Int32) + 1).alias("rank"), pl.all())


def reasons(scorer: Scorer, rows: pl.DataFrame, names: Sequence[str], *, n_jobs: int = 1) -> pl.DataFrame:
    """The features that move each row most, with the row's own value and the signed contribution.

    Parameters
    ----------
    scorer
        The model.
    rows
        Rows with the features, as `rows.matrix` takes them.
    names
        Features of the model, in the order of its matrix.
    n_jobs
        Threads; the reasons do not depend on it.

    Returns
    -------
    polars.DataFrame
        `REASON_COLUMNS`, one row per row: feature, its value as the features have it (unknown stays null), and what it
        adds to the log-odds before calibration. The largest absolute contribution comes first, ties by feature name;
        null where fewer features contribute (a model without splits gives no reason).
    """
    names = list(names)
    blocks = [_reasons(scorer, block, names, n_jobs) for block in rows.iter_slices(_BLOCK)]
    return pl.concat(blocks) if blocks else no_reasons(0)


def no_reasons(n: int) -> pl.DataFrame:
    """`REASON_COLUMNS` of rows that nothing explains."""
    return pl.DataFrame({name: [None] * n for name in REASON_SCHEMA}, schema=REASON_SCHEMA)


def _reasons(scorer: Scorer, rows: pl.DataFrame, names: list[str], n_jobs: int) -> pl.DataFrame:
    signed = scorer.contributions(matrix(rows, names), n_jobs=n_jobs)[:, :-1]
    strongest = top(signed, names)
    # Not the model's own single-precision matrix: a value is shown as it stands in the features.
    values = matrix(rows, names, dtype=pl.Float64)
    found = no_reasons(rows.height).to_dict()
    called, each = pl.Series(names, dtype=pl.String), np.arange(rows.height)
    for n, column in enumerate(strongest.T, start=1):
        contribution = signed[each, column]
        shown = pl.DataFrame(
            {
                "": called.gather(column),
                "_value": pl.Series(values[each, column], nan_to_null=True),
                "_contribution": contribution,
            }
        ).select(pl.when(pl.col("_contribution") != 0).then(pl.all()))
        found |= {f"reason_{n}{part.name}": part for part in shown}
    return pl.DataFrame(found)


def top(signed: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.int64]:
    """Columns of the largest absolute contributions of each row, strongest first, ties by name.

    Parameters
    ----------
    signed
        Contributions without the base value, shape (rows, names).
    names
        Name of each column.

    Returns
    -------
    numpy.ndarray
        Shape (rows, min(`N_REASONS`, names)).
    """
    by_name = np.array(sorted(range(len(names)), key=lambda i: names[i]), dtype=np.int64)
    left = np.abs(signed[:, by_name])
    each = np.arange(len(signed))
    found = np.empty((len(signed), min(N_REASONS, len(names))), dtype=np.int64)
    for n in range(found.shape[1]):
        # argmax takes the first of equals; three passes are cheaper than sorting every row.
        place = left.argmax(axis=1)
        found[:, n] = by_name[place]
        left[each, place] = -1.0
    return found
