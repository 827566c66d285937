"""A stage: evidence first, then verdicts, then the rest, and only when nothing blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.pictures import Picture, words
from gosales_assets.defs.stage import Platform, Result, finding_metadata, read, stage
from gosales_assets.engine.findings import Finding
from gosales_assets_tests.defs.graphs import Tiny, key, reason

COUNTS, BROKEN, SUMS = "star/row_counts", "star/contract_violations", "star/checksums"


class World:
    """What the stage returns, changed between runs."""

    def __init__(self) -> None:
        self.rows = 1
        self.conserved = True
        self.recent = True
        self.extra: list[Finding] = []
        self.about: dict[str, dict[str, Any]] = {}
        self.pictures: dict[str, Picture] = {}
        self.judged = True
        self.absent: str | None = None
        self.computed = 0

    def result(self) -> Result:
        self.computed += 1
        counts = CATALOG[COUNTS]
        outputs: dict[str, Any] = {
            "row_counts": pl.DataFrame(
                {"table": ["fact_transactions"], "stage": ["read"], "rows": [self.rows], "gross_profit": [1.0]},
                schema=dict(counts.dtypes()),
            ),
            "contract_violations": _violations(self.rows),
            "checksums": {"fact_transactions": {"rows": abs(self.rows), "sha256": f"sha256:{0:064d}"}},
        }
        if self.absent:
            del outputs[self.absent]
        verdicts = [
            Finding(
                "checksums",
                "contract_conservation",
                self.conserved,
                "ERROR",
                "" if self.conserved else "a cent is gone",
            ),
            Finding("row_counts", "contract_recent", self.recent, "WARN", "" if self.recent else "the log is old"),
        ]
        found = [*(verdicts if self.judged else verdicts[1:]), *self.extra]
        return Result(outputs, found, metadata=self.about, pictures=self.pictures)


def _violations(rows: int) -> pl.DataFrame:
    schema = dict(CATALOG[BROKEN].dtypes())
    values = {name: ["x"] * rows for name in schema} | {"severity": ["ERROR"] * rows}
    return pl.DataFrame(values, schema=schema)


@pytest.fixture
def world() -> World:
    return World()


def build(platform: Platform, world: World) -> dg.AssetsDefinition:
    @stage(
        platform,
        COUNTS,
        BROKEN,
        SUMS,
        ins={},
        code=("engine/star",),
        sections=("etl",),
        checks={"checksums": {"contract_conservation": "ERROR"}, "row_counts": {"contract_recent": "WARN"}},
        evidence=("contract_violations",),
    )
    def star(context: dg.AssetExecutionContext) -> Result:
        return world.result()

    return star


@pytest.fixture
def tiny(platform: Platform, world: World, tmp_path: Path) -> Iterator[Tiny]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Tiny([build(platform, world)], [], tmp_path, instance)


def published(tiny: Tiny) -> dict[str, int]:
    """Which version of each file is there."""
    store, found = tiny.store, {}
    for name in (COUNTS, BROKEN, SUMS):
        if store.exists(CATALOG[name]):
            value = store.read(CATALOG[name])
            found[name] = {
                COUNTS: lambda v: v["rows"][0],
                BROKEN: lambda v: v.height,
                SUMS: lambda v: v["fact_transactions"]["rows"],
            }[name](value)
    return found


def shut(tiny: Tiny) -> set[str]:
    closed = [g for name in (COUNTS, BROKEN, SUMS) for g in tiny.gates.closed(tiny.instance, key(name), None)]
    return {f"{g.check.asset_key.to_user_string()}:{g.check.name} {g.state}" for g in closed}


def order(result: dg.ExecuteInProcessResult) -> list[str]:
    """Materializations and verdicts as they were recorded."""
    return [
        e.asset_key.path[-1] if e.is_step_materialization else f"{e.asset_check_evaluation_data.check_name}"
        for e in result.all_events
        if e.is_step_materialization or e.event_type_value == "ASSET_CHECK_EVALUATION"
    ]


def test_a_stage_publishes_evidence_then_verdicts_then_the_rest(tiny: Tiny) -> None:
    result = tiny.launch(COUNTS, BROKEN, SUMS)
    assert result.success
    assert published(tiny) == {COUNTS: 1, BROKEN: 1, SUMS: 1}
    happened = order(result)
    assert happened[0] == "contract_violations"
    assert set(happened[-2:]) == {"row_counts", "checksums"}
    assert sorted(happened[1:-2]) == sorted(["contract_schema"] * 3 + ["contract_conservation", "contract_recent"])


def test_what_is_recorded_beside_a_file_is_no_part_of_its_version(tiny: Tiny, world: World) -> None:
    def recorded(picture: str) -> tuple[Any, Any]:
        world.about = {"row_counts": {"picture": dg.MetadataValue.md(picture)}}
        events = tiny.launch(COUNTS, BROKEN, SUMS).get_asset_materialization_events()
        made = {e.asset_key.path[-1]: e.step_materialization_data.materialization for e in events if e.asset_key}
        assert "picture" not in made["checksums"].metadata
        return made["row_counts"].metadata["picture"].value, (made["row_counts"].tags or {})["dagster/data_version"]

    (one, version), (two, again) = recorded("one"), recorded("two")
    assert (one, two) == ("one", "two")
    assert version == again


def test_a_picture_the_catalog_does_not_know_is_refused(tiny: Tiny, world: World) -> None:
    world.pictures = {"row_counts": words("x", "y")}
    result = tiny.launch(COUNTS, BROKEN, SUMS)
    assert not result.success
    assert "must draw what the catalog says has a picture, and nothing else; see row_counts" in reason(result)
    assert published(tiny) == {}


def test_checks_of_the_step_that_made_a_file_count_as_current(tiny: Tiny) -> None:
    """They are recorded before the materialization, so that Dagster itself takes them for judging the one before."""
    for _ in range(2):
        assert tiny.launch(COUNTS, BROKEN, SUMS).success
        assert shut(tiny) == set()


def test_a_broken_contract_publishes_its_evidence_and_keeps_the_old_files(tiny: Tiny, world: World) -> None:
    tiny.launch(COUNTS, BROKEN, SUMS)
    world.rows, world.conserved = 7, False
    result = tiny.launch(COUNTS, BROKEN, SUMS)
    assert reason(result).startswith("contract broken: star/checksums:contract_conservation: a cent is gone.")
    assert "what was published before is untouched" in reason(result)
    assert published(tiny) == {COUNTS: 1, BROKEN: 7, SUMS: 1}
    assert shut(tiny) == {"star/checksums:contract_conservation FAILED"}
    world.conserved = True
    assert tiny.launch(COUNTS, BROKEN, SUMS).success
    assert published(tiny) == {COUNTS: 7, BROKEN: 7, SUMS: 7}
    assert shut(tiny) == set()


def test_a_value_that_breaks_its_schema_is_not_published(tiny: Tiny, world: World) -> None:
    world.rows = -1  # a count below zero
    result = tiny.launch(COUNTS, BROKEN, SUMS)
    assert "star/row_counts:contract_schema" in reason(result)
    assert COUNTS not in published(tiny)
    evaluation = next(e for e in result.get_asset_check_evaluations() if not e.passed)
    assert evaluation.check_name == "contract_schema"
    assert {"failing_cases", "rules_broken", "rows"} <= set(evaluation.metadata)
    assert isinstance(evaluation.metadata["failing_cases"], dg.TableMetadataValue)


def test_a_warning_is_recorded_and_blocks_nothing(tiny: Tiny, world: World) -> None:
    world.recent = False
    result = tiny.launch(COUNTS, BROKEN, SUMS)
    assert result.success
    (warned,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (warned.check_name, warned.severity) == ("contract_recent", dg.AssetCheckSeverity.WARN)
    assert warned.description == "the log is old"
    assert shut(tiny) == set()


def test_a_check_is_blocking_exactly_when_its_severity_is_error(tiny: Tiny) -> None:
    graph = tiny.definitions.resolve_asset_graph()
    assert {k.name: graph.get(k).blocking for k in graph.asset_check_keys} == {
        "contract_schema": True,
        "contract_conservation": True,
        "contract_recent": False,
    }


def test_a_finding_nobody_declared_is_refused(tiny: Tiny, world: World) -> None:
    world.extra = [Finding("checksums", "contract_new", True)]
    assert "contract_new" in reason(tiny.launch(COUNTS, BROKEN, SUMS))
    assert published(tiny) == {}


def test_a_declared_check_that_was_not_judged_is_refused(tiny: Tiny, world: World) -> None:
    world.judged = False
    assert "the two must be the same" in reason(tiny.launch(COUNTS, BROKEN, SUMS))
    assert published(tiny) == {}


def test_an_output_that_is_absent_is_refused_also_when_it_was_not_asked_for(tiny: Tiny, world: World) -> None:
    world.absent = "checksums"
    assert "stage returned no checksums" in reason(tiny.launch(COUNTS, BROKEN, SUMS))
    assert "stage returned no checksums" in reason(tiny.launch(COUNTS))
    assert published(tiny) == {}


def test_some_files_of_a_stage_can_be_made_alone(tiny: Tiny, world: World) -> None:
    tiny.launch(COUNTS, BROKEN, SUMS)
    world.rows = 3
    result = tiny.launch(COUNTS)
    assert result.success
    assert published(tiny) == {COUNTS: 3, BROKEN: 1, SUMS: 1}
    assert {e.asset_key for e in result.get_asset_check_evaluations()} == {key(COUNTS)}
    assert shut(tiny) == set()


def test_a_contract_of_an_unasked_file_stops_the_asked_ones_too(tiny: Tiny, world: World) -> None:
    world.conserved = False
    assert "contract_conservation" in reason(tiny.launch(COUNTS))
    assert published(tiny) == {}


def test_a_check_alone_judges_what_is_stored_or_nothing(tiny: Tiny, world: World) -> None:
    tiny.launch(COUNTS, BROKEN, SUMS, checks=False)
    assert "star/checksums:contract_conservation MISSING" in shut(tiny)
    assert tiny.judge(SUMS, "contract_conservation").success
    assert "star/checksums:contract_conservation MISSING" not in shut(tiny)
    # What the code makes now is another file: its verdict must not open the gate of the stored one.
    tiny.launch(COUNTS, BROKEN, SUMS, checks=False)
    assert "star/checksums:contract_conservation STALE" in shut(tiny)
    world.rows = 2
    assert "star/checksums as stored is not what" in reason(tiny.judge(SUMS, "contract_conservation"))
    assert any(s.startswith("star/checksums:contract_conservation") for s in shut(tiny))


# --- parts


def test_outputs_of_two_partition_sets_are_no_stage(platform: Platform) -> None:
    with pytest.raises(AssertionError, match="one stage, one partition set"):
        stage(platform, COUNTS, "labels/labels", ins={}, code=(), sections=())


def test_an_input_carries_what_differs_from_the_usual() -> None:
    assert read(COUNTS).metadata is None
    assert read(COUNTS, existing=True, on_closed="exclude").metadata == {"existing": True, "on_closed": "exclude"}
    with pytest.raises(KeyError):
        read("star/no_such_file")


def test_code_versions_follow_code_and_settings(platform: Platform, settings: Any) -> None:
    version = platform.code_version(("engine/star",), ("etl",))
    assert platform.code_version(("engine/labels",), ("etl",)) != version
    other = Platform(settings.model_copy(update={"etl": settings.etl.model_copy(update={"violations_cap": 5})}))
    assert other.code_version(("engine/star",), ("etl",)) != version
    assert other.code_version(("engine/star",), ("labels",)) == platform.code_version(("engine/star",), ("labels",))


def test_findings_become_metadata_dagster_can_show() -> None:
    shown = finding_metadata(
        Finding("t", "c", False, metadata={"n": 3, "rows": [{"a": 1, "b": None, "c": [1]}], "list": [1], "none": None})
    )
    assert shown["n"] == 3
    assert isinstance(shown["rows"], dg.TableMetadataValue)
    assert shown["rows"].records[0].data == {"a": 1, "b": None, "c": "[1]"}
    assert isinstance(shown["list"], dg.JsonMetadataValue)
    assert "none" not in shown
