"""The optional tables beside the log, by whatever headers they come.

Belongs here: which columns each table has, the headers they may carry, and which it cannot do without. Does not belong
here: types, joining to customers.

Columns that are not listed are not read. E-mail addresses and telephone numbers of a CRM export are among them, so
that no artifact can hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from gosales_assets.sources.errors import SourceError
from gosales_assets.sources.files import read_tables
from gosales_assets.taxonomy import FIELD_ALIASES, fold_header

_CUSTOMER_ID = (*FIELD_ALIASES["customer_id"], "internalid", "internal_id")


@dataclass(frozen=True)
class SideTable:
    """The form of a table.

    Attributes
    ----------
    aliases
        Column -> folded headers it may come under, the first found wins.
    needs
        Groups of columns of which each needs one.
    called
        What a message calls the file.
    """

    aliases: Mapping[str, Sequence[str]]
    needs: Sequence[tuple[str, ...]]
    called: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.aliases)


#: Side tables by the name they have in the settings and the catalog.
SIDE_TABLES: Mapping[str, SideTable] = {
    "industry_enrichment": SideTable(
        {
            "customer_name": ("customer_name", "customer", "company_name", "company", "name"),
            "industry_id": ("industry_id", "id"),
            "industry": ("industry",),
            "industry_sub": ("industry_sub", "industry_sub_list", "sub_industry", "industry_sub_category"),
            "web_address": ("web_address", "website", "url", "web"),
            "cleaned_customer_name": ("cleaned_customer_name", "clean_name"),
            "industry_reasoning": ("industry_reasoning", "reasoning"),
        },
        (("industry",), ("customer_name", "industry_id")),
        "an industry file",
    ),
    "industry_matches": SideTable(
        {
            "customer_name": ("customer_name_norm", "customer_name", "customer"),
            "matched_name": ("matched_name_norm", "matched_name", "industry_name"),
            "score": ("score", "match_score"),
        },
        (("customer_name",), ("matched_name",)),
        "a file of accepted names",
    ),
    "customer_assets": SideTable(
        {
            "customer_id": FIELD_ALIASES["customer_id"],
            "customer_name": ("customer_name", "company_name"),
            "product_sku": (*FIELD_ALIASES["product_sku"], "item_rollup"),
            "internalid": ("internalid", "internal_id", "item_internalid"),
            "quantity": FIELD_ALIASES["quantity"],
            "purchase_date": ("purchase_date", "purchased", "start_date", "install_date"),
            "expiration_date": ("expiration_date", "expiry_date", "expires", "end_date", "expiration"),
        },
        (("customer_id", "customer_name"), ("product_sku", "internalid")),
        "an assets file",
    ),
    "item_taxonomy": SideTable(
        {
            "internalid": ("internalid", "internal_id", "item_internalid"),
            "itemid": ("itemid", "item_id", "item"),
            "name": ("name", "item_name", "display_name"),
            "item_rollup": ("item_rollup", "rollup", "roll_up"),
            "product_sku": ("product_sku", "sku"),
            "division": ("division", "product_division"),
            "department": ("department_name", "department"),
            "category": ("category",),
        },
        (("internalid", "itemid", "name"), ("item_rollup", "product_sku", "division", "department")),
        "an item list",
    ),
    "crm_attributes": SideTable(
        {
            "customer_id": _CUSTOMER_ID,
            "account_group": ("account_group", "parent", "parent_customer", "custom_parent"),
            "customer_name": ("customer_name", "companyname", "company_name", "company"),
            "territory": ("territory", "territory_name", "standardized_territory_name"),
            "region": ("region",),
            "stage": ("stage", "stage_value"),
            "status": ("status", "entitystatus_value", "entitystatus", "entity_status"),
            "rep": ("rep", "salesrep_name", "sales_rep", "salesrep"),
            "date_created": ("date_created", "datecreated", "created_date", "created"),
            "first_cre_date": ("first_cre_date",),
            "first_cpe_date": ("first_cpe_date",),
            "first_hw_date": ("first_hw_date",),
            "is_inactive": ("is_inactive", "isinactive", "inactive"),
        },
        (("customer_id",),),
        "a CRM file",
    ),
    "account_status": SideTable(
        {
            "customer_id": _CUSTOMER_ID,
            "rep": ("rep", "sales_rep", "salesrep_name", "salesrep", "owner"),
            "region": ("region", "account_region"),
            "rep_region": ("rep_region", "territory_region"),
            "last_contact_date": ("last_contact_date", "last_contact", "last_activity_date"),
            "open_deal_date": ("open_deal_date", "open_opportunity_date", "deal_opened"),
            "has_open_deal": ("has_open_deal", "open_deal", "open_opportunity"),
        },
        (("customer_id",),),
        "an account status file",
    ),
}


def read_table(name: str, path: str) -> pl.DataFrame:
    """Read a side table.

    Parameters
    ----------
    name
        One of `SIDE_TABLES`.
    path
        CSV or Parquet.

    Returns
    -------
    DataFrame
        Its columns in order, all text, as received; absent ones null.

    Raises
    ------
    SourceError
        When the file cannot be read or lacks what it is for.
    """
    form = SIDE_TABLES[name]
    table = read_tables([path], what=f"sources.{name}.path").records.collect()
    headers = {fold_header(h): h for h in reversed(table.columns)}
    found = {
        column: headers[alias]
        for column, aliases in form.aliases.items()
        for alias in [next((a for a in aliases if a in headers), None)]
        if alias is not None
    }
    for group in form.needs:
        if not set(group) & set(found):
            wanted = " or ".join(f"{c} (for example {_example(form, c)!r})" for c in group)
            raise SourceError(f"{path}: {form.called} needs a column for {wanted}; found {', '.join(table.columns)}")
    return table.select(
        (pl.col(found[c]).cast(pl.String) if c in found else pl.lit(None, dtype=pl.String)).alias(c)
        for c in form.columns
    )


def _example(form: SideTable, column: str) -> str:
    return form.aliases[column][0]
