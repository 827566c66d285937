"""Steps side by side."""

from __future__ import annotations

import time

import pytest

from gosales_assets.engine.parallel import run_all, side_by_side


def step(result: int, seconds: float) -> int:
    time.sleep(seconds)
    return result


def broken() -> int:
    raise ValueError("no")


TASKS = [lambda i=i, w=w: step(i, w) for i, w in enumerate([0.03, 0.0, 0.02, 0.0])]


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert run_all(TASKS, 4) == run_all(TASKS, 1) == side_by_side(*TASKS) == [0, 1, 2, 3]
    assert side_by_side() == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="no"):
        run_all([TASKS[1], broken, TASKS[0]], workers)


def test_tasks_wait_for_each_other_only_when_there_are_more_than_workers() -> None:
    import threading

    meeting = threading.Barrier(2, timeout=5)  # broken unless two are there at once
    assert len(run_all([meeting.wait, meeting.wait], 2)) == 2
