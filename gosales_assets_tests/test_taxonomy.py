"""Products, targets, slugs and headers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from gosales_assets.taxonomy import (
    FIELD_ALIASES,
    Target,
    Taxonomy,
    TaxonomyError,
    find_headers,
    fold,
    fold_header,
    match_key,
    read_skus,
    slugify,
)

REFERENCE = Taxonomy.reference()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Success Plan", "success_plan"),
        ("Success_Plan", "success_plan"),
        ("SW_Inspection", "sw_inspection"),
        (" SW  Inspection ", "sw_inspection"),
        ("SW-Inspection", "sw_inspection"),
        ("R&D", "r_and_d"),
        ("Mold, Tool & Die", "mold_tool_and_die"),
        ("Café", "cafe"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slugify(name) == slug
    assert slugify(slug) == slug


@pytest.mark.parametrize("name", ["", "  ", "../x", "a..b", "/etc", "a\\b", "a\x00b", "a\nb", "日本"])
def test_a_name_that_could_leave_its_folder_or_is_empty_is_refused(name: str) -> None:
    with pytest.raises(TaxonomyError):
        slugify(name)


def test_the_reference_map() -> None:
    assert REFERENCE.divisions == (
        "CAMWorks", "CPE", "Hardware", "Maintenance", "PDM", "Post_Processing", "Scanning", "Services", "Simulation",
        "Solidworks", "Success Plan", "Training",
    )  # fmt: skip
    # 38 gross-profit headers, three of which are second headers of a product.
    assert (len(REFERENCE.products), sum(len(p.aliases) for p in REFERENCE.products)) == (35, 3)
    by_sku = REFERENCE.by_sku
    for sku in ("SWX_Core", "SWX_Pro_Prem", "Core_New_UAP", "Pro_Prem_New_UAP", "PDM"):
        assert by_sku[sku].quantity_header == f"{sku}_Qty"
    assert {by_sku[s].division for s in ("CATIA", "Delmia_Apriso", "HV_Simulation", "DELMIA")} == {"CPE"}
    assert by_sku["DELMIA"].quantity_header == "Delmia_Qty"
    assert by_sku["SW_Plastics"].division == "Simulation"
    assert by_sku["Post_Processing"].division == "Post_Processing"
    assert by_sku["AM_Software"].aliases == ("_3DP_Software",)
    assert (by_sku["CAMWorks_Seats"].aliases, by_sku["CAMWorks_Seats"].qty_aliases) == (
        ("CAMWorks",),
        ("CAMWorks_Qty",),
    )


def test_the_reference_targets() -> None:
    targets = {t.slug: t for t in REFERENCE.targets}
    assert len(targets) == 17
    assert len(targets["printers"].skus) == 10
    assert not targets["printers"].skus & {"Consumables", "AM_Support", "AM_Software", "Post_Processing"}
    assert targets["scanning"].skus == {"Creaform", "Artec"}
    assert targets["pdm"].skus == targets["pdm_seats"].skus
    assert not targets["maintenance"].trainable
    # Quantity-only is an attribute of a product, and the target that sells one counts quantity.
    assert (targets["simulation"].label_basis, targets["simulation"].quantity_only) == ("gp_or_qty", {"SW_Plastics"})
    assert all(t.label_basis == "gp" for t in REFERENCE.targets if t.slug != "simulation")


def test_ranked_targets_share_no_product() -> None:
    assert REFERENCE.overlaps(REFERENCE.default_targets) == []
    assert ("pdm", "pdm_seats", ["EPDM_CAD_Editor_Seats", "PDM"]) in REFERENCE.overlaps(REFERENCE.targets)


@pytest.mark.parametrize("name", ["Success Plan", "Success_Plan", "success_plan", " SUCCESS plan "])
def test_a_target_is_found_in_any_spelling(name: str) -> None:
    assert REFERENCE.target(name).slug == "success_plan"


def test_an_unknown_target_is_an_error_that_suggests_one() -> None:
    with pytest.raises(TaxonomyError, match="did you mean 'sw_electrical'"):
        REFERENCE.target("SW Electrica")


def lines(target: Target, predicate: str = "lines") -> list[bool]:
    frame = pl.DataFrame(
        {
            "product_sku": ["SWX_Core", "Artec", "AM_Support", "SW_Plastics", None],
            "product_division": [" SOLIDworks ", "Scanning", "Scanning", "Simulation", None],
        }
    )
    return frame.select(keep=getattr(target, predicate)()).with_row_index()["keep"].to_list()


def test_membership_of_a_line() -> None:
    assert lines(REFERENCE.target("solidworks")) == [True, False, False, False, False]
    assert lines(REFERENCE.target("scanning")) == [False, True, False, False, False]  # by SKU, routed or not
    assert lines(Taxonomy.from_divisions(["Scanning"]).target("scanning")) == [False, True, True, False, False]


def test_lines_whose_quantity_counts() -> None:
    assert lines(REFERENCE.target("simulation"), "quantity_lines") == [False, False, False, True, False]
    # No product map names them: the basis is then said of every line of the division.
    whole = Taxonomy.from_divisions(["Scanning"], "gp_or_qty").target("scanning")
    assert lines(whole, "quantity_lines") == lines(whole)


def test_no_quantity_counts_on_gross_profit() -> None:
    frame = pl.DataFrame({"product_sku": ["SW_Plastics"], "product_division": ["Simulation"]})
    gp = Taxonomy.from_divisions(["Simulation"]).target("simulation")
    assert frame.filter(gp.quantity_lines()).height == 0


@pytest.mark.parametrize("name", ["Straße", "ÉCOLE", " Tools ", "İzmir"])
def test_names_fold_alike_in_python_and_in_frames(name: str) -> None:
    assert pl.DataFrame({"x": [name]}).select(match_key("x")).item() == fold(name)


def test_divisions_of_a_tidy_log_become_targets() -> None:
    got = Taxonomy.from_divisions(["DRUG GM", "GROCERY", "GROCERY"])
    assert [(t.slug, t.display, t.kind) for t in got.targets] == [
        ("drug_gm", "DRUG GM", "division"),
        ("grocery", "GROCERY", "division"),
    ]
    assert got.divisions == ("DRUG GM", "GROCERY")
    with pytest.raises(TaxonomyError, match="'a_b' is defined twice"):
        Taxonomy.from_divisions(["A B", "A-B"])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_an_override_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    path = write(tmp_path, "own.csv", "sku,qty_column,division\nFDM,FDM_Qty,Additive\nGadget,,Gadgets\n")
    got = Taxonomy.from_file(path, base=REFERENCE)
    assert (got.by_sku["FDM"].division, got.by_sku["FDM"].sale_type, got.by_sku["FDM"].family) == (
        "Additive",
        "Printer",
        "Hardware",
    )
    assert "FDM" in got.target("printers").skus
    assert got.by_sku["Gadget"].quantity_header == "Gadget_Qty"
    assert {"additive", "gadgets"} <= {t.slug for t in got.targets}


def test_own_products_and_targets_from_yaml(tmp_path: Path) -> None:
    text = """
