"""What a training may say about itself: metrics and tables of rows its models have not seen.

Belongs here: averaging over cutoffs, the reported tables, how sure a ranking is. Does not belong here: the formulas of
the metrics (`engine.metrics`), fits, the choice between candidates.

Ranks are compared only where they come from one model at one cutoff. Metrics are computed inside a cutoff and averaged,
each cutoff counting the same, because rows of different seasons have different base rates. Where a cutoff is scored by
several group folds, rows are ranked inside their fold: a fold rich in positives leaves the others, which fitted its
model, poor in them, so that ranks across folds run against the labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gosales_assets.engine import metrics

_RENAMED = {"p_oof": "p", "weight_gp": "weight"}

#: Metrics that are averaged over cutoffs; shares at K join them.
_AVERAGED = ("auc", "average_precision", "pr_auc", "brier", "cal_mae")


@dataclass(frozen=True)
class Evaluation:
    """The rows a training is judged on.

    Attributes
    ----------
    kind
        ``out_of_time``: later cutoffs than the models learned from; ``out_of_fold``: other customers, when the history
        is too short for that; ``none``: no model.
    frame
        customer_id, cutoff, ownership, label, weight, p, margin, fold; sorted by cutoff and customer.
    """

    kind: str
    frame: pl.DataFrame

    @property
    def cutoffs(self) -> list[str]:
        return [c.isoformat() for c in self.frame["cutoff"].unique().sort()]


def evaluation_of(train_scores: pl.DataFrame) -> Evaluation:
    """The rows that count for reporting: those of time folds when there are any, else those of group folds."""
    kinds = train_scores["fold_kind"].unique()
    kind = "time" if "time" in kinds else "group"
    frame = train_scores.filter(pl.col("fold_kind") == kind).rename(_RENAMED)
    return Evaluation("out_of_time" if kind == "time" else "out_of_fold", frame)


def summaries(
    frame: pl.DataFrame, *, top_k_percents: Sequence[int], min_positives: int, min_positives_interval: int
) -> list[dict[str, Any]]:
    """All metrics per cutoff and population.

    Parameters
    ----------
    frame
        Rows as in `Evaluation`.
    top_k_percents, min_positives, min_positives_interval
        See `metrics.summary`.

    Returns
    -------
    list of dict
        ``cutoff``, ``population`` and what `metrics.summary` gives, cutoffs ascending.
    """
    rows = []
    for part in frame.partition_by("cutoff", maintain_order=True):
        for population, judged in metrics.populations(part).items():
            asked: dict[str, Any] = {
                "top_k_percents": top_k_percents,
                "min_positives": min_positives,
                "min_positives_interval": min_positives_interval,
            }
            values = metrics.summary(judged, **asked)
            if judged["fold"].n_unique() > 1:
                values |= _ranked_in_folds(judged, asked)
            rows.append({"cutoff": part["cutoff"][0].isoformat(), "population": population, **values})
    return rows


def _ranked_in_folds(judged: pl.DataFrame, asked: dict[str, Any]) -> dict[str, Any]:
    """The status and the ranking metrics of rows that are ranked inside their fold."""
    values = metrics.summary(judged.with_columns(_share_of_fold().alias("p")), **asked)
    ranking = {k: v for k, v in values.items() if k in ("status", "average_precision", "pr_auc") or "@" in k}
    auc = None if values["auc"] is None else metrics.finite(auc_within_folds(judged))
    return ranking | {"auc": auc}


def auc_within_folds(frame: pl.DataFrame) -> float | None:
    """AUC over pairs of one fold: the folds' AUC weighted by their pairs of positive and negative."""
    won, pairs = 0.0, 0
    for part in frame.partition_by("fold", maintain_order=True):
        value = metrics.auc(part["label"].to_numpy(), part["p"].to_numpy())
        if value is not None:
            positives = int(part["label"].sum())
            weight = positives * (part.height - positives)
            won, pairs = won + value * weight, pairs + weight
    return won / pairs if pairs else None


