"""A raw log -> typed records, their lines, and what each of them broke.

Belongs here: reading every value once, and the fate of every record. Does not belong here: the tables of the star, the
verdict on the log as a whole (`contracts`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.engine.parallel import side_by_side
from gosales_assets.engine.star.coding import NO_TEXTS, numbered
from gosales_assets.engine.star.contracts import RECORD_RULES
from gosales_assets.engine.star.currency import Currencies, to_account_currency
from gosales_assets.engine.star.headers import SOURCE_FILE, UNREADABLE, Headers
from gosales_assets.engine.star.lines import (
    Lines,
    breach,
    no_breaches,
    tidy_lines,
    wide_lines,
    with_division,
)
from gosales_assets.engine.star.overlaps import repeated_across_files
from gosales_assets.engine.star.parsing import (
    DateOrder,
    cents,
    date_order,
    floats_as_text,
    from_cents,
    identifier,
    parse_amounts,
    parse_dates,
    text,
)
from gosales_assets.engine.star.records import ROW, cells_at, repeated_ids, row_ids, with_identity
from gosales_assets.taxonomy import Taxonomy
from gosales_assets.timeline import infer_as_of

if TYPE_CHECKING:
    from gosales_assets.settings import EtlSettings, SalesLog

#: Fates of a record.
ACCEPTED, QUARANTINED, DUPLICATE = "accepted", "quarantined", "exact_duplicate"

FATES = pl.Enum([ACCEPTED, QUARANTINED, DUPLICATE])

#: Share of a column's cells that must be amounts for it to look like a product.
_NUMERIC_SHARE = 0.95
_LOOKS_LIKE_AMOUNT = r"^[ $€£(+-]*[0-9., ]*[0-9][0-9., ]*[ €)-]*$"


@dataclass
class Log:
    """The log as read: one row per record, one per line, and what they broke."""

    fields: pl.DataFrame
    lines: pl.DataFrame
    noughts: pl.Series
    breaches: pl.DataFrame
    as_of: date | None
    currencies: Currencies = field(default_factory=Currencies)
    date_order: DateOrder = field(default_factory=DateOrder)
    status: pl.Series = field(default_factory=lambda: pl.Series("status", [], dtype=FATES))

    def without_texts(self) -> Log:
        """What the accounts need of it: the number and the cents of every line, and the fate of every record."""
        return replace(self, fields=self.fields.select(ROW), lines=self.lines.select(ROW, "gp_cents"))


def read_log(records: pl.LazyFrame, headers: Headers, spec: SalesLog, taxonomy: Taxonomy, etl: EtlSettings) -> Log:
    """Read records and lines, and find out what becomes of each record."""
    added = [c for c in (SOURCE_FILE, UNREADABLE) if c in records.collect_schema()]
    columns = list(dict.fromkeys([*headers.used, *added]))
    raw = with_identity(records).select("_content", *columns).with_row_index(ROW).collect()
    content = raw.drop_in_place("_content").rechunk()
    fields, breaches = _fields(raw, content, headers, spec)
    read: Lines = wide_lines(raw.rechunk(), headers) if spec.layout == "wide" else tidy_lines(raw, headers, spec)
    lines = read.lines.with_columns(source_division=fields["source_division"].gather(read.lines[ROW]))
    lines = with_division(lines, taxonomy, spec)
    if spec.layout == "tidy":
        lines, broken = _tidy_products(lines, raw, headers, taxonomy)
        breaches += broken
    lines, broken, currencies = to_account_currency(lines, raw, headers, etl)
    breaches += [*broken, repeated_across_files(fields, lines, raw)]
    as_of = spec.as_of or infer_as_of(_dated(fields, etl))
    breaches += _date_bounds(fields, raw, headers, etl, as_of)
    if "record_id" in headers.fields:
        breaches += _repeated(fields, raw, headers)
    alone = fields.filter("is_duplicate").select(ROW)
    every = pl.concat([*read.breaches, *breaches, no_breaches()])
    every = _unreadable(every, lines).join(alone, on=ROW, how="anti")
    if UNREADABLE in raw.columns:
        every = _untrusted(every, raw.join(alone, on=ROW, how="anti"))
    duplicates = breach(alone, "", "exact_duplicate", None, "the same record was read before; counted once")
    quarantining = [rule for rule, effect in RECORD_RULES.items() if effect == "quarantine"]
    bad = every.filter(pl.col("violation_type").is_in(quarantining) | pl.col("quarantines")).select(ROW).unique()
    status = pl.repeat(ACCEPTED, fields.height, dtype=FATES, eager=True)
    for rows, fate in ((bad[ROW], QUARANTINED), (alone[ROW], DUPLICATE)):
        status = status.scatter(rows, pl.repeat(fate, len(rows), dtype=FATES, eager=True))
    return Log(
        fields=fields,
        lines=lines,
        noughts=read.noughts,
        breaches=pl.concat([every.drop("quarantines"), duplicates]),
        as_of=as_of,
        currencies=currencies,
        date_order=date_order(raw[headers.fields["order_date"]], spec.day_first),
        status=status,
    )


def _fields(
    raw: pl.DataFrame, content: pl.Series, headers: Headers, spec: SalesLog
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The fields of each record, typed. All texts that repeat are numbered; names are as they were written."""
    named = headers.fields
    written = raw.lazy().select(list(dict.fromkeys(named.values()))).pipe(floats_as_text).collect()

    def cells(name: str) -> pl.Series:
        if name not in named:
            return pl.repeat(None, raw.height, dtype=pl.String, eager=True)
        return written[named[name]].cast(pl.String)

    def dates(name: str) -> list[pl.Series]:
        if name not in named:
            return [pl.repeat(v, raw.height, dtype=t, eager=True) for v, t in ((None, pl.Date), (False, pl.Boolean))]
        return [series.rechunk() for series in parse_dates(raw[named[name]], spec.day_first)]

    def texts(name: str) -> pl.Series:
        return numbered(cells(name), text)

    customer, ids, (order_date, no_date), (invoice_date, no_invoice_date), invoice, division, rep, branch = (
        side_by_side(
            lambda: numbered(cells("customer_id"), identifier),
            lambda: row_ids(raw, content),
            lambda: dates("order_date"),
            lambda: dates("invoice_date"),
            lambda: _documents(cells("invoice_id")),
            lambda: texts("product_division"),
            lambda: texts("rep"),
            lambda: texts("branch"),
        )
    )
    fields = pl.DataFrame({
        ROW: raw[ROW].rechunk(),
        "customer_id": customer,
        # In one piece: a column in as many as a reader had buffers is many times slower to look up in.
        "customer_name": cells("customer_name").rechunk(),
        "order_date": order_date,
        "invoice_id": invoice,
        "invoice_date": invoice_date,
        "source_division": division,
        "rep": rep,
        "branch": branch,
    }).hstack(ids)  # fmt: skip
    bad = [
        ("order_date", "invalid_date", no_date, "not a date: quarantined"),
        ("invoice_date", "invalid_invoice_date", no_invoice_date, "not a date: left empty"),
        ("customer_id", "missing_customer_id", customer.is_null(), "blank: quarantined"),
        ("order_date", "missing_date", order_date.is_null() & ~no_date, "blank: quarantined"),
    ]
    return fields, [
        breach(cells_at(raw, which, named[name]), named[name], rule, "observed", details)
        for name, rule, which, details in bad
        if which.any()
    ]


