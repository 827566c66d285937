"""Guardrails: what is watched of every training, and what it means when it is touched.

Belongs here: the list of guardrails with their severities, judging them, and their form as findings. Does not belong
here: gates on releases, computing what is judged.

A guardrail never swaps a model for another one: it says what is the matter, and its severity, a setting
(``gates.severity``), says whether the model is published all the same. INSUFFICIENT_DATA flags and never holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.findings import Finding, Severity
from gosales_assets.engine.modeling.columns import LEAK_AUC
from gosales_assets.engine.modeling.evaluate import SIGNAL_Z, Signal
from gosales_assets.engine.modeling.rows import positive_customers

if TYPE_CHECKING:
    from gosales_assets.engine.modeling.recipe import Fitted
    from gosales_assets.engine.modeling.report import Job

PASS, FAIL, INSUFFICIENT_DATA = "PASS", "FAIL", "INSUFFICIENT_DATA"

#: A model whose probabilities spread less than this share of the largest possible spread says the same of everybody.
DEGENERATE_SPREAD = 0.01

#: Names of the checks: ``guardrail_<name>``.
CHECK_PREFIX = "guardrail_"


class Watched(NamedTuple):
    """A guardrail: what it says when it holds, and its severity unless the settings name another."""

    holds: str
    severity: Severity = "WARN"


GUARDRAILS: dict[str, Watched] = {
    "single_class": Watched("The history holds buyers and others."),
    "min_positives": Watched("Enough distinct customers bought."),
    "classes_in_folds": Watched("Both classes are there to learn from whichever fold is held out."),
    "label_window_complete": Watched("Every past cutoff offered has closed and uncensored labels."),
    "feature_list_version": Watched("The matrices hold the features of the list they are read with, and no others."),
    "leak_names": Watched("No feature is named like an outcome.", "ERROR"),
    "leak_auc": Watched("No single feature tells buyers from the rest.", "ERROR"),
    "degenerate": Watched("Probabilities differ between customers."),
    "overfit_gap": Watched("The model does not remember much more than it learned."),
    "cal_mae": Watched("Predicted and observed rates agree, on rows the model did not see."),
    "converged": Watched("Every fit ended because it was done."),
    "population_used": Watched("Selection and calibration read the population the settings ask for."),
    "signal": Watched("The ranking is better than chance."),
}


@dataclass(frozen=True)
class Judged:
    """What is known of a trained model.

    Attributes
    ----------
    fitted
        The model and its out-of-fold numbers.
    spread
        Relative spread of probabilities, see `relative_spread`: the smaller one of the rows judged and of the model
        that is delivered.
    block
        Metrics of the population calibrated.
    signal
        Whether its ranking is more than chance.
    """

    fitted: Fitted
    spread: float
    block: Mapping[str, Any]
    signal: Signal


def guardrails(job: Job, why: str | None, judged: Judged | None = None) -> list[dict[str, Any]]:
    """The guardrail block of a card: one line per guardrail, always all of them.

    Parameters
    ----------
    job
        The training.
    why
        Why no model can be trained, see `recipe.infeasible`; None when one was.
    judged
        The model; None for a baseline, whose guardrails on a model are INSUFFICIENT_DATA.
    """
    lines = {**_of_rows(job, why), **_of_features(job)}
    if judged:
        lines |= _of_model(job, judged)
    nothing = _line(None, None, INSUFFICIENT_DATA, f"no model was trained: {why}")
    return [{"name": name, **lines.get(name, nothing)} for name in GUARDRAILS]


def findings(card: Mapping[str, Any], severity: Mapping[str, Severity]) -> list[Finding]:
    """The guardrails of a card as checks on it.

    Parameters
    ----------
    card
        The model card.
    severity
        Severity by check name, as `severities` gives it. INSUFFICIENT_DATA is always a warning.
    """
    return [
        Finding(
            "model_card",
            CHECK_PREFIX + line["name"],
            passed=line["status"] == PASS,
            severity=severity[CHECK_PREFIX + line["name"]] if line["status"] == FAIL else "WARN",
            reason="" if line["status"] == PASS else _said(line),
            metadata={"status": line["status"], "value": line["value"], "limit": line["limit"]},
        )
        for line in card["guardrails"]
    ]


def severities(chosen: Mapping[str, Severity]) -> dict[str, Severity]:
    """Severity of each guardrail's check: the one the settings name, else its own."""
    return {CHECK_PREFIX + n: chosen.get(CHECK_PREFIX + n, w.severity) for n, w in GUARDRAILS.items()}


def described() -> dict[str, str]:
    """What each guardrail's check says when it holds."""
    return {CHECK_PREFIX + name: watched.holds for name, watched in GUARDRAILS.items()}


def _said(line: Mapping[str, Any]) -> str:
    found = "" if line["value"] is None else f" (found {line['value']:g}, limit {line['limit']:g})"
    return f"{line['reason'] or 'does not hold: ' + GUARDRAILS[line['name']].holds}{found}"


def _line(value: float | None, limit: float | None, status: str, reason: str = "") -> dict[str, Any]:
    return {"value": metrics.finite(value), "limit": limit, "status": status, "reason": reason}


def _of_rows(job: Job, why: str | None) -> dict[str, dict[str, Any]]:
    frame, needed = job.pool.frame, job.modeling.min_positive_customers
    classes, positives = frame["label"].n_unique(), positive_customers(frame)
    thin = why == "insufficient_per_class"
    named = ", ".join(f"{d['cutoff']} ({d['reason']})" for d in job.pool.dropped)
    return {
        "single_class": _line(classes, 2, INSUFFICIENT_DATA if classes < 2 else PASS),
        "min_positives": _line(positives, needed, INSUFFICIENT_DATA if positives < needed else PASS),
        "classes_in_folds": _line(
            float(thin),
            0,
            INSUFFICIENT_DATA if thin else PASS,
            "a fold would be judged by a model that saw one class" if thin else "",
        ),
        "label_window_complete": _counted(len(job.pool.dropped), f"cutoffs left out: {named}"),
    }


def _of_features(job: Job) -> dict[str, dict[str, Any]]:
    columns = job.columns
    named, strong = columns.because("outcome_name"), columns.because("leak_auc")
    return {
        "feature_list_version": _counted(
            len(columns.unlisted),
            f"columns that feature list {job.feature_list['version'][:12]} does not name: {_some(columns.unlisted)}; "
            "the matrices were made with other settings, rebuild them",
        ),
        "leak_names": _counted(
            len(named), f"left out, because their names speak of an outcome: {_some(named)}; rename or remove them"
        ),
        "leak_auc": _line(
            columns.strongest,
            LEAK_AUC,
            INSUFFICIENT_DATA if columns.strongest is None else FAIL if strong else PASS,
            "too few positives to accuse a feature"
            if columns.strongest is None
            else f"left out, because they know the answer: {_some(strong)}; find out from when they are"
            if strong
            else "",
        ),
    }


def _of_model(job: Job, judged: Judged) -> dict[str, dict[str, Any]]:
    fitted, z = judged.fitted, judged.signal.z
    flat = judged.spread < DEGENERATE_SPREAD
    asked, used = job.population.evaluate_on, fitted.calibrated_on
    return {
        "degenerate": _line(
            judged.spread,
            DEGENERATE_SPREAD,
            FAIL if flat else PASS,
            "probabilities hardly differ: the features hold no signal for this target" if flat else "",
        ),
        "overfit_gap": _at_most(fitted.gap, job.modeling.overfit_gap_max),
        "cal_mae": _at_most(judged.block["cal_mae"], job.validation.cal_mae_threshold),
        "converged": _counted(
            fitted.cut_off,
            "fits ended before they were done; raise modeling.lgbm.n_estimators or modeling.logreg.max_iter",
        ),
        "population_used": _line(
            float(used == asked), 1.0, PASS if used == asked else FAIL, f"{used}: {fitted.calibration_note}"
        ),
        "signal": _line(
            z,
            SIGNAL_Z,
            INSUFFICIENT_DATA if z is None else PASS if z >= SIGNAL_Z else FAIL,
            "too few positives to tell"
            if z is None
            else "customers are ranked no better than by chance; do not act on this ranking"
            if z < SIGNAL_Z
            else "",
        ),
    }


def _counted(n: int, reason: str) -> dict[str, Any]:
    """A guardrail that counts what must not be there."""
    return _line(n, 0, FAIL if n else PASS, reason if n else "")


def _at_most(value: float | None, limit: float) -> dict[str, Any]:
    if value is None:
        return _line(None, limit, INSUFFICIENT_DATA, "too few positives to tell")
    return _line(value, limit, FAIL if value > limit else PASS)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


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
