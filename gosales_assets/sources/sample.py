"""The synthetic world as a customer would hand it over: a sales log with headers, formats and dirt, and its truth.

Belongs here: turning simulated purchases (`world`) into documents, lines, side tables and text; the probabilities a
model is compared with. Does not belong here: what drives customers (`world`), what dirt is made of (`dirt`).

Truth. ``World.truth`` gives, for a target and a cutoff, the probability that a customer buys the target at least once
in the label window, **given** everything the process knows at the end of the cutoff day: all traits (also those no
model can see: private propensities, tastes, whether the customer has silently left) and the whole history. What
happens inside the window (own purchases, cross-sell, churn) is integrated out. Returns are not netted (about 1.5 % of
lines), and dirt in the log does not change it. So it is an upper bound that no model reaches.

What a modeller should find again (effects in log rate, `world` has the full lists): industries differ by up to ±1.2;
owning seats more than doubles the rate of PDM and Simulation (+0.8); a printer makes post-processing five times as
likely (+1.6); a maintenance term that ends within three months raises PDM, Simulation, CPE and success plans (+0.6 to
+0.9); training follows seats (+1.1 for six months, and 8 % of seat invoices carry it). At 10 thousand customers and
six months, 2.5 to 7 % of a target's active whitespace buys; `truth` ranks it with an AUC of 0.78 to 0.83, boosted trees
on plain recency, ownership, industry and expiry features with 0.68 to 0.76.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from gosales_assets.sources import dirt, sample_side
from gosales_assets.sources.errors import SourceError
from gosales_assets.sources.side import SIDE_TABLES
from gosales_assets.sources.world import (
    BASKET,
    BUSINESSES,
    INDEX,
    INDUSTRIES,
    NEVER,
    Floats,
    Process,
    draw_traits,
    rng,
)
from gosales_assets.taxonomy import Product, Target, Taxonomy
from gosales_assets.timeline import (
    days_in_months,
    from_month_index,
    is_month_end,
    month_end,
    month_index,
    plus_days,
)

if TYPE_CHECKING:
    from gosales_assets.settings import SampleWorld

Layout = Literal["wide", "tidy"]

SOURCE_FILE = "sample"
RETURN_SHARE = 0.015
#: Purchases of one customer in one month that share an invoice, and invoices that share a day, though unrelated.
SAME_INVOICE_SHARE, SAME_DAY_SHARE = 0.25, 0.25
MEAN_BOOKING_DELAY_DAYS = 3.0
#: Futures simulated per cutoff by `World.truth`.
TRUTH_PATHS = 32
#: Until here the export called these columns by one name, afterwards by the other.
HEADER_CHANGE_MONTH = 2021 * 12 + 6
HEADER_CHANGES = {"Success_Plan": "Success Plan GP", "AM_Software": "_3DP_Software"}
#: Columns of real exports that no product map knows. They hold money on a few documents.
UNMAPPED = ("CAMWorks", "CAMWorks_Qty", "DraftSight", "DraftSight_Qty", "Supplies")
WIDE_FIELDS = {
    "customer_id": "CustomerId",
    "order_date": "Rec Date",
    "selling": "Division",
    "customer_name": "Customer",
    "invoice_id": "InvoiceId",
    "invoice_date": "Invoice_Date",
    "branch": "Branch",
    "rep": "Rep",
    "revenue": "Revenue",
}
TIDY_FIELDS = (
    "customer_id",
    "customer_name",
    "order_date",
    "invoice_id",
    "product_sku",
    "product_division",
    "quantity",
    "revenue",
    "gross_profit",
    "rep",
    "branch",
)
ASSET_COLUMNS = ("customer_id", "product_sku", "quantity", "purchase_date", "expiration_date")
#: Tables beside the log that a world brings.
SIDE_OF_WORLD = ("industry_enrichment", "customer_assets", "item_taxonomy", "crm_attributes", "account_status")
ENRICHMENT_HEADERS = {
    "customer_name": "Customer",
    "cleaned_customer_name": "Cleaned Customer Name",
    "web_address": "Web Address",
    "industry": "Industry",
    "industry_sub": "Industry Sub List",
    "industry_reasoning": "Reasoning",
    "industry_id": "ID",
}

_NAMES, _REPS, _DOCUMENTS, _LINES, _RETURNS, _EXTRAS, _ENRICHMENT, _ASSETS, _DIRT = range(11, 20)
_WORDS = {
    "first": """
        Alder Amber Ash Barrow Beacon Birch Blue Bram Bridge Bright Cald Cedar Clear Cliff Copper Crest Dale Dun East
        Elm Fair Falcon Fen Flint Glen Gold Gran Grey Harbor Hart Haven Hazel High Holm Iron Keen King Lake Lark Lime
        Lock Maple March Mill Moor North Oak Orchard Park Pine Quarry Raven Ridge River Rock Rowan Silver South Spring
        Stone Summit Thorn Vale West""",
    "second": "bank borough bury dale field ford gate ham land ley mere more pen shore side stead ton view ward wood",
    "trade": """
        Aerospace Automation Components Controls Design Devices Dynamics Engineering Fabrication Industries Instruments
        Labs Machine Manufacturing Molding Motion Packaging Plastics Precision Products Prototyping Robotics Systems
        Technologies Tooling Works""",
    "form": "Inc LLC Corp Co Ltd Group",
    "branch": "Albany Atlanta Boston Calgary Chicago Dallas Denver Houston Montreal Phoenix Portland Seattle Toronto",
}
_NAME_PARTS = ("first", "second", "trade", "form")
_BRANCHES = _WORDS["branch"].split()


@dataclass(frozen=True)
class World:
    """A finished synthetic world. Build it with `build_world`.

    Attributes
    ----------
    process
        Customers and what drives them.
    customers
        One row per customer: ``row, customer_id, customer_name, plain_name, industry_id, industry, industry_sub,
        size, arrival`` (month index).
    lines
        The clean lines of the log, returns included: ``row, customer_id, customer_name, month, order_date,
        invoice_date, document, invoice_id, selling, product_sku, quantity, cents, revenue_cents, rep, branch,
        is_return``. Amounts in cents of the account currency.
    customer_assets
        `ASSET_COLUMNS` as text, one row per term or perpetual asset.
    """

    process: Process
    start: date
    end: date
    customers: pl.DataFrame
    lines: pl.DataFrame
    customer_assets: pl.DataFrame

    @cached_property
    def enrichment(self) -> pl.DataFrame:
        """Industry per customer name, with the gaps and misspellings of a bought list."""
        return _enrichment(self.customers, self.process.seed)

    def side(self, name: str, taxonomy: Taxonomy, dirt_share: float) -> pl.DataFrame:
        """A table beside the log as it would be exported, all text; no rows for one the world does not bring.

        Parameters
        ----------
        name
            One of `side.SIDE_TABLES`.
        taxonomy
            Names the divisions of the item list.
        dirt_share
            Share of the rows that is spoiled.
        """
        columns = SIDE_TABLES[name].columns
        if name not in SIDE_OF_WORLD:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        seed, people, held = self.process.seed, self.customers, self.customer_assets
        items = sample_side.item_taxonomy(taxonomy)
        match name:
            case "industry_enrichment":
                clean = self.enrichment
            case "item_taxonomy":
                clean = items
            case "customer_assets":
                clean = sample_side.customer_assets(held, people, items, seed)
            case _:
                crm = sample_side.crm_attributes(people, self.lines, held, seed, self.end)
                known = pl.concat([crm.select("customer_id"), self.lines.select("customer_id")])
                clean = crm if name == "crm_attributes" else sample_side.account_status(people, known, seed, self.end)
        return sample_side.spoiled(name, clean.select(columns), dirt_share, seed)

    def records(self, layout: Layout, taxonomy: Taxonomy, dirt_share: float) -> dirt.Spoiled:
        """The log as text, with dirt, and the account of what was planted.

        Parameters
        ----------
        layout
            ``wide`` or ``tidy``.
        taxonomy
            Names the divisions of tidy lines.
        dirt_share
            Share of the records that is spoiled.
        """
        clean = _wide(self.lines, self.process.seed) if layout == "wide" else _tidy(self.lines, taxonomy)
        fields = _DIRT_FIELDS[layout](clean.columns)
        returned = self.lines.filter("is_return")
        spoiled = dirt.plant(clean, fields, dirt_share, rng(self.process.seed, _DIRT))
        business = pl.DataFrame(
            {
                "kind": ["return"],
                "effect": ["business"],
                "records": [returned.height],
                "cents": [returned["cents"].sum()],
            },
            schema=spoiled.planted.schema,
        )
        return dirt.Spoiled(
            spoiled.records.with_columns(pl.lit(SOURCE_FILE).alias("_source_file")),
            pl.concat([spoiled.planted, business]),
        )

    def truth(
        self, targets: Target | list[Target], cutoff: date, window_months: int, *, paths: int = TRUTH_PATHS
    ) -> pl.DataFrame:
        """True purchase probabilities (see the module docstring for what they are conditional on).

        Parameters
        ----------
        targets
            One target or several of the reference taxonomy.
        cutoff
            A month end not before the first month of the log.
        window_months
            Length of the label window, months.
        paths
            Futures simulated.

        Returns
        -------
        DataFrame
            ``customer_id, division`` (slug)``, p_true``, sorted; customers that have arrived by the cutoff.

        Raises
        ------
        SourceError
            When the cutoff is not a month end or lies before the log.
        """
        month = self._month(cutoff)
        wanted = [targets] if isinstance(targets, Target) else list(targets)
        shares = {t.slug: self._shares(t) for t in wanted}
        p = self.process.probabilities(month, window_months, shares, paths)
        here = self.customers.filter(pl.col("arrival") <= month)
        return pl.concat(
            here.select("customer_id", pl.lit(slug).alias("division"), pl.Series("p_true", values[here["row"]]))
            for slug, values in p.items()
        ).sort("customer_id", "division")

    def realised(self, target: Target, cutoff: date, window_months: int) -> pl.DataFrame:
        """Who did buy: ``customer_id, owned`` (bought before), ``bought`` (in the window); customers in the log so far.

        Counts purchases as `truth` does, before returns.
        """
        month = self._month(cutoff)
        basis = pl.lit(True) if target.label_basis == "gp_or_qty" else pl.col("cents") > 0
        lines = self.lines.filter(~pl.col("is_return")).with_columns(pl.col("month").cast(pl.Int64))
        hit = target.lines() & basis
        lines = _with_division(lines, Taxonomy.reference())
        return (
            lines.group_by("customer_id")
            .agg(
                (pl.col("month") <= month).any().alias("known"),
                (hit & (pl.col("month") <= month)).any().alias("owned"),
                (hit & (pl.col("month") > month) & (pl.col("month") <= month + window_months)).any().alias("bought"),
            )
            .filter("known")
            .select("customer_id", "owned", "bought")
            .sort("customer_id")
        )

    def _month(self, cutoff: date) -> int:
        if not is_month_end(cutoff) or month_index(cutoff) < self.process.first_month:
            raise SourceError(f"truth at {cutoff}: choose a month end from {self.start} on")
        return month_index(cutoff)

    def _shares(self, target: Target) -> Floats:
        """Share of each line of business's purchases that makes the target's label."""
        ways = _ways(Taxonomy.reference())
        hits = ways.filter(target.lines())
        if target.label_basis == "gp":
            hits = hits.filter(pl.col("gp_per_unit") > 0)
        shares = np.zeros(len(BUSINESSES))
        np.add.at(shares, hits["business"].to_numpy(), hits["share"].to_numpy())
        return np.minimum(shares, 1.0)


def world_of(spec: SampleWorld) -> World:
    """The world of the settings; built once per process and parameters."""
    return build_world(spec.customers, spec.seed, spec.start, spec.end, spec.annual_trend)


@lru_cache(maxsize=1)
def build_world(customers: int, seed: int, start: date, end: date, annual_trend: float) -> World:
    """Build a world.

    Parameters
    ----------
    customers
        Size of the address book; some never buy.
    seed
        Seed of everything.
    start, end
        First and last day of the log.
    annual_trend
        Growth of demand per year, as a fraction.

    Raises
    ------
    SourceError
        When ``end`` is not after ``start``.
    """
    if end <= start:
        raise SourceError(f"sources.sales_log.sample: end {end} is not after start {start}")
    first, last = month_index(start), month_index(end)
    process = Process(seed, draw_traits(customers, seed, first, last), first, last, annual_trend)
    people = _customers(process)
    purchases, renewals = _purchases(process)
    priced = _priced(purchases, process)
    lines = _documents(priced, people, seed, start, end)
    assets = _assets(priced, renewals, people, seed, start, end)
    return World(process, start, end, people, lines, assets)


def _ways(taxonomy: Taxonomy) -> pl.DataFrame:
    """Every way to buy: business, way, share, gp_per_unit, units, margin, product_sku, selling, product_division."""
    rows = [
        (i, w, s.share, s.gp_per_unit, s.units, s.margin, s.sku, s.selling or b.seller)
        for i, b in enumerate(BUSINESSES)
        for w, s in enumerate(b.skus)
    ]
    columns = ["business", "way", "share", "gp_per_unit", "units", "margin", "product_sku", "selling"]
    return _with_division(pl.DataFrame(rows, schema=columns, orient="row"), taxonomy)


def _with_division(lines: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Add ``product_division`` from ``product_sku`` and, where the product is routed, ``selling``."""
    reference = Taxonomy.reference().by_sku
    pairs = lines.select("product_sku", "selling").unique()
    named = [_division(taxonomy.by_sku.get(sku, reference[sku]), selling) for sku, selling in pairs.iter_rows()]
    return lines.join(
        pairs.with_columns(pl.Series("product_division", named, dtype=pl.String)),
        on=["product_sku", "selling"],
        how="left",
        maintain_order="left",
    )


