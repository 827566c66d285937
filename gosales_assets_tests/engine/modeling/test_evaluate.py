from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from gosales_assets.engine.modeling import evaluate

FIRST, SECOND = date(2023, 3, 31), date(2023, 6, 30)


def rows(cutoff: date, y: list[int], p: list[float], *, fold: list[int] | None = None, ownership: str = "never"):
    n = len(y)
    return pl.DataFrame(
        {
            "customer_id": [f"c{i:02d}" for i in range(n)],
            "cutoff": [cutoff] * n,
            "ownership": [ownership] * n,
            "label": pl.Series(y, dtype=pl.Int8),
            "weight": [1.0] * n,
            "p": p,
            "margin": p,
            "fold": pl.Series(fold or [0] * n, dtype=pl.Int16),
        }
    )


def summarised(frame: pl.DataFrame, min_positives: int = 1) -> list[dict]:
    return evaluate.summaries(
        frame, top_k_percents=(50,), min_positives=min_positives, min_positives_interval=min_positives
    )


def test_cutoffs_are_averaged_not_pooled() -> None:
    # AUC 1, and AUC 1/2 (one pair won, one lost): the mean is 3/4. Pooled, three of six pairs are won: 1/2.
    frame = pl.concat([rows(FIRST, [1, 0], [0.2, 0.1]), rows(SECOND, [0, 1, 0], [0.9, 0.8, 0.7])])
    per_cutoff = summarised(frame)
    block = evaluate.average(per_cutoff, frame, "all", top_k_percents=(50,))
    assert [r["auc"] for r in per_cutoff if r["population"] == "all"] == [1.0, 0.5]
    assert block["auc"] == 0.75
    # lift@50: top 1 of 2 is the positive, 1/.5 = 2; top 1 of 3 is no positive, 0.
    assert block["lift@50"] == 1.0
    assert (block["n"], block["positives"], block["base_rate"], block["observed"]) == (5, 2, 0.4, 2.0)
    assert block["expected"] == pytest.approx(2.7)
    assert block["ratio"] == pytest.approx(1.35)
    assert block["ratio_lo"] is None
    assert block["status"] == "ok"


def test_positives_of_several_cutoffs_are_distinct_customers() -> None:
    frame = pl.concat([rows(FIRST, [1, 0], [0.2, 0.1]), rows(SECOND, [1, 0], [0.2, 0.1])])
    block = evaluate.average(summarised(frame), frame, "all", top_k_percents=(50,))
    assert (block["positives"], block["observed"]) == (1, 2.0)


def test_a_cutoff_with_too_few_positives_does_not_enter_the_mean() -> None:
    frame = pl.concat([rows(FIRST, [1, 1, 0, 0], [0.4, 0.3, 0.2, 0.1]), rows(SECOND, [0, 1], [0.9, 0.1])])
    block = evaluate.average(summarised(frame, 2), frame, "all", top_k_percents=(50,))
    assert block["auc"] == 1.0
    none = evaluate.average(summarised(frame, 3), frame, "all", top_k_percents=(50,))
    assert (none["status"], none["auc"], none["lift@50"], none["ratio"]) == ("insufficient_data", None, None, None)


def test_nothing_judged_is_a_block_of_nulls() -> None:
    frame = rows(FIRST, [1], [0.5]).clear()
    block = evaluate.average(summarised(frame), frame, "whitespace", top_k_percents=(50,))
    assert block.pop("status") == "insufficient_data"
    assert {k: v for k, v in block.items() if v is not None} == {"n": 0, "positives": 0, "n_distinct_scores": 0}


def test_ranks_across_group_folds_do_not_count() -> None:
    # Each fold ranks its own rows right; fold 1's scores are shifted up, so that across folds 2 of 6 pairs are lost.
    y, p = [1, 0, 1, 0, 0], [0.2, 0.1, 0.9, 0.8, 0.7]
    frame = rows(FIRST, y, p, fold=[0, 0, 1, 1, 1])
    together, apart = summarised(frame.with_columns(pl.lit(0).alias("fold")))[0], summarised(frame)[0]
    assert together["auc"] == pytest.approx(4 / 6)
    assert apart["auc"] == 1.0
    # Shares of the fold: 1.5/2, .5/2, 2.5/3, 1.5/3, .5/3: the two positives lead.
    assert (together["lift@50"], apart["lift@50"]) == (1.25, 2.5)
    assert apart["average_precision"] == 1.0
    assert apart["brier"] == together["brier"]


