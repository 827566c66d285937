"""The accounts of a build: every record and every cent of the log, by stage.

Belongs here: counting. Does not belong here: the verdict on the counts (`contracts`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gosales_assets.engine.star.parsing import from_cents, whole_cents
from gosales_assets.engine.star.reading import ACCEPTED, DUPLICATE, QUARANTINED, Log
from gosales_assets.engine.star.records import ROW


def _total(lines: pl.DataFrame) -> int:
    return int(lines["gp_cents"].sum())


def count_rows(
    raw: int,
    unread: int,
    log: Log,
    accepted_lines: pl.DataFrame,
    facts: pl.DataFrame,
    events: pl.DataFrame,
    side: Sequence[tuple[str, str, int]],
) -> pl.DataFrame:
    """The accounts: by record, by line and by cent. The parts are counted, not inferred from each other.

    Parameters
    ----------
    raw, unread
        Records of the log, and those of them that nothing could be read of because a column is missing.
    log
        The log as read.
    accepted_lines
        Lines of accepted records, with ``excluded``.
    facts, events
        The facts of the star.
    side
        Table, stage and rows of everything beside the log.

    Returns
    -------
    DataFrame
        Schema `gosales_assets.engine.star.schema.RowCounts`, in the order of the work.
    """
    records = dict(log.status.value_counts().iter_rows())
    fates = log.lines.select("gp_cents", status=log.status.gather(log.lines[ROW]))
    profits = dict(fates.group_by("status").agg(pl.col("gp_cents").sum()).iter_rows())
    literal_zero = int(log.noughts.filter(log.status == ACCEPTED).sum() or 0)
    left_out = accepted_lines.filter("excluded")
    nothing = pl.all_horizontal(pl.col("gp_cents", "quantity").fill_null(0) == 0)
    zero = int(accepted_lines.select((~pl.col("excluded") & nothing).sum()).item() or 0)
    unknown = log.breaches.filter(violation_type="unparseable_amount").height + log.currencies.unknown
    counts: list[tuple[str, str, int, int | None]] = [
        ("sales_log", "raw", raw, _total(log.lines)),
        ("sales_log", "unread", unread, 0),
        *(("sales_log", s, records.get(s, 0), profits.get(s, 0)) for s in (DUPLICATE, QUARANTINED, ACCEPTED)),
        ("sales_log", "unknown_gross_profit", unknown, None),
        (
            "fact_transactions",
            "accepted_lines",
            accepted_lines.height + literal_zero,
            _total(accepted_lines),
        ),
        ("fact_transactions", "excluded_division", left_out.height, _total(left_out)),
        ("fact_transactions", "zero_line", zero + literal_zero, 0),
        ("fact_transactions", "written", facts.height, facts.select(whole_cents("gross_profit").sum()).item()),
        ("fact_events", "written", events.height, None),
        *((table, stage, n, None) for table, stage, n in side),
    ]
    frame = pl.DataFrame(
        counts, {"table": pl.String, "stage": pl.String, "rows": pl.Int64, "gross_profit": pl.Int64}, orient="row"
    )
    return frame.with_columns(gross_profit=from_cents("gross_profit"))
