"""The customer dimension: everyone any source knows, once, with industry and the first day they were known.

Belongs here: the union of rosters, names, matching to the industry enrichment. Does not belong here: customer
attributes as of a cutoff (`population`), sales lines, the likeness of names (`names`).

Arrows: log and CRM name customers, assets find theirs among those, and the union of the three is the dimension; no
table is read that this build makes later, and none of an earlier build. Pairs of names that were accepted once can be
kept in a file of their own and handed in as a source (``matches``), so that the same inputs give the same dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.star.names import FIRST_PASS, similar_names, unprefixed
from gosales_assets.engine.star.parsing import amount, identifier, name_key, name_prefix_id, text
from gosales_assets.engine.star.side import account_type, breach, lost_rows, one_per_key

if TYPE_CHECKING:
    from gosales_assets.settings import EtlSettings

#: Columns the enrichment fills, in order.
ENRICHED = ("industry", "industry_sub", "web_address", "cleaned_customer_name", "industry_reasoning")

#: What the CRM adds, in order.
FROM_CRM = ("account_group", "territory", "region", "account_type", "crm_created_date", "crm_first_purchase_date")

_FIRST_PURCHASES = ("first_cre_date", "first_cpe_date", "first_hw_date")

_SALES_LOG, _CRM, _ASSETS = 0, 1, 2  # rank of the sources: the first that has a customer names it
_SOURCE_NAMES = {_SALES_LOG: "sales_log", _CRM: "ns", _ASSETS: "assets"}

#: How an industry was found, in the order it is looked for.
METHODS = ("exact", "prefix", "cache", "fuzzy97", "fuzzy94", "none")


@dataclass(frozen=True)
class Customers:
    """The dimension, what of the enrichment could not be used, and what became of the matching by similar names."""

    dim: pl.DataFrame
    breaches: list[pl.DataFrame] = field(default_factory=list)
    matching: dict[str, Any] = field(default_factory=dict)


def known_names(records: pl.DataFrame, crm: pl.DataFrame) -> pl.DataFrame:
    """Every name the log and the CRM give a customer: ``customer_id, customer_name``, distinct."""
    both = pl.concat([t.select("customer_id", "customer_name") for t in (records, crm)])
    return both.drop_nulls().unique()


def dim_customer(
    records: pl.DataFrame,
    crm: pl.DataFrame,
    assets: pl.DataFrame,
    enrichment: pl.DataFrame | None,
    matches: pl.DataFrame | None,
    etl: EtlSettings,
) -> Customers:
    """Build the customer dimension.

    The industry is that of the enrichment row of the same name; blanks are filled from the row whose id is the number
    the name begins with. For who has neither, the row an accepted pair of names points to, then, where
    ``etl.enable_industry_fuzzy`` lets it run, the row of the most similar name: at least 97 % alike, else 94 %.

    Parameters
    ----------
    records
        Customers of the log under each of their names: ``customer_id``, ``customer_name``, ``order_date`` of the first.
    crm
        CRM attributes, typed, one row per customer; may have no rows.
    assets
        fact_assets.
    enrichment
        ``customer_name``, ``industry_id`` and `ENRICHED`, as text; None is none.
    matches
        Accepted pairs of names: ``customer_name``, ``matched_name``, ``score``, as text; None is none.
    etl
        Whether and when similar names are matched.

    Returns
    -------
    Customers
        ``dim``: schema `gosales_assets.engine.star.schema.DimCustomer`, sorted by customer. A customer's name is the
        one on the earliest record that has a name, the smallest of several, else that of the CRM, else that of its
        assets. ``first_seen_date`` is the earliest of first order, creation in the CRM and first valid purchase of an
        asset.
    """
    people = _roster(records, crm, assets)
    by_name, by_id, breaches = _enrichment(enrichment)
    told = by_name.select("norm", *ENRICHED)
    found = people.join(
        told.with_columns(_exact=pl.lit(True)), left_on="customer_name_norm", right_on="norm", how="left"
    ).join(
        by_id.select("id", *ENRICHED, _of_id="norm", _prefix=pl.lit(True)),
        left_on="customer_prefix_id",
        right_on="id",
        how="left",
        suffix="_of_id",
    )
    method = pl.when("_exact").then(pl.lit("exact")).when("_prefix").then(pl.lit("prefix"))
    found = found.with_columns(match_method=method)
    accepted, unknown = _accepted(matches, by_name)
    alike, matching = _alike(found, accepted, by_name, etl)
    late = pl.col("match_method").is_null()
    joined = (
        found.join(alike, on="customer_name_norm", how="left", suffix="_alike")
        .join(told, left_on="matched_name", right_on="norm", how="left", suffix="_alike")
        .with_columns(
            *(pl.coalesce(c, f"{c}_of_id", pl.when(late).then(f"{c}_alike")) for c in ENRICHED),
            matched_name=pl.when("_exact")
            .then("customer_name_norm")
            .when("_prefix")
            .then("_of_id")
            .otherwise("matched_name"),
            match_score=pl.when(late).then("score").otherwise(100.0),
            match_method=pl.coalesce("match_method", "match_method_alike", pl.lit("none")),
        )
    )
    assert joined.height == people.height, "the enrichment multiplied customers"
    dim = joined.select(
        "customer_id",
        "customer_name",
        "customer_name_norm",
        "customer_prefix_id",
        "source_sales_log",
        "source_ns",
        "source_assets",
        pl.col("source_rank").replace_strict(_SOURCE_NAMES, return_dtype=pl.String).alias("source"),
        "source_rank",
        *ENRICHED,
        "match_method",
        "match_score",
        "matched_name",
        *FROM_CRM,
        "first_seen_date",
    )
    return Customers(dim.sort("customer_id"), [*breaches, unknown], matching)


def _roster(records: pl.DataFrame, crm: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
    """Customers of all sources, one row each, with their name, its forms for matching, and what the CRM tells."""
    held = assets.lazy().select(
        "customer_id",
        "customer_name",
        day=pl.when("valid_purchase").then("purchase_date"),
        rank=pl.lit(_ASSETS, pl.Int8),
    )
    # Few names per customer, however many assets; the records come as such already.
    seen = pl.concat(
        [
            records.lazy().select("customer_id", "customer_name", day="order_date", rank=pl.lit(_SALES_LOG, pl.Int8)),
            crm.lazy().select("customer_id", "customer_name", day="date_created", rank=pl.lit(_CRM, pl.Int8)),
            held.group_by("customer_id", "customer_name", "rank")
            .agg(pl.col("day").min())
            .select("customer_id", "customer_name", "day", "rank"),
        ]
    ).filter(pl.col("customer_id").is_not_null())
    names = (
        seen.filter(pl.col("customer_name").is_not_null())
        .sort("customer_id", "rank", "day", "customer_name", nulls_last=True)
        .unique("customer_id", keep="first", maintain_order=True)
        .select("customer_id", "customer_name")
    )
    return (
        seen.group_by("customer_id")
        .agg(
            source_sales_log=(pl.col("rank") == _SALES_LOG).any().cast(pl.Int8),
            source_ns=(pl.col("rank") == _CRM).any().cast(pl.Int8),
            source_assets=(pl.col("rank") == _ASSETS).any().cast(pl.Int8),
            source_rank=pl.col("rank").min(),
            first_seen_date=pl.col("day").min(),
        )
        .join(names, on="customer_id", how="left")
        .join(_told_by_crm(crm.lazy()), on="customer_id", how="left")
        .with_columns(customer_name_norm=name_key("customer_name"), customer_prefix_id=name_prefix_id("customer_name"))
        .collect()
    )


def _told_by_crm(crm: pl.LazyFrame) -> pl.LazyFrame:
    return crm.select(
        "customer_id",
        "account_group",
        "territory",
        "region",
        account_type=account_type("stage", "status", *_FIRST_PURCHASES),
        crm_created_date="date_created",
        crm_first_purchase_date=pl.min_horizontal(_FIRST_PURCHASES),
    )


def _enrichment(received: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame, list[pl.DataFrame]]:
    """Typed rows (``norm``, ``id``, `ENRICHED`), one per name and one per number, and those without a key or beaten by
    another of the same key."""
    if received is None:
        none = pl.DataFrame(schema={"norm": pl.String, "id": pl.Int64} | dict.fromkeys(ENRICHED, pl.String))
        return none, none, []
    rows = received.select(
        name_key("customer_name").alias("norm"),
        identifier("industry_id").cast(pl.Int64, strict=False).alias("id"),
        *(text(c).alias(c) for c in ENRICHED),
    )
    shown = pl.concat_str(ENRICHED, separator=" | ", ignore_nulls=True)
    keyless = rows.filter(pl.col("norm").is_null() & pl.col("id").is_null())
    table = "industry_enrichment"
    without = breach(
        keyless.select(row_key=pl.lit(""), observed_value=shown),
        table,
        "customer_name",
        "side_missing_key",
        "neither a name nor a number: left out",
    )
    kept = {key: one_per_key(rows, key, ENRICHED, before=["id", "norm"]) for key in ("norm", "id")}
    lost = [lost_rows(beaten, key, ENRICHED, table, "enrichment_conflict") for key, (_, beaten) in kept.items()]
    conflicts = pl.concat(lost).with_columns(column_name=pl.lit("customer_name")).unique().sort(pl.all())
    return kept["norm"][0], kept["id"][0], [without, conflicts]


def _accepted(matches: pl.DataFrame | None, by_name: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Accepted pairs that lead somewhere, one per customer name; and those whose industry name no row has."""
    schema = {"customer_name_norm": pl.String, "matched_name": pl.String, "score": pl.Float64}
    pairs = pl.DataFrame(schema=schema) if matches is None else matches.select(
        customer_name_norm=name_key("customer_name"), matched_name=name_key("matched_name"), score=amount("score")
    )  # fmt: skip
    known = pairs.join(by_name, left_on="matched_name", right_on="norm", how="semi")
    idle = pairs.join(by_name, left_on="matched_name", right_on="norm", how="anti").select(
        row_key="customer_name_norm", observed_value="matched_name"
    )
    unknown = breach(
        idle.unique().sort(pl.all()),
        "industry_matches",
        "matched_name",
        "side_unknown_name",
        "no industry row has this name: not used",
    )
    kept, _ = one_per_key(known, "customer_name_norm", ["score", "matched_name"])
    return kept, unknown


