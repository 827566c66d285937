"""Statistics of a ranking and of a probability: the one implementation, for training, validation and audits.

Belongs here: formulas over labels, scores and weights, and the tables made of them. Does not belong here: which rows
are judged, which model made the scores, thresholds that decide anything.

Three rules run through everything. The order of rows is `model_order`: probability, then uncalibrated margin (isotonic
maps make ties), then customer; nothing informative may break a tie. The size of a top share is an integer, `top_m`.
What cannot be known is None, never NaN and never zero. Sums are exact (`math.fsum`) or run in a canonical order, so a
shuffled frame gives the same bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

POPULATIONS = ("all", "whitespace")

DECILES = 10
#: A baseline with at most this many distinct values is compared value by value.
MAX_DISCRETE = 10
#: Two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054
#: Decimals of a value in a document.
DECIMALS = 10

Floats = NDArray[np.float64]
Order = NDArray[np.int64]

# --------------------------------------------------------------------------------------------------------------------
# Order and size


def model_order(p: ArrayLike | pl.Series, margin: ArrayLike | pl.Series, customer_id: Iterable[Any]) -> Order:
    """Positions of the rows from best to worst: p descending, margin descending, customer_id ascending.

    Parameters
    ----------
    p
        Calibrated probabilities, shape (n,); missing ones rank last (as 0).
    margin
        Uncalibrated scores, shape (n,): they order what calibration has tied. Missing ones rank last among equals.
    customer_id
        Compared as UTF-8 text, so that ``"10"`` stands before ``"9"`` on every platform.

    Returns
    -------
    ndarray of int64, shape (n,)
        A permutation of ``0..n-1``. Rows that agree in all three keep their order.
    """
    keys = pl.DataFrame(
        {
            "p": _scores(p),
            "margin": np.nan_to_num(_floats(margin), nan=-np.inf) + 0.0,
            "customer_id": _text(customer_id),
        }
    )
    ranked = keys.with_row_index("row").sort(
        "p", "margin", "customer_id", descending=[True, True, False], maintain_order=True
    )
    return ranked["row"].cast(pl.Int64).to_numpy()


def top_m(n: int, k_percent: int) -> int:
    """Rows in the top ``k_percent`` of ``n``: ``max(1, n*K // 100)`` in integers.

    Raises
    ------
    ValueError
        When ``k_percent`` lies outside [0, 100].

    Examples
    --------
    >>> top_m(100, 29), top_m(300, 41), top_m(3, 10)
    (29, 123, 1)
    """
    k = operator.index(k_percent)
    if not 0 <= k <= 100:
        raise ValueError(f"k_percent is {k_percent}; give whole percent from 0 to 100")
    return max(1, n * k // 100)


# --------------------------------------------------------------------------------------------------------------------
# Values


def auc(y: ArrayLike, p: ArrayLike) -> float | None:
    """Probability that a positive scores above a negative, ties counted half (Mann-Whitney); None for one class.

    Rows of several cutoffs must not be pooled: different base rates bias the number. Compute per cutoff, then average.
    """
    y, p = _labels(y), _scores(p)
    positives = int(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return None
    _, value, counts = np.unique(p, return_inverse=True, return_counts=True)
    midrank = np.cumsum(counts) - (counts - 1) / 2.0
    # Midranks are multiples of one half: the sum is exact in any order.
    wins = midrank[value][y == 1].sum() - positives * (positives + 1) / 2.0
    return float(wins / (positives * negatives))


def average_precision(y: ArrayLike, p: ArrayLike) -> float | None:
    """Step-wise area under precision and recall, sum of (R_i - R_{i-1}) P_i over thresholds; None without positives."""
    curve = _precision_recall(y, p)
    if curve is None:
        return None
    precision, recall = curve
    return math.fsum(np.diff(recall, prepend=0.0) * precision)


def pr_auc(y: ArrayLike, p: ArrayLike) -> float | None:
    """Area under precision and recall by the trapezoid rule, from recall 0 at precision 1; None without positives.

    Optimistic between distant points, where `average_precision` is not: kept because older reports carry it.
    """
    curve = _precision_recall(y, p)
    if curve is None:
        return None
    precision, recall = np.append(1.0, curve[0]), np.append(0.0, curve[1])
    return math.fsum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2.0)


def brier(y: ArrayLike, p: ArrayLike) -> float | None:
    """Mean squared distance of probability and outcome; None for no rows."""
    y, p = _labels(y), _scores(p)
    return math.fsum((p - y) ** 2) / len(y) if len(y) else None


def lift_at_k(y: ArrayLike, order: Order, k_percent: int) -> float | None:
    """Rate of positives in the top ``k_percent`` over the rate of all; None without positives.

    Parameters
    ----------
    y
        Labels 0/1, shape (n,).
    order
        What `model_order` gave for these rows.
    k_percent
        Whole percent.
    """
    y = _labels(y)
    m = top_m(len(y), k_percent)
    total = int(y.sum())
    return float(int(y[order[:m]].sum()) * len(y) / (m * total)) if total else None


def rev_lift_at_k(y: ArrayLike, w: ArrayLike, order: Order, k_percent: int) -> float | None:
    """Lift with rows weighted by money: (share of the top's weight that buys) / (share of all weight that buys).

    Negative, missing and infinite weights count as 0: a customer whose returns exceed purchases is worth nothing here,
    not a negative number of customers. None when there is no weight at all, in the top, or on any positive.
    """
    y = _labels(y)
    w = _weights(w)
    top = order[: top_m(len(y), k_percent)]
    total, total_top, bought = math.fsum(w), math.fsum(w[top]), math.fsum(w * y)
    if not total or not total_top or not bought:
        return None
    return (math.fsum((w * y)[top]) / total_top) / (bought / total)


def capture_at_k(y: ArrayLike, order: Order, k_percent: int) -> float | None:
    """Share of all positives found in the top ``k_percent``; None without positives."""
    y = _labels(y)
    total = int(y.sum())
    return float(int(y[order[: top_m(len(y), k_percent)]].sum()) / total) if total else None


def threshold(p: ArrayLike, k_percent: int) -> float | None:
    """The ``top_m``-th largest probability: selecting ``p >= threshold`` takes at least the top share."""
    p = _scores(p)
    if not len(p):
        return None
    m = top_m(len(p), k_percent)
    return float(np.partition(p, len(p) - m)[len(p) - m])


def single_feature_auc(frame: pl.DataFrame, features: Sequence[str]) -> Floats:
    """How well each feature alone orders positives and negatives, whichever way round.

    Parameters
    ----------
    frame
        ``label`` (0/1, both present) and the numeric or Boolean columns of ``features``. Null is a value of its own:
        trees send it to either side, so it is tried below and above all others and the stronger reading counts.
    features
        Columns to judge.

    Returns
    -------
    ndarray of float64, shape (len(features),)
        ``max(AUC, 1 - AUC)``, in [0.5, 1]; 0.5 for a constant.
    """
    positive = (frame["label"] == 1).to_numpy()
    ranks, n, p = np.zeros((3, len(features)))
    for i, name in enumerate(features):
        values = frame[name].cast(pl.Float64).to_numpy()  # null as NaN
        known = ~np.isnan(values)
        ordered, mine = np.sort(values[known]), values[known & positive]
        smaller, not_greater = np.searchsorted(ordered, mine), np.searchsorted(ordered, mine, side="right")
        # Average ranks, ties shared, are multiples of one half: their sum is exact in any order.
        ranks[i] = int((smaller + not_greater + 1).sum()) / 2
        n[i], p[i] = len(ordered), len(mine)
    positives = float(positive.sum())
    negatives = frame.height - positives
    wins = ranks - p * (p + 1) / 2
    null_positive, null_negative, known_negative = positives - p, negatives - (n - p), n - p
    among_nulls = null_positive * null_negative / 2
    below = (wins + p * null_negative + among_nulls) / (positives * negatives)
    above = (wins + null_positive * known_negative + among_nulls) / (positives * negatives)
    return np.max([below, 1 - below, above, 1 - above], axis=0)


def expected_to_observed(y: ArrayLike, p: ArrayLike) -> dict[str, float | None]:
    """Expected over observed positives, with a closed-form 95 % interval.

    The interval is Wilson's for the observed rate, carried over to the ratio with the expectation held fixed: below 1
    the model promises too little, above 1 too much. Wilson assumes one rate for all rows, which overstates the variance
    of rows with different rates, so the interval errs on the wide side. It needs independent rows: one per customer,
    hence one cutoff.

    Returns
    -------
    dict
        ``expected``, ``observed``, ``ratio``, ``ratio_lo``, ``ratio_hi``. Without rows all are None; without positives
        ``ratio`` and ``ratio_hi`` are.
    """
    y, p = _labels(y), _scores(p)
    if not len(y):
        return dict.fromkeys(("expected", "observed", "ratio", "ratio_lo", "ratio_hi"))
    return ratio_with_interval(math.fsum(p), int(y.sum()), len(y))


def ratio_with_interval(expected: float, observed: int, n: int) -> dict[str, float | None]:
    """`expected_to_observed` from the three sums it rests on: expected positives, observed positives, rows."""
    rate, z2 = observed / n, Z95 * Z95
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return {
        "expected": float(expected),
        "observed": float(observed),
        "ratio": expected / observed if observed else None,
        "ratio_lo": expected / (n * min(1.0, centre + half)),
        "ratio_hi": expected / (n * (centre - half)) if observed else None,
    }


# --------------------------------------------------------------------------------------------------------------------
# Tables. Frames hold label (0/1), p, margin, customer_id, and optionally weight: one row per customer and cutoff.


def gains_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Positives and lift by decile of rank, decile ``floor(10*i/n) + 1`` with 1 the best.

    Parameters
    ----------
    frame
        Columns label, p, margin, customer_id.

    Returns
    -------
    DataFrame
        decile, n, positives (positive rows), fraction_positives, mean_predicted, cum_capture, lift,
        n_distinct_scores. Fewer than ten rows leave deciles out. cum_capture and lift are null without positives; lift
        is null too when all scores are equal, because the ranks then mean nothing.
    """
    y, p, order = _ranked(frame)
    n, distinct = len(y), len(np.unique(p))
    table = (
        pl.DataFrame({"decile": _decile_of_rank(n), "y": y[order], "p": p[order]})
        .group_by("decile", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            pl.col("y").sum().cast(pl.Int64).alias("positives"),
            pl.col("y").mean().alias("fraction_positives"),
            pl.col("p").mean().alias("mean_predicted"),
        )
        .sort("decile")
    )
    total = int(y.sum())
    capture = pl.col("positives").cum_sum() / total if total else pl.lit(None, pl.Float64)
    lift = pl.col("fraction_positives") * (n / total) if total and distinct > 1 else pl.lit(None, pl.Float64)
    return table.with_columns(
        capture.alias("cum_capture"),
        lift.alias("lift"),
        pl.lit(distinct, pl.Int64).alias("n_distinct_scores"),
    )


def calibration_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Predicted against observed rates, bins ascending by score.

    Ten bins of equal count by rank; under ten distinct scores one bin per score, so that none is empty.

    Parameters
    ----------
    frame
        Columns label, p, margin, customer_id.

    Returns
    -------
    DataFrame
        bin (1 = lowest scores), p_min, p_max, mean_predicted, fraction_positives, count, positives (positive rows).
    """
    y, p, order = _ranked(frame)
    rising = order[::-1]
    distinct = np.unique(p)
    bins = _decile_of_rank(len(p)) if len(distinct) >= DECILES else np.searchsorted(distinct, p[rising]) + 1
    return (
        pl.DataFrame({"bin": bins.astype(np.int64), "y": y[rising], "p": p[rising]})
        .group_by("bin", maintain_order=True)
        .agg(
            pl.col("p").min().alias("p_min"),
            pl.col("p").max().alias("p_max"),
            pl.col("p").mean().alias("mean_predicted"),
            pl.col("y").mean().alias("fraction_positives"),
            pl.len().cast(pl.Int64).alias("count"),
            pl.col("y").sum().cast(pl.Int64).alias("positives"),
        )
        .sort("bin")
    )


def calibration_error(table: pl.DataFrame) -> float | None:
    """Mean absolute distance of mean prediction and observed rate over the bins, weighted by count; None without rows.

    Parameters
    ----------
    table
        A `calibration_table` of one population.
    """
    counts = table["count"].to_numpy()
    if not counts.sum():
        return None
    gaps = np.abs(table["mean_predicted"].to_numpy() - table["fraction_positives"].to_numpy())
    return math.fsum(gaps * counts) / int(counts.sum())


def thresholds_table(frame: pl.DataFrame, k_percents: Sequence[int]) -> pl.DataFrame:
    """What a score threshold selects, for each share of the list.

    Parameters
    ----------
    frame
        Columns label, p, margin, customer_id.
    k_percents
        Whole percent, in the order wanted.

    Returns
    -------
    DataFrame
        k_percent, threshold (the `top_m`-th largest p), count (the `top_m` asked for), n_selected (rows with
        p >= threshold: more than count when scores tie), and precision and capture of those n_selected rows, because
        that is what applying the threshold gives. Empty for no rows; capture null without positives.
    """
    y, p, _ = _ranked(frame)
    rows = []
    for k in k_percents if len(y) else ():
        cut = threshold(p, k)
        chosen = p >= cut  # type: ignore[operator]  # there are rows, so there is a threshold
        rows.append(
            {
                "k_percent": int(k),
                "threshold": cut,
                "count": top_m(len(y), k),
                "n_selected": int(chosen.sum()),
                "precision": float(y[chosen].mean()),
                "capture": float(y[chosen].sum() / y.sum()) if y.sum() else None,
            }
        )
    return pl.DataFrame(
        rows,
        schema={
            "k_percent": pl.Int64,
            "threshold": pl.Float64,
            "count": pl.Int64,
            "n_selected": pl.Int64,
            "precision": pl.Float64,
            "capture": pl.Float64,
        },
    )


def summary(
    frame: pl.DataFrame, *, top_k_percents: Sequence[int], min_positives: int, min_positives_interval: int = 0
) -> dict[str, Any]:
    """Every metric of one population at one cutoff.

    Parameters
    ----------
    frame
        Columns label, p, margin, customer_id, optionally weight (currency; without it rev_lift is None). A column
        ``cutoff`` may be there and must then hold one value.
    top_k_percents
        Whole percent of ``lift@K``, ``rev_lift@K`` and ``capture@K``.
    min_positives
        Distinct positive customers below which no metric is given.
    min_positives_interval
        Distinct positive customers below which no interval is given.

    Returns
    -------
    dict
        ``status``, ``n`` (rows), ``positives`` (distinct customers), ``base_rate``, then auc, average_precision,
        pr_auc, brier, cal_mae, n_distinct_scores, expected, observed, ratio, ratio_lo, ratio_hi, and per K the three
        shares. Values are finite or None. Status is ``ok``; ``insufficient_data`` below ``min_positives`` (all metrics
        None, counts kept); ``degenerate`` when all scores are equal (ranking metrics None, Brier and calibration
        kept); ``single_class`` when everybody is positive (auc None).

    Raises
    ------
    ValueError
        When a column is missing, or rows of several cutoffs are pooled.
    """
    if "cutoff" in frame.columns and frame["cutoff"].n_unique() > 1:
        raise ValueError(
            "metrics of several cutoffs were asked for in one go; compute them per cutoff and average (different base "
            "rates bias AUC)"
        )
    y, p, order = _ranked(frame)
    distinct = len(np.unique(p))
    positives = frame.filter(pl.col("label") == 1)["customer_id"].n_unique()
    enough = positives >= max(1, min_positives)
    ranks = enough and distinct > 1
    w = frame["weight"].to_numpy() if "weight" in frame.columns else None

    values: dict[str, Any] = {
        "auc": auc(y, p) if ranks else None,
        "average_precision": average_precision(y, p) if ranks else None,
        "pr_auc": pr_auc(y, p) if ranks else None,
        "brier": brier(y, p) if enough else None,
        "cal_mae": calibration_error(calibration_table(frame)) if enough else None,
        "n_distinct_scores": distinct,
        **expected_to_observed(y, p),
    }
    if not enough:
        values["ratio"] = None
    if not enough or positives < min_positives_interval:
        values |= dict.fromkeys(("ratio_lo", "ratio_hi"))
    for k in top_k_percents:
        values[f"lift@{k}"] = lift_at_k(y, order, k) if ranks else None
        values[f"rev_lift@{k}"] = rev_lift_at_k(y, w, order, k) if ranks and w is not None else None
        values[f"capture@{k}"] = capture_at_k(y, order, k) if ranks else None
    status = (
        "insufficient_data"
        if not enough
        else "degenerate"
        if not ranks
        else "single_class"
        if int(y.sum()) == len(y)
        else "ok"
    )
    return {
        "status": status,
        "n": len(y),
        "positives": positives,
        "base_rate": finite(int(y.sum()) / len(y)) if len(y) else None,
        **{name: finite(value) if isinstance(value, float) else value for name, value in values.items()},
    }


def unknown_summary(frame: pl.DataFrame, *, top_k_percents: Sequence[int], status: str) -> dict[str, Any]:
    """The form of `summary` for rows whose outcome is not known yet: rows and expectation, everything else None.

    Parameters
    ----------
    frame
        Column p.
    top_k_percents
        As in `summary`.
    status
        Why nothing is known.
    """
    p = _scores(frame["p"])
    names = ("positives", "base_rate", "auc", "average_precision", "pr_auc", "brier", "cal_mae")
    shares = [f"{name}@{k}" for k in top_k_percents for name in ("lift", "rev_lift", "capture")]
    return {
        "status": status,
        "n": len(p),
        **dict.fromkeys(names),
        "n_distinct_scores": len(np.unique(p)),
        "expected": finite(math.fsum(p)) if len(p) else None,
        **dict.fromkeys(("observed", "ratio", "ratio_lo", "ratio_hi", *shares)),
    }


def populations(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each population: ``all`` is the frame, ``whitespace`` its rows whose ``ownership`` is not owner."""
    return {"all": frame, "whitespace": frame.filter(pl.col("ownership") != "owner")}


def by_population(frame: pl.DataFrame, table: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """A table of each population, stacked, with the column ``population`` in front."""
    return stack({name: table(rows) for name, rows in populations(frame).items()})


def stack(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Tables by population as one, with the column ``population`` in front."""
    return pl.concat([table.select(pl.lit(name).alias("population"), pl.all()) for name, table in tables.items()])


def finite(value: float | None) -> float | None:
    """A number fit for a document: rounded, or None when it is missing or not finite."""
    return None if value is None or not math.isfinite(value) else round(float(value), DECIMALS)


# --------------------------------------------------------------------------------------------------------------------
# Distances of distributions


def psi(
    baseline: pl.Series | ArrayLike,
    sample: pl.Series | ArrayLike,
    *,
    bins: int = 10,
    discrete: bool | str = "auto",
    eps: float = 1e-4,
) -> float | None:
    """Population stability index, sum of (b - a) ln(b / a) over bins taken from the baseline.

    Bins: nulls are a bin. A baseline of at most ten distinct values gets one bin per value and one for every other
    value. Otherwise the quantiles of the baseline are edges, with open ends, and a value that holds ``1/bins`` or more
    of the baseline has a bin of its own (counts are mostly zeros, and quantiles would hide them). Bins empty in both
    are left out; shares are floored at ``eps`` and renormalised.

    Parameters
    ----------
    baseline, sample
        Values, shape (n,) and (m,). NaN is null. Text is compared value by value.
    bins
        Number of quantile bins.
    discrete
        ``True`` and ``False`` force value bins or quantile bins; ``"auto"`` decides by the distinct baseline values.
    eps
        Smallest share.

    Returns
    -------
    float or None
        None when either side has no rows: unknown, not zero.

    Raises
    ------
    ValueError
        When one side is text and the other numeric.
    """
    a, b = _series(baseline), _series(sample)
    if a.is_empty() or b.is_empty():
        return None
    if discrete == "auto":
        discrete = not a.dtype.is_numeric() or a.drop_nulls().n_unique() <= MAX_DISCRETE
    counts_a, counts_b = _value_counts(a, b) if discrete else _quantile_counts(a, b, bins)
    return _divergence(counts_a, counts_b, eps)


def value_weighted_psi(
    expected_value: ArrayLike, realized: ArrayLike, customer_id: Iterable[Any], *, bins: int = 10, eps: float = 1e-4
) -> float | None:
    """How far realized money is spread differently from expected money: PSI over equal-count bins of expected value.

    Customers are sorted by expected value (customer_id breaks ties) and cut into ``bins`` groups of equal count; the
    groups' shares of expected value are compared with their shares of realized money. Negative amounts count as 0.

    Parameters
    ----------
    expected_value, realized
        Currency per customer, shape (n,); missing counts as 0.
    customer_id
        Tie-break, compared as UTF-8 text.

    Returns
    -------
    float or None
        None when nothing is expected or nothing was realized.
    """
    frame = pl.DataFrame(
        {
            "sort": np.nan_to_num(_floats(expected_value)) + 0.0,
            "e": _weights(expected_value),
            "a": _weights(realized),
            "customer_id": _text(customer_id),
        }
    ).sort("sort", "customer_id")
    group = np.arange(frame.height, dtype=np.int64) * bins // max(1, frame.height)
    expected = np.bincount(group, weights=frame["e"].to_numpy(), minlength=bins)
    actual = np.bincount(group, weights=frame["a"].to_numpy(), minlength=bins)
    if not expected.sum() or not actual.sum():
        return None
    return _divergence(expected, actual, eps)


def ks(a: pl.Series | ArrayLike, b: pl.Series | ArrayLike) -> float | None:
    """Largest distance of two empirical distribution functions; nulls are dropped; None when a side is empty."""
    x, y = (np.sort(v[~np.isnan(v)]) for v in (_floats(a), _floats(b)))
    if not len(x) or not len(y):
        return None
    at = np.concatenate([x, y])
    below_x = np.searchsorted(x, at, side="right") / len(x)
    below_y = np.searchsorted(y, at, side="right") / len(y)
    return float(np.abs(below_x - below_y).max())


# --------------------------------------------------------------------------------------------------------------------
# Parts


def _floats(values: Any) -> Floats:
    """Values as float64, null as NaN."""
    if isinstance(values, pl.Series):
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.asarray(values, dtype=np.float64)


def _scores(p: Any) -> Floats:
    """Scores with missing ones as 0; adding 0 turns -0.0, which sorts equal but prints differently, into 0.0."""
    return np.nan_to_num(_floats(p), nan=0.0, posinf=np.inf, neginf=-np.inf) + 0.0


def _weights(w: Any) -> Floats:
    values = _floats(w)
    return np.where(np.isfinite(values), values, 0.0).clip(min=0.0)


def _text(ids: Iterable[Any]) -> pl.Series:
    return (ids if isinstance(ids, pl.Series) else pl.Series(list(ids))).cast(pl.String)


def _labels(y: Any) -> NDArray[np.int64]:
    return _floats(y).astype(np.int64)


def _ranked(frame: pl.DataFrame) -> tuple[NDArray[np.int64], Floats, Order]:
    """Labels and scores of a frame as they stand, and the model order."""
    if missing := [c for c in ("label", "p", "margin", "customer_id") if c not in frame.columns]:
        raise ValueError(f"metrics need the columns label, p, margin, customer_id; missing: {', '.join(missing)}")
    if frame["label"].null_count():
        raise ValueError(f"metrics: column label has {frame['label'].null_count()} nulls; drop rows without a label")
    order = model_order(frame["p"], frame["margin"], frame["customer_id"])
    return _labels(frame["label"]), _scores(frame["p"]), order


def _decile_of_rank(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) * DECILES // max(1, n) + 1


def _precision_recall(y: Any, p: Any) -> tuple[Floats, Floats] | None:
    """Precision and recall at every distinct score, from the highest down; None without positives."""
    y, p = _labels(y), _scores(p)
    if not y.sum():
        return None
    _, value, counts = np.unique(-p, return_inverse=True, return_counts=True)
    hits = np.cumsum(np.bincount(value, weights=y, minlength=len(counts)))
    return hits / np.cumsum(counts), hits / y.sum()


def _series(values: Any) -> pl.Series:
    if not isinstance(values, pl.Series):
        values = pl.Series(values if isinstance(values, np.ndarray) else list(values), strict=False)
    series: pl.Series = values
    numeric = series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)
    return series.cast(pl.Float64).fill_nan(None) if numeric else series.cast(pl.String)


def _value_counts(a: pl.Series, b: pl.Series) -> tuple[Floats, Floats]:
    """Counts per baseline value, of all other values, and of nulls."""
    levels = a.drop_nulls().unique().sort()
    if levels.dtype != b.dtype:
        raise ValueError(f"a column cannot be {levels.dtype} in the baseline and {b.dtype} in the sample")

    def counts(series: pl.Series) -> Floats:
        known = series.drop_nulls()
        seen = known.filter(known.is_in(levels.to_list()))
        at = levels.search_sorted(seen).to_numpy() if len(seen) else np.empty(0, np.int64)
        per_level = np.bincount(at, minlength=len(levels))
        return np.append(per_level, [len(known) - len(seen), series.null_count()]).astype(np.float64)

    return counts(a), counts(b)


def _quantile_counts(a: pl.Series, b: pl.Series, bins: int) -> tuple[Floats, Floats]:
    """Counts of frequent values, of the intervals between baseline quantiles without them, and of nulls."""
    values = a.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins)) if len(values) else np.empty(0)
    distinct, held = np.unique(values, return_counts=True)
    # A share of all rows: 10 % of few known values are not many rows.
    spikes = distinct[held * bins >= len(a)]

    def counts(series: pl.Series) -> Floats:
        known = series.drop_nulls().to_numpy()
        at = np.minimum(np.searchsorted(spikes, known), max(0, len(spikes) - 1))
        own = spikes[at] == known if len(spikes) else np.zeros(len(known), dtype=bool)
        per_spike = np.bincount(at[own], minlength=len(spikes))
        between = np.bincount(np.searchsorted(edges, known[~own], side="left"), minlength=len(edges) + 1)
        return np.concatenate([per_spike, between, [series.null_count()]]).astype(np.float64)

    return counts(a), counts(b)


def _divergence(a: NDArray[Any], b: NDArray[Any], eps: float) -> float:
    used = (a + b) > 0
    a, b = (np.maximum(v[used] / v.sum(), eps) for v in (a, b))
    a, b = a / a.sum(), b / b.sum()
    return math.fsum((b - a) * np.log(b / a))
