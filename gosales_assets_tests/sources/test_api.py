"""The door of the package: kinds, fingerprints, side tables."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.settings import SalesLog, Sources
from gosales_assets.sources import (
    ASSET_COLUMNS,
    ENRICHMENT_COLUMNS,
    SourceError,
    fingerprint,
    read_customer_assets,
    read_industry_enrichment,
    read_sales_log,
)
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


def test_side_tables_are_empty_when_absent(tmp_path):
    sources = Sources(sales_log={"kind": "files", "path": "log.csv"})
    industries, assets = read_industry_enrichment(sources, TAXONOMY), read_customer_assets(sources, TAXONOMY)
    assert (industries.columns, industries.height) == (list(ENRICHMENT_COLUMNS), 0)
    assert (assets.columns, assets.height) == (list(ASSET_COLUMNS), 0)


def test_the_sample_brings_its_side_tables():
    sources = Sources(sales_log={"sample": SAMPLE})
    industries, assets = read_industry_enrichment(sources, TAXONOMY), read_customer_assets(sources, TAXONOMY)
    assert industries.columns == list(ENRICHMENT_COLUMNS)
    assert assets.columns == list(ASSET_COLUMNS)
    assert min(industries.height, assets.height) > 100


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
    assert read_industry_enrichment(sources, TAXONOMY).row(0, named=True) == {
        "customer_name": "Blüepen",
        "industry_id": "497588",
        "industry": "Tools",
        "industry_sub": None,
        "web_address": "www",
        "cleaned_customer_name": None,
        "industry_reasoning": "x",
    }
    assert read_customer_assets(sources, TAXONOMY).row(0) == ("1", "FDM", 2, date(2024, 1, 31), None)


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("industry_enrichment", "Customer,Sector\nA,B\n", "needs a column 'Industry'"),
        ("industry_enrichment", "Industry\nA\n", "one of 'Customer' or 'ID'"),
        ("customer_assets", "Customer Name,Product\nA,B\n", "customer_id"),
        ("customer_assets", "CustomerId,Thing\n1,B\n", "product_sku"),
    ],
)
def test_side_tables_without_what_they_are_for(tmp_path, section, content, message):
    path = tmp_path / "side.csv"
    path.write_text(content)
    sources = Sources(sales_log={"kind": "files", "path": "log.csv"}, **{section: {"path": str(path)}})
    read = {"industry_enrichment": read_industry_enrichment, "customer_assets": read_customer_assets}[section]
    with pytest.raises(SourceError, match=message):
        read(sources, TAXONOMY)


def test_a_missing_side_file_is_an_error_not_an_absence(tmp_path):
    sources = Sources(customer_assets={"path": str(tmp_path / "gone.csv")})
    with pytest.raises(SourceError, match=r"gone.csv does not exist"):
        read_customer_assets(sources, TAXONOMY)
