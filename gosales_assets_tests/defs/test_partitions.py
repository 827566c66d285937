"""Partition sets against the calendar, and every edge of the real graph."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.partitions import Partitions, cutoff_key, placeholders
from gosales_assets.settings import SIDE_SOURCES
from gosales_assets.timeline import Calendar

SLUGS = ("a", "b")


def keys(partitions: dg.PartitionsDefinition, now: date | None = None) -> list[str]:
    moment = datetime(now.year, now.month, now.day, 12, tzinfo=UTC) if now else None
    with partition_loading_context(effective_dt=moment):
        return list(partitions.get_partition_keys())


def written(days: list[date]) -> list[str]:
    return [cutoff_key(d) for d in days]


# --- sets

CALENDARS = {
    "half-years": (Calendar(date(2022, 6, 30), date(2024, 6, 30), 6, 6), 1),
    "quarters, two per window": (Calendar(date(2022, 3, 31), date(2024, 3, 31), 3, 6), 2),
    "quarters, embargo": (Calendar(date(2022, 3, 31), date(2024, 3, 31), 3, 6, embargo_days=1), 3),
    "months": (Calendar(date(2022, 1, 31), date(2023, 2, 28), 1, 3), 3),
    "months over a leap year": (Calendar(date(2023, 11, 30), date(2024, 6, 30), 1, 1), 1),
    "years": (Calendar(date(2020, 2, 29), date(2024, 2, 29), 12, 12), 1),
    "thirds": (Calendar(date(2021, 12, 31), date(2023, 12, 31), 4, 6), 2),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_the_sets_are_those_of_the_calendar(name: str) -> None:
    calendar, k = CALENDARS[name]
    assert calendar.k == k
    p = Partitions(calendar, SLUGS)
    assert keys(p.cutoffs) == written(calendar.cutoffs())
    assert keys(p.model_cutoffs) == written(calendar.model_cutoffs())
    assert keys(p.validation_cutoffs) == written(calendar.validation_cutoffs())
    assert keys(p.cutoffs)[0] == cutoff_key(calendar.first_cutoff)
    assert keys(p.cutoffs)[-1] == cutoff_key(calendar.last_cutoff or date.max)


def test_a_leap_day_is_a_cutoff_and_the_day_before_it_is_not() -> None:
    p = Partitions(Calendar(date(2024, 1, 31), date(2024, 4, 30), 1, 1), SLUGS)
    assert keys(p.cutoffs) == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    assert not p.cutoffs.has_partition_key("2024-02-28")


@pytest.mark.parametrize(
    ("window", "embargo", "cadence", "k"),
    [
        # Window of 1 month and 31 days of embargo: 2 cadences of 1 month are 59 days over February, window + embargo
        # from 2023-12-31 end on 2024-03-02, after 2024-02-29. A month has at most 31 days, so 3 suffice.
        (1, 31, 1, 3),
        # 28 days of embargo fit into February itself.
        (1, 28, 1, 2),
        (1, 29, 1, 3),
        (3, 0, 1, 3),
        (6, 0, 6, 1),
        (6, 1, 6, 2),
        (3, 30, 1, 5),  # from 2022-10-31: window to 2023-01-31, embargo to 2023-03-02, past February
        (6, 89, 3, 3),  # the quarter from year's end has 90 days, or 91
        (6, 90, 3, 3),
        (6, 91, 3, 4),  # 90 days are too few for 91
        (12, 0, 12, 1),
    ],
)
def test_k_holds_at_every_cutoff_and_is_the_smallest(window: int, embargo: int, cadence: int, k: int) -> None:
    calendar = Calendar(date(2022, 12, 31), None, cadence, window, embargo_days=embargo)
    assert calendar.k == k
    cutoffs = [calendar.step(calendar.first_cutoff, i) for i in range(96 // cadence)]
    assert all(calendar.closes_by(calendar.step(c, -k), c) for c in cutoffs)
    assert k == 1 or not all(calendar.closes_by(calendar.step(c, 1 - k), c) for c in cutoffs)


@pytest.mark.parametrize(
    ("now", "cutoffs", "model", "validation"),
    [
        # Half-years, window of 6 months, k = 1: the window of 2023-12-31 closes on 2024-06-30.
        (date(2024, 6, 29), "2023-12-31", "2023-12-31", "2023-06-30"),
        (date(2024, 6, 30), "2024-06-30", "2024-06-30", "2023-12-31"),
        (date(2024, 12, 30), "2024-06-30", "2024-06-30", "2023-12-31"),
        (date(2024, 12, 31), "2024-12-31", "2024-12-31", "2024-06-30"),
    ],
)
@pytest.mark.parametrize("last", [None, date(2030, 12, 31)])
def test_open_sets_grow_with_the_clock(last: date | None, now: date, cutoffs: str, model: str, validation: str) -> None:
    p = Partitions(Calendar(date(2022, 6, 30), last, 6, 6), SLUGS)
    assert [keys(s, now)[-1] for s in (p.cutoffs, p.model_cutoffs, p.validation_cutoffs)] == [
        cutoffs,
        model,
        validation,
    ]


def test_a_validation_waits_as_many_cadences_as_its_window_is_long() -> None:
    p = Partitions(Calendar(date(2022, 3, 31), None, 3, 6, embargo_days=1), SLUGS)  # k = 3
    now = date(2024, 7, 10)
    assert keys(p.cutoffs, now)[-1] == "2024-06-30"
    assert keys(p.model_cutoffs, now)[0] == "2022-12-31"
    assert keys(p.validation_cutoffs, now)[-1] == "2023-09-30"  # + 6 months + 1 day = 2024-04-01, by 2024-06-30


def test_a_closed_set_is_the_same_at_any_later_time() -> None:
    p = Partitions(Calendar(date(2022, 6, 30), date(2024, 6, 30), 6, 6), SLUGS)
    for partitions in (p.cutoffs, p.model_cutoffs, p.validation_cutoffs):
        assert keys(partitions, date(2024, 6, 30)) == keys(partitions, date(2024, 7, 15)) == keys(partitions)


@pytest.mark.parametrize("last", [date(2022, 6, 30), date(2022, 12, 31)])
def test_too_few_cutoffs_leave_later_sets_empty(last: date) -> None:
    calendar = Calendar(date(2022, 6, 30), last, 6, 6)
    p = Partitions(calendar, SLUGS)
    assert keys(p.model_cutoffs) == written(calendar.model_cutoffs())
    assert keys(p.validation_cutoffs) == []


def test_a_partition_key_becomes_the_placeholders_of_its_path() -> None:
    assert placeholders(CATALOG["labels/labels"], "2024-06-30|printers") == {
        "cutoff": "2024-06-30",
        "division": "printers",
    }
    assert placeholders(CATALOG["labels/cutoff_manifest"], "printers") == {"division": "printers"}
    assert placeholders(CATALOG["whitespace/whitespace"], "2024-06-30") == {"cutoff": "2024-06-30"}
    assert placeholders(CATALOG["star/checksums"], None) == {}


# --- mappings


def upstream(
    mapping: dg.PartitionMapping, key: str, down: dg.PartitionsDefinition, up: dg.PartitionsDefinition
) -> list[str]:
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        down.subset_with_partition_keys([key]), down, up
    ).partitions_subset
    return sorted(found.get_partition_keys())


@pytest.fixture(scope="module")
def quarters() -> Partitions:
    """Quarters with windows of 6 months: k = 2; three training cutoffs."""
    return Partitions(Calendar(date(2022, 3, 31), date(2024, 3, 31), 3, 6, training_cutoffs=3), SLUGS)


def test_history_is_what_the_calendar_says_at_every_model_cutoff(quarters: Partitions) -> None:
    p = quarters
    for cutoff in p.calendar.model_cutoffs():
        found = upstream(p.history, f"{cutoff_key(cutoff)}|a", p.division_model_cutoffs, p.division_cutoffs)
        assert found == [f"{c}|a" for c in written(p.calendar.history(cutoff))]
        assert found
    # By hand: 2023-06-30 learns from windows closed by then, 2022-12-31 and the two quarters before.
    assert upstream(p.history, "2023-06-30|b", p.division_model_cutoffs, p.division_cutoffs) == [
        "2022-06-30|b",
        "2022-09-30|b",
        "2022-12-31|b",
    ]
    # The first model has one.
    assert upstream(p.history, "2022-09-30|a", p.division_model_cutoffs, p.division_cutoffs) == ["2022-03-31|a"]


def test_the_newest_closed_validation_is_k_cadences_back(quarters: Partitions) -> None:
    p = quarters
    down, up = p.division_model_cutoffs, p.division_validation_cutoffs
    assert upstream(p.last_closed, "2023-06-30|a", down, up) == ["2022-12-31|a"]
    assert upstream(p.last_closed, "2024-03-31|b", down, up) == ["2023-09-30|b"]
    assert upstream(p.last_closed, "2022-12-31|a", down, up) == []  # no model existed then


def test_fan_ins_take_all_of_their_dimension_and_nothing_else(quarters: Partitions) -> None:
    p = quarters
    assert upstream(p.every_division, "2023-06-30", p.model_cutoffs, p.division_model_cutoffs) == [
        "2023-06-30|a",
        "2023-06-30|b",
    ]
    assert upstream(p.every_division, "2023-06-30|b", p.division_cutoffs, p.cutoffs) == ["2023-06-30"]
    assert upstream(p.every_cutoff, "b", p.divisions, p.division_validation_cutoffs) == [
        f"{c}|b" for c in keys(p.validation_cutoffs)
    ]
    assert upstream(p.same, "2023-06-30|b", p.division_validation_cutoffs, p.division_cutoffs) == ["2023-06-30|b"]


# --- the real graph


def edges(graph: Any) -> Iterator[tuple[dg.AssetKey, dg.AssetKey]]:
    for child in sorted(graph.get_all_asset_keys()):
        for parent in sorted(graph.get(child).parent_keys):
            yield parent, child


def test_every_edge_across_sets_names_its_mapping(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    silent = [
        f"{parent.to_user_string()} -> {child.to_user_string()}"
        for parent, child in edges(graph)
        if graph.get(parent).partitions_def is not None
        and graph.get(child).partitions_def != graph.get(parent).partitions_def
        and graph.get(child).partition_mappings.get(parent) is None
    ]
    assert silent == []


@pytest.fixture
def at_one_moment() -> Iterator[None]:
    """Partition sets are worked out once, not for every key."""
    with partition_loading_context(effective_dt=datetime.now(UTC)):
        yield


@pytest.mark.usefixtures("at_one_moment")
def test_every_edge_resolves_to_something_and_to_what_exists(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    seen = 0
    for parent, child in edges(graph):
        up, down = graph.get(parent).partitions_def, graph.get(child).partitions_def
        if up is None:
            continue
        existing = set(up.get_partition_keys())
        read = {
            key: set(
                graph.get_parent_partition_keys_for_child(key, parent, child).partitions_subset.get_partition_keys()
            )
            for key in (down.get_partition_keys() if down else [None])
        }
        name = f"{parent.to_user_string()} -> {child.to_user_string()}"
        assert any(read.values()), f"{name} reads nothing for any partition"
        assert set().union(*read.values()) <= existing, name
        # Only evidence that may not exist yet is allowed to be absent.
        empty = sorted(str(key) for key, found in read.items() if not found)
        assert not empty or parent.path == ["validation", "calibration"], f"{name} reads nothing at {empty}"
        seen += 1
    assert seen > 40


@pytest.mark.usefixtures("at_one_moment")
def test_every_edge_keeps_its_division_and_never_reads_a_later_cutoff(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for parent, child in edges(graph):
        up, down = graph.get(parent).partitions_def, graph.get(child).partitions_def
        if not isinstance(up, dg.MultiPartitionsDefinition) or not isinstance(down, dg.MultiPartitionsDefinition):
            continue
        for key in down.get_partition_keys():
            cutoff, division = key.split("|")
            found = graph.get_parent_partition_keys_for_child(key, parent, child).partitions_subset
            for other in found.get_partition_keys():
                before, same = other.split("|")
                assert same == division
                assert before <= cutoff, f"{parent} -> {child}: {key} reads {other}"


def test_what_a_model_learns_from_had_closed_by_its_cutoff(definitions: dg.Definitions, settings: Any) -> None:
    graph, calendar = definitions.resolve_asset_graph(), settings.calendar
    for name in ("models/model", "leakage/leakage_report", "leakage/fold_customer_overlap"):
        child = dg.AssetKey(name.split("/"))
        parent = dg.AssetKey(["labels", "labels"])
        for key in graph.get(child).partitions_def.get_partition_keys():
            cutoff = date.fromisoformat(key.split("|")[0])
            found = graph.get_parent_partition_keys_for_child(key, parent, child).partitions_subset.get_partition_keys()
            learned = [date.fromisoformat(k.split("|")[0]) for k in found]
            assert learned
            assert all(calendar.closes_by(c, cutoff) for c in learned), key


def test_the_partitions_of_every_check_are_those_of_its_asset(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = sorted(graph.asset_check_keys)
    assert len(checks) > 50
    wrong = [k.to_user_string() for k in checks if graph.get(k).partitions_def != graph.get(k.asset_key).partitions_def]
    assert wrong == []


def test_every_file_of_the_catalog_has_a_node_in_the_right_set(definitions: dg.Definitions, platform: Any) -> None:
    graph = definitions.resolve_asset_graph()
    for artifact in CATALOG.values():
        assert graph.get(dg.AssetKey(artifact.key)).partitions_def == platform.partitions.of(artifact), artifact.id
    others = {k.to_user_string() for k in graph.get_all_asset_keys()} - set(CATALOG)
    assert others == {"sources/raw_log", *(f"sources/raw_{name}" for name in SIDE_SOURCES)}


def test_every_node_is_described_owned_grouped_and_of_a_kind(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for artifact in CATALOG.values():
        node = graph.get(dg.AssetKey(artifact.key))
        assert node.group_name == artifact.phase
        assert artifact.purpose in (node.description or "")
        assert node.kinds == {artifact.format}
        assert node.owners, artifact.id
        assert node.metadata["catalog/path"] == artifact.pattern
        external = artifact.grain == "run" or artifact.name == "icp_scores_fallback"
        assert node.is_materializable != external, artifact.id
        assert external or node.code_version, artifact.id
    for key in graph.asset_check_keys:
        assert graph.get(key).description, key


def test_the_edges_are_those_of_the_design(definitions: dg.Definitions) -> None:
    """The lineage of the stages, as a reader of the design would draw it."""
    graph = definitions.resolve_asset_graph()

    def parents(name: str) -> set[str]:
        return {k.to_user_string() for k in graph.get(dg.AssetKey(name.split("/"))).parent_keys}

    star = {"sources/sales_log", *(f"sources/{name}" for name in SIDE_SOURCES)}
    assert parents("star/fact_transactions") == parents("star/fact_assets") == star
    # Who holds an asset owns: whoever asks who owns reads the assets.
    known = {"star/fact_transactions", "star/dim_customer", "star/fact_assets"}
    assert parents("labels/labels") == parents("features/customer_base") == known
    assert parents("features/features") >= {"star/fact_transactions", "star/fact_assets"}
    assert parents("leakage/feature_date_audit") >= known
    assert parents("scores/division_scores") == {"models/model", "features/features", "features/feature_list"}
    assert parents("scores/closed_calibration") == {"validation/calibration"}
    assert parents("leakage/leakage_report") >= {
        "leakage/feature_date_audit",
        "leakage/static_scan",
        "leakage/fold_customer_overlap",
        "models/model",
        "models/train_scores",
    }
    assert parents("models/model") >= {"leakage/feature_date_audit", "leakage/static_scan"}
    assert parents("whitespace/whitespace") >= {
        "scores/division_scores",
        "leakage/leakage_report",
        "scores/closed_calibration",
        "whitespace/mb_rules",
    }
    assert parents("validation/metrics") >= {"scores/division_scores", "labels/labels", "models/train_scores"}
    # No road leads to a delivery around the gate of the gauntlet: the list is made from the gated ranking alone.
    assert parents("rollups/whitespace") == {"whitespace/whitespace"}
