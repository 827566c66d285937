"""The tables beside the synthetic log: item list, assets as exported, CRM, account status, each with a little dirt.

Belongs here: what such exports look like for the customers and purchases of a world. Does not belong here: customers,
purchases and assets themselves (`world`, `sample`).

CRM and account status are extracts of the last day of the log, as such exports are. About one asset in twenty names
its customer without an id, one in five its product without the item's key. Every table draws from a stream of its own,
so that none of them changes the log.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from gosales_assets.sources.world import BUSINESSES, INDEX, NEVER, rng
from gosales_assets.taxonomy import Taxonomy
from gosales_assets.timeline import add_days, days_between, from_month_index, plus_days

_CRM, _STATUS, _ITEMS, _HELD, _SPOILED = range(21, 26)

#: Shares of customers the CRM knows: those who bought or hold something, and those who never did.
IN_CRM, PROSPECTS_IN_CRM = 0.94, 0.7
#: Share of accounts that belong to another, and how many neighbours share a parent.
CHILDREN, FAMILY = 0.12, 12
#: Mean days between the creation of an account and its first order.
MEAN_LEAD_DAYS = 60
MEAN_CONTACT_DAYS = 150
OPEN_DEAL_SHARE, OPEN_DEAL_DAYS = 0.06, 120
#: Shares of assets that name their customer only, their product by key, by name, by SKU; the rest no list knows.
BY_CUSTOMER_NAME = 0.05
BY_ITEM, BY_NAME, BY_SKU = 0.80, 0.12, 0.07

_REGIONS = {
    "East": ("Albany", "Atlanta", "Boston"),
    "Central": ("Chicago", "Dallas", "Houston"),
    "West": ("Denver", "Phoenix", "Portland", "Seattle"),
    "Canada": ("Calgary", "Montreal", "Toronto"),
}
_REGION_OF = {branch: region for region, branches in _REGIONS.items() for branch in branches}
#: First purchases the CRM dates, and the lines of business they are of.
_FIRSTS = {
    "first_cre_date": ("seats", "electrical", "inspection", "pdm", "simulation"),
    "first_cpe_date": ("cpe",),
    "first_hw_date": ("printers", "scanning"),
}
_ISO = "%Y-%m-%d"


def crm_attributes(people: pl.DataFrame, lines: pl.DataFrame, held: pl.DataFrame, seed: int, end: date) -> pl.DataFrame:
    """The customer master on the last day of the log: most customers, and prospects no order names.

    Parameters
    ----------
    people
        Customers of the world.
    lines
        Lines of the log.
    held
        Assets: ``customer_id``.
    seed
        Seed of the world.
    end
        Last day of the log.
    """
    g = rng(seed, _CRM)
    n = people.height
    firsts = [
        pl.col("order_date").filter(pl.col("business").is_in([INDEX[b] for b in group])).min().alias(column)
        for column, group in _FIRSTS.items()
    ]
    bought = lines.group_by("customer_id").agg(pl.col("order_date").min().alias("first"), *firsts)
    lead = pl.Series("lead", g.geometric(1 / MEAN_LEAD_DAYS, n))
    late = pl.Series("late", g.integers(0, days_between(add_days(end, -1800), end), n))
    draws = [pl.Series(name, g.random(n)) for name in ("known", "child", "blank", "stale")]
    arrived = pl.when(pl.col("arrival") != -NEVER).then(from_month_index("arrival"))
    anyone = pl.col("first").is_not_null() | pl.col("customer_id").is_in(held["customer_id"].unique().to_list())
    parent = (pl.col("row") // FAMILY * FAMILY * 7 + 11).cast(pl.String).str.zfill(6)
    created = pl.coalesce(plus_days("first", -pl.col("lead")), arrived, plus_days(pl.lit(end), -pl.col("late")))
    return (
        people.with_columns(lead, late, *draws)
        .join(bought, on="customer_id", how="left", maintain_order="left")
        .filter(pl.col("known") < pl.when(anyone).then(IN_CRM).otherwise(PROSPECTS_IN_CRM))
        .filter(created <= end)
        .select(
            "customer_id",
            pl.when((pl.col("child") < CHILDREN) & (parent != pl.col("customer_id")))
            .then(parent)
            .alias("account_group"),
            "customer_name",
            pl.col("branch").alias("territory"),
            _region("branch").alias("region"),
            pl.when(pl.col("first").is_not_null())
            .then(pl.lit("Customer"))
            .when(pl.col("stale") < 0.3)
            .then(pl.lit("Former customer"))
            .otherwise(pl.lit("Prospect"))
            .alias("stage"),
            pl.when(pl.col("stale") < 0.9).then(pl.lit("Open")).otherwise(pl.lit("On hold")).alias("status"),
            pl.format("{} {}", "branch", pl.col("new_rep_no") + 1).alias("rep"),
            pl.when(pl.col("blank") >= 0.03).then(created).dt.to_string(_ISO).alias("date_created"),
            *(pl.col(c).dt.to_string(_ISO) for c in _FIRSTS),
            pl.when(pl.col("stale") < 0.02).then(pl.lit("T")).otherwise(pl.lit("F")).alias("is_inactive"),
        )
    )


def account_status(people: pl.DataFrame, known: pl.DataFrame, seed: int, end: date) -> pl.DataFrame:
    """What the sales team does with its accounts, on the last day of the log; those whom log or CRM know."""
    g = rng(seed, _STATUS)
    n = people.height
    since = pl.Series("since", np.minimum(g.geometric(1 / MEAN_CONTACT_DAYS, n), 1500))
    opened = pl.Series("opened", g.integers(0, OPEN_DEAL_DAYS, n))
    elsewhere = pl.Series("elsewhere", g.integers(0, len(_REGIONS), n))
    draws = [pl.Series(name, g.random(n)) for name in ("contacted", "deal", "abroad", "orphan")]
    region, deal = _region("branch"), pl.col("deal") < OPEN_DEAL_SHARE
    other = pl.col("elsewhere").replace_strict(dict(enumerate(_REGIONS)), return_dtype=pl.String)
    return (
        people.with_columns(since, opened, elsewhere, *draws)
        .join(known.select("customer_id").unique(), on="customer_id", how="semi")
        .sort("row")
        .select(
            "customer_id",
            pl.when(pl.col("orphan") >= 0.04).then(pl.format("{} {}", "branch", pl.col("new_rep_no") + 1)).alias("rep"),
            region.alias("region"),
            pl.when(pl.col("orphan") < 0.04)
            .then(None)
            .when(pl.col("abroad") < 0.06)
            .then(other)
            .otherwise(region)
            .alias("rep_region"),
            pl.when(pl.col("contacted") < 0.85)
            .then(plus_days(pl.lit(end), -pl.col("since")).dt.to_string(_ISO))
            .alias("last_contact_date"),
            pl.when(deal).then(plus_days(pl.lit(end), -pl.col("opened")).dt.to_string(_ISO)).alias("open_deal_date"),
            pl.when(deal).then(pl.lit("Yes")).otherwise(pl.lit("No")).alias("has_open_deal"),
        )
    )


def item_taxonomy(taxonomy: Taxonomy) -> pl.DataFrame:
    """Two items for every SKU, current and older, and two that are no product of the map."""
    skus = list(dict.fromkeys(s.sku for b in BUSINESSES for s in b.skus))
    rows: list[tuple[str | None, ...]] = []
    for i, sku in enumerate(skus):
        division = taxonomy.by_sku[sku].division if sku in taxonomy.by_sku else None
        title = sku.strip("_").replace("_", " ")
        rows.append((str(9_000 + i), f"IT-{i:03d}", f"{title} (current)", sku, sku, division, division, "Catalog"))
        rows.append((str(9_500 + i), f"IT-{i:03d}-OLD", f"{title} (older)", sku, None, None, division, "Legacy"))
    rows.append(("9901", "IT-901", "Cable kit", "Accessories", None, None, "Logistics", "Other"))
    rows.append(("9902", "IT-902", "Loan device", "Accessories", None, None, None, "Other"))
    columns = ("internalid", "itemid", "name", "item_rollup", "product_sku", "division", "department", "category")
    return pl.DataFrame(rows, dict.fromkeys(columns, pl.String), orient="row")


def customer_assets(assets: pl.DataFrame, people: pl.DataFrame, items: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The assets of a world as an ERP exports them: items instead of SKUs, and not every customer by id."""
    g = rng(seed, _HELD)
    n = assets.height
    draws = [pl.Series(name, g.random(n)) for name in ("nameless", "old", "way")]
    names = people.select("customer_id", "customer_name")
    current = items.filter(pl.col("category") == "Catalog").select("item_rollup", _id="internalid", _name="name")
    older = items.filter(pl.col("category") == "Legacy").select("item_rollup", _id_old="internalid", _name_old="name")
    old, way = pl.col("old") < 0.3, pl.col("way")
    key = pl.when(old).then("_id_old").otherwise("_id")
    name = pl.when(old).then("_name_old").otherwise("_name")
    upto = np.cumsum([BY_ITEM, BY_NAME, BY_SKU])
    return (
        assets.with_columns(draws)
        .join(names, on="customer_id", how="left", maintain_order="left")
        .join(current, left_on="product_sku", right_on="item_rollup", how="left", maintain_order="left")
        .join(older, left_on="product_sku", right_on="item_rollup", how="left", maintain_order="left")
        .select(
            pl.when(pl.col("nameless") >= BY_CUSTOMER_NAME).then("customer_id").alias("customer_id"),
            "customer_name",
            pl.when(way < upto[1])
            .then(name)
            .when(way < upto[2])
            .then("product_sku")
            .otherwise(pl.lit("Trade-in, see contract"))
            .alias("product_sku"),
            pl.when(way < upto[0]).then(key).alias("internalid"),
            "quantity",
            "purchase_date",
            "expiration_date",
        )
    )


