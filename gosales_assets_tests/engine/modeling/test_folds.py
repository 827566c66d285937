from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosales_assets.engine.modeling.folds import (
    OVERLAP_SCHEMA,
    assign_folds,
    audit_train_folds,
    fold_customer_overlap,
    time_folds,
)
from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.schema import FoldCustomerOverlap
from gosales_assets.timeline import Calendar, label_window
from gosales_assets_tests.engine.modeling import world


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text("abc019", min_size=1, max_size=5), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(2, 6),
    st.integers(0, 1000),
)
def test_all_rows_of_a_customer_share_a_fold_whatever_rows_there_are(
    rows: list[tuple[str, int]], n_folds: int, seed: int
) -> None:
    frame = pl.DataFrame(rows, schema=["customer_id", "cutoff"], orient="row")
    folded = assign_folds(frame, n_folds=n_folds, seed=seed)
    assert folded.select("customer_id", "cutoff").equals(frame)
    assert folded["fold"].is_between(0, n_folds - 1).all()
    per_customer = dict(folded.select("customer_id", "fold").rows())
    assert folded["fold"].to_list() == [per_customer[c] for c in folded["customer_id"]]
    alone = assign_folds(frame.head(1), n_folds=n_folds, seed=seed)
    assert alone["fold"][0] == folded["fold"][0]


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        assign_folds(pl.DataFrame({"customer_id": ["a"]}), n_folds=1, seed=0)


def test_time_folds_leave_out_windows_that_a_longer_target_keeps_open() -> None:
    cutoffs = world.CALENDAR.history(world.CUTOFF)
    half_year = {c: label_window(c, 6).until for c in cutoffs}
    nine_months = {c: label_window(c, 9).until for c in cutoffs}
    assert time_folds(world.CALENDAR, half_year, 0) == [
        ([date(2022, 12, 31)], date(2023, 6, 30)),
        ([date(2022, 12, 31), date(2023, 3, 31)], date(2023, 9, 30)),
    ]
    # 2022-12-31 + 9 months is 2023-09-30: closed for the second fold only.
    assert time_folds(world.CALENDAR, nine_months, 0) == [([date(2022, 12, 31)], date(2023, 9, 30))]
    assert time_folds(world.CALENDAR, half_year, 30) == [([date(2022, 12, 31)], date(2023, 9, 30))]


def test_audit_of_an_honest_history(past: dict) -> None:
    audit = world.overlap_of(past)
    FoldCustomerOverlap.validate(audit, lazy=True)
    group, time = (audit.filter(pl.col("fold_kind") == k) for k in ("group", "time"))
    assert group["status"].to_list() == ["PASS"] * 5
    assert group["n_overlap"].to_list() == [0] * 5
    assert group["n_valid"].sum() == 4 * 392
    assert time.select("cutoff", "n_train", "n_valid", "n_overlap", "label_calendar_overlap", "purge_days").rows() == [
        (date(2023, 6, 30), 392, 392, 392, 0, 0),
        (date(2023, 9, 30), 784, 392, 392, 0, 0),
    ]
    assert set(time["status"]) == {"INFO"}


def test_audit_without_history_still_lists_the_folds() -> None:
    audit = world.overlap_of({})
    FoldCustomerOverlap.validate(audit, lazy=True)
    assert audit["status"].to_list() == ["INFO"] * 5


def test_label_windows_of_every_time_fold_are_disjoint(past: dict, trained: Training) -> None:
    folds = [f for f in trained.metrics["time_folds"] if f["status"] == "ok"]
    assert len(folds) == 2
    for fold in folds:
        validated = world.CALENDAR.window(date.fromisoformat(fold["cutoff"]))
        for c in fold["train_cutoffs"]:
            assert not world.CALENDAR.window(date.fromisoformat(c)).overlaps(validated)


