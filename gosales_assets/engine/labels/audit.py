"""Who became positive, and when: the tables behind the pictures of a label.

Belongs here: counting labels by cohort, industry, month and cutoff. Does not belong here: labels, drawing.

Every share here has the denominator of the prevalence file: the customers with a label row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from gosales_assets.engine.labels.build import COHORTS, SHARE_DECIMALS, label_prevalence
from gosales_assets.timeline import from_month_index, month_index, month_start

#: Industries shown by name; the rest is one group.
INDUSTRIES = 6
UNKNOWN, REST = "unknown", "all others"


def by_cohort(prevalence: pl.DataFrame) -> pl.DataFrame:
    """Everybody, the three cohorts and the whitespace.

    Parameters
    ----------
    prevalence
        Result of `label_prevalence`.

    Returns
    -------
    DataFrame
        ``cohort``, ``customers``, ``positives``, ``prevalence`` (null without customers), in that order of cohorts;
        no rows for an empty roster.
    """
    groups = {"everybody": ("total", "positives", "prevalence")}
    groups |= {name.replace("_", " "): (f"is_{name}", f"positives_{name}", f"prevalence_{name}") for name in COHORTS}
    groups["whitespace"] = ("whitespace", "positives_whitespace", "prevalence_whitespace")
    return pl.concat(
        prevalence.select(cohort=pl.lit(name), customers=customers, positives=positives, prevalence=share)
        for name, (customers, positives, share) in groups.items()
    )


def by_industry(labels: pl.DataFrame, dim: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """The largest industries, customers without one, and all others.

    Parameters
    ----------
    labels
        Result of `build_labels`.
    dim
        dim_customer; ``customer_id``, ``industry``.

    Returns
    -------
    DataFrame
        ``industry``, ``customers``, ``positives``, ``prevalence``; the `INDUSTRIES` largest by customers, descending
        (ties: by name), then ``all others``. They add up to all labels.
    """
    positive = pl.col("label").sum().cast(pl.Int64)
    industries = (
        labels.lazy()
        .select("customer_id", "label")
        .join(dim.lazy().select("customer_id", "industry"), on="customer_id", how="left")
        .group_by(pl.col("industry").fill_null(UNKNOWN))
        .agg(customers=pl.len().cast(pl.Int64), positives=positive)
        .sort("customers", "industry", descending=[True, False])
        .collect()
    )
    rest = industries[INDUSTRIES:].select(industry=pl.lit(REST), customers="customers", positives="positives")
    pooled = rest.group_by("industry").agg(pl.col("customers", "positives").sum())
    share = (pl.col("positives") / pl.col("customers")).round(SHARE_DECIMALS)
    return pl.concat([industries[:INDUSTRIES], pooled]).with_columns(prevalence=share)


def by_month(labels: pl.DataFrame) -> pl.DataFrame:
    """Positives by the month of their first purchase in the window.

    Parameters
    ----------
    labels
        Result of `build_labels`.

    Returns
    -------
    DataFrame
        ``month`` (``YYYY-MM``), ``positives``: every month the window touches, ascending. A customer who is positive
        without a purchase in the window, which a negative threshold allows, stands in no month.
    """
    if labels.is_empty():
        return pl.DataFrame(schema={"month": pl.String, "positives": pl.Int64})
    start, end = labels.select("window_start", "window_end").row(0)
    months = pl.select(index=pl.int_range(month_index(start), month_index(end) + 1)).select(
        month=from_month_index("index")
    )
    bought = labels.filter(label=1).group_by(month=month_start("first_purchase_date_in_window")).len("positives")
    return months.join(bought, on="month", how="left", maintain_order="left").select(
        pl.col("month").dt.to_string("%Y-%m"), pl.col("positives").fill_null(0).cast(pl.Int64)
    )


def by_cutoff(labels: Mapping[str, pl.DataFrame], *, mode: str) -> pl.DataFrame:
    """Prevalence over the cutoffs of a division.

    Parameters
    ----------
    labels
        Label frames by cutoff (``YYYY-MM-DD``).
    mode
        As for `label_prevalence`.

    Returns
    -------
    DataFrame
        ``cutoff``, ``prevalence``, ``prevalence_whitespace``, ``censored`` and ``widened`` (Boolean), ascending; no row
        for a cutoff at which nobody was known.
    """
    known = {date.fromisoformat(cutoff): frame for cutoff, frame in sorted(labels.items()) if frame.height}
    rows = [
        label_prevalence(frame, mode=mode).select(
            cutoff=pl.lit(cutoff),
            prevalence="prevalence",
            prevalence_whitespace="prevalence_whitespace",
            censored=pl.col("censored") > 0,
            widened=pl.lit(frame["effective_window_months"][0] > frame["requested_window_months"][0]),
        )
        for cutoff, frame in known.items()
    ]
    return pl.concat([pl.DataFrame(schema=_BY_CUTOFF), *rows])


_BY_CUTOFF: dict[str, type[pl.DataType]] = {
    "cutoff": pl.Date,
    "prevalence": pl.Float64,
    "prevalence_whitespace": pl.Float64,
    "censored": pl.Boolean,
    "widened": pl.Boolean,
}
