"""The cross-sell lists in prose and small tables, for people who will call the accounts.

Belongs here: words and layout. Does not belong here: who is listed and in which order (`accounts`). Every number is
taken from the lists or counted from them; nothing is rounded up, and what limits the lists is said before it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from gosales_assets.engine.reports.accounts import FALLBACK, GROUPS, RECOMMENDATIONS, Lists, Scope

TOP_ROWS = 10
_EMPTY = "-"


def summary(lists: Lists) -> str:
    """Markdown summary of the lists.

    Parameters
    ----------
    lists
        The three tables and their scope.

    Returns
    -------
    str
        Markdown, ending with a line break.
    """
    sections = [
        _opening(lists),
        _top_table(lists),
        _plays(lists),
        _who_is_listed(lists),
        _limits(lists),
        _how_to_read(lists.scope),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _opening(lists: Lists) -> str:
    scope, accounts = lists.scope, lists.accounts
    title = f"# Cross-sell: the next {_plural(accounts.height, 'account')} to call"
    products = _plural(len(scope.targets), "product line")
    if accounts.is_empty():
        return (
            f"{title}\n\n*As of {_day(scope.cutoff)}.* No account qualifies: of "
            f"{_plural(scope.scored, 'scored account')}, {_n(scope.eligible)} own any of the {products} reported on."
        )
    first, last = accounts["window_start"].min(), accounts["window_end"].max()
    lines = [
        title,
        "",
        f"*As of {_day(scope.cutoff)}. Nothing booked later was used. Chances are for purchases between {_day(first)} "
        f"and {_day(last)}.*",
        "",
        f"Of {_plural(scope.scored, 'account')} with a score, {_n(scope.eligible)} own at least one of the {products} "
        f"reported on. {_n(scope.enterprise)} of these earned a gross profit of {scope.threshold:,.2f} or more over "
        "the last 12 months: the **enterprise accounts** this list is drawn from.",
    ]
    if payoff := _payoff(accounts):
        lines += ["", payoff]
    return "\n".join(lines)


def _payoff(accounts: pl.DataFrame) -> str:
    """What calling the first recommendation of every account promises, beside what an average account would do."""
    offered = accounts.filter(pl.col("best_probability").is_not_null() & pl.col("best_base_rate").is_not_null())
    if offered.is_empty():
        return ""
    expected, average = float(offered["best_probability"].sum()), float(offered["best_base_rate"].sum())
    text = (
        f"**What it is worth.** Offer each account its first recommendation, and if the chances hold about "
        f"**{_about(expected)} of {_n(offered.height)}** will buy it in their window."
    )
    if average > 0:
        text += (
            f" Accounts with the average rate of the same product lines would give about {_about(average)}: "
            f"this list is worth {expected / average:.1f} times that."
        )
    return text


def _top_table(lists: Lists) -> str:
    if lists.accounts.is_empty():
        return ""
    rows = [
        (
            str(r["overall_rank"]),
            _account(r),
            _text(r["current_divisions"]),
            f"**{_text(r['best_division'])}**" if r["best_division"] else _EMPTY,
            _percent(r["best_probability"]),
            _times(r["best_p_multiple"]),
            f"{r['gross_profit_12m']:,.0f}",
        )
        for r in lists.accounts.head(TOP_ROWS).to_dicts()
    ]
    head = ("#", "Account", "Owns", "Offer first", "Chance", "vs average", "Gross profit, 12 months")
    return f"## Start here\n\n{_table(head, rows, '>lll>>>')}"


def _plays(lists: Lists) -> str:
    """Accounts by what to offer them first."""
    offered = lists.accounts.filter(pl.col("best_division").is_not_null())
    if offered.is_empty():
        return ""
    plays = (
        offered.group_by("best_division")
        .agg(
            pl.len().alias("accounts"),
            pl.col("best_probability").sort().mean().alias("chance"),
            pl.col("best_p_multiple").sort().mean().alias("multiple"),
        )
        .sort("accounts", "best_division", descending=[True, False])
    )
    rows = [
        (_text(r["best_division"]), _n(r["accounts"]), _percent(r["chance"]), _times(r["multiple"]))
        for r in plays.to_dicts()
    ]
    head = ("Offer first", "Accounts", "Mean chance", "vs average")
    return f"## The plays\n\n{_table(head, rows, 'l>>>')}"


def _who_is_listed(lists: Lists) -> str:
    scope = lists.scope
    words = {"A": f"own all {len(scope.targets)}", "B": "own several", "C": "own one"}
    listed = {"accounts": lists.accounts, "icp": lists.icp, "whitespace": lists.whitespace}
    rows = [
        (
            f"{group}: {words[group]}",
            _n(scope.groups[group]),
            *(_n(frame.filter(pl.col("group_key") == group).height) for frame in listed.values()),
        )
        for group in GROUPS
    ]
    rows.append(("**Total**", f"**{_n(scope.enterprise)}**", *(f"**{_n(frame.height)}**" for frame in listed.values())))
    head = ("Group, in listing order", "Enterprise accounts", "Base list", "By probability", "By whitespace")
    unlisted = scope.enterprise - lists.accounts.height
    owned = ", ".join(f"{n or 'none'}: {_n(count)}" for n, count in sorted(scope.owned_counts.items()))
    lines = [
        "## Who is on it",
        "",
        _table(head, rows, "l>>>>"),
        "",
        "Accounts that already own several product lines come first, those with one next; accounts that own everything "
        "have nothing left to cross-sell and fill the list only where room is left. "
        f"{_plural(unlisted, 'enterprise account')} did not fit.",
        "",
        f"Scored accounts by number of product lines owned: {owned}. Those that own none are not cross-sell and "
        "are not listed.",
    ]
    return "\n".join(lines)


def _limits(lists: Lists) -> str:
    """What the lists could not use."""
    scope = lists.scope
    notes = []
    if not scope.has_whitespace:
        notes.append(
            f"There was **no whitespace list of {_day(scope.cutoff)}**: both orders rest on the probability alone."
        )
    fallback = lists.whitespace.filter(pl.col("whitespace_best_source") == FALLBACK).height
    if scope.has_whitespace and fallback:
        notes.append(
            f"{_plural(fallback, 'account')} of the whitespace order {_has(fallback)} a best offer without a "
            "whitespace row; it is ranked by the percentile of its probability, on the same scale."
        )
    if scope.not_listed:
        notes.append(
            f"Not offered: {_names(scope.not_listed)}. The whitespace list of this cutoff leaves "
            f"{'them' if len(scope.not_listed) > 1 else 'it'} out, because a gate is shut, no candidate is left, or "
            "too little is known."
        )
    if quiet := [name for name in scope.no_signal if name not in scope.not_listed]:
        notes.append(
            f"Not offered: {_names(quiet)}. The model cannot tell customers apart there, so they carry no grade."
        )
    if scope.not_scored:
        notes.append(f"Not scored at this cutoff: {_names(scope.not_scored)}.")
    if scope.off:
        notes.append(
            f"Chances of {_names(scope.off)} were **off** in the newest validation whose window had closed: read them "
            "as an order, not as a number."
        )
    if scope.unproven:
        notes.append(
            f"Chances of {_names(scope.unproven)} are unproven: no validation with enough purchases had closed by then."
        )
    idle = lists.accounts.filter(pl.col("best_division").is_null()).height
    if idle:
        notes.append(
            f"{_plural(idle, 'listed account')} {_has(idle)} no recommendation: nothing is left to offer them."
        )
    if not notes:
        notes.append("Nothing: every product line was scored with a model that tells customers apart and was listed.")
    return "## What is left out\n\n" + "\n".join(f"- {note}" for note in notes)


def _how_to_read(scope: Scope) -> str:
    names = ", ".join(_text(t.display) for t in scope.targets)
    return "\n".join(
        [
            "## How to read the files",
            "",
            "- **accounts** is the base list: accounts that stand well in both orders, with their rank in each. "
            "**accounts_icp** puts those first that are likeliest to buy what they lack; **accounts_whitespace** also "
            "weighs affinity and value, and says why.",
            "- **Chance** is the calibrated probability of a purchase inside the window, not of a purchase ever. "
            "**vs average** divides it by the average rate of that product line: 3.0x is three times as likely as "
            "usual.",
            f"- **opportunity_score** adds the percentiles of an account's {RECOMMENDATIONS} best offers at most. "
            "Probabilities of different product lines are never added: a good chance of a rare product would drown.",
            "- **Grades** go by percentile within a product line: A from the 90th, B from the 70th, C from the 40th, "
            "D from the 20th. No grade means no signal, not a bad account.",
            "- **winback_divisions** were owned once and lapsed: another conversation than a first offer.",
            f"- Ownership, chances and gross profit are all as of {_day(scope.cutoff)}. Product lines: {names}.",
        ]
    )


# --------------------------------------------------------------------------------------------------------------------
# Words


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A Markdown table; ``align`` holds ``l`` or ``>`` (right) per column."""
    rule = ["---:" if side == ">" else "---" for side in align]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def _account(row: dict[str, Any]) -> str:
    name, key = row["customer_name"], row["customer_id"]
    return _text(f"{name} ({key})" if name else key)


def _text(value: str | None) -> str:
    """Text from data inside a table cell: one line, and nothing that Markdown or HTML would act on."""
    if value is None:
        return _EMPTY
    plain = " ".join(value.split())
    for mark in "\\`*_[]<>|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_text, names))


def _n(count: int) -> str:
    return f"{count:,}"


def _plural(count: int, noun: str) -> str:
    return f"{_n(count)} {noun}" + ("" if count == 1 else "s")


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _about(value: float) -> str:
    """An expected count: whole, but for small ones, where the decimal is most of it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return _EMPTY if value is None else f"{100 * value:.1f} %"


def _times(value: float | None) -> str:
    return _EMPTY if value is None else f"{value:.1f}x"


def _day(value: Any) -> str:
    assert isinstance(value, date)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


#: Not from the locale: the same file on every machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
