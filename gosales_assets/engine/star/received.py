"""Schemas of the tables beside the log, as received: all text, nothing promised about what it says.

Belongs here: their columns. Does not belong here: what the text must mean, which the star's contracts judge row by row.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class _Received(pa.DataFrameModel):
    class Config:
        strict = True
        ordered = True
        coerce = False


class IndustryEnrichment(_Received):
    """Industries by customer name or number, as received."""

    customer_name: pl.String = pa.Field(nullable=True, description="Customer, as the list spells it.")
    industry_id: pl.String = pa.Field(nullable=True, description="Number that some customer names begin with.")
    industry: pl.String = pa.Field(nullable=True, description="Industry.")
    industry_sub: pl.String = pa.Field(nullable=True, description="Sub-industry.")
    web_address: pl.String = pa.Field(nullable=True, description="Web address.")
    cleaned_customer_name: pl.String = pa.Field(nullable=True, description="Name, cleaned.")
    industry_reasoning: pl.String = pa.Field(nullable=True, description="Why that industry.")


class IndustryMatches(_Received):
    """Accepted pairs of names, as received."""

    customer_name: pl.String = pa.Field(nullable=True, description="Name of the customer for matching.")
    matched_name: pl.String = pa.Field(nullable=True, description="Name of the industry row for matching.")
    score: pl.String = pa.Field(nullable=True, description="Likeness of the two, 0 to 100.")


class CustomerAssets(_Received):
    """Assets and subscriptions, as received."""

    customer_id: pl.String = pa.Field(nullable=True, description="Customer key.")
    customer_name: pl.String = pa.Field(nullable=True, description="Name of the customer.")
    product_sku: pl.String = pa.Field(nullable=True, description="Product: SKU, item id or item name.")
    internalid: pl.String = pa.Field(nullable=True, description="Key of the item.")
    quantity: pl.String = pa.Field(nullable=True, description="Units.")
    purchase_date: pl.String = pa.Field(nullable=True, description="Date of purchase.")
    expiration_date: pl.String = pa.Field(nullable=True, description="Last day of the term.")


class ItemTaxonomy(_Received):
    """Items and what they count as, as received."""

    internalid: pl.String = pa.Field(nullable=True, description="Key of the item.")
    itemid: pl.String = pa.Field(nullable=True, description="Id of the item.")
    name: pl.String = pa.Field(nullable=True, description="Name of the item.")
    item_rollup: pl.String = pa.Field(nullable=True, description="Group of items.")
    product_sku: pl.String = pa.Field(nullable=True, description="Product key of the taxonomy.")
    division: pl.String = pa.Field(nullable=True, description="Division.")
    department: pl.String = pa.Field(nullable=True, description="Department.")
    category: pl.String = pa.Field(nullable=True, description="Category.")


class CrmAttributes(_Received):
    """The CRM's customer master without e-mail addresses and telephone numbers, as received."""

    customer_id: pl.String = pa.Field(nullable=True, description="Customer key.")
    account_group: pl.String = pa.Field(nullable=True, description="Parent account.")
    customer_name: pl.String = pa.Field(nullable=True, description="Name of the customer.")
    territory: pl.String = pa.Field(nullable=True, description="Territory.")
    region: pl.String = pa.Field(nullable=True, description="Region.")
    stage: pl.String = pa.Field(nullable=True, description="Stage of the account.")
    status: pl.String = pa.Field(nullable=True, description="Status of the account.")
    rep: pl.String = pa.Field(nullable=True, description="Sales representative.")
    date_created: pl.String = pa.Field(nullable=True, description="Day the account was created.")
    first_cre_date: pl.String = pa.Field(nullable=True, description="First purchase of design software.")
    first_cpe_date: pl.String = pa.Field(nullable=True, description="First purchase of CPE.")
    first_hw_date: pl.String = pa.Field(nullable=True, description="First purchase of hardware.")
    is_inactive: pl.String = pa.Field(nullable=True, description="The account is inactive.")


class AccountStatus(_Received):
    """What the sales team does with its accounts, as received."""

    customer_id: pl.String = pa.Field(nullable=True, description="Customer key.")
    rep: pl.String = pa.Field(nullable=True, description="Representative of the account.")
    region: pl.String = pa.Field(nullable=True, description="Region of the account.")
    rep_region: pl.String = pa.Field(nullable=True, description="Region of the representative.")
    last_contact_date: pl.String = pa.Field(nullable=True, description="Day of the last contact.")
    open_deal_date: pl.String = pa.Field(nullable=True, description="Day the open deal was opened.")
    has_open_deal: pl.String = pa.Field(nullable=True, description="A deal is open.")
