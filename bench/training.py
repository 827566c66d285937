"""Training against the bare LightGBM and scikit-learn fits it asks for.

Every fit that a training makes is made once more right after it, bare: the same call of LightGBM, early stopping on the
same held-out rows included; a scikit-learn pipeline of imputation, scaling and regression for the linear candidate; the
same regression for a map of probabilities. What the platform adds is then the rest of the training. One fit at a time:
a training on all cores is the same work.

Belongs here: counting and timing fits. Does not belong here: how features are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from bench.timing import NO_TIME, Seconds, compared, peak_mb, timed
from bench.world import assets_path, customers_path, facts_path, settings_of
from gosales_assets.engine.features import build_features, customer_base, feature_list, feature_specs
from gosales_assets.engine.labels.build import build_labels
from gosales_assets.engine.modeling.folds import fold_customer_overlap
from gosales_assets.engine.modeling.linear import Linear, unfitted
from gosales_assets.engine.modeling.rows import History
from gosales_assets.engine.modeling.train import train
from gosales_assets.settings import Settings
from gosales_assets.taxonomy import Target

#: More customers than this are measured on one target: its fits alone take long enough to be told from noise.
ALL_TARGETS_UP_TO = 10_000


@dataclass
class Fits:
    """What the fits of a training cost."""

    count: int = 0
    trees: int = 0
    within: Seconds = NO_TIME
    bare: Seconds = NO_TIME


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Ratio over all targets measured, per target, and the peak memory."""
    settings = settings_of(folder, "tidy")
    cutoff = settings.timeline.last_cutoff
    assert cutoff is not None
    targets = settings.targets if customers <= ALL_TARGETS_UP_TO else _largest(settings)
    taken = [one(settings, t, cutoff, folder) for t in targets]
    ours, bare = NO_TIME, NO_TIME
    for mine, plain, about in taken:
        if about["fits"]:
            ours, bare = ours.plus(mine), bare.plus(plain)
    if bare == NO_TIME:
        raise ValueError(f"{customers} customers buy too little to train on; training is measured from 1000 on")
    by_target = {t.slug: about for t, (_, _, about) in zip(targets, taken, strict=True)}
    return compared(ours, bare) | {"targets": by_target, "peak_mb": peak_mb()}


def _largest(settings: Settings) -> tuple[Target, ...]:
    """One target that every world sells enough of to train on."""
    return tuple(t for t in settings.targets if t.slug == "solidworks") or settings.targets[:1]


def one(settings: Settings, target: Target, cutoff: date, folder: Path) -> tuple[Seconds, Seconds, dict[str, Any]]:
    """A training of one target, with its fits repeated bare: what both took, and what was trained."""
    import lightgbm  # noqa: F401 - loading it is no part of a training
    import shap  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    history = make_history(settings, target, cutoff, folder)
    common: dict[str, Any] = {
        "calendar": settings.calendar,
        "modeling": settings.modeling,
        "population": settings.population,
    }
    overlap = fold_customer_overlap(history, cutoff=cutoff, **common)
    products = settings.products
    specs = feature_specs(settings.features, products.divisions, products.skus)
    with repeated_bare() as fits:
        took, trained = timed(
            lambda: train(
                history,
                target=target,
                cutoff=cutoff,
                feature_list=feature_list(specs),
                overlap=overlap,
                validation=settings.validation,
                workers=1,
                **common,
            )
        )
    ours = took.minus(fits.bare)
    about = {
        "fits": fits.count,
        "trees": fits.trees,
        "within_fits_seconds": round(fits.within.wall, 4),
        "rows": trained.model["training"]["n_rows"],
        "status": trained.model["status"],
    }
    return ours, fits.bare, (compared(ours, fits.bare) if fits.count else {}) | about


