from __future__ import annotations

import os
import subprocess
import sys
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.modeling.rows import (
    FeatureError,
    feature_names,
    keys_sha256,
    matrix,
    pool,
    positive_customers,
    sample,
    stable_hash,
)
from gosales_assets_tests.engine.modeling import world

MASK = 2**64 - 1


def reference_hash(text: str, seed: int) -> int:
    """FNV-1a and SplitMix64 in plain integers, one customer at a time."""

    def mix(z: int) -> int:
        z = (z + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return mix(h ^ mix(seed % 2**64))


@settings(max_examples=50)
@given(st.lists(st.text(max_size=12), max_size=8), st.integers(-5, 2**40))
def test_hash_is_that_of_plain_integers_whatever_else_is_in_the_batch(ids: list[str], seed: int) -> None:
    hashed = stable_hash(pl.Series(ids, dtype=pl.String), seed)
    assert hashed.tolist() == [reference_hash(i, seed) for i in ids]


def test_hash_spreads_similar_ids_evenly_and_seeds_are_unrelated() -> None:
    ids = pl.Series([f"{i:05d}" for i in range(20_000)])
    first, second = (stable_hash(ids, seed) % np.uint64(5) for seed in (42, 43))
    # 4000 +- 57 (one standard deviation) per fold; a quarter of a fold agrees by chance between seeds.
    assert np.abs(np.bincount(first.astype(int)) - 4000).max() < 250
    assert abs((first == second).mean() - 0.2) < 0.02


def test_hash_does_not_depend_on_pythons_hash_seed() -> None:
    code = (
        "import polars as pl; from gosales_assets.engine.modeling.rows import stable_hash;"
        "print(stable_hash(pl.Series(['00123', 'Zürich']), 42).tolist())"
    )
    out = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }
    assert out == {"[6742881701331206370, 8036085632886329738]\n"}


def test_matrix_follows_the_list_ignores_extra_columns_and_reads_ownership() -> None:
    frame = pl.DataFrame(
        {
            "f1": [1.5, None, float("inf")],
            "extra": ["a", "b", "c"],
            "f0": [True, False, None],
            "ownership": ["owner", "lapsed", "never"],
        }
    )
    x = matrix(frame, feature_names(world.feature_list(2)))
    nan = np.nan
    np.testing.assert_array_equal(x, [[1, 1.5, 1, 0], [0, nan, 0, 1], [nan, nan, 0, 0]])
    assert x.dtype == np.float32


def test_missing_features_are_all_named() -> None:
    frame = pl.DataFrame({"f1": [1.0], "ownership": ["never"]})
    with pytest.raises(FeatureError, match=r"2 column\(s\).*f0, f2; rebuild"):
        matrix(frame, feature_names(world.feature_list(3)))


def test_text_in_a_feature_is_refused_by_name_and_type() -> None:
    frame = pl.DataFrame({"f0": ["12"], "ownership": ["never"]})
    with pytest.raises(FeatureError, match=r"f0 \(String\)"):
        matrix(frame, feature_names(world.feature_list(1)))


def test_pool_joins_keeps_modelled_segments_and_sorts(past: dict) -> None:
    pooled = pool(past, segments=("warm", "cold"), cutoff=world.CUTOFF, features=["f0"])
    frame = pooled.frame
    assert frame.columns == ["customer_id", "cutoff", "segment", "ownership", "label", "weight_gp", "f0"]
    assert frame.height == 4 * 392  # of 400 customers every 50th is a prospect
    assert frame.equals(frame.sort("cutoff", "customer_id"))
    assert list(pooled.window_ends) == [date(2022, 12, 31), date(2023, 3, 31), date(2023, 6, 30), date(2023, 9, 30)]
    assert pooled.window_ends[date(2023, 9, 30)] == date(2024, 3, 31)
    assert not pooled.dropped


def test_pool_names_what_it_leaves_out(past: dict) -> None:
    censored = world.history(50, cutoffs=[date(2023, 9, 30)], censored=[date(2023, 9, 30)])
    pooled = pool(past | censored, segments=("warm",), cutoff=date(2023, 12, 30), embargo_days=0)
    # 2023-06-30 closes on 2023-12-31, a day after this cutoff.
    assert pooled.dropped == [
        {"cutoff": "2023-06-30", "reason": "open"},
        {"cutoff": "2023-09-30", "reason": "censored"},
    ]
    assert list(pooled.window_ends) == [date(2022, 12, 31), date(2023, 3, 31)]


def test_windows_of_another_length_are_not_mixed_in(past: dict) -> None:
    """Oracle L7: a cutoff whose window was widened from 3 to 6 months teaches nothing of 3 months."""
    first, *rest = sorted(past)
    widened = past[first].labels.with_columns(requested_window_months=pl.lit(3, pl.Int16))
    pooled = pool(past | {first: past[first]._replace(labels=widened)}, segments=("warm",), cutoff=world.CUTOFF)
    assert pooled.dropped == [{"cutoff": first.isoformat(), "reason": "widened"}]
    assert list(pooled.window_ends) == rest
    assert first not in pooled.frame["cutoff"]
    # Asked for 6 everywhere and given 6 everywhere: nothing is left out.
    assert not pool(past, segments=("warm",), cutoff=world.CUTOFF).dropped


def test_embargo_counts_from_the_last_label_day(past: dict) -> None:
    kept = [
        len(pool(past, segments=("warm",), cutoff=world.CUTOFF, embargo_days=days).window_ends) for days in (0, 1, 92)
    ]
    assert kept == [4, 3, 2]  # 2023-12-31 + 92 days is 2024-04-01, 2024-03-31 + 1 day is 2024-04-01


def test_positives_are_distinct_customers() -> None:
    frame = pl.DataFrame({"customer_id": ["a", "a", "b", "c"], "label": [1, 1, 1, 0]})
    assert positive_customers(frame) == 2


def test_sample_depends_on_keys_not_on_order(past: dict) -> None:
    frame = pool(past, segments=("warm",), features=["f0"]).frame
    drawn = sample(frame, 100, seed=1)
    assert drawn.height == 100
    assert drawn.equals(sample(frame.sample(fraction=1.0, shuffle=True, seed=3), 100, seed=1))
    assert not drawn.equals(sample(frame, 100, seed=2))
    assert sample(frame, 10**6, seed=1).equals(frame)


def test_keys_hash_ignores_order_and_sees_a_row(past: dict) -> None:
    frame = pool(past, segments=("warm",)).frame
    assert keys_sha256(frame) == keys_sha256(frame.reverse())
    assert keys_sha256(frame) != keys_sha256(frame.head(-1))