def _documents(written: pl.Series) -> pl.Series:
    """Document numbers. Only text with ``.0`` can be a number written as a float; looking is cheaper than matching."""
    parse = identifier if written.str.contains(".0", literal=True).any() else text
    return written.to_frame("id").select(parse("id")).to_series().rechunk()


def _dated(fields: pl.DataFrame, etl: EtlSettings) -> pl.LazyFrame:
    """Records that count towards how far the log reaches."""
    return fields.lazy().filter(~pl.col("is_duplicate") & (pl.col("order_date") >= etl.min_date)).select("order_date")


def _date_bounds(
    fields: pl.DataFrame, raw: pl.DataFrame, headers: Headers, etl: EtlSettings, as_of: date | None
) -> list[pl.DataFrame]:
    header = headers.fields["order_date"]
    day = fields["order_date"]
    bounds = [("date_before_min", day < etl.min_date, f"before etl.min_date {etl.min_date}: quarantined")]
    if as_of is not None:
        bounds.append(("date_after_max", day > as_of, f"after the last complete day {as_of}: quarantined"))
    return [
        breach(cells_at(raw, outside.fill_null(False), header), header, rule, "observed", why)
        for rule, outside, why in bounds
    ]


def _repeated(fields: pl.DataFrame, raw: pl.DataFrame, headers: Headers) -> list[pl.DataFrame]:
    """Records under one id that are not the same record."""
    header = headers.fields["record_id"]
    file = pl.col(SOURCE_FILE) if SOURCE_FILE in raw.columns else pl.lit("")
    records = raw.select(ROW, record_id=identifier(header), source_file=file).filter(~fields["is_duplicate"])
    repeated = repeated_ids(records)
    return [
        breach(repeated.filter("superseded"), header, "superseded_record", "record_id", "a later file holds this id"),
        breach(
            repeated.filter(~pl.col("superseded")),
            header,
            "conflicting_record_id",
            "record_id",
            "different records of one file share this id",
        ),
    ]


