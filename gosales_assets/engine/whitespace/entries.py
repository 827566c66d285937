"""Who takes part in a ranking: each division at the door, with its verdict and the rows it brings.

Belongs here: the order of reasons to stay out, the checks on a division's inputs, and the reading of its evidence.
Does not belong here: what happens to the rows afterwards (`rank`), and computing any of the inputs.

A division stays out when the caller holds it, when it shares products with another one, when its model has too little
data, when its leakage gate is shut, or when its probabilities cannot be pooled. It is never left out without a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.modeling.explain import REASON_COLUMNS
from gosales_assets.engine.whitespace import RankingError
from gosales_assets.engine.whitespace.eligibility import OPTIONAL_INPUTS
from gosales_assets.engine.whitespace.schema import CalibrationStatus, Status
from gosales_assets.taxonomy import Target

if TYPE_CHECKING:
    from gosales_assets.settings import ReleaseSettings, WhitespaceSettings

#: Expected to observed purchases outside this range: probabilities are no longer comparable between divisions.
RATIO_RANGE = (0.5, 2.0)

SCORE_COLUMNS = (
    "customer_id",
    "division",
    "cutoff",
    "window_start",
    "window_end",
    "segment",
    "ownership",
    "p_hat",
    "base_rate",
    "model_status",
    "model_version",
    *REASON_COLUMNS,
    "context__gp_recent",
    "context__recency_days",
)


@dataclass(frozen=True)
class Inputs:
    """What is known about the divisions, by slug: see `rank.rank_whitespace`."""

    scores: Mapping[str, pl.DataFrame | pl.LazyFrame]
    rules: Mapping[str, pl.DataFrame]
    reports: Mapping[str, Mapping[str, Any]]
    closed: Mapping[str, Mapping[str, Any]]
    held: Mapping[str, str]
    waived: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """A division and its verdict.

    Attributes
    ----------
    target
        The target at the door.
    status, reason
        Whether it is ranked; why not, or by which waiver it is.
    calibration
        Evidence about its probabilities: `schema.CalibrationEvidence`.
    leakage
        Verdict of its leakage report, None without one.
    model_status
        Status of its model, None when its scores were not read.
    rows
        Its scored customers, when it is ranked.
    """

    target: Target
    status: Status
    reason: str | None
    calibration: dict[str, Any]
    leakage: str | None = None
    model_status: str | None = None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def is_ranked(self) -> bool:
        return self.status == "ranked"


def enter(
    target: Target, inputs: Inputs, cutoff: date, *, whitespace: WhitespaceSettings, release: ReleaseSettings
) -> Entry:
    """Judge one division.

    Parameters
    ----------
    target
        The division.
    inputs
        What is known about all divisions.
    cutoff
        The one cutoff of the ranking.
    whitespace, release
        ``normalize`` and ``on_closed_gate``.

    Raises
    ------
    RankingError
        On a missing input, another cutoff, a repeated customer, a probability outside [0, 1], evidence from the
        future, or a shut gate when ``on_closed_gate`` is ``fail``.
    """
    slug = target.slug
    report = inputs.reports.get(slug)
    for name, document in (("leakage_report", report), ("closed_calibration", inputs.closed.get(slug))):
        _require_cutoff(slug, name, document, cutoff)
    calibration = evidence(slug, inputs.closed.get(slug), cutoff)
    leakage = None if report is None else str(report.get("overall"))

    def out(status: Status, reason: str, model_status: str | None = None) -> Entry:
        return Entry(target, status, reason, calibration, leakage, model_status)

    if slug in inputs.held:
        return out("held", inputs.held[slug])
    if not target.ranked:
        return out("not_ranked", "the target shares products with another one and is scored, not ranked")
    if slug not in inputs.scores:
        raise RankingError(f"no scores for division {slug!r} at {cutoff}; materialize division_scores first")
    rows = _scored(slug, inputs.scores[slug], cutoff)
    if rows.is_empty():
        return out("no_candidates", "no customer of the modelled population was scored")
    model_status: str = rows["model_status"][0]
    if model_status == "insufficient_data":
        return out(
            "insufficient_data",
            "too few positives to train a model, which therefore predicts the base rate",
            model_status,
        )
    if leakage != "PASS" and slug not in inputs.waived:
        shut = _closed_gate(report)
        if release.on_closed_gate == "fail":
            raise RankingError(
                f"the leakage gate of division {slug!r} at {cutoff} is shut: {shut}. Repair it, or set "
                "release.on_closed_gate to exclude to rank without the division"
            )
        return out("held", shut, model_status)
    if whitespace.normalize == "pooled" and calibration["status"] == "off":
        return out("held", _not_comparable(calibration["ratio"]), model_status)
    if slug not in inputs.rules:
        raise RankingError(f"no market-basket rules for division {slug!r} at {cutoff}; materialize mb_rules first")
    _require_rules(slug, inputs.rules[slug])
    waiver = f"gate opened by waiver: {inputs.waived[slug]}" if slug in inputs.waived else None
    rows = rows.with_columns(division_name=pl.lit(target.display), calibration_status=pl.lit(calibration["status"]))
    return Entry(target, "ranked", waiver, calibration, leakage, model_status, rows)


def _require_rules(slug: str, rules: pl.DataFrame) -> None:
    """Refuse rules of another division, and products that are no longer text (007 is not 7)."""
    if others := sorted({*rules["division"]} - {slug}):
        raise RankingError(f"mb_rules of division {slug!r}: column 'division' holds {others[0]!r}, expected {slug!r}")
    if rules.schema["product_sku"] != pl.String:
        raise RankingError(
            f"mb_rules of division {slug!r}: column 'product_sku' is {rules.schema['product_sku']}; read it as text"
        )


def _require_cutoff(slug: str, name: str, document: Mapping[str, Any] | None, cutoff: date) -> None:
    """Refuse a document that says it is about another cutoff."""
    about = None if document is None else document.get("cutoff")
    if about is not None and str(about) != cutoff.isoformat():
        raise RankingError(f"{name} of division {slug!r} is about the cutoff {about}, expected {cutoff}")


def _not_comparable(ratio: float) -> str:
    low, high = RATIO_RANGE
    return (
        f"expected / observed purchases are {ratio:.2f}, outside {low} to {high}: its probabilities cannot be pooled "
        "with those of other divisions; use whitespace.normalize: percentile"
    )


def _closed_gate(report: Mapping[str, Any] | None) -> str:
    """Which checks shut the gate, in words."""
    if report is None:
        return "there is no leakage report"
    checks = report.get("checks") or {}
    names = sorted({*(report.get("required") or ()), *checks})
    states = {name: (checks.get(name) or {}).get("status", "missing") for name in names}
    failed = [f"{name} is {state}" for name, state in states.items() if state not in ("PASS", "WARN")]
    return f"leakage report says {report.get('overall')}" + (f" ({', '.join(failed)})" if failed else "")


def evidence(slug: str, document: Mapping[str, Any] | None, cutoff: date) -> dict[str, Any]:
    """The calibration evidence of a division, judged.

    Parameters
    ----------
    slug
        The division.
    document
        Its ``closed_calibration``, None when there is none.
    cutoff
        The cutoff of the ranking.

    Returns
    -------
    dict
        `schema.CalibrationEvidence`; ``off`` when expected / observed lies outside `RATIO_RANGE`.

    Raises
    ------
    RankingError
        When the evidence is not older than the cutoff.
    """
    seen = None if document is None else document.get("evidence_cutoff")
    if document is None or seen is None:
        return {"status": "none", "evidence_cutoff": None, "n": None, "positives": None, "ratio": None}
    if str(seen) >= cutoff.isoformat():
        raise RankingError(
            f"closed_calibration of division {slug!r} is from {seen}, not before the cutoff {cutoff}: evidence from "
            "the future must not rank"
        )
    ratio = document.get("ratio")
    status: CalibrationStatus = "insufficient_data"
    if document.get("status") == "ok" and ratio is not None:
        status = "ok" if RATIO_RANGE[0] <= ratio <= RATIO_RANGE[1] else "off"
    counts = {name: document.get(name) for name in ("n", "positives")}
    return {"status": status, "evidence_cutoff": str(seen), **counts, "ratio": ratio}


def _scored(slug: str, frame: pl.DataFrame | pl.LazyFrame, cutoff: date) -> pl.DataFrame:
    """The columns the ranking reads, checked."""
    lazy = frame.lazy()
    present = lazy.collect_schema().names()
    if missing := [name for name in SCORE_COLUMNS if name not in present]:
        raise RankingError(f"division_scores of {slug!r} lacks the columns {', '.join(missing)}")
    rows = lazy.select(*SCORE_COLUMNS, *(name for name in OPTIONAL_INPUTS if name in present)).collect()
    for column, expected in (("division", slug), ("cutoff", cutoff)):
        others = rows.filter(pl.col(column).ne_missing(expected))[column].unique().sort().to_list()
        if others:
            raise RankingError(f"division_scores of {slug!r}: column {column!r} holds {others[0]}, expected {expected}")
    statuses = rows["model_status"].unique().sort().to_list()
    if len(statuses) > 1:
        raise RankingError(
            f"division_scores of {slug!r}: column 'model_status' holds {statuses}; one model scores a division"
        )
    require_unique(rows, ("customer_id",), f"division_scores of {slug!r}")
    p = pl.col("p_hat")
    wrong = rows.filter(p.is_null() | p.is_nan() | ~p.is_between(0, 1)).sort("customer_id")
    if not wrong.is_empty():
        raise RankingError(
            f"division_scores of {slug!r}: column 'p_hat' is {wrong['p_hat'][0]} for customer "
            f"{wrong['customer_id'][0]!r} ({wrong.height} such rows); a probability is between 0 and 1"
        )
    return rows


def require_unique(frame: pl.DataFrame, key: Sequence[str], where: str) -> None:
    """Refuse a frame that holds a key twice.

    Raises
    ------
    RankingError
        Naming the frame and the first repeated key.
    """
    twice = frame.select(key).filter(pl.struct(key).is_duplicated()).sort(key)
    if not twice.is_empty():
        raise RankingError(f"{where}: {' x '.join(key)} {twice.row(0)} occurs more than once; each may occur once")
