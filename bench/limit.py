"""How close rankings come to the best that can be reached, and that they beat what is simple.

Belongs here: worlds whose truth is known, real transactions, the baselines, and what is compared. Does not belong here:
metrics and intervals (the engine's own), what the numbers must reach (`report`).

A synthetic world knows the true probability of every customer, given traits no model can see: nobody reaches it. What
can be reached is learned from ten times as many customers: the *reference* is the same recipe trained on such a world,
ranking the same customers. Rankings are scored with the true probabilities as soft labels, so that no luck of a draw is
in them. Real transactions have no truth: there, forecasts are compared with what happened and with the baselines.

Judged are non-owners (the whitespace), forward: model(c) on features(c), against the window after c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.timing import peak_mb
from bench.training import built_at
from bench.world import DEMO, ROOT, SEED
from gosales_assets import sources
from gosales_assets.engine import metrics
from gosales_assets.engine.features import feature_list, feature_specs
from gosales_assets.engine.modeling.compare import as_document, paired
from gosales_assets.engine.modeling.folds import fold_customer_overlap
from gosales_assets.engine.modeling.rows import History
from gosales_assets.engine.modeling.train import train
from gosales_assets.engine.scoring.score import score
from gosales_assets.engine.star.build import Star, build_star
from gosales_assets.settings import Settings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import days_between, until

#: How many times more customers the reference learns from.
REFERENCE_TIMES = 10
#: Targets and newest cutoffs of the synthetic world that are judged.
TARGETS, CUTOFFS = ("printers", "simulation", "solidworks", "training"), 2
#: Distinct buyers among the non-owners that a cell needs.
MIN_POSITIVES = 30
#: On real transactions cells are few and small.
MIN_POSITIVES_REAL = 20
PERCENT = 10
RESAMPLES = 300
REAL = ROOT / "examples" / "completejourney" / "gosales.yaml"


@dataclass(frozen=True)
class Logs:
    """A log as the star holds it, and its settings."""

    settings: Settings
    star: Star

    @classmethod
    def of(cls, settings: Settings) -> Logs:
        log = sources.read_sales_log(settings.sources.sales_log, settings.products)
        star = build_star(
            log.records,
            spec=settings.sources.sales_log,
            taxonomy=settings.products,
            etl=settings.etl,
            enrichment=sources.read_side(settings.sources, "industry_enrichment", settings.products),
            assets=sources.read_side(settings.sources, "customer_assets", settings.products),
        )
        return cls(settings, star)

    def at(self, cutoff: date, targets: Sequence[Target]) -> dict[str, History]:
        facts, dim = self.star.fact_transactions.lazy(), self.star.dim_customer
        return built_at(self.settings, facts, dim, cutoff, targets, self.star.fact_assets)


def world_settings(customers: int) -> Settings:
    """The demonstration's settings over a world of another size."""
    sample = {"customers": customers, "seed": SEED, "layout": "tidy"}
    log: dict[str, Any] = {"layout": "tidy", "sample": sample}
    plain = Settings.load(DEMO, environ={}, overrides={"sources": {"sales_log": log}})
    log["as_of"] = plain.sources.sales_log.sample.end.isoformat()
    return Settings.load(DEMO, environ={}, overrides={"sources": {"sales_log": log}})


