"""Likeness to owners: what it means, what it is blind to, and that its bytes repeat."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gosales_assets
from gosales_assets.engine.features.embeddings import TRANSACTIONS, Factorization, embed, of_assets, similarity
from gosales_assets.settings import AssetsAls
from gosales_assets.timeline import add_days
from gosales_assets_tests.engine.features.worlds import CUTOFF, TAXONOMY, World, dim, facts, fixture, uncapped

COLUMN = "als__div__similarity__24m"


def test_the_centroid_is_that_of_the_owners():
    # Owners (1, 1) and (.9, .8): centroid (.95, .90); (.8, .9) has cosine 1.57 / (1.308625 * 1.204159) = .996323.
    factors = np.array([[1.0, 1.0], [0.9, 0.8], [0.8, 0.9], [-0.5, -0.5], [0.0, 0.0], [np.nan, np.nan]])
    owners = np.array([True, True, False, False, False, True])
    expected = [0.999635, 0.999496, 0.996323, -0.999635, np.nan, np.nan]
    np.testing.assert_allclose(similarity(factors, owners), expected, atol=1e-3)
    centroid = np.array([0.95, 0.90])
    by_hand = factors[2] @ centroid / np.linalg.norm(factors[2]) / np.linalg.norm(centroid)
    assert similarity(factors, owners)[2] == round(by_hand, 6)


def test_without_an_owner_likeness_is_unknown():
    factors = np.array([[1.0, 2.0], [np.nan, np.nan]])
    assert np.isnan(similarity(factors, np.array([False, False]))).all()
    assert np.isnan(similarity(factors, np.array([False, True]))).all()


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_a_turn_of_the_axes_changes_nothing(seed):
    """Why likeness may be pooled over cutoffs and factors may not."""
    rng = np.random.default_rng(seed)
    factors, owners = rng.normal(size=(12, 4)), rng.random(12) < 0.5
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    np.testing.assert_allclose(similarity(factors, owners), similarity(factors @ turn, owners), atol=2e-6)
    assert not np.allclose(factors, factors @ turn)


def clubs() -> World:
    """Two groups that buy different things; of the first, half own the target (Solidworks), of the second nobody."""
    lines = []
    for i in range(12):
        club = ("PDM", "PDM", "Simulation", "Simulation") if i < 6 else ("FDM", "Hardware", "Artec", "Scanning")
        for sku, division in (club[:2], club[2:]):
            lines.append((f"K{i:02d}", add_days(CUTOFF, -30 - i), division, sku, 10.0, 1.0))
        if i < 3:
            lines.append((f"K{i:02d}", add_days(CUTOFF, -20), "Solidworks", "SWX_Core", 10.0, 1.0))
    table = facts(lines)
    return World(table, dim(table, X=date(2020, 1, 1)), features=uncapped(use_als_embeddings=True))


def test_who_buys_what_owners_buy_is_like_them():
    frame = clubs().build().features
    like = dict(frame.select("customer_id", COLUMN).iter_rows())
    assert like.pop("X") is None  # no line, no place in the fit
    assert min(v for k, v in like.items() if k < "K06") > max(v for k, v in like.items() if k >= "K06") + 0.5
    # Another target turns it around: nobody but the second group owns printers.
    other = dict(clubs().but(target=TAXONOMY.target("printers")).build().features.select("customer_id", COLUMN).rows())
    assert max(other[f"K{i:02d}"] for i in range(6)) < min(other[f"K{i:02d}"] for i in range(6, 12))


@pytest.mark.parametrize("months, known", [(12, False), (36, True)])
def test_the_fit_looks_back_as_far_as_the_settings_say(months, known):
    lines = facts(
        [
            ("1", date(2023, 6, 1), "Hardware", "FDM", 1.0, 1.0),
            ("2", date(2023, 7, 1), "Solidworks", "SWX_Core", 1.0, 1.0),
            ("3", date(2021, 1, 31), "Hardware", "FDM", 1.0, 1.0),
        ]
    )
    settings = uncapped(use_als_embeddings=True, als_lookback_months=months)
    frame = World(lines, dim(lines), cutoff=date(2023, 12, 31), features=settings).build().features
    found = dict(frame.select("customer_id", f"als__div__similarity__{months}m").iter_rows())
    assert found["1"] is not None
    assert (found["3"] is not None) == known


def test_returns_are_taken_off_and_an_unknown_quantity_is_one():
    taken = pl.DataFrame(
        [(0, "A", 2.0), (0, "A", -2.0), (1, "A", None), (1, "B", 1.0), (2, None, 5.0), (3, "B", 3.0)],
        schema={"row": pl.Int64, "item": pl.String, "quantity": pl.Float64},
        orient="row",
    )
    factors = embed(taken, 5, TRANSACTIONS)
    assert factors.is_null().to_list() == [True, False, True, False, True]
    assert factors.dtype == pl.Array(pl.Float64, 16)
    assert embed(taken.clear(), 2, TRANSACTIONS).null_count() == 2


def test_a_table_larger_than_the_settings_allow_is_refused():
    taken = pl.DataFrame({"row": [0, 1, 2], "item": ["A", "B", "C"], "quantity": [1.0, 1.0, 1.0]})
    with pytest.raises(ValueError, match=r"has 3 cols, more than features\.assets_als\.max_cols = 2"):
        embed(taken, 3, of_assets(AssetsAls(max_cols=2)))
    with pytest.raises(ValueError, match=r"has 3 rows, more than features\.assets_als\.max_rows = 1"):
        embed(taken, 3, of_assets(AssetsAls(max_rows=1)))


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    taken = pl.DataFrame({"row": [0, 1], "item": ["A", "B"], "quantity": [1.0, 1.0]})
    with pytest.raises(ModuleNotFoundError, match=r"gosales-assets\[embeddings\]"):
        embed(taken, 2, TRANSACTIONS)


def test_holders_without_a_line_are_known_by_their_assets():
    """C and E hold what owners hold and have bought nothing; F holds something else."""
    assets = pl.DataFrame(
        [(c, sku, 1.0, date(2022, 1, 1), None) for c, sku in
         [("A", "PDM"), ("A", "SWX_Core"), ("B", "PDM"), ("B", "SWX_Core"), ("E", "PDM"), ("F", "FDM"), ("G", "FDM")]],
        schema={"customer_id": pl.String, "product_sku": pl.String, "quantity": pl.Float64,
                "purchase_date": pl.Date, "expiration_date": pl.Date},
        orient="row",
    )  # fmt: skip
    small = fixture(use_assets_als=True, use_als_embeddings=True)
    cold = dict.fromkeys("EFG", date(2022, 1, 1))
    frame = small.but(assets=assets, dim=dim(small.facts, **cold)).build().features
    rows = {r["customer_id"]: r for r in frame.iter_rows(named=True)}
    assert all(rows[c]["segment"] == "cold" and rows[c][COLUMN] is None for c in "EFG")
    assert rows["E"]["als__div__assets_similarity__life"] > rows["F"]["als__div__assets_similarity__life"] + 0.3
    assert rows["D"]["als__div__assets_similarity__life"] is None


# --- bytes

DIGEST = """
import hashlib, sys
import numpy as np
from gosales_assets.settings import FeatureSettings
from gosales_assets_tests.engine.features.test_similarity import embedded
print(hashlib.sha256(embedded(int(sys.argv[1]))).hexdigest())
"""


def embedded(seed: int) -> bytes:
    """Factors and likeness of a world large enough for several threads, from rows in an order of their own."""
    rng = np.random.default_rng(5)
    customers, n = 1500, 20_000
    taken = pl.DataFrame(
        {
            "row": rng.integers(0, customers, n),
            "item": rng.choice([p.sku for p in TAXONOMY.products], n),
            "quantity": rng.choice([0.1, 0.2, 0.7, 1.0, 3.0, -0.3], n),
        }
    ).sample(fraction=1, shuffle=True, seed=seed)
    factors = embed(taken, customers, Factorization("lines", 16, 15, 0.1)).to_numpy()
    return factors.tobytes() + similarity(factors, np.arange(customers) % 7 == 0).tobytes()


def test_bytes_repeat_in_other_processes_with_other_threads_and_another_order():
    digests = set()
    for seed, threads in enumerate(("1", "2", "4")):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
        root = str(Path(gosales_assets.__file__).parents[1])
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": threads, "PYTHONPATH": root}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(seed)], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    # And the digest tells worlds apart: one unit more is another.
    assert len(digests.pop()) == 64
