"""What every matrix promises: names, order, types, nulls, documents, and that only settings decide the columns."""

from __future__ import annotations

import json
import re
from datetime import date

import polars as pl
import pytest
from pandera.errors import SchemaErrors

from gosales_assets.engine.features import feature_list, feature_specs, profile
from gosales_assets.engine.features.base import CONTEXT
from gosales_assets.engine.features.profile import as_table, digest, from_table
from gosales_assets.engine.features.schema import (
    BaseProfile,
    CustomerBase,
    FeatureCatalog,
    FeatureList,
    Features,
    FeatureStats,
)
from gosales_assets.engine.features.spec import DTYPES
from gosales_assets.settings import FeatureSettings, PopulationSettings
from gosales_assets_tests.engine.features.worlds import TAXONOMY, World, dim, facts, fixture, random_world

GRAMMAR = re.compile(r"src__[a-z_]+|[a-z]+__(all|div)__[a-z0-9_]+?__[a-z0-9_]+")
#: Families whose windows have settings of their own.
OWN_WINDOWS = {"mb", "enc"}
SETTINGS = [
    FeatureSettings(),
    FeatureSettings(windows_months=(1, 2, 3)),
    FeatureSettings(windows_months=(1,)),
    FeatureSettings(windows_months=(5, 7), offset_days=(10, 45), recency_decay_half_lives_days=()),
    FeatureSettings(windows_months=(3, 36), enable_offset_windows=False, add_missingness_flags=False),
    FeatureSettings(use_als_embeddings=True),
]


@pytest.fixture(scope="module")
def built() -> World:
    return random_world()


@pytest.mark.parametrize("settings", SETTINGS)
def test_declarations(settings):
    specs = feature_specs(settings, TAXONOMY.divisions)
    names = [s.name for s in specs]
    assert len(set(names)) == len(names)
    for spec in specs:
        assert GRAMMAR.fullmatch(spec.name), spec.name
        assert spec.family == spec.name.split("__")[0]
        assert spec.description.endswith(".")
        if spec.family != "src":
            assert spec.scope == spec.name.split("__")[1]
        if spec.window_months is not None and spec.family not in OWN_WINDOWS:
            assert spec.window_months <= max(settings.windows_months)


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_alone_decide_columns_and_types(settings, built):
    empty = built.facts.clear()
    specs = feature_specs(settings, TAXONOMY.divisions)
    keys = {"customer_id": pl.String, "segment": pl.String, "ownership": pl.String}
    expected = keys | CONTEXT | {s.name: DTYPES[s.dtype] for s in specs}
    for world in (built, built.but(facts=empty, dim=built.dim.clear()), built.but(facts=empty)):
        frame = world.but(features=settings).build().features
        assert dict(frame.schema) == expected
        assert list(frame.schema) == list(expected)


def test_short_windows_make_short_families():
    names = {s.name for s in feature_specs(FeatureSettings(windows_months=(1, 2, 3)), ["Services"])}
    assert {"rfm__all__gp_sum__delta_1m_prev1m", "dynamics__all__gp_slope__3m", "xdiv__div__gp_share__3m"} <= names
    assert not any(n.startswith("season__") for n in names)
    assert not any(n.endswith(("__12m", "__24m")) for n in names)


def test_delta_takes_the_longest_pair_of_windows():
    def deltas(*windows: int) -> set[str]:
        specs = feature_specs(FeatureSettings(windows_months=windows), ["Services"])
        return {s.name for s in specs if "__delta_" in s.name and s.name.startswith("rfm__all__gp_sum")}

    assert deltas(3, 6, 12, 24) == {"rfm__all__gp_sum__delta_12m_prev12m"}
    assert deltas(3, 6, 13) == {"rfm__all__gp_sum__delta_3m_prev3m"}
    assert deltas(3, 5, 7) == set()


def test_short_windows_hold_the_same_numbers(built):
    """A delta of 1 and 2 months is the 1-month window less the month before, worked out by filters."""
    frame = built.but(features=FeatureSettings(windows_months=(1, 2, 3), gp_winsor_p=1.0)).build().features
    day = pl.col("order_date")
    newest = (day > date(2024, 5, 31)) & (day <= date(2024, 6, 30))
    before = (day > date(2024, 4, 30)) & (day <= date(2024, 5, 31))
    plain = built.facts.group_by("customer_id").agg(
        delta=newest.sum().cast(pl.Int32) - before.sum().cast(pl.Int32), recent=newest.sum().cast(pl.Int32)
    )
    both = frame.join(plain, on="customer_id", how="left").with_columns(pl.col("delta", "recent").fill_null(0))
    assert (both["rfm__all__tx_n__delta_1m_prev1m"] == both["delta"]).all()
    assert (both["rfm__all__tx_n__1m"] == both["recent"]).all()
    assert both["delta"].n_unique() > 2


