"""Capping of extreme gross profit, fitted on the customers that are modelled.

Belongs here: the caps and their record. Does not belong here: which columns are capped (`build`).

Customers outside the modelled segments would pull a quantile down to their zeros, so they do not vote; they are capped
like everybody else. Nothing is cut from below: a loss is a fact, and the lower cap recorded is the smallest value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

DECIMALS = 6


def winsorize(column: pl.Series, fit: pl.Series, p: float) -> tuple[pl.Series, dict[str, Any]]:
    """Cap a column at its upper quantile.

    Parameters
    ----------
    column
        Float64 without nulls, one value per customer.
    fit
        Boolean, which customers the quantile is taken over.
    p
        The quantile, interpolated linearly.

    Returns
    -------
    capped : Series
        The column, unchanged when no customer can be fitted on.
    cap : dict
        ``lower``, ``upper`` (null when nothing could be fitted), ``n_clipped`` (customers changed), ``fit_rows``.

    Examples
    --------
    >>> winsorize(pl.Series([1000.0, 0.0]), pl.Series([True, True]), 0.5)[1]
    {'lower': 0.0, 'upper': 500.0, 'n_clipped': 1, 'fit_rows': 2}
    """
    values = column.to_numpy()
    fitted = values[fit.to_numpy()]
    if not len(fitted):
        return column, {"lower": None, "upper": None, "n_clipped": 0, "fit_rows": 0}
    upper = round(float(np.quantile(fitted, p, method="linear")), DECIMALS)
    over = values > upper
    capped = pl.Series(column.name, np.where(over, upper, values)) if over.any() else column
    return capped, {
        "lower": float(values.min()),
        "upper": upper,
        "n_clipped": int(over.sum()),
        "fit_rows": len(fitted),
    }
