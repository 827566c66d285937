"""Which column of a log holds what.

Belongs here: matching headers to fields and products, and telling which columns nobody reads. Does not belong here:
values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gosales_assets.taxonomy import FIELD_ALIASES, Product, Taxonomy, find_headers, fold_header

if TYPE_CHECKING:
    from gosales_assets.settings import SalesLog

#: Column a reader adds to name the file of a record; no part of the record.
SOURCE_FILE = "_source_file"

#: Column a reader adds to keep the text of a line it cannot trust in any field; no field itself.
UNREADABLE = "_unreadable"

#: Fields of a record, in either layout.
RECORD_FIELDS = (
    "customer_id",
    "customer_name",
    "order_date",
    "invoice_id",
    "invoice_date",
    "product_division",
    "rep",
    "branch",
    "currency",
    "currency_rate",
)

#: Fields of a line, which the wide layout spreads over product columns.
LINE_FIELDS = ("product_sku", "quantity", "revenue", "gross_profit")

#: Fields without which a record says nothing; of the others a record can do without.
_FATAL = frozenset({"customer_id", "order_date", "product_sku", "product_division", "gross_profit", "revenue"})

#: Columns of known wide logs that are numbers but no products, as `fold_header` spells them.
_NOT_PRODUCTS = frozenset(
    (
        *("revenue", "cogs", "gp", "term_gp", "referral_gp"),
        *("usdcadconversionrate", "gpcurrencyrateadjustment", "invoicecurrency", "currencymismatch"),
        *("po_number", "invoice", "status", "origination", "saleschannel", "ordertype", "notes", "description"),
        *("new", "new_business", "success_plan_level", "success_plan_attached", "success_plan_only"),
        *("manager", "processingrepresentative", "referral_rep", "3digitzip", "cpe_duplicated_gp_flag"),
    )
)
_NOT_PRODUCT_PATTERN = re.compile(
    r"(^|_)id$|(order|customer|company|invoice|opportunity|account)id$|quota$|^cgp|(^|_)date$|(^|_)(rate|flag|zip)$|^last_"
)


@dataclass(frozen=True)
class ProductColumns:
    """The columns of a wide log that hold one product; several when it arrives under several headers."""

    product: Product
    gross_profit: tuple[str, ...]
    quantity: tuple[str, ...]

    @property
    def headers(self) -> tuple[str, ...]:
        return (*self.gross_profit, *self.quantity)


@dataclass(frozen=True)
class Missing:
    """A column the log should have and has not.

    Attributes
    ----------
    column
        Header or field.
    kind
        ``field``: of the record; ``product``: gross profit or both columns of a SKU that a target sells; ``note``: a
        column that changes no target.
    details
        What follows from it, and what to do.
    fatal
        Whether no record can be read without it.
    """

    column: str
    kind: Literal["field", "product", "note"]
    details: str
    fatal: bool = False


@dataclass(frozen=True)
class Headers:
    """How a log's columns are read.

    Attributes
    ----------
    fields
        Field -> header.
    products
        Product columns of the wide layout.
    missing
        Columns wanted and not found.
    unread
        Columns nobody reads that could be products.
    """

    fields: dict[str, str]
    products: tuple[ProductColumns, ...]
    missing: tuple[Missing, ...]
    unread: tuple[str, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """Headers read, each once."""
        return tuple(dict.fromkeys([*self.fields.values(), *(h for p in self.products for h in p.headers)]))

    @property
    def roles(self) -> dict[str, str]:
        """Header -> what it is read as."""
        products = {h: f"product {p.product.sku}" for p in self.products for h in p.headers}
        return products | {header: name for name, header in self.fields.items()}

    @property
    def blocked(self) -> bool:
        """Whether a column is missing without which no record can be read."""
        return any(m.fatal for m in self.missing)


def map_headers(columns: Sequence[str], spec: SalesLog, taxonomy: Taxonomy) -> Headers:
    """Match a log's headers to fields and products.

    Headers given in the settings win; other fields are found by their known aliases. Products are found by their
    gross-profit and quantity headers, aliases included, whatever the case and the separators. A record id is used only
    when the settings name it: a column that happens to be called ``id`` may identify anything.

    Parameters
    ----------
    columns
        Headers of the log.
    spec
        Layout and given headers.
    taxonomy
        Products of the wide layout.
    """
    own = [c for c in columns if c not in (SOURCE_FILE, UNREADABLE)]
    given, missing = _given(own, spec)
    free = [c for c in own if c not in given.values()]
    products: tuple[ProductColumns, ...] = ()
    if spec.layout == "wide":
        products, absent = _products(free, taxonomy)
        missing += absent
        taken = {h for p in products for h in p.headers}
        free = [c for c in free if c not in taken]
    wanted = RECORD_FIELDS if spec.layout == "wide" else (*RECORD_FIELDS, *LINE_FIELDS)
    # A field whose given header is missing is not looked for elsewhere: the user said where it is.
    looked_for = [f for f in wanted if f not in given and getattr(spec.columns, f) is None]
    fields = given | find_headers(free, looked_for)
    if spec.layout == "tidy" and not (set(fields) & {"product_sku", "product_division"}):
        missing.append(Missing("product_division", "field", _where("product_division"), fatal=True))
    missing += [
        Missing(f, "field", _where(f), fatal=True)
        for f in _required(spec, fields)
        if f in looked_for and f not in fields
    ]
    routed = ", ".join(p.product.sku for p in products if p.product.routes)
    if routed and "product_division" in looked_for and "product_division" not in fields:
        missing.append(Missing("product_division", "field", f"{_where('product_division')}; it routes {routed}"))
    unread = [c for c in free if c not in fields.values() and _could_be_product(c)] if spec.layout == "wide" else []
    return Headers(fields, products, tuple(missing), tuple(unread))


def _given(columns: Sequence[str], spec: SalesLog) -> tuple[dict[str, str], list[Missing]]:
    """Headers named in the settings: exactly, else by their folded spelling."""
    folded: dict[str, str] = {}
    for column in columns:
        folded.setdefault(fold_header(column), column)
    found: dict[str, str] = {}
    missing: list[Missing] = []
    for field in (*RECORD_FIELDS, *LINE_FIELDS, "record_id"):
        header = getattr(spec.columns, field)
        if header is None:
            continue
        match = header if header in columns else folded.get(fold_header(header))
        if match is not None:
            found[field] = match
        else:
            details = f"sources.sales_log.columns.{field} names it, and the log has no such header"
            missing.append(Missing(header, "field", details, fatal=field in _FATAL))
    return found, missing


def _required(spec: SalesLog, fields: dict[str, str]) -> Iterable[str]:
    yield from ("customer_id", "order_date")
    if spec.layout == "tidy" and "gross_profit" not in fields:
        yield "gross_profit" if spec.gross_profit_share is None else "revenue"


def _where(field: str) -> str:
    known = ", ".join(FIELD_ALIASES[field][:4])
    return f"no header is known for {field} ({known}, …); name it in sources.sales_log.columns.{field}"


def _products(columns: Sequence[str], taxonomy: Taxonomy) -> tuple[tuple[ProductColumns, ...], list[Missing]]:
    folded: dict[str, str] = {}
    for column in columns:
        folded.setdefault(fold_header(column), column)

    def present(headers: Iterable[str]) -> tuple[str, ...]:
        found = (h if h in columns else folded.get(fold_header(h)) for h in headers)
        return tuple(dict.fromkeys(h for h in found if h is not None))

    sold = {sku for t in taxonomy.targets if t.trainable for sku in t.skus}
    products: list[ProductColumns] = []
    missing: list[Missing] = []
    for product in taxonomy.products:
        found = ProductColumns(
            product,
            present((product.sku, *product.aliases)),
            present((product.quantity_header, *product.qty_aliases)),
        )
        if found.headers:
            products.append(found)
        missing += _absent(found, product.sku in sold)
    return tuple(products), missing


def _absent(found: ProductColumns, sold: bool) -> Iterable[Missing]:
    """What is missing of a product: a target that sells it would have no positives, and nobody would know why."""
    product = found.product
    if found.gross_profit and found.quantity:
        return
    if not found.headers:
        lacking, effect = product.sku, f"neither it nor {product.quantity_header} is in the log, so none of its lines"
    elif not found.gross_profit:
        lacking, effect = product.sku, "its quantity is in the log, so its gross profit"
    else:
        lacking, effect = product.quantity_header, "only gross profit is in the log, so its quantity"
    loses = sold and not found.gross_profit and not (found.quantity and product.quantity_only)
    yield Missing(
        lacking,
        "product" if loses else "note",
        f"{effect} can be read; add the header, or give your own products in taxonomy.path",
    )


def _could_be_product(header: str) -> bool:
    folded = fold_header(header)
    return folded not in _NOT_PRODUCTS and not _NOT_PRODUCT_PATTERN.search(folded)
