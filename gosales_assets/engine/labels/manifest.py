"""What every label of a division meant: windows, thresholds, censoring, counts.

Belongs here: the manifest document. Does not belong here: labels themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.labels.build import SHARE_DECIMALS
from gosales_assets.engine.star.checksums import content_sha256
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import infer_as_of

if TYPE_CHECKING:
    from gosales_assets.settings import LabelSettings


def cutoff_manifest(
    target: Target,
    labels: Mapping[str, pl.DataFrame],
    facts: pl.LazyFrame,
    *,
    labels_settings: LabelSettings,
    window_months: int,
    as_of: date | None,
    fact_checksum: str,
    buffer_days: int = 0,
) -> dict[str, Any]:
    """Document the labels of a division at all its cutoffs.

    Parameters
    ----------
    target
        The division.
    labels
        Label frames by cutoff (``YYYY-MM-DD``).
    facts
        fact_transactions, for the end of the data.
    labels_settings
        The settings the labels were built with.
    window_months
        The window asked for, months; what was used stands in the labels.
    as_of, buffer_days
        As given to `build_labels`.
    fact_checksum
        Content hash of the facts.

    Returns
    -------
    dict
        Plain JSON values; schema `gosales_assets.engine.labels.schema.CutoffManifest`.
    """
    denied = sorted(target.denied)
    last = facts.select(pl.col("order_date").max()).collect().item()
    complete = as_of or infer_as_of(facts)
    about = {
        "mode": labels_settings.mode,
        "requested_window_months": window_months,
        "window_rule": "month_end_snap",
        "buffer_days": buffer_days,
        "gp_min_threshold": labels_settings.gp_min_threshold,
        "label_basis": target.label_basis,
        "denylist_sha256": f"sha256:{hashlib.sha256(repr(denied).encode()).hexdigest()}",
        "denylist_skus": denied,
        "data_max_order_date": _iso(last),
        "data_as_of": _iso(complete),
        "data_as_of_declared": as_of is not None,
        "fact_checksum": fact_checksum,
    }
    return {
        "division": target.slug,
        "division_name": target.display,
        "target_kind": target.kind,
        "skus": sorted(target.skus),
        "cutoffs": {cutoff: _entry(labels[cutoff], about) for cutoff in sorted(labels)},
    }


def _entry(labels: pl.DataFrame, about: dict[str, Any]) -> dict[str, Any]:
    measured: dict[str, Any] = {
        "status": "empty",
        "effective_window_months": None,
        "widened": False,
        "window_start": None,
        "window_end": None,
        "censored": False,
        "censor_reason": None,
        "rows": labels.height,
        "positives": int(labels["label"].sum()),
        "prevalence": None,
        "labels_sha256": content_sha256(labels),
    }
    if labels.height:
        months, start, end, flag = labels.select(
            "effective_window_months", "window_start", "window_end", "censored_flag"
        ).row(0)
        measured |= {
            "status": "ok",
            "effective_window_months": months,
            "widened": months > about["requested_window_months"],
            "window_start": _iso(start),
            "window_end": _iso(end),
            "censored": bool(flag),
            "censor_reason": _censored_because(about, end) if flag else None,
            "prevalence": round(measured["positives"] / labels.height, SHARE_DECIMALS),
        }
    return {**about, **measured}


def _censored_because(about: dict[str, Any], window_end: date) -> str:
    if about["data_as_of"] is None:
        return f"there is no data; the window ends on {window_end}"
    how = "declared" if about["data_as_of_declared"] else "inferred"
    return f"the data is complete up to {about['data_as_of']} ({how}); the window ends on {window_end}"


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