def test_a_calendar_that_lets_labels_overlap_fails_the_audit(past: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    every_earlier = [(sorted(past)[:3], sorted(past)[3])]
    monkeypatch.setattr("gosales_assets.engine.modeling.folds.time_folds", lambda *a: every_earlier)
    audit = world.overlap_of(past).filter(pl.col("fold_kind") == "time")
    # 2023-06-30 + 6 months runs to 2023-12-31, into the window of 2023-09-30.
    assert audit.select("status", "label_calendar_overlap", "purge_days").rows() == [("FAIL", 1, -92)]
    assert "2023-06-30" in audit["reason"][0]


def test_a_purge_shorter_than_the_embargo_fails_the_audit(past: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Calendar(date(2022, 3, 31), date(2024, 12, 31), 3, 6, embargo_days=10)
    too_close = [([sorted(past)[0]], sorted(past)[2])]
    monkeypatch.setattr("gosales_assets.engine.modeling.folds.time_folds", lambda *a: too_close)
    audit = fold_customer_overlap(past, calendar, world.MODELING, world.POPULATION)
    row = audit.filter(pl.col("fold_kind") == "time").row(0, named=True)
    assert (row["status"], row["purge_days"], row["embargo_days"]) == ("FAIL", 0, 10)


def test_training_used_the_folds_that_were_audited(past: dict, trained: Training) -> None:
    findings = audit_train_folds(trained.train_scores, world.overlap_of(past))
    assert [(f["status"], f["value"], f["reason"]) for f in findings] == [("PASS", 0, "")] * 4
    # A file read back from CSV has lost its types.
    as_text = world.overlap_of(past).with_columns(pl.col("cutoff").cast(pl.String), pl.col("fold").cast(pl.Int64))
    assert audit_train_folds(trained.train_scores, as_text) == findings


@pytest.mark.parametrize(
    ("plant", "broken"),
    [
        # One row of one customer moved to the next fold.
        (
            lambda s: s.with_columns(
                pl.when(pl.int_range(pl.len()) == 0).then((pl.col("fold") + 1) % 5).otherwise("fold").alias("fold")
            ),
            {"group_customer_overlap", "folds_as_audited"},
        ),
        (lambda s: pl.concat([s, s.head(3)]), {"unique_rows", "folds_as_audited"}),
        # Both validation cutoffs in one time fold.
        (
            lambda s: s.with_columns(
                pl.when(pl.col("fold_kind") == "time").then(pl.lit(0, pl.Int16)).otherwise("fold").alias("fold")
            ),
            {"time_fold_is_one_cutoff", "folds_as_audited"},
        ),
        (lambda s: s.filter(pl.col("customer_id") != "c0001"), {"folds_as_audited"}),
    ],
)
def test_audit_of_used_folds_finds_what_is_planted(past: dict, trained: Training, plant, broken: set[str]) -> None:
    planted = plant(trained.train_scores)
    findings = audit_train_folds(planted, world.overlap_of(past))
    assert {f["name"] for f in findings if f["status"] == "FAIL"} == broken
    assert all(f["value"] > 0 and f["reason"] for f in findings if f["status"] == "FAIL")


def test_training_refuses_a_failed_audit(past: dict) -> None:
    failed = pl.DataFrame(
        [("group", None, 0, 1, 1, 1, None, None, 0, "FAIL", "1 customer(s) on both sides")],
        schema=OVERLAP_SCHEMA,
        orient="row",
    )
    with pytest.raises(ValueError, match="group fold 0 failed"):
        world.train_on(past, overlap=failed)


@pytest.mark.parametrize(("trained", "allowed"), [(date(2024, 6, 30), False), (date(2023, 12, 31), True)])
def test_training_cutoffs_close_with_their_embargo_by_the_one_validated(trained: date, allowed: bool) -> None:
    # Window 6 months, embargo 30 days, validated on 2024-12-31. 2024-06-30 closes on that very day (month ends snap to
    # month ends), 30 days too late; 2023-12-31 closes on 2024-06-30.
    calendar = Calendar(date(2022, 6, 30), date(2024, 12, 31), 6, 6, embargo_days=30)
    ends = {c: label_window(c, 6).until for c in (date(2023, 12, 31), date(2024, 6, 30), date(2024, 12, 31))}
    assert ends[date(2024, 6, 30)] == date(2024, 12, 31)
    learned = {v: train for train, v in time_folds(calendar, ends, 30)}
    assert (trained in learned[date(2024, 12, 31)]) is allowed
