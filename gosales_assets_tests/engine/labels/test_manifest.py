"""The manifest says what the labels meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl
import pytest

from gosales_assets.engine.labels.manifest import cutoff_manifest
from gosales_assets.engine.labels.schema import CutoffManifest
from gosales_assets.settings import LabelSettings, Settings
from gosales_assets_tests.engine.labels.test_build import LAST_2024, SEED, TAXONOMY, TYPO, Line, dim, facts, label

CUTOFF = "2024-06-30"


def manifest(
    frames: Mapping[str, pl.DataFrame],
    target: str = "solidworks",
    *,
    lines: list[Line] = SEED,
    months: int = 6,
    as_of: date | None = None,
    denylist: Iterable[str] = (),
    **options: Any,
) -> dict[str, Any]:
    got = cutoff_manifest(
        TAXONOMY.without(denylist).target(target),
        frames,
        facts(lines),
        labels_settings=LabelSettings(**options),
        window_months=months,
        as_of=as_of,
        fact_checksum="sha256:f",
    )
    CutoffManifest.model_validate_json(json.dumps(got, allow_nan=False))
    return got


def test_manifest_of_two_cutoffs() -> None:
    frames = {CUTOFF: label(SEED), "2024-03-31": label(SEED, cutoff=date(2024, 3, 31))}
    got = manifest(frames, as_of=date(2024, 8, 1))
    assert list(got["cutoffs"]) == ["2024-03-31", CUTOFF]
    assert got["skus"] == ["SWX_Core", "SWX_Pro_Prem", "SW_Electrical", "SW_Inspection"]
    entry = got["cutoffs"][CUTOFF]
    assert (entry["rows"], entry["positives"], entry["prevalence"]) == (3, 1, 0.333333)
    assert (entry["window_start"], entry["window_end"]) == ("2024-07-01", "2024-12-31")
    assert (entry["requested_window_months"], entry["effective_window_months"], entry["widened"]) == (6, 6, False)
    assert entry["censored"]
    assert "2024-08-01 (declared)" in entry["censor_reason"]
    assert (entry["denylist_skus"], entry["fact_checksum"]) == ([], "sha256:f")
    assert entry["labels_sha256"] != got["cutoffs"]["2024-03-31"]["labels_sha256"]


def test_denied_skus_are_listed_and_hashed() -> None:
    """Oracle L6: the manifest of a denylist."""
    deny = ["sw_inspection", "SWX_Core"]
    one = manifest({CUTOFF: label(SEED, denylist=deny)}, denylist=deny)
    assert one["skus"] == ["SWX_Pro_Prem", "SW_Electrical"]
    entry = one["cutoffs"][CUTOFF]
    assert entry["denylist_skus"] == ["SWX_Core", "SW_Inspection"]
    assert entry["positives"] == 0
    other = manifest({CUTOFF: label(SEED, denylist=deny[:1])}, denylist=deny[:1])["cutoffs"][CUTOFF]
    none = manifest({CUTOFF: label(SEED)})["cutoffs"][CUTOFF]
    assert len({e["denylist_sha256"] for e in (entry, other, none)}) == 3


@pytest.mark.parametrize(
    ("lines", "as_of", "last", "complete", "declared"),
    [
        (SEED, None, "2024-08-01", "2024-08-01", False),
        # One line of 2050 beside 30 a month is less than 5 % of a month: it is the last order, and no end of the data.
        ([*SEED * 30, TYPO], None, "2050-01-01", "2024-08-01", False),
        ([*SEED, TYPO], date(2024, 8, 1), "2050-01-01", "2024-08-01", True),
        ([*SEED, LAST_2024], date(2024, 12, 31), "2024-12-27", "2024-12-31", True),
        ([], None, None, None, False),
    ],
)
def test_the_end_of_the_data(
    lines: list[Line], as_of: date | None, last: str | None, complete: str | None, declared: bool
) -> None:
    entry = manifest({CUTOFF: label(lines, as_of=as_of)}, lines=lines, as_of=as_of)["cutoffs"][CUTOFF]
    assert entry["data_max_order_date"] == last
    assert (entry["data_as_of"], entry["data_as_of_declared"]) == (complete, declared)
    assert entry["censored"] == (complete is None or complete < "2024-12-31")
    if entry["censored"]:
        assert (complete or "no data") in entry["censor_reason"]


@pytest.mark.parametrize(
    ("lines", "effective", "end", "positives"),
    [
        (SEED, 6, "2024-12-31", 0),  # 1, 4, 6 in vain
        ([*SEED, ("1", date(2024, 9, 15), "Hardware", "FDM", 5000.0, 1.0)], 4, "2024-10-31", 1),
    ],
)
def test_manifest_tells_what_was_used_from_what_was_asked(
    lines: list[Line], effective: int, end: str, positives: int
) -> None:
    options: dict[str, Any] = {"sparse_min_positive_target": 1, "sparse_max_window_months": 6}
    frames = {CUTOFF: label(lines, "printers", months=1, **options)}
    entry = manifest(frames, "printers", lines=lines, months=1, **options)["cutoffs"][CUTOFF]
    asked_and_used = (entry["requested_window_months"], entry["effective_window_months"], entry["widened"])
    assert asked_and_used == (1, effective, True)
    assert (entry["window_end"], entry["positives"]) == (end, positives)


def test_the_window_of_a_division_is_in_labels_and_manifest_alike() -> None:
    """Oracle L16: nine months for SOLIDWORKS where six are usual; 2024-06-30 + 9 months is 2025-03-31."""
    settings = Settings(
        artifact_root="x",
        labels={"per_division_window_months": {"solidworks": 9}},
        timeline={"label_window_months": 12},
    )
    months = settings.label_window_months(settings.products.target("solidworks"))
    labels = label(SEED, months=months)
    entry = manifest({CUTOFF: labels}, months=months)["cutoffs"][CUTOFF]
    assert (entry["requested_window_months"], entry["effective_window_months"], entry["widened"]) == (9, 9, False)
    assert entry["window_end"] == "2025-03-31" == labels["window_end"][0].isoformat()
    assert settings.label_window_months(settings.products.target("printers")) == 12


def test_an_empty_cutoff_says_so() -> None:
    got = manifest({CUTOFF: label(SEED, people=dim("1", seen=date(2025, 1, 1)))})
    entry = CutoffManifest.model_validate(got).cutoffs[CUTOFF]
    assert (entry.status, entry.rows, entry.prevalence, entry.window_end) == ("empty", 0, None, None)
