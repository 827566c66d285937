"""What a capacity would have bought: scenarios over the list order, and performance by segment.

Belongs here: which customers a scenario contacts and what came of them. Does not belong here: intervals of these
numbers; alerts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gosales_assets.engine.metrics import populations, stack, top_m

UNKNOWN_SEGMENT = "unknown"

#: Outcomes that will carry an interval.
INTERVALS = ("capture", "precision", "rev_capture", "realized_gp")

TOPK_SCHEMA: dict[str, Any] = {
    "mode": pl.String,
    "k_percent": pl.Int64,
    "contacts": pl.Int64,
    "capture": pl.Float64,
    "precision": pl.Float64,
    "expected_gp_norm": pl.Float64,
    "realized_gp": pl.Float64,
    "rev_capture": pl.Float64,
    "accounts_per_rep": pl.Int64,
    "segment_column": pl.String,
    "positives": pl.Int64,
    "status": pl.String,
    **{f"{name}_ci_{end}": pl.Float64 for name in INTERVALS for end in ("lo", "hi")},
}


def list_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as a list of contacts: p descending, value descending, recency ascending, customer ascending."""
    return frame.sort(
        "p_hat",
        "ev_norm",
        "context__recency_days",
        "customer_id",
        descending=[True, True, False, False],
        nulls_last=True,
        maintain_order=True,
    )


def topk_scenarios(
    frame: pl.DataFrame,
    *,
    capacity_grid: Sequence[int],
    accounts_per_rep_grid: Sequence[int],
    segment_columns: Sequence[str],
    min_positives: int,
) -> pl.DataFrame:
    """Capacity scenarios of each population, in the order of definition.

    Parameters
    ----------
    frame
        A `ValidationFrame`; a column ``rep`` adds the scenarios per representative.
    capacity_grid
        Whole percent: ``top_percent`` contacts the best ``top_m``, ``hybrid_segment`` as many, one per segment in turn.
    accounts_per_rep_grid
        ``per_rep`` contacts the best so many of each representative.
    segment_columns
        ``hybrid_segment`` turns over the first of them that the frame has; a missing value is a segment of its own.
    min_positives
        Positive customers below which capture, precision and rev_capture are null.

    Returns
    -------
    DataFrame
        Schema `TopkScenarios`. ``expected_gp_norm`` sums rank shares (no unit), ``realized_gp`` net gross profit of the
        window (currency, returns included), ``rev_capture`` is a share of the positive gross profit. Intervals are null
        until they are computed. No scenario for an empty population.
    """
    tables = {}
    for name, rows in populations(frame).items():
        ordered = list_order(rows)
        result = _Outcomes(ordered, min_positives)
        scenarios = (
            [
                *_top_percent(ordered, capacity_grid),
                *_per_rep(ordered, accounts_per_rep_grid),
                *_hybrid(ordered, capacity_grid, segment_columns),
            ]
            if rows.height
            else []
        )
        tables[name] = pl.DataFrame([how | result.of(chosen) for how, chosen in scenarios], schema=TOPK_SCHEMA)
    return stack(tables)


def sorted_scenarios(scenarios: pl.DataFrame, *, population: str, calibrated: bool) -> pl.DataFrame:
    """The same scenarios, best first: the rows of ``population``, then by expected value or by capture.

    Parameters
    ----------
    scenarios
        From `topk_scenarios`.
    population
        The population that counts.
    calibrated
        Whether probabilities can be trusted, so that expected value may decide; otherwise capture does.
    """
    first = "expected_gp_norm" if calibrated else "capture"
    return scenarios.sort(
        pl.col("population") != population,
        pl.col(first),
        pl.col("contacts"),
        pl.col("mode"),
        pl.col("k_percent"),
        descending=[False, True, False, False, False],
        nulls_last=True,
        maintain_order=True,
    )


Chosen = NDArray[np.int64]
Scenario = tuple[dict[str, Any], Chosen]


def _top_percent(ordered: pl.DataFrame, grid: Sequence[int]) -> Iterator[Scenario]:
    for k in grid:
        yield {"mode": "top_percent", "k_percent": k}, np.arange(top_m(ordered.height, k))


def _per_rep(ordered: pl.DataFrame, grid: Sequence[int]) -> Iterator[Scenario]:
    if "rep" not in ordered.columns:
        return
    place = ordered.select(pl.int_range(pl.len()).over("rep").alias("place"), pl.col("rep").is_not_null().alias("has"))
    for n in grid:
        chosen = place.select((pl.col("has") & (pl.col("place") < n)).arg_true()).to_series().to_numpy()
        yield {"mode": "per_rep", "accounts_per_rep": n}, chosen.astype(np.int64)


def _hybrid(ordered: pl.DataFrame, grid: Sequence[int], segment_columns: Sequence[str]) -> Iterator[Scenario]:
    column = next((c for c in segment_columns if c in ordered.columns), None)
    if column is None:
        return
    turns = (
        ordered.select(_segment(column))
        .with_row_index("row")
        .with_columns(pl.int_range(pl.len()).over("segment").alias("turn"))
        .sort("turn", "segment")["row"]
        .to_numpy()
        .astype(np.int64)
    )
    for k in grid:
        how = {"mode": "hybrid_segment", "k_percent": k, "segment_column": column}
        yield how, turns[: top_m(ordered.height, k)]


