"""Schemas of the star tables and of the contract documents.

Belongs here: columns, types, ranges and keys. Does not belong here: rules across tables, raw data.
"""

from __future__ import annotations

from typing import ClassVar

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, RootModel


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


class FactTransactions(_Table):
    """One row per product of a record, zero lines left out."""

    customer_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Customer key, text.")
    invoice_id: pl.String = pa.Field(str_length={"min_value": 1}, description="Document number, or a surrogate AUTO-….")
    order_date: pl.Date = pa.Field(description="Date of the order: the only time axis.")
    product_sku: pl.String = pa.Field(str_length={"min_value": 1}, description="Product key.")
    product_division: pl.String = pa.Field(str_length={"min_value": 1}, description="Division the line counts for.")
    gross_profit: pl.Float64 = pa.Field(description="Gross profit in account currency, two decimals; returns negative.")
    quantity: pl.Float64 = pa.Field(description="Units; returns negative.")
    source_division: pl.String = pa.Field(nullable=True, description="Selling division, or the division a line names.")
    source_row_id: pl.Int64 = pa.Field(ge=0, description="Content hash of the raw record.")
    branch: pl.String = pa.Field(nullable=True, description="Branch or territory.")
    rep: pl.String = pa.Field(nullable=True, description="Sales representative of the line.")
    invoice_date: pl.Date = pa.Field(nullable=True, description="Date of the invoice, information only.")
    revenue: pl.Float64 = pa.Field(nullable=True, description="Revenue of the line, information only.")

    class Config:
        unique: ClassVar = ["source_row_id", "product_sku"]


class DimCustomer(_Table):
    """One row per customer of any source."""

    customer_id: pl.String = pa.Field(
        unique=True,
        str_length={"min_value": 1},
        notin=["None", "nan", "NaN", "null"],
        description="Customer key, text.",
    )
    customer_name: pl.String = pa.Field(nullable=True, description="Name on the earliest record that has one.")
    customer_name_norm: pl.String = pa.Field(nullable=True, description="Name for matching.")
    customer_prefix_id: pl.Int64 = pa.Field(nullable=True, description="Number the name begins with.")
    source_sales_log: pl.Int8 = pa.Field(isin=[0, 1], description="In the sales log.")
    source_ns: pl.Int8 = pa.Field(isin=[0, 1], description="In the CRM.")
    source_assets: pl.Int8 = pa.Field(isin=[0, 1], description="Among the customer assets.")
    source: pl.String = pa.Field(isin=["sales_log", "ns", "assets"], description="First source that has the customer.")
    source_rank: pl.Int8 = pa.Field(ge=0, description="Its rank, 0 = sales log.")
    industry: pl.String = pa.Field(nullable=True, description="Industry.")
    industry_sub: pl.String = pa.Field(nullable=True, description="Sub-industry.")
    web_address: pl.String = pa.Field(nullable=True, description="Web address.")
    cleaned_customer_name: pl.String = pa.Field(nullable=True, description="Name as the enrichment spells it.")
    industry_reasoning: pl.String = pa.Field(nullable=True, description="Why that industry.")
    match_method: pl.String = pa.Field(
        isin=["exact", "prefix", "cache", "fuzzy97", "fuzzy94", "none"],
        description="How the industry was found: same name, number in the name, accepted pair, similar name.",
    )
    match_score: pl.Float64 = pa.Field(
        ge=0, le=100, nullable=True, description="Likeness of the names, 100 = the same."
    )
    matched_name: pl.String = pa.Field(nullable=True, description="Name for matching of the industry row.")
    account_group: pl.String = pa.Field(nullable=True, description="Parent account in the CRM, as of today.")
    territory: pl.String = pa.Field(nullable=True, description="Territory in the CRM, as of today.")
    region: pl.String = pa.Field(nullable=True, description="Region in the CRM, as of today.")
    account_type: pl.String = pa.Field(
        nullable=True, isin=["customer", "prospect"], description="What the CRM takes the account for, as of today."
    )
    crm_created_date: pl.Date = pa.Field(nullable=True, description="Day the account was created in the CRM.")
    crm_first_purchase_date: pl.Date = pa.Field(nullable=True, description="First purchase the CRM knows of.")
    first_seen_date: pl.Date = pa.Field(
        nullable=True, description="Earliest of first order, creation in the CRM and first asset purchase."
    )


