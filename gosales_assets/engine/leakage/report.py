"""The consolidated verdict on one model: may its numbers be trusted?

Belongs here: the checks over evidence that other assets produced (audit of feature dates, scan of the source, folds as
used, the model itself, the history it learned from), and the rule that turns them into PASS or FAIL. Does not belong
here: producing that evidence, and what happens downstream of a FAIL.

The set is closed: the verdict is PASS only when every required check ran and passed. A check that crashes is recorded
as ERROR with the exception's text and shuts the gate; what did not run at all is listed by name, so that its silence is
taken for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import polars as pl

from gosales_assets.engine import metrics
from gosales_assets.engine.modeling.folds import audit_train_folds, time_folds
from gosales_assets.engine.modeling.rows import OWNERSHIP_FEATURES
from gosales_assets.timeline import Calendar, Window, add_days

if TYPE_CHECKING:
    from gosales_assets.settings import PopulationSettings
    from gosales_assets.taxonomy import Target

PASS, FAIL, ERROR, INSUFFICIENT_DATA, WARN = "PASS", "FAIL", "ERROR", "INSUFFICIENT_DATA", "WARN"

#: Checks that decide. Order is that of the report.
REQUIRED: tuple[str, ...] = (
    "static_scan",
    "feature_date_audit",
    "fold_overlap",
    "label_calendar",
    "feature_provenance",
    "single_feature_leak",
)

#: Audits that no verdict of this report rests on yet. Listed, so that nobody believes they passed.
NOT_RUN: Mapping[str, str] = {
    "future_poison": "needs a rebuild of features on facts with planted future lines; not part of this report",
    "permutation_null": "needs refits on permuted labels; not part of this report",
    "shift14": "needs features and labels at a cutoff 14 days earlier; not part of this report",
    "reproducibility": "needs a second fit with the same seed; not part of this report",
    "fit_provenance": "needs the row keys each fitted object saw; not part of this report",
    "topk_ablation": "needs refits without the strongest features; not part of this report",
}

#: A single feature that sorts buyers from the rest this well knows the answer.
SINGLE_FEATURE_AUC = 0.995
#: Distinct positive customers below which that cannot be told from luck.
MIN_POSITIVES = 30
#: AUC on grouped folds above AUC on time folds by more than this: worth a look at what the grouped folds share.
FOLD_GAP = 0.10

_KEYS = frozenset({"customer_id", "cutoff", "division", "division_name", "segment", "ownership"})
#: Words of a column name that only something known afterwards carries.
_FUTURE_WORDS = frozenset({"label", "labels", "target", "future", "outcome", "holdout", "bought", "realized"})

Overall = Literal["PASS", "FAIL"]
Check = dict[str, Any]


class HistoryLike(Protocol):
    """Features and labels of one cutoff."""

    @property
    def features(self) -> pl.DataFrame: ...

    @property
    def labels(self) -> pl.DataFrame: ...


@dataclass(frozen=True)
class Evidence:
    """What the checks read: everything that is known about one model and where it came from."""

    target: Target
    cutoff: date
    date_audit: pl.DataFrame
    static_scan: Mapping[str, Any]
    overlap: pl.DataFrame
    train_scores: pl.DataFrame
    model: Mapping[str, Any]
    history: Mapping[date, HistoryLike]
    calendar: Calendar
    population: PopulationSettings

    @property
    def is_baseline(self) -> bool:
        """A prevalence baseline reads no feature and was fitted on no fold."""
        return self.model["status"] == "insufficient_data"

    @property
    def features(self) -> list[str]:
        return list(self.model["features"])

    @cached_property
    def training_cutoffs(self) -> list[date]:
        """The cutoffs the model says it learned from; a baseline may have found none that had closed."""
        return sorted(_as_date(c) for c in self.model["training"]["cutoffs"])

    @cached_property
    def windows(self) -> dict[date, list[Window]]:
        """Label windows by cutoff, read from the labels themselves (one each, unless something is wrong)."""
        return {c: _label_windows(self.history[c].labels) for c in sorted(self.history)}


def leakage_report(
    *,
    target: Target,
    cutoff: date,
    date_audit: pl.DataFrame,
    static_scan: Mapping[str, Any],
    overlap: pl.DataFrame,
    train_scores: pl.DataFrame,
    model: Mapping[str, Any],
    history: Mapping[date, HistoryLike],
    calendar: Calendar,
    population: PopulationSettings,
    hold_insufficient_data: bool = False,
) -> dict[str, Any]:
    """Judge one model.

    Parameters
    ----------
    target, cutoff
        Whose model it is.
    date_audit
        Audit of feature dates at the cutoff: ``feature``, ``cutoff``, ``status``.
    static_scan
        Document `StaticScan` at the cutoff.
    overlap
        Fold audit of the training history, from `modeling.folds.fold_customer_overlap`.
    train_scores
        Out-of-fold scores with the folds as used: ``customer_id``, ``cutoff``, ``ownership``, ``label``,
        ``fold_kind``, ``fold``, ``margin``.
    model
        Model document.
    history
        Features and labels of the cutoffs the model could learn from.
    calendar
        The cutoffs in force.
    population
        Which segments are modelled.
    hold_insufficient_data
        Whether a required check with too little data to judge shuts the gate. By default it flags: it leaves
        ``required`` and stands in ``flags``.

    Returns
    -------
    dict
        Document `LeakageReport`.
    """
    evidence = Evidence(
        target, cutoff, date_audit, static_scan, overlap, train_scores, model, history, calendar, population
    )
    checks = {name: run_check(check, evidence) for name, check in CHECKS.items()}
    undecided = {n for n in REQUIRED if checks[n]["status"] == INSUFFICIENT_DATA}
    required = [n for n in REQUIRED if hold_insufficient_data or n not in undecided]
    return {
        "division": target.slug,
        "division_name": target.display,
        "cutoff": cutoff.isoformat(),
        "overall": decide({name: check["status"] for name, check in checks.items()}, required),
        "required": required,
        "checks": checks,
        "flags": [name for name, check in checks.items() if check["status"] != PASS and name not in required],
        "not_run": dict(NOT_RUN),
    }


def decide(statuses: Mapping[str, str], required: Collection[str]) -> Overall:
    """The verdict: PASS when every required check is there and passed; anything else, ERROR and absence too, is FAIL.

    Examples
    --------
    >>> decide({"a": "PASS", "b": "ERROR"}, ["a", "b"]), decide({"a": "PASS", "c": "WARN"}, ["a"]), decide({}, ["a"])
    ('FAIL', 'PASS', 'FAIL')
    """
    return "PASS" if required and all(statuses.get(name) == PASS for name in required) else "FAIL"


def run_check(check: Callable[[Evidence], Check], evidence: Evidence) -> Check:
    """Run one check; a crash becomes an ERROR that carries the exception's text."""
    try:
        return check(evidence)
    except Exception as error:  # noqa: BLE001 - whatever broke, it is recorded and shuts the gate
        return _result(ERROR, f"the check broke: {type(error).__name__}: {error}")


def _result(status: str, reason: str, value: float | None = None, threshold: float | None = None) -> Check:
    return {
        "status": status,
        "value": None if value is None else float(value),
        "threshold": None if threshold is None else float(threshold),
        "reason": reason,
    }


def _none_of(problems: Sequence[str], clean: str, value: float | None = None) -> Check:
    """PASS with ``clean`` when there is no problem, else FAIL naming the first ones."""
    count = len(problems) if value is None else value
    if not problems:
        return _result(PASS, clean, count, 0)
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return _result(FAIL, "; ".join(problems[:3]) + more, count, 0)


# --------------------------------------------------------------------------------------------------------------------
# Checks that decide


def check_static_scan(e: Evidence) -> Check:
    """Something was scanned and nothing banned was found."""
    scan = e.static_scan
    findings, scanned = len(scan["findings"]), int(scan["scanned_count"])
    if scan["status"] != PASS or findings or not scanned:
        return _result(FAIL, str(scan["reason"]), findings, 0)
    return _result(PASS, f"{scanned} source files scanned, nothing banned in them", 0, 0)


def check_feature_date_audit(e: Evidence) -> Check:
    """Every audited feature read nothing after the cutoff, and every feature of the model was audited."""
    audit = e.date_audit
    if audit.is_empty():
        return _result(FAIL, "the audit lists no feature; materialize feature_date_audit again", 0, 0)
    strange = audit.filter(pl.col("cutoff").cast(pl.String) != e.cutoff.isoformat())
    # A closed set: whatever is not OK, UNKNOWN and new words too, fails.
    bad = audit.filter(pl.col("status").ne_missing("OK")).sort("feature")
    problems = [
        f"feature {name} is {status or 'without a status'}" for name, status in bad.select("feature", "status").rows()
    ]
    read = {"ownership" if name in OWNERSHIP_FEATURES else name for name in e.features}
    unaudited = sorted(read - set(audit["feature"].to_list()))
    problems += [f"{name}, which the model reads, was not audited" for name in unaudited]
    if not strange.is_empty():
        problems.append(f"{strange.height} rows are of another cutoff, {strange['cutoff'][0]}")
    return _none_of(problems, f"{audit.height} features audited, none read anything after {e.cutoff}")


def check_fold_overlap(e: Evidence) -> Check:
    """No customer in two grouped folds: by the audit before training, and by the folds the trainer recorded it used."""
    scores = e.train_scores
    failed = e.overlap.filter(pl.col("status").eq_missing(FAIL))
    problems = [f"the fold audit failed in {failed.height} of {e.overlap.height} folds"] if failed.height else []
    group = scores.filter(pl.col("fold_kind") == "group")
    if not e.is_baseline and (group.is_empty() or e.overlap.is_empty()):
        problems.append("a trained model without recorded grouped folds; materialize the model again")
    used = audit_train_folds(scores, e.overlap)
    problems += [str(finding["reason"]) for finding in used if finding["status"] != PASS]
    split = next(float(finding["value"]) for finding in used if finding["name"] == "group_customer_overlap")
    if e.is_baseline and scores.is_empty():
        return _none_of(problems, "a prevalence baseline: nothing was fitted on folds", split)
    return _none_of(problems, f"{group['customer_id'].n_unique()} customers, each in one grouped fold", split)


def check_label_calendar(e: Evidence) -> Check:
    """Label windows: closed, with the embargo, before the model's cutoff; disjoint between the sides of a time fold."""
    problems = [
        *(["the model was made for another division or cutoff"] if not _is_own_model(e) else []),
        *_unclosed_windows(e),
        *_time_fold_overlaps(e),
    ]
    if not e.training_cutoffs:
        return _none_of(problems, "a prevalence baseline without a closed label window to learn from")
    last = max((w.until for c in e.training_cutoffs for w in e.windows.get(c, [])), default=None)
    folds = e.train_scores.filter(pl.col("fold_kind") == "time")["fold"].n_unique()
    return _none_of(problems, f"labels learned from closed by {last}; label windows disjoint in {folds} time folds")


def _is_own_model(e: Evidence) -> bool:
    return (e.model["division"], _as_date(e.model["cutoff"])) == (e.target.slug, e.cutoff)


def _unclosed_windows(e: Evidence) -> list[str]:
    """Cutoffs the model learned from whose labels it could not know at its own."""
    embargo = e.calendar.embargo_days
    problems = []
    if not e.training_cutoffs and not e.is_baseline:
        problems.append("a trained model that names no cutoff it learned from; materialize the model again")
    scored = {_as_date(c) for c in e.train_scores["cutoff"].unique()}
    for c in sorted(scored - set(e.training_cutoffs)):
        problems.append(f"rows of {c} were scored in training, which the model does not name as learned from")
    for c in e.training_cutoffs:
        windows = e.windows.get(c, [])
        if len(windows) != 1:
            problems.append(f"labels of {c} hold {len(windows)} label windows; exactly one is expected")
        for w in windows:
            if add_days(w.until, embargo) > e.cutoff:
                problems.append(
                    f"labels of {c} run to {w.until}, {embargo} days of embargo after it end past the cutoff {e.cutoff}"
                )
            if w.after < c:
                problems.append(f"the label window of {c} starts on {w.first_day}, inside what features may read")
    return problems


