"""Assets and subscriptions of customers: from text to typed rows that name a customer and a product.

Belongs here: fact_assets, and what of the received assets could not be used. Does not belong here: what is known of an
asset at a cutoff (`engine.assets`), features made from assets.

Every asset received is one row, also when nobody knows its customer or its product: such rows make no owner and are
listed in contract_violations.
"""

from __future__ import annotations

import polars as pl

from gosales_assets.engine.assets import EARLIEST_PURCHASE, is_valid_purchase
from gosales_assets.engine.star.names import unprefixed
from gosales_assets.engine.star.parsing import (
    floats_as_text,
    identifier,
    name_key,
    parse_amounts,
    parse_dates,
    text,
)
from gosales_assets.engine.star.side import Side, breach, dates, one_per_key
from gosales_assets.taxonomy import Taxonomy, fold, fold_header, match_key

#: Columns of assets as received; those after the product may hold nothing.
RECEIVED = (
    "customer_id",
    "customer_name",
    "product_sku",
    "internalid",
    "quantity",
    "purchase_date",
    "expiration_date",
)
_MAY_BE_ABSENT = ("customer_name", "internalid")

FACT_SCHEMA: dict[str, type[pl.DataType]] = {
    "customer_id": pl.String,
    "customer_name": pl.String,
    "customer_match": pl.String,
    "product": pl.String,
    "product_norm": pl.String,
    "internalid": pl.String,
    "product_sku": pl.String,
    "item_rollup": pl.String,
    "division": pl.String,
    "department": pl.String,
    "category": pl.String,
    "join_method": pl.String,
    "quantity": pl.Float64,
    "purchase_date": pl.Date,
    "valid_purchase": pl.Boolean,
    "expiration_date": pl.Date,
}

#: The order of all columns, by those that the others follow from: what is known of a product follows from its name and
#: key, and whether a purchase is valid from its date.
_ORDER = (
    "customer_id",
    "customer_name",
    "customer_match",
    "product",
    "internalid",
    "quantity",
    "purchase_date",
    "expiration_date",
)

_TABLE = "customer_assets"
#: What an item list tells of a product.
_TOLD = ("product_sku", "item_rollup", "division", "department", "category")


def fact_assets(
    received: pl.DataFrame | None,
    items: pl.DataFrame,
    taxonomy: Taxonomy,
    names: pl.DataFrame,
    *,
    day_first: bool = False,
) -> Side:
    """Type assets, name their products and their customers.

    A product is found by the item's key, else by its name (``itemid``, then ``name``) in the item list, else as a SKU
    of the taxonomy. Its SKU is the one the item list names, else the product of the taxonomy that is called like its
    roll-up, its id or its name; its division is that of the SKU, else the one the item list names, else a department
    or roll-up that is called like a division. Nothing is guessed from parts of names.

    A customer is found by id; without one by name, when exactly one customer has it (first as received, then without
    the number in front).

    Parameters
    ----------
    received
        Text or typed values; ``customer_name`` and ``internalid`` may be absent. None is no source of assets.
    items
        The item list, typed; may have no rows.
    taxonomy
        Products and divisions.
    names
        ``customer_id``, ``customer_name`` of everyone the log and the CRM name; a customer may have several.
    day_first
        Whether 3/4/2024 is 3 April.

    Returns
    -------
    Side
        ``table``: schema `gosales_assets.engine.star.schema.FactAssets`, sorted by all columns. A quantity that is
        blank or no number counts as one.

    Raises
    ------
    ValueError
        Naming the columns that are missing.
    """
    if received is None:
        return Side(pl.DataFrame(schema=FACT_SCHEMA))
    if missing := [c for c in RECEIVED if c not in received.columns and c not in _MAY_BE_ABSENT]:
        raise ValueError(f"customer_assets lacks the column(s) {', '.join(missing)}; expected {', '.join(RECEIVED)}")
    typed, breaches = _typed(received, day_first)
    found = _with_customer(_with_product(typed, items, taxonomy), names)
    nameless, unknown = pl.col("customer_id").is_null(), pl.col("join_method") == "unmatched"
    by_name = found.filter(nameless & ~pl.col("ambiguous"))
    seen = {"row_key": pl.coalesce("customer_name", pl.lit("")), "observed_value": pl.col("product")}
    breaches += [
        breach(by_name.select(**seen), _TABLE, "customer_id", "asset_without_customer", "makes no owner"),
        breach(
            found.filter("ambiguous").select(**seen),
            _TABLE,
            "customer_name",
            "side_ambiguous_customer",
            "several customers have this name: makes no owner; give the asset a customer id",
        ),
        breach(
            found.filter(unknown).select(row_key="customer_id", observed_value="product"),
            _TABLE,
            "product_sku",
            "side_unmapped_product",
            "neither the item list nor the taxonomy knows the product: belongs to no target",
        ),
    ]
    counts = {
        "received": received.height,
        "without_customer": found.filter(nameless).height,
        "used": found.filter(~nameless).height,
    }
    return Side(found.select(pl.col(c).cast(t) for c, t in FACT_SCHEMA.items()).sort(_ORDER), breaches, counts)


