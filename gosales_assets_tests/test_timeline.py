"""Date rules: month ends, windows, embargo, censoring, the calendar of cutoffs."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.timeline import (
    Calendar,
    Window,
    add_days,
    add_months,
    days_since,
    feature_window,
    infer_as_of,
    is_censored,
    is_month_end,
    label_window,
    lagged_window,
    trailing_months,
    until,
)

DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
CUTOFF = date(2024, 6, 30)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        # month end to month end, in both directions
        (date(2024, 6, 30), 6, date(2024, 12, 31)),
        (date(2024, 6, 30), 1, date(2024, 7, 31)),
        (date(2024, 6, 30), 4, date(2024, 10, 31)),
        (date(2024, 6, 30), -18, date(2022, 12, 31)),
        (date(2024, 6, 30), -3, date(2024, 3, 31)),
        (date(2024, 8, 31), 6, date(2025, 2, 28)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2024, 12, 31), 6, date(2025, 6, 30)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2023, 2, 28), 12, date(2024, 2, 29)),
        (date(2024, 6, 30), 0, date(2024, 6, 30)),
        # any other day stays, clipped to the month
        (date(2024, 7, 30), 6, date(2025, 1, 30)),
        (date(2024, 1, 30), 1, date(2024, 2, 29)),
        (date(2024, 2, 28), 1, date(2024, 3, 28)),  # no month end in a leap year
        (date(2024, 5, 15), -17, date(2022, 12, 15)),
    ],
)
def test_adding_months(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@given(DAYS, st.integers(-60, 60))
def test_month_ends_go_and_come_back(day: date, months: int) -> None:
    moved = add_months(day, months)
    assert moved.year * 12 + moved.month == day.year * 12 + day.month + months
    if is_month_end(day):
        assert is_month_end(moved)
        assert add_months(moved, -months) == day
    else:
        assert moved.day <= day.day


def inside(window: Window, *days: date) -> list[bool]:
    return pl.DataFrame({"order_date": list(days)}).select(window.contains()).to_series().to_list()


def test_windows_are_open_on_the_left_and_closed_on_the_right() -> None:
    window = label_window(CUTOFF, 6)
    assert (window.first_day, window.last_day) == (date(2024, 7, 1), date(2024, 12, 31))
    days = (CUTOFF, date(2024, 7, 1), date(2024, 12, 31), date(2025, 1, 1))
    assert inside(window, *days) == [False, True, True, False]
    unknown = pl.DataFrame({"order_date": [None]}, schema={"order_date": pl.Date})
    assert unknown.select(window.contains(), until(CUTOFF).alias("known")).row(0) == (False, False)


@given(DAYS, st.integers(1, 36), st.integers(1, 36))
def test_feature_and_label_windows_touch_and_never_share_a_day(cutoff: date, back: int, ahead: int) -> None:
    known, future = feature_window(cutoff, back), label_window(cutoff, ahead)
    assert known.last_day == cutoff == future.after
    assert add_days(known.last_day, 1) == future.first_day
    assert not known.overlaps(future)
    assert known.overlaps(known)
    assert inside(known, cutoff, future.first_day) == [True, False]


@given(DAYS, st.integers(1, 24))
def test_consecutive_months_cover_a_window_once(cutoff: date, n: int) -> None:
    months = trailing_months(cutoff, n)
    assert months[-1].until == cutoff
    assert [w.after for w in months[1:]] == [w.until for w in months[:-1]]
    assert sum(w.days for w in months) == (cutoff - months[0].after).days
    if is_month_end(cutoff):
        assert months[0].after == feature_window(cutoff, n).after


def test_offsets_in_days_come_before_months() -> None:
    # 60 days before 2024-06-30 is 2024-05-01, and twelve months before that 2023-05-01.
    assert feature_window(CUTOFF, 12, offset_days=60) == Window(date(2023, 5, 1), date(2024, 5, 1))
    # A masked tail moves the right end only.
    assert feature_window(CUTOFF, 3, mask_tail_days=14) == Window(date(2024, 3, 31), date(2024, 6, 16))
    assert lagged_window(CUTOFF, 12, 60) == Window(date(2023, 6, 30), date(2024, 5, 1))
    # A buffer moves both ends of a label window.
    assert label_window(CUTOFF, 6, 30) == Window(date(2024, 7, 30), date(2025, 1, 30))
    assert Window(CUTOFF, date(2024, 1, 1)).days == 0


def test_days_since() -> None:
    frame = pl.DataFrame({"d": [date(2024, 6, 30), date(2023, 6, 30), date(2024, 7, 3), None]})
    got = frame.select(days_since(CUTOFF, pl.col("d"))).to_series()
    assert got.to_list() == [0, 366, -3, None]
    assert got.dtype == pl.Int32


@pytest.mark.parametrize(
    ("end", "as_of", "censored"),
    [
        (CUTOFF, CUTOFF, False),
        (CUTOFF, date(2024, 6, 29), True),
        (CUTOFF, date(2024, 7, 1), False),
        (CUTOFF, None, True),
    ],
)
def test_censoring(end: date, as_of: date | None, censored: bool) -> None:
    assert is_censored(end, as_of) is censored


def dated(*days: tuple[date | None, int]) -> pl.LazyFrame:
    return pl.LazyFrame({"order_date": [d for d, n in days for _ in range(n)]}, schema={"order_date": pl.Date})


USUAL = [(date(2024, m, 10), 21) for m in range(1, 6)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([*USUAL, (date(2050, 1, 1), 1)], date(2024, 5, 10)),  # 1 line of a median of 21 is below 5 % (1.05)
        ([*USUAL, (date(2050, 1, 1), 2)], date(2050, 1, 1)),  # two lines are not
        ([*USUAL, (date(2024, 6, 1), 1), (date(2024, 6, 3), 1)], date(2024, 6, 3)),  # a month just begun counts
        ([(date(2024, 1, 1), 1)], date(2024, 1, 1)),
        ([(None, 3)], None),
        ([], None),
    ],
)
def test_inferring_how_far_a_log_reaches(days: list[tuple[date | None, int]], expected: date | None) -> None:
    assert infer_as_of(dated(*days)) == expected


# --- calendar ---------------------------------------------------------------------------------------------------------


def calendar(first: date, last: date | None, cadence: int, window: int = 6, embargo: int = 0, n: int = 4) -> Calendar:
    return Calendar(first, last, cadence, window, embargo, n)


@pytest.mark.parametrize(
    ("cadence", "window", "embargo", "k"),
    [
        (3, 6, 0, 2),
        (6, 6, 0, 1),
        (1, 3, 0, 3),
        (3, 6, 1, 3),  # one day too many for every cutoff
        (1, 1, 28, 2),  # one month of window, and 28 days fit into any month
        (1, 1, 29, 3),  # but 29 do not fit into February
        (12, 6, 180, 1),  # 180 days after June ends is December
        (12, 6, 185, 2),  # 185 are January
    ],
)
def test_k_is_the_smallest_that_holds_at_every_cutoff(cadence: int, window: int, embargo: int, k: int) -> None:
    c = calendar(date(2020, 12, 31), None, cadence, window, embargo)
    assert c.k == k
    assert all(c.closes_by(c.step(x, -k), x) for x in (c.step(c.first_cutoff, i) for i in range(48)))


def test_the_sets_of_a_calendar() -> None:
    c = calendar(date(2022, 6, 30), date(2024, 6, 30), 3)
    assert c.cutoffs()[:3] == [date(2022, 6, 30), date(2022, 9, 30), date(2022, 12, 31)]
    assert c.cutoffs()[-1] == date(2024, 6, 30)
    assert c.model_cutoffs()[0] == c.first_model_cutoff == date(2022, 12, 31)  # 2022-06-30 closes that day
    assert c.validation_cutoffs()[-1] == c.last_validation_cutoff == date(2023, 12, 31)
    assert c.history(date(2024, 6, 30)) == [date(2023, 3, 31), date(2023, 6, 30), date(2023, 9, 30), date(2023, 12, 31)]
    assert c.history(date(2022, 12, 31)) == [date(2022, 6, 30)]  # only what exists
    assert c.history(date(2022, 9, 30)) == []
    assert c.next_tick(date(2022, 12, 31)) == date(2023, 3, 31)


def test_nothing_is_learnt_from_a_window_that_is_open() -> None:
    for cadence, window, embargo in ((1, 3, 10), (3, 6, 0), (3, 5, 45), (6, 12, 30)):
        c = calendar(date(2019, 1, 31), date(2024, 1, 31), cadence, window, embargo)
        for cutoff in c.model_cutoffs():
            history = c.history(cutoff)
            assert history
            assert all(add_days(c.window(h).until, embargo) <= cutoff for h in history)
            for train, validated in c.time_folds(history):
                assert all(not c.window(t).overlaps(c.window(validated)) for t in train)


def test_time_folds_need_more_history_than_k() -> None:
    c = calendar(date(2022, 6, 30), date(2024, 6, 30), 3)
    history = c.history(date(2024, 6, 30))
    assert c.time_folds(history) == [(history[:1], history[2]), (history[:2], history[3])]  # k = 2
    assert c.time_folds(history[:2]) == []


@pytest.mark.parametrize(
    ("first", "cadence", "cron"),
    [
        (date(2022, 6, 30), 3, "0 0 L 3,6,9,12 *"),
        (date(2022, 1, 31), 3, "0 0 L 1,4,7,10 *"),
        (date(2022, 6, 30), 6, "0 0 L 6,12 *"),
        (date(2022, 6, 30), 12, "0 0 L 6 *"),
        (date(2022, 6, 30), 1, "0 0 L * *"),
    ],
)
def test_cron(first: date, cadence: int, cron: str) -> None:
    assert calendar(first, None, cadence).cron == cron


@pytest.mark.parametrize(
    ("first", "last", "cadence", "message"),
    [
        (date(2022, 6, 29), None, 3, "use 2022-06-30"),
        (date(2022, 6, 30), date(2024, 6, 15), 3, "last_cutoff is 2024-06-15"),
        (date(2022, 6, 30), date(2022, 3, 31), 3, "is before timeline.first_cutoff"),
        (date(2022, 6, 30), date(2024, 7, 31), 3, "not a whole number of 3-month steps"),
        (date(2022, 6, 30), None, 5, "choose 1, 2, 3, 4, 6 or 12"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(first: date, last: date | None, cadence: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calendar(first, last, cadence)


def test_without_a_last_cutoff_the_sets_come_from_the_clock() -> None:
    with pytest.raises(ValueError, match="last_cutoff is unset"):
        calendar(date(2022, 6, 30), None, 3).cutoffs()
    assert calendar(date(2022, 6, 30), None, 3).last_validation_cutoff is None
