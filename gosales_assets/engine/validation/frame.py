"""The validation frame: every scored customer beside what happened in the label window.

Belongs here: joining scores with labels, and refusing a pair that does not belong together. Does not belong here:
any metric.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.taxonomy import Target
from gosales_assets.timeline import label_window

if TYPE_CHECKING:
    from gosales_assets.settings import WhitespaceSettings

#: The one source of forward outcomes: the label asset of the same division and cutoff.
LABEL_SOURCE = "labels"

#: Attributes of customers that performance is sliced by.
ATTRIBUTES = ("industry", "industry_sub")


def validation_frame(
    scores: pl.DataFrame,
    labels: pl.DataFrame,
    dim: pl.DataFrame,
    *,
    target: Target,
    cutoff: date,
    whitespace: WhitespaceSettings,
) -> pl.DataFrame:
    """Join the scores of a cutoff with the labels of the window after it.

    Parameters
    ----------
    scores
        ``division_scores`` of the cutoff: one row per modelled customer. A column ``rep`` is carried along.
    labels
        ``labels`` of the same division and cutoff. They may leave out customers who never bought anything (label mode
        ``expansion``); those are not judged.
    dim
        ``dim_customer``, for industry.
    target, cutoff
        The partition.
    whitespace
        ``ev_cap_percentile``.

    Returns
    -------
    DataFrame
        Schema `ValidationFrame`, sorted by customer_id. While the window is open (the data ends before it does)
        ``label`` and ``holdout_gp`` are null: a purchase not seen yet is not a purchase not made. ``ev_capped`` is the
        gross profit of the recent window capped at its quantile, in currency; ``ev_norm`` its rank share in (0, 1],
        0 when it is equal for everybody.

    Raises
    ------
    ValueError
        When scores and labels are of another division, cutoff or window, repeat a customer, disagree on who owns the
        target, or when a customer with purchases has no label.
    """
    for name, frame in (("division_scores", scores), ("labels", labels)):
        _single(name, frame, "division", target.slug)
        _single(name, frame, "cutoff", cutoff)
        if twice := frame.height - frame["customer_id"].n_unique():
            raise ValueError(f"{name} of {target.slug} at {cutoff}: {twice} customers occur more than once")
    outcomes = labels.select(
        "customer_id",
        "label",
        pl.col("net_gp_window").alias("holdout_gp"),
        "censored_flag",
        pl.col("window_start", "window_end", "ownership", "segment").name.suffix("_of_label"),
    )
    frame = scores.join(outcomes, on="customer_id", how="left").sort("customer_id")
    unlabelled = pl.col("censored_flag").is_null()
    if strangers := frame.filter(unlabelled & pl.col("context__recency_days").is_not_null())["customer_id"].to_list():
        raise ValueError(
            f"labels of {target.slug} at {cutoff} lack {len(strangers)} scored customers with purchases, first "
            f"{strangers[0]!r}; scores and labels were made from different data: rebuild both"
        )
    frame = frame.filter(~unlabelled)
    for column in ("window_start", "window_end", "ownership", "segment"):
        _agree(frame, column, target, cutoff)
    open_ = pl.col("window_open")
    return (
        with_expected_value(frame, whitespace.ev_cap_percentile)
        .join(_attributes(dim), on="customer_id", how="left", maintain_order="left")
        .with_columns((pl.col("censored_flag") == 1).any().alias("window_open"))
        .select(
            "customer_id",
            "division",
            "division_name",
            "cutoff",
            "window_start",
            "window_end",
            "segment",
            "ownership",
            *ATTRIBUTES,
            *(["rep"] if "rep" in frame.columns else []),
            "p_hat",
            "margin",
            "base_rate",
            "context__gp_recent",
            pl.col("context__recency_days").cast(pl.Int32),
            "ev_capped",
            "ev_norm",
            pl.when(~open_).then("label").cast(pl.Int8).alias("label"),
            pl.when(~open_).then("holdout_gp").alias("holdout_gp"),
            pl.col("censored_flag").cast(pl.Int8),
            open_,
            pl.lit(LABEL_SOURCE).alias("label_source"),
        )
    )


def with_expected_value(frame: pl.DataFrame, quantile: float) -> pl.DataFrame:
    """Add ``ev_capped`` (currency) and ``ev_norm`` (rank share) from ``context__gp_recent``.

    One huge customer must not decide what a scenario is worth: the amount is capped at ``quantile`` of the frame
    (linear interpolation), unknown counts as 0. The norm is the average rank over the number of rows.
    """
    cap = frame["context__gp_recent"].quantile(quantile, interpolation="linear")
    capped = pl.col("context__gp_recent")
    if cap is not None:
        capped = capped.clip(upper_bound=cap)
    share = pl.col("ev_capped").rank("average") / pl.len()
    varies = pl.col("ev_capped").n_unique() > 1
    return frame.with_columns(capped.fill_null(0.0).alias("ev_capped")).with_columns(
        pl.when(varies).then(share).otherwise(0.0).alias("ev_norm")
    )


def trained_before(train_scores: pl.DataFrame, cutoff: date, window_months: int) -> tuple[list[date], date | None]:
    """The cutoffs a model learned from and the last day of their label windows.

    Raises
    ------
    ValueError
        When that day is after the cutoff: the model has then seen what it is judged on.
    """
    cutoffs = sorted(train_scores["cutoff"].unique().to_list())
    if not cutoffs:
        return [], None
    last_day = label_window(cutoffs[-1], window_months).until
    if last_day > cutoff:
        raise ValueError(
            f"the model was trained on cutoff {cutoffs[-1]}, whose labels reach {last_day}, after the cutoff judged, "
            f"{cutoff}; retrain it with earlier cutoffs"
        )
    return cutoffs, last_day


def _single(name: str, frame: pl.DataFrame, column: str, expected: Any) -> None:
    if other := [v for v in frame[column].unique().sort().to_list() if v != expected]:
        raise ValueError(f"{name}.{column} holds {other[0]}, expected {expected}: not the partition asked for")


def _agree(frame: pl.DataFrame, column: str, target: Target, cutoff: date) -> None:
    mine, theirs = pl.col(column), pl.col(f"{column}_of_label")
    if (differ := frame.filter(mine.ne_missing(theirs))).height:
        row = differ.row(0, named=True)
        raise ValueError(
            f"{target.slug} at {cutoff}: {column} differs between division_scores and labels for {differ.height} "
            f"customers, first {row['customer_id']!r} ({row[column]} and {row[f'{column}_of_label']}); rebuild both "
            "from the same data and settings"
        )


def _attributes(dim: pl.DataFrame) -> pl.DataFrame:
    known = [pl.col(c).cast(pl.String) if c in dim.columns else pl.lit(None, pl.String).alias(c) for c in ATTRIBUTES]
    return dim.select("customer_id", *known)
