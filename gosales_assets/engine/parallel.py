"""Steps that do not depend on each other, several at a time.

Belongs here: handing them to threads. Does not belong here: what they do, how many cores a training may use
(`modeling.workers`). Polars, NumPy and LightGBM let the interpreter go while they work, so threads are enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import polars as pl

T = TypeVar("T")


def cores(most: int) -> int:
    """Cores this process may use, ``most`` at most."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, most)


def run_all(tasks: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Results of tasks in their order, ``workers`` of them at a time; the first failure is raised.

    None may change what another reads.
    """
    if workers <= 1 or len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(min(workers, len(tasks))) as threads:
        return list(threads.map(lambda task: task(), tasks))


def side_by_side(*steps: Callable[[], Any]) -> list[Any]:
    """Results of steps in their order, as many at a time as Polars has threads; see `run_all`.

    Many operations of Polars on one column keep one processor busy only.
    """
    return run_all(steps, pl.thread_pool_size())
