"""Ids and names of any letters survive: through the base, the matrix, and their files."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.defs.formats import decode, encode
from gosales_assets_tests.engine.features.worlds import World, dim, everything, facts

IDS = [
    "00123",
    "123",
    "a1b2-guid",
    'O"Neil, Söhne & "Co"',
    "東京 株式会社",
    "=1+1",
    " padded ",
    "line\nbreak",
    "Ünïcode'",
]
DIVISIONS = ("Mold, Tool & Die", "Success Plan", 'Say "Hi"', "Öl & Gas")


@pytest.fixture(scope="module")
def world() -> World:
    lines = facts(
        [(c, date(2024, 3, 1 + i), DIVISIONS[i % 4], f"SKU {i % 3}, „x“", 10.0 + i, 1.0) for i, c in enumerate(IDS)]
    )
    lines = lines.with_columns(branch=pl.lit('Nord, "Süd"'), rep=pl.lit("Zoë"))
    people = dim(lines).with_columns(industry=pl.lit("Öl, Gas"), industry_sub=pl.lit('"Rohre"'))
    settings = everything(industries=("Öl, Gas",), sub_industries=('"Rohre"',), branches=('Nord, "Süd"',))
    return World(lines, people, features=settings, divisions=DIVISIONS)


def test_ids_come_out_as_they_went_in(world: World) -> None:
    frame = world.build().features
    assert frame["customer_id"].to_list() == sorted(IDS, key=str.encode)
    assert frame["lifetime__all__tx_n__life"].to_list() == [1] * len(IDS)
    assert frame["industry__all__is_ol_gas__life"].to_list() == [1] * len(IDS)
    assert frame["branch__all__share_nord_sud__life"].to_list() == [1.0] * len(IDS)


def test_divisions_of_any_name_have_columns(world: World) -> None:
    frame = world.build().features
    for slug in ("mold_tool_and_die", "success_plan", "say_hi", "ol_and_gas"):
        assert frame[f"xdiv__all__tx_n_{slug}__life"].sum() in (2, 3)


def test_a_matrix_built_from_files_is_the_same(world: World) -> None:
    """The base goes through its file between the stages, lists of products and texts too."""
    artifact = CATALOG["features/customer_base"]
    base = world.base()
    stored = decode(artifact, encode(artifact, base))
    assert stored.equals(base)
    built, again = world.build(base), world.build(stored)
    assert again.features.equals(built.features)
    assert again.stats == built.stats
    features = CATALOG["features/features"]
    assert decode(features, encode(features, built.features)).equals(built.features)


def test_ids_survive_a_csv(world: World) -> None:
    frame = world.build().features.select("customer_id", "segment", "ownership", "lifetime__all__gp_sum__life")
    read = pl.read_csv(io.BytesIO(frame.write_csv().encode()), schema=frame.schema)
    assert read.equals(frame)


def test_the_catalog_survives_its_csv(world: World) -> None:
    artifact = CATALOG["features/feature_catalog"]
    catalog = world.build().catalog
    read = decode(artifact, encode(artifact, catalog))
    assert read["name"].to_list() == catalog["name"].to_list()
    assert read["description"].to_list() == catalog["description"].to_list()
    assert any('Say "Hi"' in d for d in read["description"])