def make_history(settings: Settings, target: Target, cutoff: date, folder: Path) -> dict[date, History]:
    """Features and labels of the cutoffs a model at ``cutoff`` learns from."""
    facts = pl.scan_parquet(facts_path(folder))
    dim, assets = pl.read_parquet(customers_path(folder)), pl.read_parquet(assets_path(folder))
    return {
        past: built_at(settings, facts, dim, past, (target,), assets)[target.slug]
        for past in settings.calendar.history(cutoff)
    }


def built_at(
    settings: Settings,
    facts: pl.LazyFrame,
    dim: pl.DataFrame,
    cutoff: date,
    targets: Sequence[Target],
    assets: pl.DataFrame,
) -> dict[str, History]:
    """Features and labels of several targets at one cutoff, as the stages make them."""
    products = settings.products
    shared: dict[str, Any] = {"population": settings.population, "assets": assets}
    features = {"features": settings.features, "divisions": products.divisions, "skus": products.skus, **shared}
    base = customer_base(facts, dim, cutoff, **features)
    made = {}
    for target in targets:
        built = build_features(base, facts, target, cutoff, ownership=settings.ownership, **features)
        labels = build_labels(
            facts,
            dim,
            target,
            cutoff,
            window_months=settings.label_window_months(target),
            labels=settings.labels,
            ownership=settings.ownership,
            as_of=settings.sources.sales_log.as_of,
            **shared,
        )
        made[target.slug] = History(built.features, labels)
    return made


@contextmanager
def repeated_bare() -> Iterator[Fits]:
    """Make every fit once more, as one would write it without the platform, and count what both took."""
    import lightgbm
    from sklearn.linear_model import LogisticRegression

    fits, fit, fit_linear, fit_map = Fits(), lightgbm.train, Linear.__dict__["fit"], LogisticRegression.fit
    inside = False  # a regression inside another fit is counted with it

    def count(within: Seconds, bare: Seconds, trees: int = 0) -> None:
        fits.count += 1
        fits.trees += trees
        fits.within = fits.within.plus(within)
        fits.bare = fits.bare.plus(bare)

    def fit_twice(params: dict[str, Any], train_set: Any, *, valid_sets: Any = (), **kwargs: Any) -> Any:
        seen = [(d.data, d.label) for d in (train_set, *valid_sets)]  # data sets let go of them when they are fitted

        def again() -> Any:
            first, *others = seen
            train_again = lightgbm.Dataset(*first, params=params)
            valid_again = [train_again.create_valid(*other, params=params) for other in others]
            return fit(params, train_again, valid_sets=valid_again or None, **kwargs)

        within, booster = timed(lambda: fit(params, train_set, valid_sets=list(valid_sets) or None, **kwargs))
        bare, _ = timed(again)
        count(within, bare, booster.current_iteration())
        return booster

    def fit_linear_twice(cls: type[Linear], z: Any, y: Any, *args: Any, **kwargs: Any) -> Linear:
        nonlocal inside
        inside = True
        try:
            within, fitted = timed(lambda: fit_linear.__func__(cls, z, y, *args, **kwargs))
            bare, _ = timed(lambda: _pipeline(**kwargs).fit(z, y))
        finally:
            inside = False
        count(within, bare)
        return fitted

    def fit_map_twice(regression: Any, *args: Any, **kwargs: Any) -> Any:
        within, fitted = timed(lambda: fit_map(regression, *args, **kwargs))
        if not inside:
            again = LogisticRegression(**regression.get_params())
            bare, _ = timed(lambda: fit_map(again, *args, **kwargs))
            count(within, bare)
        return fitted

    lightgbm.train, LogisticRegression.fit = fit_twice, fit_map_twice  # type: ignore[assignment]
    Linear.fit = classmethod(fit_linear_twice)  # type: ignore[method-assign, assignment]
    try:
        yield fits
    finally:
        lightgbm.train, LogisticRegression.fit = fit, fit_map
        Linear.fit = fit_linear  # type: ignore[method-assign]


def _pipeline(**parameters: Any) -> Any:
    """The linear candidate as a scikit-learn pipeline."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), unfitted(**parameters))