def measure(customers: int, folder: Path, *, times: int = REFERENCE_TIMES) -> dict[str, Any]:
    """The synthetic world: against the reference, against the truth, against the baselines.

    Parameters
    ----------
    customers
        Size of the world that is judged.
    folder
        Not used: nothing is written.
    times
        How many times more customers the reference learns from.
    """
    from gosales_assets.sources.sample import world_of

    settings = world_settings(customers)
    cutoffs = settings.calendar.model_cutoffs()[-CUTOFFS:]
    targets = [t for t in settings.targets if t.slug in TARGETS]
    reference = models(Logs.of(world_settings(customers * times)), targets, cutoffs)
    log = Logs.of(settings)
    world = world_of(settings.sources.sales_log.sample)
    truth = {c: world.truth(targets, c, settings.timeline.label_window_months) for c in cutoffs}
    cells = []
    for cell in judged(log, targets, cutoffs, MIN_POSITIVES):
        theirs = _scored(log.settings, cell, reference[cell.key])
        p_true = truth[cell.cutoff].filter(pl.col("division") == cell.target.slug).select("customer_id", "p_true")
        rows = cell.whitespace.join(theirs.select("customer_id", reference="margin"), "customer_id").join(
            p_true, "customer_id"
        )
        cells.append(rows.with_columns(cell=pl.lit(cell.name)))
    rows = pl.concat(cells)
    values = {name: _ranking(rows, name, "p_true") for name in ("ours", "reference", "p_true")}
    return {
        "customers": customers,
        "reference_customers": customers * times,
        "cells": rows["cell"].unique().sort().to_list(),
        "rankings": values,
        "auc_over_reference": _above_chance(values["ours"]["auc"], values["reference"]["auc"]),
        "lift_over_reference": round(values["ours"]["lift"] / values["reference"]["lift"], 4),
        "auc_over_truth": _above_chance(values["ours"]["auc"], values["p_true"]["auc"]),
        "lift_over_truth": round(values["ours"]["lift"] / values["p_true"]["lift"], 4),
        "calibration": _calibration(rows) | _excess_error(rows),
        "baselines": _baselines(rows, "p_true"),
        "peak_mb": peak_mb(),
    }


def real(customers: None, folder: Path) -> dict[str, Any]:
    """Real transactions, by department and population: against what happened, and beside the baselines."""
    settings = Settings.load(REAL, environ={})
    calendar = settings.calendar
    cutoffs = [c for c in calendar.model_cutoffs() if calendar.closes_by(c, settings.sources.sales_log.as_of)]  # type: ignore[arg-type]
    cells = [cell.named_rows() for cell in judged(Logs.of(settings), settings.targets, cutoffs, MIN_POSITIVES_REAL)]
    everyone = pl.concat(cells)
    rows = everyone.filter("whitespace")
    by_division = {
        part["division"][0]: {"all": beside(part), "whitespace": beside(part.filter("whitespace"))}
        for part in everyone.partition_by("division", maintain_order=True)
    }
    return {
        "cells": rows["cell"].unique().sort().to_list(),
        "rankings": {"ours": _ranking(rows, "ours", "label")},
        "divisions": by_division,
        "calibration": _calibration(rows),
        "baselines": _baselines(rows, "label"),
        "peak_mb": peak_mb(),
    }


# --------------------------------------------------------------------------------------------------------------------
# Cells


@dataclass(frozen=True)
class Cell:
    """One target at one cutoff: features of that day, and its customers with every score.

    ``rows`` hold customer_id, label, whitespace (not an owner), p (ours, calibrated), and the rankings ours, counts,
    recency.
    """

    target: Target
    cutoff: date
    features: pl.DataFrame
    rows: pl.DataFrame

    @property
    def key(self) -> tuple[str, date]:
        return (self.target.slug, self.cutoff)

    @property
    def name(self) -> str:
        return f"{self.target.slug} {self.cutoff}"

    @property
    def whitespace(self) -> pl.DataFrame:
        return self.rows.filter("whitespace")

    def named_rows(self) -> pl.DataFrame:
        return self.rows.with_columns(cell=pl.lit(self.name), division=pl.lit(self.target.slug))


def judged(log: Logs, targets: Sequence[Target], cutoffs: Sequence[date], min_positives: int) -> Iterator[Cell]:
    """The cells with enough buyers among their non-owners: all customers, with our scores and the baselines'."""
    for cutoff, target, history, now in _histories(log, targets, cutoffs):
        known = now.features.filter(pl.col("segment").is_in(list(log.settings.population.segments)))
        labelled = known.select("customer_id", whitespace=pl.col("ownership") != "owner").join(
            now.labels.select("customer_id", "label"), "customer_id"
        )
        if labelled.filter("whitespace")["label"].sum() < min_positives:
            continue
        model = _trained(log.settings, target, cutoff, history)
        if model["status"] != "ok":
            continue
        cell = Cell(target, cutoff, now.features, labelled)
        ours = _scored(log.settings, cell, model).select("customer_id", p="p_hat", ours="margin")
        counts = plain_regression(log.star, cutoff, history, known)
        recency = known.select("customer_id", recency=-pl.col("context__recency_days").fill_null(10**6))
        rows = labelled.join(ours, "customer_id").join(counts, "customer_id").join(recency, "customer_id")
        yield Cell(target, cutoff, now.features, rows.sort("customer_id"))


