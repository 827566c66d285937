"""Distance of the scores and features of a cutoff from those the model learned from.

Belongs here: which distributions are compared, and what is said when one is missing. Does not belong here: the
distances themselves (`engine.metrics`); whether anybody is alerted.

The baseline is what the model learned from: out-of-fold scores and features of its training cutoffs. Customers are not
paired: the question is whether the population looks different, not whether a customer moved.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine import metrics as m
from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ValidationSettings

#: Columns of a feature frame that are not features.
KEYS = frozenset({"customer_id", "division", "division_name", "cutoff", "segment", "ownership", "label"})
CONTEXT = "context__"

#: Features over the whole past grow with time by construction: their drift is reported and never alerted.
LIFETIME = "__life"

MAX_HIGHLIGHTS = 20


def drift(
    frame: pl.DataFrame,
    features: pl.DataFrame,
    train_scores: pl.DataFrame,
    train_feature_sample: pl.DataFrame,
    *,
    target: Target,
    cutoff: date,
    population: str,
    validation: ValidationSettings,
) -> dict[str, Any]:
    """Drift of one division at one cutoff.

    Parameters
    ----------
    frame
        A `ValidationFrame`.
    features
        ``features`` of the cutoff; only the customers of ``frame`` are compared.
    train_scores
        Of the model judged; its ``group`` folds are read, every row predicted by a model that had not seen the
        customer.
    train_feature_sample
        Features of the model's training rows.
    target, cutoff
        The partition.
    population
        The population whose values stand at the top of the document.
    validation
        ``psi_threshold``, ``psi_min_rows``, ``min_positives_value``.

    Returns
    -------
    dict
        Validates against `Drift`. What could not be compared is None with a status that says why.
    """
    trained = m.populations(train_scores.filter(pl.col("fold_kind") == "group"))
    by_population = {
        name: _scores(rows, trained[name], validation.min_positives_value)
        for name, rows in m.populations(frame).items()
    }
    current = features.join(frame.select("customer_id"), on="customer_id", how="semi")
    per_feature = psi_per_feature(
        current, train_feature_sample, threshold=validation.psi_threshold, min_rows=validation.psi_min_rows
    )
    return {
        "division": target.slug,
        "cutoff": cutoff.isoformat(),
        "population": population,
        **by_population[population],
        "by_population": by_population,
        "psi_threshold": validation.psi_threshold,
        "psi_min_rows": validation.psi_min_rows,
        "psi_per_feature": per_feature,
        "highlights": highlights(per_feature),
    }


def _scores(rows: pl.DataFrame, trained: pl.DataFrame, min_positives: int) -> dict[str, Any]:
    """Distances of scores within one population."""
    bought, not_bought = rows.filter(pl.col("label") == 1), rows.filter(pl.col("label") == 0)
    open_ = bool(rows["window_open"].any())
    enough = bought.height >= max(1, min_positives)
    known = trained["p_oof"].drop_nulls().drop_nans()
    return {
        "n_train": len(known),
        "n_current": rows.height,
        "positives": None if open_ else bought.height,
        "ks_phat_train_holdout": m.finite(m.ks(known, rows["p_hat"])),
        "ks_p_hat_pos_vs_neg": m.finite(m.ks(bought["p_hat"], not_bought["p_hat"])) if enough else None,
        "psi_ev_vs_holdout_gp": None
        if open_ or not enough
        else m.finite(m.value_weighted_psi(rows["ev_capped"], rows["holdout_gp"], rows["customer_id"])),
    }


def psi_per_feature(
    current: pl.DataFrame, baseline: pl.DataFrame, *, threshold: float, min_rows: int
) -> dict[str, dict[str, Any]]:
    """Population stability index of every feature.

    Parameters
    ----------
    current, baseline
        Feature frames; keys and ``context__`` columns are left out.
    threshold
        From this value a feature is flagged.
    min_rows
        Rows either side needs for a flag: below, the index is mostly noise.

    Returns
    -------
    dict
        Feature -> psi, n_baseline, n_current, status: ``ok``, ``flagged``, ``reported`` (lifetime feature),
        ``insufficient_data`` (too few rows for a verdict), ``unknown`` (absent or empty on one side, psi None).
    """
    names = list(dict.fromkeys(c for c in (*current.columns, *baseline.columns) if _is_feature(c)))
    return {name: _feature_drift(name, current, baseline, threshold, min_rows) for name in names}


def _feature_drift(
    name: str, current: pl.DataFrame, baseline: pl.DataFrame, threshold: float, min_rows: int
) -> dict[str, Any]:
    n_baseline, n_current = (f.height if name in f.columns else 0 for f in (baseline, current))
    value = m.finite(m.psi(baseline[name], current[name])) if n_baseline and n_current else None
    if value is None:
        status = "unknown"
    elif name.endswith(LIFETIME):
        status = "reported"
    elif min(n_baseline, n_current) < min_rows:
        status = "insufficient_data"
    else:
        status = "flagged" if value >= threshold else "ok"
    return {"psi": value, "n_baseline": n_baseline, "n_current": n_current, "status": status}


def highlights(per_feature: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The flagged features, most drifted first, at most twenty."""
    flagged = [{"feature": f, "psi": d["psi"]} for f, d in per_feature.items() if d["status"] == "flagged"]
    return sorted(flagged, key=lambda d: (-d["psi"], d["feature"]))[:MAX_HIGHLIGHTS]


def _is_feature(column: str) -> bool:
    return column not in KEYS and not column.startswith(CONTEXT)
