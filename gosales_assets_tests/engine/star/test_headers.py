"""Headers matched to fields and products."""

from __future__ import annotations

import pytest

from gosales_assets.engine.star.headers import Headers, map_headers
from gosales_assets.settings import SalesLog
from gosales_assets.taxonomy import Taxonomy
from gosales_assets_tests.engine.star.worlds import PRODUCT_HEADERS

REFERENCE = Taxonomy.reference()
BASE = ["CustomerId", "Rec Date", "Division", "Customer", "InvoiceId", "Branch", "Rep", "Invoice_Date"]


def wide(*extra: str, drop: tuple[str, ...] = (), **columns: str) -> Headers:
    headers = [h for h in (*BASE, *PRODUCT_HEADERS, *extra) if h not in drop]
    return map_headers(headers, SalesLog(layout="wide", columns=columns), REFERENCE)


def test_fields_of_a_wide_log() -> None:
    got = wide("_source_file", "Id", "CompanyId")
    assert got.fields == {
        "customer_id": "CustomerId",
        "customer_name": "Customer",
        "order_date": "Rec Date",
        "invoice_id": "InvoiceId",
        "invoice_date": "Invoice_Date",
        "product_division": "Division",
        "rep": "Rep",
        "branch": "Branch",
    }
    assert got.missing == ()
    assert got.unread == ()
    assert len(got.products) == len(REFERENCE.products)
    assert got.roles["SWX_Core_Qty"] == "product SWX_Core"
    assert got.roles["Customer"] == "customer_name"


def test_a_record_id_is_used_only_when_it_is_named() -> None:
    assert "record_id" not in wide("Id").fields
    assert wide("Id", record_id="Id").fields["record_id"] == "Id"


def test_products_are_found_under_other_cases_separators_and_aliases() -> None:
    got = wide(
        "swx core", "SWX-Core-Qty", "Success Plan GP", "_3DP_Software_Qty",
        drop=("SWX_Core", "SWX_Core_Qty", "Success_Plan", "AM_Software_Qty"),
    )  # fmt: skip
    found = {p.product.sku: (p.gross_profit, p.quantity) for p in got.products}
    assert found["SWX_Core"] == (("swx core",), ("SWX-Core-Qty",))
    # "Success_Plan_GP" is the folded spelling of the alias, not of the product.
    assert found["Success_Plan"] == (("Success Plan GP",), ("Success_Plan_Qty",))
    assert found["AM_Software"] == (("AM_Software",), ("_3DP_Software_Qty",))
    assert got.missing == ()


@pytest.mark.parametrize(
    ("drop", "column", "kind"),
    [
        (("SWX_Core", "SWX_Core_Qty"), "SWX_Core", "product"),
        (("SWX_Core",), "SWX_Core", "product"),  # quantity alone makes no purchase
        (("SWX_Core_Qty",), "SWX_Core_Qty", "note"),
        (("SW_Plastics",), "SW_Plastics", "note"),  # booked with quantity only
        (("Core_New_UAP", "Core_New_UAP_Qty"), "Core_New_UAP", "note"),  # no target sells it
        (("Division",), "product_division", "field"),  # AM_Support is routed by it
    ],
)
def test_what_is_missing_and_how_bad_it_is(drop: tuple[str, ...], column: str, kind: str) -> None:
    got = wide(drop=drop)
    assert [(m.column, m.kind, m.fatal) for m in got.missing] == [(column, kind, False)]
    assert not got.blocked


@pytest.mark.parametrize("column", ["CustomerId", "Rec Date"])
def test_without_customer_or_date_nothing_can_be_read(column: str) -> None:
    assert wide(drop=(column,)).blocked


def test_a_given_header_that_is_absent_is_not_looked_for_elsewhere() -> None:
    got = wide(customer_id="Kunde")
    assert "customer_id" not in got.fields
    assert [(m.column, m.fatal) for m in got.missing] == [("Kunde", True)]
    assert [(m.column, m.fatal) for m in wide(rep="Betreuer").missing] == [("Betreuer", False)]


def test_only_columns_that_could_be_products_are_called_unread() -> None:
    got = wide("DraftSight", "DraftSight_Qty", "Supplies", "GP", "GP Quota", "CGP 2", "PO_Number", "OpportunityId",
               "_3DigitZip", "Created_Date", "UsdCadConversionRate")  # fmt: skip
    assert got.unread == ("DraftSight", "DraftSight_Qty", "Supplies")


def tidy(*headers: str, **spec: object) -> Headers:
    return map_headers(headers, SalesLog(layout="tidy", **spec), REFERENCE)  # type: ignore[arg-type]


def test_fields_of_a_tidy_log() -> None:
    line = ("product_id", "department", "quantity", "sales_value")
    got = tidy("household_id", "transaction_timestamp", "basket_id", *line, gross_profit_share=0.2)
    assert got.fields == {
        "customer_id": "household_id",
        "order_date": "transaction_timestamp",
        "invoice_id": "basket_id",
        "product_sku": "product_id",
        "product_division": "department",
        "quantity": "quantity",
        "revenue": "sales_value",
    }
    assert got.missing == ()
    assert tidy("customer", "customer_id", "date", "gp", "sku").fields["customer_id"] == "customer_id"


@pytest.mark.parametrize(
    ("headers", "share", "missing"),
    [
        (("customer_id", "date", "sku"), None, "gross_profit"),
        (("customer_id", "date", "sku"), 0.3, "revenue"),
        (("customer_id", "date", "gp"), None, "product_division"),
        (("date", "sku", "gp"), None, "customer_id"),
    ],
)
def test_what_a_tidy_log_must_have(headers: tuple[str, ...], share: float | None, missing: str) -> None:
    got = tidy(*headers, gross_profit_share=share)
    assert [m.column for m in got.missing] == [missing]
    assert got.blocked
    assert f"sources.sales_log.columns.{missing}" in got.missing[0].details
