"""What `gosales init` does: look at somebody's log and propose the settings it can be run with.

Belongs here: guesses about headers, layout, divisions, dates and cutoffs, and the commented YAML they are written as.
Does not belong here: reading files (`files`), what settings mean.

A guess is made from a header's known names first (`taxonomy.find_headers`), then from words in the header together with
what the column holds. What stays uncertain gets a value the log runs with *and* a line ``# QUESTION: …`` above it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

from gosales_assets.sources.errors import SourceError
from gosales_assets.sources.files import SOURCE_COLUMN, UNREADABLE_COLUMN, read_tables, resolve
from gosales_assets.taxonomy import FIELD_ALIASES, Target, Taxonomy, find_headers, fold_header, match_key, slugify
from gosales_assets.timeline import (
    Calendar,
    add_days,
    add_months,
    covered_span,
    days_apart,
    days_between,
    is_month_end,
    month_end,
    month_index,
)

#: Records that column contents are judged on, taken evenly over the log.
PROFILED_RECORDS = 100_000
#: A division with fewer lines than this, or this share of all, is left out by name.
MIN_DIVISION_LINES, MIN_DIVISION_SHARE, MAX_DIVISIONS = 50, 0.005, 20
#: A log whose last day is this close to the end of its month is taken to be complete for it.
MONTH_END_GRACE_DAYS = 4
#: (label window, cadence, history before the first cutoff), months, richest first.
PLANS = ((6, 6, 24), (6, 3, 18), (6, 3, 12), (3, 3, 12), (3, 3, 6), (3, 1, 3), (1, 1, 1))
MAX_CUTOFFS = 10
MAX_EMBARGO_DAYS = 62
ASSUMED_GROSS_PROFIT_SHARE = 0.3
_DEFAULT_WINDOWS, _SHORT_WINDOWS = (3, 6, 12, 24), (1, 2, 3)
_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d", "%d-%b-%Y", "%d %b %Y",
                 "%b %d, %Y", "%m-%d-%Y")  # fmt: skip
_CLOCK = r"[T ]+\d{1,2}:\d{2}.*$"

_REQUIRED = {
    "wide": ("customer_id", "order_date"),
    "tidy": ("customer_id", "order_date", "product_sku", "product_division", "quantity", "gross_profit"),
}
_FIELDS = {
    "wide": ("order_date", "customer_id", "customer_name", "product_division", "invoice_id", "invoice_date", "revenue",
             "rep", "branch", "record_id"),
    "tidy": ("order_date", "customer_id", "product_division", "product_sku", "invoice_id", "gross_profit", "revenue",
             "quantity", "customer_name", "invoice_date", "rep", "branch", "record_id"),
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """What a column looks like. Shares are of its filled cells, 0 to 1."""

    header: str
    filled: int
    distinct: int
    dates: float
    numbers: float
    integers: float
    letters: float

    @property
    def words(self) -> str:
        return fold_header(self.header)

    @property
    def repeats(self) -> float:
        return self.filled / max(self.distinct, 1)


@dataclass(frozen=True)
class Proposal:
    """Settings for a log, and what is uncertain about them.

    Attributes
    ----------
    paths
        Files of the log.
    layout
        ``wide`` or ``tidy``.
    encoding
        Encoding to be named; None when the files are utf-8.
    separator
        CSV field separator.
    columns
        Field -> header.
    divisions
        Display name -> lines, largest first: what is modelled. For wide logs, display names of targets.
    left_out
        Display name -> lines: divisions too small, or too many.
    records, first_day, last_day
        Size and span of the log as it stands.
    start, as_of
        The span it can be trusted for.
    day_first
        Whether 3/4/2024 is 3 April.
    calendar
        Proposed cutoffs.
    history_months
        Whole months of data before the first cutoff.
    delay_days
        Days by which 95 % of the invoices follow their order; None without invoice dates.
    gross_profit_share
        Assumed share of revenue, when the log has no gross profit.
    unmapped
        Wide logs: columns with numbers that no product explains.
    side
        Side table -> file found beside the log.
    questions
        Setting -> what to decide.
    notes
        Setting -> what was seen.
    """

    paths: tuple[Path, ...]
    layout: Literal["wide", "tidy"]
    encoding: str | None
    separator: str
    columns: Mapping[str, str]
    divisions: Mapping[str, int]
    left_out: Mapping[str, int]
    records: int
    first_day: date
    last_day: date
    start: date
    as_of: date
    day_first: bool
    calendar: Calendar
    history_months: int
    delay_days: int | None
    gross_profit_share: float | None
    unmapped: tuple[str, ...] = ()
    side: Mapping[str, Path] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def propose(paths: Sequence[str | Path], taxonomy: Taxonomy | None = None) -> Proposal:
    """Look at a log and propose settings.

    Parameters
    ----------
    paths
        Files or globs, CSV or Parquet.
    taxonomy
        Products that make a log wide; the built-in map by default.

    Raises
    ------
    SourceError
        When the files cannot be read, hold no record, no column holds dates, or the span is under three months.
    """
    taxonomy = taxonomy or Taxonomy.reference()
    files = resolve([str(p) for p in paths], what="the log")
    separator = _separator(files)
    tables = read_tables([str(f) for f in files], separator=separator, what="the log")
    records = tables.records
    headers = [h for h in records.collect_schema().names() if h not in (SOURCE_COLUMN, UNREADABLE_COLUMN)]
    count = sum(d["records"] for d in tables.description)
    if not count:
        raise SourceError(f"{files[0]} has headers but no record; export the log again")
    products = _product_headers(headers, taxonomy)
    layout: Literal["wide", "tidy"] = "wide" if len(products) >= 2 else "tidy"
    free = [h for h in headers if layout == "tidy" or h not in products]
    profiles = _profile(records, free, count)
    questions: dict[str, str] = {}
    notes: dict[str, str] = {}
    columns = _map_columns(profiles, layout, questions)
    if "order_date" not in columns:
        raise SourceError(
            f"no column of {files[0]} holds dates (looked at {', '.join(free)}); without an order date there is no time"
        )
    lines, day_first = _dates(records, columns, questions)
    start, as_of = _span(lines, questions)
    share = _gross_profit(columns, layout, questions)
    delay = _delay(lines)
    embargo = _embargo(delay, questions)
    calendar, history = plan(start, as_of, embargo)
    unmapped: tuple[str, ...] = ()
    if layout == "tidy":
        kept, left = _tidy_divisions(records, columns, questions, notes)
    else:
        kept, left = _wide_divisions(records, products, taxonomy)
        named = set(columns.values())
        unmapped = tuple(p.header for p in profiles if p.header not in named and p.filled and p.numbers >= 0.9)
    encodings = {d.get("encoding", "utf-8") for d in tables.description} - {"utf-8", "ascii"}
    return Proposal(
        paths=tuple(files),
        layout=layout,
        encoding=encodings.pop() if len(encodings) == 1 and len(files) == 1 else None,
        separator=separator,
        columns=columns,
        divisions=kept,
        left_out=left,
        records=count,
        first_day=lines["order_date"].min(),  # type: ignore[arg-type]
        last_day=lines["order_date"].max(),  # type: ignore[arg-type]
        start=start,
        as_of=as_of,
        day_first=day_first,
        calendar=calendar,
        history_months=history,
        delay_days=delay,
        gross_profit_share=share,
        unmapped=unmapped,
        side=_side_files(files),
        questions=questions,
        notes=notes,
    )


# --- columns ---------------------------------------------------------------------------------------------------------


def _separator(files: Sequence[Path]) -> str:
    """The separator that splits the first CSV file's header into most fields."""
    for path in files:
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
        if not head.startswith(b"PAR1"):
            first = head.replace(b"\0", b"").splitlines()[:1]
            line = re.sub(rb'"[^"]*"', b"", first[0]) if first else b""
            return max((",", ";", "\t", "|"), key=lambda s: line.count(s.encode()))
    return ","


