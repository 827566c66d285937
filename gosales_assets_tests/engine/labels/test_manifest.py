"""The manifest says what the labels meant."""

from __future__ import annotations

import json
from datetime import date

from gosales_assets.engine.labels.manifest import cutoff_manifest
from gosales_assets.engine.labels.schema import CutoffManifest
from gosales_assets.settings import LabelSettings
from gosales_assets_tests.engine.labels.test_build import SEED, TAXONOMY, dim, label


def test_manifest_of_two_cutoffs() -> None:
    target = TAXONOMY.target("solidworks")
    frames = {"2024-06-30": label(SEED), "2024-03-31": label(SEED, cutoff=date(2024, 3, 31))}
    got = cutoff_manifest(
        target,
        frames,
        labels_settings=LabelSettings(),
        window_months=6,
        as_of=date(2024, 8, 1),
        denylist=frozenset("ab"),
    )
    CutoffManifest.model_validate_json(json.dumps(got, allow_nan=False))
    assert list(got["cutoffs"]) == ["2024-03-31", "2024-06-30"]
    assert got["skus"] == ["SWX_Core", "SWX_Pro_Prem", "SW_Electrical", "SW_Inspection"]
    entry = got["cutoffs"]["2024-06-30"]
    assert (entry["rows"], entry["positives"], entry["prevalence"]) == (3, 1, 0.333333)
    assert (entry["window_start"], entry["window_end"]) == ("2024-07-01", "2024-12-31")
    assert (entry["requested_window_months"], entry["effective_window_months"], entry["widened"]) == (6, 6, False)
    assert entry["censored"]
    assert "2024-08-01" in entry["censor_reason"]
    assert entry["denylist_skus"] == ["a", "b"]
    assert entry["labels_sha256"] != got["cutoffs"]["2024-03-31"]["labels_sha256"]


def test_manifest_tells_what_was_used_from_what_was_asked() -> None:
    target = TAXONOMY.target("printers")
    settings = LabelSettings(sparse_min_positive_target=1, sparse_max_window_months=6)
    frames = {"2024-06-30": label(SEED, "printers", months=1, **settings.model_dump(exclude_unset=True))}
    entry = cutoff_manifest(target, frames, labels_settings=settings, window_months=1)["cutoffs"]["2024-06-30"]
    assert (entry["requested_window_months"], entry["effective_window_months"], entry["widened"]) == (1, 6, True)
    assert entry["window_end"] == "2024-12-31"


def test_an_empty_cutoff_says_so() -> None:
    frames = {"2024-06-30": label(SEED, people=dim("1", seen=date(2025, 1, 1)))}
    got = cutoff_manifest(TAXONOMY.target("solidworks"), frames, labels_settings=LabelSettings(), window_months=6)
    entry = CutoffManifest.model_validate(got).cutoffs["2024-06-30"]
    assert (entry.status, entry.rows, entry.prevalence, entry.window_end) == ("empty", 0, None, None)