def models(log: Logs, targets: Sequence[Target], cutoffs: Sequence[date]) -> dict[tuple[str, date], dict[str, Any]]:
    """The model of every target and cutoff."""
    return {
        (target.slug, cutoff): _trained(log.settings, target, cutoff, history)
        for cutoff, target, history, _ in _histories(log, targets, cutoffs)
    }


def _histories(
    log: Logs, targets: Sequence[Target], cutoffs: Sequence[date]
) -> Iterator[tuple[date, Target, dict[date, History], History]]:
    """Per target and cutoff, what was known before and what is known now; one target in memory at a time."""
    calendar = log.settings.calendar
    needed = sorted({c for cutoff in cutoffs for c in (*calendar.history(cutoff), cutoff)})
    for target in targets:
        made = {c: log.at(c, (target,))[target.slug] for c in needed}
        for cutoff in cutoffs:
            yield cutoff, target, {c: made[c] for c in calendar.history(cutoff)}, made[cutoff]


def _trained(settings: Settings, target: Target, cutoff: date, history: Mapping[date, History]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "calendar": settings.calendar,
        "modeling": settings.modeling,
        "population": settings.population,
    }
    overlap = fold_customer_overlap(history, cutoff=cutoff, **common)
    trained = train(
        history,
        target=target,
        cutoff=cutoff,
        feature_list=_list_of(settings),
        overlap=overlap,
        validation=settings.validation,
        **common,
    )
    return trained.model


def _list_of(settings: Settings) -> dict[str, Any]:
    products = settings.products
    return feature_list(feature_specs(settings.features, products.divisions, products.skus))


def _scored(settings: Settings, cell: Cell, model: Mapping[str, Any]) -> pl.DataFrame:
    return score(
        model,
        cell.features,
        target=cell.target,
        cutoff=cell.cutoff,
        feature_list=_list_of(settings),
        window_months=settings.label_window_months(cell.target),
        population=settings.population,
    )


# --------------------------------------------------------------------------------------------------------------------
# Baselines


def plain_regression(
    star: Star, cutoff: date, history: Mapping[date, History], customers: pl.DataFrame
) -> pl.DataFrame:
    """What anybody would try first: logistic regression on SKU counts, recency, tenure and industry."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    skus = star.fact_transactions["product_sku"].unique().sort().to_list()
    industries = star.dim_customer["industry"].drop_nulls().unique().sort().to_list()
    learned = []
    for c, past in history.items():
        rows = _simple(star, c, past.features.select("customer_id"), skus, industries)
        learned.append(rows.join(past.labels.select("customer_id", "label"), "customer_id"))
    frame = pl.concat(learned)
    scaler = StandardScaler()
    x = scaler.fit_transform(frame.drop("customer_id", "label").to_numpy())
    regression = LogisticRegression(max_iter=1000).fit(x, frame["label"].to_numpy())
    now = _simple(star, cutoff, customers.select("customer_id"), skus, industries)
    values = regression.decision_function(scaler.transform(now.drop("customer_id").to_numpy()))
    return now.select("customer_id", pl.Series("counts", values))


def _simple(
    star: Star, cutoff: date, customers: pl.DataFrame, skus: Sequence[str], industries: Sequence[str]
) -> pl.DataFrame:
    lines = star.fact_transactions.lazy().filter(until(cutoff))
    days = lines.group_by("customer_id").agg(first=pl.col("order_date").min(), last=pl.col("order_date").max())
    each = lines.group_by("customer_id", sku=pl.format("sku {}", "product_sku")).len()
    counts = each.collect().pivot("sku", index="customer_id", values="len")
    unsold = [f"sku {sku}" for sku in skus if f"sku {sku}" not in counts.columns]
    known = (
        customers.join(days.collect(), "customer_id", how="left", maintain_order="left")
        .join(counts, "customer_id", how="left", maintain_order="left")
        .join(star.dim_customer.select("customer_id", "industry"), "customer_id", how="left", maintain_order="left")
        .with_columns(pl.lit(0).alias(column) for column in unsold)
    )
    since = {
        name: pl.Series([None if day is None else days_between(day, cutoff) for day in known[column]], dtype=pl.Float64)
        for name, column in (("recency", "last"), ("tenure", "first"))
    }
    return known.select(
        "customer_id",
        *(pl.col(f"sku {sku}").fill_null(0).cast(pl.Float64) for sku in skus),
        *(values.fill_null(10_000.0).alias(name) for name, values in since.items()),
        *((pl.col("industry") == i).fill_null(False).cast(pl.Float64).alias(f"industry {i}") for i in industries),
    )


def _baselines(rows: pl.DataFrame, label: str) -> dict[str, Any]:
    """Our ranking minus each baseline's, customers resampled with all their rows."""
    found = {}
    for name in ("counts", "recency"):
        both = rows.select("customer_id", "cell", label=pl.col(label).cast(pl.Float64), a="ours", b=name)
        found[name] = as_document(paired(both, k_percent=PERCENT, resamples=RESAMPLES, seed=SEED, within="cell"))
    return found


