"""What is sold and what is predicted: SKU -> division, and the targets (what the `division` partition key can be).

Belongs here: the product map, header aliases, routing, the target registry, slugs, and the one predicate that says
which lines of the log belong to a target. Does not belong here: dates, labels, settings, file layout of a log.

A *division* is a branch of the catalogue of products; a *target* is something a model is trained for: a division or a
set of SKUs. Both go by one slug everywhere (keys, file names, columns); display names stay in the data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

LabelBasis = Literal["gp", "gp_or_qty"]

UNKNOWN_DIVISION = "UNKNOWN"


class TaxonomyError(ValueError):
    """A product map or target that cannot be used; the message names the entry and what to do."""


def slugify(name: str) -> str:
    """The one spelling of a name in keys, file names and columns: ``[a-z0-9_]+``.

    Raises
    ------
    TaxonomyError
        When the name is empty or tries to leave its folder (path separators, ``..``, control characters).

    Examples
    --------
    >>> slugify("Success Plan"), slugify("R&D"), slugify("Mold, Tool & Die")
    ('success_plan', 'r_and_d', 'mold_tool_and_die')
    """
    if any(unicodedata.category(ch).startswith("C") for ch in name) or ".." in name or "\\" in name:
        raise TaxonomyError(f"name {name!r} holds a control character, a backslash or '..'; rename it")
    if name.startswith("/"):
        raise TaxonomyError(f"name {name!r} looks like a path; rename it")
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_name.casefold().replace("&", " and ")).strip("_")
    if not slug:
        raise TaxonomyError(f"name {name!r} has no letter or digit to make a key of; rename it")
    return slug


def fold(name: str) -> str:
    """A division or SKU name for comparison, as `match_key` folds a column: trimmed, lower case."""
    return name.strip().lower()


def match_key(column: str | pl.Expr) -> pl.Expr:
    """Expression folding a division or SKU name for comparison: trimmed, lower case."""
    expr = pl.col(column) if isinstance(column, str) else column
    return expr.str.strip_chars().str.to_lowercase()


@dataclass(frozen=True)
class Product:
    """One SKU: the gross-profit header of a wide log, the quantity header beside it, and where it belongs.

    Attributes
    ----------
    sku
        Product key, also the gross-profit column of the wide layout.
    division
        Display name of the division.
    family, sale_type
        Attributes targets can be built from (``sale_type == "Printer"``).
    qty_column
        Quantity column of the wide layout.
    aliases
        Other headers under which the same product's gross profit may arrive; coalesced before anything is counted.
    qty_aliases
        Other headers of its quantity.
    routes
        Selling division (folded) -> division, for SKUs whose division depends on who sold them.
    quantity_only
        Normally booked with quantity but without gross profit.
    """

    sku: str
    division: str
    family: str = ""
    sale_type: str = "License"
    qty_column: str = ""
    aliases: tuple[str, ...] = ()
    qty_aliases: tuple[str, ...] = ()
    routes: Mapping[str, str] = field(default_factory=dict)
    quantity_only: bool = False

    @property
    def quantity_header(self) -> str:
        return self.qty_column or f"{self.sku}_Qty"


@dataclass(frozen=True)
class Target:
    """Something a model is trained for.

    Attributes
    ----------
    slug, display
        Key and the name people read.
    kind
        ``division`` matches lines by division, ``sku_set`` by SKU.
    division
        Display name of the division (kind ``division``).
    skus
        The SKUs that make a purchase of the target; for kind ``division`` the SKUs mapped to it, for information.
    label_basis
        ``gp``: net gross profit decides; ``gp_or_qty``: net quantity of quantity-only SKUs counts too.
    trainable
        False for predictors only (maintenance renewals).
    ranked
        Whether the target may stand in the ranked whitespace list. Ranked targets share no SKU.
    quantity_only
        Those of its SKUs that are booked with quantity but without gross profit.
    denied
        SKUs whose lines count for no target, see `Taxonomy.without`; none of them is among ``skus``.
    """

    slug: str
    display: str
    kind: Literal["division", "sku_set"]
    skus: frozenset[str]
    division: str | None = None
    label_basis: LabelBasis = "gp"
    trainable: bool = True
    ranked: bool = True
    quantity_only: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def lines(self, sku: str = "product_sku", division: str = "product_division") -> pl.Expr:
        """Boolean expression: the fact line belongs to the target. The only such predicate in the package."""
        if self.kind == "division":
            assert self.division is not None
            own = match_key(division) == fold(self.division)
            if self.denied:
                own &= ~match_key(sku).is_in(sorted(map(fold, self.denied))).fill_null(False)
            return own.fill_null(False)
        return pl.col(sku).is_in(sorted(self.skus)).fill_null(False)

    def quantity_lines(self, sku: str = "product_sku", division: str = "product_division") -> pl.Expr:
        """Boolean expression: a line of the target whose quantity alone makes a purchase.

        None under the basis ``gp``. Under ``gp_or_qty`` the quantity-only SKUs; every line when the product map names
        none of them, as in a log whose lines name only their division: the basis is then a statement about them all.
        """
        if self.label_basis == "gp":
            return pl.lit(False)
        own = self.lines(sku, division)
        return own & pl.col(sku).is_in(sorted(self.quantity_only)).fill_null(False) if self.quantity_only else own


@dataclass(frozen=True)
class Taxonomy:
    """The product map and the targets built on it.

    Raises
    ------
    TaxonomyError
        On duplicate SKUs, headers or slugs.
    """

    products: tuple[Product, ...]
    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        for what, keys in (
            ("SKU", [p.sku for p in self.products]),
            ("header", [h for p in self.products for h in (p.sku, *p.aliases)]),
            ("target", [t.slug for t in self.targets]),
        ):
            if twice := sorted({k for k in keys if keys.count(k) > 1}):
                raise TaxonomyError(f"taxonomy: {what} {', '.join(map(repr, twice))} is defined twice")

    @cached_property
    def divisions(self) -> tuple[str, ...]:
        """Display names of the divisions, sorted."""
        named = {p.division for p in self.products} | {r for p in self.products for r in p.routes.values()}
        named |= {t.division for t in self.targets if t.kind == "division" and t.division}
        return tuple(sorted(named))

    @cached_property
    def skus(self) -> tuple[str, ...]:
        """The SKUs, sorted."""
        return tuple(sorted(self.by_sku))

    @cached_property
    def by_sku(self) -> dict[str, Product]:
        return {p.sku: p for p in self.products}

    @cached_property
    def _by_slug(self) -> dict[str, Target]:
        return {t.slug: t for t in self.targets}

    def target(self, name: str) -> Target:
        """Look a target up by slug or display name, in any spelling.

        Raises
        ------
        TaxonomyError
            When there is none; the message suggests the nearest.
        """
        found = self._by_slug.get(slugify(name))
        if found is None:
            near = get_close_matches(slugify(name), list(self._by_slug), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TaxonomyError(f"unknown target {name!r}{hint} Known: {', '.join(sorted(self._by_slug))}")
        return found

    @property
    def default_targets(self) -> tuple[Target, ...]:
        """The trainable, SKU-disjoint targets, by slug."""
        return tuple(sorted((t for t in self.targets if t.trainable and t.ranked), key=lambda t: t.slug))

    def overlaps(self, targets: Iterable[Target]) -> list[tuple[str, str, list[str]]]:
        """Pairs of targets that share SKUs: (slug, slug, shared SKUs)."""
        ordered = sorted(targets, key=lambda t: t.slug)
        return [
            (a.slug, b.slug, sorted(a.skus & b.skus))
            for i, a in enumerate(ordered)
            for b in ordered[i + 1 :]
            if a.skus & b.skus
        ]

    def without(self, denied: Iterable[str]) -> Taxonomy:
        """The same products, with SKUs that count for no target: their lines make no label, owner, event or rule.

        Parameters
        ----------
        denied
            SKUs, or second headers of a product, in any case. Without a product map nothing tells a wrong name.

        Raises
        ------
        TaxonomyError
            When a name is no SKU of the product map; the message suggests the nearest.
        """
        known = {fold(name): p.sku for p in self.products for name in (*p.aliases, p.sku)}
        skus: set[str] = set()
        for name in denied:
            if known and fold(name) not in known:
                near = get_close_matches(fold(name), sorted(known), n=1)
                hint = f"; did you mean {known[near[0]]!r}?" if near else ""
                raise TaxonomyError(f"{name!r} is no SKU of the taxonomy{hint}")
            skus.add(known.get(fold(name), name.strip()))
        return replace(
            self, targets=tuple(replace(t, skus=t.skus - skus, denied=t.denied | skus) for t in self.targets)
        )

    @classmethod
    def reference(cls) -> Taxonomy:
        """The built-in map: 38 product headers in 12 divisions, 17 distinct targets."""
        return cls(_PRODUCTS, _targets(_PRODUCTS))

    @classmethod
    def from_divisions(cls, names: Iterable[str], label_basis: LabelBasis = "gp") -> Taxonomy:
        """A taxonomy for tidy logs, whose lines name their division: one target per division, no product map."""
        return cls(
            products=(),
            targets=tuple(
                Target(slugify(n), n.strip(), "division", frozenset(), division=n.strip(), label_basis=label_basis)
                for n in sorted(set(names))
            ),
        )

    @classmethod
    def from_file(cls, path: str | Path, base: Taxonomy | None = None) -> Taxonomy:
        """Read a user's products from YAML or CSV.

        YAML holds ``products`` (a list of mappings with the fields of `Product`) and, optionally, ``targets`` (with
        ``display`` and either ``division`` or ``skus``). A CSV holds products only, one per row, with the columns
        ``sku, division`` and any of ``family, sale_type, qty_column``. Without ``targets`` every division is one.

        Parameters
        ----------
        path
            The file; its suffix decides the format.
        base
            When given, entries replace or extend this taxonomy's products and the attributes they leave out are kept;
            SKU-set targets are re-derived.

        Raises
        ------
        TaxonomyError
            Naming the file, the entry, and the field.
        """
        path = Path(path)
        if not path.is_file():
            raise TaxonomyError(f"taxonomy file {path} does not exist")
        if path.suffix.lower() == ".csv":
            rows = pl.read_csv(path, infer_schema=False).to_dicts()
            document: dict[str, Any] = {"products": rows}
        elif path.suffix.lower() in (".yaml", ".yml"):
            document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        else:
            raise TaxonomyError(f"taxonomy file {path}: use .yaml, .yml or .csv")
        if not isinstance(document, dict) or (unknown := sorted(set(document) - {"products", "targets"})):
            found = unknown if isinstance(document, dict) else document
            raise TaxonomyError(f"taxonomy file {path}: expected `products` and `targets`, found {found!r}")
        known = dict(base.by_sku) if base else {}
        for i, entry in enumerate(document.get("products") or []):
            product = _product(entry, known, where=f"taxonomy file {path}, product {i + 1}")
            known[product.sku] = product
        products = tuple(known.values())
        if entries := document.get("targets"):
            targets = tuple(
                _target(e, products, where=f"taxonomy file {path}, target {i + 1}") for i, e in enumerate(entries)
            )
        elif base:
            targets = _targets(products)
        else:
            targets = tuple(_division_target(d, products) for d in sorted({p.division for p in products}))
        return cls(products, targets)


#: Headers a list of SKUs may stand under, in any case; the first that is there.
SKU_HEADERS = ("sku", "product_sku", "gp_col")


def read_skus(path: str | Path) -> list[str]:
    """Read a list of SKUs: trimmed, each once, sorted.

    Parameters
    ----------
    path
        CSV file with one of `SKU_HEADERS`. Blank cells are left out; other columns are notes.

    Raises
    ------
    TaxonomyError
        When the file is missing or cannot be read, or has no such column.
    """
    if not Path(path).is_file():
        raise TaxonomyError("the file does not exist")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise TaxonomyError(f"not a CSV file in UTF-8 with a header ({str(error).splitlines()[0]})") from None
    headers = {fold(header): header for header in reversed(table.columns)}
    column = next((headers[name] for name in SKU_HEADERS if name in headers), None)
    if column is None:
        raise TaxonomyError(f"needs a column {', '.join(SKU_HEADERS[:-1])} or {SKU_HEADERS[-1]}")
    return sorted(set(table[column].str.strip_chars().drop_nulls()) - {""})


_PRODUCT_FIELDS = (
    "sku",
    "division",
    "family",
    "sale_type",
    "qty_column",
    "aliases",
    "qty_aliases",
    "routes",
    "quantity_only",
)

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _product(entry: Any, known: Mapping[str, Product], where: str) -> Product:
    if not isinstance(entry, dict):
        raise TaxonomyError(f"{where}: expected a mapping, found {entry!r}")
    values = {k: v for k, v in entry.items() if v not in (None, "")}
    if unknown := sorted(set(values) - set(_PRODUCT_FIELDS)):
        near = get_close_matches(unknown[0], _PRODUCT_FIELDS, n=1)
        raise TaxonomyError(f"{where}: unknown field {unknown[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if "sku" not in values:
        raise TaxonomyError(f"{where}: field 'sku' is missing")
    for key in ("aliases", "qty_aliases"):
        if key in values:
            values[key] = (values[key],) if isinstance(values[key], str) else tuple(values[key])
    if "routes" in values:
        values["routes"] = {fold(str(k)): v for k, v in values["routes"].items()}
    if isinstance(flag := values.get("quantity_only"), str):
        if fold(flag) not in _BOOLEANS:
            raise TaxonomyError(f"{where}: field 'quantity_only' is {flag!r}; write true or false")
        values["quantity_only"] = _BOOLEANS[fold(flag)]
    if (base := known.get(values["sku"])) is not None:
        return replace(base, **values)
    if "division" not in values:
        raise TaxonomyError(f"{where}: field 'division' is missing for new SKU {values['sku']!r}")
    return Product(**values)


def _target(entry: Any, products: tuple[Product, ...], where: str) -> Target:
    allowed = ("display", "division", "skus", "label_basis", "trainable", "ranked")
    if not isinstance(entry, dict) or (unknown := sorted(set(entry) - set(allowed))):
        found = unknown if isinstance(entry, dict) else entry
        raise TaxonomyError(f"{where}: expected the fields {', '.join(allowed)}, found {found!r}")
    flags = {k: entry[k] for k in ("label_basis", "trainable", "ranked") if k in entry}
    if "division" in entry:
        target = _division_target(entry["division"], products)
        return replace(
            target,
            display=entry.get("display", target.display),
            slug=slugify(entry.get("display", target.display)),
            **flags,
        )
    skus = frozenset(entry.get("skus") or ())
    if not skus or "display" not in entry:
        raise TaxonomyError(f"{where}: give `division`, or `display` and `skus`")
    if missing := sorted(skus - {p.sku for p in products}):
        raise TaxonomyError(f"{where}: SKU {missing[0]!r} is not among the products")
    return Target(
        slugify(entry["display"]),
        entry["display"],
        "sku_set",
        skus,
        quantity_only=_quantity_only(skus, products),
        **flags,
    )


def _division_target(name: str, products: tuple[Product, ...], **flags: Any) -> Target:
    skus = frozenset(p.sku for p in products if p.division == name)
    return Target(
        slugify(name),
        name,
        "division",
        skus,
        division=name,
        quantity_only=_quantity_only(skus, products),
        **flags,
    )


def _quantity_only(skus: Iterable[str], products: tuple[Product, ...]) -> frozenset[str]:
    return frozenset(p.sku for p in products if p.quantity_only) & frozenset(skus)


def _p(sku: str, division: str, family: str, sale_type: str, qty: str | None = None, **more: Any) -> Product:
    return Product(sku, division, family, sale_type, qty or f"{sku}_Qty", **more)


# The 38 gross-profit headers: 35 products and three second headers, "Success Plan GP", "_3DP_Software" and "CAMWorks",
# which are no products of their own. DraftSight and Supplies occur in wide logs too and are a second header of nothing
# here: nothing says that supplies are the consumables of the map, and were they read as such, a record with both would
# contradict itself. They are reported with their total (contract_unmapped_columns) until somebody who knows adds them.
_PRODUCTS: tuple[Product, ...] = (
    _p("SWX_Core", "Solidworks", "SWX", "License"),
    _p("SWX_Pro_Prem", "Solidworks", "SWX", "License"),
    _p("SW_Electrical", "Solidworks", "SWX", "Module"),
    _p("SW_Inspection", "Solidworks", "SWX", "Module"),
    _p("Core_New_UAP", "Maintenance", "SWX", "Maintenance"),
    _p("Pro_Prem_New_UAP", "Maintenance", "SWX", "Maintenance"),
    _p("PDM", "PDM", "PDM", "License"),
    _p("EPDM_CAD_Editor_Seats", "PDM", "PDM", "License"),
    _p("Simulation", "Simulation", "Simulation", "License"),
    _p("SW_Plastics", "Simulation", "Simulation", "License", quantity_only=True),
    _p("Services", "Services", "Services", "Service"),
    _p("Training", "Training", "Training", "Training"),
    _p("Success_Plan", "Success Plan", "SWX", "Support_Subscription", aliases=("Success Plan GP",)),
    _p("Consumables", "Hardware", "Hardware", "Consumable"),
    _p(
        "AM_Support",
        "Hardware",
        "Hardware",
        "Support_Subscription",
        routes={"scanning": "Scanning", "stratasys": "Hardware"},
    ),
    _p("SpareParts_RepairParts_TimeAndMaterials", "Hardware", "Hardware", "SpareRepair"),
    _p(
        "AM_Software",
        "Hardware",
        "Hardware",
        "AM_Software",
        aliases=("_3DP_Software",),
        qty_aliases=("_3DP_Software_Qty",),
    ),
    _p("FormLabs", "Hardware", "Hardware", "Printer"),
    _p("FDM", "Hardware", "Hardware", "Printer"),
    _p("SAF", "Hardware", "Hardware", "Printer"),
    _p("SLA", "Hardware", "Hardware", "Printer"),
    _p("P3", "Hardware", "Hardware", "Printer"),
    _p("Metals", "Hardware", "Hardware", "Printer"),
    _p("Polyjet", "Hardware", "Hardware", "Printer"),
    _p("Fortus", "Hardware", "Hardware", "Printer"),
    _p("uPrint", "Hardware", "Hardware", "Printer"),
    _p("_1200_Elite_Fortus250", "Hardware", "Hardware", "Printer"),
    _p("Post_Processing", "Post_Processing", "Hardware", "Post_Processing"),
    _p("HV_Simulation", "CPE", "CPE", "License"),
    _p("CATIA", "CPE", "CPE", "License"),
    _p("Delmia_Apriso", "CPE", "CPE", "License"),
    _p("DELMIA", "CPE", "CPE", "License", "Delmia_Qty"),
    _p("Creaform", "Scanning", "Scanning", "Scanner"),
    _p("Artec", "Scanning", "Scanning", "Scanner"),
    _p("CAMWorks_Seats", "CAMWorks", "CAM", "License", aliases=("CAMWorks",), qty_aliases=("CAMWorks_Qty",)),
)

_SKU_SETS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    # display, SKUs, ranked
    ("SWX_Seats", ("SWX_Core", "SWX_Pro_Prem"), False),
    ("PDM_Seats", ("PDM", "EPDM_CAD_Editor_Seats"), False),
    ("Services", ("Services",), True),
    ("Success Plan", ("Success_Plan",), True),
    ("Training", ("Training",), True),
    ("Simulation", ("Simulation", "SW_Plastics"), True),
    ("Scanning", ("Creaform", "Artec"), True),
    ("CAMWorks", ("CAMWorks_Seats",), True),
    ("SW_Electrical", ("SW_Electrical",), False),
    ("SW_Inspection", ("SW_Inspection",), False),
    ("Post_Processing", ("Post_Processing",), True),
    ("CPE", ("HV_Simulation", "CATIA", "Delmia_Apriso", "DELMIA"), True),
)


def _targets(products: tuple[Product, ...]) -> tuple[Target, ...]:
    """The registry: 13 SKU-set targets, then the divisions no SKU-set target stands for."""

    def sku_set(display: str, skus: Iterable[str], ranked: bool = True) -> Target:
        quantity_only = _quantity_only(skus, products)
        return Target(
            slugify(display),
            display,
            "sku_set",
            frozenset(skus),
            label_basis="gp_or_qty" if quantity_only else "gp",
            ranked=ranked,
            quantity_only=quantity_only,
        )

    sets = [sku_set(display, skus, ranked) for display, skus, ranked in _SKU_SETS]
    sets.append(sku_set("Printers", [p.sku for p in products if p.sale_type == "Printer"]))
    taken = {t.slug for t in sets}
    flags: dict[str, dict[str, bool]] = {
        "Hardware": {"ranked": False},
        "Maintenance": {"trainable": False, "ranked": False},
    }
    divisions = sorted({p.division for p in products})
    whole = [_division_target(d, products, **flags.get(d, {})) for d in divisions if slugify(d) not in taken]
    return tuple(sorted([*sets, *whole], key=lambda t: t.slug))


#: Headers under which the fields of a log are known to arrive, most specific first. Compared trimmed, case folded,
#: with runs of blanks, dots, dashes and underscores taken as one underscore.
FIELD_ALIASES: dict[str, tuple[str, ...]] = {
    "customer_id": (
        "customer_id",
        "customerid",
        "companyid",
        "company_id",
        "cust_id",
        "account_id",
        "client_id",
        "household_id",
        "customer_no",
        "customer_number",
    ),
    "customer_name": (
        "customer_name",
        "customer",
        "company_name",
        "companyname",
        "account_name",
        "client_name",
        "client",
    ),
    "order_date": (
        "order_date",
        "rec_date",
        "orderdate",
        "transaction_date",
        "sale_date",
        "txn_date",
        "transaction_timestamp",
        "date",
    ),
    "invoice_id": (
        "invoice_id",
        "invoiceid",
        "invoice",
        "invoice_no",
        "invoice_number",
        "basket_id",
        "order_id",
        "orderid",
        "document_no",
    ),
    "invoice_date": ("invoice_date", "invoicedate"),
    "product_sku": ("product_sku", "sku", "product_id", "productid", "item_id", "item", "product"),
    "product_division": ("product_division", "division", "department", "product_line", "category", "product_category"),
    "quantity": ("quantity", "qty", "units", "quantity_sold"),
    "revenue": ("revenue", "sales", "sales_value", "amount", "net_sales", "turnover", "total"),
    "gross_profit": ("gross_profit", "grossprofit", "gp", "margin", "profit"),
    "rep": ("rep", "sales_rep", "salesrep", "representative", "salesperson"),
    "branch": ("branch", "store", "store_id", "territory", "region", "office"),
    "currency": ("invoicecurrency", "invoice_currency", "currency", "currency_code", "transaction_currency"),
    "currency_rate": (
        "usdcadconversionrate",
        "usd_cad_conversion_rate",
        "currency_rate",
        "exchange_rate",
        "conversion_rate",
        "fx_rate",
    ),
    "record_id": ("record_id", "id", "line_id", "row_id"),
}


def fold_header(header: str) -> str:
    """A header as `FIELD_ALIASES` spells it."""
    return re.sub(r"[\s._\-/]+", "_", header.strip()).strip("_").casefold()


def find_headers(headers: Iterable[str], fields: Iterable[str] = FIELD_ALIASES) -> dict[str, str]:
    """Match known fields to the headers of a log: field -> header, each header used once, best alias first."""
    free: dict[str, str] = {}
    for header in headers:
        free.setdefault(fold_header(header), header)
    found: dict[str, str] = {}
    for name in fields:
        for alias in FIELD_ALIASES[name]:
            if alias in free:
                found[name] = free.pop(alias)
                break
    return found
