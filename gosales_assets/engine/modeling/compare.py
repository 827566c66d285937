"""Two rankings of the same rows: which one is better, and whether that is more than chance.

Belongs here: paired differences of AUC and lift with an interval by customer. Does not belong here: metrics of one
ranking (`engine.metrics`), what is concluded.

Customers are resampled with all their rows, and both rankings are judged on the same resample: what they share cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine import metrics

Floats = NDArray[np.float64]

#: Resamples worked on at a time: weights of all rows are held for each.
_CHUNK = 50


@dataclass(frozen=True)
class Difference:
    """A statistic of two rankings, ``a`` minus ``b``, with its percentile interval of 95 %."""

    a: float
    b: float
    lo: float
    hi: float

    @property
    def value(self) -> float:
        return self.a - self.b

    def document(self) -> dict[str, float | None]:
        """As JSON-able numbers."""
        return {
            name: metrics.finite(v)
            for name, v in (("a", self.a), ("b", self.b), ("value", self.value), ("lo", self.lo), ("hi", self.hi))
        }


def paired(
    frame: pl.DataFrame, *, k_percent: int, resamples: int, seed: int, within: str = "cutoff"
) -> dict[str, Difference]:
    """Compare two rankings.

    Parameters
    ----------
    frame
        customer_id, label, ``a`` and ``b`` (scores), and the column named by ``within``. Labels may be
        probabilities: a row then counts as that share of a positive.
    k_percent
        Whole percent of the list for lift.
    resamples, seed
        Of the bootstrap.
    within
        Column of the groups inside which scores are compared.

    Returns
    -------
    dict
        ``auc`` and ``lift``, each a mean over the groups that hold both classes.

    Raises
    ------
    ValueError
        When no group holds both classes.
    """
    frame = frame.sort(within, "customer_id")
    customers = frame["customer_id"].unique().sort()
    parts = [_Part.of(part, customers, k_percent) for part in frame.partition_by(within, maintain_order=True)]
    parts = [part for part in parts if 0 < part.y.sum() < len(part.y)]
    if not parts:
        raise ValueError(f"paired: no {within} holds both buyers and others")
    whole = _statistics(parts, np.ones((1, len(customers))))[0]
    rng = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, _CHUNK):
        n = min(_CHUNK, resamples - start)
        counts = rng.multinomial(len(customers), np.full(len(customers), 1.0 / len(customers)), size=n)
        drawn.append(_statistics(parts, counts.astype(np.float64)))
    values = np.concatenate(drawn)
    found = {}
    for i, name in enumerate(("auc", "lift")):
        difference = values[:, i, 0] - values[:, i, 1]
        lo, hi = np.nanpercentile(difference, [2.5, 97.5])
        found[name] = Difference(float(whole[i, 0]), float(whole[i, 1]), float(lo), float(hi))
    return found


@dataclass(frozen=True)
class _Part:
    """One group: labels, the customer of each row, and per ranking its order, ties and top."""

    y: Floats
    customer: NDArray[np.int64]
    rankings: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]

    @classmethod
    def of(cls, part: pl.DataFrame, customers: pl.Series, k_percent: int) -> _Part:
        rankings = []
        for name in ("a", "b"):
            score = part[name].to_numpy().astype(np.float64)
            # Groups of equal scores, ascending, and the positions where they begin.
            order = np.argsort(score, kind="stable")
            starts = np.flatnonzero(np.concatenate([[True], np.diff(score[order]) > 0]))
            top = np.zeros(len(score))
            best = metrics.model_order(score, score, part["customer_id"])
            top[best[: metrics.top_m(len(score), k_percent)]] = 1.0
            rankings.append((order, starts, top))
        customer = customers.search_sorted(part["customer_id"]).to_numpy().astype(np.int64)
        return cls(part["label"].to_numpy().astype(np.float64), customer, rankings)


def _statistics(parts: list[_Part], weights: Floats) -> Floats:
    """AUC and lift of both rankings, averaged over groups: shape (weights, 2, 2); NaN where a class is absent."""
    per_part = np.empty((len(parts), len(weights), 2, 2))
    for i, part in enumerate(parts):
        w = weights[:, part.customer]
        positive, negative = w * part.y, w * (1.0 - part.y)
        n1, n0 = positive.sum(axis=1), negative.sum(axis=1)
        for j, (order, starts, top) in enumerate(part.rankings):
            p = np.add.reduceat(positive[:, order], starts, axis=1)
            n = np.add.reduceat(negative[:, order], starts, axis=1)
            below = np.cumsum(n, axis=1) - n
            with np.errstate(invalid="ignore", divide="ignore"):
                per_part[i, :, 0, j] = (p * (below + n / 2)).sum(axis=1) / (n1 * n0)
                per_part[i, :, 1, j] = (positive @ top) / (w @ top) / (n1 / w.sum(axis=1))
    return np.asarray(per_part.mean(axis=0))


def as_document(found: dict[str, Difference]) -> dict[str, Any]:
    """Differences by statistic, as JSON-able numbers."""
    return {name: difference.document() for name, difference in found.items()}