def _division(product: Product, selling: str) -> str:
    return product.routes.get(selling.strip().casefold(), product.division)


def _customers(process: Process) -> pl.DataFrame:
    traits, n = process.traits, len(process.traits)
    g = rng(process.seed, _NAMES)
    # A permutation of all combinations: every customer has a name of its own, however many there are.
    words = [np.array(_WORDS[part].split()) for part in _NAME_PARTS]
    radix = tuple(len(w) for w in words)
    space = int(np.prod(radix))
    code = (np.arange(n) * 48_271 + int(g.integers(space))) % space
    named = dict(
        zip(_NAME_PARTS, (w[i] for w, i in zip(words, np.unravel_index(code, radix), strict=True)), strict=True)
    )
    again = np.arange(n) // space
    reps = rng(process.seed, _REPS)
    subs = [s[3] for s in INDUSTRIES.values()]
    frame = pl.DataFrame(
        {
            "row": np.arange(n),
            **named,
            "again": again,
            "industry": np.array(list(INDUSTRIES))[traits.industry],
            "industry_sub": np.array(subs)[traits.industry, traits.sub_industry],
            "size": traits.size,
            "arrival": traits.arrival,
            "prefixed": g.random(n) < 0.6,
            "branch_no": reps.integers(0, len(_BRANCHES), n),
            "rep_no": reps.integers(0, 4, n),
            "new_rep_no": reps.integers(0, 4, n),
            "rep_change": np.where(
                reps.random(n) < 0.3, reps.integers(process.first_month, process.last_month + 1, n), -NEVER
            ),
        }
    )
    number = pl.col("row") * 7 + 11
    plain = pl.format("{}{} {} {}", "first", "second", "trade", "form") + pl.when(pl.col("again") > 0).then(
        pl.format(" {}", pl.col("again") + 1)
    ).otherwise(pl.lit(""))
    return (
        frame.with_columns(
            number.cast(pl.String).str.zfill(6).alias("customer_id"),
            (400_000 + pl.col("row") * 3).cast(pl.String).alias("industry_id"),
            plain.alias("plain_name"),
            pl.col("branch_no").replace_strict(dict(enumerate(_BRANCHES)), return_dtype=pl.String).alias("branch"),
        )
        .with_columns(
            pl.when("prefixed")
            .then(pl.format("{} {}", "industry_id", "plain_name"))
            .otherwise("plain_name")
            .alias("customer_name")
        )
        .drop(*_NAME_PARTS, "again", "branch_no")
    )


