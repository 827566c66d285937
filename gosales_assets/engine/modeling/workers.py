"""How many cores a training uses, and the threads of the libraries below.

Belongs here: both limits. Does not belong here: any task, handing tasks to threads (`engine.parallel`).

The results are those of doing one task after the other: tasks share nothing they change, each fit uses a fixed number
of threads of its own, and the order of results is the order of tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Each worker holds a copy of the rows it fits.
MOST_WORKERS = 8


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep linear algebra on the calling thread: a sum depends on how many threads share it, and bytes must not.

    The limit holds for the whole process, so it is set around all tasks, never inside one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
