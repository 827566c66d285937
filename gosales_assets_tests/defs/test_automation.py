"""What is launched when: run groups, jobs, schedules, and the strict condition of fan-ins."""

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.definitions import build_definitions
from gosales_assets.defs import automation
from gosales_assets.defs.stage import Platform
from gosales_assets.settings import Settings
from gosales_assets.timeline import Calendar, add_days
from gosales_assets_tests.defs.graphs import CUTOFF, PARTS, A, B, Tiny, key

EXTERNAL = {"observability/config_resolved", "rollups/icp_scores_fallback"}
ON_DEMAND = {a.id for a in CATALOG.values() if a.on_demand}


def platform_of(**timeline: Any) -> Platform:
    tree = {"divisions": ["printers", "services"], "timeline": timeline, "automation": {"schedule_delay_days": 3}}
    return Platform(Settings.load(environ={"GOSALES_CONFIG": ""}, overrides=tree))


# --- run groups and jobs


def test_run_groups_make_every_file_once_and_each_has_one_partition_set(platform: Platform) -> None:
    groups = automation.run_groups()
    made = Counter(a.id for group in groups.values() for a in group)
    assert set(made) == set(CATALOG) - EXTERNAL - ON_DEMAND
    assert set(made.values()) == {1}
    for name, group in groups.items():
        assert len({platform.partitions.of(a) for a in group}) == 1, name


def test_run_groups_are_in_the_order_of_their_inputs(definitions: dg.Definitions) -> None:
    """Within a cutoff nothing reads what a later group makes, but the evidence of an earlier cutoff."""
    graph = definitions.resolve_asset_graph()
    groups = list(automation.run_groups().values())
    place = {dg.AssetKey(a.key): i for i, group in enumerate(groups) for a in group}
    for child, at in place.items():
        for parent in graph.get(child).parent_keys & place.keys():
            earlier_cutoff = (parent.path, child.path) == (
                ["validation", "calibration"],
                ["scores", "closed_calibration"],
            )
            assert place[parent] <= at or earlier_cutoff, f"{child} reads {parent} of a later group"


def test_every_group_and_phase_has_a_job_of_exactly_its_files(definitions: dg.Definitions) -> None:
    def selected(name: str) -> set[str]:
        return {k.to_user_string() for k in definitions.resolve_job_def(name).asset_layer.executable_asset_keys}

    for name, group in automation.run_groups().items():
        assert selected(name) == {a.id for a in group}
    phases = [j.name for j in definitions.jobs if j.name.startswith("phase_")]
    covered = Counter(asset for name in phases for asset in selected(name))
    assert set(covered) == set(CATALOG) - EXTERNAL
    assert set(covered.values()) == {1}


def test_every_check_runs_with_its_asset(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {
        k
        for name in (*automation.run_groups(), "phase_diagnostics")
        for k in definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys
    }
    assert checks == set(graph.asset_check_keys)


def test_the_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


# --- schedules


def evaluate(platform: Platform, name: str, now: datetime) -> Any:
    schedule = next(s for s in automation.schedules(platform) if s.name == name)
    definitions = build_definitions(platform.settings)
    context = dg.build_schedule_context(
        scheduled_execution_time=now, repository_def=definitions.get_repository_def(), instance=None
    )
    return schedule.evaluate_tick(context)


@pytest.mark.parametrize(
    ("first", "cadence", "delay", "hour", "cron"),
    [
        (date(2022, 6, 30), 6, 3, 6, "0 6 3 1,7 *"),
        (date(2022, 12, 31), 12, 28, 0, "0 0 28 1 *"),
        (date(2022, 3, 31), 3, 1, 7, "0 7 1 1,4,7,10 *"),
        (date(2022, 2, 28), 4, 2, 6, "0 6 2 3,7,11 *"),
        (date(2022, 1, 31), 1, 5, 6, "0 6 5 * *"),
        (date(2022, 11, 30), 6, 5, 6, "0 6 5 6,12 *"),
    ],
)
def test_schedules_tick_that_many_days_after_every_cutoff(
    first: date, cadence: int, delay: int, hour: int, cron: str
) -> None:
    from dagster._utils.schedules import cron_string_iterator

    calendar = Calendar(first, None, cadence, 1)
    assert calendar.delayed_cron(delay, hour) == cron
    # Against the cutoffs themselves: each tick is `delay` days after one, and none is left out.
    start = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    for n, tick in zip(range(12), cron_string_iterator(start, cron, "UTC"), strict=False):
        assert add_days(tick.date(), -delay) == calendar.step(first, n)


def test_the_newest_cutoff_is_launched_for_every_division_some_days_after_it() -> None:
    platform = platform_of(first_cutoff="2022-06-30", last_cutoff=None)
    tick = evaluate(platform, "newest_cutoff", datetime(2024, 7, 3, 7, tzinfo=UTC))
    assert [(r.run_key, r.partition_key) for r in tick.run_requests] == [
        ("2024-06-30|printers", "2024-06-30|printers"),
        ("2024-06-30|services", "2024-06-30|services"),
    ]
    star = evaluate(platform, "refresh_star", datetime(2024, 7, 3, 6, tzinfo=UTC))
    assert [(r.run_key, r.partition_key) for r in star.run_requests] == [("star-2024-07-03", None)]


def test_features_are_launched_an_hour_after_the_star() -> None:
    star, newest = automation.schedules(platform_of(first_cutoff="2022-06-30", last_cutoff=None))
    assert (star.cron_schedule, newest.cron_schedule) == ("0 6 3 1,7 *", "0 7 3 1,7 *")
    assert (star.job_name, newest.job_name) == ("star", "labels_features")


@pytest.mark.parametrize("now", [datetime(2024, 7, 3, 7, tzinfo=UTC), datetime(2022, 1, 3, 7, tzinfo=UTC)])
def test_no_cutoff_outside_the_settings_is_launched(now: datetime) -> None:
    platform = platform_of(first_cutoff="2022-06-30", last_cutoff="2023-12-31")
    tick = evaluate(platform, "newest_cutoff", now)
    assert tick.run_requests == []
    assert "is not among the cutoffs" in tick.skip_message


# --- the strict condition


def test_everything_behind_the_star_follows_by_the_condition_or_by_the_schedule() -> None:
    scheduled = {a.id for a in automation.run_groups()["labels_features"]}
    without = {a.id for a in CATALOG.values() if automation.condition_of(a) is None}
    star = {a.id for a in CATALOG.values() if a.phase in ("sources", "star")}
    assert without == scheduled | star | ON_DEMAND | {"features/feature_list", "observability/config_resolved"}


REPORT, RANKING = "leakage/leakage_report", "whitespace/whitespace_metrics"


def chain(state: dict[str, bool], root: Any, instance: dg.DagsterInstance, strict: bool) -> Tiny:
    @dg.asset(key=key(REPORT), partitions_def=PARTS.division_model_cutoffs)
    def report(context) -> dict:
        return {"good": state[context.partition_key.keys_by_dimension["division"]]}

    @dg.asset_check(asset=key(REPORT), name="gate_leakage", blocking=True, partitions_def=PARTS.division_model_cutoffs)
    def gate(report: dict) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=report["good"])

    built_in = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()

    @dg.asset(
        key=key(RANKING),
        partitions_def=PARTS.model_cutoffs,
        ins={"reports": dg.AssetIn(key(REPORT), partition_mapping=PARTS.every_division)},
        automation_condition=automation.STRICT if strict else built_in,
    )
    def ranking(reports: dict[str, dict]) -> dict:
        return {}

    return Tiny([report, ranking], [gate], root, instance)