def _purchases(process: Process) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Purchases (``row, month, business, pulled``) and prolonged terms (``row, month, business``)."""
    played = process.play()
    bought = pl.DataFrame(
        {
            "row": np.concatenate([p.customer for p in played]),
            "month": np.concatenate([np.full(len(p.customer), p.month) for p in played]),
            "business": np.concatenate([p.business for p in played]),
            "pulled": np.concatenate([p.pulled for p in played]),
        }
    )
    renewed = pl.DataFrame(
        {
            "row": np.concatenate([p.renewed_customer for p in played]),
            "month": np.concatenate([np.full(len(p.renewed_customer), p.month) for p in played]),
            "business": np.concatenate([p.renewed_business for p in played]),
        }
    )
    return bought, renewed


def _priced(purchases: pl.DataFrame, process: Process) -> pl.DataFrame:
    """Add product, units, gross profit and revenue (cents), selling division and the day of the month."""
    g = rng(process.seed, _LINES)
    n = purchases.height
    business = purchases["business"].to_numpy()
    size = process.traits.size[purchases["row"].to_numpy()]
    ways = _ways(Taxonomy.reference())
    most = max(len(b.skus) for b in BUSINESSES)
    roof = np.full((len(BUSINESSES), most), np.inf)
    for i, b in enumerate(BUSINESSES):
        roof[i, : len(b.skus) - 1] = np.cumsum([s.share for s in b.skus])[:-1]
    way = (g.random(n)[:, None] >= roof[business]).sum(axis=1)
    lines = purchases.with_columns(pl.Series("way", way)).join(
        ways.drop("product_division", "share"), on=["business", "way"], how="left", maintain_order="left"
    )
    extra = np.maximum(lines["units"].to_numpy() - 1.0, 0.05) * np.exp(0.35 * size)
    units = 1 + g.poisson(np.minimum(extra, 60.0))
    price = lines["gp_per_unit"].to_numpy() * np.exp(0.3 * g.standard_normal(n)) * units**-0.08
    cents = np.rint(price * units * 100).astype(np.int64)
    revenue = np.rint(cents / lines["margin"].to_numpy() * np.exp(0.05 * g.standard_normal(n))).astype(np.int64)
    return lines.with_columns(
        pl.Series("quantity", units.astype(np.int64)),
        pl.Series("cents", cents),
        pl.Series("revenue_cents", revenue),
    ).drop("way", "gp_per_unit", "units", "margin")


def _documents(priced: pl.DataFrame, people: pl.DataFrame, seed: int, start: date, end: date) -> pl.DataFrame:
    """Put purchases on invoices with a day, a number, a seller and a rep; add returns; keep what the log covers."""
    g = rng(seed, _DOCUMENTS)
    month = ["row", "month"]
    joins = pl.Series("joins", g.random(priced.height) < SAME_INVOICE_SHARE)
    lines = priced.with_columns(joins).join(
        _anchors(priced), on=[*month, "business"], how="left", maintain_order="left"
    )
    first = pl.col("business").filter(~pl.col("pulled")).min().over(month)
    own = pl.when("pulled").then("anchor").otherwise("business")
    # The document is called by the line of business it is about; unrelated purchases sometimes share the month's first.
    anchor_joins = lines.filter(~pl.col("pulled")).select(
        *month, pl.col("business").alias("anchor"), pl.col("joins").alias("_joins")
    )
    lines = (
        lines.with_columns(own.alias("anchor"), first.alias("first"))
        .join(anchor_joins, on=[*month, "anchor"], how="left", maintain_order="left")
        .with_columns(pl.when("_joins").then("first").otherwise("anchor").alias("document"))
    )
    documents = lines.select(*month, "document", "first").unique().sort(*month, "document")
    days = np.array(days_in_months(documents["month"].to_list()))
    u = g.random(documents.height)
    late = np.where(g.random(documents.height) < 0.4, g.random(documents.height), 0.0)
    documents = documents.with_columns(
        pl.Series("day", 1 + np.floor(np.maximum(u, late) * days).astype(np.int64)),
        pl.Series("same_day", g.random(documents.height) < SAME_DAY_SHARE),
        pl.Series("delay", np.minimum(g.geometric(1 / (1 + MEAN_BOOKING_DELAY_DAYS), documents.height) - 1, 45)),
    )
    first_day = pl.col("day").filter(pl.col("document") == pl.col("first")).first().over(month)
    documents = documents.with_columns(pl.when("same_day").then(first_day).otherwise("day").alias("day")).select(
        *month, "document", "delay", from_month_index("month", pl.col("day")).alias("order_date")
    )
    lines = lines.join(documents, on=[*month, "document"], how="left", maintain_order="left").drop(
        "joins", "_joins", "anchor", "first", "pulled"
    )
    lines = pl.concat([lines.with_columns(pl.lit(False).alias("is_return")), _returns(lines, seed)])
    lines = lines.filter(pl.col("order_date").is_between(start, end))
    document = ["order_date", "row", "is_return", "document"]
    numbers = lines.select(document).unique().sort(document).with_row_index("number")
    named = people.select("row", "customer_id", "customer_name", "branch", "rep_no", "new_rep_no", "rep_change")
    rep = pl.when(pl.col("month") >= pl.col("rep_change")).then("new_rep_no").otherwise("rep_no")
    routed = pl.col("product_sku").is_in([p.sku for p in Taxonomy.reference().products if p.routes])
    head = pl.col("selling").sort_by("business").first().over("number")
    return (
        lines.join(numbers, on=document, how="left", maintain_order="left")
        .join(named, on="row", how="left", maintain_order="left")
        .with_columns(
            plus_days("order_date", "delay").alias("invoice_date"),
            (500_000 + pl.col("number")).cast(pl.String).alias("invoice_id"),
            pl.when(routed).then("selling").otherwise(head).alias("selling"),
            pl.format("{} {}", "branch", rep + 1).alias("rep"),
        )
        .drop("delay", "rep_no", "new_rep_no", "rep_change", "document")
        .sort("number", "selling", "business")
    )


def _anchors(lines: pl.DataFrame) -> pl.DataFrame:
    """The purchase that pulled each pulled one: ``row, month, business, anchor``."""
    pairs = pl.DataFrame({"anchor": [INDEX[a] for a, _, _ in BASKET], "business": [INDEX[b] for _, b, _ in BASKET]})
    candidates = lines.select("row", "month", pl.col("business").alias("anchor"))
    return (
        lines.filter("pulled")
        .select("row", "month", "business")
        .join(pairs, on="business")
        .join(candidates, on=["row", "month", "anchor"])
        .group_by("row", "month", "business")
        .agg(pl.col("anchor").min())
    )


def _returns(lines: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Goods that come back some weeks later, whole or in part."""
    g = rng(seed, _RETURNS)
    chosen = lines.filter(pl.Series(g.random(lines.height) < RETURN_SHARE))
    part = pl.Series("part", np.where(g.random(chosen.height) < 0.3, 2, 1))
    back = (
        chosen.with_columns(part, pl.Series("wait", g.integers(5, 61, chosen.height)))
        .with_columns(
            plus_days("order_date", "wait").alias("order_date"),
            (-((pl.col("quantity") + 1) // pl.col("part"))).clip(-pl.col("quantity"), -1).alias("quantity"),
            (-(pl.col("cents") // pl.col("part"))).alias("cents"),
            (-(pl.col("revenue_cents") // pl.col("part"))).alias("revenue_cents"),
            pl.lit(True).alias("is_return"),
        )
        .with_columns(
            (pl.col("order_date").dt.year() * 12 + pl.col("order_date").dt.month() - 1).cast(pl.Int64).alias("month")
        )
    )
    return back.select(*lines.columns, "is_return")


def _text(cents: str | pl.Expr) -> pl.Expr:
    """Cents as text with two decimals."""
    c = pl.col(cents) if isinstance(cents, str) else cents
    sign = pl.when(c < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return sign + (c.abs() // 100).cast(pl.String) + "." + (c.abs() % 100).cast(pl.String).str.zfill(2)


def _tidy(lines: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """One record per line."""
    return _with_division(lines, taxonomy).select(
        "customer_id",
        "customer_name",
        pl.col("order_date").dt.to_string("%Y-%m-%d"),
        "invoice_id",
        "product_sku",
        "product_division",
        pl.col("quantity").cast(pl.String),
        _text("revenue_cents").alias("revenue"),
        _text("cents").alias("gross_profit"),
        "rep",
        "branch",
    )


def _wide(lines: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One record per invoice and selling division, money spread over the product columns."""
    record = ["number", "selling"]
    reference = Taxonomy.reference()
    late = pl.col("month") >= HEADER_CHANGE_MONTH
    gp_header = pl.col("product_sku")
    for old, new in HEADER_CHANGES.items():
        gp_header = pl.when((pl.col("product_sku") == old) & late).then(pl.lit(new)).otherwise(gp_header)
    quantity_of = {p.sku: p.quantity_header for p in reference.products}
    second = reference.by_sku["AM_Software"]
    qty_header = (
        pl.when((pl.col("product_sku") == second.sku) & late)
        .then(pl.lit(second.qty_aliases[0]))
        .otherwise(pl.col("product_sku").replace_strict(quantity_of, return_dtype=pl.String))
    )
    cells = pl.concat(
        [
            lines.select(*record, gp_header.alias("header"), _text("cents").alias("text")),
            lines.select(*record, qty_header.alias("header"), pl.col("quantity").cast(pl.String).alias("text")),
        ]
    )
    heads = lines.group_by(record, maintain_order=True).agg(
        pl.col("customer_id", "customer_name", "order_date", "invoice_id", "invoice_date", "branch", "rep").first(),
        pl.col("revenue_cents").sum(),
    )
    frame = heads.with_columns(
        pl.col("order_date", "invoice_date").dt.to_string("%Y-%m-%d"), _text("revenue_cents").alias("revenue")
    )
    placed = cells.join(heads.select(*record).with_row_index("at"), on=record, how="left")
    columns = {
        header[0]: _scatter(part["at"].to_numpy(), part["text"], heads.height)
        for header, part in placed.partition_by("header", as_dict=True).items()
    }
    columns |= _unmapped(frame, seed)
    headers = [h for p in reference.products for h in (p.sku, *p.aliases)]
    headers += [h for p in reference.products for h in (p.quantity_header, *p.qty_aliases)]
    return frame.select(
        *(pl.col(field).alias(header) for field, header in WIDE_FIELDS.items()),
        *(
            columns[h].alias(h) if h in columns else pl.lit(None, dtype=pl.String).alias(h)
            for h in (*dict.fromkeys(headers), *UNMAPPED)
        ),
    )


def _scatter(rows: np.ndarray, texts: pl.Series, height: int) -> pl.Series:
    """A column with the texts at their rows and null elsewhere: cheaper than a pivot over 80 headers."""
    source = np.full(height, len(texts), dtype=np.uint32)
    source[rows] = np.arange(len(texts), dtype=np.uint32)
    return texts.append(pl.Series([None], dtype=pl.String)).gather(source)


def _unmapped(frame: pl.DataFrame, seed: int) -> dict[str, pl.Series]:
    """A little money in columns the product map does not know."""
    g = rng(seed, _EXTRAS)
    n = frame.height
    draftsight = (g.random(n) < 0.015) & (frame["selling"] == "Solidworks").to_numpy()
    supplies = (g.random(n) < 0.03) & (frame["selling"] == "Stratasys").to_numpy()
    amount = pl.DataFrame({"cents": g.integers(4_000, 60_000, n)}).select(_text("cents").alias("text"))["text"]
    blank = pl.Series([None] * n, dtype=pl.String)
    one = pl.Series(["1"] * n)
    return {
        "DraftSight": amount.zip_with(pl.Series(draftsight), blank),
        "DraftSight_Qty": one.zip_with(pl.Series(draftsight), blank),
        "Supplies": amount.zip_with(pl.Series(supplies), blank),
    }


def _wide_dirt_fields(columns: list[str]) -> dirt.Fields:
    reference = Taxonomy.reference()
    money = [h for p in reference.products for h in (p.sku, *p.aliases) if h in columns]
    return dirt.Fields("CustomerId", "Rec Date", "InvoiceId", tuple(money), None, None)


def _tidy_dirt_fields(columns: list[str]) -> dirt.Fields:
    return dirt.Fields("customer_id", "order_date", "invoice_id", ("gross_profit",), "product_sku", "product_division")


_DIRT_FIELDS = {"wide": _wide_dirt_fields, "tidy": _tidy_dirt_fields}


def _enrichment(people: pl.DataFrame, seed: int) -> pl.DataFrame:
    g = rng(seed, _ENRICHMENT)
    n = people.height
    # 0-6 as in the log, 7 without its number, 8 shouted with two blanks, 9 two letters swapped or a full stop added.
    style = pl.Series("style", g.integers(0, 10, n))
    rare = pl.Series("rare", g.random(n) < 0.5)
    swap = pl.Series("swap", g.integers(2, 6, n))
    kept = g.random(n)
    name, k = pl.col("plain_name"), pl.col("swap")
    swapped = name.str.slice(0, k) + name.str.slice(k + 1, 1) + name.str.slice(k, 1) + name.str.slice(k + 2)
    spelled = (
        pl.when(pl.col("style") == 7)
        .then(name)
        .when((pl.col("style") == 8) & pl.col("rare"))
        .then(pl.col("customer_name").str.to_uppercase().str.replace(" ", "  ", literal=True))
        .when((pl.col("style") == 9) & pl.col("rare"))
        .then(swapped)
        .when(pl.col("style") == 9)
        .then(name + ".")
        .otherwise("customer_name")
    )
    site = name.str.to_lowercase().str.replace_all(r"[^a-z]+", "-")
    return (
        people.with_columns(style, rare, swap)
        .filter(pl.Series(kept < 0.93))
        .select(
            spelled.alias("customer_name"),
            pl.when((pl.col("row") % 25) != 3).then("industry_id").alias("industry_id"),
            "industry",
            pl.when((pl.col("row") % 20) != 7).then("industry_sub").alias("industry_sub"),
            pl.format("www.{}.example", site).alias("web_address"),
            pl.col("plain_name").alias("cleaned_customer_name"),
            pl.format("Web site mentions {}.", pl.col("industry_sub").str.to_lowercase()).alias("industry_reasoning"),
        )
    )


def _assets(
    priced: pl.DataFrame, renewals: pl.DataFrame, people: pl.DataFrame, seed: int, start: date, end: date
) -> pl.DataFrame:
    """What customers hold: one row per purchase that opens a term or is for good, one per prolonged term.

    Each row was known on its purchase date: a renewal is a row of its own, so the list reads the same at any cutoff.
    """
    g = rng(seed, _ASSETS)
    terms = pl.DataFrame(
        {"business": list(range(len(BUSINESSES))), "term": [b.term_months for b in BUSINESSES]},
        schema={"business": pl.Int64, "term": pl.Int64},
    )
    holdings = priced.filter(~pl.col("business").is_in([i for i, b in enumerate(BUSINESSES) if b.term_months == 0]))
    held = holdings.select("row", "month", "business", "product_sku", "quantity")
    prolonged = renewals.sort("month").join_asof(
        held.sort("month"), on="month", by=["row", "business"], strategy="backward", check_sortedness=False
    )
    rows = (
        pl.concat([held, prolonged.filter(pl.col("product_sku").is_not_null()).select(held.columns)])
        .join(terms, on="business", how="left")
        .join(people.select("row", "customer_id"), on="row", how="left")
        .sort("customer_id", "month", "business")
    )
    day = pl.Series("day", g.integers(1, 29, rows.height))
    unknown = pl.Series("unknown", g.integers(0, 100, rows.height))
    old = pl.col("month") < month_index(start)
    iso = "%Y-%m-%d"
    purchase = from_month_index("month", pl.col("day"))
    return (
        rows.with_columns(day, unknown)
        .filter(purchase <= end)
        .select(
            "customer_id",
            "product_sku",
            pl.col("quantity").cast(pl.String),
            pl.when(old & (pl.col("unknown") == 0))
            .then(None)
            .when(old & (pl.col("unknown") == 1))
            .then(pl.lit("1900-01-01"))
            .otherwise(purchase.dt.to_string(iso))
            .alias("purchase_date"),
            from_month_index(pl.col("month") + pl.col("term"), pl.col("day"))
            .dt.to_string(iso)
            .alias("expiration_date"),
        )
    )


def write_world(
    spec: SampleWorld,
    taxonomy: Taxonomy,
    out_dir: str | Path,
    layout: Layout | None = None,
    truth: bool = False,
    *,
    cutoffs: list[date] | None = None,
    window_months: int = 6,
) -> list[Path]:
    """Write a world to a folder.

    Parameters
    ----------
    spec
        Parameters of the world.
    taxonomy
        Names the divisions; its trainable targets are those the truth is written for.
    out_dir
        Folder; created when missing.
    layout
        ``wide`` writes the log as CSV, ``tidy`` as Parquet; unset: as in ``spec``.
    truth
        Whether to write ``truth.parquet`` (customer_id, division, cutoff, window_months, p_true).
    cutoffs
        Month ends of the truth; unset: every half year of the log's second half.
    window_months
        Label window of the truth, months.

    Returns
    -------
    list of Path
        What was written: ``sales_log.csv`` or ``.parquet``, a CSV for each of `SIDE_OF_WORLD`,
        ``planted_dirt.csv`` (what `dirt.plant` accounts for) and, if asked, ``truth.parquet``.
    """
    layout = layout or spec.layout
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    world = world_of(spec)
    spoiled = world.records(layout, taxonomy, spec.dirt_share)
    log = spoiled.records.drop("_source_file")
    files = {
        "sales_log": out / ("sales_log.csv" if layout == "wide" else "sales_log.parquet"),
        **{name: out / f"{name}.csv" for name in SIDE_OF_WORLD},
        "planted": out / "planted_dirt.csv",
    }
    if layout == "wide":
        log.write_csv(files["sales_log"])
    else:
        log.write_parquet(files["sales_log"])
    for name in SIDE_OF_WORLD:
        table = world.side(name, taxonomy, spec.dirt_share)
        headers = ENRICHMENT_HEADERS if name == "industry_enrichment" else {}
        table.rename(headers).write_csv(files[name])
    spoiled.planted.write_csv(files["planted"])
    if truth:
        files["truth"] = out / "truth.parquet"
        targets = sorted((t for t in taxonomy.targets if t.trainable), key=lambda t: t.slug)
        parts = [
            world.truth(targets, c, window_months).select(
                "customer_id",
                "division",
                pl.lit(c).alias("cutoff"),
                pl.lit(window_months, dtype=pl.Int16).alias("window_months"),
                "p_true",
            )
            for c in (half_years(spec.start, spec.end) if cutoffs is None else cutoffs)
        ]
        pl.concat(parts).write_parquet(files["truth"])
    return list(files.values())


def half_years(start: date, end: date) -> list[date]:
    """The ends of June and December in the second half of a log."""
    middle = (month_index(start) + month_index(end)) // 2
    return [month_end(i // 12, i % 12 + 1) for i in range(middle, month_index(end) + 1) if i % 6 == 5]