def _alike(
    found: pl.DataFrame, accepted: pl.DataFrame, by_name: pl.DataFrame, etl: EtlSettings
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Matches by accepted pairs and by similar names, one per customer name; and what became of the matching.

    Returns
    -------
    (DataFrame, dict)
        ``customer_name_norm, matched_name, score, match_method``; counts and the reason when similar names were not
        looked for.
    """
    open_ = found.filter(pl.col("match_method").is_null() & pl.col("customer_name_norm").is_not_null())
    names = open_.select("customer_name_norm").unique()
    cached = names.join(accepted, on="customer_name_norm").with_columns(match_method=pl.lit("cache"))
    left = open_.join(cached, on="customer_name_norm", how="anti")
    matched = found["match_method"].count() + open_.height - left.height
    coverage = matched / found.height if found.height else 1.0
    why_not = _not_run(left.height, coverage, etl)
    if why_not:
        return cached, {"fuzzy": why_not, "coverage": round(coverage, 4), "unmatched": left.height}
    bare = left.select("customer_name_norm", bare=unprefixed("customer_name_norm")).unique()
    choices, _ = one_per_key(by_name.with_columns(bare=unprefixed("norm")), "bare", ENRICHED, before=["id", "norm"])
    similar = similar_names(bare["bare"], choices["bare"])
    first = pl.col("score") >= FIRST_PASS
    fuzzy = (
        bare.join(similar, left_on="bare", right_on="name")
        .join(choices.select("bare", matched_name="norm"), left_on="match", right_on="bare")
        .select(
            "customer_name_norm",
            "matched_name",
            "score",
            match_method=pl.when(first).then(pl.lit("fuzzy97")).otherwise(pl.lit("fuzzy94")),
        )
    )
    report = {"fuzzy": "run", "coverage": round(coverage, 4), "unmatched": left.height, "matched_names": fuzzy.height}
    return pl.concat([cached, fuzzy]), report


def _not_run(unmatched: int, coverage: float, etl: EtlSettings) -> str:
    """Why similar names are not looked for; empty when they are."""
    if not etl.enable_industry_fuzzy:
        return "off: etl.enable_industry_fuzzy is false"
    if coverage >= etl.fuzzy_skip_if_coverage_ge:
        return f"not run: coverage {coverage:.1%} is at least etl.fuzzy_skip_if_coverage_ge"
    if unmatched < etl.fuzzy_min_unmatched:
        return f"not run: {unmatched} unmatched customers are fewer than etl.fuzzy_min_unmatched"
    if unmatched > etl.fuzzy_max_unmatched:
        return f"not run: {unmatched} unmatched customers are more than etl.fuzzy_max_unmatched"
    return ""
