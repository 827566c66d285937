"""Clean logs whose truth is known, and the kinds of dirt that are planted in them.

Belongs here: what is written into the files, and what must come of it, worked out from the clean records alone. Does
not belong here: anything of the code under test but its settings and the product map.

A kind takes clean records, writes them as dirt, and notes on each what becomes of it: its fate, the rule it breaks, and
the lines that are true of it. `Log.write` makes real files of the whole.
"""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

from gosales_assets.taxonomy import Taxonomy
from gosales_assets.timeline import add_days

Layout = Literal["wide", "tidy"]
Fate = Literal["accepted", "quarantined", "exact_duplicate", "unread"]

_REFERENCE = Taxonomy.reference()
#: A few products, so that a build takes milliseconds.
PRODUCTS = {"SWX_Core": "Solidworks", "Training": "Training", "Success_Plan": "Success Plan"}
TAXONOMY = Taxonomy(
    tuple(_REFERENCE.by_sku[sku] for sku in PRODUCTS),
    tuple(_REFERENCE.target(t) for t in ("solidworks", "training", "success_plan")),
)
START, AS_OF = date(2023, 1, 2), date(2024, 6, 30)

#: Field -> header of a clean log.
HEADERS: dict[str, dict[str, str]] = {
    "wide": {
        "id": "Id", "customer": "CustomerId", "day": "Rec Date", "division": "Division", "name": "Customer",
        "invoice": "InvoiceId", "currency": "InvoiceCurrency", "rate": "UsdCadConversionRate",
    },
    "tidy": {
        "id": "Id", "customer": "customer_id", "day": "order_date", "division": "product_division",
        "name": "customer_name", "invoice": "invoice_id", "sku": "product_sku", "currency": "currency",
        "rate": "exchange_rate",
    },
}  # fmt: skip


@dataclass
class Sold:
    """A line of a record as it must arrive; ``cents`` is None when nobody can know it."""

    sku: str
    division: str
    cents: int | None
    units: int

    @property
    def says_something(self) -> bool:
        return bool(self.cents) or self.units != 0


@dataclass
class Record:
    """A record: the truth about it, the cells it is written as, and what becomes of it."""

    customer: str
    name: str | None
    day: date
    invoice: str
    sold: list[Sold]
    cells: dict[str, str | None]
    fate: Fate = "accepted"
    breaks: list[tuple[str, str, str | None]] = field(default_factory=list)
    planted: bool = False
    excluded: bool = False
    text: str | None = None  # a line that is written as it stands

    @property
    def cents(self) -> int:
        return sum(s.cents or 0 for s in self.sold)


@dataclass
class Log:
    """A log to be written, with what must come of it beside the records."""

    layout: Layout
    rng: Random
    headers: list[str]
    files: dict[str, list[Record]]
    ends: dict[str, Record] = field(default_factory=dict)  # a last line without a line end
    blanks: dict[str, str] = field(default_factory=dict)  # what a header says where a record says nothing of it
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    encoding: str = "utf-8"
    newline: str = "\n"
    separator: str = ","
    spec: dict[str, Any] = field(default_factory=dict)
    columns: list[tuple[str, str, str | None]] = field(default_factory=list)  # rules columns break
    suspects: list[tuple[str, str]] = field(default_factory=list)  # rule and customer
    failed: set[str] = field(default_factory=set)  # checks that must not pass; all others must

    @property
    def records(self) -> list[Record]:
        return [*(r for rows in self.files.values() for r in rows), *self.ends.values()]

    def header(self, name: str, record: Record) -> str:
        """Header of a field of a record; amount and quantity are those of its first line."""
        if name in ("amount", "quantity"):
            own = {"amount": record.sold[0].sku, "quantity": f"{record.sold[0].sku}_Qty"}
            return own[name] if self.layout == "wide" else {"amount": "gross_profit", "quantity": "quantity"}[name]
        return HEADERS[self.layout][name]

    def take(self, n: int = 2, fits: Callable[[Record], bool] = lambda _: True) -> list[Record]:
        """Clean records at random places, each taken once."""
        clean = [r for r in self.files["part-1.csv"] if not r.planted and fits(r)]
        chosen = self.rng.sample(clean, n)
        for record in chosen:
            record.planted = True
        return chosen

    def add(self, record: Record, file: str = "part-1.csv") -> None:
        """Put a record at a random place of a file."""
        record.planted = True
        rows = self.files.setdefault(file, [])
        rows.insert(self.rng.randint(0, len(rows)), record)

    def add_header(self, header: str, blank: str = "") -> None:
        if header not in self.headers:
            self.headers.append(header)
            self.blanks[header] = blank

    def single(self, record: Record) -> Record:
        """Leave a record its first line only."""
        for sold in record.sold[1:]:
            record.cells |= {sold.sku: None, f"{sold.sku}_Qty": None}
        del record.sold[1:]
        return record

    def write(self, folder: Path) -> list[str]:
        """Write the files; returns their paths."""
        kept = [h for h in self.headers if h not in self.dropped]
        for name, rows in self.files.items():
            text = io.StringIO()
            writer = csv.writer(text, delimiter=self.separator, lineterminator=self.newline)
            writer.writerow([self.renamed.get(h, h) for h in kept])
            for record in rows:
                if record.text is not None:
                    text.write(record.text + self.newline)
                else:
                    writer.writerow([record.cells.get(h, self.blanks.get(h)) for h in kept])
            if name in self.ends:
                text.write(self.ends[name].text or "")
            (folder / name).write_bytes(text.getvalue().encode(self.encoding))
        return sorted(str(folder / name) for name in self.files)