def _typed(received: pl.DataFrame, day_first: bool) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    rows = (
        received.lazy()
        .with_columns(pl.lit(None, pl.String).alias(c) for c in _MAY_BE_ABSENT if c not in received.columns)
        .select(RECEIVED)
        .pipe(floats_as_text)
        .select(
            identifier("customer_id"),
            text("customer_name"),
            identifier("internalid"),
            product=text("product_sku"),
        )
        .collect()
    )
    key = rows["customer_id"]
    quantity, no_number = parse_amounts(received["quantity"])
    purchase, early = dates(
        received["purchase_date"], key, _TABLE, "purchase_date", "unparseable_asset_date", EARLIEST_PURCHASE, day_first
    )
    expiration, no_date = parse_dates(received["expiration_date"], day_first)
    raw = pl.DataFrame({
        "row_key": key,
        "quantity": received["quantity"].cast(pl.String),
        "expiration_date": received["expiration_date"].cast(pl.String),
    })  # fmt: skip
    bad = [
        *early,
        breach(
            raw.filter(no_date).select("row_key", observed_value="expiration_date"),
            _TABLE,
            "expiration_date",
            "unparseable_asset_date",
            "not a date: taken as unknown",
        ),
        breach(
            raw.filter(no_number).select("row_key", observed_value="quantity"),
            _TABLE,
            "quantity",
            "side_unparseable_value",
            "not a number: counts as one",
        ),
    ]
    typed = rows.with_columns(
        quantity=quantity.fill_null(1.0), purchase_date=purchase, expiration_date=expiration
    ).with_columns(valid_purchase=is_valid_purchase())
    return typed, bad