def _product_headers(headers: Iterable[str], taxonomy: Taxonomy) -> dict[str, tuple[str, bool]]:
    """Headers of the wide layout that belong to a product: header -> (SKU, whether it is gross profit)."""
    known: dict[str, tuple[str, bool]] = {}
    for product in taxonomy.products:
        known |= dict.fromkeys((product.sku, *product.aliases), (product.sku, True))
        known |= dict.fromkeys((product.quantity_header, *product.qty_aliases), (product.sku, False))
    return {h: known[h] for h in headers if h in known}


def _profile(records: pl.LazyFrame, headers: Sequence[str], count: int) -> list[Column]:
    sample = records.select(headers).gather_every(max(1, count // PROFILED_RECORDS)).collect()
    return [_column(sample[h]) for h in headers]


def _column(series: pl.Series) -> Column:
    temporal = series.dtype.is_temporal()
    values = series.drop_nulls().cast(pl.String).str.strip_chars()
    values = values.filter(values != "")
    n = max(len(values), 1)
    number = _number(values)
    numeric = number.drop_nulls()
    # Eight digits are a date only when the header says so; a real date column names its separators.
    dates = 1.0 if temporal else _parse(values, False).count() / n
    if not temporal and not re.search(r"date|day|_on$|_at$|when", fold_header(series.name)):
        dates *= _share(values.str.contains(r"^\d{8}$")) < 0.5
    return Column(
        header=series.name,
        filled=len(values),
        distinct=values.n_unique(),
        dates=dates if len(values) else 0.0,
        numbers=0.0 if temporal else len(numeric) / n,
        integers=0.0 if temporal else int((numeric == numeric.round(0)).sum()) / n,
        letters=0.0 if temporal else _share(values.str.contains(r"\p{L}")),
    )


def _share(mask: pl.Series) -> float:
    return int(mask.sum()) / max(len(mask), 1)


def _number(values: pl.Series) -> pl.Series:
    plain = values.str.replace_all(r"[$€£,\s]", "").str.replace(r"^\((.*)\)$", "-${1}")
    return plain.cast(pl.Float64, strict=False)


def _parse(values: pl.Series, day_first: bool) -> pl.Series:
    """Dates of texts, null where there is none."""
    if values.dtype.is_temporal():
        return values.cast(pl.Date)
    formats = list(_DATE_FORMATS)
    if day_first:
        formats[2], formats[3] = formats[3], formats[2]
    text = values.cast(pl.String).rename("text").to_frame()
    day = pl.col("text").str.strip_chars().str.replace(_CLOCK, "")
    parsed = pl.coalesce(day.str.to_date(f, strict=False) for f in formats)
    days = text.unique().with_columns(parsed.alias("day"))
    plausible = pl.col("day").dt.year().is_between(1900, 2200)
    days = days.with_columns(pl.when(plausible).then("day").alias("day"))
    return text.join(days, on="text", how="left", maintain_order="left")["day"]


Judge = Callable[[Column], float]


def _judge(words: str, fits: Callable[[Column], bool], *, against: str = r"$^", without_words: float = 0.0) -> Judge:
    """A score for a column: 0 impossible, under 1 a guess from content alone, from 1 on by name and content."""

    def score(column: Column) -> float:
        if not column.filled or not fits(column) or re.search(against, column.words):
            return 0.0
        hits = sum(bool(re.search(w, column.words)) for w in words.split())
        return float(hits) if hits else without_words

    return score


_PARTY = r"cust|client|account|acct|compan|household|member|buyer|debtor|shopper"
_KEY = r"(^|_)(id|no|nr|num|number|code|key|ref)$|(id|no)$"
_MONEY_NOT = r"percent|pct|%|rate|ratio|share"


def _amount(column: Column) -> bool:
    return column.numbers >= 0.9 and column.dates < 0.5


#: Field -> how well a column fits it. Words are patterns on the folded header, each worth one point.
_JUDGES: dict[str, Judge] = {
    "order_date": _judge(
        r"date|day|_on$|_at$|when|time book|order|sale|sold|trans|purchas|txn",
        lambda c: c.dates >= 0.7,
        against=r"due|deliver|ship|creat|updat|modif|expir|birth|invoic|bill",
        without_words=0.5,
    ),
    "invoice_date": _judge(r"invoic|bill|post", lambda c: c.dates >= 0.7),
    "customer_id": _judge(
        rf"{_PARTY} {_KEY}",
        lambda c: c.dates < 0.5 and c.numbers - c.integers < 0.1 and c.repeats >= 1.05,
        against=r"name|type|group|segment|class",
    ),
    "customer_name": _judge(rf"({_PARTY}).*name|^({_PARTY})[a-z]*$", lambda c: c.letters >= 0.8 and c.distinct > 1),
    "product_division": _judge(
        r"divis|depart|line|categ|famil|business|group|class|segment|range product|busin|line",
        lambda c: c.letters >= 0.8 and 1 <= c.distinct <= 100 and c.repeats >= 2,
        against=rf"{_PARTY}|region|rep$",
    ),
    "product_sku": _judge(
        r"sku|item|article|part|material|product "
        r"(_|^)(id|no|nr|code|key|sku|number)$|^(item|article|product|sku|part)$",
        lambda c: c.dates < 0.5 and c.numbers - c.integers < 0.1 and c.repeats >= 1.05,
        against=r"descr|name|categ|line|famil",
    ),
    "invoice_id": _judge(
        rf"invoic|order|doc|basket|ticket|receipt|bill|transaction|voucher {_KEY}",
        lambda c: c.dates < 0.5 and c.numbers - c.integers < 0.1 and c.distinct >= 2,
        against=r"date|type|status|line",
    ),
    "gross_profit": _judge(r"margin|profit|(^|_)gp($|_)|contribution|(^|_)db($|_)", _amount, against=_MONEY_NOT),
    "revenue": _judge(
        r"revenue|sales|turnover|amount|value|net|total|price",
        _amount,
        against=rf"{_MONEY_NOT}|margin|profit|cost|cogs|discount|tax|unit_price",
    ),
    "quantity": _judge(r"quant|qty|units|pieces|pcs|count|volume|seats|licen", _amount, against=r"price|cost|value"),
    "rep": _judge(
        r"(^|_)rep($|_)|salesp|seller|sold_by|account_manager|account_owner|agent", lambda c: c.letters >= 0.5
    ),
    "branch": _judge(r"branch|store|territor|region|office|location|site", lambda c: c.repeats >= 2),
}


def _map_columns(profiles: Sequence[Column], layout: str, questions: dict[str, str]) -> dict[str, str]:
    """Field -> header: by known names where the content agrees, else by words and content."""
    by_header = {p.header: p for p in profiles}
    named = find_headers(by_header, [f for f in _FIELDS[layout] if f in FIELD_ALIASES])
    found = {f: h for f, h in named.items() if _plausible(f, by_header[h])}
    for name in _FIELDS[layout]:
        judge = _JUDGES.get(name)
        if name in found or judge is None:
            continue
        taken = set(found.values())
        scored = sorted(((judge(p), -i, p) for i, p in enumerate(profiles) if p.header not in taken), reverse=True)
        if not scored or scored[0][0] <= 0:
            continue
        best, rivals = scored[0][2], [p.header for s, _, p in scored[1:] if s == scored[0][0]]
        found[name] = best.header
        if scored[0][0] < 1:
            questions[name] = f"is {best.header!r} the {name}? Only its content says so."
        elif rivals:
            questions[name] = (
                f"{best.header!r} was taken for the {name}; it could also be {', '.join(map(repr, rivals))}."
            )
    if layout == "tidy":
        for a, b in (("product_sku", "product_division"), ("product_division", "product_sku")):
            if a not in found and b in found and (a == "product_sku" or by_header[found[b]].distinct <= MAX_DIVISIONS):
                found[a] = found[b]
                questions[a] = f"no column for it was found, so {found[b]!r} serves as both."
    for name in _REQUIRED[layout]:
        if name not in found and name not in ("order_date", "gross_profit"):
            questions[name] = "no column looks like it; name its header, the run needs it."
    return {f: found[f] for f in _FIELDS[layout] if f in found}


def _plausible(name: str, column: Column) -> bool:
    if name in ("order_date", "invoice_date"):
        return column.dates >= 0.5
    if name in ("quantity", "revenue", "gross_profit"):
        return column.numbers >= 0.5
    if name == "record_id":
        return column.distinct >= 0.98 * column.filled
    if name == "product_division":
        return 1 <= column.distinct <= 200
    return column.filled > 0


# --- dates -----------------------------------------------------------------------------------------------------------


def _dates(records: pl.LazyFrame, columns: Mapping[str, str], questions: dict[str, str]) -> tuple[pl.DataFrame, bool]:
    """Order and invoice dates per record, and the order of day and month."""
    wanted = {f: columns[f] for f in ("order_date", "invoice_date") if f in columns}
    raw = records.select(pl.col(h).alias(f) for f, h in wanted.items()).collect()
    day_first = _day_first(raw["order_date"], questions)
    lines = raw.select(pl.Series(f, _parse(raw[f], day_first)) for f in wanted)
    if lines["order_date"].drop_nulls().is_empty():
        raise SourceError(f"column {columns['order_date']!r} holds no date that can be read")
    filled = raw["order_date"].drop_nulls().len()
    unread = filled - lines["order_date"].drop_nulls().len()
    if unread > 0.05 * filled:
        example = raw["order_date"].filter(lines["order_date"].is_null() & raw["order_date"].is_not_null())[0]
        questions["order_date"] = f"{unread} of {filled} dates cannot be read, for example {example!r}; is it the date?"
    return lines, day_first


def _day_first(values: pl.Series, questions: dict[str, str]) -> bool:
    if values.dtype != pl.String:
        return False
    parts = values.drop_nulls().unique().rename("t").to_frame().select(
        pl.col("t").str.extract_groups(r"^\s*(\d{1,2})/(\d{1,2})/\d{2,4}").struct.rename_fields(["a", "b"])
    )["t"].struct.unnest().drop_nulls().cast(pl.Int64)  # fmt: skip
    if parts.is_empty():
        return False
    a, b = parts["a"], parts["b"]
    days = int((a.is_between(13, 31) & b.is_between(1, 12)).sum())
    months = int((b.is_between(13, 31) & a.is_between(1, 12)).sum())
    if days and months:
        questions["day_first"] = f"{days} dates can only be day/month and {months} only month/day; which is the rest?"
    elif not days and not months and (a.is_between(1, 12) & b.is_between(1, 12)).any():
        questions["day_first"] = "every date with slashes could be read either way; is 3/4/2024 the 3rd of April?"
    return days > months


def _span(lines: pl.DataFrame, questions: dict[str, str]) -> tuple[date, date]:
    """First day and last day the log can be trusted for."""
    span = covered_span(lines.lazy())
    if span is None:
        raise SourceError("the log has no month with a usual number of records")
    start, last = span
    end = month_end(last.year, last.month)
    as_of = end if days_between(last, end) <= MONTH_END_GRACE_DAYS else last
    after = int((lines["order_date"] > as_of).sum())
    questions["as_of"] = f"is the log complete up to and including {as_of}?" + (
        f" {after} records are dated later and will be quarantined." if after else ""
    )
    return start, as_of


def _delay(lines: pl.DataFrame) -> int | None:
    if "invoice_date" not in lines.columns:
        return None
    days = lines.select(days_apart("order_date", "invoice_date").alias("d"))["d"].drop_nulls()
    return None if days.is_empty() else int(days.clip(0).quantile(0.95, "nearest") or 0)


def _embargo(delay: int | None, questions: dict[str, str]) -> int:
    if delay is None or delay <= 1:
        return 0
    if delay > MAX_EMBARGO_DAYS:
        questions["embargo_days"] = (
            f"5 % of the invoices follow their order by {delay} days or more; how late can an order be booked?"
        )
    return min(delay, MAX_EMBARGO_DAYS)


def plan(start: date, as_of: date, embargo_days: int) -> tuple[Calendar, int]:
    """Cutoffs that fit a span: the richest plan with two closed validations, else the best there is.

    Parameters
    ----------
    start, as_of
        First and last day the log can be trusted for.
    embargo_days
        Booking delay to keep between training and cutoff.

    Returns
    -------
    Calendar, int
        Cutoffs, and whole months of data before the first of them.

    Raises
    ------
    SourceError
        When not even monthly cutoffs leave one to train on.
    """
    last_month_end = as_of if is_month_end(as_of) else add_months(month_end(as_of.year, as_of.month), -1)
    whole = add_days(start, -7)  # data that begins in the first week of a month covers it
    found: list[tuple[int, Calendar, int]] = []
    for window, cadence, history in PLANS:
        last = last_month_end
        while last.month % cadence:
            last = add_months(last, -1)
        room = (month_index(last) - month_index(whole)) - history
        if room < 0:
            continue
        steps = min(room // cadence, MAX_CUTOFFS - 1)
        first = add_months(last, -steps * cadence)
        calendar = Calendar(first, last, cadence, window, embargo_days)
        validations = len(calendar.validation_cutoffs())
        behind = month_index(first) - month_index(whole)
        if validations >= 2:
            return calendar, behind
        if calendar.model_cutoffs():
            found.append((validations, calendar, behind))
    if not found:
        raise SourceError(
            f"the log covers {start} to {as_of}, which is too short to learn from one window and predict the next; "
            "three whole months are the least"
        )
    _, calendar, behind = max(found, key=lambda f: f[0])
    return calendar, behind


# --- money and divisions ---------------------------------------------------------------------------------------------


def _gross_profit(columns: Mapping[str, str], layout: str, questions: dict[str, str]) -> float | None:
    if layout == "wide" or "gross_profit" in columns:
        return None
    if "revenue" not in columns:
        questions["gross_profit"] = "neither gross profit nor revenue was found; name one of the two headers."
        return None
    questions["gross_profit_share"] = "the log has no gross profit; which share of revenue is it, roughly?"
    return ASSUMED_GROSS_PROFIT_SHARE


def _tidy_divisions(
    records: pl.LazyFrame, columns: Mapping[str, str], questions: dict[str, str], notes: dict[str, str]
) -> tuple[dict[str, int], dict[str, int]]:
    if "product_division" not in columns:
        return {}, {}
    name = pl.col(columns["product_division"]).cast(pl.String).str.strip_chars()
    counted = (
        records.select(name.alias("division"))
        .group_by("division")
        .len("lines")
        .collect()
        .with_columns(match_key("division").alias("key"))
        .sort("lines", "division", descending=[True, False])
    )
    blank = counted.filter(pl.col("key").is_null() | (pl.col("key") == ""))["lines"].sum()
    if blank:
        notes["divisions"] = f"{blank} lines name no division"
    merged = (
        counted.filter(pl.col("key").is_not_null() & (pl.col("key") != ""))
        .group_by("key", maintain_order=True)
        .agg(pl.col("division").first(), pl.col("lines").sum())
        .sort("lines", "division", descending=[True, False])
    )
    least = max(MIN_DIVISION_LINES, MIN_DIVISION_SHARE * int(merged["lines"].sum()))
    kept: dict[str, int] = {}
    left: dict[str, int] = {}
    slugs: set[str] = set()
    for division, lines in merged.select("division", "lines").iter_rows():
        usable = any(ch.isascii() and ch.isalnum() for ch in division)
        fits = usable and slugify(division) not in slugs and lines >= least and len(kept) < MAX_DIVISIONS
        (kept if fits else left)[division] = lines
        slugs |= {slugify(division)} if fits else set()
    if any(lines >= least for lines in left.values()):
        questions["divisions"] = (
            f"there are many divisions; the largest {len(kept)} were taken. Would a coarser column serve better?"
        )
    if not kept:
        kept, left = left, {}
    return kept, left


def _wide_divisions(
    records: pl.LazyFrame, products: Mapping[str, tuple[str, bool]], taxonomy: Taxonomy
) -> tuple[dict[str, int], dict[str, int]]:
    """Lines per default target: records with a number other than zero in the gross profit or quantity of a SKU."""
    by_sku: dict[str, list[str]] = {}
    for header, (sku, _) in products.items():
        by_sku.setdefault(sku, []).append(header)
    schema = records.collect_schema()

    def sold(header: str) -> pl.Expr:
        cell = pl.col(header)
        if schema[header] != pl.String:
            return cell.fill_null(0) != 0
        return cell.is_not_null() & ~cell.str.contains(r"^[\s$€£]*-?0*[.,]?0*\s*$")

    counts = records.select(pl.any_horizontal(map(sold, hs)).sum().alias(sku) for sku, hs in by_sku.items()).collect()
    lines = pl.DataFrame(
        {
            "product_sku": list(by_sku),
            "product_division": [taxonomy.by_sku[s].division for s in by_sku],
            "lines": [int(counts[s][0]) for s in by_sku],
        }
    )

    def of(target: Target) -> int:
        return int(lines.filter(target.lines())["lines"].sum())

    per_target = {t.display: of(t) for t in taxonomy.default_targets}
    least = max(MIN_DIVISION_LINES, MIN_DIVISION_SHARE * sum(per_target.values()))
    ordered = dict(sorted(per_target.items(), key=lambda item: (-item[1], item[0])))
    kept = {d: n for d, n in ordered.items() if n >= least}
    return kept or ordered, {d: n for d, n in ordered.items() if n < least} if kept else {}


#: Side table and the word its file is told by; the first that fits.
_SIDE_WORDS = (
    ("industry_matches", "industry_matches"),
    ("industry_enrichment", "industr"),
    ("customer_assets", "asset"),
    ("item_taxonomy", "item_taxonomy"),
    ("crm_attributes", "crm"),
    ("account_status", "account_status"),
)


def _side_files(files: Sequence[Path]) -> dict[str, Path]:
    """Side tables beside the log, told by their names."""
    found: dict[str, Path] = {}
    for path in sorted(files[0].parent.iterdir()):
        if path in files or path.suffix.lower() not in (".csv", ".parquet"):
            continue
        name = next((name for name, word in _SIDE_WORDS if word in path.stem.lower()), None)
        if name is not None:
            found.setdefault(name, path)
    return found


# --- the file --------------------------------------------------------------------------------------------------------


def render(proposal: Proposal, out_dir: str | Path = ".") -> str:
    """Write a proposal as ``gosales.yaml``.

    Parameters
    ----------
    proposal
        What `propose` found.
    out_dir
        Folder the file will stand in: paths are written relative to it, artifacts go there too.

    Returns
    -------
    str
        YAML that `Settings.load` accepts; a line beginning ``# QUESTION:`` stands above what is uncertain.
    """
    p, out = proposal, Path(out_dir)
    body: list[str] = [
        f"# Proposed by `gosales init` from {', '.join(f.name for f in p.paths)}: {p.records} records, "
        f"{p.first_day} to {p.last_day}.",
        "# Lines that begin with `# QUESTION:` ask for a decision; the value below each runs until you make it.",
        "",
        f"artifact_root: {_yaml(str(out_dir))}   # relative to the working directory",
        "",
        "sources:",
        "  sales_log:",
        "    kind: files",
        f"    layout: {p.layout}   # "
        + ("money spread over product columns" if p.layout == "wide" else "one record per line"),
        "    path:",
        *(f"      - {_yaml(_relative(f, out))}" for f in p.paths),
    ]
    if p.encoding:
        body.append(f"    encoding: {p.encoding}")
    if p.separator != ",":
        body.append(f"    separator: {_yaml(p.separator)}")
    body += [*_ask(p, "as_of"), f"    as_of: {p.as_of}"]
    body += [*_ask(p, "day_first"), f"    day_first: {_yaml(p.day_first)}"]
    if p.gross_profit_share is not None:
        body += [*_ask(p, "gross_profit_share"), f"    gross_profit_share: {p.gross_profit_share}   # assumed"]
    body.append("    columns:")
    for name in dict.fromkeys((*p.columns, *_REQUIRED[p.layout])):
        body += _ask(p, name)
        if name in p.columns:
            body.append(f"      {name}: {_yaml(p.columns[name])}")
    if p.layout == "tidy" and p.left_out:
        body += [
            f"    # Too small to learn from (under {MIN_DIVISION_LINES} lines or {MIN_DIVISION_SHARE:.1%} of all), or "
            "one too many:",
            "    exclude_divisions:",
            *(f"      - {_yaml(d)}   # {n} lines" for d, n in p.left_out.items()),
        ]
    for name, path in p.side.items():
        body += [f"  {name}:", f"    path: {_yaml(_relative(path, out))}"]
    body += ["", *_divisions(p), "", *_timeline(p), "", *_features(p)]
    return "\n".join(body) + "\n"


def _divisions(p: Proposal) -> list[str]:
    ask = _ask(p, "divisions")
    note = [f"  # {p.notes['divisions']}."] if "divisions" in p.notes else []
    named = [f"- {_yaml(d)}   # {n} lines" for d, n in p.divisions.items()]
    if p.layout == "tidy":
        if not named:
            return ["# taxonomy.divisions: no column of divisions was found"]
        return ["taxonomy:", *note, *ask, "  divisions:", *(f"    {line}" for line in named)]
    lines = [
        *ask,
        "# Targets of the built-in product map that this log sells.",
        "divisions:",
        *(f"  {x}" for x in named),
    ]
    if p.left_out:
        lines.append("# Left out, too few lines: " + ", ".join(f"{d} ({n})" for d, n in p.left_out.items()))
    if p.unmapped:
        lines.append("# No product of the map explains these columns: " + ", ".join(p.unmapped))
        lines.append("# `taxonomy: {path: products.yaml, extend: true}` adds products of your own.")
    return lines


def _timeline(p: Proposal) -> list[str]:
    c = p.calendar
    if p.delay_days is None:
        delay = "no invoice dates to estimate the booking delay from"
    else:
        delay = f"95 % of the invoices follow their order within {p.delay_days} days"
    return [
        f"# {len(c.cutoffs())} cutoffs, {len(c.model_cutoffs())} with a model, {len(c.validation_cutoffs())} of them "
        f"with a closed label window; the data begins on {p.start}.",
        "timeline:",
        f"  first_cutoff: {c.first_cutoff}",
        f"  last_cutoff: {c.last_cutoff}",
        f"  cadence_months: {c.cadence_months}",
        f"  label_window_months: {c.label_window_months}",
        *_ask(p, "embargo_days"),
        f"  embargo_days: {c.embargo_days}   # {delay}",
        f"  min_history_months: {max(_windows(p.history_months))}",
    ]


def _windows(history: int) -> tuple[int, ...]:
    wanted = _DEFAULT_WINDOWS if history >= 6 else _SHORT_WINDOWS
    return tuple(w for w in wanted if w <= history) or (1,)


def _features(p: Proposal) -> list[str]:
    history, windows = p.history_months, _windows(p.history_months)
    longest = max(windows)
    lines = [f"# {history} months of data stand before the first cutoff."]
    if history < 18:
        lines += ["population:", f"  warm_window_months: {max(1, history)}"]
    lines += ["features:", f"  windows_months: {_yaml(list(windows))}"]
    if history < longest + 2:
        lines.append("  enable_offset_windows: false   # they would begin before the data")
    if history < 24:
        lines.append("  enable_window_deltas: false    # they compare two years")
    if history < 12:
        lines.append(f"  basket_window_months: {max(1, history)}")
        lines.append(f"  affinity_lag_days: {14 if history < 6 else 30}")
    return lines


def _ask(p: Proposal, name: str) -> list[str]:
    # At the start of the line, whatever the indent of the value: that is what the header of the file promises.
    return [f"# QUESTION: {name}: {p.questions[name]}"] if name in p.questions else []


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path.resolve(), base.resolve())).as_posix()


def _yaml(value: Any) -> str:
    """A value as it stands on one line of YAML."""
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )
