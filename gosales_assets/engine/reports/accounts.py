"""Which existing accounts to offer what they do not own yet: the three tables of the cross-sell reports.

Belongs here: who is listed, in which of two orders, and with which columns. Does not belong here: prose (`summary`),
scores, percentiles, ownership, which arrive with the scores and are all as of their cutoff.

Probabilities of different divisions live on different scales, and a whitespace score on a third: none of them is ever
added to another. What is compared and summed is the percentile within the division. A target without signal, and one
that the whitespace list of the cutoff leaves out altogether (its gate is shut, or it is not ranked), is not
recommended: the other road must not lead around a closed gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.taxonomy import Target
from gosales_assets.timeline import YEAR_MONTHS, feature_window, until

if TYPE_CHECKING:
    from gosales_assets.settings import ReportSettings

#: Groups by how much an account owns, in the order they are listed: several first, everything last.
GROUPS: Mapping[str, str] = {"B": "owns several", "C": "owns one", "A": "owns all"}

#: Recommendations per account: what one conversation can hold. Sums of percentiles stop there too, or accounts would
#: be rewarded for every product they lack.
RECOMMENDATIONS = 3

#: Shares of the accounts by gross profit tried as the enterprise threshold, highest first.
QUANTILES = (0.90, 0.75, 0.50, 0.25, 0.0)

WHITESPACE, FALLBACK = "whitespace", "ICP fallback"
FALLBACK_REASON = "No whitespace row; ranked by probability alone"

_SCORE_DECIMALS, _MONEY_DECIMALS = 4, 2
_CENTS = 100


class ReportError(ValueError):
    """Inputs the reports cannot be made of; the message names them and what to do."""


@dataclass(frozen=True)
class Scope:
    """What the lists were drawn from, for whoever writes about them.

    Attributes
    ----------
    cutoff
        Last day known.
    targets
        Targets reported, by slug.
    scored, eligible, enterprise
        Accounts with scores; those of them that own a target; those of these above the threshold.
    threshold
        Gross profit of 12 months that makes an enterprise account.
    groups
        Enterprise accounts by group.
    has_whitespace
        Whether there was a whitespace list of the cutoff.
    no_signal, not_listed, not_scored
        Targets not recommended: the model cannot tell customers apart; the whitespace list leaves them out; the scores
        do not hold them.
    off, unproven
        Targets whose probabilities the newest closed validation found off; that no closed validation judges yet.
    owned_counts
        Accounts by number of targets owned.
    """

    cutoff: date
    targets: tuple[Target, ...]
    scored: int
    eligible: int
    enterprise: int
    threshold: float
    groups: dict[str, int]
    has_whitespace: bool
    no_signal: tuple[str, ...]
    not_listed: tuple[str, ...]
    not_scored: tuple[str, ...]
    off: tuple[str, ...]
    unproven: tuple[str, ...]
    owned_counts: dict[int, int]


@dataclass(frozen=True)
class Lists:
    """The three tables and what they were drawn from."""

    accounts: pl.DataFrame
    icp: pl.DataFrame
    whitespace: pl.DataFrame
    scope: Scope


def rank_accounts(
    icp: pl.DataFrame,
    whitespace: pl.DataFrame | None,
    facts: pl.LazyFrame,
    *,
    targets: Sequence[Target],
    reports: ReportSettings,
) -> Lists:
    """Rank existing accounts by what they lack.

    Parameters
    ----------
    icp
        ``icp_scores``: one row per customer and division of one cutoff.
    whitespace
        The ranked list; rows of another cutoff than the scores' are not used. None: there is no list.
    facts
        The whole ``fact_transactions``; lines after the cutoff are not read.
    targets
        Targets to report on; those that are not scored are left out and named.
    reports
        ``accounts`` (length of a list) and ``enterprise_min_accounts``.

    Returns
    -------
    Lists
        ``icp`` ordered by `opportunity_score`, ``whitespace`` by the percentiles of the whitespace scores, ``accounts``
        by the sum of both ranks. Accounts that own no target, and those below the enterprise threshold, are not listed.

    Raises
    ------
    ReportError
        When there is no score, none of the targets, or scores of several cutoffs.
    """
    offers, scope_parts = _offers(icp, whitespace, targets)
    cutoff, chosen, listed = scope_parts
    accounts = _accounts(offers, chosen).join(
        _spend(facts, cutoff), on="customer_id", how="left", validate="1:1", maintain_order="left"
    )
    accounts = accounts.with_columns(pl.col(_SPEND).fill_null(0))
    eligible = accounts.filter(pl.col("own_count") > 0)
    threshold = enterprise_threshold(eligible["gross_profit_12m"], reports.enterprise_min_accounts)
    enterprise = _ranked(eligible.filter(pl.col("gross_profit_12m") >= threshold))
    names = {t.slug: t.display for t in chosen}
    by_target = (
        offers.group_by("division")
        .agg(pl.col("has_signal").all(), pl.col("on_list").any(), pl.col("calibration_status").drop_nulls().first())
        .sort("division")
    )

    def named(rows: pl.Expr) -> tuple[str, ...]:
        return tuple(names[slug] for slug in by_target.filter(rows)["division"])

    scope = Scope(
        cutoff=cutoff,
        targets=chosen,
        scored=accounts.height,
        eligible=eligible.height,
        enterprise=enterprise.height,
        threshold=threshold,
        groups={g: enterprise.filter(pl.col("group_key") == g).height for g in sorted(GROUPS)},
        has_whitespace=listed,
        no_signal=named(~pl.col("has_signal")),
        not_listed=named(~pl.col("on_list")),
        not_scored=tuple(sorted(t.display for t in targets if t.slug not in names)),
        off=named(pl.col("calibration_status") == "off"),
        unproven=named(pl.col("calibration_status").is_in(["none", "insufficient_data"])),
        owned_counts=dict(accounts.group_by("own_count").len().sort("own_count").iter_rows()),
    )
    return Lists(
        accounts=_list(enterprise, "base_rank", reports.accounts).select(_accounts_columns(chosen)),
        icp=_list(enterprise, "icp_rank", reports.accounts).select(_icp_columns(chosen)),
        whitespace=_list(enterprise, "whitespace_rank", reports.accounts).select(_whitespace_columns(chosen)),
        scope=scope,
    )


def enterprise_threshold(gross_profit: pl.Series, min_accounts: int) -> float:
    """Gross profit from which an account is an enterprise account.

    The highest of the 90, 75, 50, 25 and 0 % quantiles (linear) of the positive values that at least ``min_accounts``
    accounts reach; the lowest positive value when none is reached by so many, as in a small world; 0 when no account
    has gross profit.

    Parameters
    ----------
    gross_profit
        Gross profit of 12 months by eligible account.
    min_accounts
        Accounts wanted.

    Examples
    --------
    >>> gp = pl.Series([float(v) for v in range(1, 11)])
    >>> [round(enterprise_threshold(gp, n), 2) for n in (1, 3, 5, 11)]
    [9.1, 7.75, 5.5, 1.0]
    """
    positive = gross_profit.filter(gross_profit > 0)
    if positive.is_empty():
        return 0.0
    quantiles = pl.DataFrame({"gp": positive}).select(
        pl.col("gp").quantile(q, interpolation="linear").alias(str(q)) for q in QUANTILES
    )
    thresholds = [float(t) for t in quantiles.row(0)]
    reached = [t for t in thresholds if int((gross_profit >= t).sum()) >= min_accounts]
    return reached[0] if reached else thresholds[-1]


def group_of(own_count: pl.Expr, n_targets: int) -> pl.Expr:
    """Group of an account: A owns all targets, B several, C one; null owns none and is not listed.

    Examples
    --------
    >>> owned = pl.DataFrame({"n": [3, 2, 1, 0]})
    >>> owned.select(group_of(pl.col("n"), 3)).to_series().to_list()
    ['A', 'B', 'C', None]
    """
    return (
        pl.when(own_count >= n_targets)
        .then(pl.lit("A"))
        .when(own_count > 1)
        .then(pl.lit("B"))
        .when(own_count == 1)
        .then(pl.lit("C"))
    )


# --------------------------------------------------------------------------------------------------------------------
# From scores and list to one row per customer and target


def _offers(
    icp: pl.DataFrame, whitespace: pl.DataFrame | None, targets: Sequence[Target]
) -> tuple[pl.DataFrame, tuple[date, tuple[Target, ...], bool]]:
    """One row per customer and target, with both priorities on the percentile scale.

    ``icp_priority`` and ``whitespace_priority`` are null where there is nothing to recommend: owned, without signal, or
    of a target the list leaves out.
    """
    scored = set(icp["division"].unique())
    chosen = tuple(sorted((t for t in targets if t.slug in scored), key=lambda t: t.slug))
    if not chosen:
        raise ReportError("icp_scores hold none of the targets of the reports; score them, or correct reports.targets")
    cutoffs = icp["cutoff_date"].unique().sort()
    if len(cutoffs) != 1:
        raise ReportError(f"icp_scores hold {len(cutoffs)} cutoffs; one is expected, materialize icp_scores again")
    cutoff = cutoffs[0]
    listed = (whitespace if whitespace is not None else _NO_WHITESPACE).filter(pl.col("cutoff") == cutoff)
    has_list = not listed.is_empty()
    on_list = pl.col("division").is_in(listed["division"].unique().to_list()) if has_list else pl.lit(True)
    rows = icp.filter(pl.col("division").is_in([t.slug for t in chosen]))
    if rows.select("customer_id", "division").is_duplicated().any():
        raise ReportError("icp_scores hold a customer twice in one division; materialize icp_scores again")
    joined = rows.join(
        listed.select(_NO_WHITESPACE.columns).drop("cutoff"),
        on=["customer_id", "division"],
        how="left",
        validate="1:1",
    ).with_columns(
        owned=pl.col("ownership") == "owner",
        on_list=on_list,
        has_signal=pl.col("icp_grade").is_not_null(),
        source=pl.when(pl.col("score").is_not_null()).then(pl.lit(WHITESPACE)).otherwise(pl.lit(FALLBACK)),
    )
    open_to = ~pl.col("owned") & pl.col("on_list") & pl.col("has_signal")
    from_list = pl.col("source") == WHITESPACE
    offers = joined.with_columns(
        icp_priority=pl.when(open_to).then("icp_percentile").round(_SCORE_DECIMALS),
        whitespace_priority=pl.when(open_to)
        .then(pl.when(from_list).then("score_pct").otherwise("icp_percentile"))
        .round(_SCORE_DECIMALS),
        grade=pl.when(from_list).then("score_grade").otherwise("icp_grade"),
        reason=pl.when(from_list).then("nba_reason").otherwise(pl.lit(FALLBACK_REASON)),
        p_icp_pct=pl.when(from_list).then("p_icp_pct").otherwise("icp_percentile"),
        **{c: pl.when(from_list).then(c).otherwise(pl.lit(0.0)) for c in _COMPONENTS},
    )
    return offers.sort("customer_id", "division"), (cutoff, chosen, has_list)


_COMPONENTS = ("EV_norm", "lift_norm", "als_norm")

#: What is read of the whitespace list.
_NO_WHITESPACE = pl.DataFrame(
    schema={
        "customer_id": pl.String,
        "division": pl.String,
        "cutoff": pl.Date,
        "score": pl.Float64,
        "score_pct": pl.Float64,
        "score_grade": pl.String,
        "p_icp_pct": pl.Float64,
        "nba_reason": pl.String,
        "calibration_status": pl.String,
        **dict.fromkeys(_COMPONENTS, pl.Float64),
    }
)


# --------------------------------------------------------------------------------------------------------------------
# From offers to accounts


def _accounts(offers: pl.DataFrame, targets: Sequence[Target]) -> pl.DataFrame:
    """One row per customer: what it owns and lacks, the scores per target, and its best offers in both orders."""
    n = len(targets)
    owned, missing = pl.col("owned"), ~pl.col("owned")
    base = (
        offers.group_by("customer_id", maintain_order=True)
        .agg(
            pl.col("customer_name").first(),
            pl.col("cutoff_date").first(),
            pl.col("window_start").min().alias("any_window_start"),
            pl.col("window_end").max().alias("any_window_end"),
            owned.sum().cast(pl.Int64).alias("own_count"),
            pl.col("division_name").filter(owned).str.join(", ").alias("current_divisions"),
            pl.col("division_name").filter(missing).str.join(", ").alias("missing_divisions"),
            pl.col("division_name").filter(pl.col("ownership") == "lapsed").str.join(", ").alias("winback_divisions"),
            missing.sum().alias("missing_count"),
            *_by_target(targets),
        )
        .with_columns(
            pl.when(pl.col(c) != "").then(c) for c in ("current_divisions", "missing_divisions", "winback_divisions")
        )
        .with_columns(group_key=group_of(pl.col("own_count"), n))
        .with_columns(group_label=_label(n))
    )
    best = _best_by_icp(offers).join(_best_by_whitespace(offers), on="customer_id", how="full", coalesce=True)
    return (
        base.join(best, on="customer_id", how="left", validate="1:1", maintain_order="left")
        .with_columns(
            pl.col("opportunity_score", "whitespace_score_total").fill_null(0.0),
            window_start=pl.coalesce("window_start", "any_window_start"),
            window_end=pl.coalesce("window_end", "any_window_end"),
        )
        .sort("customer_id")
    )


def _by_target(targets: Sequence[Target]) -> list[pl.Expr]:
    """``icp_score_<slug>``, ``icp_percentile_<slug>``, ``icp_grade_<slug>`` of a customer."""
    return [
        (pl.col(column) if column == "icp_grade" else pl.col(column).round(_SCORE_DECIMALS))
        .filter(pl.col("division") == t.slug)
        .first()
        .alias(f"{column}_{t.slug}")
        for t in targets
        for column in ("icp_score", "icp_percentile", "icp_grade")
    ]


def _label(n: int) -> pl.Expr:
    """The group in words; what is missing is named while it fits."""
    few = pl.col("missing_count") <= RECOMMENDATIONS
    own = pl.col("own_count").cast(pl.String)
    several = pl.concat_str(pl.lit("B. Owns "), own, pl.lit(f" of {n}"))
    one = pl.lit(f"C. Owns one of {n}")

    def naming(label: pl.Expr, verb: str) -> pl.Expr:
        full = pl.concat_str(label, pl.lit(f" ({verb} "), "missing_divisions", pl.lit(")"))
        return pl.when(few).then(full).otherwise(label)

    return (
        pl.when(pl.col("group_key") == "A")
        .then(pl.lit(f"A. Owns all {n} today" if n > 1 else "A. Owns it today"))
        .when(pl.col("group_key") == "B")
        .then(naming(several, "missing"))
        .when(pl.col("group_key") == "C")
        .then(naming(one, "expand into"))
    )


def _grade_order() -> pl.Expr:
    """Grades as numbers, A highest."""
    return pl.col("grade").replace_strict(dict(zip("ABCDF", range(5, 0, -1), strict=True)), default=0)


def _fixed(values: str, decimals: int, *, percent: bool = False) -> pl.Expr:
    """A number as text with a fixed number of decimals."""
    scaled = (pl.col(values) * (100 if percent else 1) * 10**decimals).round().cast(pl.Int64)
    whole, rest = (scaled // 10**decimals).cast(pl.String), (scaled % 10**decimals).cast(pl.String)
    return pl.concat_str(whole, pl.lit("."), rest.str.zfill(decimals))


def _chance() -> pl.Expr:
    """``12.3 % chance, 3.1x average``; without a known average only the chance."""
    chance = pl.concat_str(_fixed("icp_score", 1, percent=True), pl.lit(" % chance"))
    return pl.concat_str(
        chance, pl.concat_str(_fixed("p_multiple", 1), pl.lit("x average")), separator=", ", ignore_nulls=True
    )


def _top(offers: pl.DataFrame, priority: str, *ties: pl.Expr) -> pl.DataFrame:
    """Offers with a priority, the best of each customer first."""
    return (
        offers.filter(pl.col(priority).is_not_null())
        .with_columns(tie.alias(f"_tie{i}") for i, tie in enumerate(ties))
        .sort(
            "customer_id",
            priority,
            *(f"_tie{i}" for i in range(len(ties))),
            "division",
            descending=[False, True, *(True for _ in ties), False],
        )
    )


def _best_by_icp(offers: pl.DataFrame) -> pl.DataFrame:
    """Opportunity score and recommendations of a customer, by percentile of probability."""
    text = pl.concat_str("division_name", pl.lit(" ("), _chance(), pl.lit(", grade "), "icp_grade", pl.lit(")")).alias(
        "text"
    )
    top = _top(offers, "icp_priority", pl.col("p_multiple").fill_null(0.0)).with_columns(text)
    return top.group_by("customer_id", maintain_order=True).agg(
        pl.col("text").head(RECOMMENDATIONS).str.join("; ").alias("top_recommendations"),
        opportunity_score().alias("opportunity_score"),
        pl.col("division_name").first().alias("best_division"),
        pl.col("icp_score").first().round(_SCORE_DECIMALS).alias("best_probability"),
        pl.col("base_rate").first().round(_SCORE_DECIMALS).alias("best_base_rate"),
        pl.col("p_multiple").first().round(_MONEY_DECIMALS).alias("best_p_multiple"),
        pl.col("window_start").first(),
        pl.col("window_end").first(),
    )


def opportunity_score(priority: str = "icp_priority") -> pl.Expr:
    """Aggregation: sum of the best `RECOMMENDATIONS` percentiles of what an account lacks."""
    best = pl.col(priority).top_k(RECOMMENDATIONS).sort(descending=True)
    return best.sum().round(_SCORE_DECIMALS)


def _best_by_whitespace(offers: pl.DataFrame) -> pl.DataFrame:
    """Best whitespace opportunity of a customer and the sum of its best ones."""
    text = pl.concat_str(
        "division_name", pl.lit(" ("), "source", pl.lit(" "), _fixed("whitespace_priority", 2), pl.lit(", grade "),
        "grade", pl.lit(")"),
    ).alias("text")  # fmt: skip
    top = _top(offers, "whitespace_priority", _grade_order()).with_columns(text)
    first = {
        "whitespace_best_division": pl.col("division_name"),
        "whitespace_best_priority": pl.col("whitespace_priority"),
        "whitespace_best_score": pl.col("score").round(_SCORE_DECIMALS),
        "whitespace_best_grade": pl.col("grade"),
        "whitespace_best_reason": pl.col("reason"),
        "whitespace_best_source": pl.col("source"),
        "whitespace_best_p_icp": pl.col("icp_score").round(_SCORE_DECIMALS),
        "whitespace_best_p_icp_pct": pl.col("p_icp_pct").round(_SCORE_DECIMALS),
        "whitespace_best_p_multiple": pl.col("p_multiple").round(_MONEY_DECIMALS),
        **{f"whitespace_best_{c}": pl.col(c).round(_SCORE_DECIMALS) for c in _COMPONENTS},
        "whitespace_window_start": pl.col("window_start"),
        "whitespace_window_end": pl.col("window_end"),
    }
    return top.group_by("customer_id", maintain_order=True).agg(
        *(expr.first().alias(name) for name, expr in first.items()),
        opportunity_score("whitespace_priority").alias("whitespace_score_total"),
        pl.col("text").head(RECOMMENDATIONS).str.join("; ").alias("whitespace_opportunity_summary"),
    )


_SPEND = ("gross_profit_12m", "gross_profit_lifetime", "transactions_lifetime", "invoices_12m")


def _spend(facts: pl.LazyFrame, cutoff: date) -> pl.DataFrame:
    """Gross profit, lines and invoices of each customer up to the cutoff; money in cents, whose sums are exact."""
    year = feature_window(cutoff, YEAR_MONTHS).contains()
    cents = (pl.col("gross_profit").fill_null(0.0) * _CENTS).round().cast(pl.Int64)
    return (
        facts.filter(until(cutoff))
        .group_by("customer_id")
        .agg(
            (cents.filter(year).sum() / _CENTS).round(_MONEY_DECIMALS).alias("gross_profit_12m"),
            (cents.sum() / _CENTS).round(_MONEY_DECIMALS).alias("gross_profit_lifetime"),
            pl.len().cast(pl.Int64).alias("transactions_lifetime"),
            pl.col("invoice_id").filter(year).n_unique().cast(pl.Int64).alias("invoices_12m"),
        )
        .sort("customer_id")
        .collect()
    )


# --------------------------------------------------------------------------------------------------------------------
# Orders and lists


def _ranked(enterprise: pl.DataFrame) -> pl.DataFrame:
    """Ranks of all enterprise accounts: group first, then the opportunity, gross profit, customer."""
    priority = pl.col("group_key").replace_strict({g: i for i, g in enumerate(GROUPS)}, return_dtype=pl.Int64)
    frame = enterprise.with_columns(group_priority=priority)
    by_icp = ("opportunity_score",)
    by_whitespace = ("whitespace_score_total", "whitespace_best_priority")
    frame = _with_rank(frame, "icp_rank", by_icp)
    frame = _with_rank(frame, "whitespace_rank", by_whitespace)
    both = frame.with_columns(minus_both=-(pl.col("icp_rank") + pl.col("whitespace_rank")))
    return _with_rank(both, "base_rank", ("minus_both",))


def _with_rank(frame: pl.DataFrame, name: str, by: Sequence[str]) -> pl.DataFrame:
    keys = ["group_priority", *by, "gross_profit_12m", "customer_id"]
    down = [False, *(True for _ in by), True, False]
    ordered = frame.sort(keys, descending=down, nulls_last=True)
    return ordered.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(name))


def _list(ranked: pl.DataFrame, rank: str, length: int) -> pl.DataFrame:
    """The first accounts of an order, with their position overall and within their group."""
    return (
        ranked.sort(rank)
        .head(length)
        .with_columns(overall_rank=pl.col(rank))
        .with_columns(group_rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("group_key"))
    )


_HEAD = (
    "overall_rank",
    "group_key",
    "group_rank",
    "group_label",
    "customer_id",
    "customer_name",
    "current_divisions",
    "missing_divisions",
    "winback_divisions",
)
_BEST = (
    "top_recommendations",
    "best_division",
    "best_probability",
    "best_base_rate",
    "best_p_multiple",
    "opportunity_score",
)
_TAIL = (*_SPEND, "cutoff_date", "window_start", "window_end")


def _target_columns(targets: Sequence[Target], kinds: Sequence[str]) -> list[str]:
    return [f"{kind}_{t.slug}" for t in targets for kind in kinds]


def _accounts_columns(targets: Sequence[Target]) -> list[str]:
    scores = _target_columns(targets, ("icp_score", "icp_percentile", "icp_grade"))
    ranks = ["icp_rank", "whitespace_rank"]
    return [_HEAD[0], *ranks, *_HEAD[1:], *_BEST, "whitespace_best_division", "whitespace_score_total", *scores, *_TAIL]


def _icp_columns(targets: Sequence[Target]) -> list[str]:
    return [*_HEAD, *_BEST, *_target_columns(targets, ("icp_score", "icp_percentile", "icp_grade")), *_TAIL]


def _whitespace_columns(targets: Sequence[Target]) -> list[str | pl.Expr]:
    best = [
        "whitespace_best_division",
        "whitespace_best_priority",
        "whitespace_best_score",
        "whitespace_best_grade",
        "whitespace_best_reason",
        "whitespace_best_source",
        "whitespace_best_p_icp",
        "whitespace_best_p_icp_pct",
        "whitespace_best_p_multiple",
        *(f"whitespace_best_{c}" for c in _COMPONENTS),
        "whitespace_score_total",
        "whitespace_opportunity_summary",
    ]
    window = [pl.coalesce(f"whitespace_{c}", c).alias(c) for c in ("window_start", "window_end")]
    scores = _target_columns(targets, ("icp_score", "icp_grade"))
    return [*_HEAD, *best, *scores, *_SPEND, "cutoff_date", *window]
