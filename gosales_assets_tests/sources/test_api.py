"""The door of the package: kinds, fingerprints, side tables."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.settings import SIDE_SOURCES, SalesLog, Sources
from gosales_assets.sources import SourceError, fingerprint, read_sales_log, read_side
from gosales_assets.sources.inputs import ABSENT, input_version, is_configured
from gosales_assets.sources.side import SIDE_TABLES, read_table
from gosales_assets.taxonomy import Taxonomy

TAXONOMY = Taxonomy.reference()
SAMPLE = {"customers": 150, "seed": 2}


def _spec(**values) -> SalesLog:
    return SalesLog(**values)


def test_the_sample_is_a_wide_log_complete_to_its_end():
    raw = read_sales_log(_spec(sample=SAMPLE), TAXONOMY)
    assert (raw.layout, raw.as_of) == ("wide", date(2024, 12, 31))
    records = raw.records.collect()
    assert records.height == raw.description["records"]
    assert set(records["_source_file"]) == {"sample"}
    assert raw.description["planted"]["bad_date"] > 0


def test_a_declared_as_of_wins():
    raw = read_sales_log(_spec(sample=SAMPLE, as_of="2023-12-31"), TAXONOMY)
    assert raw.as_of == date(2023, 12, 31)


def test_the_layouts_of_log_and_sample_must_agree():
    with pytest.raises(SourceError, match=r"set sources\.sales_log\.layout: tidy"):
        read_sales_log(_spec(sample={**SAMPLE, "layout": "tidy"}), TAXONOMY)
    raw = read_sales_log(_spec(layout="tidy", sample={**SAMPLE, "layout": "tidy"}), TAXONOMY)
    assert "product_sku" in raw.records.collect_schema()


def test_files_are_read_as_declared(tmp_path):
    (tmp_path / "log.csv").write_text("customer_id,order_date\n1,2024-01-31\n")
    raw = read_sales_log(_spec(kind="files", layout="tidy", path=str(tmp_path / "*.csv"), as_of="2024-02-29"), TAXONOMY)
    assert raw.layout == "tidy"
    assert raw.as_of == date(2024, 2, 29)
    assert raw.description["files"][0]["encoding"] == "utf-8"
    assert raw.records.collect().rows() == [("1", "2024-01-31", "log.csv")]


def test_databases_cannot_be_read_yet_and_the_error_says_how_to_go_on():
    for call in (lambda: read_sales_log(_spec(kind="database"), TAXONOMY), lambda: fingerprint(_spec(kind="database"))):
        with pytest.raises(SourceError, match="Export the table"):
            call()


def test_the_fingerprint_is_that_of_the_input(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("id\n1\n")
    spec = _spec(kind="files", path=str(path))
    first = fingerprint(spec)
    # What is read is the same; how it is read is a matter of settings.
    assert fingerprint(_spec(kind="files", path=str(path), as_of="2024-01-31")) == first
    path.write_text("id\n2\n")
    assert fingerprint(spec) != first
    assert fingerprint(_spec(sample=SAMPLE)) == fingerprint(_spec(sample=SAMPLE, day_first=True))
    assert fingerprint(_spec(sample=SAMPLE)) != fingerprint(_spec(sample={**SAMPLE, "seed": 3}))


@pytest.mark.parametrize("name", SIDE_SOURCES)
def test_a_side_table_is_empty_when_absent(name):
    sources = Sources(sales_log={"kind": "files", "path": "log.csv"})
    table = read_side(sources, name, TAXONOMY)
    assert (table.columns, table.height) == (list(SIDE_TABLES[name].columns), 0)
    assert not is_configured(sources, name)
    assert input_version(sources, name) == ABSENT


@pytest.mark.parametrize("name", SIDE_SOURCES)
def test_the_sample_brings_its_side_tables(name):
    sources = Sources(sales_log={"sample": SAMPLE})
    table = read_side(sources, name, TAXONOMY)
    assert table.schema == dict.fromkeys(SIDE_TABLES[name].columns, pl.String)
    assert table.equals(read_side(sources, name, TAXONOMY))
    # Which names a person accepted is nothing a world can know.
    assert is_configured(sources, name) == (name != "industry_matches") == (table.height > 50)


@pytest.mark.parametrize("name", SIDE_SOURCES)
def test_the_schema_of_a_side_table_has_its_columns(name):
    assert list(CATALOG[f"sources/{name}"].dtypes()) == list(SIDE_TABLES[name].columns)
    assert all(hasattr(Sources(), n) for n in SIDE_TABLES)


def test_no_address_of_a_person_is_read(tmp_path):
    path = tmp_path / "crm.csv"
    path.write_text("internalid,companyname,email,phone,parent\n7,Acme,a@b.example,555,3\n")
    table = read_table("crm_attributes", str(path))
    assert table.select("customer_id", "customer_name", "account_group").row(0) == ("7", "Acme", "3")
    assert not {"a@b.example", "555"} & set(table.row(0))


def test_side_tables_are_read_by_the_headers_they_come_with(tmp_path):
    (tmp_path / "industries.csv").write_bytes(
        "ID;Customer;Industry;Industry Sub List;Web Address;Reasoning\n".replace(";", ",").encode()
        + "497588,Blüepen,Tools,,www,x\n".encode("cp1252")
    )
    pl.DataFrame(
        {"Company Id": [1], "Product": ["FDM"], "QTY": [2], "Purchase Date": [date(2024, 1, 31)], "Expired": [False]}
    ).write_parquet(tmp_path / "assets.parquet")
    sources = Sources(
        sales_log={"kind": "files", "path": "log.csv"},
        industry_enrichment={"path": str(tmp_path / "industries.csv")},
        customer_assets={"path": str(tmp_path / "assets.parquet")},
    )
    assert read_side(sources, "industry_enrichment", TAXONOMY).row(0, named=True) == {
        "customer_name": "Blüepen",
        "industry_id": "497588",
        "industry": "Tools",
        "industry_sub": None,
        "web_address": "www",
        "cleaned_customer_name": None,
        "industry_reasoning": "x",
    }
    assert read_side(sources, "customer_assets", TAXONOMY).row(0) == (
        "1", None, "FDM", None, "2", "2024-01-31", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("industry_enrichment", "Customer,Sector\nA,B\n", "needs a column for industry"),
        ("industry_enrichment", "Industry\nA\n", r"customer_name .* or industry_id"),
        ("customer_assets", "Who,Product\nA,B\n", "customer_id"),
        ("customer_assets", "CustomerId,Thing\n1,B\n", "product_sku"),
        ("item_taxonomy", "itemid,Colour\n1,B\n", "item_rollup"),
        ("crm_attributes", "companyname\nA\n", "customer_id"),
        ("account_status", "rep\nA\n", "customer_id"),
        ("industry_matches", "customer_name\nA\n", "matched_name"),
    ],
)
def test_side_tables_without_what_they_are_for(tmp_path, section, content, message):
    path = tmp_path / "side.csv"
    path.write_text(content)
    sources = Sources(sales_log={"kind": "files", "path": "log.csv"}, **{section: {"path": str(path)}})
    with pytest.raises(SourceError, match=message):
        read_side(sources, section, TAXONOMY)


def test_a_missing_side_file_is_an_error_not_an_absence(tmp_path):
    sources = Sources(customer_assets={"path": str(tmp_path / "gone.csv")})
    with pytest.raises(SourceError, match=r"gone.csv does not exist"):
        read_side(sources, "customer_assets", TAXONOMY)
