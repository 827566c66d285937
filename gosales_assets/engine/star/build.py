"""Raw sales log -> star schema, with the proof that nothing was lost.

Belongs here: the order of the steps, and the accounts. Does not belong here: how a value is parsed (`parsing`), a
column found (`headers`), a line read (`lines`), a rule judged (`contracts`).

A record has one of three fates: *accepted*, *quarantined* (it breaks a rule and is listed in contract_violations) or
*exact duplicate* of another record. Accepted records have lines, and a line is written, left out because both its
values are zero, or left out because its division is excluded. Amounts are whole cents from the moment they are read,
so that the accounts close exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.findings import Finding, Severity
from gosales_assets.engine.parallel import side_by_side
from gosales_assets.engine.star.accounts import count_rows
from gosales_assets.engine.star.checksums import checksums
from gosales_assets.engine.star.coding import as_texts, coded, in_order
from gosales_assets.engine.star.contracts import Judge, violations
from gosales_assets.engine.star.events import fact_events
from gosales_assets.engine.star.headers import Headers, map_headers
from gosales_assets.engine.star.lines import with_invoice
from gosales_assets.engine.star.parsing import from_cents, text
from gosales_assets.engine.star.parties import Parties, judge_parties, parties
from gosales_assets.engine.star.reading import (
    ACCEPTED,
    QUARANTINED,
    empty_log,
    read_log,
    unmapped_columns,
)
from gosales_assets.engine.star.records import ROW
from gosales_assets.engine.star.snapshot import drift, schema_snapshot
from gosales_assets.engine.star.twins import twins
from gosales_assets.taxonomy import Taxonomy

if TYPE_CHECKING:
    from gosales_assets.settings import EtlSettings, SalesLog

#: Order of the facts; complete, so that it does not depend on the order of the log.
FACT_ORDER = (
    "customer_id",
    "order_date",
    "invoice_id",
    "product_sku",
    "product_division",
    "gross_profit",
    "quantity",
    "source_row_id",
)


@dataclass(frozen=True)
class Star:
    """The star schema, its evidence, and what was found."""

    fact_transactions: pl.DataFrame
    dim_customer: pl.DataFrame
    fact_events: pl.DataFrame
    fact_assets: pl.DataFrame
    account_status: pl.DataFrame
    row_counts: pl.DataFrame
    contract_violations: pl.DataFrame
    schema_snapshot: dict[str, Any]
    checksums: dict[str, Any]
    findings: list[Finding]


def build_star(
    records: pl.LazyFrame,
    *,
    spec: SalesLog,
    taxonomy: Taxonomy,
    etl: EtlSettings,
    enrichment: pl.DataFrame | None = None,
    assets: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    crm: pl.DataFrame | None = None,
    status: pl.DataFrame | None = None,
    matches: pl.DataFrame | None = None,
    previous_snapshot: Mapping[str, Any] | None = None,
) -> Star:
    """Build the star schema from a raw log.

    Bad data does not raise: it is quarantined and judged, and the findings say whether the star may be used.

    Parameters
    ----------
    records
        The log as received, one row per record; a column ``_source_file`` names the file and is no content.
    spec
        Layout, headers, ``as_of``, ``day_first``, ``gross_profit_share``, ``exclude_divisions``.
    taxonomy
        Products, divisions and targets.
    etl
        Date bound, caps and severities.
    enrichment, assets, items, crm, status, matches
        The tables beside the log, as received: industries, assets, item list, CRM attributes, account status, accepted
        pairs of names. None is a source that is not configured, which is another thing than one without rows.
    previous_snapshot
        The schema snapshot of the previous build.

    Returns
    -------
    Star
        Tables sorted by their key; the same content for any order of the records.

    Raises
    ------
    ValueError
        When ``etl.severity`` names an unknown rule, or the assets lack a column.
    """
    judge = Judge(etl)
    schema = records.collect_schema()
    headers = map_headers(schema.names(), spec, taxonomy)
    unmapped = unmapped_columns(records, headers)

    raw = records.select(pl.len()).collect().item()
    log = empty_log() if headers.blocked else read_log(records, headers, spec, taxonomy, etl)
    del records  # a log that was kept in memory is as large as everything made of it
    accepted = log.status == ACCEPTED
    counts = accepted.gather(log.lines[ROW])
    first_seen = _first_seen(log.fields, accepted)

    def customers() -> Parties:
        return parties(
            first_seen,
            enrichment=enrichment,
            assets=assets,
            items=items,
            crm=crm,
            status=status,
            matches=matches,
            taxonomy=taxonomy,
            etl=etl,
            day_first=spec.day_first,
        )

    def sales() -> tuple[pl.DataFrame, pl.DataFrame]:
        facts = _facts(log.lines, counts, log.fields, spec)
        return facts, fact_events(facts, taxonomy)

    made, (facts, events) = side_by_side(customers, sales)

    def told() -> tuple[pl.DataFrame, pl.DataFrame]:
        suspects = twins(made.dim_customer)
        about_columns = _about_columns(headers, unmapped, judge)
        return suspects, violations(
            log.breaches, log.fields["source_row_id"], about_columns, [made.breaches, suspects], judge
        )

    (suspects, broken), written = side_by_side(told, lambda: as_texts(facts))
    # All has been said of single records: their texts are let go.
    accepted_lines = log.lines.select("gp_cents", "quantity", "excluded").filter(counts)
    log = log.without_texts()
    curated = {
        "fact_transactions": written,
        "dim_customer": made.dim_customer,
        "fact_events": events,
        "fact_assets": made.fact_assets,
        "account_status": made.account_status,
    }
    snapshot, row_counts = side_by_side(
        lambda: schema_snapshot(schema, headers.roles, curated),
        lambda: count_rows(raw, raw if headers.blocked else 0, log, accepted_lines, facts, events, made.counts),
    )
    unreadable = "; ".join(f"column {m.column!r} is missing" for m in headers.missing if m.fatal)
    changes = drift(previous_snapshot, snapshot)
    later = log.breaches.filter(violation_type="date_after_max")[ROW].n_unique()

    def judged() -> list[Finding]:
        return [
            *judge.columns(headers),
            judge.quarantine(
                log.breaches,
                raw=raw,
                quarantined=int((log.status == QUARANTINED).sum()),
                written=facts.height,
                unreadable=unreadable,
            ),
            judge.conservation(row_counts),
            judge.drift(changes, previous_snapshot is not None),
            judge.column_types(changes),
            judge.unmapped(unmapped),
            judge.as_of(spec.as_of is not None, log.as_of, later),
            judge.date_order(log.date_order, spec.day_first),
            judge.currency(log.currencies),
            judge.overlap(log.breaches),
            judge.one_id(suspects, made.dim_customer),
            *judge.references(facts, made.dim_customer, events, taxonomy),
            *judge_parties(made, judge),
        ]

    sums, findings = side_by_side(lambda: checksums(curated), judged)
    return Star(
        **curated,
        row_counts=row_counts,
        contract_violations=broken,
        schema_snapshot=snapshot,
        checksums=sums,
        findings=findings,
    )


def _facts(lines: pl.DataFrame, counts: pl.Series, fields: pl.DataFrame, spec: SalesLog) -> pl.DataFrame:
    """Lines that count, say something and are not left out, with the fields of their record, in `FACT_ORDER`."""
    something = pl.any_horizontal(pl.col("gp_cents", "quantity").fill_null(0) != 0)
    unread = ("excluded", "known_sku", "stands_for")
    saying = lines.select(pl.exclude(unread)).filter(lines.select(~pl.col("excluded") & something & counts).to_series())
    saying = saying.rechunk()
    revenue = pl.col("revenue") if "revenue" in saying.columns else pl.lit(None, pl.Float64)
    facts = (
        saying.with_columns(fields[c].gather(saying[ROW]) for c in ("customer_id", "order_date", "source_row_id"))
        .pipe(with_invoice, fields["invoice_id"], per_record=spec.layout == "wide")
        .select(
            "customer_id",
            "invoice_id",
            "order_date",
            "product_sku",
            "product_division",
            from_cents(pl.col("gp_cents").fill_null(0)).alias("gross_profit"),
            pl.col("quantity").fill_null(0.0),
            "source_division",
            "source_row_id",
            revenue.alias("revenue"),
            ROW,
        )
    )
    facts = facts[_in_order(facts)]
    of_record = ("branch", "rep", "invoice_date")
    facts = facts.with_columns(fields[c].gather(facts[ROW]) for c in of_record)
    return facts.select(pl.exclude(*of_record, "revenue", ROW), *of_record, "revenue")


def _first_seen(fields: pl.DataFrame, accepted: pl.Series) -> pl.DataFrame:
    """Customers under each of their names, with the first day: all a dimension needs of many records."""
    records = fields.lazy().select("customer_id", "customer_name", "order_date").filter(accepted)
    # Customer and name are told apart by one hash: a customer lost by two sharing theirs fails contract_references.
    key = pl.col("customer_name").hash() ^ pl.col("customer_id").to_physical().hash()
    first = records.group_by(key.alias("key")).agg(
        pl.col("customer_id", "customer_name").first(), pl.col("order_date").min()
    )
    return as_texts(first.drop("key").with_columns(text("customer_name")).collect())


def _in_order(facts: pl.DataFrame) -> pl.Series:
    """Row numbers of facts in `FACT_ORDER`.

    What shares customer and day is looked at key by key: runs that are in order already are left, and rows that differ
    from their neighbours are done.
    """
    customer, _ = coded(facts["customer_id"])
    day = facts["order_date"]
    rows = in_order(customer, day)
    run = pl.DataFrame([customer.gather(rows), day.gather(rows)]).select(_run(pl.all())).to_series()
    at = pl.int_range(facts.height, dtype=pl.UInt32, eager=True)
    for name in FACT_ORDER[2:]:
        same = run == run.shift(1)
        tied = (same | same.shift(-1)).fill_null(False)
        at, run = at.filter(tied), run.filter(tied)
        if at.is_empty():
            break
        value = _comparable(facts[name]).gather(rows.gather(at)).alias("value")
        late = (value < value.shift(1)) & (run == run.shift(1))
        if late.any():
            mixed = pl.repeat(False, facts.height, dtype=pl.Boolean, eager=True).scatter(run.filter(late), True)
            some = mixed.gather(run).arg_true()
            order = some.gather(_by_value(run.gather(some), value.gather(some)))
            rows = rows.scatter(at.gather(some), rows.gather(at.gather(order)))
            value = value.scatter(some, value.gather(order))
        run = pl.DataFrame([run, value]).select(_run(pl.all())).to_series()
    return rows


def _run(columns: pl.Expr) -> pl.Expr:
    """The number of a row among the runs of rows that are equal in all columns, from 0."""
    return (pl.any_horizontal(columns != columns.shift(1)).fill_null(True).cum_sum() - 1).alias("run")


def _comparable(column: pl.Series) -> pl.Series:
    """A key whose values compare as they sort: numbered texts by their numbers, null first."""
    return (coded(column)[0] + 1).fill_null(0) if isinstance(column.dtype, pl.Enum) else column


def _by_value(run: pl.Series, value: pl.Series) -> pl.Series:
    """The order of rows by run, then by value."""
    if value.dtype.is_integer():
        return in_order(run, value)
    return pl.DataFrame([run, value]).select(pl.arg_sort_by("run", "value")).to_series()


def _about_columns(
    headers: Headers, unmapped: pl.DataFrame, judge: Judge
) -> list[tuple[str, str, str | None, str, Severity]]:
    """Violations of rules about columns: column, rule, observed value, details, severity."""
    missing = [
        (m.column, "missing_column", None, m.details, judge.column_severity("missing_column", m.kind))
        for m in headers.missing
    ]
    unread = [
        (
            column,
            "unmapped_column",
            f"{total:.2f}",
            f"{records} record(s) hold an amount nobody reads; add it to the taxonomy",
            judge.column_severity("unmapped_column"),
        )
        for column, records, total in unmapped.iter_rows()
    ]
    return [*missing, *unread]