# --------------------------------------------------------------------------------------------------------------------
# Numbers


def _ranking(rows: pl.DataFrame, by: str, label: str) -> dict[str, float]:
    """Mean AUC and lift over the cells."""
    both = rows.select("customer_id", "cell", label=pl.col(label).cast(pl.Float64), a=by, b=by)
    found = paired(both, k_percent=PERCENT, resamples=1, seed=0, within="cell")
    return {name: round(difference.a, 4) for name, difference in found.items()}


def beside(part: pl.DataFrame) -> dict[str, Any]:
    """Ours and the baselines on one department: means over the cutoffs at which both outcomes occur."""
    cells = [c for c in part.partition_by("cell", maintain_order=True) if c["label"].n_unique() == 2]
    if not cells:
        return {"cells": 0}
    found: dict[str, Any] = {
        "cells": len(cells),
        "positives": part.filter(pl.col("label") == 1)["customer_id"].n_unique(),
        "brier": _mean([metrics.brier(c["label"], c["p"]) for c in cells]),
        "calibration_error": _mean([_error(c, "p") for c in cells]),
    }
    for by in ("ours", "counts", "recency"):
        orders = [metrics.model_order(c[by], c[by], c["customer_id"]) for c in cells]
        lifts = [metrics.lift_at_k(c["label"], o, PERCENT) for c, o in zip(cells, orders, strict=True)]
        found[by] = {
            "auc": _mean([metrics.auc(c["label"], c[by]) for c in cells]),
            "average_precision": _mean([metrics.average_precision(c["label"], c[by]) for c in cells]),
            "lift": _mean(lifts),
        }
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(sum(known) / len(known), 4) if known else None


def _above_chance(ours: float, theirs: float) -> float:
    return round((ours - 0.5) / (theirs - 0.5), 4)


def _calibration(rows: pl.DataFrame) -> dict[str, Any]:
    """Expected over observed buyers, pooled and by cell."""
    sums = rows.group_by("cell").agg(pl.col("p").sum(), pl.col("label").sum()).sort("cell")
    expected, observed = (sums[name].to_numpy().sum() for name in ("p", "label"))
    ratios = sums.select("cell", ratio=pl.col("p") / pl.col("label"))
    inside = ratios["ratio"].is_between(0.5, 2.0)
    return {
        "expected_over_observed": round(float(expected / observed), 4),
        "by_cell": {name: round(value, 3) for name, value in ratios.rows()},
        "share_of_cells_within_half_and_double": round(inside.sum() / len(inside), 4),
    }


def _excess_error(rows: pl.DataFrame) -> dict[str, float]:
    """Calibration error beyond that of the true probabilities, as a share of the base rate."""
    excess = [_error(part, "p") - _error(part, "p_true") for part in rows.partition_by("cell", maintain_order=True)]
    return {"excess_error_over_base_rate": round(float(np.mean(excess) / rows["label"].to_numpy().mean()), 4)}


def _error(part: pl.DataFrame, p: str) -> float:
    table = metrics.calibration_table(part.select("label", "customer_id", p=p, margin=p))
    error = metrics.calibration_error(table)
    assert error is not None
    return error