def clean(layout: Layout, seed: int, records: int = 24) -> Log:
    """A log without dirt: every record another customer, invoice and day."""
    rng = Random(seed)
    products = [h for sku in PRODUCTS for h in (sku, f"{sku}_Qty")]
    of_lines = products if layout == "wide" else ["quantity", "gross_profit"]
    fields = [h for name, h in HEADERS[layout].items() if name not in ("currency", "rate")]
    log = Log(layout, rng, [*fields, *of_lines], {"part-1.csv": []})
    days = rng.sample(range((AS_OF - START).days), records)
    for number, (key, day) in enumerate(zip(rng.sample(range(100, 10_000), records), days, strict=True)):
        skus = rng.sample(sorted(PRODUCTS), rng.choice((1, 2)) if layout == "wide" else 1)
        sold = [Sold(sku, PRODUCTS[sku], rng.randint(100_01, 999_999), rng.randint(1, 9)) for sku in skus]
        record = Record(f"{key:05}", f"Customer {key:05}", add_days(START, day), f"INV{number:04}", sold, {})
        h = HEADERS[layout]
        record.cells = {
            h["id"]: f"R{number}",
            h["customer"]: record.customer,
            h["day"]: record.day.isoformat(),
            h["division"]: sold[0].division,
            h["name"]: record.name,
            h["invoice"]: record.invoice,
        }
        for line in sold:
            cells = (line.sku, f"{line.sku}_Qty") if layout == "wide" else ("gross_profit", "quantity")
            record.cells |= {cells[0]: plain(line.cents), cells[1]: str(line.units)}
        if layout == "tidy":
            record.cells[h["sku"]] = sold[0].sku
        log.files["part-1.csv"].append(record)
    return log


def plain(cents: int | None) -> str:
    assert cents is not None
    return f"{Decimal(cents) / 100:.2f}"


# --- how dirt is planted ----------------------------------------------------------------------------------------------

Plant = Callable[[Log], None]


def spoiled(name: str, rule: str, *texts: str) -> Plant:
    """A cell nobody can use: the record is quarantined under the rule, with what was read."""

    def plant(log: Log) -> None:
        for text in texts:
            (record,) = log.take(1)
            header = log.header(name, record)
            record.cells[header] = text
            record.fate = "quarantined"
            record.breaks.append((rule, header, text or None))

    return plant


def respelled(name: str, *spellings: Callable[[Record], str]) -> Plant:
    """A cell that says the same in another way: everything arrives as if it were clean."""

    def plant(log: Log) -> None:
        for spell in spellings:
            (record,) = log.take(1)
            record.cells[log.header(name, record)] = spell(record)

    return plant


