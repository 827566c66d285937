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

if TYPE_CHECKING:
    from gosales_assets.settings import LabelSettings


def cutoff_manifest(
    target: Target,
    labels: Mapping[str, pl.DataFrame],
    *,
    labels_settings: LabelSettings,
    window_months: int,
    as_of: date | None = None,
    data_max_order_date: date | None = None,
    denylist: frozenset[str] = frozenset(),
    buffer_days: int = 0,
    fact_checksum: str | None = None,
) -> dict[str, Any]:
    """Document the labels of a division at all its cutoffs.

    Parameters
    ----------
    target
        The division.
    labels
        Label frames by cutoff (``YYYY-MM-DD``).
    labels_settings
        The settings they were built with.
    window_months
        The window asked for, months; what was used stands in the labels.
    as_of, data_max_order_date, fact_checksum
        About the data, where the caller knows it.
    denylist, buffer_days
        As given to `build_labels`.

    Returns
    -------
    dict
        Plain JSON values; schema `gosales_assets.engine.labels.schema.CutoffManifest`.
    """
    skus = sorted(denylist)
    about = {
        "mode": labels_settings.mode,
        "requested_window_months": window_months,
        "window_rule": "month_end_snap",
        "buffer_days": buffer_days,
        "gp_min_threshold": labels_settings.gp_min_threshold,
        "label_basis": target.label_basis,
        "denylist_sha256": f"sha256:{hashlib.sha256(repr(skus).encode()).hexdigest()}",
        "denylist_skus": skus,
        "data_max_order_date": _iso(data_max_order_date),
        "data_as_of": _iso(as_of),
        "fact_checksum": fact_checksum,
    }
    return {
        "division": target.slug,
        "division_name": target.display,
        "target_kind": target.kind,
        "skus": sorted(target.skus),
        "cutoffs": {cutoff: _entry(labels[cutoff], about, as_of) for cutoff in sorted(labels)},
    }


def _entry(labels: pl.DataFrame, about: dict[str, Any], as_of: date | None) -> dict[str, Any]:
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
        known = f" ({as_of})" if as_of else ""
        measured |= {
            "status": "ok",
            "effective_window_months": months,
            "widened": months > about["requested_window_months"],
            "window_start": _iso(start),
            "window_end": _iso(end),
            "censored": bool(flag),
            "censor_reason": f"the data{known} ends before the window does ({end})" if flag else None,
            "prevalence": round(measured["positives"] / labels.height, SHARE_DECIMALS),
        }
    return {**about, **measured}


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
