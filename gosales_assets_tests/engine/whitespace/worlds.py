"""Small inputs of a ranking, built by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from gosales_assets.engine.modeling.explain import REASON_COLUMNS, REASON_SCHEMA
from gosales_assets.engine.whitespace.basket import RULE_SCHEMA
from gosales_assets.engine.whitespace.rank import Whitespace, rank_whitespace
from gosales_assets.settings import FeatureSettings, ReleaseSettings, WhitespaceSettings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import label_window

CUTOFF = date(2024, 6, 30)
WINDOW = label_window(CUTOFF, 6)
#: Inside the basket window of `CUTOFF`: (2023-06-30, 2024-05-01].
BASKET_DAY = date(2024, 1, 15)


def target(name: str, *, ranked: bool = True, skus: Sequence[str] = ()) -> Target:
    return Target(name, name.upper(), "division", frozenset(skus), division=name, ranked=ranked)


def scores(division: str, p: Sequence[float | None], ids: Sequence[str] | None = None, **columns: Any) -> pl.DataFrame:
    """A division_scores frame; further columns replace the defaults."""
    n = len(p)
    base: dict[str, Any] = {
        "customer_id": list(ids or [f"c{i + 1}" for i in range(n)]),
        "division": division,
        "division_name": division.upper(),
        "cutoff": CUTOFF,
        "window_start": WINDOW.first_day,
        "window_end": WINDOW.last_day,
        "prediction_window_months": 6,
        "segment": "warm",
        "ownership": "never",
        "p_hat": list(p),
        "margin": 0.0,
        "base_rate": 0.1,
        "model_status": "ok",
        "calibration_method": "platt",
        "model_version": "0" * 64,
        **dict.fromkeys(REASON_COLUMNS),
        "reason_1": "rfm__all__gp__12m",
        "reason_1_value": 1250.0,
        "reason_1_contribution": 0.42,
        "context__gp_recent": 0.0,
        "context__tx_recent": 1,
        "context__gp_life": 0.0,
        "context__recency_days": 10,
    }
    types: dict[str, Any] = {
        **REASON_SCHEMA,
        "ownership": pl.String,
        "context__recency_days": pl.Int32,
        "context__gp_recent": pl.Float64,
    }
    values = {**base, **columns}
    return pl.DataFrame(
        {
            name: pl.Series(name, v if isinstance(v, list) else [v] * n, dtype=types.get(name), strict=False)
            for name, v in values.items()
        }
    )


def rules(division: str, lifts: Mapping[str, float] | None = None) -> pl.DataFrame:
    """Market-basket rules with the given lift per product."""
    rows = [(division, sku, 10, 1, 0.1, 0.1 * lift, lift, 100) for sku, lift in (lifts or {}).items()]
    return pl.DataFrame(rows, schema=RULE_SCHEMA, orient="row")


def facts(lines: Sequence[tuple[Any, ...]] = ()) -> pl.LazyFrame:
    """Fact lines from (customer, product, division[, date])."""
    rows = [(c, s, d, rest[0] if rest else BASKET_DAY, 10.0, 1.0) for c, s, d, *rest in lines]
    schema = {
        "customer_id": pl.String,
        "product_sku": pl.String,
        "product_division": pl.String,
        "order_date": pl.Date,
        "gross_profit": pl.Float64,
        "quantity": pl.Float64,
    }
    return pl.LazyFrame(rows, schema=schema, orient="row")


def dim(ids: Sequence[str] = ()) -> pl.DataFrame:
    schema = {"customer_id": pl.String, "customer_name": pl.String}
    return pl.DataFrame([(i, f"Customer {i}") for i in ids], schema=schema, orient="row")


def rank(frames: Mapping[str, pl.DataFrame], **changes: Any) -> Whitespace:
    """Rank these score frames; everything else is innocuous unless changed."""
    settings = changes.pop("settings", {})
    targets = changes.pop("targets", [target(name) for name in frames])
    given: dict[str, Any] = {
        "rules": {name: rules(name) for name in frames},
        "reports": {name: {"overall": "PASS"} for name in frames},
        "closed": {},
        "facts": facts(),
        "dim": dim(),
        **changes,
    }
    positional = [given.pop(name) for name in ("rules", "reports", "closed", "facts", "dim")]
    return rank_whitespace(
        frames,
        *positional,
        cutoff=CUTOFF,
        window=WINDOW,
        whitespace=WhitespaceSettings(**settings),
        release=given.pop("release", ReleaseSettings()),
        features=given.pop("features", FeatureSettings()),
        targets=targets,
        **given,
    )
