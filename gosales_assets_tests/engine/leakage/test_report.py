"""The consolidated leakage report: what closes the gate, what only flags, and that silence never passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine import metrics
from gosales_assets.engine.leakage import report as module
from gosales_assets.engine.leakage.report import (
    NOT_RUN,
    REQUIRED,
    decide,
    leakage_report,
)
from gosales_assets.engine.leakage.schema import LeakageReport
from gosales_assets.engine.leakage.static_scan import scan
from gosales_assets.engine.modeling.folds import assign_folds, fold_customer_overlap
from gosales_assets.engine.modeling.rows import History
from gosales_assets.settings import ModelingSettings, PopulationSettings
from gosales_assets.taxonomy import Target
from gosales_assets.timeline import Calendar

CUTOFF = date(2023, 12, 31)
OLDER, NEWER = date(2022, 12, 31), date(2023, 6, 30)
CALENDAR = Calendar(date(2022, 6, 30), date(2024, 6, 30), cadence_months=6, label_window_months=6)
TARGET = Target("cad", "CAD", "division", frozenset(), division="CAD")
MODELING, POPULATION = ModelingSettings(folds=2), PopulationSettings()
N = 80


def history_at(cutoff: date, window_end: date, *, seed: int) -> History:
    """80 customers, every second a buyer, one weak feature, one constant, one that is always null."""
    rng = np.random.default_rng(seed)
    ids = [f"c{i:02d}" for i in range(N)]
    label = [i % 2 for i in range(N)]
    features = pl.DataFrame(
        {
            "customer_id": ids,
            "segment": ["warm"] * N,
            "ownership": ["never"] * N,
            "context__gp_recent": [10.0] * N,
            "rfm__all__tx_n__12m": [y + 3 * float(e) for y, e in zip(label, rng.normal(size=N), strict=True)],
            "rfm__all__constant__12m": [1.0] * N,
            "rfm__all__unknown__12m": pl.Series([None] * N, dtype=pl.Float64),
        }
    )
    labels = pl.DataFrame({"customer_id": ids, "label": pl.Series(label, dtype=pl.Int8)}).with_columns(
        window_start=pl.lit(cutoff).dt.offset_by("1d"),
        window_end=pl.lit(window_end),
        censored_flag=pl.lit(0, pl.Int8),
        requested_window_months=pl.lit(6, pl.Int16),
        effective_window_months=pl.lit(6, pl.Int16),
        net_gp_window=pl.lit(0.0),
    )
    return History(features, labels)


FEATURES = ["rfm__all__tx_n__12m", "rfm__all__constant__12m", "rfm__all__unknown__12m", "own__is_owner"]


AUDITED = [*FEATURES[:3], "ownership"]


def audit(names: list[str] = AUDITED, cutoff: date = CUTOFF, **status: str | None) -> pl.DataFrame:
    """A date audit in order, but for the features given by name."""
    return pl.DataFrame(
        {"feature": names, "cutoff": [cutoff] * len(names), "status": [status.get(n, "OK") for n in names]}
    )


def evidence(**changes: Any) -> dict[str, Any]:
    """Clean evidence about one model; ``changes`` replace parts of it."""
    history = {OLDER: history_at(OLDER, NEWER, seed=1), NEWER: history_at(NEWER, CUTOFF, seed=2)}
    overlap = fold_customer_overlap(history, CALENDAR, MODELING, POPULATION, cutoff=CUTOFF)
    base: dict[str, Any] = {
        "target": TARGET,
        "cutoff": CUTOFF,
        "date_audit": audit(),
        "static_scan": scan({"gosales_assets/engine/a.py": "x = 1"}),
        "overlap": overlap,
        "train_scores": train_scores(history),
        "model": {
            "status": "ok",
            "division": "cad",
            "cutoff": CUTOFF.isoformat(),
            "features": FEATURES,
            "training": {"cutoffs": [OLDER.isoformat(), NEWER.isoformat()]},
        },
        "history": history,
        "calendar": CALENDAR,
        "population": POPULATION,
    }
    return {**base, **changes}


def train_scores(history: dict[date, History]) -> pl.DataFrame:
    """Scores as the trainer records them: group folds at all cutoffs, one time fold that validates on the newest."""
    rows = pl.concat(
        [
            h.features.select("customer_id", "ownership").with_columns(label=h.labels["label"], cutoff=pl.lit(c))
            for c, h in history.items()
        ]
    )
    group = assign_folds(rows, n_folds=2, seed=MODELING.seed).with_columns(fold_kind=pl.lit("group"))
    time = rows.filter(pl.col("cutoff") == NEWER).with_columns(fold=pl.lit(0, pl.Int16), fold_kind=pl.lit("time"))
    weak = (pl.col("customer_id").str.slice(1).cast(pl.Float64) * 7) % 13
    return pl.concat([group, time.select(group.columns)]).with_columns(margin=weak)


def verdict(**changes: Any) -> dict[str, Any]:
    document = leakage_report(**evidence(**changes))
    LeakageReport.model_validate(document)
    return document


def test_clean_evidence_passes_every_required_check() -> None:
    document = verdict()
    assert {n: document["checks"][n]["status"] for n in REQUIRED} == dict.fromkeys(REQUIRED, "PASS"), document
    assert (document["overall"], document["required"], document["flags"]) == ("PASS", list(REQUIRED), [])
    assert document["not_run"] == dict(NOT_RUN)
    assert {"permutation_null", "shift14", "reproducibility", "future_poison"} <= set(document["not_run"])


# ---- the rule


@pytest.mark.parametrize(
    "statuses, required, overall",
    [
        # a required check that broke closes
        ({"static": "PASS", "audit": "PASS", "null": "PASS", "shift14": "ERROR"}, "static audit null shift14", "FAIL"),
        # one that only informs does not
        ({"static": "PASS", "audit": "PASS", "ablation": "WARN"}, "static audit", "PASS"),
        ({"static": "PASS"}, "static audit", "FAIL"),
        ({"static": "PASS", "audit": "UNKNOWN"}, "static audit", "FAIL"),
        ({"static": "PASS", "audit": "INSUFFICIENT_DATA"}, "static audit", "FAIL"),
        ({"static": "PASS"}, "", "FAIL"),
    ],
)  # fmt: skip
def test_only_a_full_set_of_passes_passes(statuses: dict[str, str], required: str, overall: str) -> None:
    assert decide(statuses, required.split()) == overall


def test_a_crashing_check_is_an_error_with_its_text_and_closes() -> None:
    document = verdict(date_audit=pl.DataFrame({"feature": ["x"]}))
    check = document["checks"]["feature_date_audit"]
    assert (check["status"], document["overall"]) == ("ERROR", "FAIL")
    assert "cutoff" in check["reason"]
    assert document["checks"]["static_scan"]["status"] == "PASS", "the other checks still ran"


# ---- each required check closes on what it stands for


def closes(document: dict[str, Any], name: str, text: str) -> None:
    check = document["checks"][name]
    assert (check["status"], document["overall"]) == ("FAIL", "FAIL"), check
    assert text in check["reason"]


def test_a_finding_of_the_scan_closes() -> None:
    closes(verdict(static_scan=scan({"a.py": "import time\ntime.time()"})), "static_scan", "time.time")


def test_a_scan_of_nothing_closes() -> None:
    closes(verdict(static_scan=scan({})), "static_scan", "no file was scanned")


@pytest.mark.parametrize("status", ["LEAK", "UNKNOWN", None])
def test_a_feature_not_shown_to_be_in_order_closes(status: str | None) -> None:
    closes(verdict(date_audit=audit(**{FEATURES[1]: status})), "feature_date_audit", FEATURES[1])


@pytest.mark.parametrize("name", [FEATURES[2], "ownership"])
def test_a_feature_nobody_audited_closes(name: str) -> None:
    rest = [n for n in AUDITED if n != name]
    closes(verdict(date_audit=audit(rest)), "feature_date_audit", f"{name}, which the model reads, was not audited")


def test_an_audit_of_another_cutoff_closes() -> None:
    closes(verdict(date_audit=audit(cutoff=NEWER)), "feature_date_audit", "of another cutoff")


def test_an_empty_audit_closes() -> None:
    closes(verdict(date_audit=audit().clear()), "feature_date_audit", "no feature")


def test_a_customer_in_two_group_folds_closes_even_if_the_audit_before_training_passed() -> None:
    scores = evidence()["train_scores"]
    moved = (pl.col("customer_id") == "c07") & (pl.col("fold_kind") == "group") & (pl.col("cutoff") == NEWER)
    scores = scores.with_columns(fold=pl.when(moved).then(1 - pl.col("fold")).otherwise("fold").cast(pl.Int16))
    document = verdict(train_scores=scores)
    closes(document, "fold_overlap", "1 customer(s) have rows in more than one group fold")
    assert document["checks"]["fold_overlap"]["value"] == 1


def test_one_failing_fold_of_the_audit_closes() -> None:
    # three folds, customer 7 on both sides of the second: one FAIL row
    overlap = evidence()["overlap"]
    failing = (pl.col("fold_kind") == "group") & (pl.col("fold") == 1)
    overlap = overlap.with_columns(status=pl.when(failing).then(pl.lit("FAIL")).otherwise("status"))
    closes(verdict(overlap=overlap), "fold_overlap", "failed in 1 of 3 folds")


def test_customers_repeating_over_time_folds_are_no_leak() -> None:
    oldest = date(2022, 6, 30)
    parts = evidence()
    history = {oldest: history_at(oldest, OLDER, seed=3), **parts["history"]}
    scores = train_scores(history)
    time = scores.filter(pl.col("fold_kind") == "time")
    older = time.with_columns(cutoff=pl.lit(OLDER), fold=pl.lit(0, pl.Int16))
    newer = time.with_columns(fold=pl.lit(1, pl.Int16))
    document = verdict(
        history=history,
        overlap=fold_customer_overlap(history, CALENDAR, MODELING, POPULATION, cutoff=CUTOFF),
        train_scores=pl.concat([scores.filter(pl.col("fold_kind") == "group"), older, newer]),
        model={**parts["model"], "training": {"cutoffs": [c.isoformat() for c in history]}},
    )
    assert document["checks"]["time_fold_customers"]["value"] == N
    assert document["overall"] == "PASS", document


def test_a_trained_model_without_recorded_folds_closes() -> None:
    document = verdict(train_scores=evidence()["train_scores"].clear())
    closes(document, "fold_overlap", "without recorded grouped folds")


def with_windows(change: Callable[[pl.DataFrame], pl.DataFrame], at: date) -> dict[date, History]:
    history = evidence()["history"]
    return {**history, at: history[at]._replace(labels=change(history[at].labels))}


def test_a_label_window_open_at_the_cutoff_closes() -> None:
    history = with_windows(lambda f: f.with_columns(window_end=pl.lit(date(2024, 1, 31))), NEWER)
    closes(verdict(history=history), "label_calendar", "labels of 2023-06-30 run to 2024-01-31")


def test_the_embargo_counts() -> None:
    calendar = Calendar(date(2022, 6, 30), date(2024, 6, 30), 6, 6, embargo_days=1)
    closes(verdict(calendar=calendar), "label_calendar", "1 days of embargo")


def test_a_label_window_that_starts_before_its_cutoff_closes() -> None:
    history = with_windows(lambda f: f.with_columns(window_start=pl.lit(date(2022, 12, 31))), OLDER)
    closes(verdict(history=history), "label_calendar", "starts on 2022-12-31")


def test_scores_of_a_cutoff_the_model_does_not_name_close() -> None:
    model = {**evidence()["model"], "training": {"cutoffs": [OLDER.isoformat()]}}
    closes(verdict(model=model), "label_calendar", "rows of 2023-06-30 were scored in training")


def test_two_sides_of_a_time_fold_that_share_days_close() -> None:
    # the audit made before training is read as well as the windows themselves
    overlap = evidence()["overlap"].with_columns(
        label_calendar_overlap=pl.when(pl.col("fold_kind") == "time").then(1).cast(pl.Int8)
    )
    closes(verdict(overlap=overlap), "label_calendar", "shared label days")


def test_a_model_of_another_cutoff_closes() -> None:
    model = {**evidence()["model"], "cutoff": NEWER.isoformat()}
    closes(verdict(model=model), "label_calendar", "another division or cutoff")


@pytest.mark.parametrize(
    "name, text",
    [
        ("label", "outcome"),
        ("net_gp_window", "outcome"),
        ("context__gp_recent", "context"),
        ("rfm__all__future_gp__6m", "words of an outcome"),
        ("nowhere__all__x__12m", "lack nowhere__all__x__12m"),
        ("segment", "key"),
    ],
)
def test_a_feature_of_unknown_or_forbidden_origin_closes(name: str, text: str) -> None:
    model = {**evidence()["model"], "features": [*FEATURES, name]}
    closes(verdict(model=model), "feature_provenance", text)


def planted(values: Callable[[pl.DataFrame], pl.Expr]) -> dict[date, History]:
    """The history with ``rfm__all__tx_n__12m`` replaced by something made of the label."""
    out = {}
    for c, h in evidence()["history"].items():
        frame = h.features.with_columns(label=h.labels["label"])
        out[c] = h._replace(features=frame.with_columns(rfm__all__tx_n__12m=values(frame)).drop("label"))
    return out


@pytest.mark.parametrize(
    "leak",
    [
        lambda f: pl.col("label").cast(pl.Float64),
        lambda f: -pl.col("label").cast(pl.Float64),
        # the fact that something is unknown gives the answer away
        lambda f: pl.when(pl.col("label") == 1).then(5.0),
        lambda f: pl.when(pl.col("label") == 0).then(5.0),
    ],
    ids=["the label", "the label reversed", "known for buyers only", "known for the rest only"],
)
def test_a_feature_that_knows_the_answer_closes(leak: Callable[[pl.DataFrame], pl.Expr]) -> None:
    document = verdict(history=planted(leak))
    closes(document, "single_feature_leak", "rfm__all__tx_n__12m")
    assert document["checks"]["single_feature_leak"]["value"] == 1.0


def test_too_few_buyers_flag_and_do_not_close_unless_told_to() -> None:
    history = {
        c: h._replace(labels=h.labels.with_columns(label=(pl.col("customer_id") < "c20").cast(pl.Int8)))
        for c, h in evidence()["history"].items()
    }
    document = verdict(history=history)  # 20 distinct buyers, 30 are needed
    assert document["checks"]["single_feature_leak"]["status"] == "INSUFFICIENT_DATA"
    assert (document["overall"], document["flags"]) == ("PASS", ["single_feature_leak"])
    assert "single_feature_leak" not in document["required"]
    assert verdict(history=history, hold_insufficient_data=True)["overall"] == "FAIL"


def test_owners_and_unmodelled_segments_do_not_count() -> None:
    history = {
        c: h._replace(features=h.features.with_columns(ownership=pl.lit("owner")))
        for c, h in evidence()["history"].items()
    }
    assert verdict(history=history)["checks"]["single_feature_leak"]["status"] == "INSUFFICIENT_DATA"


def test_a_prevalence_baseline_can_pass() -> None:
    model = {**evidence()["model"], "status": "insufficient_data", "features": [], "training": {"cutoffs": []}}
    document = verdict(model=model, train_scores=evidence()["train_scores"].clear())
    assert document["overall"] == "PASS"
    assert "single_feature_leak" in document["flags"]


def test_a_trained_model_that_names_no_history_closes() -> None:
    model = {**evidence()["model"], "training": {"cutoffs": []}}
    closes(verdict(model=model), "label_calendar", "names no cutoff")


def test_shuffled_inputs_give_the_same_document() -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=5)

    parts = evidence()
    history = {c: History(shuffled(h.features), shuffled(h.labels)) for c, h in reversed(parts["history"].items())}
    again = verdict(
        history=history,
        date_audit=shuffled(parts["date_audit"]),
        overlap=shuffled(parts["overlap"]),
        train_scores=shuffled(parts["train_scores"]),
    )
    assert again == verdict()


# ---- single features


def test_single_feature_auc_is_the_metric_of_the_package() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "label": rng.integers(0, 2, 200),
            "a": rng.normal(size=200),
            "ties": rng.integers(0, 4, 200),
            "flag": rng.integers(0, 2, 200).astype(bool),
            "constant": np.ones(200),
        }
    )
    names = ["a", "ties", "flag", "constant"]
    expected = [metrics.auc(frame["label"], frame[n].cast(pl.Float64)) for n in names]
    assert metrics.single_feature_auc(frame, names) == pytest.approx([max(v, 1 - v) for v in expected if v is not None])
    assert metrics.single_feature_auc(frame, ["constant"]).tolist() == [0.5]


def test_single_feature_auc_with_nulls_takes_the_stronger_side() -> None:
    # buyers 3, null; others 1, 2. Null above all: both buyers beat both others, AUC 1. Below: 2 of 4 pairs, 0.5.
    frame = pl.DataFrame({"label": [1, 1, 0, 0], "x": [3.0, None, 1.0, 2.0]})
    assert metrics.single_feature_auc(frame, ["x"]).tolist() == [1.0]
    all_null = pl.DataFrame({"label": [1, 0], "x": pl.Series([None, None], dtype=pl.Float64)})
    assert metrics.single_feature_auc(all_null, ["x"]).tolist() == [0.5]


def test_the_gap_between_grouped_and_time_folds_warns_without_closing() -> None:
    scores = evidence()["train_scores"].with_columns(
        margin=pl.when(pl.col("fold_kind") == "group").then(pl.col("label").cast(pl.Float64)).otherwise("margin")
    )
    document = verdict(train_scores=scores)
    assert document["checks"]["fold_gap"]["status"] == "WARN"
    assert document["checks"]["fold_gap"]["value"] > module.FOLD_GAP
    assert (document["overall"], document["flags"]) == ("PASS", ["fold_gap"])
