"""Phase 4: market basket, eligibility, ranking and capacity.

`basket` learns which products go with a target and what that says about a customer; `eligibility` decides who may be
listed; `components` turns raw signals into comparable numbers and weights; `reasons` puts a row into words; `rank`
composes them into the list of a cutoff; `summary` measures that list; `schema` holds the contracts of the files.

Does not belong here: training, scoring, calibration, and the verdict of a gate, which arrive as inputs.
"""

from __future__ import annotations


class RankingError(ValueError):
    """Inputs or settings the ranking cannot use; the message names the division, column and value and what to do."""
