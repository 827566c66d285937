"""Adjacency ablation: does a model lean on the eve of the cutoff, and would it rank better without?

Belongs here: the same contest with all features and with the SAFE ones, judged on the same later rows. Does not belong
here: the model that is delivered, which this never touches.

Recent activity is close to the outcome: a purchase under way shows in it before the label window opens. Features that
only work because of that rank worse out of time than they promise. Where the SAFE contest beats the full one by more
than chance, the division belongs into ``modeling.safe_divisions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.compare import as_document, paired
from gosales_assets.engine.modeling.contest import Chosen, compete
from gosales_assets.engine.modeling.recipe import calibration_population
from gosales_assets.engine.modeling.report import SELECTION_PERCENT, population_rows
from gosales_assets.engine.modeling.rows import History, positive_customers
from gosales_assets.engine.modeling.train import prepare
from gosales_assets.engine.modeling.workers import MOST_WORKERS, one_blas_thread
from gosales_assets.engine.parallel import cores
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Calendar

if TYPE_CHECKING:
    from gosales_assets.settings import ModelingSettings, PopulationSettings, ValidationSettings

RESAMPLES = 400


def adjacency_ablation(
    history: Mapping[date, History],
    *,
    target: Target,
    cutoff: date,
    feature_list: Mapping[str, Any],
    calendar: Calendar,
    modeling: ModelingSettings,
    population: PopulationSettings,
    validation: ValidationSettings,
    workers: int | None = None,
) -> dict[str, Any]:
    """Compare the winner of all features with the winner of the SAFE ones, out of time.

    Parameters
    ----------
    history, target, cutoff, feature_list, calendar, modeling, population, validation, workers
        As in `train.train`.

    Returns
    -------
    dict
        Form of `schema.AdjacencyAblation`. Differences are SAFE minus full with a percentile interval by customer.
        ``status`` is FAIL when the SAFE ranking is better beyond that interval and the division is not trained SAFE,
        INSUFFICIENT_DATA with fewer than ``validation.min_positives_gate`` distinct positives.
    """
    asked: dict[str, Any] = {
        "target": target,
        "cutoff": cutoff,
        "feature_list": feature_list,
        "calendar": calendar,
        "population": population,
        "validation": validation,
    }
    chosen: dict[str, Chosen] = {}
    counts: dict[str, int] = {}
    document: dict[str, Any] = {"division": target.slug, "cutoff": cutoff.isoformat()}
    for variant, divisions in (("full", ()), ("safe", (target.slug,))):
        variant_settings = modeling.model_copy(update={"safe_divisions": divisions})
        prepared = prepare(history, modeling=variant_settings, **asked)
        if prepared.why:
            return document | _nothing(f"no model can be trained: {prepared.why}")
        with one_blas_thread():
            chosen[variant] = compete(prepared.job, prepared.data, prepared.folds, workers or cores(MOST_WORKERS))
        counts[variant] = len(prepared.data.names)
    on, note = calibration_population(prepared.data.frame, population=population, validation=validation)
    rows = {
        variant: population_rows(pl.concat(c.time_rows), on) if c.time_rows else None for variant, c in chosen.items()
    }
    full, safe = rows["full"], rows["safe"]
    if full is None or safe is None:
        return document | _nothing("the history is too short to judge on later cutoffs")
    positives = positive_customers(full)
    if positives < validation.min_positives_gate:
        return document | _nothing(
            f"{positives} distinct positives on later cutoffs; {validation.min_positives_gate} are needed"
        )
    both = safe.rename({"margin": "a"}).join(
        full.select("customer_id", "cutoff", pl.col("margin").alias("b")), on=["customer_id", "cutoff"], validate="1:1"
    )
    found = paired(both, k_percent=SELECTION_PERCENT, resamples=RESAMPLES, seed=modeling.seed)
    better, trained_safe = found["auc"].lo > 0, target.slug in modeling.safe_divisions
    return document | {
        "status": "FAIL" if better and not trained_safe else "PASS",
        "reason": _concluded(better, trained_safe, target.slug),
        "population": on,
        "population_reason": note,
        "cutoffs": [c.isoformat() for c in full["cutoff"].unique().sort()],
        "n": full.height,
        "positives": positives,
        "variants": {
            variant: {
                "winner": chosen[variant].candidate.name,
                "n_features": counts[variant],
                "auc": metrics.finite(getattr(found["auc"], side)),
                "lift@10": metrics.finite(getattr(found["lift"], side)),
                "brier": metrics.finite(metrics.brier(mine["label"], mine["p_oof"])),
            }
            for variant, side, mine in (("full", "b", full), ("safe", "a", safe))
        },
        "safe_minus_full": as_document(found),
        "resamples": RESAMPLES,
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {
        "status": "INSUFFICIENT_DATA",
        "reason": reason,
        "population": None,
        "population_reason": "",
        "cutoffs": [],
        "n": 0,
        "positives": 0,
        "variants": {},
        "safe_minus_full": {},
        "resamples": 0,
    }


def _concluded(better: bool, trained_safe: bool, slug: str) -> str:
    if better and trained_safe:
        return "the SAFE ranking is better, and the division is trained SAFE"
    if better:
        return f"the SAFE ranking is better by more than chance: add {slug} to modeling.safe_divisions"
    return "the SAFE ranking is not better by more than chance" + (
        f"; {slug} need not be in modeling.safe_divisions" if trained_safe else ""
    )