products:
  - {sku: A, division: Tools, quantity_only: true}
  - {sku: B, division: Tools, aliases: [B2], routes: {" North ": Parts}}
targets:
  - {division: Tools, label_basis: gp_or_qty}
  - {display: Just B, skus: [B], ranked: false}
"""
    got = Taxonomy.from_file(write(tmp_path, "own.yaml", text))
    assert got.divisions == ("Parts", "Tools")
    assert got.by_sku["B"].routes == {"north": "Parts"}
    tools, just_b = got.target("tools"), got.target("just_b")
    assert (tools.skus, tools.quantity_only, tools.label_basis) == ({"A", "B"}, {"A"}, "gp_or_qty")
    assert (just_b.kind, just_b.ranked) == ("sku_set", False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "sku\nA\n", "'division' is missing for new SKU 'A'"),
        ("x.csv", "division\nA\n", "'sku' is missing"),
        ("x.csv", "sku,divison\nA,B\n", "did you mean 'division'"),
        ("x.csv", "sku,division,quantity_only\nA,B,perhaps\n", "write true or false"),
        ("x.yaml", "product: []\n", "expected `products` and `targets`"),
        ("x.yaml", "- 1\n", "expected `products` and `targets`"),
        ("x.yaml", "products: [{sku: A, division: B}]\ntargets: [{display: T, skus: [C]}]\n", "SKU 'C' is not among"),
        ("x.yaml", "products: [{sku: A, division: B}]\ntargets: [{skus: [A]}]\n", "give `division`, or `display`"),
        ("x.yaml", "products: [{sku: A, division: B}]\ntargets: [{name: T}]\n", "expected the fields display"),
        ("x.yaml", "products: [{sku: A, division: B, aliases: [A]}]\n", "header 'A' is defined twice"),
        ("x.txt", "", "use .yaml, .yml or .csv"),
    ],
)
def test_a_bad_file_is_named_with_its_entry(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_file(write(tmp_path, name, text))


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("No", False), ("0", False)])
def test_flags_of_a_csv_are_read_as_flags(tmp_path: Path, text: str, flag: bool) -> None:
    path = write(tmp_path, "x.csv", f"sku,division,quantity_only\nA,B,{text}\n")
    assert Taxonomy.from_file(path).by_sku["A"].quantity_only is flag


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"nowhere\.yaml does not exist"):
        Taxonomy.from_file(tmp_path / "nowhere.yaml")


def test_headers_are_found_by_their_aliases_once_each() -> None:
    assert fold_header(" Rec. Date ") == fold_header("Rec_Date") == "rec_date"
    got = find_headers(["CompanyId", "CustomerId", "Rec Date", "Customer", "SKU", "Item", "Net Sales", "Remark"])
    assert got == {
        "customer_id": "CustomerId",
        "customer_name": "Customer",
        "order_date": "Rec Date",
        "product_sku": "SKU",
        "revenue": "Net Sales",
    }
    assert find_headers(["Date", "DATE"], ["order_date"]) == {"order_date": "Date"}


def test_no_alias_stands_for_two_fields() -> None:
    every = [a for aliases in FIELD_ALIASES.values() for a in aliases]
    assert len(every) == len(set(every))
    assert all(fold_header(a) == a for a in every)


# --- denied SKUs


def test_no_target_counts_what_is_denied() -> None:
    reference = Taxonomy.reference()
    without = reference.without([" swx_core ", "Training"])
    assert all(t.denied == {"SWX_Core", "Training"} and not t.skus & t.denied for t in without.targets)
    assert without.products == reference.products  # they are still sold
    frame = pl.DataFrame(
        {
            "product_sku": ["SWX_Core", " swx_core", "SW_Inspection", "Training", None],
            "product_division": ["Solidworks"] * 4 + ["Solidworks"],
        }
    )
    # By division: all lines but the denied. A line whose SKU is unknown was counted before, and is not denied.
    assert frame.select(without.target("solidworks").lines()).to_series().to_list() == [False, False, True, False, True]
    assert not frame.select(without.target("training").lines()).to_series().any()
    assert reference.without([]) == reference


def test_a_denied_name_that_is_no_product_is_an_error_that_suggests_one() -> None:
    with pytest.raises(TaxonomyError, match="'SWX_Cor' is no SKU of the taxonomy; did you mean 'SWX_Core'"):
        Taxonomy.reference().without(["SWX_Cor"])


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("sku\nB\n A \nB\n\n", ["A", "B"]),
        ("note,Product_SKU\nold,A\n,\n", ["A"]),
        ("GP_Col,why\n00123,x\n", ["00123"]),  # a name, not a number
        ("gp_col,sku\nA,B\n", ["B"]),  # the first of the known headers
        ("sku\n", []),
    ],
)
def test_a_list_of_skus(tmp_path: Path, text: str, skus: list[str]) -> None:
    (tmp_path / "deny.csv").write_text(text, encoding="utf-8")
    assert read_skus(tmp_path / "deny.csv") == skus


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name\nA\n", "sku, product_sku or gp_col"),
        (b"", "not a CSV file"),
        (b"sku\nA,B\n", "not a CSV file"),
        (b"sku\n\xff\xfe\n", "not a CSV file"),
        (None, "does not exist"),
    ],
)
def test_a_list_of_skus_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "deny.csv").write_bytes(content)
    with pytest.raises(TaxonomyError, match=message):
        read_skus(tmp_path / "deny.csv")
