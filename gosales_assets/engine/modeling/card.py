"""The model card: what was trained on what, how it is judged, and which guardrails it touched.

Belongs here: the card's form and the guardrails. Does not belong here: computing what it reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.rows import positive_customers

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, ValidationSettings

#: A model whose probabilities spread less than this share of the largest possible spread says the same of everybody.
DEGENERATE_SPREAD = 0.01

#: AUC on fitted rows minus AUC on other customers, above which the model remembers more than it learned.
OVERFIT_GAP = 0.20

NOTES = {
    "early_stopping": (
        "Each group fold stops on its own held-out customers; its out-of-fold margins are cut at the median stopping "
        "point of the other folds, so the labels judged did not choose the number of trees. What stays optimistic: the "
        "margins of a fold that stopped early hold no trees beyond its stopping point plus the waiting rounds."
    ),
    "time_folds": (
        "A time fold runs the recipe anew on the training cutoffs alone (trees, calibrator and all), with fewer inner "
        "group folds; no row of the cutoff it validates on takes part."
    ),
    "averaging": "Ranking metrics are computed within a cutoff and averaged, each cutoff counting the same.",
    "counts": "Positives are distinct customers: with overlapping windows one purchase is positive at two cutoffs.",
    "weights": "rev_lift weighs customers by gross profit known at the cutoff (context__gp_recent), negatives as 0.",
}


def guardrail(name: str, value: float | None, limit: float | None, status: str, reason: str = "") -> dict[str, Any]:
    """One line of the guardrail block."""
    return {"name": name, "value": metrics.finite(value), "limit": limit, "status": status, "reason": reason}


def data_guardrails(
    frame: pl.DataFrame, reason: str | None, dropped: Sequence[Mapping[str, str]], *, modeling: ModelingSettings
) -> list[dict[str, Any]]:
    """Guardrails that need only the rows.

    Parameters
    ----------
    frame
        Pooled rows with customer_id and label.
    reason
        Why no model can be trained on them; None when one can.
    dropped
        Cutoffs that were offered and not used.
    modeling
        Settings.
    """
    classes, positives = frame["label"].n_unique(), positive_customers(frame)
    few = positives < modeling.min_positive_customers
    named = ", ".join(f"{d['cutoff']} ({d['reason']})" for d in dropped)
    return [
        guardrail("single_class", classes, 2, "INSUFFICIENT_DATA" if classes < 2 else "PASS"),
        guardrail("min_positives", positives, modeling.min_positive_customers, "INSUFFICIENT_DATA" if few else "PASS"),
        guardrail(
            "classes_in_folds",
            float(reason == "insufficient_per_class"),
            0.0,
            "INSUFFICIENT_DATA" if reason == "insufficient_per_class" else "PASS",
            "a fold would be judged by a model that saw one class" if reason == "insufficient_per_class" else "",
        ),
        guardrail(
            "label_window_complete",
            len(dropped),
            0,
            "WARN" if dropped else "PASS",
            f"cutoffs left out: {named}" if dropped else "",
        ),
    ]


def model_guardrails(
    *,
    spread: float,
    block: Mapping[str, Any],
    auc_in_sample: float | None,
    auc_out_of_fold: float | None,
    best_iterations: Sequence[int],
    calibrated_on: str,
    calibration_note: str,
    evaluate_on: str,
    modeling: ModelingSettings,
    validation: ValidationSettings,
) -> list[dict[str, Any]]:
    """Guardrails of a trained model. They flag; none of them swaps the model for another one.

    Parameters
    ----------
    spread
        Relative spread of probabilities, see `relative_spread`: the smaller one of the rows judged and of the model
        that is delivered.
    block
        Metrics of the population calibrated.
    auc_in_sample, auc_out_of_fold
        AUC of everybody on fitted rows and on other customers.
    best_iterations
        Trees at which the folds stopped.
    calibrated_on, calibration_note, evaluate_on
        Population used, why, and the one asked for.
    modeling, validation
        Settings.
    """
    gap = None if auc_in_sample is None or auc_out_of_fold is None else auc_in_sample - auc_out_of_fold
    cal_mae, limit = block["cal_mae"], validation.cal_mae_threshold
    at_limit = sum(b >= modeling.lgbm.n_estimators for b in best_iterations)
    flat = spread < DEGENERATE_SPREAD
    return [
        guardrail(
            "degenerate",
            spread,
            DEGENERATE_SPREAD,
            "WARN" if flat else "PASS",
            "probabilities hardly differ: the features hold no signal for this target" if flat else "",
        ),
        _limited("overfit_gap", gap, OVERFIT_GAP),
        _limited("cal_mae", cal_mae, limit),
        guardrail(
            "trees_at_limit",
            at_limit,
            0,
            "WARN" if at_limit else "PASS",
            "early stopping never fired; raise modeling.lgbm.n_estimators" if at_limit else "",
        ),
        guardrail(
            "population_used",
            float(calibrated_on == evaluate_on),
            1.0,
            "PASS" if calibrated_on == evaluate_on else "WARN",
            f"{calibrated_on}: {calibration_note}",
        ),
    ]


def _limited(name: str, value: float | None, limit: float) -> dict[str, Any]:
    if value is None:
        return guardrail(name, None, limit, "INSUFFICIENT_DATA", "too few positives to tell")
    return guardrail(name, value, limit, "WARN" if value > limit else "PASS")


def relative_spread(rows: pl.DataFrame) -> float:
    """How far probabilities of one model at one cutoff differ, averaged over models and cutoffs; 0 without rows.

    Standard deviation of p over the largest one possible at its mean, sqrt(m (1 - m)): an absolute limit would fire on
    every honest model of a rare target.

    Parameters
    ----------
    rows
        cutoff, fold and p.
    """
    parts = [part["p"].to_numpy() for part in rows.partition_by("cutoff", "fold", maintain_order=True)]
    largest = [np.sqrt(p.mean() * (1.0 - p.mean())) for p in parts]
    # Of equal numbers the standard deviation can be a rounding error away from zero.
    spreads = [p.std() / top if top > 0 and np.ptp(p) > 0 else 0.0 for p, top in zip(parts, largest, strict=True)]
    return float(np.mean(spreads)) if spreads else 0.0


def data_block(frame: pl.DataFrame, dropped: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Rows, customers and positives, in all and per cutoff."""

    def counts(rows: pl.DataFrame) -> dict[str, Any]:
        space = rows.filter(pl.col("ownership") != "owner")
        return {
            "rows": rows.height,
            "customers": rows["customer_id"].n_unique(),
            "positives": positive_customers(rows),
            "prevalence": _rate(rows),
            "whitespace_rows": space.height,
            "whitespace_positives": positive_customers(space),
            "whitespace_prevalence": _rate(space),
        }

    parts = frame.partition_by("cutoff", maintain_order=True)
    return {
        **counts(frame),
        "per_cutoff": [{"cutoff": part["cutoff"][0].isoformat(), **counts(part)} for part in parts],
        "dropped_cutoffs": [dict(d) for d in dropped],
    }


def _rate(rows: pl.DataFrame) -> float | None:
    return metrics.finite(int(rows["label"].sum()) / rows.height) if rows.height else None
