"""Whether the data reaches back as far as the features look.

Belongs here: judging the history before a cutoff. Does not belong here: computing a feature.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from gosales_assets.engine.findings import Finding
from gosales_assets.timeline import add_months


def history_finding(facts: pl.LazyFrame, cutoff: date, months: int) -> Finding:
    """Warn when the log begins later than ``months`` before the cutoff.

    Ownership and the longest windows are then cut off on the left: an old purchase is not a missing one, only unseen.

    Parameters
    ----------
    facts
        ``fact_transactions``.
    cutoff
        Last day known.
    months
        History wanted, months.
    """
    begins = facts.select(pl.col("order_date").min()).collect().item()
    wanted = add_months(cutoff, -months)
    reaches = begins is not None and begins <= wanted
    reason = (
        f"the log begins on {begins}; {months} months before the cutoff would be {wanted}: ownership and long windows "
        "see less than they ask for. Set a later timeline.first_cutoff, or shorter features.windows_months"
    )
    metadata = {"begins": str(begins), "wanted": str(wanted)}
    return Finding("customer_base", "quality_history", reaches, "WARN", "" if reaches else reason, metadata)