def _amount(record: Record) -> Decimal:
    return Decimal(record.sold[0].cents or 0) / 100


def _european(record: Record) -> str:
    return f"{_amount(record):,.2f}".translate(str.maketrans(",.", ".,"))


def _unreadable_amount(log: Log) -> None:
    for text in ("n/a", "USD 5"):
        (record,) = log.take(1)
        record.cells[log.header("amount", record)] = text
        record.sold[0].cents = None
        record.breaks.append(("unparseable_amount", log.header("amount", record), text))


def _unreadable_quantity(log: Log) -> None:
    (record,) = log.take(1)
    record.cells[log.header("quantity", record)] = "two"
    record.sold[0].units = 0
    record.breaks.append(("unparseable_quantity", log.header("quantity", record), "two"))


def _nothing_readable(log: Log) -> None:
    record = log.single(log.take(1)[0])
    record.cells |= {log.header("amount", record): "??", log.header("quantity", record): ""}
    record.sold[0].cents, record.sold[0].units = None, 0
    record.fate = "quarantined"
    record.breaks.append(("unparseable_amount", log.header("amount", record), "??"))


def _null_amount(log: Log) -> None:
    for text in ("NULL", "nan", "", "  "):
        (record,) = log.take(1)
        record.cells[log.header("amount", record)] = text
        record.sold[0].cents = 0


def _empty_line(log: Log) -> None:
    (record,) = log.take(1)
    record.cells |= {"gross_profit": "", "quantity": "NULL"}
    record.sold[0].cents, record.sold[0].units = 0, 0
    record.breaks.append(("empty_line", "gross_profit", None))


def _below_a_cent(log: Log) -> None:
    record = log.single(log.take(1)[0])
    record.cells |= {log.header("amount", record): "0.004", log.header("quantity", record): "0"}
    record.sold[0].cents, record.sold[0].units = 0, 0


def _padded_id(log: Log) -> None:
    one, two = log.take(2)
    two.cells |= {log.header("customer", two): f"  {one.customer} ", log.header("name", two): one.name}
    two.customer, two.name = one.customer, one.name


def _padded_keys(log: Log) -> None:
    (record,) = log.take(1)
    for name in ("invoice", "division", *(("sku",) if log.layout == "tidy" else ())):
        header = log.header(name, record)
        record.cells[header] = f" {record.cells[header]}  "


def _no_invoice(log: Log) -> None:
    (record,) = log.take(1)
    record.cells[log.header("invoice", record)] = ""
    record.invoice = f"AUTO-{record.customer}|{record.day:%Y%m%d}-1"


def _null_name(log: Log) -> None:
    (record,) = log.take(1)
    record.cells[log.header("name", record)], record.name = "NULL", None


def _end_of_last_day(log: Log) -> None:
    (record,) = log.take(1)
    record.day = AS_OF
    record.cells[log.header("day", record)] = f"{AS_OF} 23:59:59"


def _named(*names: str, encoding: str | None = None) -> Plant:
    def plant(log: Log) -> None:
        log.encoding = encoding or log.encoding
        for name in names:
            (record,) = log.take(1)
            record.cells[log.header("name", record)] = record.name = name

    return plant


def _copy_of(record: Record, **changes: Any) -> Record:
    other = copy.deepcopy(record)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def _duplicate(log: Log) -> None:
    for record in log.take(2):
        log.add(_copy_of(record, fate="exact_duplicate", breaks=[("exact_duplicate", "", None)]))


def _overlapping_export(log: Log) -> None:
    for record in log.take(3):
        log.add(_copy_of(record, fate="exact_duplicate", breaks=[("exact_duplicate", "", None)]), "part-2.csv")


def _overlap_respelled(log: Log) -> None:
    (record,) = log.take(1)
    again = _copy_of(record, breaks=[("probable_duplicate", "", "part-2.csv")])
    again.cells[log.header("amount", record)] = f"${_amount(record):,.2f}"
    log.add(again, "part-2.csv")
    log.failed.add("contract_overlap")


