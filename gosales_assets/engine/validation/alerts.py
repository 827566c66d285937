"""What validation warns about.

Belongs here: rules that turn a number into a warning, and the list of rules that could not be judged. Does not belong
here: gates; a warning stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ValidationSettings

#: Expected over observed outside this range is a warning when its 95 % interval excludes 1.
RATIO_RANGE = (0.67, 1.5)
#: Prevalence outside this range is more often a broken label than a market.
BASE_RATE_RANGE = (0.002, 0.5)
#: A segment this far below the whole in capture of its best tenth is served badly.
SEGMENT_CAPTURE_GAP = 0.05
SEGMENT_K = 10


def alerts(
    metrics: dict[str, Any],
    drift: dict[str, Any],
    segments: pl.DataFrame,
    *,
    target: Target,
    cutoff: date,
    validation: ValidationSettings,
) -> dict[str, Any]:
    """Judge every rule on the population that counts.

    Parameters
    ----------
    metrics, drift
        The documents of the same validation.
    segments
        ``segment_performance``.
    target, cutoff
        The partition.
    validation
        Thresholds. A value equal to its threshold alerts.

    Returns
    -------
    dict
        Validates against `Alerts`. ``status`` is ``alert`` when a rule fired, else ``unknown`` when one could not be
        judged, else ``ok``: nothing known is never good news.
    """
    fired: list[dict[str, Any]] = []
    unknown: list[dict[str, Any]] = []
    for rule in (
        *_about_outcomes(metrics, validation),
        *_about_drift(drift, validation),
        *_about_segments(metrics, segments, validation),
    ):
        if rule["message"] is None:
            continue
        (unknown if rule["value"] is None else fired).append(rule)
    return {
        "division": target.slug,
        "cutoff": cutoff.isoformat(),
        "population": metrics["population"],
        "status": "alert" if fired else "unknown" if unknown else "ok",
        "alerts": [{**rule, "severity": "WARN"} for rule in fired],
        "unknown": [{"type": rule["type"], "reason": rule["message"]} for rule in unknown],
    }


def _rule(type_: str, value: float | None, threshold: float | None, message: str | None) -> dict[str, Any]:
    """A judged rule: fired with a value and a message, unknown without a value, silent without a message."""
    return {"type": type_, "value": value, "threshold": threshold, "message": message}


def _above(type_: str, value: float | None, threshold: float, what: str, unknown: str) -> dict[str, Any]:
    if value is None:
        return _rule(type_, None, threshold, unknown)
    fired = value >= threshold
    return _rule(type_, value, threshold, f"{what} is {value:.3f}, limit {threshold:g}" if fired else None)


def _about_outcomes(metrics: dict[str, Any], validation: ValidationSettings) -> Iterator[dict[str, Any]]:
    final = metrics["final"][metrics["population"]]
    why = _why(final, metrics["population"])
    yield _above(
        "calibration_mae_high", final["cal_mae"], validation.cal_mae_threshold, "mean absolute calibration error", why
    )
    ratio, lo, hi = final["ratio"], final["ratio_lo"], final["ratio_hi"]
    if ratio is None or lo is None or hi is None:
        few = f"interval needs {validation.min_positives_gate} positives, there are {final['positives']}"
        yield _rule("expected_to_observed_off", None, None, why if final["status"] != "ok" else few)
    else:
        limit = RATIO_RANGE[0] if ratio < 1 else RATIO_RANGE[1]
        off = not RATIO_RANGE[0] < ratio < RATIO_RANGE[1] and not lo <= 1 <= hi
        text = f"{ratio:.2f} purchases expected for each observed (95 % interval {lo:.2f} to {hi:.2f})"
        yield _rule("expected_to_observed_off", ratio, limit, text if off else None)
    rate = final["base_rate"]
    if rate is None:
        yield _rule("prevalence_out_of_range", None, None, why)
    else:
        low, high = BASE_RATE_RANGE
        text = f"{rate:.2%} of the customers bought, expected between {low:.1%} and {high:.0%}"
        yield _rule("prevalence_out_of_range", rate, low if rate < low else high, None if low <= rate <= high else text)


def _about_drift(drift: dict[str, Any], validation: ValidationSettings) -> Iterator[dict[str, Any]]:
    rows = min(drift["n_train"], drift["n_current"])
    few = f"needs {validation.psi_min_rows} rows on both sides, there are {drift['n_train']} and {drift['n_current']}"
    enough = rows >= validation.psi_min_rows
    yield _above(
        "ks_p_hat_train_vs_holdout_high",
        drift["ks_phat_train_holdout"] if enough else None,
        validation.ks_threshold,
        "distance of the scores from those in training",
        few,
    )
    # The realized side rests on the buyers alone: with few of them the deciles are empty or full by chance.
    buyers = drift["positives"] or 0
    yield _above(
        "psi_ev_vs_holdout_gp_high",
        drift["psi_ev_vs_holdout_gp"] if buyers >= validation.psi_min_rows else None,
        validation.psi_threshold,
        "distance of realized from expected gross profit over customers",
        f"needs {validation.psi_min_rows} buyers with gross profit, there are {buyers}",
    )
    features = drift["psi_per_feature"]
    judged = [d for d in features.values() if d["status"] in ("ok", "flagged")]
    worst = drift["highlights"]
    if worst:
        flagged = sum(d["status"] == "flagged" for d in judged)
        named = ", ".join(f"{d['feature']} {d['psi']:.2f}" for d in worst[:5])
        text = f"{flagged} of {len(judged)} features drifted, most: {named}"
        yield _rule("feature_psi_high", worst[0]["psi"], validation.psi_threshold, text)
    if not judged:
        yield _rule("feature_psi_high", None, None, "no feature could be judged: too few rows, or nothing to compare")
    # A feature the model never saw cannot have moved away from it; one it learned from and that is gone can.
    if gone := [name for name, d in features.items() if d["status"] == "unknown" and d["n_baseline"]]:
        yield _rule("feature_psi_high", None, None, f"{len(gone)} features of the model are gone, first {gone[0]}")


def _about_segments(
    metrics: dict[str, Any], segments: pl.DataFrame, validation: ValidationSettings
) -> Iterator[dict[str, Any]]:
    overall = metrics["capture_grid"][metrics["population"]].get(str(SEGMENT_K))
    if overall is None:
        return
    behind = segments.filter(
        (pl.col("population") == metrics["population"])
        & (pl.col("k_percent") == SEGMENT_K)
        & (pl.col("positives") >= validation.min_positives_gate)
        & (pl.col("capture") < overall - SEGMENT_CAPTURE_GAP)
    ).sort("segment_col", "segment")
    for row in behind.iter_rows(named=True):
        yield _rule(
            "segment_capture_low",
            row["capture"],
            overall - SEGMENT_CAPTURE_GAP,
            f"{row['segment_col']} {row['segment']!r}: the best {SEGMENT_K} % hold {row['capture']:.0%} of its "
            f"{row['positives']} buyers, {overall:.0%} over all",
        )


def _why(final: dict[str, Any], population: str) -> str:
    match final["status"]:
        case "window_open":
            return "the label window has not closed in the data"
        case "insufficient_data":
            return f"only {final['positives']} positive customers in {population}"
        case status:
            return f"metrics of {population} are {status}"