def _unreadable(breaches: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Mark the records that say nothing but what cannot be read: ``quarantines``."""
    cells = pl.col("violation_type").is_in(["unparseable_amount", "unparseable_quantity"])
    suspects = breaches.lazy().filter(cells).select(ROW).unique()
    speaking = (
        lines.lazy()
        .filter((pl.col("gp_cents") != 0).fill_null(False) | (pl.col("quantity") != 0).fill_null(False))
        .select(ROW)
        .join(suspects, on=ROW, how="semi")
        .unique()
        .with_columns(speaks=True)
    )
    quarantines = cells & pl.col("speaks").is_null()
    details = pl.when(quarantines).then(pl.lit("nothing else on the record: quarantined")).otherwise("details")
    return (
        breaches.lazy()
        .join(speaking, on=ROW, how="left")
        .with_columns(details=details, quarantines=quarantines)
        .drop("speaks")
        .collect()
    )


def _untrusted(breaches: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Give the lines a reader could trust in no field one reason instead of one per empty field."""
    lost = raw.filter(pl.col(UNREADABLE).is_not_null()).select(ROW, observed=UNREADABLE)
    details = "the line does not fit the headers, so no field of it is trusted: quarantined"
    reason = breach(lost, "", "unreadable_record", "observed", details).with_columns(quarantines=True)
    return pl.concat([breaches.join(lost, on=ROW, how="anti"), reason])


def _tidy_products(
    lines: pl.DataFrame, raw: pl.DataFrame, headers: Headers, taxonomy: Taxonomy
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Judge the products of tidy lines, and name the product of a line that names only its division."""
    breaches = []
    where = headers.fields.get("product_division") or headers.fields["product_sku"]
    excluded = lines["excluded"]
    homeless = lines["product_division"].is_null() & ~excluded
    if homeless.any():
        named = pl.coalesce(pl.col("source_division", "product_sku").cast(pl.String))
        rows = lines.filter(homeless).select(ROW, observed=named)
        why = "neither the product nor the division is in the taxonomy: quarantined"
        breaches.append(breach(rows, where, "unknown_division", "observed", why))
    if "product_sku" in headers.fields:
        sku = headers.fields["product_sku"]
        blank = lines["product_sku"].is_null() & ~homeless & ~excluded
        if blank.any():
            breaches.append(
                breach(lines.filter(blank), sku, "missing_sku", None, "blank: the division stands for the product")
            )
        unknown = ~lines["known_sku"] & lines["product_sku"].is_not_null() & ~homeless & ~excluded
        if taxonomy.products and unknown.any():
            rows = lines.filter(unknown).select(ROW, observed=pl.col("product_sku"))
            why = "not in the taxonomy: counted for its division, for no target made of products"
            breaches.append(breach(rows, sku, "unknown_sku", "observed", why))
    return lines.with_columns(product_sku="stands_for"), breaches


def empty_log() -> Log:
    """What is left of a log that cannot be read."""
    fields = pl.DataFrame(
        schema={
            ROW: pl.UInt32,
            "customer_id": NO_TEXTS,
            "customer_name": pl.String,
            "order_date": pl.Date,
            "invoice_id": pl.String,
            "invoice_date": pl.Date,
            "source_division": NO_TEXTS,
            "rep": NO_TEXTS,
            "branch": NO_TEXTS,
            "source_row_id": pl.Int64,
            "is_duplicate": pl.Boolean,
        }
    )
    lines = pl.DataFrame(
        schema={
            ROW: pl.UInt32,
            "product_sku": NO_TEXTS,
            "gp_cents": pl.Int64,
            "quantity": pl.Float64,
            "source_division": NO_TEXTS,
            "product_division": NO_TEXTS,
            "excluded": pl.Boolean,
        }
    )
    return Log(fields, lines, pl.Series([], dtype=pl.UInt16), no_breaches(), None)


def unmapped_columns(records: pl.LazyFrame, headers: Headers) -> pl.DataFrame:
    """Columns nobody reads that hold amounts: ``column``, ``records`` with one that is not zero, ``total``."""
    schema = records.collect_schema()
    candidates = [c for c in headers.unread if schema[c] == pl.String or schema[c].is_numeric()]
    found = []
    if candidates:
        for column in records.select(sorted(candidates)).collect().get_columns():
            values = _amounts_of(column.drop_nulls())
            nonzero = int((values != 0).sum())
            if nonzero:
                total = values.to_frame("value").select(from_cents(cents("value").sum())).item()
                found.append((column.name, nonzero, total))
    return pl.DataFrame(found, {"column": pl.String, "records": pl.Int64, "total": pl.Float64}, orient="row")


def _amounts_of(values: pl.Series) -> pl.Series:
    """The amounts of a column that holds hardly anything else; none of one that holds text."""
    if values.dtype == pl.String:
        written = values.filter(values.to_frame("x").select(text("x").is_not_null()).to_series())
        if written.str.contains(_LOOKS_LIKE_AMOUNT).sum() < _NUMERIC_SHARE * len(written):
            return pl.Series([], dtype=pl.Float64)
        values = written
    return parse_amounts(values)[0].drop_nulls()
