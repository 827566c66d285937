"""What a contract found: the engine's word for the result of a check, before Dagster sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class Finding:
    """Result of judging one rule on one table.

    Attributes
    ----------
    table
        Name of the artifact judged (`fact_transactions`).
    check
        Name of the check (`contract_conservation`), unique per table.
    passed
        Whether the rule holds.
    severity
        ``ERROR`` stops everything downstream, ``WARN`` is recorded.
    reason
        One sentence: what was found where, and what to do. Empty when it passed.
    metadata
        Counts and examples: plain JSON values.
    """

    table: str
    check: str
    passed: bool
    severity: Severity = "ERROR"
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        return not self.passed and self.severity == "ERROR"


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that stop what is downstream."""
    return [f for f in findings if f.blocks]


def refuse_unknown(setting: str, chosen: Iterable[str], known: Collection[str], what: str) -> None:
    """Refuse a severity for what does not exist: it would leave the one that was meant as it is.

    Parameters
    ----------
    setting
        Dotted key of the setting, for the message.
    chosen
        Names the setting holds.
    known
        Names that exist.
    what
        What they are names of.

    Raises
    ------
    ValueError
        Naming the first unknown one, the nearest known, and all that are known.
    """
    if unknown := sorted(set(chosen) - set(known)):
        names = sorted(known)
        near = get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"{setting} names the unknown {what} {unknown[0]!r}{hint} Known: {', '.join(names)}")