def test_names_do_not_hold_the_target(built):
    own, other = built.build().features, built.but(target=TAXONOMY.target("printers")).build().features
    assert own.columns == other.columns
    assert not own.equals(other)


@pytest.mark.parametrize("target", ["solidworks", "printers", "success_plan"])
def test_schemas(built, target):
    world = built.but(target=TAXONOMY.target(target))
    build = world.build()
    CustomerBase.validate(world.base(), lazy=True)
    Features.validate(build.features, lazy=True)
    FeatureCatalog.validate(build.catalog, lazy=True)
    FeatureStats.model_validate(build.stats)
    assert json.loads(json.dumps(build.stats, allow_nan=False)) == build.stats


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.reverse(),
        lambda f: pl.concat([f, f.tail(1)]),
        lambda f: f.with_columns(segment=pl.lit("tepid")),
        lambda f: f.with_columns(ownership=pl.lit(None, pl.String)),
        lambda f: f.rename({"src__has_tx": "Has Tx"}),
        lambda f: f.with_columns(rfm__all__gp_mean__3m=pl.lit(float("inf"))),
        lambda f: f.drop("context__gp_life"),
    ],
)
def test_schema_of_features_rejects(built, spoil):
    with pytest.raises(SchemaErrors):
        Features.validate(spoil(built.build().features), lazy=True)


def test_null_policies_hold(built):
    frame = built.build().features
    for spec in feature_specs(built.features, built.divisions):
        column = frame[spec.name]
        if spec.null_policy in ("zero", "known"):
            assert column.null_count() == 0, spec.name
    lone = frame.row(by_predicate=pl.col("customer_id") == "X001", named=True)
    for spec in feature_specs(built.features, built.divisions):
        if spec.null_policy == "null" and spec.name != "xdiv__div__gp_share__12m":
            assert lone[spec.name] is None, spec.name
        if spec.null_policy == "zero":
            assert lone[spec.name] == 0, spec.name


def test_catalog_says_what_was_read(built):
    catalog = {r["name"]: r for r in built.build().catalog.iter_rows(named=True)}
    assert list(catalog) == [s.name for s in feature_specs(built.features, built.divisions)]
    row = catalog["rfm__div__gp_sum__12m_off60d"]
    # 60 days before 2024-06-30 is 2024-05-01; 12 months before that is 2023-05-01, which is not read.
    assert (row["window_start"], row["window_end"], row["lag_days"]) == (date(2023, 5, 2), date(2024, 5, 1), 60)
    assert (row["family"], row["scope"], row["window_months"], row["dtype"]) == ("rfm", "div", 12, "Float64")
    life = catalog["lifetime__all__tx_n__life"]
    assert (life["window_start"], life["window_end"], life["window_months"]) == (None, date(2024, 6, 30), None)
    assert catalog["src__has_industry"]["source_table"] == "dim_customer"


def test_coverage_is_measured_before_zeros_are_filled():
    catalog = {r["name"]: r for r in fixture().build().catalog.iter_rows(named=True)}
    # Lines in 3m: A of four customers. Lines ever: A, B, D.
    assert catalog["rfm__all__tx_n__3m"]["coverage"] == 0.25
    assert catalog["rfm__all__gp_mean__3m"]["coverage"] == 0.25
    assert catalog["lifetime__all__tx_n__life"]["coverage"] == 0.75
    assert catalog["rfm__all__recency_days__life"]["coverage"] == 0.75
    assert catalog["src__has_tx"]["coverage"] == 1.0
    assert catalog["lifetime__all__gp_sum__life"]["n_unique"] == 4  # 340, 1000, 0, 20
    assert catalog["lifetime__all__gp_mean__life"]["n_unique"] == 3


def test_stats_describe_the_matrix(built):
    build = built.build()
    stats = build.stats
    assert stats["row_count"] == build.features.height == sum(stats["segments"].values())
    for name, column in stats["columns"].items():
        values = build.features[name].drop_nulls()
        assert column["non_null"] == len(values)
        if len(values):
            assert (column["min"], column["max"]) == (values.min(), values.max())
            assert column["mean"] == pytest.approx(values.mean(), abs=1e-5)


