"""The catalog: every published file is there, at its path, described."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.catalog import CATALOG, OWNERS, PHASES, Artifact, Catalog, markdown
from gosales_assets.taxonomy import Taxonomy, TaxonomyError, slugify

ROOT = Path(__file__).parents[1]

#: The published catalog, row by row as its readers know it: an oracle of its own, not derived from the code.
PUBLISHED = """\
gosales/outputs/star/fact_transactions.parquet
gosales/outputs/star/dim_customer.parquet
gosales/outputs/star/fact_events.parquet
gosales/outputs/star/contracts/schema_snapshot.json
gosales/outputs/star/contracts/row_counts.csv
gosales/outputs/star/contracts/contract_violations.csv
gosales/outputs/star/contracts/checksums.json
gosales/outputs/labels/labels_<division>_<cutoff>.parquet
gosales/outputs/labels/label_prevalence_<division>_<cutoff>.csv
gosales/outputs/labels/cutoff_manifest_<division>.json
gosales/outputs/features/features_<division>_<cutoff>.parquet
gosales/outputs/feature_catalog_<division>_<cutoff>.csv
gosales/outputs/features/feature_stats_<division>_<cutoff>.json
gosales/outputs/feature_list.json
gosales/outputs/models/<division>/<cutoff>/metrics.json
gosales/outputs/models/<division>/<cutoff>/gains.csv
gosales/outputs/models/<division>/<cutoff>/calibration.csv
gosales/outputs/models/<division>/<cutoff>/thresholds.csv
gosales/outputs/models/<division>/<cutoff>/model_card.json
gosales/outputs/models/<division>/<cutoff>/shap_summary_<division>_<cutoff>.csv
gosales/outputs/models/<division>/<cutoff>/train_scores_<division>_<cutoff>.parquet
gosales/outputs/models/<division>/<cutoff>/train_feature_sample_<division>_<cutoff>.parquet
gosales/outputs/whitespace/whitespace_<cutoff>.csv
gosales/outputs/whitespace/whitespace_explanations_<cutoff>.csv
gosales/outputs/whitespace/thresholds_whitespace_<cutoff>.csv
gosales/outputs/whitespace/whitespace_metrics_<cutoff>.json
gosales/outputs/whitespace/logs/whitespace_log_<cutoff>.jsonl
gosales/outputs/whitespace/mb_rules_<division>_<cutoff>.csv
gosales/outputs/whitespace/capacity_summary_<cutoff>.csv
gosales/outputs/validation/<division>/<cutoff>/validation_frame.parquet
gosales/outputs/validation/<division>/<cutoff>/gains.csv
gosales/outputs/validation/<division>/<cutoff>/calibration.csv
gosales/outputs/validation/<division>/<cutoff>/topk_scenarios*.csv
gosales/outputs/validation/<division>/<cutoff>/segment_performance.csv
gosales/outputs/validation/<division>/<cutoff>/metrics.json
gosales/outputs/validation/<division>/<cutoff>/drift.json
gosales/outputs/runs/<run_id>/config_resolved.yaml
gosales/outputs/validation/<division>/<cutoff>/alerts.json
gosales/outputs/calibration_<division>.csv
gosales/outputs/icp_scores.csv
gosales/outputs/whitespace.csv
gosales/outputs/icp_scores_<timestamp>.csv
gosales/outputs/leakage/fold_customer_overlap_<division>_<cutoff>.csv
gosales/outputs/leakage/feature_date_audit_<division>_<cutoff>.csv
gosales/outputs/leakage/static_scan_<division>_<cutoff>.json
gosales/outputs/leakage/leakage_report_<division>_<cutoff>.json
gosales/outputs/metrics_summary.csv
reports/gosales_cross_sell_top100_accounts.csv
reports/gosales_cross_sell_top100_accounts_icp.csv
reports/gosales_cross_sell_top100_accounts_whitespace.csv
reports/gosales_cross_sell_top100_summary.md
""".splitlines()

INTERNAL = {
    "sources/sales_log",
    "sources/industry_enrichment",
    "sources/industry_matches",
    "sources/customer_assets",
    "sources/item_taxonomy",
    "sources/crm_attributes",
    "sources/account_status",
    "star/fact_assets",
    "star/account_status",
    "features/customer_base",
    "features/base_profile",
    "models/model",
    "scores/division_scores",
    "scores/closed_calibration",
    "diagnostics/adjacency_ablation",
}


def test_the_published_rows_are_the_51_of_the_catalog() -> None:
    assert len(PUBLISHED) == len(set(PUBLISHED)) == 51
    assert sorted(CATALOG.published()) == sorted(PUBLISHED)


def test_the_other_rows_are_internal_and_lie_apart() -> None:
    assert {key for key, a in CATALOG.items() if a.internal} == INTERNAL
    assert all(CATALOG[key].pattern.startswith("gosales/outputs/internal/") for key in INTERNAL)


def test_keys_and_paths_are_unique() -> None:
    assert len({a.key for a in CATALOG.values()}) == len(CATALOG)
    assert len({a.pattern for a in CATALOG.values()}) == len(CATALOG)
    twin = Artifact("star", "other", CATALOG["star/checksums"].pattern, "", "")
    with pytest.raises(ValueError, match="share a path"):
        Catalog((CATALOG["star/checksums"], twin))
    with pytest.raises(ValueError, match="share a key"):
        Catalog((CATALOG["star/checksums"], CATALOG["star/checksums"]))


def test_paths_of_different_partitions_never_meet() -> None:
    """No file of one artifact and partition is a file of another: slugs with underscores could run together."""
    slugs = [t.slug for t in Taxonomy.reference().targets]
    paths: dict[str, str] = {}
    for artifact in CATALOG.values():
        for slug in slugs:
            where = {"division": slug, "cutoff": "2024-06-30", "run_id": "0a1b", "timestamp": "20240630T010203Z"}
            path = artifact.path(**where)
            owner = f"{artifact.id} {slug if '<division>' in artifact.pattern else ''}"
            assert paths.setdefault(path, owner) == owner, path


def test_a_picture_lies_beside_its_file_and_is_no_row() -> None:
    drawn = {a.id: a.picture_pattern for a in CATALOG.values() if a.picture}
    folder = "gosales/outputs/models/<division>/<cutoff>/"
    assert drawn == {
        "models/gains": folder + "gains.png",
        "models/calibration": folder + "calibration.png",
        "models/shap_summary": folder + "shap_summary_<division>_<cutoff>.png",
    }
    assert not set(drawn.values()) & {a.pattern for a in CATALOG.values()}
    where = {"division": "printers", "cutoff": "2024-06-30"}
    path = CATALOG["models/calibration"].picture_path(**where)
    assert path == "gosales/outputs/models/printers/2024-06-30/calibration.png"
    with pytest.raises(ValueError, match="cannot be part of a path"):
        CATALOG["models/calibration"].picture_path(**where | {"division": "../x"})
    assert all(f"`{pattern}`" in markdown() for pattern in drawn.values())


@pytest.mark.parametrize("key", sorted(CATALOG))
def test_a_row_says_what_it_is(key: str) -> None:
    artifact = CATALOG[key]
    assert artifact.phase in PHASES
    assert artifact.owner in OWNERS
    assert artifact.purpose.endswith(".")
    assert artifact.importance.endswith((".", "?"))
    assert artifact.consumers
    # The UI takes angle brackets for markup and would swallow the placeholders.
    assert "<" not in artifact.description
    assert artifact.pattern.replace("<", "{").replace(">", "}") in artifact.description


@pytest.mark.parametrize(
    ("key", "grain", "calendar"),
    [
        ("star/fact_transactions", "snapshot", ""),
        ("labels/labels", "division_cutoff", "all"),
        ("labels/cutoff_manifest", "division", ""),
        ("features/customer_base", "cutoff", "all"),
        ("models/metrics", "division_cutoff", "model"),
        ("whitespace/whitespace", "cutoff", "model"),
        ("whitespace/mb_rules", "division_cutoff", "model"),
        ("validation/metrics", "division_cutoff", "validation"),
        ("leakage/fold_customer_overlap", "division_cutoff", "model"),
        ("leakage/feature_date_audit", "division_cutoff", "all"),
        ("observability/config_resolved", "run", ""),
    ],
)
def test_grain_follows_the_placeholders(key: str, grain: str, calendar: str) -> None:
    assert (CATALOG[key].grain, CATALOG[key].calendar) == (grain, calendar)


def test_every_row_with_cutoffs_names_which_ones_exist() -> None:
    for artifact in CATALOG.values():
        assert bool(artifact.calendar) == ("<cutoff>" in artifact.pattern), artifact.id


# --- paths


def test_a_path_needs_every_placeholder() -> None:
    with pytest.raises(ValueError, match=r"labels/labels: path .* needs a value for <cutoff>"):
        CATALOG["labels/labels"].path(division="printers")


@given(st.text(max_size=30) | st.sampled_from(["..", "a/../b", "a/b", ".", "a\n", "\x00", "C:\\x", "", "-rf", "~"]))
def test_no_value_leaves_the_folder_of_its_file(value: str) -> None:
    artifact = CATALOG["models/metrics"]
    try:
        path = artifact.path(division=value, cutoff="2024-06-30")
    except ValueError:
        return
    assert path == f"gosales/outputs/models/{value}/2024-06-30/metrics.json"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value)
    assert ".." not in value


@given(st.text(max_size=40) | st.sampled_from(["../../etc/passwd", "/abs", "a\\b", "R&D", "Café", "ſ", "İ", "\u2028"]))
def test_the_slug_of_any_name_is_refused_or_safe(name: str) -> None:
    try:
        slug = slugify(name)
    except TaxonomyError:
        return
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", slug)
    assert slugify(slug) == slug
    assert f"/labels_{slug}_2024" in CATALOG["labels/labels"].path(division=slug, cutoff="2024-06-30")


# --- schemas


def tables() -> list[str]:
    return sorted(key for key, a in CATALOG.items() if a.is_table and a.schema)


def test_every_published_table_and_document_has_a_schema_but_prose_and_settings() -> None:
    without = {key for key, a in CATALOG.items() if not a.schema}
    assert without == {"sources/sales_log", "observability/config_resolved", "reports/cross_sell_summary"}


@pytest.mark.parametrize("key", sorted(key for key, a in CATALOG.items() if a.schema))
def test_a_schema_imports_and_fits_the_format(key: str) -> None:
    from pandera.polars import DataFrameModel
    from pydantic import BaseModel

    artifact = CATALOG[key]
    assert issubclass(artifact.model(), DataFrameModel if artifact.is_table else BaseModel)


@pytest.mark.parametrize("key", tables())
def test_a_table_schema_gives_types_and_describes_every_column(key: str) -> None:
    artifact = CATALOG[key]
    dtypes, described = artifact.dtypes(), artifact.column_descriptions()
    assert dtypes
    assert set(dtypes) <= set(described)
    pl.DataFrame(schema=dict(dtypes))  # usable as a Polars schema
    assert [name for name, text in described.items() if not text.strip()] == []


@pytest.mark.parametrize("key", sorted(key for key, a in CATALOG.items() if a.schema and not a.is_table))
def test_a_document_refuses_what_it_does_not_know(key: str) -> None:
    from pydantic import RootModel

    model = CATALOG[key].model()
    # A document that is one mapping has no keys of its own to know.
    assert issubclass(model, RootModel) or model.model_config.get("extra") == "forbid"


# --- the document


def test_the_document_of_the_catalog_is_current() -> None:
    assert (ROOT / "docs" / "artifact_catalog.md").read_text(encoding="utf-8") == markdown(), "run `gosales docs`"


def test_the_document_names_every_path() -> None:
    text = markdown()
    assert all(f"`{a.pattern}`" in text for a in CATALOG.values())
    assert text.count("*(internal)*") == len(INTERNAL)
