"""The parts of a score: comparable numbers in [0, 1] from raw signals, and the weights that join them.

Belongs here: percentiles, zero-signal rules, the cap on value, coverage, weight scaling, grades. Does not belong here:
where the raw signals come from, the order of the list, words.

One rule per mode: ``percentile`` ranks every component within its division, ``pooled`` ranks every component over all
divisions. Coverage and weights are per division in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from gosales_assets.settings import WhitespaceSettings

#: Components of a score, in the order of `whitespace.weights`; the name of each is its column.
COMPONENTS = ("p_icp_pct", "lift_norm", "als_norm", "EV_norm")
WEIGHTS = tuple(f"weight_{name}" for name in COMPONENTS)

#: Percentile of a constant or single-row group where a component is a position in the field: the middle.
NEUTRAL = 0.5

GRADE_FLOORS: Mapping[str, float] = {"A": 0.90, "B": 0.70, "C": 0.40, "D": 0.20}

#: Scores closer than this are the same score: float noise between divisions must not order a list.
SCORE_DECIMALS = 12


def percentile(values: str | pl.Expr, *, over: str | None = None, constant: float = 0.0) -> pl.Expr:
    """Average rank / number of values, ascending, in (0, 1].

    Parameters
    ----------
    values
        Numeric column; null and NaN are no values: they stay null and take no rank.
    over
        Column of the groups to rank within; None ranks the whole frame.
    constant
        Result for a group with fewer than two distinct values: 0 where no difference means no signal, `NEUTRAL` where
        it means the middle of the field.

    Examples
    --------
    >>> pl.DataFrame({"x": [0.8, 0.4, 0.4, 0.1]}).select(percentile("x")).to_series().to_list()
    [1.0, 0.625, 0.625, 0.25]
    """
    x = (pl.col(values) if isinstance(values, str) else values).cast(pl.Float64).fill_nan(None)
    rank = pl.when(x.min() == x.max()).then(pl.lit(constant)).otherwise(x.rank("average") / x.count())
    result = pl.when(x.is_not_null()).then(rank)
    return result if over is None else result.over(over)


def grade(values: str | pl.Expr) -> pl.Expr:
    """Letter of a percentile: A from .90, B from .70, C from .40, D from .20, else F. Null has no grade, NaN is F."""
    x = pl.col(values) if isinstance(values, str) else values
    x = x.cast(pl.Float64).fill_nan(-1.0)
    letter = pl.lit("F")
    for name, floor in sorted(GRADE_FLOORS.items(), key=lambda item: item[1]):
        letter = pl.when(x >= floor).then(pl.lit(name)).otherwise(letter)
    return pl.when(x.is_not_null()).then(letter)


def scaled_weights(
    base: Sequence[float], *, coverage_lift: float, coverage_als: float, threshold: float
) -> tuple[float, float, float, float]:
    """Base weights with affinity and similarity scaled down by their coverage, summing to 1.

    The factor of a component is ``min(1, coverage / threshold)``, 0 without coverage. When nothing is left the four
    weigh alike.

    Parameters
    ----------
    base
        Weights of probability, affinity, similarity, value.
    coverage_lift, coverage_als
        Share of candidates with a raw signal.
    threshold
        Coverage from which a component has its full weight.

    Examples
    --------
    >>> [round(w, 6) for w in scaled_weights((.6, .2, .1, .1), coverage_lift=.5, coverage_als=0, threshold=.3)]
    [0.666667, 0.222222, 0.0, 0.111111]
    """
    p, lift, als, value = base
    scaled = (
        p,
        lift * coverage_factor(coverage_lift, threshold),
        als * coverage_factor(coverage_als, threshold),
        value,
    )
    total = sum(scaled)
    if total <= 0:
        return (0.25, 0.25, 0.25, 0.25)
    return (scaled[0] / total, scaled[1] / total, scaled[2] / total, scaled[3] / total)


def coverage_factor(coverage: float, threshold: float) -> float:
    """Factor on a component's weight: ``min(1, coverage / threshold)``, 0 without coverage."""
    if coverage <= 0:
        return 0.0
    return min(1.0, coverage / threshold) if threshold > 0 else 1.0


def with_components(candidates: pl.DataFrame, settings: WhitespaceSettings) -> pl.DataFrame:
    """Add the four components to the candidates, after the gates.

    Parameters
    ----------
    candidates
        ``division``, ``p_icp`` (probability), ``mb_lift_max`` (raw lift; null or 0: no signal), ``gp_recent`` (gross
        profit, account currency; null counts as 0).
    settings
        ``normalize`` and ``ev_cap_percentile``.

    Returns
    -------
    pl.DataFrame
        With ``p_icp_pct`` (middle of the field when a group cannot be told apart), ``lift_norm`` (0 without a signal:
        an average rank would hand credit to those who have none), ``als_norm`` (0: transaction embeddings do not
        exist, their coverage is 0 and so is their weight), ``EV_norm``, and ``ev_cap``, the linear quantile at which
        ``gp_recent`` was capped. No component is null.
    """
    over = "division" if settings.normalize == "percentile" else None
    lift, value = pl.col("mb_lift_max").fill_null(0.0), pl.col("gp_recent").fill_null(0.0)
    cap = value.quantile(settings.ev_cap_percentile, interpolation="linear")
    return candidates.with_columns(
        p_icp_pct=percentile("p_icp", over=over, constant=NEUTRAL),
        lift_norm=pl.when(lift > 0).then(percentile(lift, over=over)).otherwise(0.0),
        als_norm=pl.lit(0.0),
        ev_cap=cap if over is None else cap.over(over),
    ).with_columns(EV_norm=percentile(pl.min_horizontal(value, "ev_cap"), over=over))


def coverage_and_weights(candidates: pl.DataFrame, settings: WhitespaceSettings) -> pl.DataFrame:
    """Coverage of the optional components and the weights that follow from it, per division.

    Parameters
    ----------
    candidates
        ``division`` and ``mb_lift_max``: coverage is the share with a *raw* lift above 0. After ranking, rows without
        a signal would look covered.
    settings
        ``weights`` and ``als_coverage_threshold``.

    Returns
    -------
    pl.DataFrame
        ``division``, ``coverage_lift``, ``coverage_als`` and the columns of `WEIGHTS`, sorted by division.
    """
    covered = (
        candidates.group_by("division")
        .agg(coverage_lift=(pl.col("mb_lift_max") > 0).fill_null(False).sum() / pl.len())
        .sort("division")
        .with_columns(coverage_als=pl.lit(0.0))
    )
    weights = [
        scaled_weights(
            settings.weights, coverage_lift=lift, coverage_als=als, threshold=settings.als_coverage_threshold
        )
        for lift, als in covered.select("coverage_lift", "coverage_als").iter_rows()
    ]
    table = pl.DataFrame(weights, schema=dict.fromkeys(WEIGHTS, pl.Float64), orient="row")
    return covered.hstack(table)


def score() -> pl.Expr:
    """Weighted sum of the components, in [0, 1]."""
    parts = [pl.col(weight) * pl.col(name) for weight, name in zip(WEIGHTS, COMPONENTS, strict=True)]
    return pl.sum_horizontal(parts).round(SCORE_DECIMALS)