def _time_fold_overlaps(e: Evidence) -> list[str]:
    """Time folds whose training labels share days with the labels they validate on."""
    ends = {c: max(w.until for w in e.windows[c]) for c in e.training_cutoffs if e.windows.get(c)}
    trained_on = {v: train for train, v in time_folds(e.calendar, ends, e.calendar.embargo_days)}
    time = e.train_scores.filter(pl.col("fold_kind") == "time")
    problems = []
    for v in sorted(map(_as_date, time["cutoff"].unique())):
        if v not in trained_on:
            problems.append(f"a time fold validates on {v}, before which no training window had closed")
        for c in trained_on.get(v, []):
            if any(a.overlaps(b) for a in e.windows[c] for b in e.windows[v]):
                problems.append(f"labels of {c} and {v}, the sides of a time fold, share days")
    audited = e.overlap.filter(pl.col("label_calendar_overlap").fill_null(0) > 0)
    if audited.height:
        problems.append(f"the fold audit found shared label days in {audited.height} time folds")
    return problems


def check_feature_provenance(e: Evidence) -> Check:
    """The model reads declared, numeric features of the history, and nothing that is known only afterwards."""
    features = e.features
    if not features:
        if e.is_baseline:
            return _result(PASS, "a prevalence baseline reads no feature", 0, 0)
        return _result(FAIL, "a trained model that names no feature; materialize the model again", 0, 0)
    problems = [f"feature {name} is listed twice" for name in sorted({f for f in features if features.count(f) > 1})]
    problems += [f"feature {name} is a key, context or outcome column" for name in _reserved(e)]
    problems += [
        f"feature {name} has words of an outcome in its name"
        for name in sorted(set(features))
        if _FUTURE_WORDS & set(name.lower().split("_"))
    ]
    for c in e.training_cutoffs:
        if c not in e.history:
            problems.append(f"the history of {c}, which the model names as learned from, was not handed over")
            continue
        schema = _with_ownership(e.history[c].features).schema
        if missing := [f for f in features if f not in schema]:
            problems.append(f"features of {c} lack {missing[0]} ({len(missing)} in all)")
        text = [f for f in features if f in schema and not (schema[f].is_numeric() or schema[f] == pl.Boolean)]
        if text:
            problems.append(f"feature {text[0]} of {c} is {schema[text[0]]}, not a number")
    return _none_of(problems, f"{len(features)} features, all in the matrices of {len(e.training_cutoffs)} cutoffs")


def _reserved(e: Evidence) -> list[str]:
    """Features of the model that are keys, raw context, or columns of the labels."""
    outcome = {c for history in e.history.values() for c in history.labels.columns}
    return sorted(f for f in set(e.features) if f in _KEYS | outcome or f.startswith("context__"))


def check_single_feature_leak(e: Evidence) -> Check:
    """No feature alone tells buyers from the rest: AUC per cutoff over the modelled whitespace, averaged."""
    names = list(dict.fromkeys(e.features))
    if not names:
        return _result(INSUFFICIENT_DATA, "a prevalence baseline reads no feature to judge", None, SINGLE_FEATURE_AUC)
    frames = [_whitespace_rows(e, c, names) for c in e.training_cutoffs]
    buyers = pl.concat([f.filter(pl.col("label") == 1).select("customer_id") for f in frames])["customer_id"].n_unique()
    judged = [f for f in frames if f["label"].n_unique() > 1]
    if buyers < MIN_POSITIVES or not judged:
        return _result(
            INSUFFICIENT_DATA,
            f"{buyers} distinct whitespace buyers in the history; {MIN_POSITIVES} are needed to judge",
            None,
            SINGLE_FEATURE_AUC,
        )
    strength = np.mean([metrics.single_feature_auc(f, names) for f in judged], axis=0)
    best = int(np.argmax(strength))
    value = round(float(strength[best]), 6)
    verdict = FAIL if strength[best] >= SINGLE_FEATURE_AUC else PASS
    advice = "; it knows the answer, find out from when it is" if verdict == FAIL else ""
    return _result(
        verdict, f"strongest feature alone: {names[best]}, AUC {value:.4f}{advice}", value, SINGLE_FEATURE_AUC
    )