def _with_customer(assets: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Add ``customer_match`` and ``ambiguous``, and the id of customers found by name."""
    nobody = pl.col("customer_id").is_null()
    by_id = assets.filter(~nobody).with_columns(customer_match=pl.lit("id"), ambiguous=pl.lit(False))
    nameless = _with_keys(assets.filter(nobody))
    known = _with_keys(names).lazy().select("_full", "_bare", owner="customer_id")
    by_full, by_bare = (
        known.join(nameless.lazy(), on=key, how="semi")
        .group_by(key)
        .agg(owner=pl.col("owner").min(), several=pl.col("owner").n_unique() > 1)
        for key in ("_full", "_bare")
    )
    # A full name that several customers have stays ambiguous: the shorter one says less.
    several = pl.coalesce("several", "several_bare").fill_null(False)
    owner = pl.when(~several).then(pl.coalesce("owner", "owner_bare"))
    by_name = (
        nameless.lazy()
        .join(by_full, on="_full", how="left")
        .join(by_bare, on="_bare", how="left", suffix="_bare")
        .with_columns(
            customer_id=owner,
            customer_match=pl.when(owner.is_not_null()).then(pl.lit("name")).otherwise(pl.lit("none")),
            ambiguous=several,
        )
        .select(by_id.columns)
        .collect()
    )
    return pl.concat([by_id, by_name])


def _with_keys(named: pl.DataFrame) -> pl.DataFrame:
    """Add the forms of a name that are compared: whole, and without the number in front."""
    return named.with_columns(_full=name_key("customer_name")).with_columns(_bare=unprefixed("_full"))


def _with_product(assets: pl.DataFrame, items: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Add what the item list and the taxonomy say of the product, and by which way it was found."""
    key = ["internalid", "product"]
    # There are few products and many assets.
    found = _found(assets.select(key).unique(), items, taxonomy)
    return assets.join(found, on=key, how="left", nulls_equal=True)


def _found(products: pl.DataFrame, items: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """`_TOLD`, ``product_norm`` and ``join_method`` of each pair of ``internalid`` and ``product``."""
    told = _told(items, taxonomy)
    by_id, _ = one_per_key(told.drop("product_norm"), "internalid", _TOLD)
    by_name, _ = one_per_key(told.drop("internalid").explode("product_norm"), "product_norm", _TOLD)
    joined = (
        products.with_columns(product_norm=name_key("product"))
        .join(by_id.with_columns(_id=pl.lit(True)), on="internalid", how="left")
        .join(by_name.with_columns(_name=pl.lit(True)), on="product_norm", how="left", suffix="_by_name")
    )
    known = _skus(taxonomy)
    own = _folded("product").replace_strict(known, default=None, return_dtype=pl.String)
    ways = [pl.col("_id").fill_null(False), pl.col("_name").fill_null(False), own.is_not_null()]
    method = pl.lit("unmatched")
    for way, name in reversed(list(zip(ways, ("internalid", "name", "sku"), strict=True))):
        method = pl.when(way).then(pl.lit(name)).otherwise(method)
    picked = {c: pl.when(ways[0]).then(c).otherwise(f"{c}_by_name") for c in _TOLD}
    sku = pl.coalesce(picked["product_sku"], own)
    resolved = joined.with_columns(**picked | {"product_sku": sku}, join_method=method)
    return resolved.with_columns(
        division=pl.coalesce(_division("product_sku", taxonomy), "division"),
        item_rollup=pl.coalesce("item_rollup", "product_sku"),
    ).select(*products.columns, "product_norm", *_TOLD, "join_method")


def _told(items: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """What is known of each item: its key, the names it goes by (``product_norm``, a list), and `_TOLD`."""
    known = _skus(taxonomy)
    spelled = {fold(d): d for d in taxonomy.divisions}
    sku = [
        _folded(c).replace_strict(known, default=None, return_dtype=pl.String)
        for c in ("product_sku", "item_rollup", "itemid", "name")
    ]
    like = [
        match_key(c).replace_strict(spelled, default=None, return_dtype=pl.String)
        for c in ("division", "department", "item_rollup")
    ]
    return items.select(
        "internalid",
        product_norm=pl.concat_list(name_key("itemid"), name_key("name")),
        product_sku=pl.coalesce(*sku, "product_sku"),
        item_rollup="item_rollup",
        division=pl.coalesce(*like),
        department="department",
        category="category",
    ).select("internalid", "product_norm", *_TOLD)


def _skus(taxonomy: Taxonomy) -> dict[str, str]:
    """Every header of every product, folded, and its SKU; a header of two products names the first."""
    pairs: dict[str, str] = {}
    for p in taxonomy.products:
        for header in (p.sku, *p.aliases):
            pairs.setdefault(fold_header(header), p.sku)
    return pairs


def _division(sku: str, taxonomy: Taxonomy) -> pl.Expr:
    of = {p.sku: p.division for p in taxonomy.products}
    return pl.col(sku).replace_strict(of, default=None, return_dtype=pl.String)


def _folded(column: str) -> pl.Expr:
    """A column as `fold_header` folds a header."""
    return pl.col(column).str.strip_chars().str.replace_all(r"[\s._\-/]+", "_").str.strip_chars("_").str.to_lowercase()