class Daemon:
    """Ticks of the automation daemon over one graph."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny, self.cursor = tiny, None

    def requested(self) -> set[str]:
        result = dg.evaluate_automation_conditions(
            self.tiny.definitions,
            self.tiny.instance,
            asset_selection=dg.AssetSelection.assets(key(RANKING)),
            evaluation_time=datetime(2024, 1, 10, tzinfo=UTC),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        return set(result.get_requested_partitions(key(RANKING)))


def test_a_fan_in_behind_a_failed_gate_is_not_requested_until_it_is_repaired(tmp_path: Any) -> None:
    state = {"a": True, "b": False}
    with dg.DagsterInstance.ephemeral() as instance:
        tiny = chain(state, tmp_path, instance, strict=True)
        daemon = Daemon(tiny)
        assert daemon.requested() == set()
        tiny.launch(REPORT, partition=A)
        assert daemon.requested() == set()  # b is missing
        tiny.launch(REPORT, partition=B)
        assert daemon.requested() == set()  # b failed
        assert daemon.requested() == set()
        state["b"] = True
        tiny.launch(REPORT, partition=B)
        assert daemon.requested() == {CUTOFF}
        assert daemon.requested() == set()  # once


def test_a_gate_that_was_never_judged_holds_the_fan_in_too(tmp_path: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tiny = chain({"a": True, "b": True}, tmp_path, instance, strict=True)
        daemon = Daemon(tiny)
        daemon.requested()
        tiny.launch(REPORT, partition=A)
        tiny.launch(REPORT, partition=B, checks=False)
        assert daemon.requested() == set()
        tiny.judge(REPORT, "gate_leakage", B)
        assert daemon.requested() == {CUTOFF}


def test_the_built_in_condition_would_launch_a_doomed_run(tmp_path: Any) -> None:
    """Why the strict condition exists; when this fails, Dagster's own has become enough."""
    with dg.DagsterInstance.ephemeral() as instance:
        tiny = chain({"a": True, "b": False}, tmp_path, instance, strict=False)
        daemon = Daemon(tiny)
        daemon.requested()
        tiny.launch(REPORT, partition=A)
        tiny.launch(REPORT, partition=B)
        assert daemon.requested() == {CUTOFF}


def test_a_diagnostic_is_asked_for_by_name_and_nothing_reads_it(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    asked = {dg.AssetKey(CATALOG[name].key) for name in ON_DEMAND}
    assert asked
    assert all(not graph.get(key).child_keys for key in asked)
    assert all(CATALOG[name].folder.endswith("/diagnostics/") for name in ON_DEMAND)
    others = {a.folder for a in CATALOG.values() if not a.on_demand}
    assert not others & {CATALOG[name].folder for name in ON_DEMAND}
