"""Scoring: probabilities of the next window for everybody who is modelled at a cutoff, with reasons.

Belongs here: applying a model document to a feature frame. Does not belong here: training, gates, rankings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gosales_assets.engine.modeling.calibration import apply_map, logit
from gosales_assets.engine.modeling.document import load_scorer, model_version
from gosales_assets.engine.modeling.explain import no_reasons, reasons
from gosales_assets.engine.modeling.rows import matrix
from gosales_assets.engine.scoring.conform import require_features
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import label_window

if TYPE_CHECKING:
    from gosales_assets.engine.modeling.candidates import Scorer
    from gosales_assets.settings import PopulationSettings

CONTEXT = ("context__gp_recent", "context__tx_recent", "context__gp_life", "context__recency_days")


def score(
    model: Mapping[str, Any],
    features: pl.DataFrame,
    *,
    target: Target,
    cutoff: date,
    feature_list: Mapping[str, Any],
    window_months: int,
    population: PopulationSettings,
    n_jobs: int = 1,
) -> pl.DataFrame:
    """Score the modelled population of one division at one cutoff.

    Parameters
    ----------
    model
        Model document of the same division and cutoff.
    features
        Feature matrix as of the cutoff, with segment, ownership and the ``context__`` columns.
    target, cutoff
        Whose scores, as of which day (included).
    feature_list
        The canonical list of features in force: names, types, and the version the model must have been trained on.
    window_months
        Months the probability speaks of, from the day after the cutoff.
    population
        Segments that are modelled.
    n_jobs
        Threads; the scores do not depend on it.

    Returns
    -------
    polars.DataFrame
        One row per modelled customer, sorted by customer_id (columns of `schema.DivisionScores`). ``p_hat`` is
        calibrated, ``margin`` the log-odds before calibration; the reasons are the features with the strongest signed
        contributions to that margin, with the customer's values. A baseline gives everybody its base rate and no
        reasons.

    Raises
    ------
    ValueError
        When the model is of another division or cutoff, or was trained on other segments.
    FeatureError
        When a feature the model reads is missing or of another type than listed, or the model was trained on another
        list. Columns that are not listed are not read.
    """
    _refuse_foreign(model, target, cutoff, population)
    require_features(features, model, feature_list)
    window = label_window(cutoff, window_months)
    rows = features.filter(pl.col("segment").is_in(list(population.segments))).sort("customer_id")
    scorer = load_scorer(model)
    margin, p, why = _baseline(model, rows) if scorer is None else _predicted(scorer, model, rows, n_jobs)
    return rows.select(
        "customer_id",
        pl.lit(target.slug).alias("division"),
        pl.lit(target.display).alias("division_name"),
        pl.lit(cutoff).alias("cutoff"),
        pl.lit(window.first_day).alias("window_start"),
        pl.lit(window.last_day).alias("window_end"),
        pl.lit(window_months, dtype=pl.Int16).alias("prediction_window_months"),
        "segment",
        "ownership",
        pl.Series("p_hat", p, dtype=pl.Float64),
        pl.Series("margin", margin, dtype=pl.Float64),
        pl.lit(float(model["base_rate"]), dtype=pl.Float64).alias("base_rate"),
        pl.lit(model["status"]).alias("model_status"),
        pl.lit(model["calibrator"]["method"]).alias("calibration_method"),
        pl.lit(model_version(model)).alias("model_version"),
        *why.get_columns(),
        *CONTEXT,
    )


def _predicted(
    scorer: Scorer, model: Mapping[str, Any], rows: pl.DataFrame, n_jobs: int
) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    names = list(model["features"])
    x = matrix(rows, names)
    margin = scorer.margin(x, n_jobs=n_jobs)
    why = reasons(scorer, rows, names, n_jobs=n_jobs)
    return margin, apply_map(model["calibrator"], margin), why


def _baseline(model: Mapping[str, Any], rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    margin = np.full(rows.height, logit(float(model["base_rate"])), dtype=np.float64)
    return margin, np.full(rows.height, float(model["base_rate"]), dtype=np.float64), no_reasons(rows.height)


def _refuse_foreign(model: Mapping[str, Any], target: Target, cutoff: date, population: PopulationSettings) -> None:
    wanted, found = (target.slug, cutoff.isoformat()), (model["division"], model["cutoff"])
    if wanted != found:
        raise ValueError(
            f"model of {found[0]} at {found[1]} cannot score {wanted[0]} at {wanted[1]}: a model scores the cutoff "
            "it was made for; load its own partition"
        )
    if list(model["segments"]) != list(population.segments):
        raise ValueError(
            f"model of {target.slug} at {cutoff} was trained on segments {', '.join(model['segments'])}, the settings "
            f"say {', '.join(population.segments)}; train again"
        )