def _replaced(log: Log) -> None:
    """A later file holds the same id with another amount."""
    (record,) = log.take(1)
    log.spec["columns"] = {"record_id": "Id"}
    later = _copy_of(record)
    later.cells[log.header("amount", record)] = "1.00"
    later.sold[0].cents = 100
    log.add(later, "part-2.csv")
    record.fate = "quarantined"
    record.breaks.append(("superseded_record", "Id", record.cells["Id"]))


def _contradicting_ids(log: Log) -> None:
    one, two = log.take(2)
    log.spec["columns"] = {"record_id": "Id"}
    two.cells["Id"] = one.cells["Id"]
    for record in (one, two):
        record.fate = "quarantined"
        record.breaks.append(("conflicting_record_id", "Id", one.cells["Id"]))


def _cancelled(log: Log) -> None:
    """The same invoice again with every sign turned."""
    (record,) = log.take(1)
    back = _copy_of(record)
    back.cells["Id"] = f"{record.cells['Id']}-back"
    for sold in back.sold:
        amount, quantity = (sold.sku, f"{sold.sku}_Qty") if log.layout == "wide" else ("gross_profit", "quantity")
        assert sold.cents is not None
        sold.cents, sold.units = -sold.cents, -sold.units
        back.cells |= {amount: plain(sold.cents), quantity: str(sold.units)}
    log.add(back)


def _credit_note(log: Log) -> None:
    (record,) = log.take(1)
    record.cells |= {log.header("amount", record): f"({_amount(record):,.2f})", log.header("quantity", record): "-1"}
    record.sold[0].cents, record.sold[0].units = -(record.sold[0].cents or 0), -1


def _negative_quantity(log: Log) -> None:
    (record,) = log.take(1)
    record.cells[log.header("quantity", record)] = "3-"
    record.sold[0].units = -3


def _tidy_product(sku: str | None, division: str | None, rule: str | None, *, fate: Fate = "accepted") -> Plant:
    def plant(log: Log) -> None:
        (record,) = log.take(1)
        record.cells |= {"product_sku": sku, "product_division": division}
        record.sold[0].sku, record.sold[0].division = sku or division or "", division or ""
        record.fate = fate
        if rule is not None:
            column, observed = ("product_division", division) if rule == "unknown_division" else ("product_sku", sku)
            record.breaks.append((rule, column, observed))

    return plant


def _excluded_fee(log: Log) -> None:
    _tidy_product("FREIGHT", "Fees", None)(log)
    log.spec["exclude_divisions"] = ("fees",)
    for record in log.records:
        record.excluded = record.cells["product_division"] == "Fees"


def _fee_column(log: Log) -> None:
    log.add_header("Freight")
    total = 0
    for record in log.take(2):
        cents = log.rng.randint(100, 9999)
        record.cells["Freight"] = plain(cents)
        total += cents
    log.columns.append(("unmapped_column", "Freight", plain(total)))
    log.failed.add("contract_unmapped_columns")


def _alias_header(log: Log) -> None:
    log.add_header("Success Plan GP")
    (record,) = log.take(1, lambda r: r.sold[0].sku == "Success_Plan")
    record.cells |= {"Success Plan GP": record.cells["Success_Plan"], "Success_Plan": "0.00"}


def _contradicting_alias(log: Log) -> None:
    log.add_header("Success Plan GP")
    (record,) = log.take(1, lambda r: r.sold[0].sku == "Success_Plan")
    record.cells["Success Plan GP"] = "1.00"
    record.fate = "quarantined"
    record.breaks.append(("conflicting_alias", "Success Plan GP", "1.00"))


def _swapped_cells(log: Log) -> None:
    (record,) = log.take(1)
    who, when = log.header("customer", record), log.header("day", record)
    record.cells |= {who: record.cells[when], when: record.cells[who]}
    record.fate = "quarantined"
    record.breaks.append(("invalid_date", when, record.customer))


def _swapped_headers(log: Log) -> None:
    who, when = HEADERS[log.layout]["customer"], HEADERS[log.layout]["day"]
    log.renamed = {who: when, when: who}
    log.failed.add("contract_quarantine")
    for record in log.records:
        record.fate = "quarantined"
        record.breaks.append(("invalid_date", when, record.customer))


