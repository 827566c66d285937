"""Small logs and the star made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from gosales_assets.engine.findings import Finding
from gosales_assets.engine.star.assets import RECEIVED
from gosales_assets.engine.star.build import Star, build_star
from gosales_assets.engine.star.schema import (
    AccountStatus,
    Checksums,
    ContractViolations,
    DimCustomer,
    FactAssets,
    FactEvents,
    FactTransactions,
    RowCounts,
    SchemaSnapshot,
)
from gosales_assets.engine.star.side import CRM, ITEMS, STATUS
from gosales_assets.settings import EtlSettings, SalesLog
from gosales_assets.taxonomy import Taxonomy

REFERENCE = Taxonomy.reference()

ENRICHMENT = (
    "customer_name",
    "industry_id",
    "industry",
    "industry_sub",
    "web_address",
    "cleaned_customer_name",
    "industry_reasoning",
)
ASSETS = RECEIVED
MATCHES = ("customer_name", "matched_name", "score")

#: Every product header of the reference taxonomy, so that nothing is missing.
PRODUCT_HEADERS = tuple(h for p in REFERENCE.products for h in (p.sku, p.quantity_header))


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Text table with all columns; what a row leaves out is null."""
    return pl.DataFrame([{c: r.get(c) for c in columns} for r in rows], dict.fromkeys(columns, pl.String), orient="row")


def wide(*rows: Mapping[str, Any], complete: bool = True, extra: Sequence[str] = ()) -> pl.DataFrame:
    """A wide log of text; ``complete`` adds the product columns nobody mentions."""
    base = ("CustomerId", "Rec Date", "Division", "Customer", "InvoiceId")
    named = dict.fromkeys([*base, *(k for r in rows for k in r), *(PRODUCT_HEADERS if complete else ()), *extra])
    return table(list(named), rows)


def sale(customer: str | None = "C1", day: str | None = "2024-03-01", **cells: Any) -> dict[str, Any]:
    """A record of a wide log."""
    return {"CustomerId": customer, "Rec Date": day, **cells}


TIDY = ("customer_id", "order_date", "invoice_id", "product_sku", "product_division", "quantity", "gross_profit")


def line(**cells: Any) -> dict[str, Any]:
    """A record of a tidy log."""
    base = {
        "customer_id": "C1",
        "order_date": "2024-03-01",
        "product_sku": "SWX_Core",
        "product_division": "Solidworks",
        "quantity": "1",
        "gross_profit": "100",
    }
    return base | cells


def tidy(*rows: Mapping[str, Any], columns: Sequence[str] = TIDY) -> pl.DataFrame:
    return table(columns, rows)


def star(
    log: pl.DataFrame,
    *,
    taxonomy: Taxonomy = REFERENCE,
    enrichment: Sequence[Mapping[str, Any]] = (),
    assets: Sequence[Mapping[str, Any]] = (),
    items: Sequence[Mapping[str, Any]] | None = None,
    crm: Sequence[Mapping[str, Any]] | None = None,
    status: Sequence[Mapping[str, Any]] | None = None,
    matches: Sequence[Mapping[str, Any]] | None = None,
    etl: Mapping[str, Any] | None = None,
    previous: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Star:
    """Build a star, and hold every table and document to its schema."""
    built = build_star(
        log.lazy(),
        spec=SalesLog(**spec),
        taxonomy=taxonomy,
        etl=EtlSettings(**{"max_quarantined_share": 1.0, **(etl or {})}),
        enrichment=table(ENRICHMENT, enrichment),
        assets=table(ASSETS, assets),
        items=None if items is None else table(ITEMS.columns, items),
        crm=None if crm is None else table(CRM.columns, crm),
        status=None if status is None else table(STATUS.columns, status),
        matches=None if matches is None else table(MATCHES, matches),
        previous_snapshot=previous,
    )
    FactTransactions.validate(built.fact_transactions, lazy=True)
    DimCustomer.validate(built.dim_customer, lazy=True)
    FactEvents.validate(built.fact_events, lazy=True)
    FactAssets.validate(built.fact_assets, lazy=True)
    AccountStatus.validate(built.account_status, lazy=True)
    RowCounts.validate(built.row_counts, lazy=True)
    ContractViolations.validate(built.contract_violations, lazy=True)
    SchemaSnapshot.model_validate(built.schema_snapshot)
    Checksums.model_validate(built.checksums)
    return built


def finding(built: Star, check: str, table: str = "fact_transactions") -> Finding:
    """The one finding of a check."""
    (found,) = [f for f in built.findings if (f.table, f.check) == (table, check)]
    return found


def counts(built: Star, table: str = "sales_log") -> dict[str, tuple[int, float | None]]:
    """Stage -> rows and gross profit."""
    rows = built.row_counts.filter(table=table).select("stage", "rows", "gross_profit")
    return {stage: (n, gp) for stage, n, gp in rows.iter_rows()}


def broken(built: Star, *rules: str) -> list[tuple[str, str, str | None]]:
    """Violations: rule, column, observed value; of the rules named, or of all."""
    found = built.contract_violations
    if rules:
        found = found.filter(pl.col("violation_type").is_in(rules))
    return found.select("violation_type", "column_name", "observed_value").rows()


def lines(built: Star, *columns: str) -> list[tuple[Any, ...]]:
    """Facts as tuples."""
    return built.fact_transactions.select(
        columns or ("product_sku", "product_division", "gross_profit", "quantity")
    ).rows()
