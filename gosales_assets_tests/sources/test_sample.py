"""The synthetic world: shape, determinism, the account of its dirt, and whether its truth is true."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.star.build import build_star
from gosales_assets.settings import EtlSettings, SalesLog, SampleWorld
from gosales_assets.sources import SourceError, sample, sample_side
from gosales_assets.sources import world as process
from gosales_assets.sources.sample import SIDE_OF_WORLD, build_world, write_world
from gosales_assets.sources.world import BASKET, BUSINESSES, CROSS_SELL, EXPIRY, INDEX, INDUSTRIES, REST, TRIGGERS
from gosales_assets.taxonomy import Taxonomy

START, END = date(2019, 1, 1), date(2024, 12, 31)
TAXONOMY = Taxonomy.reference()
RANKED = [t.slug for t in TAXONOMY.default_targets]


@pytest.fixture(scope="module")
def world() -> sample.World:
    return build_world(10_000, 7, START, END, 0.05)


@pytest.fixture(scope="module")
def small() -> sample.World:
    # Not through the cache, which holds one world.
    return build_world.__wrapped__(800, 3, START, END, 0.05)


@pytest.fixture(scope="module")
def judged(world) -> pl.DataFrame:
    """Every ranked target at three cutoffs: customer_id, division, cutoff, p_true, owned, bought."""
    parts = []
    for cutoff in (date(2021, 6, 30), date(2022, 12, 31), date(2024, 6, 30)):
        truth = world.truth(list(TAXONOMY.default_targets), cutoff, 6, paths=8)
        for target in TAXONOMY.default_targets:
            part = truth.filter(pl.col("division") == target.slug)
            parts.append(
                part.join(world.realised(target, cutoff, 6), on="customer_id").with_columns(
                    pl.lit(cutoff).alias("cutoff")
                )
            )
    return pl.concat(parts)


def _auc(y: np.ndarray, p: np.ndarray) -> float:
    ranks = pl.Series(p).rank("average").to_numpy()
    n = y.sum()
    return float((ranks[y].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))


def test_probabilities_are_true(judged):
    """Expected and realised buyers agree within four standard errors of their sum, owners and whitespace alike."""
    for key, group in judged.group_by("division", "owned"):
        expected, seen = group["p_true"].sum(), int(group["bought"].sum())
        error = np.sqrt((group["p_true"] * (1 - group["p_true"])).sum())
        assert abs(expected - seen) < 4 * error, (key, expected, seen)


@pytest.mark.parametrize("slug", RANKED)
def test_whitespace_is_learnable_and_not_given_away(judged, slug):
    """Nobody can rank better than this; an honest model reaches a good part of it."""
    white = judged.filter((pl.col("division") == slug) & ~pl.col("owned") & (pl.col("p_true") > 0))
    by_cutoff = [
        _auc(g["bought"].to_numpy(), g["p_true"].to_numpy()) for _, g in white.group_by("cutoff", maintain_order=True)
    ]
    assert 0.70 < np.mean(by_cutoff) < 0.88


@pytest.mark.parametrize("slug", RANKED)
def test_there_are_enough_whitespace_positives(judged, slug):
    white = judged.filter((pl.col("division") == slug) & ~pl.col("owned"))
    per_cutoff = white.group_by("cutoff").agg(pl.col("bought").sum(), (pl.col("p_true") > 0).sum().alias("active"))
    assert per_cutoff["bought"].min() >= 30
    rates = per_cutoff["bought"] / per_cutoff["active"]
    assert rates.is_between(0.01, 0.08).all()


def test_demand_neither_collapses_nor_explodes(judged):
    """Whitespace rates of the first and last cutoff, same season, over all ranked targets: five per cent a year."""
    white = judged.filter(~pl.col("owned") & (pl.col("p_true") > 0))
    rate = dict(white.group_by("cutoff").agg(pl.col("bought").mean()).iter_rows())
    growth = (rate[date(2024, 6, 30)] / rate[date(2021, 6, 30)]) ** (1 / 3) - 1
    assert -0.10 < growth < 0.10


@pytest.mark.parametrize(
    ("slug", "industry", "than", "at_least"),
    # Differences of log rates of the two industries, from the constants: 1.2 - (-0.5) - sub-industry spread, and so on.
    [("camworks", "Mold, Tool & Die", "Consumer Products", 2.5), ("cpe", "Aerospace & Defense", "Education", 4.0)],
)
def test_industries_differ_as_documented(world, judged, slug, industry, than, at_least):
    named = judged.filter((pl.col("division") == slug) & ~pl.col("owned")).join(
        world.customers.select("customer_id", "industry"), on="customer_id"
    )
    mean = dict(named.group_by("industry").agg(pl.col("p_true").mean()).iter_rows())
    assert mean[industry] > at_least * mean[than]


def test_what_a_customer_owns_moves_what_it_buys_next(world):
    """Printers make post-processing far likelier; seats bought lately make training likelier."""
    cutoff = date(2023, 6, 30)
    truth = world.truth([TAXONOMY.target("post_processing"), TAXONOMY.target("training")], cutoff, 6, paths=4)
    for slug, owned, ratio in (("post_processing", "printers", 2.5), ("training", "swx_seats", 1.3)):
        p = truth.filter(pl.col("division") == slug)
        joined = p.join(world.realised(TAXONOMY.target(owned), cutoff, 6), on="customer_id")
        joined = joined.filter(pl.col("p_true") > 0)
        with_it, without = (joined.filter(pl.col("owned") == flag)["p_true"].mean() for flag in (True, False))
        assert with_it > ratio * without


def test_the_effects_name_lines_of_business_that_exist():
    for name in [n for e in (*CROSS_SELL, *TRIGGERS, *EXPIRY) for n in e[:2]] + [r[0] for r in REST]:
        assert name in INDEX
    assert all(INDEX[anchor] < INDEX[pulled] for anchor, pulled, _ in BASKET)
    assert not {a for a, _, _ in BASKET} & {p for _, p, _ in BASKET}
    assert sum(share for share, *_ in INDUSTRIES.values()) == pytest.approx(1)
    assert all(sum(s.share for s in b.skus) == pytest.approx(1) for b in BUSINESSES)
    assert {s.sku for b in BUSINESSES for s in b.skus} == {p.sku for p in TAXONOMY.products}


def test_truth_of_overlapping_targets_is_ordered(world):
    """Seats are part of Solidworks, printers of hardware: the whole is at least as likely as the part."""
    slugs = ["swx_seats", "solidworks", "printers", "hardware", "pdm", "pdm_seats"]
    truth = world.truth([TAXONOMY.target(s) for s in slugs], date(2022, 6, 30), 6, paths=4)
    wide = truth.pivot(on="division", index="customer_id", values="p_true")
    for whole, part in (("solidworks", "swx_seats"), ("hardware", "printers")):
        assert wide[whole].mean() > wide[part].mean()
        # Single customers wobble: what their futures do differs by target.
        assert (wide[whole] >= wide[part]).mean() > 0.95
    assert wide["pdm"].equals(wide["pdm_seats"])


@pytest.mark.parametrize("cutoff", [date(2022, 6, 15), date(2018, 12, 31)])
def test_truth_needs_a_month_end_inside_the_log(small, cutoff):
    with pytest.raises(SourceError, match="choose a month end"):
        small.truth(TAXONOMY.target("cpe"), cutoff, 6)


def test_the_same_seed_gives_the_same_world_and_nothing_else_does(small):
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that the global generator is left alone
    again = build_world.__wrapped__(800, 3, START, END, 0.05)
    other = build_world.__wrapped__(800, 4, START, END, 0.05)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    for layout in ("wide", "tidy"):
        one, two = small.records(layout, TAXONOMY, 0.02), again.records(layout, TAXONOMY, 0.02)
        assert one.records.equals(two.records)
        assert one.planted.equals(two.planted)
    assert small.customer_assets.equals(again.customer_assets)
    assert small.enrichment.equals(again.enrichment)
    assert not small.lines.equals(other.lines)
    target, cutoff = TAXONOMY.target("cpe"), date(2022, 6, 30)
    assert small.truth(target, cutoff, 6, paths=2).equals(again.truth(target, cutoff, 6, paths=2))


def test_the_log_has_the_shape_of_a_business(world):
    lines = world.lines
    assert lines["order_date"].min() >= START
    assert lines["order_date"].max() <= END
    assert lines["order_date"].dt.truncate("1mo").n_unique() == 72
    per_invoice = lines.group_by("invoice_id").agg(
        pl.len(), pl.col("customer_id").n_unique().alias("customers"), pl.col("order_date").n_unique().alias("days")
    )
    assert per_invoice["customers"].max() == per_invoice["days"].max() == 1
    assert (per_invoice["len"] > 1).mean() > 0.1
    per_day = lines.group_by("customer_id", "order_date").agg(pl.col("invoice_id").n_unique())
    assert (per_day["invoice_id"] > 1).sum() > 100
    assert lines.select("invoice_id", "product_sku").is_duplicated().sum() == 0
    returns = lines.filter("is_return")
    assert (returns["quantity"] < 0).all()
    assert 0.01 < returns.height / lines.height < 0.02
    assert set(lines["product_sku"].unique()) == {p.sku for p in TAXONOMY.products}
    sizes = dict(
        lines.filter(~pl.col("is_return")).group_by("product_sku").agg(pl.col("cents").median() / 100).iter_rows()
    )
    assert 20_000 < sizes["Polyjet"] < 40_000
    assert 300 < sizes["Training"] < 1_500
    assert sizes["SW_Plastics"] == 0
    firsts = lines.group_by("customer_id").agg(pl.col("order_date").min().dt.year())["order_date"]
    assert (firsts.value_counts()["count"] > 200).all()
    assert (lines["invoice_date"] >= lines["order_date"]).all()


def test_some_customers_never_buy_and_some_only_hold_assets(world):
    everybody, buyers = set(world.customers["customer_id"]), set(world.lines["customer_id"])
    holders = set(world.customer_assets["customer_id"])
    assert len(everybody) == 10_000
    assert len(everybody - buyers - holders) > 300
    assert len(holders - buyers) > 200
    assert buyers < everybody


def test_assets_agree_with_purchases(world):
    """Every line of a product that leaves an asset has a row in that month, known on its purchase date."""
    assets = world.customer_assets.with_columns(pl.col("purchase_date").str.slice(0, 7).alias("month"))
    bought = (
        world.lines.filter((pl.col("product_sku") == "FDM") & ~pl.col("is_return"))
        .select("customer_id", "product_sku", pl.col("order_date").dt.to_string("%Y-%m").alias("month"))
        .unique()
    )
    matched = bought.join(assets, on=["customer_id", "product_sku", "month"], how="semi")
    # The day of an asset is drawn apart from the invoice's: a row may fall after the end of the log.
    assert matched.height > 0.98 * bought.height
    terms = assets.filter(pl.col("product_sku") == "SWX_Core", pl.col("purchase_date").str.slice(0, 2) == "20")
    assert (terms["expiration_date"] > terms["purchase_date"]).all()
    assert set(assets.columns) >= set(sample.ASSET_COLUMNS)
    assert assets["purchase_date"].is_null().sum() > 0
    assert (assets["purchase_date"] <= END.isoformat()).all()


def test_names_are_unique_and_the_industry_list_misspells_a_minority(world):
    people, listed = world.customers, world.enrichment
    assert people["customer_name"].n_unique() == people["customer_id"].n_unique() == 10_000
    exact = listed.join(people, on=["customer_name", "industry"], how="semi").height / listed.height
    assert 0.7 < exact < 0.9
    assert 0.9 < listed.height / people.height < 0.96
    assert people["customer_id"].str.starts_with("0").any()


@pytest.mark.parametrize("layout", ["wide", "tidy"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_every_planted_record_can_be_counted_in_the_log(small, layout, share):
    clean = small.records(layout, TAXONOMY, 0.0).records
    records, planted = small.records(layout, TAXONOMY, share)
    counts = dict(planted.select("kind", "records").iter_rows())
    names = sample._DIRT_FIELDS[layout](records.columns)
    day, who = pl.col(names.order_date), pl.col(names.customer_id)
    assert sum(n for k, n in counts.items() if k != "return") == round(share * clean.height)
    assert counts["return"] == small.lines["is_return"].sum()
    assert records.height == clean.height + counts["exact_duplicate"]

    def count(expr: pl.Expr) -> int:
        return records.filter(expr).height

    parsed = day.str.to_date("%Y-%m-%d", strict=False)
    assert count(day.is_null()) == counts["blank_date"]
    assert count(parsed > END) == counts["future_date"]
    assert count(parsed < date(1990, 1, 1)) == counts["ancient_date"]
    assert count(day.str.contains(r"/202[0-4]|/2019") & ~day.str.contains("13/45")) == counts["date_format"]
    assert count(parsed.is_null() & day.is_not_null()) == counts["bad_date"] + counts["date_format"]
    assert count(who.str.strip_chars().is_in(["", "NaN"])) == counts["missing_id"]
    assert count(who.str.starts_with("  ") & (who.str.len_chars() > 2)) == counts["id_padding"]
    assert count(pl.col(names.invoice_id).is_null()) == counts["missing_invoice"]
    money = [pl.col(c).str for c in names.money]
    assert count(pl.any_horizontal(m.contains(r"[A-Za-z]") for m in money)) == counts["unparseable_amount"]
    assert count(pl.any_horizontal(m.contains(r"^(\$|\()") for m in money)) == counts["currency_string"]
    if layout == "tidy":
        assert count(pl.col("product_sku").str.starts_with("ZZ-")) == counts["unknown_sku"]
    assert records.height - records.unique().height == counts["exact_duplicate"]


def test_currency_strings_say_the_same_amounts(small):
    clean = small.records("tidy", TAXONOMY, 0.0).records
    records, planted = small.records("tidy", TAXONOMY, 0.5)
    strings = records.filter(pl.col("gross_profit").str.contains(r"^(\$|\()"))
    amounts = (
        strings["gross_profit"].str.replace_all(r"[$,)]", "").str.replace("(", "-", literal=True).cast(pl.Float64) * 100
    ).round(0)
    assert int(amounts.sum()) == planted.filter(pl.col("kind") == "currency_string")["cents"].item()
    assert strings["gross_profit"].str.contains(r"^\$\d{1,3}(,\d{3})*\.\d{2}$|^\(\d{1,3}(,\d{3})*\.\d{2}\)$").all()
    assert (amounts < 0).any()
    assert clean["gross_profit"].cast(pl.Float64).sum() == pytest.approx(small.lines["cents"].sum() / 100)


def test_both_layouts_hold_the_same_money(small):
    wide = small.records("wide", TAXONOMY, 0.0).records
    headers = [h for p in TAXONOMY.products for h in (p.sku, *p.aliases)]
    total = wide.select(pl.sum_horizontal(pl.col(h).cast(pl.Float64).fill_null(0) for h in headers).sum()).item()
    assert total == pytest.approx(small.lines["cents"].sum() / 100)
    assert wide.columns[:9] == [
        "CustomerId", "Rec Date", "Division", "Customer", "InvoiceId", "Invoice_Date", "Branch", "Rep", "Revenue"
    ]  # fmt: skip
    assert all(dtype == pl.String for dtype in wide.dtypes)
    # The alias headers take over in the middle of 2021; a record never fills both.
    assert wide["Success_Plan"].count() > 0
    assert wide["Success Plan GP"].count() > 0
    assert wide.filter(pl.col("Success_Plan").is_not_null() & pl.col("Success Plan GP").is_not_null()).is_empty()
    routed = wide.filter(pl.col("AM_Support").is_not_null())["Division"].unique()
    assert set(routed) == {"Scanning", "Stratasys"}


def test_a_world_on_disk_reads_back(tmp_path, small):
    spec = SampleWorld(customers=200, seed=5)
    files = write_world(spec, TAXONOMY, tmp_path / "wide", "wide", truth=True, cutoffs=[date(2024, 6, 30)])
    assert {p.name for p in files} == {
        "sales_log.csv", "industry_enrichment.csv", "customer_assets.csv", "item_taxonomy.csv", "crm_attributes.csv",
        "account_status.csv", "planted_dirt.csv", "truth.parquet",
    }  # fmt: skip
    truth = pl.read_parquet(files[-1])
    assert truth.columns == ["customer_id", "division", "cutoff", "window_months", "p_true"]
    assert set(truth["division"]) == {t.slug for t in TAXONOMY.targets if t.trainable}
    assert truth["p_true"].is_between(0, 1).all()
    tidy = write_world(spec, TAXONOMY, tmp_path / "tidy", "tidy")
    assert [p.name for p in tidy if p.suffix == ".parquet"] == ["sales_log.parquet"]
    log = pl.read_parquet(tidy[0])
    assert log.columns == list(sample.TIDY_FIELDS)


def test_a_world_cannot_end_before_it_starts():
    with pytest.raises(SourceError, match="is not after start"):
        build_world(10, 1, END, START, 0.0)


def test_the_truth_is_written_for_half_years_of_the_second_half():
    assert sample.half_years(date(2019, 1, 1), date(2022, 12, 31)) == [
        date(2020, 12, 31), date(2021, 6, 30), date(2021, 12, 31), date(2022, 6, 30), date(2022, 12, 31)
    ]  # fmt: skip


def test_tables_beside_the_log_draw_from_streams_of_their_own():
    def streams(module):
        return {v for k, v in vars(module).items() if k.isupper() and k.startswith("_") and isinstance(v, int)}

    mine = streams(sample_side)
    assert len(mine) == 5
    assert not mine & (streams(sample) | streams(process))


@pytest.fixture(scope="module")
def told(small):
    """The star of a small world with all its tables beside the log."""
    sides = {name: small.side(name, TAXONOMY, 0.02) for name in SIDE_OF_WORLD}
    return build_star(
        small.records("wide", TAXONOMY, 0.02).records.lazy(),
        spec=SalesLog(as_of=END),
        taxonomy=TAXONOMY,
        etl=EtlSettings(enable_industry_fuzzy=True, fuzzy_min_unmatched=1),
        enrichment=sides["industry_enrichment"],
        assets=sides["customer_assets"],
        items=sides["item_taxonomy"],
        crm=sides["crm_attributes"],
        status=sides["account_status"],
    )


def test_every_way_to_find_an_industry_a_product_and_a_customer_occurs(told):
    dim, held = told.dim_customer, told.fact_assets
    assert set(dim["match_method"]) == {"exact", "prefix", "fuzzy97", "fuzzy94", "none"}
    assert set(dim["source"]) == {"sales_log", "ns", "assets"}
    assert set(held["join_method"]) == {"internalid", "name", "sku", "unmatched"}
    assert set(held["customer_match"]) == {"id", "name", "none"}
    assert held.filter(pl.col("join_method") == "unmatched").height < 0.05 * held.height
    # A few prospects the CRM knew before any purchase, and nobody known before the world began.
    assert dim.filter(source="ns").height >= 5


def test_the_dirt_of_every_table_is_found(told):
    found = set(told.contract_violations.select("table_name", "column_name", "violation_type").iter_rows())
    assert found >= {
        ("industry_enrichment", "customer_name", "enrichment_conflict"),
        ("customer_assets", "customer_id", "asset_without_customer"),
        ("customer_assets", "quantity", "side_unparseable_value"),
        ("customer_assets", "purchase_date", "unparseable_asset_date"),
        ("customer_assets", "purchase_date", "side_implausible_date"),
        ("customer_assets", "expiration_date", "unparseable_asset_date"),
        ("customer_assets", "product_sku", "side_unmapped_product"),
        ("item_taxonomy", "division", "side_unknown_division"),
        ("item_taxonomy", "internalid", "side_conflicting_row"),
        ("crm_attributes", "customer_id", "side_missing_key"),
        ("crm_attributes", "customer_id", "side_conflicting_row"),
        ("crm_attributes", "date_created", "side_unparseable_value"),
        ("crm_attributes", "date_created", "side_implausible_date"),
        ("account_status", "customer_id", "side_conflicting_row"),
        ("account_status", "last_contact_date", "side_unparseable_value"),
        ("account_status", "has_open_deal", "side_unparseable_value"),
    }


def test_a_clean_world_has_clean_tables_and_the_truth_of_its_assets(small):
    columns = {name: small.side(name, TAXONOMY, 0.0) for name in SIDE_OF_WORLD}
    assert columns["crm_attributes"]["customer_id"].is_unique().all()
    assert columns["account_status"]["customer_id"].is_unique().all()
    items = columns["item_taxonomy"]
    named = columns["customer_assets"].join(items, on="internalid", suffix="_item").with_columns(row="item_rollup")
    # As many assets per SKU as the world holds, less those that name their item otherwise.
    held = dict(small.customer_assets.group_by("product_sku").len().iter_rows())
    for sku, n in named.group_by("row").len().iter_rows():
        assert 0.5 * held[sku] <= n <= held[sku]
