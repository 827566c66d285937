"""What the status of the accounts says at a cutoff: the inputs of the gates on contact, open deals and region.

Belongs here: turning today's extract into what was true at the cutoff, as far as it can tell. Does not belong here: the
gates themselves (`eligibility`).

An extract knows the last contact only and the deals that are open today. So a contact after the cutoff hides any
earlier one, and a deal closed since is forgotten: both make a past list longer, never shorter, and the list of the
latest cutoff is exact.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from gosales_assets.taxonomy import match_key
from gosales_assets.timeline import days_since, until


def status_as_of(status: pl.DataFrame | None, cutoff: date) -> pl.DataFrame | None:
    """Inputs of the gates, one row per account.

    Parameters
    ----------
    status
        ``account_status``; None or without rows when there is no such source.
    cutoff
        Last day included.

    Returns
    -------
    DataFrame or None
        ``customer_id`` and, of ``days_since_last_contact`` (Int32), ``has_open_deal`` and ``region_match`` (Boolean),
        those the source tells of anybody; null where it does not tell. None when it tells of nothing, so that the gates
        are known not to have been evaluated.
    """
    if status is None:
        return None
    contact = pl.when(until(cutoff, "last_contact_date")).then(days_since(cutoff, pl.col("last_contact_date")))
    opened_later = (pl.col("open_deal_date") > cutoff).fill_null(False)
    told = status.select(
        "customer_id",
        days_since_last_contact=contact,
        has_open_deal=pl.col("has_open_deal") & ~opened_later,
        region_match=match_key("region") == match_key("rep_region"),
    )
    known = [c for c in told.columns[1:] if told[c].count()]
    return told.select("customer_id", *known) if known else None