def _no_product_header(log: Log) -> None:
    log.dropped = {"SWX_Core", "SWX_Core_Qty"}
    log.columns.append(("missing_column", "SWX_Core", None))
    log.failed.add("contract_product_columns")
    for record in log.records:
        record.sold = [s for s in record.sold if s.sku != "SWX_Core"]


def _no_customer_header(log: Log) -> None:
    log.dropped = {HEADERS[log.layout]["customer"]}
    log.columns.append(("missing_column", "customer_id", None))
    log.failed |= {"contract_raw_columns", "contract_quarantine"}
    for record in log.records:
        record.fate, record.sold = "unread", []


def _extra_headers(log: Log) -> None:
    log.add_header("Remark")
    log.add_header("Nothing")
    for record in log.take(2):
        record.cells["Remark"] = "call back, please"


def _spelled_headers(log: Log) -> None:
    log.renamed = {h: f" {h.upper().replace('_', ' ')} " for h in log.headers}


def _as_file(encoding: str = "utf-8", newline: str = "\n", separator: str = ",") -> Plant:
    def plant(log: Log) -> None:
        log.encoding, log.newline, log.separator = encoding, newline, separator
        log.spec["separator"] = separator

    return plant


def _empty_part(log: Log) -> None:
    log.files["part-0.csv"] = []


def _lost(text: str) -> Record:
    """A line of which nothing is known but its text."""
    seen = ",".join(f for f in text.split(",") if f)
    breaks = [("unreadable_record", "", seen)]
    return Record("", None, START, "", [], {}, "quarantined", breaks, planted=True, text=text)  # type: ignore[arg-type]


def _line(log: Log, record: Record) -> list[str]:
    return [record.cells.get(h) or log.blanks.get(h, "") for h in log.headers]


def _broken_off(log: Log) -> None:
    """The last line ends in the middle of its third field."""
    (record,) = log.take(1)
    log.files["part-1.csv"].remove(record)
    log.ends["part-1.csv"] = _lost(",".join(_line(log, record)[:3])[:-2])


def _too_many_fields(log: Log) -> None:
    """A name with a comma and no quotes."""
    (record,) = log.take(1)
    fields = _line(log, record)
    at = log.headers.index(HEADERS[log.layout]["name"])
    # An amount in the last column, so that what stands beyond the headers is no blank.
    text = ",".join([*fields[:at], "Acme", " Inc", *fields[at + 1 : -1], "7"])
    log.files["part-1.csv"].remove(record)
    log.add(_lost(text))


def _currencies(log: Log) -> tuple[str, str]:
    currency, rate = HEADERS[log.layout]["currency"], HEADERS[log.layout]["rate"]
    log.add_header(currency, "USD")
    log.add_header(rate)
    return currency, rate


def _canadian(log: Log) -> None:
    currency, rate = _currencies(log)
    for record, text in zip(log.take(2), ("1.25", "1.6"), strict=True):
        record.cells |= {currency: "CAD", rate: text}
        for sold in record.sold:
            # One USD costs `rate` CAD; a document is in whole cents, and rounded once more.
            sold.cents = int((Decimal(sold.cents or 0) / Decimal(text)).quantize(Decimal(1), ROUND_HALF_EVEN))


def _no_rate(rule: str, code: str, text: str, column: Literal["currency", "rate"] = "rate") -> Plant:
    def plant(log: Log) -> None:
        currency, rate = _currencies(log)
        (record,) = log.take(1)
        record.cells |= {currency: code, rate: text}
        header, observed = (rate, text) if column == "rate" else (currency, code)
        record.fate = "quarantined"
        record.breaks.append((rule, header, observed or None))
        for sold in record.sold:
            sold.cents = None
        log.failed.add("contract_currency")

    return plant


def _no_currency(log: Log) -> None:
    currency, _ = _currencies(log)
    (record,) = log.take(1)
    record.cells[currency] = ""
    record.breaks.append(("missing_currency", currency, None))
    log.failed.add("contract_currency")


def _two_ids_one_name(log: Log) -> None:
    one, two = log.take(2)
    two.cells[log.header("name", two)] = f"{two.customer} {one.name}".upper()
    two.name = f"{two.customer} {one.name}".upper()
    log.suspects += [("shared_customer_name", r.customer) for r in (one, two)]
    log.failed.add("contract_one_id")


