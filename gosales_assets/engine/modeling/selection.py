"""Who wins: the rule that chooses between candidates, as functions of numbers.

Belongs here: objective, stability guard, ties. Does not belong here: fitting candidates, computing what they are judged
by.

The best mean lift at 10 % of the whitespace wins. Candidates within one standard error of it are the same as far as the
data can tell; among them the lowest Brier score wins, because probabilities are delivered too, then fewer leaves, then
the name. A choice by lift alone picks noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """What a candidate is chosen by.

    Attributes
    ----------
    name
        The candidate.
    lifts
        Lift at each cutoff judged.
    error
        Standard error of their mean, by customer; 0 compares plain means.
    brier
        Brier score of its calibrated probabilities.
    leaves
        Its complexity.
    """

    name: str
    lifts: Sequence[float]
    error: float = 0.0
    brier: float | None = None
    leaves: int = 0

    def objective(self, penalty: float) -> float:
        """Mean lift minus ``penalty`` standard deviations over the cutoffs; minus infinity when nothing was judged.

        Examples
        --------
        >>> round(Standing("stable", [3.0, 3.2]).objective(1.0), 6), Standing("peaky", [5.0, 1.0]).objective(1.0)
        (3.0, 1.0)
        """
        if not self.lifts:
            return -math.inf
        return _mean(self.lifts) - penalty * _spread(self.lifts)

    @property
    def variation(self) -> float | None:
        """Standard deviation over mean of the lifts; None without lifts, infinite when the mean is zero."""
        if not self.lifts:
            return None
        mean, spread = _mean(self.lifts), _spread(self.lifts)
        return (abs(spread / mean) if mean else math.inf) if spread else 0.0


def winner(
    standings: Sequence[Standing], *, penalty: float = 0.0, variation_max: float | None = None
) -> tuple[int, str]:
    """Position of the winner, and why it won.

    Parameters
    ----------
    standings
        Candidates judged on the same rows.
    penalty
        Weight of the spread over cutoffs.
    variation_max
        Candidates that vary more than this are out, unless all do.

    Raises
    ------
    ValueError
        Without candidates.
    """
    if not standings:
        raise ValueError("selection: there is no candidate to choose from")
    steady = [s for s in standings if not _unsteady(s, variation_max)]
    left = steady or list(standings)
    best = max(left, key=lambda s: s.objective(penalty))
    if best.objective(penalty) == -math.inf:
        tied, why = left, "no candidate could be judged by lift: lowest Brier score, then fewer leaves, then name"
    else:
        floor = best.objective(penalty) - best.error
        tied = [s for s in left if s.objective(penalty) >= floor]
        why = (
            "highest lift"
            if len(tied) == 1
            else f"{len(tied)} candidates within one standard error of the highest lift: lowest Brier score, then "
            "fewer leaves, then name"
        )
    if len(standings) == 1:
        why = "the only candidate"
    elif not steady:
        why += "; every candidate varies more over cutoffs than modeling.stability.cv_guard_max"
    elif len(steady) < len(standings):
        why += f"; {len(standings) - len(steady)} left out for varying too much over cutoffs"
    chosen = min(tied, key=lambda s: (math.inf if s.brier is None else round(s.brier, 12), s.leaves, s.name))
    return list(standings).index(chosen), why


def keeps_softened(auc: float, softened_auc: float) -> bool:
    """Whether the softer fit replaces the sharper one: when it costs at most 0.002 of AUC on unseen rows.

    Examples
    --------
    >>> keeps_softened(0.8, 0.7985), keeps_softened(0.8, 0.7975)
    (True, False)
    """
    return softened_auc >= auc - _SOFTENING_MAY_COST


_SOFTENING_MAY_COST = 0.002


def _unsteady(standing: Standing, limit: float | None) -> bool:
    return limit is not None and standing.variation is not None and standing.variation > limit


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _spread(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
