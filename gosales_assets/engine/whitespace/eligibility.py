"""Who may be listed: ordered gates that act on rows of customer x division, before anything is ranked.

Belongs here: the gates, their order, what a missing input means, and the counts. Does not belong here: who owns a
target (one function of the population decides that; its verdict is the ``ownership`` column) and who is modelled.

Every row is charged to the first gate it fails, so the counts are disjoint and add up: start = kept + excluded. A gate
that is switched on but whose input the frame lacks is ``not_evaluated``: it drops nobody and the log says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from gosales_assets.engine.whitespace import RankingError

if TYPE_CHECKING:
    from gosales_assets.settings import EligibilitySettings

GateStatus = Literal["evaluated", "not_evaluated", "off", "in_ownership"]

GATE_NAMES = ("owned", "recent_contact", "open_deal", "region_mismatch")
COUNTS = (
    "start_rows",
    *(f"{name}_excluded" for name in GATE_NAMES),
    "total_excluded",
    "kept_rows",
    "lapsed_kept",
    "ownership_unknown_kept",
    "region_unknown_kept",
)


@dataclass(frozen=True)
class Gate:
    """One rule of eligibility.

    Attributes
    ----------
    name
        Charged with the rows it drops.
    column
        The input it reads.
    kind
        What that input must be; text that looks like a flag is not one.
    enabled
        Whether settings switch it on.
    drops
        Boolean expression, never null: the row must not be listed.
    """

    name: str
    column: str
    kind: Literal["text", "number", "flag"]
    enabled: bool
    drops: pl.Expr


def gates(settings: EligibilitySettings) -> tuple[Gate, ...]:
    """The gates in the order they are applied. Unknown (null) keeps the row: nobody is dropped on no knowledge."""
    days = settings.exclude_if_recent_contact_days
    contacted = pl.col("days_since_last_contact")
    return (
        Gate("owned", "ownership", "text", settings.exclude_if_owned_ever, pl.col("ownership").eq_missing("owner")),
        Gate("recent_contact", "days_since_last_contact", "number", days > 0, (contacted <= days).fill_null(False)),
        Gate(
            "open_deal",
            "has_open_deal",
            "flag",
            settings.exclude_if_open_deal,
            pl.col("has_open_deal").fill_null(False),
        ),
        Gate(
            "region_mismatch",
            "region_match",
            "flag",
            settings.require_region_match,
            ~pl.col("region_match").fill_null(True),
        ),
    )


#: Columns beyond those of a score frame that gates can read when a source provides them.
OPTIONAL_INPUTS = ("days_since_last_contact", "has_open_deal", "region_match")


def gate_status(columns: Collection[str], settings: EligibilitySettings) -> dict[str, GateStatus]:
    """What became of each gate for a frame with these columns.

    Parameters
    ----------
    columns
        Columns of the frame the gates were applied to.
    settings
        Which gates are on.

    Returns
    -------
    dict
        Gate -> ``evaluated``, ``not_evaluated`` (on, input missing) or ``off``; ``active_assets`` is ``in_ownership``
        where the ownership gate already covers it, because holders of an active asset are owners.
    """
    status: dict[str, GateStatus] = {
        gate.name: ("evaluated" if gate.column in columns else "not_evaluated") if gate.enabled else "off"
        for gate in gates(settings)
    }
    assets: GateStatus = "in_ownership" if status["owned"] == "evaluated" else "not_evaluated"
    status["active_assets"] = assets if settings.exclude_if_active_assets else "off"
    return status


def apply_gates(frame: pl.DataFrame, settings: EligibilitySettings) -> pl.DataFrame:
    """Charge every row to the first gate it fails.

    Parameters
    ----------
    frame
        Rows of customer x division with ``ownership`` (``owner``, ``lapsed``, ``never``) and any of
        ``days_since_last_contact`` (days), ``has_open_deal``, ``region_match`` (Boolean).
    settings
        Which gates are on.

    Returns
    -------
    pl.DataFrame
        The frame with ``gate``: the name of the gate that drops the row, null when it is kept.

    Raises
    ------
    RankingError
        When an input has the wrong type: a flag must be Boolean (the text "0" is true in too many languages).
    """
    active = [gate for gate in gates(settings) if gate.enabled and gate.column in frame.columns]
    for gate in active:
        _require_kind(frame, gate)
    charges = [pl.when(gate.drops).then(pl.lit(gate.name)) for gate in active]
    return frame.with_columns(gate=pl.coalesce(*charges, pl.lit(None, pl.String)))


def _require_kind(frame: pl.DataFrame, gate: Gate) -> None:
    dtype = frame.schema[gate.column]
    fits = {"text": dtype == pl.String, "number": dtype.is_numeric(), "flag": dtype == pl.Boolean}[gate.kind]
    if not fits and dtype != pl.Null:
        wanted = {"text": "text", "number": "a number of days", "flag": "Boolean"}[gate.kind]
        raise RankingError(
            f"eligibility gate {gate.name!r} reads column {gate.column!r}, which is {dtype}; provide {wanted}"
        )


def count_gates(gated: pl.DataFrame, settings: EligibilitySettings) -> pl.DataFrame:
    """Rows before, dropped by each gate, and kept, per division.

    Parameters
    ----------
    gated
        Result of `apply_gates`, with ``division``.
    settings
        Which gates are on.

    Returns
    -------
    pl.DataFrame
        ``division`` and the Int64 columns of `COUNTS`, sorted by division. ``lapsed_kept`` counts kept former owners,
        the two ``unknown`` columns rows kept because what the gate asks for is unknown.

    Raises
    ------
    RankingError
        When start, excluded and kept rows do not add up.
    """
    region_read = settings.require_region_match and "region_match" in gated.columns
    kept = pl.col("gate").is_null()
    counts = (
        gated.group_by("division")
        .agg(
            pl.len().alias("start_rows"),
            *((pl.col("gate") == name).sum().alias(f"{name}_excluded") for name in GATE_NAMES),
            pl.col("gate").is_not_null().sum().alias("total_excluded"),
            kept.sum().alias("kept_rows"),
            (kept & (pl.col("ownership") == "lapsed")).sum().alias("lapsed_kept"),
            (kept & pl.col("ownership").is_null()).sum().alias("ownership_unknown_kept"),
            ((kept & pl.col("region_match").is_null()).sum() if region_read else pl.lit(0)).alias(
                "region_unknown_kept"
            ),
        )
        .select("division", pl.col(COUNTS).cast(pl.Int64))
        .sort("division")
    )
    by_gate = pl.sum_horizontal(f"{name}_excluded" for name in GATE_NAMES)
    off = counts.filter(
        (by_gate != pl.col("total_excluded")) | (pl.col("start_rows") - pl.col("kept_rows") != pl.col("total_excluded"))
    )
    if not off.is_empty():
        raise RankingError(f"eligibility counts of {off['division'].to_list()} do not add up: {off.to_dicts()}")
    return counts
