"""Records -> lines: what was sold, for how much, in which division.

Belongs here: reading the lines of both layouts, coalescing the headers of one product, divisions and routing, document
numbers. Does not belong here: which records are good (`contracts`).

A line is a row of ``_row`` (number of its record), ``product_sku``, ``gp_cents`` (Int64, null when unknown),
``quantity`` (Float64, null when unknown) and, in the tidy layout, ``product_division`` and ``revenue``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.engine.parallel import side_by_side
from gosales_assets.engine.star.coding import NO_TEXTS, combinations, numbered
from gosales_assets.engine.star.headers import Headers, ProductColumns
from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS, cents, from_cents, parse_amounts, text
from gosales_assets.engine.star.records import ROW, cells_at
from gosales_assets.taxonomy import Taxonomy, fold, match_key

if TYPE_CHECKING:
    from gosales_assets.settings import SalesLog

_LINE = {
    ROW: pl.UInt32,
    "product_sku": pl.String,
    "gp_cents": pl.Int64,
    "quantity": pl.Float64,
}

#: One breach of a rule by a record: number, column, rule, what was read, and what follows.
BREACH = {
    ROW: pl.UInt32,
    "column_name": pl.String,
    "violation_type": pl.String,
    "observed_value": pl.String,
    "details": pl.String,
}

#: Cells that are nothing or nought, the bulk of a wide log; they need no parser.
_NOUGHT = ("", "0", "0.0", "0.00")


@dataclass
class Lines:
    """The lines of a log.

    Attributes
    ----------
    lines
        See the module; zero lines that say something else (an unreadable cell) are among them.
    noughts
        Lines per record whose cells are literally zero, which are not among them.
    breaches
        What the cells broke.
    """

    lines: pl.DataFrame
    noughts: pl.Series
    breaches: list[pl.DataFrame] = field(default_factory=list)


def breach(rows: pl.DataFrame, column: str, rule: str, observed: str | None, details: str) -> pl.DataFrame:
    """Breaches of one rule in one column.

    Parameters
    ----------
    rows
        The offending rows, with ``_row`` and the column ``observed``.
    column
        Header of the log.
    rule
        Name of the rule.
    observed
        Column of ``rows`` that was read; None when there was nothing.
    details
        What follows.
    """
    return rows.select(
        pl.col(ROW).cast(pl.UInt32),
        column_name=pl.lit(column),
        violation_type=pl.lit(rule),
        observed_value=pl.col(observed).cast(pl.String) if observed else pl.lit(None, pl.String),
        details=pl.lit(details),
    )


def no_breaches() -> pl.DataFrame:
    """An empty frame of breaches."""
    return pl.DataFrame(schema=BREACH)


# --- wide -------------------------------------------------------------------------------------------------------------


def wide_lines(records: pl.DataFrame, headers: Headers) -> Lines:
    """Turn the product columns of a wide log into lines.

    Parameters
    ----------
    records
        One row per record, with ``_row``.
    headers
        Where the products are.
    """
    noughts = pl.repeat(0, records.height, dtype=pl.UInt16, eager=True)
    sold: list[tuple[ProductColumns, pl.DataFrame]] = []
    for columns in headers.products:
        cells = records.select(ROW, *columns.headers)
        filled = pl.any_horizontal(_says_something(cells, h) for h in columns.headers)
        written = pl.any_horizontal(pl.col(h).is_not_null() & ~_blank(cells, h) for h in columns.headers)
        noughts = noughts + cells.select((written & ~filled).cast(pl.UInt16)).to_series()
        if not (said := cells.filter(filled)).is_empty():
            sold.append((columns, said))
    breaches: list[pl.DataFrame] = []
    parts = [_product_lines(columns, cells, breaches) for columns, cells in _parsed(sold)]
    lines = pl.concat(parts) if parts else pl.DataFrame(schema=_LINE)
    return Lines(lines, noughts, breaches)


#: Cells of a product with what they mean: text, value, and whether it is no amount, by header.
_Cells = tuple[pl.Series, dict[str, tuple[pl.Series, pl.Series, pl.Series]]]


def _parsed(sold: list[tuple[ProductColumns, pl.DataFrame]]) -> Iterator[tuple[ProductColumns, _Cells]]:
    """Parse the cells of all products: the text of all of them at once, since a parser costs more than a column."""
    texts = [cells[h] for columns, cells in sold for h in columns.headers if cells.schema[h] == pl.String]
    values, bad = parse_amounts(pl.concat(texts)) if texts else parse_amounts(pl.Series([], dtype=pl.String))
    start = 0
    for columns, cells in sold:
        meant = {}
        for header in columns.headers:
            if cells.schema[header] == pl.String:
                meant[header] = (cells[header], values.slice(start, cells.height), bad.slice(start, cells.height))
                start += cells.height
            else:
                meant[header] = (cells[header], *parse_amounts(cells[header]))
        yield columns, (cells[ROW], meant)


def _blank(cells: pl.DataFrame, header: str) -> pl.Expr:
    return pl.col(header) == "" if cells.schema[header] == pl.String else pl.lit(False)


def _says_something(cells: pl.DataFrame, header: str) -> pl.Expr:
    if cells.schema[header] == pl.String:
        return ~pl.col(header).is_in(_NOUGHT).fill_null(True)
    if cells.schema[header].is_numeric():
        return (pl.col(header) != 0).fill_null(False)
    return pl.col(header).is_not_null()


def _product_lines(columns: ProductColumns, cells: _Cells, breaches: list[pl.DataFrame]) -> pl.DataFrame:
    """Lines of one product; its headers are coalesced before anything is counted."""
    profit = _coalesce(cells, columns.gross_profit, "unparseable_amount", breaches)
    quantity = _coalesce(cells, columns.quantity, "unparseable_quantity", breaches)
    lines = pl.DataFrame({ROW: cells[0], "profit": profit, "quantity": quantity}).select(
        pl.col(ROW).cast(pl.UInt32),
        product_sku=pl.lit(columns.product.sku),
        gp_cents=cents("profit"),
        quantity=pl.col("quantity").round(QUANTITY_DECIMALS),
    )
    # A cell of blanks is no line; one that cannot be read is a breach.
    return lines.filter(pl.any_horizontal(pl.col("gp_cents", "quantity").is_not_null()))


def _coalesce(cells: _Cells, headers: tuple[str, ...], rule: str, breaches: list[pl.DataFrame]) -> pl.Series:
    """One value from several headers of the same thing: the first that is not zero.

    Two that are both not zero and differ by a cent or more contradict each other; the first counts, and the record is
    reported.
    """
    rows, meant = cells
    value = pl.repeat(None, len(rows), dtype=pl.Float64, eager=True)
    for header in headers:
        written, parsed, bad = meant[header]
        read = pl.DataFrame({ROW: rows, "observed": written})
        if bad.any():
            breaches.append(breach(read.filter(bad), header, rule, "observed", "read as unknown"))
        if header == headers[0]:
            value = parsed
            continue
        both = pl.DataFrame({"first": value, "second": parsed})
        first, second = cents("first"), cents("second")
        clash = both.select(((first != 0) & (second != 0) & (first != second)).fill_null(False)).to_series()
        if clash.any():
            details = f"{headers[0]} says something else"
            breaches.append(breach(read.filter(clash), header, "conflicting_alias", "observed", details))
        value = both.select(
            pl.when((first != 0).fill_null(False)).then("first").otherwise(pl.coalesce("second", "first"))
        ).to_series()
    return value


# --- tidy -------------------------------------------------------------------------------------------------------------


def tidy_lines(records: pl.DataFrame, headers: Headers, spec: SalesLog) -> Lines:
    """Read the lines of a tidy log, one per record.

    Gross profit is the column of that name; a log without one gets ``gross_profit_share`` of revenue.
    """
    fields = headers.fields
    derived = "gross_profit" not in fields
    breaches: list[pl.DataFrame] = []

    def amounts(name: str) -> list[pl.Series]:
        header = fields.get(name)
        if header is None:
            return [
                pl.repeat(v, records.height, dtype=t, eager=True) for v, t in ((None, pl.Float64), (False, pl.Boolean))
            ]
        return [series.rechunk() for series in parse_amounts(records[header])]

    rules = {
        "quantity": "unparseable_quantity",
        "revenue": "unparseable_amount" if derived else "unparseable_revenue",
        "gross_profit": "unparseable_amount",
    }
    products, *read = side_by_side(partial(_products, records, fields), *(partial(amounts, name) for name in rules))
    for (name, rule), (_, bad) in zip(rules.items(), read, strict=True):
        if bad.any():
            breaches.append(
                breach(cells_at(records, bad, fields[name]), fields[name], rule, "observed", "read as unknown")
            )
    quantity, revenue, profit = (values for values, _ in read)
    if derived:
        profit = revenue * (spec.gross_profit_share or 0.0)
    silent = profit.is_null() & quantity.is_null()
    if silent.any():
        header = fields["revenue" if derived else "gross_profit"]
        details = "neither gross profit nor quantity: no line"
        blank = cells_at(records, silent, header).join(pl.concat([*breaches, no_breaches()]), on=ROW, how="anti")
        breaches.append(breach(blank, header, "empty_line", None, details))
    lines = pl.DataFrame({"profit": profit, "quantity": quantity, "revenue": revenue, "product_sku": products}).select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW),
        "product_sku",
        gp_cents=cents("profit"),
        quantity=pl.col("quantity").round(QUANTITY_DECIMALS),
        revenue=from_cents(cents("revenue")),
    )
    return Lines(lines, pl.repeat(0, records.height, dtype=pl.UInt16, eager=True), breaches)


def _products(records: pl.DataFrame, fields: dict[str, str]) -> pl.Series:
    if (header := fields.get("product_sku")) is None:
        return pl.repeat(None, records.height, dtype=NO_TEXTS, eager=True)
    return numbered(records[header].cast(pl.String), text)


# --- divisions --------------------------------------------------------------------------------------------------------


def with_division(lines: pl.DataFrame, taxonomy: Taxonomy, spec: SalesLog) -> pl.DataFrame:
    """Add the division a line counts for, whether the product map has its SKU, and whether the settings leave it out.

    A SKU of the product map, in any case and under any of its headers, takes the map's spelling and belongs to its
    division, or to the one its route names for the selling division. Any other SKU belongs to the division its line
    names, when that is one of the taxonomy's. Null when neither is known.

    Parameters
    ----------
    lines
        ``product_sku``, ``source_division`` (selling division, or the division a tidy line names).
    taxonomy
        Products, routes and divisions.
    spec
        ``exclude_divisions``: left out is a line that counts for one of them or, in the tidy layout, names it.

    Returns
    -------
    DataFrame
        The lines in their order, with ``product_division``, ``known_sku``, ``excluded``, and ``stands_for``: the SKU,
        or the division that stands for the product of a line without one.
    """
    products = pl.LazyFrame(
        [(fold(h), p.sku, p.division) for p in taxonomy.products for h in (p.sku, *p.aliases)],
        {"_sku": pl.String, "_known": pl.String, "_mapped": pl.String},
        orient="row",
    ).unique("_sku", keep="first", maintain_order=True)
    routes = pl.LazyFrame(
        [(p.sku, source, to) for p in taxonomy.products for source, to in sorted(p.routes.items())],
        {"_known": pl.String, "_selling": pl.String, "_routed": pl.String},
        orient="row",
    )
    named = pl.LazyFrame(
        [(fold(d), d) for d in taxonomy.divisions], {"_selling": pl.String, "_named": pl.String}, orient="row"
    ).unique("_selling", keep="first", maintain_order=True)
    # A log has few pairs of product and division: they are looked up once each.
    left_out = [fold(d) for d in spec.exclude_divisions]
    counts_for = match_key("product_division").is_in(left_out).fill_null(False)
    names = pl.col("_selling").is_in(left_out).fill_null(False) if spec.layout == "tidy" else pl.lit(False)
    number, pairs = combinations(lines, ("product_sku", "source_division"))
    found = (
        pairs.lazy()
        .with_row_index("_pair")
        .with_columns(_selling=match_key("source_division"), _sku=match_key("product_sku"))
        .join(products, on="_sku", how="left")
        .join(routes, on=["_known", "_selling"], how="left")
        .join(named, on="_selling", how="left")
        .with_columns(product_division=pl.coalesce("_routed", "_mapped", "_named").str.strip_chars())
        .sort("_pair")
        .with_columns(product_sku=pl.coalesce("_known", "product_sku"))
        .select(
            "product_division",
            "product_sku",
            stands_for=pl.coalesce("product_sku", "product_division", "source_division"),
            known_sku=pl.col("_known").is_not_null(),
            excluded=counts_for | names,
        )
        .collect()
    )
    told = [numbered(c) if c.dtype == pl.String else c for c in found.get_columns()]
    return lines.with_columns(column.gather(number) for column in told)


def with_invoice(lines: pl.DataFrame, documents: pl.Series, *, per_record: bool) -> pl.DataFrame:
    """Give lines their document number, or a surrogate, ``AUTO-<customer>|<YYYYMMDD>-<n>``.

    Parameters
    ----------
    lines
        ``_row``, ``customer_id``, ``order_date``, ``source_row_id``.
    documents
        Document number of each record, null where there is none.
    per_record
        True (wide): a record is a document, and n counts the numberless records of a customer and day by their id.
        False (tidy): a record is a line, and the numberless lines of a customer and day are one document.
    """
    row = documents.is_null().gather(lines[ROW]).arg_true()
    number = (
        pl.col("source_row_id").rank("dense").over("customer_id", "order_date").cast(pl.String)
        if per_record
        else pl.lit("1")
    )
    day = pl.col("order_date").dt.strftime("%Y%m%d")
    surrogate = pl.concat_str(pl.lit("AUTO-"), "customer_id", pl.lit("|"), day, pl.lit("-"), number)
    made = lines.select("customer_id", "order_date", "source_row_id")[row].select(surrogate).to_series()
    # Numbers are scattered, not texts: Polars 2.1 then takes equal texts of a group for different ones.
    where = lines[ROW].clone().scatter(row, pl.int_range(len(made), dtype=pl.UInt32, eager=True) + len(documents))
    return lines.with_columns(pl.concat([documents, made]).gather(where).alias("invoice_id"))
