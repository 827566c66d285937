"""What a training may say about itself: metrics and tables of rows its models have not seen.

Belongs here: averaging over cutoffs, the reported tables, the metrics document. Does not belong here: the formulas of
the metrics (`engine.metrics`), fits.

Ranks are compared only where they come from one model at one cutoff. Metrics are computed inside a cutoff and averaged,
each cutoff counting the same, because rows of different seasons have different base rates. Where a cutoff is scored by
several group folds, rows are ranked inside their fold: a fold rich in positives leaves the others, which fitted its
model, poor in them, so that ranks across folds run against the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    # The middle of a row's ranks, as a share of its fold: equal scores stay equal, a constant fold is 0.5 throughout.
    # Rounded, because shares of folds of different size are equal only up to the last bit.
    share = ((pl.col("p").rank("average") - 0.5) / pl.len()).round(12)
    values = metrics.summary(judged.with_columns(share.over("fold").alias("p")), **asked)
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
