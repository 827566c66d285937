"""Why a model says what it says: contributions of features in log-odds.

Belongs here: the summary of contributions over a sample, the strongest ones of each row. Does not belong here:
computing them, which every family does for itself (`trees`, `linear`), the wording of sales lists.

LightGBM computes TreeSHAP itself (``pred_contrib``), and the ``shap`` package returns exactly those numbers for a
LightGBM model, after an import of a second and more; a test compares the two. Contributions explain the margin: they
add up to it together with the base value.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

SUMMARY_SCHEMA = {
    "rank": pl.Int32,
    "feature": pl.String,
    "family": pl.String,
    "mean_abs_shap": pl.Float64,
    "mean_shap": pl.Float64,
}

N_REASONS = 3


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


def reasons(values: NDArray[np.float64], names: list[str]) -> pl.DataFrame:
    """The features that move each row most, as ``name (+0.42)``.

    Parameters
    ----------
    values
        What `Scorer.contributions` gave, base value included, shape (rows, features + 1).
    names
        Features, in the order of the columns.

    Returns
    -------
    polars.DataFrame
        reason_1 … reason_3, strongest absolute contribution first, ties in feature order; null where fewer features
        contribute (a model without splits gives no reason).
    """
    signed = values[:, :-1]
    left = np.abs(signed)
    rows = np.arange(len(signed))
    columns = {}
    for i in range(N_REASONS):
        if i >= signed.shape[1]:
            columns[f"reason_{i + 1}"] = pl.Series([None] * len(signed), dtype=pl.String)
            continue
        # argmax takes the first of equals; three passes are cheaper than sorting every row.
        top = left.argmax(axis=1) if len(signed) else np.empty(0, dtype=np.int64)
        columns[f"reason_{i + 1}"] = _worded(signed[rows, top], left[rows, top], top, names)
        left[rows, top] = -1.0
    return pl.DataFrame(columns)


def _worded(
    signed: NDArray[np.float64], strength: NDArray[np.float64], top: NDArray[np.int64], names: list[str]
) -> pl.Series:
    # Hundredths as integers: the text is the same whatever a platform prints of a float.
    hundredths = np.rint(np.abs(signed) * 100).astype(np.int64)
    frame = pl.DataFrame(
        {
            "name": pl.Series(names, dtype=pl.String)[top],
            "sign": np.where(signed < 0, "-", "+"),
            "whole": hundredths // 100,
            "cents": hundredths % 100,
            "strength": strength,
        }
    )
    text = pl.format("{} ({}{}.{})", "name", "sign", "whole", pl.col("cents").cast(pl.String).str.zfill(2))
    return frame.select(pl.when(pl.col("strength") > 0).then(text)).to_series()
