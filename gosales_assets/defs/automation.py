"""Jobs, schedules and automation conditions.

Belongs here: what is launched when. Does not belong here: what it computes, and the gates themselves: a condition only
avoids launching runs the guard would refuse.

The calendar of a cutoff: some days after it, `refresh_star` rebuilds the star schema from the log; an hour later
`newest_cutoff` launches labels and features of every division, one run per partition. Models, scores, whitespace and
roll-ups follow by the strict condition as soon as all they read is there and every gate in front of them is open.
"""

from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from gosales_assets.catalog import CATALOG, PHASES, Artifact
from gosales_assets.defs.partitions import CUTOFF, DIVISION, cutoff_key
from gosales_assets.defs.stage import Platform, asset_key
from gosales_assets.timeline import add_days

A = dg.AutomationCondition

_GATES_OPEN = ~A.any_deps_match(A.any_checks_match(~A.check_passed(), blocking_only=True))

#: What a fan-in needs: every gate in front of it passed. The built-in condition lets a fan-in through when one of its
#: partitions passed. A cutoff is not started by its mere existence, only by new inputs: the data of its last days
#: arrives later.
STRICT = (
    A.in_latest_time_window()
    & A.any_deps_updated().since(A.newly_requested() | A.newly_updated())
    & ~A.any_deps_missing()
    & ~A.any_deps_in_progress()
    & ~A.in_progress()
    & _GATES_OPEN
).with_label("inputs are new and every gate in front is open")

#: Runs of one cutoff, in order: name -> phases and partition set.
_SETS: dict[str, tuple[str, str]] = {
    "star": ("snapshot", ""),
    "customer_base": ("cutoff", "all"),
    "labels_features": ("division_cutoff", "all"),
    "models_scores": ("division_cutoff", "model"),
    "whitespace": ("cutoff", "model"),
    "validation": ("division_cutoff", "validation"),
    "histories": ("division", ""),
    "delivery": ("snapshot", ""),
}

_DELIVERED = ("rollups", "reports")


def run_groups() -> dict[str, list[Artifact]]:
    """Artifacts by the run that makes them: one partition set each, in the order they depend on each other."""
    groups: dict[str, list[Artifact]] = {}
    for name, (grain, calendar) in _SETS.items():
        groups[name] = [
            a
            for a in CATALOG.values()
            if a.grain == grain
            and a.calendar == calendar
            and a.name != "icp_scores_fallback"
            and not a.on_demand
            and (grain != "snapshot" or (a.phase in _DELIVERED) == (name == "delivery"))
        ]
    return groups


def jobs(platform: Platform) -> list[Any]:
    """One job per run group, and one per phase and partition set.

    A job has one partition set, so that there is none of everything: a backfill from the UI, or `gosales run`, is that.
    """
    made = run_groups()
    for phase in PHASES:
        by_set: dict[Any, list[Artifact]] = {}
        for artifact in CATALOG.values():
            if artifact.phase == phase and artifact.grain != "run" and artifact.name != "icp_scores_fallback":
                by_set.setdefault((artifact.grain, artifact.calendar), []).append(artifact)
        for (grain, _), artifacts in by_set.items():
            made[f"phase_{phase}" if len(by_set) == 1 else f"phase_{phase}_{_set_name(grain, artifacts[0])}"] = (
                artifacts
            )
    return [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*(asset_key(a) for a in artifacts)),
            description=f"Materialize {', '.join(a.id for a in artifacts)}.",
        )
        for name, artifacts in made.items()
    ]


def _set_name(grain: str, artifact: Artifact) -> str:
    return grain if artifact.calendar in ("", "all") else f"{grain}_{artifact.calendar}"


def schedules(platform: Platform) -> list[dg.ScheduleDefinition]:
    """What is launched by the calendar: the star schema, then labels and features of the newest cutoff."""
    calendar, automation = platform.settings.calendar, platform.settings.automation
    delay, hour = automation.schedule_delay_days, automation.schedule_hour

    @dg.schedule(
        name="refresh_star",
        job_name="star",
        cron_schedule=calendar.delayed_cron(delay, hour),
        description=f"Rebuild the star schema {delay} days after a cutoff.",
    )
    def refresh_star(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=f"star-{context.scheduled_execution_time:%Y-%m-%d}")

    @dg.schedule(
        name="newest_cutoff",
        job_name="labels_features",
        cron_schedule=calendar.delayed_cron(delay, hour + 1),
        description=f"Launch labels and features {delay} days after a cutoff, one run per division.",
    )
    def newest_cutoff(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time
        newest = cutoff_key(add_days(now.date(), -delay))
        with partition_loading_context(effective_dt=now):
            known = platform.partitions.cutoffs.has_partition_key(newest)
        if not known:
            return dg.SkipReason(f"{newest} is not among the cutoffs of these settings (timeline.last_cutoff)")
        return [
            dg.RunRequest(
                run_key=f"{newest}|{slug}", partition_key=dg.MultiPartitionKey({CUTOFF: newest, DIVISION: slug})
            )
            for slug in platform.partitions.slugs
        ]

    return [refresh_star, newest_cutoff]


def condition_of(artifact: Artifact) -> dg.AutomationCondition | None:
    """The condition of an asset: all that follows the star schema, except what the schedule launches."""
    if (
        artifact.on_demand
        or artifact.phase in ("sources", "star")
        or artifact.id == "features/feature_list"
        or artifact.grain == "run"
    ):
        return None
    if artifact in run_groups()["labels_features"]:
        return None
    return STRICT


def sensor() -> dg.AutomationConditionSensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        "follow_the_star",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        description="Launches what is new and may be launched. Stopped by default: turn it on in the UI.",
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