def _id_without_zeros(log: Log) -> None:
    one, two = log.take(2)
    two.customer = two.cells[log.header("customer", two)] = one.customer.lstrip("0")  # type: ignore[assignment]
    log.suspects += [("similar_customer_id", r.customer) for r in (one, two)]
    log.failed.add("contract_one_id")


def _both_orders(log: Log) -> None:
    """One date that may be read both ways, and one that is only right the other way."""
    one, two = log.take(2)
    one.day, two.day = date(2023, 3, 4), date(2023, 3, 25)
    one.cells[log.header("day", one)] = "3/4/2023"
    two.cells[log.header("day", two)] = "25/3/2023"
    log.failed.add("contract_date_order")


def _day_first(log: Log) -> None:
    (record,) = log.take(1)
    log.spec["day_first"] = True
    record.day = date(2023, 4, 3)
    record.cells[log.header("day", record)] = "3/4/2023"


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of dirt.

    Attributes
    ----------
    name
        What it is called.
    effect
        What must come of it: a fate and a rule, or how it arrives.
    plant
        Plants it and notes the truth.
    layouts
        Logs it can occur in.
    alone
        Whether it changes the whole log, so that it cannot stand beside the others.
    last
        Whether it needs the headers to be complete.
    """

    name: str
    effect: str
    plant: Plant
    layouts: tuple[Layout, ...] = ("wide", "tidy")
    alone: bool = False
    last: bool = False


_W: tuple[Layout, ...] = ("wide",)
_T: tuple[Layout, ...] = ("tidy",)

KINDS: tuple[Kind, ...] = (
    # Dates
    Kind("bad_date", "quarantined: invalid_date", spoiled("day", "invalid_date", "13/45/2023", "TBD", "2023-02-30")),
    Kind("blank_date", "quarantined: missing_date", spoiled("day", "missing_date", "", "  ", "NULL", "nan")),
    Kind("future_date", "quarantined: date_after_max", spoiled("day", "date_after_max", "2150-01-01", "2024-07-01")),
    Kind("date_1900", "quarantined: date_before_min", spoiled("day", "date_before_min", "1900-01-01", "12/30/1899")),
    Kind("date_formats", "arrives", respelled("day", lambda r: f"{r.day:%d.%m.%Y}", lambda r: f"{r.day:%Y/%m/%d}",
         lambda r: f"{r.day:%d-%b-%Y}", lambda r: f"{r.day:%Y%m%d}", lambda r: f" {r.day}T14:30:00Z ")),
    Kind("ambiguous_date", "arrives month first", respelled("day", lambda r: f"{r.day:%m/%d/%Y}")),
    Kind("ambiguous_date_day_first", "arrives day first, as the settings say", _day_first, alone=True),
    Kind("dates_of_both_orders", "arrive; contract_date_order", _both_orders),
    Kind("end_of_last_day", "arrives: the last day is whole", _end_of_last_day),
    # Amounts and quantities
    Kind("currency_string", "arrives", respelled("amount", lambda r: f"${_amount(r):,.2f}",
         lambda r: f" {_amount(r):,.2f} $", lambda r: f"€{_amount(r):.2f}")),
    Kind("european_decimal", "arrives", respelled("amount", _european, lambda r: f"{_european(r)} €")),
    Kind("thousands", "arrives", respelled("amount", lambda r: f"{_amount(r):,.2f}".replace(",", "'"))),
    Kind("unreadable_amount", "kept, unknown: unparseable_amount", _unreadable_amount),
    Kind("unreadable_quantity", "kept, zero: unparseable_quantity", _unreadable_quantity),
    Kind("nothing_readable", "quarantined: unparseable_amount", _nothing_readable),
    Kind("null_amount", "arrives as zero with its quantity", _null_amount),
    Kind("empty_line", "kept, no line: empty_line", _empty_line, _T),
    Kind("below_a_cent", "no line: zero after rounding", _below_a_cent),
    Kind("cancelled", "both arrive and net to zero", _cancelled),
    Kind("credit_note", "arrives negative", _credit_note),
    Kind("negative_quantity", "arrives", _negative_quantity),
    # Currencies
    Kind("canadian", "arrives converted to the cent", _canadian),
    Kind("no_rate", "quarantined: missing_currency_rate", _no_rate("missing_currency_rate", "CAD", "")),
    Kind("rate_of_zero", "quarantined: implausible_currency_rate", _no_rate("implausible_currency_rate", "CAD", "0")),
    Kind("rate_upside_down", "quarantined: implausible_currency_rate",
         _no_rate("implausible_currency_rate", "CAD", "0.74")),
    Kind("third_currency", "quarantined: missing_currency_rate",
         _no_rate("missing_currency_rate", "EUR", "1.35", "currency")),
    Kind("no_currency", "kept: missing_currency", _no_currency),
    # Keys
    Kind("blank_id", "quarantined: missing_customer_id",
         spoiled("customer", "missing_customer_id", "", "   ", "nan", "NULL", "None")),
    Kind("padded_id", "one customer", _padded_id),
    Kind("id_as_number", "one customer", respelled("customer", lambda r: f"{r.customer}.0")),
    Kind("padded_keys", "arrives trimmed", _padded_keys),
    Kind("no_invoice", "arrives with a surrogate", _no_invoice),
    Kind("two_ids_one_name", "not merged: shared_customer_name", _two_ids_one_name),
    Kind("id_without_zeros", "not merged: similar_customer_id", _id_without_zeros),
    # Copies
    Kind("exact_duplicate", "counted once: exact_duplicate", _duplicate),
    Kind("overlapping_export", "counted once: exact_duplicate", _overlapping_export),
    Kind("overlap_respelled", "counted, reported: probable_duplicate", _overlap_respelled),
    Kind("replaced_record", "the later file counts: superseded_record", _replaced, alone=True),
    Kind("contradicting_ids", "quarantined: conflicting_record_id", _contradicting_ids, alone=True),
    # Products
    Kind("unknown_sku", "kept for its division: unknown_sku", _tidy_product("ZZ-9", "Training", "unknown_sku"), _T),
    Kind("no_sku", "kept for its division: missing_sku", _tidy_product(None, "Training", "missing_sku"), _T),
    Kind("fee_line", "quarantined: unknown_division",
         _tidy_product("FREIGHT", "Fees", "unknown_division", fate="quarantined"), _T),
    Kind("excluded_fee_line", "left out and counted", _excluded_fee, _T, alone=True),
    Kind("fee_column", "reported with its total: unmapped_column", _fee_column, _W),
    Kind("alias_header", "one line", _alias_header, _W),
    Kind("contradicting_alias", "quarantined: conflicting_alias", _contradicting_alias, _W),
    # Columns
    Kind("swapped_cells", "quarantined: invalid_date", _swapped_cells),
    Kind("swapped_headers", "all quarantined; the build stops", _swapped_headers, alone=True),
    Kind("no_product_header", "missing_column; the build stops", _no_product_header, _W, alone=True),
    Kind("no_customer_header", "nothing is read; the build stops", _no_customer_header, alone=True),
    Kind("extra_headers", "arrives", _extra_headers),
    Kind("spelled_headers", "arrives", _spelled_headers, alone=True),
    # Names and files
    Kind("odd_names", "arrive", _named('A "B", C\nD', "=1+1", "O'Hara; Sons | Co")),
    Kind("long_names", "arrive", _named("x" * 400)),
    Kind("null_name", "no name", _null_name),
    Kind("cp1252", "arrives", _named("Müller & Söhne €", encoding="cp1252")),
    Kind("bom", "arrives", _as_file("utf-8-sig"), alone=True),
    Kind("utf_16", "arrives", _as_file("utf-16"), alone=True),
    Kind("crlf", "arrives", _as_file(newline="\r\n"), alone=True),
    Kind("semicolons", "arrives", _as_file(separator=";"), alone=True),
    Kind("empty_part", "a file of no records", _empty_part),
    Kind("broken_off", "quarantined: unreadable_record", _broken_off, last=True),
    Kind("too_many_fields", "quarantined: unreadable_record", _too_many_fields, last=True),
)  # fmt: skip
