"""The ranked list of a cutoff: which customer to offer which division, best first.

Belongs here: who takes part, the joins by key, and the composition of gates, components, weights, order, capacity and
words into one list. Does not belong here: the parts themselves (`eligibility`, `components`, `reasons`), measuring the
list (`summary`), and deciding whether a gate is shut, which the caller knows.

Order: score, probability, value descending, then recency ascending (never: last), customer, division. Rows are matched
by (customer, division) only, never by position, and the key is checked on the way in and after every join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.modeling.explain import REASON_COLUMNS, REASON_SCHEMA
from gosales_assets.engine.whitespace import RankingError
from gosales_assets.engine.whitespace.basket import AFFINITY_SCHEMA, RULE_SCHEMA, customer_affinity
from gosales_assets.engine.whitespace.components import (
    COMPONENTS,
    NEUTRAL,
    WEIGHTS,
    coverage_and_weights,
    grade,
    percentile,
    score,
    with_components,
)
from gosales_assets.engine.whitespace.eligibility import apply_gates, count_gates, gate_status
from gosales_assets.engine.whitespace.entries import SCORE_COLUMNS, Entry, Inputs, enter, require_unique
from gosales_assets.engine.whitespace.reasons import top_two, with_reason, with_why
from gosales_assets.engine.whitespace.status import status_as_of
from gosales_assets.engine.whitespace.summary import (
    DivisionOutcome,
    capacity_summary,
    log_lines,
    metrics,
    selected_size,
    thresholds_table,
)
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Window

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings, ReleaseSettings, WhitespaceSettings

KEY = ("customer_id", "division")

_WHITESPACE_COLUMNS = (
    "rank",
    "customer_id",
    "customer_name",
    "division",
    "division_name",
    "cutoff",
    "window_start",
    "window_end",
    "score",
    "score_pct",
    "score_grade",
    "score_challenger",
    "p_icp",
    "p_icp_pct",
    "p_icp_grade",
    "base_rate",
    "p_multiple",
    "lift_norm",
    "als_norm",
    "EV_norm",
    "gp_recent",
    "recency_days",
    "ownership",
    "segment",
    "nba_reason",
    "selected",
    "model_status",
    "calibration_status",
    "model_version",
)

#: Contribution of each component, by the component's name.
_CONTRIBUTIONS = dict(
    zip(("contribution_p_icp", "contribution_lift", "contribution_als", "contribution_ev"), COMPONENTS, strict=True)
)

_EXPLANATION_COLUMNS = (
    "rank",
    "customer_id",
    "division",
    "division_name",
    "cutoff",
    "score",
    "p_icp",
    *COMPONENTS,
    *_CONTRIBUTIONS,
    "top_1",
    "top_1_value",
    "top_2",
    "top_2_value",
    *REASON_COLUMNS,
    "why",
    "mb_lift_max",
    "mb_lift_mean",
    "mb_top_sku",
    "nba_reason",
)


@dataclass(frozen=True)
class Whitespace:
    """The list of a cutoff and everything said about it.

    Attributes
    ----------
    whitespace, explanations
        The list, and what carries each row: same rows, same order.
    thresholds
        Scores at which shares of the list are reached.
    metrics
        Document of `schema.WhitespaceMetrics`.
    log
        One document of `schema.WhitespaceLogLine` per division.
    capacity_summary
        The selected slice by division.
    """

    whitespace: pl.DataFrame
    explanations: pl.DataFrame
    thresholds: pl.DataFrame
    metrics: dict[str, Any]
    log: list[dict[str, Any]]
    capacity_summary: pl.DataFrame

    def completeness(self) -> Finding:
        """Whether any division was left out behind a shut gate, for those who read only the checks."""
        held = self.metrics["held_divisions"]
        reason = "; ".join(f"{division} is not in the list: {why}" for division, why in held.items())
        return Finding("capacity_summary", "quality_all_divisions", not held, "WARN", reason, {"held": held})


def check_capacity_mode(whitespace: WhitespaceSettings) -> None:
    """Refuse settings of the ranking that this version does not carry out, before anything is computed.

    A knob that is set and has no effect would be worse than an error: the list would claim what it does not do.

    Raises
    ------
    RankingError
        One line per such setting: key, value, what to use.
    """
    wanted: tuple[tuple[str, Any, Any], ...] = (
        ("capacity_mode", whitespace.capacity_mode, "top_percent"),
        ("segment_allocation", dict(whitespace.segment_allocation), {}),
        ("segment_columns", tuple(whitespace.segment_columns), ()),
        ("challenger_enabled", whitespace.challenger_enabled, False),
    )
    problems = [
        f"whitespace.{key} = {value} is not available in this version; use {available}"
        for key, value, available in wanted
        if value != available
    ]
    if problems:
        raise RankingError("\n".join(problems))


def rank_whitespace(
    scores: Mapping[str, pl.DataFrame | pl.LazyFrame],
    rules: Mapping[str, pl.DataFrame],
    reports: Mapping[str, Mapping[str, Any]],
    closed: Mapping[str, Mapping[str, Any]],
    facts: pl.LazyFrame,
    dim: pl.DataFrame | pl.LazyFrame,
    *,
    cutoff: date,
    window: Window,
    whitespace: WhitespaceSettings,
    release: ReleaseSettings,
    features: FeatureSettings,
    targets: Sequence[Target],
    descriptions: Mapping[str, str] | None = None,
    status: pl.DataFrame | None = None,
    held: Mapping[str, str] | None = None,
    waived: Mapping[str, str] | None = None,
) -> Whitespace:
    """Rank every customer x division that may be offered at a cutoff.

    Parameters
    ----------
    scores
        Division -> ``division_scores`` of the cutoff, one row per customer.
    rules
        Division -> `basket.mb_rules` of the cutoff.
    reports
        Division -> ``leakage_report``; a division is ranked only when its report says PASS.
    closed
        Division -> ``closed_calibration``: evidence from a validation that had closed by the cutoff. A missing one is
        no evidence.
    facts
        The whole ``fact_transactions``; only the market-basket window is read.
    dim
        ``dim_customer``: ``customer_id`` (unique), ``customer_name``.
    cutoff
        The one cutoff of all inputs.
    window
        The label window the list is about. A division with a window of its own keeps it in its rows.
    whitespace, release, features
        Settings of the ranking, of closed gates, and of the market basket.
    targets
        The targets of the configuration. Those that are not ``ranked`` are left out and logged.
    descriptions
        Feature -> what it says, as the features declare it; a feature without one is called by its name.
    status
        ``account_status``, for the gates on contact, open deals and region; without rows those are not evaluated.
    held
        Divisions whose gate is shut and which the caller leaves out, with the reason.
    waived
        Divisions whose report does not pass but whose gate someone opened, with the reason.

    Returns
    -------
    Whitespace
        The list and its side tables. Divisions whose model has too little data, that are not ranked, or that are held
        are missing from the list and named in log, summary and metrics.

    Raises
    ------
    RankingError
        On unavailable settings, a missing input of a division, another cutoff, a repeated key, a probability outside
        [0, 1], evidence from the future, or a shut gate when ``release.on_closed_gate`` is ``fail``.

    Notes
    -----
    With ``normalize: pooled`` a division whose expected to observed ratio is outside `entries.RATIO_RANGE` is held: its
    probabilities cannot be compared with another division's.
    """
    check_capacity_mode(whitespace)
    inputs = Inputs(
        _with_status(scores, status_as_of(status, cutoff)), rules, reports, closed, held or {}, waived or {}
    )
    entries = [enter(target, inputs, cutoff, whitespace=whitespace, release=release) for target in _by_slug(targets)]
    ranked = [entry for entry in entries if entry.is_ranked]
    gated = apply_gates(_candidates(ranked), whitespace.eligibility)
    counts = count_gates(gated, whitespace.eligibility)
    kept = gated.filter(pl.col("gate").is_null()).drop("gate")
    affinity = _affinity(facts, [rules[e.target.slug] for e in ranked], cutoff, features)
    signals = _joined(
        _joined(kept, affinity, KEY, "market-basket affinity"), _names(dim), ("customer_id",), "dim_customer"
    )
    weights = coverage_and_weights(signals, whitespace)
    components = with_components(signals, whitespace)
    rows = _list(components, weights, whitespace.capacity_percent)
    outcomes = [_outcome(entry, counts, weights, components, rows, whitespace) for entry in entries]
    listed = rows.select(_WHITESPACE_COLUMNS)
    explained = with_why(rows, descriptions or {}, cutoff)
    return Whitespace(
        whitespace=listed,
        explanations=explained.select(_EXPLANATION_COLUMNS),
        thresholds=thresholds_table(listed["score"], whitespace.capacity_percent),
        metrics=metrics(listed, outcomes, cutoff, window, whitespace),
        log=log_lines(outcomes, cutoff, window, whitespace, use_basket=features.use_market_basket),
        capacity_summary=capacity_summary(outcomes, cutoff),
    )


def _by_slug(targets: Sequence[Target]) -> list[Target]:
    return sorted(targets, key=lambda target: target.slug)


# --- the rows ---------------------------------------------------------------------------------------------------------


def _candidates(ranked: Sequence[Entry]) -> pl.DataFrame:
    """The scored rows of the ranked divisions under the names of the list, in an order of their own."""
    frames = [entry.rows for entry in ranked] or [pl.DataFrame(schema=_EMPTY_CANDIDATES)]
    rows = pl.concat(frames, how="diagonal").rename(
        {"p_hat": "p_icp", "context__gp_recent": "gp_recent", "context__recency_days": "recency_days"}
    )
    return rows.with_columns(pl.col("recency_days").cast(pl.Int32)).sort("division", "customer_id")


_EMPTY_CANDIDATES: dict[str, Any] = {
    **dict.fromkeys(SCORE_COLUMNS, pl.String),
    **dict.fromkeys(("cutoff", "window_start", "window_end"), pl.Date),
    **dict.fromkeys(("p_hat", "base_rate", "context__gp_recent"), pl.Float64),
    **REASON_SCHEMA,
    "context__recency_days": pl.Int32,
    "division_name": pl.String,
    "calibration_status": pl.String,
}


def _affinity(
    facts: pl.LazyFrame, rules: Sequence[pl.DataFrame], cutoff: date, features: FeatureSettings
) -> pl.DataFrame:
    if not features.use_market_basket:
        return pl.DataFrame(schema=AFFINITY_SCHEMA)
    # A file knows fewer types than a frame; `enter` has made sure that no key lost its text.
    typed = [frame.select(pl.col(name).cast(dtype) for name, dtype in RULE_SCHEMA.items()) for frame in rules]
    return customer_affinity(facts, typed, cutoff, features)


def _with_status(
    scores: Mapping[str, pl.DataFrame | pl.LazyFrame], status: pl.DataFrame | None
) -> Mapping[str, pl.DataFrame | pl.LazyFrame]:
    """Scores with what the gates read beside them."""
    if status is None:
        return scores
    require_unique(status, ("customer_id",), "account_status")
    told = status.lazy()
    return {
        division: frame.lazy().join(told, on="customer_id", how="left", maintain_order="left")
        for division, frame in scores.items()
    }


def _names(dim: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    names = dim.lazy().select("customer_id", "customer_name").collect()
    require_unique(names, ("customer_id",), "dim_customer")
    return names


def _joined(left: pl.DataFrame, right: pl.DataFrame, key: Sequence[str], what: str) -> pl.DataFrame:
    """Left join by key that can neither lose nor multiply a row."""
    joined = left.join(right, on=list(key), how="left", validate="m:1", maintain_order="left")
    if joined.height != left.height:
        raise RankingError(f"joining {what} turned {left.height} rows into {joined.height}")
    return joined


def _list(components: pl.DataFrame, weights: pl.DataFrame, capacity_percent: int) -> pl.DataFrame:
    """Score, grade, order, select and put into words."""
    # A constant probability says nothing about anybody; a letter would pretend it did.
    no_signal = (pl.col("p_icp").min() == pl.col("p_icp").max()).over("division")
    no_signal = no_signal | (pl.col("model_status") != "ok")
    scored = (
        _joined(components, weights, ("division",), "weights")
        .with_columns(
            score=score(),
            **{
                name: pl.col(weight) * pl.col(component)
                for (name, component), weight in zip(_CONTRIBUTIONS.items(), WEIGHTS, strict=True)
            },
            p_multiple=pl.when(pl.col("base_rate") > 0).then(pl.col("p_icp") / pl.col("base_rate")),
        )
        .with_columns(score_pct=percentile("score", over="division", constant=NEUTRAL))
        .with_columns(
            score_grade=pl.when(~no_signal).then(grade("score_pct")),
            p_icp_grade=pl.when(~no_signal).then(grade("p_icp_pct")),
            score_challenger=pl.lit(None, pl.Float64),
        )
        .sort(
            "score",
            "p_icp",
            "EV_norm",
            "recency_days",
            "customer_id",
            "division",
            descending=[True, True, True, False, False, False],
            nulls_last=True,
        )
        .with_row_index("rank", offset=1)
    )
    size = selected_size(scored.height, capacity_percent)
    worded = with_reason(
        scored.with_columns(pl.col("rank").cast(pl.Int32), selected=(pl.col("rank") <= size).cast(pl.Int8))
    )
    return top_two(worded, _CONTRIBUTIONS, "top")


# --- what became of each division -------------------------------------------------------------------------------------


def _outcome(
    entry: Entry,
    counts: pl.DataFrame,
    weights: pl.DataFrame,
    components: pl.DataFrame,
    rows: pl.DataFrame,
    whitespace: WhitespaceSettings,
) -> DivisionOutcome:
    mine = pl.col("division") == entry.target.slug
    eligibility = counts.filter(mine).drop("division").to_dicts()
    weighted = weights.filter(mine).to_dicts()
    part = components.filter(mine)
    above = part.filter(pl.col("gp_recent").fill_null(0.0) > pl.col("ev_cap")).height
    ranked = entry.status == "ranked"
    window = entry.rows.select("window_start", "window_end").row(0) if ranked else (None, None)
    reason = entry.reason
    if ranked and part.is_empty():
        reason = "no customer was left after the gates"
    return DivisionOutcome(
        division=entry.target.slug,
        division_name=entry.target.display,
        status="no_candidates" if ranked and part.is_empty() else entry.status,
        reason=reason,
        model_status=entry.model_status,
        leakage=entry.leakage,
        calibration=entry.calibration,
        window=window,
        gates=gate_status(entry.rows.columns, whitespace.eligibility) if ranked else None,
        eligibility=eligibility[0] if eligibility else None,
        weights=weighted[0] if weighted else None,
        ev_cap=None if part.is_empty() else part["ev_cap"][0],
        ev_capped_rows=above,
        has_signal=not part.is_empty() and entry.model_status == "ok" and part["p_icp"].n_unique() > 1,
        selected=rows.filter(mine & (pl.col("selected") == 1)).select("segment", "p_icp"),
        selected_total=selected_size(rows.height, whitespace.capacity_percent),
    )