class _Outcomes:
    """What came of any choice of rows of one ordered population."""

    def __init__(self, ordered: pl.DataFrame, min_positives: int) -> None:
        self.open = bool(ordered["window_open"].any())
        self.y = ordered["label"].fill_null(0).to_numpy().astype(np.int64)
        self.gp = ordered["holdout_gp"].fill_null(0.0).to_numpy()
        self.value = ordered["ev_norm"].to_numpy()
        self.positives = int(self.y.sum())
        self.bought = math.fsum(self.gp.clip(min=0.0))
        self.status = _status(self.open, self.positives, min_positives)

    def of(self, chosen: Chosen) -> dict[str, Any]:
        hits = int(self.y[chosen].sum())
        judged = self.status == "ok" and len(chosen) > 0
        won = math.fsum(self.gp[chosen].clip(min=0.0))
        return {
            "contacts": len(chosen),
            "capture": hits / self.positives if judged else None,
            "precision": hits / len(chosen) if judged else None,
            "expected_gp_norm": math.fsum(self.value[chosen]),
            "realized_gp": None if self.open else round(math.fsum(self.gp[chosen]), 2),
            "rev_capture": won / self.bought if judged and self.bought > 0 else None,
            "positives": None if self.open else self.positives,
            "status": self.status,
        }


def segment_performance(
    frame: pl.DataFrame, *, segment_columns: Sequence[str], capacity_grid: Sequence[int], min_positives: int
) -> pl.DataFrame:
    """Performance inside each segment: its own best ``top_m`` rows against its own positives.

    Parameters
    ----------
    frame
        A `ValidationFrame`.
    segment_columns
        Columns to slice by; those the frame lacks are left out. A missing value is the segment ``unknown``.
    capacity_grid
        Whole percent of each segment.
    min_positives
        Positive customers in a segment below which its metrics are null.

    Returns
    -------
    DataFrame
        Schema `SegmentPerformance`.
    """
    return stack(
        {
            name: pl.concat(
                [
                    _segments(list_order(rows), column, k, min_positives)
                    for column in segment_columns
                    if column in frame.columns
                    for k in capacity_grid
                ]
                or [pl.DataFrame(schema=_SEGMENT_SCHEMA)]
            )
            for name, rows in populations(frame).items()
        }
    )


_SEGMENT_SCHEMA: dict[str, Any] = {
    "segment_col": pl.String,
    "segment": pl.String,
    "k_percent": pl.Int64,
    "n": pl.Int64,
    "positives": pl.Int64,
    "contacts": pl.Int64,
    "capture": pl.Float64,
    "precision": pl.Float64,
    "rev_capture": pl.Float64,
    "status": pl.String,
}


def _segments(ordered: pl.DataFrame, column: str, k: int, min_positives: int) -> pl.DataFrame:
    n, positives, contacts = pl.col("n"), pl.col("positives"), pl.col("contacts")
    gp = pl.col("holdout_gp").clip(lower_bound=0.0)
    size = pl.max_horizontal(pl.lit(1), pl.len() * k // 100)
    top = pl.int_range(pl.len()) < size
    sums = (
        ordered.with_columns(_segment(column))
        .group_by("segment", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            pl.col("label").cast(pl.Int64).sum().alias("positives"),
            size.cast(pl.Int64).alias("contacts"),
            pl.col("label").cast(pl.Int64).filter(top).sum().alias("hits"),
            # Cents: the sum then does not depend on the order of addition.
            gp.sum().round(2).alias("bought"),
            gp.filter(top).sum().round(2).alias("won"),
            pl.col("window_open").any().alias("open"),
        )
        .sort("segment")
    )
    judged = ~pl.col("open") & (positives >= max(1, min_positives))
    return sums.select(
        pl.lit(column).alias("segment_col"),
        "segment",
        pl.lit(k, pl.Int64).alias("k_percent"),
        n,
        pl.when(~pl.col("open")).then(positives).alias("positives"),
        contacts,
        pl.when(judged).then(pl.col("hits") / positives).alias("capture"),
        pl.when(judged).then(pl.col("hits") / contacts).alias("precision"),
        pl.when(judged & (pl.col("bought") > 0)).then(pl.col("won") / pl.col("bought")).alias("rev_capture"),
        pl.when("open")
        .then(pl.lit("window_open"))
        .when(judged)
        .then(pl.lit("ok"))
        .otherwise(pl.lit("insufficient_data"))
        .alias("status"),
    )


def _segment(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null(UNKNOWN_SEGMENT).alias("segment")


def _status(open_: bool, positives: int, min_positives: int) -> str:
    if open_:
        return "window_open"
    return "ok" if positives >= max(1, min_positives) else "insufficient_data"