def test_folds_that_each_say_one_thing_are_degenerate() -> None:
    frame = rows(FIRST, [1, 0, 0, 1, 0], [0.3, 0.3, 0.2, 0.2, 0.2], fold=[0, 0, 1, 1, 1])
    block = summarised(frame)[0]
    assert (block["status"], block["auc"], block["lift@50"]) == ("degenerate", None, None)
    assert block["brier"] is not None
    gains = evaluate.gains(frame, min_positives=1).filter(pl.col("population") == "all")
    assert gains["lift"].null_count() == gains.height


def test_gains_add_deciles_ranked_inside_each_cutoff() -> None:
    # Ten rows each; the positive leads its cutoff. Pooled, the whole second cutoff would fill the first five deciles.
    one = [1] + [0] * 9
    low, high = [0.1 - 0.01 * i for i in range(10)], [0.9 - 0.01 * i for i in range(10)]
    frame = pl.concat([rows(FIRST, one, low), rows(SECOND, one, high)])
    gains = evaluate.gains(frame, min_positives=1).filter(pl.col("population") == "all")
    assert gains["decile"].to_list() == list(range(1, 11))
    assert gains["n"].to_list() == [2] * 10
    assert gains["positives"].to_list() == [2] + [0] * 9
    assert gains["lift"].to_list() == [10.0] + [0.0] * 9
    assert gains["cum_capture"].to_list() == [1.0] * 10
    assert gains["mean_predicted"][0] == pytest.approx(0.5)
    few = evaluate.gains(frame, min_positives=2)
    assert few["lift"].null_count() == few["cum_capture"].null_count() == few.height


def test_whitespace_leaves_owners_out() -> None:
    frame = pl.concat([rows(FIRST, [1, 0], [0.2, 0.1]), rows(SECOND, [1, 0], [0.1, 0.2], ownership="owner")])
    blocks = [r for r in summarised(frame) if r["population"] == "whitespace"]
    assert [(r["n"], r["auc"]) for r in blocks] == [(2, 1.0), (0, None)]
    assert evaluate.calibration(frame).filter(pl.col("population") == "whitespace")["count"].sum() == 2


def test_time_folds_count_before_group_folds() -> None:
    scores = pl.concat(
        [
            rows(FIRST, [1, 0], [0.2, 0.1]).with_columns(pl.lit("group").alias("fold_kind")),
            rows(SECOND, [1, 0], [0.2, 0.1]).with_columns(pl.lit("time").alias("fold_kind")),
        ]
    ).rename({"p": "p_oof", "weight": "weight_gp"})
    both = evaluate.evaluation_of(scores)
    assert (both.kind, both.cutoffs) == ("out_of_time", ["2023-06-30"])
    alone = evaluate.evaluation_of(scores.filter(pl.col("fold_kind") == "group"))
    assert (alone.kind, alone.cutoffs) == ("out_of_fold", ["2023-03-31"])


# --------------------------------------------------------------------------------------------------------------------
# How sure a ranking is