def average(
    per_cutoff: Sequence[dict[str, Any]], frame: pl.DataFrame, population: str, *, top_k_percents: Sequence[int]
) -> dict[str, Any]:
    """One block per population: plain means over the cutoffs that have a value, sums of what is counted.

    The interval of expected to observed is given for a single cutoff only: a customer's rows at several cutoffs are not
    independent. ``positives`` counts distinct customers over all cutoffs.

    Parameters
    ----------
    per_cutoff
        What `summaries` gave.
    frame
        The rows it was given.
    population
        ``all`` or ``whitespace``.
    top_k_percents
        Whole percent of the shares.
    """
    blocks = [r for r in per_cutoff if r["population"] == population]
    if len(blocks) == 1:
        return {k: v for k, v in blocks[0].items() if k not in ("cutoff", "population")}
    judged = metrics.populations(frame)[population]
    bought = int(judged["label"].sum())
    expected = sum(b["expected"] for b in blocks if b["expected"] is not None)
    known = any(b["ratio"] is not None for b in blocks)
    shares = [f"{name}@{k}" for k in top_k_percents for name in ("lift", "rev_lift", "capture")]
    values = {name: _mean([b[name] for b in blocks]) for name in (*_AVERAGED, *shares)}
    return {
        "status": _status(blocks),
        "n": judged.height,
        "positives": _positives(judged),
        "base_rate": metrics.finite(bought / judged.height) if judged.height else None,
        **{name: values[name] for name in _AVERAGED},
        "n_distinct_scores": judged["p"].n_unique(),
        "expected": metrics.finite(expected) if judged.height else None,
        "observed": float(bought) if judged.height else None,
        "ratio": metrics.finite(expected / bought) if bought and known else None,
        "ratio_lo": None,
        "ratio_hi": None,
        **{name: values[name] for name in shares},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return metrics.finite(sum(known) / len(known)) if known else None


def _status(blocks: Sequence[dict[str, Any]]) -> str:
    found = [b["status"] for b in blocks]
    return next((s for s in ("ok", "degenerate", "single_class") if s in found), "insufficient_data")


def gains(frame: pl.DataFrame, *, min_positives: int) -> pl.DataFrame:
    """Gains by decile of rank inside each cutoff and fold, added up over them, per population."""
    return metrics.by_population(frame, lambda rows: _gains(rows, min_positives))


def _gains(rows: pl.DataFrame, min_positives: int) -> pl.DataFrame:
    if rows.is_empty():
        return metrics.gains_table(rows)
    parts = rows.partition_by("cutoff", "fold", maintain_order=True)
    tables = [metrics.gains_table(part) for part in parts]
    total, n, distinct = int(rows["label"].sum()), rows.height, rows["p"].n_unique()
    ranked = any(part["p"].n_unique() > 1 for part in parts)
    table = (
        pl.concat(tables)
        .group_by("decile", maintain_order=True)
        .agg(
            pl.col("n").sum(),
            pl.col("positives").sum(),
            ((pl.col("mean_predicted") * pl.col("n")).sum() / pl.col("n").sum()).alias("mean_predicted"),
        )
        .sort("decile")
        .with_columns((pl.col("positives") / pl.col("n")).alias("fraction_positives"))
    )
    enough = _positives(rows) >= min_positives
    null = pl.lit(None, pl.Float64)
    return table.select(
        "decile",
        "n",
        "positives",
        "fraction_positives",
        "mean_predicted",
        (pl.col("positives").cum_sum() / total if enough else null).alias("cum_capture"),
        (pl.col("fraction_positives") * (n / total) if enough and ranked else null).alias("lift"),
        pl.lit(distinct, pl.Int64).alias("n_distinct_scores"),
    )


def calibration(frame: pl.DataFrame) -> pl.DataFrame:
    """Predicted against observed rates per population; a probability means the same at every cutoff."""
    return metrics.by_population(frame, metrics.calibration_table)


def thresholds(frame: pl.DataFrame, *, top_k_percents: Sequence[int], min_positives: int) -> pl.DataFrame:
    """What one probability threshold selects, over all judged rows, per population."""

    def table(rows: pl.DataFrame) -> pl.DataFrame:
        made = metrics.thresholds_table(rows, top_k_percents)
        if _positives(rows) < min_positives:
            made = made.with_columns(pl.lit(None, pl.Float64).alias("capture"))
        return made

    return metrics.by_population(frame, table)


def _positives(rows: pl.DataFrame) -> int:
    return rows.filter(pl.col("label") == 1)["customer_id"].n_unique()


# --------------------------------------------------------------------------------------------------------------------
# How sure a ranking is


@dataclass(frozen=True)
class Lift:
    """Lift of a candidate, with what chance may do to it.

    Attributes
    ----------
    per_cutoff
        Lift at each cutoff judged, ascending.
    error
        Standard error of their mean; None when nothing was judged.
    """

    per_cutoff: list[float]
    error: float | None

    @property
    def mean(self) -> float | None:
        return sum(self.per_cutoff) / len(self.per_cutoff) if self.per_cutoff else None


def lift_with_error(frame: pl.DataFrame, k_percent: int, *, min_positives: int, weighted: bool = False) -> Lift:
    """Lift at K percent per cutoff, and the standard error of the mean by customer.

    Lift is a ratio of means, (bought in the top / top) / (bought / all), so that each row moves it by
    ``lift * (y t / T - t / M - y / P + 1 / N)`` to first order (y bought, t in the top; T, M, P, N their sums). The
    movements of all rows of a customer are added before they are squared: a customer at two cutoffs counts once. The
    ranking is held fixed.

    Parameters
    ----------
    frame
        Rows of one population, as in `Evaluation`.
    k_percent
        Whole percent of the list.
    min_positives
        Distinct positive customers a cutoff needs to be judged.
    weighted
        Whether rows count by ``weight`` (negative as 0) instead of one each.
    """
    values: list[float] = []
    moved: list[pl.DataFrame] = []
    for part in frame.partition_by("cutoff", maintain_order=True):
        if _positives(part) < max(1, min_positives) or part["p"].n_unique() < 2:
            continue
        ranked = part.with_columns(_share_of_fold().alias("p")) if part["fold"].n_unique() > 1 else part
        order = metrics.model_order(ranked["p"], ranked["margin"], ranked["customer_id"])
        w = part["weight"].clip(0).to_numpy().astype(np.float64) if weighted else np.ones(part.height)
        top = np.zeros(part.height)
        top[order[: metrics.top_m(part.height, k_percent)]] = 1.0
        bought = part["label"].to_numpy().astype(np.float64)
        sums = [float((w * v).sum()) for v in (bought * top, top, bought)]
        if not sums[1] or not sums[2]:
            continue
        lift = sums[0] / sums[1] / (sums[2] / float(w.sum()))
        first = bought * top / sums[0] if sums[0] else 0.0
        movement = lift * w * (first - top / sums[1] - bought / sums[2] + 1.0 / float(w.sum()))
        values.append(lift)
        moved.append(pl.DataFrame({"customer_id": part["customer_id"], "moved": movement}))
    if not values:
        return Lift([], None)
    by_customer = pl.concat(moved).group_by("customer_id").agg(pl.col("moved").sum()).sort("customer_id")["moved"]
    return Lift(values, math.sqrt(math.fsum((by_customer / len(values)) ** 2)))


@dataclass(frozen=True)
class Signal:
    """Whether a ranking is more than chance.

    Attributes
    ----------
    verdict
        ``none``, ``weak`` (more than chance, and little), ``clear``, or ``unknown`` with too few positives.
    z
        Distance of the AUC from one half in standard errors of chance; None when unknown.
    auc
        The AUC it speaks of, of margins, within fold and cutoff.
    """

    verdict: str
    z: float | None
    auc: float | None


#: One-sided 99 % point of the normal distribution: below it a ranking is called chance.
SIGNAL_Z = 2.33
#: Variance of the mean AUC of group folds, in terms of that of independent folds. Each fold is ranked by what the
#: others taught, so that the likeness of two folds counts twice, once from either side: measured on coins 1.35 ** 2.
FOLDS_TEACH_EACH_OTHER = 2.0
#: An AUC below this sorts too little to act on.
WEAK_AUC = 0.60


def signal(frame: pl.DataFrame, *, min_positives: int) -> Signal:
    """Compare a ranking with chance.

    If labels are drawn without looking at features, the AUC of n1 positives and n0 negatives has mean 1/2 and variance
    ``(n1 + n0 + 1) / (12 n1 n0)`` (Mann-Whitney; ties make it smaller). Folds are combined by their pairs, and
    vary twice as much as independent ones. The cutoffs'
    AUCs are averaged, and so are their variances: customers and label windows repeat from cutoff to cutoff, so that
    several cutoffs are not taken for more evidence than one.

    Parameters
    ----------
    frame
        Rows of one population, as in `Evaluation`. Ranked by margin: a flat calibration hides no ranking.
    min_positives
        Distinct positive customers needed.
    """
    if _positives(frame) < max(1, min_positives):
        return Signal("unknown", None, None)
    found = [ranked for part in frame.partition_by("cutoff", maintain_order=True) if (ranked := _against_chance(part))]
    if not found:
        return Signal("unknown", None, None)
    auc = sum(a for a, _ in found) / len(found)
    z = (auc - 0.5) / math.sqrt(sum(v for _, v in found) / len(found))
    verdict = "none" if z < SIGNAL_Z else "weak" if auc < WEAK_AUC else "clear"
    return Signal(verdict, metrics.finite(z), metrics.finite(auc))


def _against_chance(rows: pl.DataFrame) -> tuple[float, float] | None:
    """AUC of one cutoff over pairs within a fold, and its variance under chance."""
    won = pairs = spread = 0.0
    folds = rows.partition_by("fold", maintain_order=True)
    for part in folds:
        value = metrics.auc(part["label"].to_numpy(), part["margin"].to_numpy())
        if value is not None:
            positives = int(part["label"].sum())
            mine = positives * (part.height - positives)
            won, pairs = won + value * mine, pairs + mine
            spread += mine * (part.height + 1) / 12.0
    return (won / pairs, spread / pairs**2 * (FOLDS_TEACH_EACH_OTHER if len(folds) > 1 else 1.0)) if pairs else None


def _share_of_fold() -> pl.Expr:
    """The middle of a row's ranks, as a share of its fold: equal scores stay equal, a constant fold is 0.5 throughout.

    Rounded, because shares of folds of different size are equal only up to the last bit.
    """
    return ((pl.col("p").rank("average") - 0.5) / pl.len()).round(12).over("fold")
