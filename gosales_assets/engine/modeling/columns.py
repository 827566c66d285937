"""Which features a model reads, and why it does not read the others.

Belongs here: the guards that leave a feature out: SAFE mode, coverage, sparse families, names and values that know the
answer. Does not belong here: how features become a matrix (`rows`), fits.

The choice is made once per training, on the rows that are trained on, and every fit of that training reads the same
columns. Constant and duplicate columns stay: trees never split on the former, the ridge shares weight between the
latter, and dropping them would only make the list depend on the data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.rows import positive_customers

if TYPE_CHECKING:
    from gosales_assets.settings import Stability

#: Words that only the name of an outcome holds.
OUTCOME_WORDS = frozenset({"future", "label", "target", "outcome"})
OUTCOME_NAMES = ("bought_in_division",)

#: A single feature that orders buyers and others this well, within a cutoff, knows the answer.
LEAK_AUC = 0.995


@dataclass(frozen=True)
class Columns:
    """The features of a training.

    Attributes
    ----------
    names
        Features read, in the order of the feature list.
    dropped
        Features not read: ``{"feature": name, "reason": safe | outcome_name | leak_auc | coverage | sparse_family}``.
    strongest
        Largest AUC of a single feature among non-owners, within a cutoff and averaged over cutoffs; None with too few
        positives.
    unlisted
        Columns of the matrices that are no features of the list: made with other settings than the list.
    """

    names: list[str]
    dropped: list[dict[str, str]]
    strongest: float | None
    unlisted: list[str]

    def because(self, *reasons: str) -> list[str]:
        """Features dropped for one of the reasons."""
        return [d["feature"] for d in self.dropped if d["reason"] in reasons]


def choose_columns(
    frame: pl.DataFrame,
    families: Mapping[str, str],
    *,
    safe: Collection[str] | None,
    stability: Stability,
    min_positives: int,
    unlisted: Sequence[str] = (),
) -> Columns:
    """Decide which features a training reads.

    Parameters
    ----------
    frame
        Pooled rows with customer_id, cutoff, ownership, label and every listed feature in its raw type.
    families
        Family by feature, in the order of the feature list.
    safe
        Features a SAFE model may read; None reads all.
    stability
        Coverage floor, and the families dropped when positives are few.
    min_positives
        Distinct positive customers below which no single feature is accused.
    unlisted
        Columns of the matrices that the list does not name.
    """
    reasons: dict[str, str] = {}

    def drop(names: Sequence[str], reason: str) -> None:
        for name in names:
            reasons.setdefault(name, reason)

    names = list(families)
    drop([n for n in names if names_an_outcome(n)], "outcome_name")
    # Among owners who reorder all the time, honest features know the answer too.
    strength = single_feature_strength(frame.filter(pl.col("ownership") != "owner"), names, min_positives)
    drop([n for n, auc in strength.items() if auc >= LEAK_AUC], "leak_auc")
    drop([n for n in names if safe is not None and n not in safe], "safe")
    backbone = set(stability.backbone_families)
    exposed = [n for n in names if families[n] not in backbone]
    if stability.coverage_floor > 0 and frame.height:
        coverage = frame.select(_known(frame, n).mean().alias(n) for n in exposed).row(0, named=True)
        drop([n for n in exposed if coverage[n] < stability.coverage_floor], "coverage")
    positives = positive_customers(frame)
    rate = int(frame["label"].sum()) / max(1, frame.height)
    if rate < stability.min_positive_rate or positives < stability.min_positive_count:
        drop([n for n in exposed if families[n] in stability.sparse_families], "sparse_family")
    return Columns(
        [n for n in names if n not in reasons],
        [{"feature": n, "reason": reasons[n]} for n in names if n in reasons],
        max(strength.values(), default=None),
        list(unlisted),
    )


def names_an_outcome(name: str) -> bool:
    """Whether a name says that the feature speaks of what happened afterwards.

    Examples
    --------
    >>> names_an_outcome("future_gp_sum"), names_an_outcome("Label_hint"), names_an_outcome("rfm__all__tx_n__12m")
    (True, True, False)
    """
    lower = name.lower()
    return bool(OUTCOME_WORDS & set(lower.split("_"))) or any(n in lower for n in OUTCOME_NAMES)


def single_feature_strength(frame: pl.DataFrame, names: Sequence[str], min_positives: int) -> dict[str, float]:
    """How well each numeric feature alone orders buyers and others: AUC within each cutoff, averaged.

    Empty with fewer than ``min_positives`` distinct positive customers, or one class at every cutoff: among few
    positives some feature is bound to stand out.
    """
    numeric = [n for n in names if frame.schema[n].is_numeric() or frame.schema[n] == pl.Boolean]
    if positive_customers(frame) < min_positives or not numeric:
        return {}
    judged = [part for part in frame.partition_by("cutoff", maintain_order=True) if part["label"].n_unique() > 1]
    if not judged:
        return {}
    strength = np.mean([metrics.single_feature_auc(part, numeric) for part in judged], axis=0)
    return dict(zip(numeric, strength.tolist(), strict=True))


def _known(frame: pl.DataFrame, name: str) -> Any:
    column = pl.col(name)
    return column.is_not_null() & column.is_not_nan() if frame.schema[name].is_float() else column.is_not_null()
