from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.modeling.columns import choose_columns, names_an_outcome
from gosales_assets.settings import Stability

CUTOFF = date(2024, 6, 30)


def rows(n: int = 80, positives: int = 3, seed: int = 0, **features: object) -> pl.DataFrame:
    y = np.zeros(n, dtype=np.int8)
    y[:positives] = 1
    return pl.DataFrame(
        {"customer_id": [f"c{i:03d}" for i in range(n)], "cutoff": [CUTOFF] * n, "label": y, "ownership": ["never"] * n}
    ).with_columns(**{k: pl.Series(v) for k, v in features.items()})  # type: ignore[arg-type]


def chosen(frame: pl.DataFrame, families: dict[str, str], **changes: object):
    asked = {"safe": None, "stability": Stability(), "min_positives": 10}
    return choose_columns(frame, families, **(asked | changes))  # type: ignore[arg-type]


def test_sparse_families_and_thin_coverage_are_dropped_unless_backbone() -> None:
    n = 80
    noise = np.random.default_rng(0).normal(size=n)
    thin = [1.0 if i < 8 else None for i in range(n)]  # 10 % known
    frame = rows(n, 3, als_signal_sparse=noise, aux_sparse=thin, rfm_gp=noise, rfm_thin=thin)
    families = {"als_signal_sparse": "als", "aux_sparse": "aux", "rfm_gp": "rfm", "rfm_thin": "rfm"}
    stability = Stability(
        min_positive_count=100, coverage_floor=0.8, sparse_families=("als",), backbone_families=("rfm",)
    )
    found = chosen(frame, families, stability=stability)
    assert found.names == ["rfm_gp", "rfm_thin"]
    assert found.because("sparse_family") == ["als_signal_sparse"]
    assert found.because("coverage") == ["aux_sparse"]
    # Enough positives: the sparse family stays.
    assert "als_signal_sparse" in chosen(rows(n, 3, **{k: frame[k] for k in families}), families).names


def test_nan_counts_as_unknown() -> None:
    frame = rows(10, 3, a=[float("nan")] * 9 + [1.0])
    found = chosen(frame, {"a": "x"}, stability=Stability(coverage_floor=0.5))
    assert found.because("coverage") == ["a"]


def test_leaks_are_dropped_by_name_and_by_value() -> None:
    n, positives = 400, 60
    rng = np.random.default_rng(1)
    y = np.zeros(n)
    y[:positives] = 1
    families = dict.fromkeys(("future_gp_sum", "label_hint", "copy", "random", "constant", "turned"), "x")
    frame = rows(
        n,
        positives,
        future_gp_sum=rng.normal(size=n),
        label_hint=rng.normal(size=n),
        copy=y + rng.normal(0, 0.05, n),
        random=rng.normal(size=n),
        constant=np.ones(n),
        turned=-y + rng.normal(0, 0.05, n),
    )
    found = chosen(frame, families)
    assert found.names == ["random", "constant"]
    assert found.because("outcome_name") == ["future_gp_sum", "label_hint"]
    assert found.because("leak_auc") == ["copy", "turned"]
    assert found.strongest == pytest.approx(1.0, abs=1e-6)


def test_owners_who_reorder_accuse_nobody() -> None:
    y = np.zeros(80)
    y[:20] = 1
    frame = rows(80, 20, reorders=y)
    assert chosen(frame, {"reorders": "x"}).because("leak_auc") == ["reorders"]
    owned = frame.with_columns(ownership=pl.when(pl.col("label") == 1).then(pl.lit("owner")).otherwise(pl.lit("never")))
    assert chosen(owned, {"reorders": "x"}).names == ["reorders"]


def test_among_few_positives_no_feature_is_accused() -> None:
    y = np.zeros(80)
    y[:3] = 1
    found = chosen(rows(80, 3, copy=y), {"copy": "x"})
    assert found.names == ["copy"]
    assert found.strongest is None


def test_safe_mode_reads_what_is_declared_safe() -> None:
    frame = rows(40, 12, a=np.arange(40.0) % 7, b=np.arange(40.0) % 5)
    assert chosen(frame, {"a": "x", "b": "x"}, safe={"b"}).names == ["b"]
    assert chosen(frame, {"a": "x", "b": "x"}, safe=set()).names == []
    assert chosen(frame, {"a": "x", "b": "x"}, safe={"b"}).because("safe") == ["a"]


def test_no_rows_drop_nothing() -> None:
    assert chosen(rows(1, 0, a=[1.0]).clear(), {"a": "x"}, stability=Stability(coverage_floor=0.5)).names == ["a"]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("bought_in_division_flag", True),
        ("target_rate", True),
        ("labelled", False),  # words, not parts of words
        ("rfm__div__gp_sum__12m", False),
    ],
)
def test_words_of_an_outcome(name: str, outcome: bool) -> None:
    assert names_an_outcome(name) is outcome


def test_no_declared_feature_is_named_like_an_outcome() -> None:
    from gosales_assets.engine.features import feature_specs
    from gosales_assets.settings import Settings

    settings = Settings.load(environ={"GOSALES_CONFIG": ""})
    products = settings.products
    specs = feature_specs(settings.features, products.divisions, products.skus)
    assert [s.name for s in specs if names_an_outcome(s.name)] == []
