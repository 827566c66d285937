"""Assets: named products, named customers, and every row on record."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.star.assets import fact_assets
from gosales_assets.engine.star.build import Star
from gosales_assets.taxonomy import Taxonomy
from gosales_assets_tests.engine.star.worlds import broken, counts, finding, sale, star, wide

LOG = wide({**sale("C1", Customer="497588 Acme Corp"), "SWX_Core": "1", "SWX_Core_Qty": "1"})
ITEMS = [
    {"internalid": "10", "itemid": "SW-STD", "name": "SolidWorks Standard", "item_rollup": "SWX_Core"},
    {"internalid": "11.0", "itemid": "PDM-1", "name": "Vault", "item_rollup": "Data", "product_sku": "pdm"},
    {"internalid": "12", "name": "Cam pack", "item_rollup": "Cam seats", "division": " camworks "},
    {
        "internalid": "13",
        "name": "Cable",
        "item_rollup": "Cables",
        "division": "Haberdashery",
        "department": "Training",
    },
]


def held(*assets: dict[str, Any], **more: Any) -> Star:
    base = {"customer_id": "C1", "purchase_date": "2020-01-01"}
    return star(LOG, assets=[base | a for a in assets], **more)


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        # by the key of the item; the SKU is the roll-up, and the division that of the SKU
        ({"internalid": " 10 ", "product_sku": "whatever"}, ("internalid", "SWX_Core", "SWX_Core", "Solidworks")),
        ({"internalid": "11", "product_sku": "x"}, ("internalid", "PDM", "Data", "PDM")),
        # no product is called like this item: the division it names itself
        ({"internalid": "12.0", "product_sku": "x"}, ("internalid", None, "Cam seats", "CAMWorks")),
        # a division nobody knows is none; its department is called like one
        ({"internalid": "13", "product_sku": "x"}, ("internalid", None, "Cables", "Training")),
        # by either name of the item
        ({"product_sku": "sw-std"}, ("name", "SWX_Core", "SWX_Core", "Solidworks")),
        ({"product_sku": " Solidworks   STANDARD "}, ("name", "SWX_Core", "SWX_Core", "Solidworks")),
        ({"internalid": "99", "product_sku": "Vault"}, ("name", "PDM", "Data", "PDM")),
        # as a product of the map, by any of its headers
        ({"product_sku": "swx core"}, ("sku", "SWX_Core", "SWX_Core", "Solidworks")),
        ({"product_sku": "Success Plan GP"}, ("sku", "Success_Plan", "Success_Plan", "Success Plan")),
        ({"internalid": "99", "product_sku": "FDM"}, ("sku", "FDM", "FDM", "Hardware")),
        # parts of names are no names: this is not Simulation, nor Hardware
        ({"product_sku": "Simple safety cam lock"}, ("unmatched", None, None, None)),
        ({"product_sku": None}, ("unmatched", None, None, None)),
        ({"internalid": "nan", "product_sku": "None"}, ("unmatched", None, None, None)),
    ],
)
def test_how_a_product_is_found(asset: dict[str, Any], expected: tuple[Any, ...]) -> None:
    built = held(asset, items=ITEMS)
    assert built.fact_assets.select("join_method", "product_sku", "item_rollup", "division").row(0) == expected
    unmapped = [v for v in broken(built) if v[0] == "side_unmapped_product"]
    assert len(unmapped) == (expected[0] == "unmatched")


def test_one_unmatched_row_leaves_the_others_matched() -> None:
    built = held(
        {"internalid": "10", "product_sku": "x"}, {"product_sku": "unknown"}, {"product_sku": "Vault"}, items=ITEMS
    )
    assert sorted(built.fact_assets["join_method"].to_list()) == ["internalid", "name", "unmatched"]


def test_items_of_one_key_multiply_no_asset() -> None:
    items = [
        {"internalid": "10", "itemid": "A", "item_rollup": "SWX_Core"},
        {"internalid": "10", "itemid": "A", "item_rollup": "PDM", "department": "Training"},  # more complete
        {"internalid": None, "itemid": "A", "name": "A", "item_rollup": "FDM"},
        {"internalid": " ", "item_rollup": "nothing to find it by"},
    ]
    for order in (items, items[::-1], items * 2):
        built = held({"internalid": "10", "product_sku": "x"}, {"product_sku": "A"}, items=order)
        assert built.fact_assets.select("join_method", "product_sku").sort(pl.all()).rows() == [
            ("internalid", "PDM"),
            ("name", "PDM"),
        ]
    assert ("side_missing_key", "internalid", "nothing to find it by") in broken(built)
    assert [b for b in broken(built) if b[0] == "side_conflicting_row"] == [
        ("side_conflicting_row", "internalid", "A | SWX_Core")
    ]


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ({"customer_id": " C1 ", "customer_name": "Somebody else"}, ("C1", "id")),
        ({"customer_id": None, "customer_name": " 497588  ACME corp"}, ("C1", "name")),
        ({"customer_id": "nan", "customer_name": "Acme Corp"}, ("C1", "name")),  # without the number in front
        ({"customer_id": None, "customer_name": "Twin Ltd"}, ("N2", "name")),  # the whole name is N2's alone
        ({"customer_id": None, "customer_name": "7 Twin Ltd"}, ("N3", "name")),  # only one with its number
        ({"customer_id": None, "customer_name": "Nobody"}, (None, "none")),
        ({"customer_id": None, "customer_name": None}, (None, "none")),
        ({"customer_id": "X9", "customer_name": "Acme Corp"}, ("X9", "id")),
    ],
)
def test_how_a_customer_is_found(asset: dict[str, Any], expected: tuple[str | None, str]) -> None:
    crm = [{"customer_id": "N2", "customer_name": "Twin Ltd"}, {"customer_id": "N3", "customer_name": "7 Twin Ltd"}]
    built = held({"product_sku": "PDM", **asset}, crm=crm)
    assert built.fact_assets.select("customer_id", "customer_match").row(0) == expected


@pytest.mark.parametrize("twins", [{"N2": "Twin Ltd", "N3": "Twin Ltd"}, {"N2": "5 Twin Ltd", "N3": "7 Twin Ltd"}])
def test_a_name_of_several_customers_names_nobody(twins: dict[str, str]) -> None:
    crm = [{"customer_id": c, "customer_name": name} for c, name in twins.items()]
    built = held({"customer_id": None, "customer_name": "twin ltd", "product_sku": "PDM"}, crm=crm)
    assert built.fact_assets.select("customer_id", "customer_match").row(0) == (None, "none")
    assert [b for b in broken(built) if b[0].startswith("side_")] == [
        ("side_ambiguous_customer", "customer_name", "PDM")
    ]
    stages = {s: n for s, (n, _) in counts(built, "customer_assets").items()}
    assert stages == {"received": 1, "without_customer": 1, "used": 0}


def test_quantities_and_dates_that_cannot_be_read_are_said_and_kept() -> None:
    built = held(
        {"product_sku": "PDM", "quantity": "2", "purchase_date": "1/20/2024", "expiration_date": "2025-01-20"},
        {"product_sku": "PDM", "quantity": None, "purchase_date": "1900-01-01"},
        {"product_sku": "PDM", "quantity": "many", "purchase_date": "soon", "expiration_date": "never"},
    )
    rows = built.fact_assets.select("quantity", "purchase_date", "valid_purchase", "expiration_date").sort(pl.all())
    assert rows.rows() == [
        (1.0, None, False, None),
        (1.0, date(1900, 1, 1), False, None),
        (2.0, date(2024, 1, 20), True, date(2025, 1, 20)),
    ]
    assert broken(built) == [
        ("side_implausible_date", "purchase_date", "1900-01-01"),
        ("side_unparseable_value", "quantity", "many"),
        ("unparseable_asset_date", "expiration_date", "never"),
        ("unparseable_asset_date", "purchase_date", "soon"),
    ]


def test_an_absent_source_is_said_and_is_not_an_empty_one() -> None:
    built = star(LOG)
    for table in ("item_taxonomy", "crm_attributes", "account_status", "industry_matches"):
        assert counts(built, table) == {"received": (0, None), "absent": (0, None)}
    assert counts(built, "customer_assets") == {"received": (0, None), "without_customer": (0, None), "used": (0, None)}
    assert finding(built, "contract_side_tables", "dim_customer").metadata["absent"] == [
        "industry_matches",
        "item_taxonomy",
        "crm_attributes",
        "account_status",
    ]


def test_a_rule_of_the_side_tables_can_stop_the_build() -> None:
    asset = {"product_sku": "unheard of"}
    assert finding(held(asset), "contract_side_tables", "dim_customer").passed
    found = finding(
        held(asset, etl={"severity": {"side_unmapped_product": "ERROR"}}), "contract_side_tables", "dim_customer"
    )
    assert found.blocks
    assert "unheard of" in found.reason


def test_assets_without_their_columns_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="quantity"):
        fact_assets(
            pl.DataFrame({"customer_id": ["1"]}),
            pl.DataFrame(),
            Taxonomy.reference(),
            pl.DataFrame(schema={"customer_id": pl.String, "customer_name": pl.String}),
        )


_asset = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["C1", "X", None, "nan"]),
        "customer_name": st.sampled_from(["Acme Corp", "Twin", None]),
        "product_sku": st.sampled_from(["PDM", "Vault", "?", None]),
        "internalid": st.sampled_from(["10", "99", None]),
        "quantity": st.sampled_from(["1", "x", None]),
        "purchase_date": st.sampled_from(["2020-01-01", "1900-01-01", "?", None]),
    }
)


@given(assets=st.lists(_asset, max_size=6), seed=st.integers(0, 5))
@settings(max_examples=15)
def test_every_asset_is_one_row_in_any_order(assets: list[dict[str, Any]], seed: int) -> None:
    order = pl.Series(range(len(assets)), dtype=pl.Int64).sample(fraction=1.0, shuffle=True, seed=seed)
    one, two = (star(LOG, assets=rows, items=ITEMS) for rows in (assets, [assets[i] for i in order]))
    assert one.fact_assets.height == len(assets)
    assert one.checksums == two.checksums
    assert one.contract_violations.equals(two.contract_violations)
    known = set(one.dim_customer["customer_id"])
    assert set(one.fact_assets["customer_id"].drop_nulls()) <= known


def test_account_status_is_typed_and_strangers_are_named() -> None:
    status = [
        {"customer_id": "C1", "rep": "Kim", "last_contact_date": "2024-06-01", "has_open_deal": "Yes"},
        {"customer_id": "Z", "rep": "Lee", "has_open_deal": "perhaps"},
    ]
    built = star(LOG, status=status)
    assert built.account_status.select("customer_id", "rep", "last_contact_date", "has_open_deal").rows() == [
        ("C1", "Kim", date(2024, 6, 1), True),
        ("Z", "Lee", None, None),
    ]
    assert broken(built) == [
        ("side_unknown_customer", "customer_id", "Z"),
        ("side_unparseable_value", "has_open_deal", "perhaps"),
    ]


@pytest.mark.parametrize(("day_first", "day"), [(False, date(2024, 3, 4)), (True, date(2024, 4, 3))])
def test_the_tables_beside_the_log_write_their_dates_as_the_log_does(day_first: bool, day: date) -> None:
    asset = {"product_sku": "PDM", "purchase_date": "3/4/2024", "expiration_date": "3/4/2024"}
    built = held(asset, status=[{"customer_id": "C1", "last_contact_date": "3/4/2024"}], day_first=day_first)
    assert built.fact_assets.select("purchase_date", "expiration_date").row(0) == (day, day)
    assert built.account_status["last_contact_date"].to_list() == [day]
