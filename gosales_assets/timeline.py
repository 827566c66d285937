"""Every date rule of the platform: cutoffs, month-end windows, embargo, censoring.

Belongs here: any arithmetic on dates. Nothing else in the package adds days or months, compares a window or
decides whether a window has closed. Does not belong here: reading data, Dagster partitions, the wall clock.

Two rules run through everything. A **cutoff** is the last day included. Windows are open on the left and closed on
the right: a feature window is ``(cutoff - k months, cutoff]``, a label window ``(cutoff, cutoff + k months]``, so the
two never share a day. Adding months **snaps** month end to month end (2024-06-30 + 6 months = 2024-12-31).
"""

from __future__ import annotations

import calendar as _calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

QUARTER_MONTHS = 3
YEAR_MONTHS = 12

#: A month counts as covered by data when it holds at least this share of the median month's lines.
AS_OF_MIN_MONTH_SHARE = 0.05


def is_month_end(day: date) -> bool:
    """Whether ``day`` is the last day of its month."""
    return day.day == _calendar.monthrange(day.year, day.month)[1]


def month_end(year: int, month: int) -> date:
    """Last day of a calendar month."""
    return date(year, month, _calendar.monthrange(year, month)[1])


def add_months(day: date, months: int) -> date:
    """Shift a date by whole months, snapping month end to month end.

    Parameters
    ----------
    day
        The date to shift.
    months
        Number of months, negative for the past.

    Returns
    -------
    date
        A month end when ``day`` is a month end; otherwise the same day of the month, clipped to its length.

    Examples
    --------
    >>> add_months(date(2024, 6, 30), 6)
    datetime.date(2024, 12, 31)
    >>> add_months(date(2024, 8, 31), -6)
    datetime.date(2024, 2, 29)
    >>> add_months(date(2024, 8, 15), 6)
    datetime.date(2025, 2, 15)
    """
    index = day.year * 12 + (day.month - 1) + months
    end = month_end(index // 12, index % 12 + 1)
    return end if is_month_end(day) else end.replace(day=min(day.day, end.day))


def add_days(day: date, days: int) -> date:
    """Shift a date by whole days."""
    return day + timedelta(days=days)


def days_between(start: date, end: date) -> int:
    """Days from ``start`` to ``end``; negative when ``end`` is earlier."""
    return (end - start).days


@dataclass(frozen=True)
class Window:
    """A span of days, open on the left and closed on the right: ``(after, until]``."""

    after: date
    until: date

    @property
    def first_day(self) -> date:
        return add_days(self.after, 1)

    @property
    def last_day(self) -> date:
        return self.until

    @property
    def days(self) -> int:
        return max(0, days_between(self.after, self.until))

    def contains(self, column: str | pl.Expr = "order_date") -> pl.Expr:
        """Boolean expression: the Date column falls inside the window (null dates do not)."""
        expr = pl.col(column) if isinstance(column, str) else column
        return ((expr > self.after) & (expr <= self.until)).fill_null(False)

    def overlaps(self, other: Window) -> bool:
        """Whether the two windows share at least one day."""
        return max(self.after, other.after) < min(self.until, other.until)


def until(cutoff: date, column: str = "order_date") -> pl.Expr:
    """Boolean expression: known at the cutoff, ``column <= cutoff`` (null dates are not)."""
    return (pl.col(column) <= cutoff).fill_null(False)


def days_since(cutoff: date, expr: pl.Expr) -> pl.Expr:
    """Days from a Date expression to the cutoff, Int32; null stays null."""
    return (pl.lit(cutoff) - expr).dt.total_days().cast(pl.Int32)


def label_window(cutoff: date, months: int, buffer_days: int = 0) -> Window:
    """The window a label is read from: ``(cutoff, cutoff + months]``, both ends moved by ``buffer_days``.

    The day offset is applied before the month offset, so a buffered window keeps its length in months.
    """
    start = add_days(cutoff, buffer_days)
    return Window(start, add_months(start, months))


@lru_cache(maxsize=4096)  # every feature of a catalog asks for the same few
def feature_window(cutoff: date, months: int, offset_days: int = 0, mask_tail_days: int = 0) -> Window:
    """The window a feature reads: ``(cutoff - offset - months, cutoff - offset]``.

    Parameters
    ----------
    cutoff
        Last day included.
    months
        Length in months.
    offset_days
        Moves both ends into the past (days first, then months).
    mask_tail_days
        Moves only the right end, hiding the newest days.
    """
    anchor = add_days(cutoff, -offset_days)
    return Window(add_months(anchor, -months), add_days(anchor, -mask_tail_days))


def lagged_window(cutoff: date, months: int, lag_days: int) -> Window:
    """Market-basket window ``(cutoff - months, cutoff - lag_days]``."""
    return feature_window(cutoff, months, mask_tail_days=lag_days)


def trailing_months(cutoff: date, n: int) -> list[Window]:
    """The ``n`` one-month windows that end at the cutoff, oldest first: a partial calendar month cannot occur."""
    return [Window(add_months(cutoff, -i - 1), add_months(cutoff, -i)) for i in range(n - 1, -1, -1)]


def is_censored(window_end: date, as_of: date | None) -> bool:
    """Whether the data ends before the window does, so that a missing purchase may only be missing data."""
    return as_of is None or as_of < window_end


def infer_as_of(dates: pl.LazyFrame, column: str = "order_date") -> date | None:
    """The day up to which an undeclared log can be trusted to be complete.

    The last day with data of the last month that holds at least 5 % of the median month's lines: a single order typed
    as 2050 does not extend the data by 25 years.

    Parameters
    ----------
    dates
        Frame with a Date column, one row per line; null dates are ignored.
    column
        Name of that column.

    Returns
    -------
    date or None
        None when no line has a date.
    """
    covered = _covered_months(dates, column)
    return None if covered.is_empty() else covered["last_day"][-1]


def covered_span(dates: pl.LazyFrame, column: str = "order_date", max_gap_months: int = 12) -> tuple[date, date] | None:
    """First and last day of the months a log covers, for a first look at a log.

    Like `infer_as_of`, and stricter: a covered month counts only when it hangs together with the month of the median
    line, so that a default date used often (1900-01-01) does not stretch the span either.

    Parameters
    ----------
    dates
        Frame with a Date column, one row per line; null dates are ignored.
    column
        Name of that column.
    max_gap_months
        Most months without usual business inside the span.

    Returns
    -------
    (date, date) or None
        None when no line has a date.
    """
    covered = _covered_months(dates, column)
    if covered.is_empty():
        return None
    rows = list(covered.select("month", "first_day", "last_day", "lines").iter_rows())
    half, seen, middle = covered["lines"].sum() / 2, 0, 0
    while (seen := seen + rows[middle][3]) < half:
        middle += 1
    first = last = middle
    while first and month_index(rows[first][0]) - month_index(rows[first - 1][0]) <= max_gap_months:
        first -= 1
    while last + 1 < len(rows) and month_index(rows[last + 1][0]) - month_index(rows[last][0]) <= max_gap_months:
        last += 1
    return rows[first][1], rows[last][2]


def _covered_months(dates: pl.LazyFrame, column: str) -> pl.DataFrame:
    """Months with at least the usual share of the median month's lines, ascending: month, lines, first and last day."""
    day = pl.col(column)
    months = (
        dates.filter(day.is_not_null())
        .group_by(day.dt.truncate("1mo").alias("month"))
        .agg(pl.len().alias("lines"), day.min().alias("first_day"), day.max().alias("last_day"))
        .collect()
    )
    return months.filter(pl.col("lines") >= AS_OF_MIN_MONTH_SHARE * pl.col("lines").median()).sort("month")


@dataclass(frozen=True)
class Calendar:
    """The cutoffs of a configuration and what each of them may learn from.

    Parameters
    ----------
    first_cutoff, last_cutoff
        First and last cutoff, month ends. ``last_cutoff`` None lets the sets grow with the clock of the orchestrator.
    cadence_months
        Months between cutoffs: 1, 2, 3, 4, 6 or 12.
    label_window_months
        Length of the label window in months.
    embargo_days
        Days between the end of the last label window a model learns from and its own cutoff.
    training_cutoffs
        How many past cutoffs a model pools, at most.

    Raises
    ------
    ValueError
        When a cutoff is not a month end, the range is not a whole number of cadences, or the cadence does not divide
        the year.
    """

    first_cutoff: date
    last_cutoff: date | None
    cadence_months: int
    label_window_months: int
    embargo_days: int = 0
    training_cutoffs: int = 4

    def __post_init__(self) -> None:
        if self.cadence_months not in (1, 2, 3, 4, 6, 12):
            raise ValueError(f"timeline.cadence_months is {self.cadence_months}; choose 1, 2, 3, 4, 6 or 12")
        for name, day in (("first_cutoff", self.first_cutoff), ("last_cutoff", self.last_cutoff)):
            if day is not None and not is_month_end(day):
                raise ValueError(
                    f"timeline.{name} is {day}, which is not a month end; use {month_end(day.year, day.month)}"
                )
        if self.last_cutoff is not None:
            if self.last_cutoff < self.first_cutoff:
                raise ValueError(
                    f"timeline.last_cutoff {self.last_cutoff} is before timeline.first_cutoff {self.first_cutoff}"
                )
            if self._months_from_first(self.last_cutoff) % self.cadence_months:
                raise ValueError(
                    f"timeline.last_cutoff {self.last_cutoff} is not a whole number of {self.cadence_months}-month "
                    f"steps after timeline.first_cutoff {self.first_cutoff}"
                )

    def _months_from_first(self, day: date) -> int:
        return (day.year - self.first_cutoff.year) * 12 + day.month - self.first_cutoff.month

    @property
    def cron(self) -> str:
        """Cron expression whose ticks are the cutoffs (midnight of the last day of the month)."""
        first = (self.first_cutoff.month - 1) % self.cadence_months + 1
        months = range(first, 13, self.cadence_months)
        return f"0 0 L {','.join(map(str, months)) if self.cadence_months > 1 else '*'} *"

    def delayed_cron(self, delay_days: int, hour: int) -> str:
        """Cron expression that ticks ``delay_days`` (1 to 28) after every cutoff.

        Cutoffs are month ends, so that is the day of that number in the month after.
        """
        first = self.first_cutoff.month % self.cadence_months + 1
        months = range(first, YEAR_MONTHS + 1, self.cadence_months)
        every = self.cadence_months == 1
        return f"0 {hour} {delay_days} {'*' if every else ','.join(map(str, months))} *"

    def step(self, cutoff: date, n: int) -> date:
        """The cutoff ``n`` cadences later (negative: earlier)."""
        return add_months(cutoff, n * self.cadence_months)

    @property
    def k(self) -> int:
        """Cadences between a cutoff and the newest one whose label window, plus embargo, has closed by then.

        Found by trying: the smallest k that holds at *every* cutoff, because months differ in length and a formula
        mixing months and days is wrong for the short ones. Four years of cutoffs cover every case.
        """
        steps = range(4 * YEAR_MONTHS // self.cadence_months + 1)
        cutoffs = [self.step(self.first_cutoff, i) for i in steps]
        k = 1
        while not all(self.closes_by(self.step(c, -k), c) for c in cutoffs):
            k += 1
        return k

    def window(self, cutoff: date) -> Window:
        """The label window of a cutoff."""
        return label_window(cutoff, self.label_window_months)

    def closes_by(self, cutoff: date, day: date) -> bool:
        """Whether the label window of ``cutoff``, plus embargo, has closed by ``day``."""
        return add_days(self.window(cutoff).until, self.embargo_days) <= day

    def next_tick(self, cutoff: date) -> date:
        """The cutoff after ``cutoff``."""
        return self.step(cutoff, 1)

    def cutoffs(self) -> list[date]:
        """All cutoffs, ascending.

        Raises
        ------
        ValueError
            When ``last_cutoff`` is unset: the set then depends on the clock, which only the orchestrator reads.
        """
        if self.last_cutoff is None:
            raise ValueError("timeline.last_cutoff is unset: the cutoffs then come from the partition definitions")
        return list(self._range(self.first_cutoff, self.last_cutoff))

    def _range(self, first: date, last: date) -> Iterator[date]:
        i = 0
        while (day := self.step(first, i)) <= last:
            yield day
            i += 1

    @property
    def first_model_cutoff(self) -> date:
        """The first cutoff with a closed label window behind it."""
        return self.step(self.first_cutoff, self.k)

    @property
    def last_validation_cutoff(self) -> date | None:
        """The last cutoff whose label window has closed by ``last_cutoff``; None when the set grows with the clock."""
        return None if self.last_cutoff is None else self.step(self.last_cutoff, -self.k)

    def model_cutoffs(self) -> list[date]:
        return [c for c in self.cutoffs() if c >= self.first_model_cutoff]

    def validation_cutoffs(self) -> list[date]:
        last = self.last_validation_cutoff
        return [c for c in self.model_cutoffs() if last is not None and c <= last]

    def history(self, cutoff: date) -> list[date]:
        """The cutoffs a model at ``cutoff`` learns from: the newest ``training_cutoffs`` closed ones, ascending."""
        newest = [self.step(cutoff, -self.k - i) for i in range(self.training_cutoffs)]
        return sorted(c for c in newest if c >= self.first_cutoff)

    def time_folds(self, history: Sequence[date]) -> list[tuple[list[date], date]]:
        """Rolling-origin folds inside a history: (training cutoffs, validation cutoff), label windows disjoint.

        A fold trains on cutoffs at least ``k`` cadences before the one it validates on.
        """
        folds = [([c for c in history if c <= self.step(v, -self.k)], v) for v in sorted(history)]
        return [(train, v) for train, v in folds if train]


def month_index(day: date) -> int:
    """Months since year 0: consecutive months differ by one."""
    return day.year * 12 + day.month - 1


def days_in_months(indices: Sequence[int]) -> list[int]:
    """Length in days of each month given by `month_index`."""
    return [_calendar.monthrange(i // 12, i % 12 + 1)[1] for i in indices]


def plus_days(day: str | pl.Expr, days: str | pl.Expr) -> pl.Expr:
    """Date expression shifted by an integer expression of days; null when either is null."""
    start = pl.col(day) if isinstance(day, str) else day
    shift = pl.col(days) if isinstance(days, str) else days
    return start + pl.duration(days=shift)


def days_apart(start: str | pl.Expr, end: str | pl.Expr) -> pl.Expr:
    """Days from one Date expression to another, negative when the second is earlier; null when either is null."""
    first = pl.col(start) if isinstance(start, str) else start
    last = pl.col(end) if isinstance(end, str) else end
    return (last - first).dt.total_days()


def month_start(day: str | pl.Expr) -> pl.Expr:
    """Date expression of the first day of a day's month; null stays null."""
    return (pl.col(day) if isinstance(day, str) else day).dt.truncate("1mo")


def from_month_index(index: str | pl.Expr, day: pl.Expr | int = 1) -> pl.Expr:
    """Date expression from a `month_index` column and a day of the month."""
    months = pl.col(index) if isinstance(index, str) else index
    return pl.date(months // 12, months % 12 + 1, day)