def drawn(n: int, cutoffs: list[date], strength: float, seed: int = 0, rate: float = 0.1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for c in cutoffs:
        y = (rng.random(n) < rate).astype(int)
        parts.append(rows(c, y.tolist(), (rng.normal(size=n) + strength * y).tolist()))
    return pl.concat(parts).with_columns(customer_id="c" + pl.int_range(pl.len()).mod(n).cast(pl.String))


def test_lift_by_hand() -> None:
    # Top 2 of 4 hold 1 of 1 positive: lift (1/2) / (1/4) = 2. Movements, lift * (yt/T - t/M - y/P + 1/N):
    # buyer in the top 2(1 - 1/2 - 1 + 1/4) = -1/2; other in the top 2(-1/2 + 1/4) = -1/2; the two below 2(1/4) = 1/2.
    found = evaluate.lift_with_error(rows(FIRST, [1, 0, 0, 0], [0.4, 0.3, 0.2, 0.1]), 50, min_positives=1)
    assert found.per_cutoff == [2.0]
    assert found.error == pytest.approx(1.0)  # sqrt(4 * 1/4)


def test_the_error_of_lift_is_that_of_a_bootstrap() -> None:
    frame = drawn(1500, [FIRST, SECOND], 1.0)
    found = evaluate.lift_with_error(frame, 10, min_positives=1)
    assert found.mean == pytest.approx(np.mean(found.per_cutoff))
    rng = np.random.default_rng(1)
    parts = frame.partition_by("cutoff", maintain_order=True)
    tops = [np.zeros(1500, dtype=bool) for _ in parts]
    for part, top in zip(parts, tops, strict=True):
        top[np.argsort(-part["p"].to_numpy(), kind="stable")[:150]] = True
    means = []
    for _ in range(600):
        w = rng.multinomial(1500, np.full(1500, 1 / 1500)).astype(float)
        lifts = [
            (w * t * p["label"].to_numpy()).sum() / (w * t).sum() / ((w * p["label"].to_numpy()).sum() / w.sum())
            for p, t in zip(parts, tops, strict=True)
        ]
        means.append(np.mean(lifts))
    assert found.error == pytest.approx(np.std(means), rel=0.12)


def test_a_customer_at_two_cutoffs_is_no_more_evidence_than_at_one() -> None:
    once = drawn(400, [FIRST], 1.0)
    twice = pl.concat([once, once.with_columns(cutoff=pl.lit(SECOND))])
    a, b = (evaluate.lift_with_error(f, 10, min_positives=1) for f in (once, twice))
    assert a.error == pytest.approx(b.error)


def test_weights_make_it_revenue_lift_and_cutoffs_with_too_few_positives_are_left_out() -> None:
    from gosales_assets.engine import metrics

    frame = drawn(300, [FIRST], 1.0).with_columns(weight=pl.int_range(pl.len()) % 7 - 1.0)
    order = metrics.model_order(frame["p"], frame["margin"], frame["customer_id"])
    expected = metrics.rev_lift_at_k(frame["label"], frame["weight"], order, 10)
    found = evaluate.lift_with_error(frame, 10, min_positives=1, weighted=True)
    assert found.per_cutoff == [pytest.approx(expected)]
    nothing = evaluate.lift_with_error(frame, 10, min_positives=301)
    assert (nothing.per_cutoff, nothing.mean, nothing.error) == ([], None, None)


def test_signal_is_mann_whitneys_z() -> None:
    # Two positives lead three others: AUC 1, z = .5 / sqrt(6 / (12 * 6)) = sqrt(3).
    found = evaluate.signal(rows(FIRST, [1, 1, 0, 0, 0], [0.9, 0.8, 0.3, 0.2, 0.1]), min_positives=1)
    assert (found.verdict, found.auc) == ("none", 1.0)
    assert found.z == pytest.approx(3**0.5)
    assert evaluate.signal(rows(FIRST, [1, 0], [0.9, 0.1]), min_positives=2) == evaluate.Signal("unknown", None, None)
    assert evaluate.signal(rows(FIRST, [1, 1], [0.9, 0.1]), min_positives=1).verdict == "unknown"


def test_signal_combines_folds_by_pairs_and_takes_cutoffs_for_one() -> None:
    y, p = [1, 0, 0, 1, 0], [0.9, 0.8, 0.7, 0.1, 0.2]
    folded = rows(FIRST, y, p, fold=[0, 0, 0, 1, 1])
    # Fold 0: AUC 1 over 2 pairs, fold 1: AUC 0 over 1: 2/3. Variance 2 * (2 * 4/12 + 1 * 3/12) / 9.
    found = evaluate.signal(folded, min_positives=1)
    assert found.auc == pytest.approx(2 / 3)
    assert found.z == pytest.approx((2 / 3 - 0.5) / (2 * (2 * 4 + 3) / 12 / 9) ** 0.5)
    again = pl.concat([folded, folded.with_columns(cutoff=pl.lit(SECOND))])
    assert evaluate.signal(again, min_positives=1).z == pytest.approx(found.z)


@pytest.mark.parametrize(("strength", "verdict"), [(0.0, "none"), (0.2, "weak"), (1.0, "clear")])
def test_verdicts(strength: float, verdict: str) -> None:
    assert evaluate.signal(drawn(6000, [FIRST], strength, seed=5), min_positives=10).verdict == verdict


def test_z_of_chance_is_standard_normal() -> None:
    z = [evaluate.signal(drawn(200, [FIRST], 0.0, seed=s, rate=0.2), min_positives=1).z for s in range(300)]
    assert abs(np.mean(z)) < 3.3 / 300**0.5
    assert np.std(z) == pytest.approx(1.0, abs=3.3 / 600**0.5)