def _region(branch: str) -> pl.Expr:
    return pl.col(branch).replace_strict(_REGION_OF, return_dtype=pl.String)


#: Dirt by table: cells made unreadable or blank (column, text), and the column that differs in a repeated row.
_DIRT: dict[str, tuple[tuple[tuple[str, str | None], ...], tuple[str, str | None] | None]] = {
    "industry_enrichment": ((), ("industry", "Unclassified")),
    "customer_assets": (
        (("quantity", "n/a"), ("purchase_date", "TBD"), ("expiration_date", "2021-02-30"), ("customer_name", None)),
        None,
    ),
    "item_taxonomy": ((("division", "Miscellaneous"),), ("department", None)),
    "crm_attributes": (
        (("date_created", "unknown"), ("date_created", "1900-01-01"), ("customer_id", " ")),
        ("rep", None),
    ),
    "account_status": ((("last_contact_date", "last week"), ("has_open_deal", "maybe")), ("rep", None)),
}


def spoiled(name: str, clean: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """A side table with a few bad cells of each kind, and a few rows twice with a difference.

    Parameters
    ----------
    name
        Which table.
    clean
        It, all text.
    share
        Share of the rows that is spoiled, over all kinds; at least one row each unless it is 0.
    seed
        Seed of the world.
    """
    if not share or clean.is_empty():
        return clean
    cells, repeated = _DIRT[name]
    g = rng(seed, _SPOILED, sorted(_DIRT).index(name))
    kinds = len(cells) + (repeated is not None)
    each = max(1, round(share * clean.height / kinds))
    rows = g.permutation(clean.height)
    table = clean.with_row_index("_row")
    for i, (column, text) in enumerate(cells):
        hit = pl.col("_row").is_in(rows[i * each : (i + 1) * each].tolist())
        wrong = [pl.when(~hit).then(column).otherwise(pl.lit(text, pl.String)).alias(column)]
        if column == "customer_name":  # nobody can tell whose it is
            wrong.append(pl.when(~hit).then("customer_id").alias("customer_id"))
        table = table.with_columns(wrong)
    if repeated is not None:
        column, text = repeated
        again = clean[np.sort(rows[len(cells) * each : kinds * each])]
        return pl.concat([table.drop("_row"), again.with_columns(pl.lit(text, pl.String).alias(column))])
    return table.drop("_row")
