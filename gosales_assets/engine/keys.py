"""Whole numbers that stand for several columns at once, and come in order or nearly so.

Belongs here: sorting and counting them. Does not belong here: what they stand for.

Facts are stored by customer and day, so that a key that begins with the customer arrives in long ordered runs. NumPy's
stable sort makes use of those; its usual one is several times slower on them, and so is all that rests on it.
"""

from __future__ import annotations

import numpy as np


def in_order(keys: np.ndarray) -> np.ndarray:
    """Keys in order."""
    return np.sort(keys, kind="stable")


def changes(values: np.ndarray) -> np.ndarray:
    """Which values differ from the one before; the first does."""
    return np.append(True, values[1:] != values[:-1]) if len(values) else np.zeros(0, dtype=bool)


def distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys in order, and how often each occurs.

    Examples
    --------
    >>> keys, counts = distinct(np.array([7, 3, 7]))
    >>> keys.tolist(), counts.tolist()
    ([3, 7], [1, 2])
    """
    ordered = in_order(keys)
    first = np.flatnonzero(changes(ordered))
    return ordered[first], np.diff(first, append=len(ordered))