class FactAssets(_Table):
    """One row per asset or subscription received, of known and unknown customers and products alike."""

    customer_id: pl.String = pa.Field(
        nullable=True, str_length={"min_value": 1}, description="Customer key, text; null when nobody could be named."
    )
    customer_name: pl.String = pa.Field(nullable=True, description="Name of the customer as received.")
    customer_match: pl.String = pa.Field(
        isin=["id", "name", "none"], description="How the customer was found: by id, by a name only one customer has."
    )
    product: pl.String = pa.Field(nullable=True, description="Product as received, trimmed.")
    product_norm: pl.String = pa.Field(nullable=True, description="Product for matching.")
    internalid: pl.String = pa.Field(nullable=True, description="Key of the item, text.")
    product_sku: pl.String = pa.Field(nullable=True, description="Product key of the taxonomy.")
    item_rollup: pl.String = pa.Field(
        nullable=True, description="Group of items the asset counts in; the product key when no item list names one."
    )
    division: pl.String = pa.Field(nullable=True, description="Division the product belongs to.")
    department: pl.String = pa.Field(nullable=True, description="Department of the item.")
    category: pl.String = pa.Field(nullable=True, description="Category of the item.")
    join_method: pl.String = pa.Field(
        isin=["internalid", "name", "sku", "unmatched"],
        description="How the product was found: key or name in the item list, product map, not at all.",
    )
    quantity: pl.Float64 = pa.Field(description="Units; blank or unreadable counts as one.")
    purchase_date: pl.Date = pa.Field(nullable=True, description="Date of purchase as received.")
    valid_purchase: pl.Boolean = pa.Field(description="The purchase date can be one: known, and not before 1996.")
    expiration_date: pl.Date = pa.Field(nullable=True, description="Last day of the term; null never ends.")


class AccountStatus(_Table):
    """One row per account: what eligibility reads, as the source told it."""

    customer_id: pl.String = pa.Field(unique=True, str_length={"min_value": 1}, description="Customer key, text.")
    rep: pl.String = pa.Field(nullable=True, description="Representative of the account now.")
    region: pl.String = pa.Field(nullable=True, description="Region of the account.")
    rep_region: pl.String = pa.Field(nullable=True, description="Region of its representative.")
    last_contact_date: pl.Date = pa.Field(nullable=True, description="Day of the last contact.")
    open_deal_date: pl.Date = pa.Field(nullable=True, description="Day the open deal was opened.")
    has_open_deal: pl.Boolean = pa.Field(nullable=True, description="A deal is open.")


class FactEvents(_Table):
    """One row per document, with four columns per target."""

    customer_id: pl.String = pa.Field(description="Customer key.")
    order_date: pl.Date = pa.Field(description="Date of the order.")
    invoice_id: pl.String = pa.Field(description="Document number.")
    qty: pl.Float64 = pa.Field(alias=r"^qty_[a-z0-9_]+$", regex=True, description="Net quantity of the target.")
    gp: pl.Float64 = pa.Field(alias=r"^gp_[a-z0-9_]+$", regex=True, description="Net gross profit of the target.")
    label: pl.Int8 = pa.Field(
        alias=r"^label_[a-z0-9_]+$", regex=True, isin=[0, 1], description="The document is a purchase of the target."
    )
    is_return: pl.Int8 = pa.Field(
        alias=r"^is_return_[a-z0-9_]+$", regex=True, isin=[0, 1], description="It takes the target back, on balance."
    )

    class Config:
        ordered = False
        unique: ClassVar = ["customer_id", "order_date", "invoice_id"]


class RowCounts(_Table):
    """How many records and how much gross profit each stage holds."""

    table: pl.String = pa.Field(description="Table or source.")
    stage: pl.String = pa.Field(description="Stage; raw = accepted + quarantined + exact_duplicate (+ unread).")
    rows: pl.Int64 = pa.Field(ge=0, description="Records, lines or cells.")
    gross_profit: pl.Float64 = pa.Field(
        nullable=True, description="Gross profit in account currency, where it applies."
    )

    class Config:
        unique: ClassVar = ["table", "stage"]


class ContractViolations(_Table):
    """One line per breach of a rule, sorted by table, rule and key."""

    table_name: pl.String = pa.Field(description="Table judged.")
    row_key: pl.String = pa.Field(
        description="Id of the record; empty for a rule about a column; _truncated for a total."
    )
    column_name: pl.String = pa.Field(description="Header.")
    violation_type: pl.String = pa.Field(description="Rule.")
    observed_value: pl.String = pa.Field(nullable=True, description="What stood there.")
    details: pl.String = pa.Field(description="What follows.")
    severity: pl.String = pa.Field(isin=["ERROR", "WARN"], description="ERROR stops the build, WARN is recorded.")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ColumnEntry(_Document):
    """A column of a table."""

    name: str = Field(description="Name.")
    dtype: str = Field(description="Polars type.")
    nullable: bool = Field(description="Whether it may be empty.")
    role: str | None = Field(
        default=None, description="Raw log: what the column is read as; null when nobody reads it."
    )


class TableEntry(_Document):
    """A table."""

    columns: list[ColumnEntry] = Field(description="Columns in order.")
    primary_key: list[str] = Field(description="Columns unique together.")
    checks: list[str] = Field(description="Rules its schema holds it to.")


class SchemaSnapshot(_Document):
    """Columns, types and keys of the raw log and the curated tables."""

    schema_version: int = Field(ge=1, description="Version of this document's form.")
    tables: dict[str, TableEntry] = Field(description="Tables by name.")


class ChecksumEntry(_Document):
    """Size and content hash of a table."""

    rows: int = Field(ge=0, description="Rows.")
    sha256: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Hash of the canonical content.")


class Checksums(RootModel[dict[str, ChecksumEntry]]):
    """Content hashes of the curated tables, by name."""
