"""Measures of a ranked list: size of the slice, thresholds, concentration, expected capture, log and summary.

Belongs here: everything computed *from* the list and from what became of each division. Does not belong here: making
the list. Capture and lift are expectations (sums of probabilities); what really happened is validation's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.metrics import top_m
from gosales_assets.engine.whitespace.components import COMPONENTS, WEIGHTS
from gosales_assets.engine.whitespace.eligibility import GATE_NAMES
from gosales_assets.engine.whitespace.schema import SEGMENTS, Status
from gosales_assets.timeline import Window

if TYPE_CHECKING:
    from gosales_assets.settings import WhitespaceSettings

#: Shares of the list that thresholds and capture are given for, percent.
TOP_PERCENTS = (5, 10, 20)

#: Sums and ratios in documents are rounded to this many decimals.
_DECIMALS = 10

THRESHOLD_SCHEMA: dict[str, pl.DataType] = {
    "mode": pl.String(),
    "k_percent": pl.Int32(),
    "threshold": pl.Float64(),
    "count": pl.Int32(),
}


@dataclass(frozen=True)
class DivisionOutcome:
    """What became of one division in the ranking.

    Attributes
    ----------
    division, division_name, status, reason
        Key, display name, and whether (and why not) it was ranked.
    model_status, leakage, calibration
        State of its model, verdict of its leakage report, evidence about its probabilities.
    window
        First and last day its probabilities speak about; None when nothing was ranked.
    gates, eligibility, weights
        State of the gates, their counts, coverage and weights; None when nothing was ranked.
    ev_cap, ev_capped_rows, has_signal
        Cap on value, rows above it, and whether its candidates differ in probability.
    selected
        ``segment`` and ``p_icp`` of its selected rows, in the order of the list.
    selected_total
        Selected rows of all divisions.
    """

    division: str
    division_name: str
    status: Status
    reason: str | None
    model_status: str | None
    leakage: str | None
    calibration: dict[str, Any]
    window: tuple[date | None, date | None]
    gates: dict[str, Any] | None
    eligibility: dict[str, int] | None
    weights: dict[str, float] | None
    ev_cap: float | None
    ev_capped_rows: int
    has_signal: bool
    selected: pl.DataFrame
    selected_total: int

    @property
    def selected_share(self) -> float:
        return self.selected.height / self.selected_total if self.selected_total else 0.0

    @property
    def expected_wins(self) -> float:
        return expected(self.selected["p_icp"])

    @property
    def segments(self) -> dict[str, int]:
        found = dict(self.selected["segment"].value_counts().iter_rows())
        return {name: found.get(name, 0) for name in SEGMENTS}


def selected_size(rows: int, percent: int) -> int:
    """Rows in the top ``percent`` of a list: at least one, none of an empty list, in integers (29 % of 100 is 29)."""
    return top_m(rows, percent) if rows else 0


def expected(probabilities: pl.Series) -> float:
    """Purchases expected: the sum of the probabilities."""
    return round(float(probabilities.sum()), _DECIMALS)


def capture_at(probabilities: pl.Series, percent: int) -> float | None:
    """Share of all expected purchases in the top of the list; None when none is expected.

    Parameters
    ----------
    probabilities
        In the order of the list.
    percent
        Size of the top.
    """
    total = float(probabilities.sum())
    top = float(probabilities.head(selected_size(len(probabilities), percent)).sum())
    return round(top / total, _DECIMALS) if total > 0 else None


def expected_lift_at(probabilities: pl.Series, percent: int) -> float | None:
    """Mean probability of the top of the list over that of the whole list; None when none is expected."""
    captured = capture_at(probabilities, percent)
    if captured is None:
        return None
    return round(captured * len(probabilities) / selected_size(len(probabilities), percent), _DECIMALS)


def thresholds_table(scores: pl.Series, capacity_percent: int) -> pl.DataFrame:
    """Lowest score inside the top 5, 10, 20 % and inside the capacity, and the rows at or above it.

    Parameters
    ----------
    scores
        Scores of the list; null ones are left out.
    capacity_percent
        Size of the selected slice, percent.

    Returns
    -------
    pl.DataFrame
        ``mode, k_percent, threshold, count``; ``count`` exceeds the share under ties. No rows for an empty list.
    """
    ordered = scores.drop_nulls().sort(descending=True)
    if ordered.is_empty():
        return pl.DataFrame(schema=THRESHOLD_SCHEMA)
    cuts = [(k, ordered[selected_size(len(ordered), k) - 1]) for k in sorted({*TOP_PERCENTS, capacity_percent})]
    rows = [("top_percent", k, cut, int((ordered >= cut).sum())) for k, cut in cuts]
    return pl.DataFrame(rows, schema=THRESHOLD_SCHEMA, orient="row")


def division_shares(divisions: pl.Series) -> dict[str, float]:
    """Share of each division among some rows, by name."""
    counts = sorted(divisions.value_counts().iter_rows())
    return {name: round(n / len(divisions), _DECIMALS) for name, n in counts}


def share_warning(selected: pl.Series, threshold: float) -> dict[str, Any]:
    """Whether one division takes more than its tolerated share of the selected rows (exactly that share is fine)."""
    if selected.is_empty():
        return {"division": None, "max_share": 0.0, "threshold": threshold, "warn": False}
    shares = division_shares(selected)
    division = min(shares, key=lambda name: (-shares[name], name))
    return {
        "division": division,
        "max_share": shares[division],
        "threshold": threshold,
        "warn": shares[division] > threshold,
    }


def checksum(rows: pl.DataFrame) -> str:
    """sha256 over customer, division and score of every row, in key order.

    Scores enter as whole billionths, so that the spelling of a float cannot change the sum.
    """
    lines = rows.sort("customer_id", "division").select(
        pl.concat_str(
            "customer_id",
            "division",
            (pl.col("score") * 1e9).round().cast(pl.Int64).cast(pl.String),
            separator="\x1f",
        )
    )
    digest = hashlib.sha256()
    for line in lines.to_series().to_list():
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def metrics(
    rows: pl.DataFrame,
    outcomes: Sequence[DivisionOutcome],
    cutoff: date,
    window: Window,
    whitespace: WhitespaceSettings,
) -> dict[str, Any]:
    """The document of `schema.WhitespaceMetrics`.

    Parameters
    ----------
    rows
        The list, in order.
    outcomes
        What became of every division.
    cutoff, window, whitespace
        What the list is about and how it was made.
    """
    selected = rows.filter(pl.col("selected") == 1)
    top = rows.head(selected_size(rows.height, 10))
    listed = [o for o in outcomes if o.status == "ranked"]
    reasons = {o.division: o.reason or o.status for o in outcomes if o.status not in ("ranked", "held")}
    return {
        "cutoff": cutoff.isoformat(),
        "window_start": window.first_day.isoformat(),
        "window_end": window.last_day.isoformat(),
        "rows": rows.height,
        "customers": rows["customer_id"].n_unique(),
        "checksum": checksum(rows),
        "normalize": whitespace.normalize,
        "capacity_mode": "top_percent",
        "capacity_percent": whitespace.capacity_percent,
        "selected": {
            "rows": selected.height,
            "customers": selected["customer_id"].n_unique(),
            "expected_wins": expected(selected["p_icp"]),
        },
        "division_shares_top10pct": division_shares(top["division"]),
        "bias": share_warning(selected["division"], whitespace.bias_division_max_share_topN),
        **{f"capture_at_{k}": capture_at(rows["p_icp"], k) for k in TOP_PERCENTS},
        "expected_lift_at_10": expected_lift_at(rows["p_icp"], 10),
        "stability_jaccard": None,
        "ev_capped_n": sum(o.ev_capped_rows for o in listed),
        "coverage": {o.division: _coverage(o) for o in listed},
        "weights": {o.division: _weights(o) for o in listed},
        "eligibility": {o.division: o.eligibility for o in outcomes if o.eligibility is not None},
        "calibration": {o.division: o.calibration for o in outcomes},
        "held_divisions": {o.division: o.reason or "" for o in outcomes if o.status == "held"},
        "excluded_divisions": reasons,
    }


def _coverage(outcome: DivisionOutcome) -> dict[str, float] | None:
    if outcome.weights is None:
        return None
    return {"lift": outcome.weights["coverage_lift"], "als": outcome.weights["coverage_als"]}


def _weights(outcome: DivisionOutcome) -> dict[str, float] | None:
    if outcome.weights is None:
        return None
    return {name: outcome.weights[column] for name, column in zip(COMPONENTS, WEIGHTS, strict=True)}


def log_lines(
    outcomes: Sequence[DivisionOutcome],
    cutoff: date,
    window: Window,
    whitespace: WhitespaceSettings,
    *,
    use_basket: bool,
) -> list[dict[str, Any]]:
    """One document of `schema.WhitespaceLogLine` per division, in the order of the outcomes."""
    components = {
        "p_icp": "built",
        "lift": "built" if use_basket else "off",
        "als": "not_built",
        "EV": "built",
        "challenger": "not_built",
        "cooldown": "not_built",
        "share_guard": "not_built",
    }
    return [_log_line(outcome, cutoff, window, whitespace, components) for outcome in outcomes]


def _log_line(
    outcome: DivisionOutcome,
    cutoff: date,
    window: Window,
    whitespace: WhitespaceSettings,
    components: dict[str, str],
) -> dict[str, Any]:
    start, end = outcome.window
    ranked = outcome.status == "ranked"
    return {
        "division": outcome.division,
        "division_name": outcome.division_name,
        "cutoff": cutoff.isoformat(),
        "window_start": (start or window.first_day).isoformat(),
        "window_end": (end or window.last_day).isoformat(),
        "status": outcome.status,
        "reason": outcome.reason,
        "model_status": outcome.model_status,
        "leakage": outcome.leakage,
        "calibration": outcome.calibration,
        "gates": outcome.gates,
        "eligibility": outcome.eligibility,
        "coverage": _coverage(outcome),
        "base_weights": dict(zip(COMPONENTS, whitespace.weights, strict=True)),
        "weights": _weights(outcome),
        "normalization": {
            "mode": whitespace.normalize,
            "ev_cap": outcome.ev_cap,
            "ev_capped_rows": outcome.ev_capped_rows,
            "has_signal": outcome.has_signal,
        }
        if ranked
        else None,
        "selection": {
            "mode": "top_percent",
            "k_percent": whitespace.capacity_percent,
            "selected_count": outcome.selected.height,
            "selected_share": round(outcome.selected_share, _DECIMALS),
            "expected_wins": outcome.expected_wins,
            "segments": outcome.segments,
        }
        if ranked
        else None,
        "components": components,
    }


def capacity_summary(outcomes: Sequence[DivisionOutcome], cutoff: date) -> pl.DataFrame:
    """The selected slice by division: `schema.CapacitySummary`, one row per division of the configuration.

    Parameters
    ----------
    outcomes
        What became of every division, sorted by division.
    cutoff
        Last day known to the ranking.
    """
    rows = [
        {
            "division": o.division,
            "division_name": o.division_name,
            "cutoff": cutoff,
            "status": o.status,
            "reason": o.reason,
            "selected_count": o.selected.height,
            "selected_share": round(o.selected_share, _DECIMALS),
            "selected_expected_wins": o.expected_wins,
            "calibration_status": o.calibration["status"],
            "calibration_ratio": o.calibration["ratio"],
            **{f"eligibility_{name}": (o.eligibility or {}).get(name, 0) for name in _SUMMARY_COLUMNS},
            **{f"segment_{name}_selected": n for name, n in o.segments.items()},
        }
        for o in outcomes
    ]
    return pl.DataFrame(rows, schema=_SUMMARY_SCHEMA)


#: Counts of the gates in the order of the summary.
_SUMMARY_COLUMNS = ("start_rows", "kept_rows", *(f"{name}_excluded" for name in GATE_NAMES), "total_excluded")

_SUMMARY_SCHEMA: dict[str, Any] = {
    "division": pl.String,
    "division_name": pl.String,
    "cutoff": pl.Date,
    "status": pl.String,
    "reason": pl.String,
    "selected_count": pl.Int32,
    "selected_share": pl.Float64,
    "selected_expected_wins": pl.Float64,
    "calibration_status": pl.String,
    "calibration_ratio": pl.Float64,
    **{f"eligibility_{name}": pl.Int32 for name in _SUMMARY_COLUMNS},
    **{f"segment_{name}_selected": pl.Int32 for name in SEGMENTS},
}
