"""Who the customers are and what they hold: the tables beside the log, in the order they need each other.

Belongs here: that order, the accounts of the side tables and the verdicts on them. Does not belong here: how a table
is read (`side`, `assets`), a customer matched (`customers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.star.assets import fact_assets
from gosales_assets.engine.star.contracts import Judge
from gosales_assets.engine.star.customers import METHODS, dim_customer, known_names
from gosales_assets.engine.star.side import BREACH_SCHEMA, CRM, STATUS, breach, condition, condition_items
from gosales_assets.taxonomy import Taxonomy

if TYPE_CHECKING:
    from gosales_assets.settings import EtlSettings

#: Customers with a name from which it is asked whether their names are names.
MIN_NAMED = 20

#: Distinct names per named customer below which the names look like a flag ("New", "Renewal").
MIN_DISTINCT_NAMES = 0.5

#: Examples shown with a finding.
_SHOWN = 20


@dataclass(frozen=True)
class Parties:
    """Customers, their assets and their status, and the evidence.

    Attributes
    ----------
    dim_customer, fact_assets, account_status
        Tables of the star, each sorted.
    breaches
        Rows and cells of the side tables that could not be used: `side.BREACH_SCHEMA`.
    counts
        Table, stage, rows; a source that is not configured has the stage ``absent``.
    matching
        What became of the matching by similar names.
    """

    dim_customer: pl.DataFrame
    fact_assets: pl.DataFrame
    account_status: pl.DataFrame
    breaches: pl.DataFrame
    counts: list[tuple[str, str, int]]
    matching: dict[str, Any]


def parties(
    records: pl.DataFrame,
    *,
    enrichment: pl.DataFrame | None,
    assets: pl.DataFrame | None,
    items: pl.DataFrame | None,
    crm: pl.DataFrame | None,
    status: pl.DataFrame | None,
    matches: pl.DataFrame | None,
    taxonomy: Taxonomy,
    etl: EtlSettings,
    day_first: bool = False,
) -> Parties:
    """Build customers, assets and account status.

    Parameters
    ----------
    records
        Accepted records of the log: ``customer_id``, ``customer_name``, ``order_date``.
    enrichment, assets, items, crm, status, matches
        Side tables as received; None is a source that is not configured.
    taxonomy
        Products and divisions.
    etl
        Date bound and matching of names.
    day_first
        Whether 3/4/2024 is 3 April, as in the log.
    """
    accounts = condition(CRM, crm, min_date=etl.min_date, day_first=day_first)
    listed = condition_items(items, taxonomy, min_date=etl.min_date, day_first=day_first)
    held = fact_assets(assets, listed.table, taxonomy, known_names(records, accounts.table), day_first=day_first)
    customers = dim_customer(records, accounts.table, held.table, enrichment, matches, etl)
    told = condition(STATUS, status, min_date=etl.min_date, day_first=day_first)
    strangers = told.table.join(customers.dim, on="customer_id", how="anti")
    unknown = breach(
        strangers.select(row_key="customer_id", observed_value="customer_id"),
        STATUS.table,
        "customer_id",
        "side_unknown_customer",
        "no other source knows the customer",
    )
    received = {
        "industry_enrichment": (enrichment, {}),
        "industry_matches": (matches, {}),
        "customer_assets": (assets, held.counts),
        "item_taxonomy": (items, listed.counts),
        "crm_attributes": (crm, accounts.counts),
        "account_status": (status, told.counts),
    }
    counts = [line for name, (frame, stages) in received.items() for line in _count(name, frame, stages)]
    by_method = dict(customers.dim.group_by("match_method").len().iter_rows())
    counts += [
        ("dim_customer", "written", customers.dim.height),
        ("dim_customer", "with_industry", customers.dim["industry"].count()),
        *(("dim_customer", f"match_{m}", by_method.get(m, 0)) for m in METHODS),
        ("fact_assets", "written", held.table.height),
    ]
    breaches = [*accounts.breaches, *listed.breaches, *held.breaches, *customers.breaches, *told.breaches, unknown]
    every = pl.concat([pl.DataFrame(schema=BREACH_SCHEMA), *breaches])
    return Parties(customers.dim, held.table, told.table, every, counts, customers.matching)


def _count(name: str, frame: pl.DataFrame | None, stages: dict[str, int]) -> list[tuple[str, str, int]]:
    if frame is None:
        return [(name, "received", 0), (name, "absent", 0)]
    return [(name, stage, n) for stage, n in ({"received": frame.height} | stages).items()]


def judge_parties(made: Parties, judge: Judge) -> list[Finding]:
    """Judge the side tables and the names of the customers."""
    return [_judge_tables(made, judge), _judge_names(made.dim_customer, judge)]


def _judge_tables(made: Parties, judge: Judge) -> Finding:
    """Every row received is somewhere, and no rule that settings make an error is broken."""
    problems = []
    for table in dict.fromkeys(t for t, *_ in made.counts):
        stages = {s: n for t, s, n in made.counts if t == table and s != "written"}
        whole, parts = stages.pop("received", None), sum(stages.values())
        if whole is not None and stages and "absent" not in stages and whole != parts:
            problems.append(f"{table}: {whole} rows were received, {parts} are accounted for")
    rules = (
        made.breaches.group_by("table_name", "violation_type")
        .agg(rows=pl.len(), example=pl.col("observed_value").drop_nulls().min())
        .sort("table_name", "violation_type")
    )
    stopping = sorted(
        f"{table} breaks {rule} in {n} place(s), for example {example!r}"
        for table, rule, n, example in rules.iter_rows()
        if judge.rule_severity(rule) == "ERROR"
    )
    if stopping:
        problems.append("; ".join(stopping) + ", which etl.severity makes an error")
    metadata = {
        "absent": [t for t, stage, _ in made.counts if stage == "absent"],
        "rules_broken": rules.head(_SHOWN).to_dicts(),
        "matching": made.matching,
    }
    return judge.finding("dim_customer", "contract_side_tables", "; ".join(problems), metadata)


def _judge_names(dim: pl.DataFrame, judge: Judge) -> Finding:
    """Names that few customers share are names; two or three values for everybody are a flag read as a name."""
    named = dim["customer_name_norm"].drop_nulls()
    distinct = named.n_unique()
    share = distinct / len(named) if len(named) else 1.0
    problem = ""
    if len(named) >= MIN_NAMED and share < MIN_DISTINCT_NAMES:
        values = named.value_counts(sort=True).sort("count", "customer_name_norm", descending=[True, False])
        most = ", ".join(repr(v) for v in values["customer_name_norm"].head(3))
        problem = (
            f"{len(named)} customers share {distinct} name(s), most often {most}: the column read as customer_name "
            "looks like a flag; name the right one in sources.sales_log.columns.customer_name"
        )
    metadata = {"named": len(named), "distinct": distinct}
    return judge.finding("dim_customer", "contract_customer_names", problem, metadata)