def _whitespace_rows(e: Evidence, cutoff: date, names: Sequence[str]) -> pl.DataFrame:
    history = e.history[cutoff]
    rows = history.features.filter(
        (pl.col("ownership") != "owner") & pl.col("segment").is_in(list(e.population.segments))
    )
    return (
        _with_ownership(rows)
        .select("customer_id", *names)
        .join(history.labels.select("customer_id", "label"), on="customer_id", how="inner", maintain_order="left")
    )


def _with_ownership(features: pl.DataFrame) -> pl.DataFrame:
    """The feature frame with the indicators a model derives from its ``ownership`` column."""
    return features.with_columns(
        (pl.col("ownership") == state).alias(name) for name, state in OWNERSHIP_FEATURES.items()
    )


# --------------------------------------------------------------------------------------------------------------------
# Checks that inform


def inform_time_fold_customers(e: Evidence) -> Check:
    """Customers validated at more than one cutoff: by design, because a customer lives through time."""
    time = e.train_scores.filter(pl.col("fold_kind") == "time")
    repeated = time.group_by("customer_id").agg(pl.col("cutoff").n_unique().alias("n")).filter(pl.col("n") > 1).height
    return _result(PASS, f"{repeated} customers repeat across time folds, as they should", repeated)


def inform_fold_gap(e: Evidence) -> Check:
    """AUC on grouped folds minus AUC on time folds, whitespace rows, per cutoff and fold, averaged.

    Grouped folds see other customers of the same period; a large advantage over time folds says that the period itself
    is being learned.
    """
    rows = e.train_scores.filter((pl.col("ownership") != "owner") & pl.col("margin").is_not_null())
    buyers = rows.filter(pl.col("label") == 1)["customer_id"].n_unique()
    group, time = _mean_auc(rows, "group"), _mean_auc(rows, "time")
    if group is None or time is None or buyers < MIN_POSITIVES:
        return _result(
            INSUFFICIENT_DATA, f"{buyers} distinct whitespace buyers, or one kind of fold only", None, FOLD_GAP
        )
    gap = round(group - time, 6)
    words = f"AUC {group:.3f} on grouped folds, {time:.3f} on time folds"
    return _result(WARN if gap > FOLD_GAP else PASS, words, gap, FOLD_GAP)


def _mean_auc(rows: pl.DataFrame, kind: str) -> float | None:
    """AUC within each cutoff and fold, averaged over those with both classes: pooling them would bias it."""
    parts = rows.filter(pl.col("fold_kind") == kind).sort("cutoff", "fold").partition_by("cutoff", "fold")
    values = [v for part in parts if (v := metrics.auc(part["label"], part["margin"])) is not None]
    return float(np.mean(values)) if values else None


CHECKS: Mapping[str, Callable[[Evidence], Check]] = {
    "static_scan": check_static_scan,
    "feature_date_audit": check_feature_date_audit,
    "fold_overlap": check_fold_overlap,
    "label_calendar": check_label_calendar,
    "feature_provenance": check_feature_provenance,
    "single_feature_leak": check_single_feature_leak,
    "time_fold_customers": inform_time_fold_customers,
    "fold_gap": inform_fold_gap,
}


# --------------------------------------------------------------------------------------------------------------------
# Parts


def _as_date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _label_windows(labels: pl.DataFrame) -> list[Window]:
    """The distinct label windows of a labels frame."""
    rows = labels.select("window_start", "window_end").unique().sort("window_start", "window_end").rows()
    return [Window(add_days(_as_date(start), -1), _as_date(end)) for start, end in rows]
