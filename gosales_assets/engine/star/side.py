"""The tables beside the log, from text to types: items, CRM, account status.

Belongs here: the form of each, one row per key, and every row or cell that could not be used. Does not belong here:
headers (`sources.side`), assets (`assets`), joining to customers (`customers`).

No row is dropped in silence: a row without its key, a row that lost to a better one of the same key and a cell that
cannot be read each become a line of contract_violations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from gosales_assets.engine.star.parsing import floats_as_text, identifier, name_key, parse_dates, text
from gosales_assets.taxonomy import Taxonomy, fold, match_key

TRUE_TEXTS, FALSE_TEXTS = ("true", "t", "yes", "y", "1", "x"), ("false", "f", "no", "n", "0")

#: Stages and statuses that say an account has bought; whole words, so that "former customer" is none of them.
CUSTOMER_STAGES = ("customer", "active customer", "customer-closed won", "closed won")

BREACH_SCHEMA = {
    "table_name": pl.String,
    "row_key": pl.String,
    "column_name": pl.String,
    "violation_type": pl.String,
    "observed_value": pl.String,
    "details": pl.String,
}


@dataclass(frozen=True)
class Form:
    """How the text of a side table is read: its key, then its columns by kind of value."""

    table: str
    key: str
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """Columns beside the key, in order."""
        return (*self.ids, *self.texts, *self.dates, *self.flags)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.key, *self.values)

    def schema(self) -> dict[str, type[pl.DataType]]:
        of = dict.fromkeys(self.dates, pl.Date) | dict.fromkeys(self.flags, pl.Boolean)
        return {c: of.get(c, pl.String) for c in self.columns}


CRM = Form(
    "crm_attributes",
    "customer_id",
    ids=("account_group",),
    texts=("customer_name", "territory", "region", "stage", "status", "rep"),
    dates=("date_created", "first_cre_date", "first_cpe_date", "first_hw_date"),
    flags=("is_inactive",),
)
STATUS = Form(
    "account_status",
    "customer_id",
    texts=("rep", "region", "rep_region"),
    dates=("last_contact_date", "open_deal_date"),
    flags=("has_open_deal",),
)
ITEMS = Form(
    "item_taxonomy",
    "internalid",
    texts=("itemid", "name", "item_rollup", "product_sku", "division", "department", "category"),
)


@dataclass(frozen=True)
class Side:
    """A side table ready for use.

    Attributes
    ----------
    table
        Typed rows, sorted by key.
    breaches
        What could not be used: `BREACH_SCHEMA`.
    counts
        Rows by stage; ``received`` is the sum of the others. Empty when the table is absent.
    """

    table: pl.DataFrame
    breaches: list[pl.DataFrame] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def breach(rows: pl.DataFrame, table: str, column: str, rule: str, details: str) -> pl.DataFrame:
    """Rows (``row_key``, ``observed_value``) as lines of contract_violations, without their severity."""
    return rows.select(
        table_name=pl.lit(table),
        row_key=pl.col("row_key").cast(pl.String).fill_null(""),
        column_name=pl.lit(column),
        violation_type=pl.lit(rule),
        observed_value=pl.col("observed_value").cast(pl.String),
        details=pl.lit(details),
    )


def one_per_key(
    rows: pl.DataFrame, key: str, values: Sequence[str], *, before: Sequence[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row per key, and the rows that lost.

    Parameters
    ----------
    rows
        Any number of rows per key; equal rows are one, rows without a key none.
    key
        Column of the key.
    values
        What makes a row complete. The most complete row of a key is kept, of equals the smallest by these columns in
        their order.
    before
        Columns that decide between equally complete rows before ``values`` do.

    Returns
    -------
    (kept, lost)
        Columns of ``rows``, each sorted.
    """
    filled = pl.sum_horizontal(pl.col(c).is_not_null() for c in values)
    order = [*before, *values]
    ordered = (
        rows.lazy()
        .filter(pl.col(key).is_not_null())
        .unique()
        .with_columns(_filled=filled)
        .sort(key, "_filled", *order, descending=[False, True, *[False] * len(order)], nulls_last=True)
        .drop("_filled")
        .collect()
    )
    first = ordered.select(pl.col(key).is_first_distinct()).to_series()
    return ordered.filter(first), ordered.filter(~first)


def lost_rows(lost: pl.DataFrame, key: str, values: Sequence[str], table: str, rule: str) -> pl.DataFrame:
    """Rows that lost to another of their key, as violations."""
    shown = pl.concat_str([pl.col(c).cast(pl.String) for c in values], separator=" | ", ignore_nulls=True)
    rows = lost.select(row_key=pl.col(key).cast(pl.String), observed_value=shown)
    why = f"another row of the same key is more complete in {', '.join(values)}, or comes first"
    return breach(rows, table, key, rule, why)


def condition(form: Form, received: pl.DataFrame | None, *, min_date: date, day_first: bool = False) -> Side:
    """Type a side table and keep one row per key.

    Parameters
    ----------
    form
        Its columns.
    received
        Text; columns it lacks are null. None is an absent table.
    min_date
        Earlier dates are placeholders, and unknown.
    day_first
        Whether 3/4/2024 is 3 April.

    Returns
    -------
    Side
        ``table`` has the columns of ``form``; the same for any order of the rows.
    """
    if received is None:
        return Side(pl.DataFrame(schema=form.schema()))
    typed, breaches = _typed(form, received, min_date, day_first)
    keyed = typed.filter(pl.col(form.key).is_not_null())
    kept, lost = one_per_key(keyed, form.key, form.values)
    breaches.append(lost_rows(lost, form.key, form.values, form.table, "side_conflicting_row"))
    counts = {
        "received": received.height,
        "without_key": received.height - keyed.height,
        "repeated": keyed.height - kept.height,
        "used": kept.height,
    }
    return Side(kept, breaches, counts)


