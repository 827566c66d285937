"""The tree candidate: LightGBM fits, deterministic and stored as text.

Belongs here: the parameters every fit gets, fitting with and without early stopping, margin and contributions. Does
not belong here: which rows are fitted, the number of trees, calibration, the choice between candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """A fitted LightGBM model.

    Attributes
    ----------
    booster
        The trees.
    best_iteration
        Rounds at which early stopping would have stopped; all of them without it.
    converged
        Whether held-out log-loss had turned before the last round; True without early stopping.
    """

    booster: lightgbm.Booster
    best_iteration: int
    converged: bool = True

    @classmethod
    def fit(
        cls, x: NDArray[np.float32], y: Floats, names: Sequence[str], params: Mapping[str, Any], *, rounds: int
    ) -> Trees:
        """Fit a number of rounds."""
        import lightgbm as lgb

        train = lgb.Dataset(x, y, feature_name=list(names), params=dict(params))
        booster = lgb.train(dict(params), train, num_boost_round=rounds)
        # The trees are all that is asked of it from here on; a binned copy of the rows is not.
        booster.free_dataset()
        return cls(booster, rounds)

    @classmethod
    def fit_stopped(
        cls,
        x: NDArray[np.float32],
        y: Floats,
        held_out: tuple[NDArray[np.float32], Floats],
        params: Mapping[str, Any],
        *,
        rounds: int,
        patience: int,
    ) -> Trees:
        """Fit until log-loss on held-out rows has not fallen for ``patience`` rounds; later trees are kept.

        They are needed when other folds stopped later.
        """
        import lightgbm as lgb

        train = lgb.Dataset(x, y, params=dict(params))
        valid = train.create_valid(*held_out, params=dict(params))
        booster = lgb.train(
            dict(params),
            train,
            num_boost_round=rounds,
            valid_sets=[valid],
            callbacks=[lgb.early_stopping(patience, verbose=False)],
            keep_training_booster=True,
        )
        booster.free_dataset()
        best = max(1, booster.best_iteration)
        return cls(booster, best, best < rounds)

    @staticmethod
    def scaled(x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Trees work on the features as they are."""
        return x

    def margin_scaled(self, z: NDArray[np.float32], *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows that are `scaled` already."""
        return self.margin(z, rounds=rounds, n_jobs=n_jobs)

    def margin(self, x: NDArray[np.float32], *, rounds: int | None = None, n_jobs: int = 1) -> Floats:
        """Log-odds of rows, from the first ``rounds`` trees; all by default."""
        if not len(x):  # an empty matrix is not a case LightGBM knows
            return np.empty(0, dtype=np.float64)
        limit = -1 if rounds is None else rounds
        values = self.booster.predict(x, raw_score=True, num_iteration=limit, num_threads=n_jobs)
        return np.asarray(values, dtype=np.float64)

    def contributions(self, x: NDArray[np.float32], *, n_jobs: int = 1) -> Floats:
        """Signed TreeSHAP contributions in log-odds, base value last: they add up to the margin."""
        if not len(x):
            return np.empty((0, x.shape[1] + 1), dtype=np.float64)
        return np.asarray(self.booster.predict(x, pred_contrib=True, num_threads=n_jobs), dtype=np.float64)