def test_checksum_follows_the_content(built):
    first, again = built.build(), built.build()
    assert first.stats["checksum"] == again.stats["checksum"]
    other = built.but(facts=built.facts.with_columns(pl.col("gross_profit") + 0.01)).build()
    assert other.stats["checksum"] != first.stats["checksum"]


@pytest.mark.parametrize(
    "a, b",
    [
        (pl.Series([1, None], dtype=pl.Int32), pl.Series([1, 0], dtype=pl.Int32)),
        (pl.Series([1, 0], dtype=pl.Int32), pl.Series([1, 0], dtype=pl.Int8)),
        (pl.Series([1.0, None]), pl.Series([None, 1.0])),
        (pl.Series(["ab", "c"]), pl.Series(["a", "bc"])),
        (pl.Series(["", "c"]), pl.Series([None, "c"])),
    ],
)
def test_digest_tells_contents_apart(a, b):
    assert digest(a) != digest(b)
    assert digest(a) == digest(a.clone())


def test_a_shared_profile_changes_nothing(built):
    from gosales_assets.engine.features import build_features

    base = built.base()
    table = as_table(profile(base))
    BaseProfile.validate(table, lazy=True)
    assert from_table(table) == profile(base)
    shared = build_features(
        base,
        built.facts.lazy(),
        built.target,
        built.cutoff,
        features=built.features,
        ownership=built.ownership,
        population=built.population,
        divisions=built.divisions,
        base_profile=from_table(table),
    )
    own = built.build(base)
    assert shared.stats == own.stats
    assert shared.catalog.equals(own.catalog)


def test_feature_list_is_versioned_by_its_content():
    document = feature_list(feature_specs(FeatureSettings(), TAXONOMY.divisions))
    FeatureList.model_validate(document)
    assert document == feature_list(feature_specs(FeatureSettings(), TAXONOMY.divisions))
    others = [FeatureSettings(windows_months=(3,)), FeatureSettings(add_missingness_flags=False)]
    versions = {feature_list(feature_specs(s, TAXONOMY.divisions))["version"] for s in others}
    assert len(versions | {document["version"]}) == 3


def test_stats_name_the_list(built):
    expected = feature_list(feature_specs(built.features, built.divisions))["version"]
    assert built.build().stats["feature_list_version"] == expected


def test_nobody_known_gives_an_empty_frame_with_all_columns(built):
    early = built.but(cutoff=date(2010, 6, 30)).build()
    assert early.features.height == 0
    assert early.features.columns == built.build().features.columns
    Features.validate(early.features, lazy=True)
    FeatureStats.model_validate(early.stats)
    FeatureCatalog.validate(early.catalog, lazy=True)


def test_only_modelled_segments_vote_on_caps(built):
    warm = built.build().stats["winsor_caps"]["rfm__all__gp_sum__24m"]
    all_of_them = built.but(population=PopulationSettings(segments=("warm", "cold", "prospect"))).build()
    assert all_of_them.stats["winsor_caps"]["rfm__all__gp_sum__24m"]["fit_rows"] == all_of_them.features.height
    assert warm["fit_rows"] < all_of_them.features.height


def test_a_base_of_other_settings_is_refused(built):
    base = built.but(features=FeatureSettings(windows_months=(3,))).base()
    with pytest.raises(ValueError, match=r"customer_base lacks .*rebuild it"):
        built.build(base)


def test_divisions_that_share_a_slug_are_refused():
    with pytest.raises(ValueError, match="'Success Plan' and 'Success_Plan' share the column name"):
        feature_specs(FeatureSettings(), ["Success Plan", "Success_Plan"])


def test_a_dimension_without_industry_is_refused(built):
    with pytest.raises(ValueError, match="dim_customer lacks the column 'industry'"):
        built.but(dim=built.dim.drop("industry")).base()


def test_divisions_with_blanks_and_commas_become_slugs():
    lines = facts([("A", date(2024, 6, 1), "Mold, Tool & Die", "X", 5.0, 1.0)])
    frame = World(lines, dim(lines), divisions=("Mold, Tool & Die", "R&D")).build().features
    assert frame["xdiv__all__gp_sum_mold_tool_and_die__12m"].to_list() == [5]
    assert frame["xdiv__all__gp_sum_r_and_d__12m"].to_list() == [0]


def test_lines_of_unlisted_divisions_count_for_the_customer_but_for_no_division():
    lines = facts([("A", date(2024, 6, 1), "UNKNOWN", "X", 5.0, 1.0)])
    row = World(lines, dim(lines)).build().features.row(0, named=True)
    assert row["rfm__all__tx_n__3m"] == 1
    assert row["lifetime__all__division_nunique__life"] == 0
