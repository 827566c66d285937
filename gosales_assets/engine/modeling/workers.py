"""Doing independent work on all cores.

Belongs here: how many threads, handing tasks to them, and the threads of the libraries below. Does not belong here: any
task.

The results are those of doing one task after the other: tasks share nothing they change, each fit uses a fixed number
of threads of its own, and the order of results is the order of tasks. LightGBM and NumPy compute outside Python's
global lock, so threads are enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

#: Each worker holds a copy of the rows it fits.
MOST_WORKERS = 8


def cores() -> int:
    """Cores this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_WORKERS)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep linear algebra on the calling thread: a sum depends on how many threads share it, and bytes must not.

    The limit holds for the whole process, so it is set around all tasks, never inside one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def run_all(tasks: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Results of tasks in their order, ``workers`` of them at a time; the first failure is raised."""
    if workers <= 1 or len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(min(workers, len(tasks)), thread_name_prefix="fit") as pool:
        return list(pool.map(lambda task: task(), tasks))
