"""What the families of features are worth: whitespace AUC out of time with them and without, in the synthetic world.

Every set of features is trained by the platform's recipe on the cutoffs that had closed, and judged on a later one; the
world, the rows, the folds and the seed are the same, so sets differ in nothing but what the model may read. Intervals
are of the difference of two sets, over resamples of customers: a customer takes all its targets and cutoffs along. What
every family adds is asked of one world; a larger one tells the documented effects from none.
Belongs here: the sets, the comparison, its interval. Does not belong here: how features are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.timing import peak_mb, timed
from bench.world import assets_path, customers_path, facts_path, settings_of
from gosales_assets.engine.features import build_features, customer_base, feature_specs
from gosales_assets.engine.features.spec import FeatureSpec
from gosales_assets.engine.labels.build import build_labels
from gosales_assets.engine.modeling.candidates import Candidate, candidates
from gosales_assets.engine.modeling.folds import assign_folds
from gosales_assets.engine.modeling.recipe import Data, fit_recipe
from gosales_assets.engine.modeling.rows import OWNERSHIP_FEATURES, History, pool
from gosales_assets.settings import Settings
from gosales_assets.sources.world import INDUSTRIES
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import add_months

#: Targets whose buyers the world documents to come at the end of a seat's term, and on or after another's invoice.
EXPIRY = ("cpe", "pdm_seats", "simulation", "success_plan")
BASKET = ("post_processing", "services", "training")
#: A model is judged at each, on the half year after it, and learns from the four half years before it.
CUTOFFS = (date(2023, 12, 31), date(2024, 6, 30))
HISTORY = 4
CADENCE_MONTHS = 6

#: Families every log has, and those that are chosen.
CORE = ("lifetime", "rfm", "margin", "dynamics", "lifecycle", "season", "xdiv", "diversity", "returns", "src")
CHOSEN: Mapping[str, tuple[str, ...]] = {
    "assets": ("assets",),
    "similarity": ("als",),
    "basket": ("mb",),
    "industry": ("industry", "enc"),
    "detail": ("sku", "branch", "rep"),
}
#: In worlds larger than this only the sets are trained that show a documented effect.
ALL_SETS_UP_TO = 10_000
#: What the log tells of other products than the target; taken away, to see whether the basket tells it too.
OTHER_PRODUCTS = ("xdiv", "diversity")
RESAMPLES = 500
SEED = 42


@dataclass(frozen=True)
class Judged:
    """Whitespace rows of one target at one cutoff: position of the customer, what happened, margins by set."""

    target: str
    cutoff: date
    customer: np.ndarray
    bought: np.ndarray
    margin: Mapping[str, np.ndarray]


def measure(customers: int, folder: Path) -> dict[str, Any]:
    """Gain of every set over the core, by target and over all, with intervals; and the peak memory."""
    settings = everything_on(settings_of(folder, "tidy"))
    took, judged = timed(lambda: list(judge(settings, folder, effects_only=customers > ALL_SETS_UP_TO)))
    return {**summary(judged), "seconds": round(took.wall, 1), "peak_mb": peak_mb()}


def everything_on(settings: Settings) -> Settings:
    """Settings with every family switched on, and folds enough to stop early by."""
    features = settings.features.model_copy(
        update={
            "use_assets": True,
            "assets_keep_terms": True,
            "use_assets_als": True,
            "use_als_embeddings": True,
            "use_basket_features": True,
            "use_sku_signals": True,
            "use_branch_mix": True,
            "pooled_encoders_enable": True,
            "industries": tuple(INDUSTRIES),
        }
    )
    modeling = settings.modeling.model_copy(update={"folds": 2})
    return settings.model_copy(update={"features": features, "modeling": modeling})


def feature_sets(specs: Sequence[FeatureSpec]) -> dict[str, list[str]]:
    """Names of the features of every set."""

    def of(*families: str, without: Sequence[str] = ()) -> list[str]:
        names = [s.name for s in specs if s.family in families and s.family not in without]
        return [n for n in names if n != "src__has_assets" or "assets" in families]

    sets = {"core": of(*CORE)} | {name: of(*CORE, *families) for name, families in CHOSEN.items()}
    sets["all"] = of(*CORE, *(f for families in CHOSEN.values() for f in families))
    sets["alone"] = of(*CORE, without=OTHER_PRODUCTS)
    sets["alone + basket"] = of(*CORE, "mb", "als", without=OTHER_PRODUCTS)
    return sets


def sets_for(slug: str, sets: Mapping[str, Sequence[str]], *, effects_only: bool) -> dict[str, Sequence[str]]:
    """The sets that are trained for a target."""
    names = [*(("core", "assets") if slug in EXPIRY else ()), *(("alone", "alone + basket") if slug in BASKET else ())]
    if not effects_only:
        names += [name for name in sets if not name.startswith("alone")]
    return {name: chosen for name, chosen in sets.items() if name in names}


def judge(settings: Settings, folder: Path, *, effects_only: bool = False) -> Iterator[Judged]:
    """Train the sets of every target at every cutoff, and score the whitespace."""
    facts = pl.scan_parquet(facts_path(folder))
    dim, assets = pl.read_parquet(customers_path(folder)), pl.read_parquet(assets_path(folder))
    products = settings.products
    shared: dict[str, Any] = {"population": settings.population, "assets": assets}
    features = {"features": settings.features, "divisions": products.divisions, "skus": products.skus, **shared}
    sets = feature_sets(feature_specs(settings.features, products.divisions, products.skus))
    known = dim["customer_id"].sort()
    cutoffs = sorted({c for cutoff in CUTOFFS for c in _history(cutoff)})
    bases = {c: customer_base(facts, dim, c, **features) for c in cutoffs}
    for slug in (*EXPIRY, *BASKET):
        target = products.target(slug)
        history = {}
        for c in cutoffs:
            built = build_features(bases[c], facts, target, c, ownership=settings.ownership, **features)
            labels = build_labels(
                facts,
                dim,
                target,
                c,
                window_months=settings.label_window_months(target),
                labels=settings.labels,
                ownership=settings.ownership,
                as_of=settings.sources.sales_log.as_of,
                **shared,
            )
            history[c] = History(built.features, labels)
        for cutoff in CUTOFFS:
            mine = sets_for(slug, sets, effects_only=effects_only)
            yield _judged(target, cutoff, {c: history[c] for c in _history(cutoff)}, mine, settings, known)


def _history(cutoff: date) -> list[date]:
    """The cutoffs a model learns from, and last the one it is judged at."""
    return [add_months(cutoff, -CADENCE_MONTHS * i) for i in range(HISTORY, -1, -1)]


def _judged(
    target: Target,
    cutoff: date,
    history: Mapping[date, History],
    sets: Mapping[str, Sequence[str]],
    settings: Settings,
    known: pl.Series,
) -> Judged:
    names = list(dict.fromkeys(n for chosen in sets.values() for n in chosen))
    pooled = pool(history, segments=settings.population.segments, features=names).frame
    whole = Data.of(pooled, [*names, *OWNERSHIP_FEATURES])
    learned = np.flatnonzero((pooled["cutoff"] < cutoff).to_numpy())
    judged = np.flatnonzero(((pooled["cutoff"] == cutoff) & (pooled["ownership"] != "owner")).to_numpy())
    fold = assign_folds(whole.frame[learned], n_folds=settings.modeling.folds, seed=SEED)["fold"].to_numpy()
    position = {name: i for i, name in enumerate(whole.names)}
    margin = {}
    for name, chosen in sets.items():
        columns = [*chosen, *OWNERSHIP_FEATURES]
        data = Data(whole.frame, whole.x[:, [position[c] for c in columns]], columns)
        fitted = fit_recipe(
            data,
            learned,
            fold,
            _recipe_of(settings),
            modeling=settings.modeling,
            population=settings.population,
            validation=settings.validation,
        )
        margin[name], _ = fitted.predict_unseen(data, judged, n_jobs=settings.modeling.n_jobs)
    rows = pooled[judged]
    return Judged(
        target.slug,
        cutoff,
        known.search_sorted(rows["customer_id"]).to_numpy(),
        rows["label"].to_numpy().astype(float),
        margin,
    )


def _recipe_of(settings: Settings) -> Candidate:
    """LightGBM as the settings name it: sets of features are compared, not candidates."""
    return next(c for c in candidates(settings.modeling) if c.family == "lgbm")


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The document of the area."""
    targets = list(dict.fromkeys(j.target for j in judged))
    customers = 1 + max(int(j.customer.max()) for j in judged)
    draws = np.random.default_rng(SEED).multinomial(customers, np.full(customers, 1 / customers), RESAMPLES)
    weights = [np.ones(customers), *draws.astype(float)]
    auc = {
        (j.target, j.cutoff, name): np.array([weighted_auc(j.bought, margin, w[j.customer]) for w in weights])
        for j in judged
        for name, margin in j.margin.items()
    }

    def gain(of: str, over: str, slugs: Sequence[str]) -> dict[str, float]:
        """Mean difference over targets and cutoffs, and the middle 95 % of its resamples."""
        both = [auc[t, c, of] - auc[t, c, over] for t, c, name in auc if name == of and t in slugs]
        mean = np.mean(both, axis=0)
        low, high = np.quantile(mean[1:], [0.025, 0.975])
        return {"mean": round(float(mean[0]), 4), "low": round(float(low), 4), "high": round(float(high), 4)}

    trained = {name for _, _, name in auc}
    return {
        "cutoffs": [c.isoformat() for c in CUTOFFS],
        "resamples": RESAMPLES,
        "positives": {t: [int(j.bought.sum()) for j in judged if j.target == t] for t in targets},
        "core_auc": {
            t: round(float(np.mean([auc[t, j.cutoff, "core"][0] for j in judged if j.target == t])), 4)
            for t in targets
            if (t, CUTOFFS[0], "core") in auc
        },
        "gains": {
            name: {"mean of targets": gain(name, "core", targets)} | {t: gain(name, "core", [t]) for t in targets}
            for name in (*CHOSEN, "all")
            if "all" in trained
        },
        "expiry": gain("assets", "core", EXPIRY),
        "basket": gain("alone + basket", "alone", BASKET),
    }


def weighted_auc(bought: np.ndarray, margin: np.ndarray, weight: np.ndarray) -> float:
    """AUC of rows that count as often as their weight says; with weights of one, `metrics.auc`.

    Examples
    --------
    >>> round(weighted_auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]), np.ones(4)), 2)
    0.75
    """
    values, place = np.unique(margin, return_inverse=True)
    positive = np.bincount(place, weight * bought, minlength=len(values))
    negative = np.bincount(place, weight * (1 - bought), minlength=len(values))
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))
