"""Steps that do not depend on each other, side by side.

Belongs here: running them in threads. Does not belong here: what they do. Polars lets the interpreter go while it
works, and many of its operations on one column keep one processor busy only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl


def side_by_side(*steps: Callable[[], Any]) -> list[Any]:
    """Run steps at the same time, no more of them than Polars has threads.

    Parameters
    ----------
    steps
        Functions without arguments; none may change what another reads.

    Returns
    -------
    list
        What they gave, in the order of the steps; the first that raised raises here.
    """
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        return [task.result() for task in [threads.submit(step) for step in steps]]
