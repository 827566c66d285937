"""Clocks, peaks and fits that all areas share.

Belongs here: how something is timed. Does not belong here: what is timed.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

REPEATS = 3
#: A measurement that takes longer than this is not repeated.
LONG_SECONDS = 60.0


class Seconds(NamedTuple):
    """What something took: on the clock, and of the processors.

    The clock says what a user waits; the processors' time is the same on a machine that others use as well.
    """

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def minus(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)

    def best(self, other: Seconds) -> Seconds:
        return Seconds(min(self.wall, other.wall), min(self.cpu, other.cpu))


NO_TIME = Seconds()


def now() -> Seconds:
    """This moment, on both clocks."""
    return Seconds(time.perf_counter(), time.process_time())


def timed(work: Callable[[], T]) -> tuple[Seconds, T]:
    """What a call took, and what it gave."""
    start = now()
    value = work()
    return now().minus(start), value


def compared(ours: Seconds, plain: Seconds) -> dict[str, float]:
    """The ratio of what we took to what the plain thing took, with both."""
    return {
        "ratio": round(ours.wall / plain.wall, 3),
        "cpu_ratio": round(ours.cpu / plain.cpu, 3),
        "seconds": round(ours.wall, 4),
        "plain_seconds": round(plain.wall, 4),
    }


def in_turns(*works: Callable[[], Any], repeats: int = REPEATS) -> list[Seconds]:
    """The best of each of several calls, made one after the other, ``repeats`` times over.

    The best of several is the time the work needs; what exceeds it is what others did on the machine meanwhile. In
    turns, because a machine that is busy for a while is then busy for all of them. A first round that takes long
    stands alone: it is its own average.
    """
    best = [Seconds(math.inf, math.inf)] * len(works)
    for _ in range(repeats):
        took = [timed(work)[0] for work in works]
        best = [known.best(new) for known, new in zip(best, took, strict=True)]
        if sum(t.wall for t in took) > LONG_SECONDS:
            break
    return best


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    """Most memory this process has held so far, or one of those it started and that have ended, in MiB."""
    peak = resource.getrusage(who).ru_maxrss
    return round(peak / (1024 if sys.platform != "darwin" else 1024**2), 1)


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """The b of seconds = a * size ** b, by least squares on logarithms; None with fewer than two sizes.

    1 is linear; a quadratic step shows as a 2 long before it hurts.

    Examples
    --------
    >>> growth_exponent([10, 100, 1000], [1, 10, 100])
    1.0
    >>> growth_exponent([10], [1]) is None
    True
    """
    if len(set(sizes)) < 2:
        return None
    x, y = [math.log(s) for s in sizes], [math.log(s) for s in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
    return round(slope, 3)