def condition_items(
    received: pl.DataFrame | None, taxonomy: Taxonomy, *, min_date: date, day_first: bool = False
) -> Side:
    """Type the item list; every row that has a key or a name is kept, for it is looked up by both.

    A division that the taxonomy does not know is reported and taken as unknown; a known one is spelled as there.
    """
    if received is None:
        return Side(pl.DataFrame(schema=ITEMS.schema()))
    typed, breaches = _typed(ITEMS, received, min_date, day_first, must_have=("internalid", "itemid", "name"))
    spelled = {fold(d): d for d in taxonomy.divisions}
    division = match_key("division").replace_strict(spelled, default=None, return_dtype=pl.String)
    strange = typed.filter(pl.col("division").is_not_null() & division.is_null())
    breaches.append(
        breach(
            strange.select(row_key=pl.coalesce("internalid", "itemid", "name"), observed_value="division"),
            ITEMS.table,
            "division",
            "side_unknown_division",
            f"taken as unknown; the taxonomy knows {', '.join(taxonomy.divisions)}",
        )
    )
    named = typed.filter(pl.any_horizontal(pl.col("internalid", "itemid", "name").is_not_null()))
    kept = named.with_columns(division).unique().sort(pl.all(), nulls_last=True)
    _, lost = one_per_key(kept, "internalid", ITEMS.values)
    breaches.append(lost_rows(lost, "internalid", ITEMS.values, ITEMS.table, "side_conflicting_row"))
    counts = {
        "received": received.height,
        "without_key": received.height - named.height,
        "repeated": named.height - kept.height,
        "used": kept.height,
    }
    return Side(kept, breaches, counts)


def account_type(stage: str = "stage", status: str = "status", *bought: str) -> pl.Expr:
    """``customer`` when stage or status is one of `CUSTOMER_STAGES` or a first purchase is known, else ``prospect``."""
    says = pl.any_horizontal(name_key(c).is_in(CUSTOMER_STAGES).fill_null(False) for c in (stage, status))
    has = pl.any_horizontal(pl.col(c).is_not_null() for c in bought) if bought else pl.lit(False)
    return pl.when(says | has).then(pl.lit("customer")).otherwise(pl.lit("prospect"))


def parse_flags(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Yes and no in the usual spellings as Boolean, and where something stood there that is neither."""
    word = text(pl.col("raw")).str.to_lowercase()
    value = pl.when(word.is_in(TRUE_TEXTS)).then(True).when(word.is_in(FALSE_TEXTS)).then(False)
    out = values.alias("raw").to_frame().select(value=value, bad=word.is_not_null() & value.is_null())
    return out["value"], out["bad"]


def dates(
    raw: pl.Series, row_key: pl.Series, table: str, column: str, rule: str, earliest: date, day_first: bool
) -> tuple[pl.Series, list[pl.DataFrame]]:
    """Dates of a column; what is no date, or too early to be one, is null and reported.

    Parameters
    ----------
    raw, row_key
        The column as received, and the key its violations are filed under.
    table, column, rule
        What the violations name; ``rule`` is that of text which is no date.
    earliest
        Earlier dates are placeholders.
    day_first
        Whether 3/4/2024 is 3 April.
    """
    values, broken = parse_dates(raw, day_first)
    early = (values < earliest).fill_null(False)
    rows = pl.DataFrame({"row_key": row_key, "observed_value": raw.cast(pl.String)})
    found = [
        breach(rows.filter(broken), table, column, rule, "not a date: taken as unknown"),
        breach(rows.filter(early), table, column, "side_implausible_date", f"before {earliest}: taken as unknown"),
    ]
    return values, found


def _typed(
    form: Form, received: pl.DataFrame, min_date: date, day_first: bool, must_have: Sequence[str] = ()
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """All rows with the types of the form, and what could not be read."""
    rows = (
        received.lazy()
        .with_columns(pl.lit(None, pl.String).alias(c) for c in form.columns if c not in received.columns)
        .select(form.columns)
        .pipe(floats_as_text)
        .with_columns(identifier(c) for c in (form.key, *form.ids))
        .with_columns(text(c) for c in form.texts)
        .collect()
    )
    keys = must_have or (form.key,)
    label = rows.select(pl.coalesce(keys)).to_series()
    without = rows.filter(label.is_null()).select(
        row_key=pl.lit(""),
        observed_value=pl.concat_str(
            [pl.col(c).cast(pl.String) for c in form.values], separator=" | ", ignore_nulls=True
        ),
    )
    breaches = [breach(without, form.table, form.key, "side_missing_key", f"no {' or '.join(keys)}: left out")]
    columns = {}
    for name in form.dates:
        values, found = dates(rows[name], label, form.table, name, "side_unparseable_value", min_date, day_first)
        columns[name] = values.to_frame("day").select(pl.when(pl.col("day") >= min_date).then("day")).to_series()
        breaches += found
    for name in form.flags:
        columns[name], bad = parse_flags(rows[name])
        seen = pl.DataFrame({"row_key": label, "observed_value": rows[name].cast(pl.String)}).filter(bad)
        details = "neither yes nor no: taken as unknown"
        breaches.append(breach(seen, form.table, name, "side_unparseable_value", details))
    return rows.with_columns(**columns), breaches
