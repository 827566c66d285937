"""Partition sets and the mappings between them.

Belongs here: which partitions exist, and which partitions of one set an asset of another set reads. The sets come from
settings alone: loading definitions never reads data. Does not belong here: date rules (`timeline`).

Every edge between two different sets names its mapping, because an undeclared one can resolve to nothing, silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dagster as dg

from gosales_assets.catalog import Artifact
from gosales_assets.timeline import Calendar

FORMAT = "%Y-%m-%d"
DIVISION, CUTOFF = "division", "cutoff"


def cutoff_key(cutoff: date) -> str:
    """The partition key of a cutoff."""
    return cutoff.strftime(FORMAT)


@dataclass(frozen=True)
class Partitions:
    """The partition sets of one configuration.

    Attributes
    ----------
    calendar
        Cutoffs and what each may learn from.
    slugs
        Keys of the `division` dimension.
    """

    calendar: Calendar
    slugs: tuple[str, ...]

    @cached_property
    def divisions(self) -> dg.StaticPartitionsDefinition:
        return dg.StaticPartitionsDefinition(list(self.slugs))

    def _cutoffs(self, first: date, last: date | None, closed_after: int) -> dg.TimeWindowPartitionsDefinition:
        # A key exists when its window, one cadence long, ends by `end` and by the clock. With end_offset=1 the newest
        # cutoff exists on its own day; each cadence a cutoff must wait for its label window takes one off, also when
        # the last cutoff is known: it may lie ahead of the clock.
        return dg.TimeWindowPartitionsDefinition(
            start=cutoff_key(first),
            end=cutoff_key(self.calendar.next_tick(last)) if last else None,
            cron_schedule=self.calendar.cron,
            fmt=FORMAT,
            end_offset=1 - closed_after,
        )

    @cached_property
    def cutoffs(self) -> dg.TimeWindowPartitionsDefinition:
        """Every cutoff."""
        return self._cutoffs(self.calendar.first_cutoff, self.calendar.last_cutoff, 0)

    @cached_property
    def model_cutoffs(self) -> dg.TimeWindowPartitionsDefinition:
        """Cutoffs with a closed label window behind them."""
        return self._cutoffs(self.calendar.first_model_cutoff, self.calendar.last_cutoff, 0)

    @cached_property
    def validation_cutoffs(self) -> dg.TimeWindowPartitionsDefinition:
        """Model cutoffs whose own label window has closed."""
        return self._cutoffs(self.calendar.first_model_cutoff, self.calendar.last_validation_cutoff, self.calendar.k)

    def _with_division(self, cutoffs: dg.TimeWindowPartitionsDefinition) -> dg.MultiPartitionsDefinition:
        return dg.MultiPartitionsDefinition({CUTOFF: cutoffs, DIVISION: self.divisions})

    @cached_property
    def division_cutoffs(self) -> dg.MultiPartitionsDefinition:
        return self._with_division(self.cutoffs)

    @cached_property
    def division_model_cutoffs(self) -> dg.MultiPartitionsDefinition:
        return self._with_division(self.model_cutoffs)

    @cached_property
    def division_validation_cutoffs(self) -> dg.MultiPartitionsDefinition:
        return self._with_division(self.validation_cutoffs)

    def of(self, artifact: Artifact) -> dg.PartitionsDefinition | None:
        """The partition set of a catalogued file: its grain, and the cutoffs it exists for."""
        if artifact.grain in ("snapshot", "run"):
            return None
        if artifact.grain == "division":
            return self.divisions
        if artifact.grain == "cutoff":
            return {"all": self.cutoffs, "model": self.model_cutoffs}[artifact.calendar]
        return {
            "all": self.division_cutoffs,
            "model": self.division_model_cutoffs,
            "validation": self.division_validation_cutoffs,
        }[artifact.calendar]

    # Mappings. Offsets count cadences; `allow_nonexistent` because the first models have a shorter history.

    @staticmethod
    def _window(first: int, last: int) -> dg.TimeWindowPartitionMapping:
        return dg.TimeWindowPartitionMapping(
            start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
        )

    def at(self, first: int = 0, last: int = 0) -> dg.MultiPartitionMapping:
        """division×cutoff -> the same division at the cutoffs ``first`` to ``last`` steps away."""
        return dg.MultiPartitionMapping(
            {
                CUTOFF: dg.DimensionPartitionMapping(CUTOFF, self._window(first, last)),
                DIVISION: dg.DimensionPartitionMapping(DIVISION, dg.IdentityPartitionMapping()),
            }
        )

    @cached_property
    def same(self) -> dg.MultiPartitionMapping:
        """The same division and cutoff in another division×cutoff set."""
        return self.at(0, 0)

    @cached_property
    def history(self) -> dg.MultiPartitionMapping:
        """What a model may learn from: the newest closed cutoffs."""
        k, n = self.calendar.k, self.calendar.training_cutoffs
        return self.at(-(k + n - 1), -k)

    @cached_property
    def last_closed(self) -> dg.MultiPartitionMapping:
        """The newest validation that had closed by the cutoff: never "the latest that exists"."""
        return self.at(-self.calendar.k, -self.calendar.k)

    @cached_property
    def every_division(self) -> dg.MultiToSingleDimensionPartitionMapping:
        """cutoff <- all divisions at that cutoff, and division×cutoff <- that cutoff."""
        return dg.MultiToSingleDimensionPartitionMapping(CUTOFF)

    @cached_property
    def every_cutoff(self) -> dg.MultiToSingleDimensionPartitionMapping:
        """division <- all cutoffs of that division."""
        return dg.MultiToSingleDimensionPartitionMapping(DIVISION)

    @cached_property
    def everything(self) -> dg.AllPartitionMapping:
        """snapshot <- all partitions."""
        return dg.AllPartitionMapping()


def placeholders(artifact: Artifact, partition: str | None) -> dict[str, str]:
    """Values of the path placeholders of a partition.

    A division×cutoff key reads ``cutoff|division``: Dagster joins dimensions in the order of their names.
    """
    if artifact.grain in ("snapshot", "run") or partition is None:
        return {}
    if artifact.grain == "division_cutoff":
        cutoff, _, division = partition.partition("|")
        return {CUTOFF: cutoff, DIVISION: division}
    return {artifact.grain: partition}
