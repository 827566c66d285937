"""The reference of all features, for people: ``docs/features.md``, made of the declarations.

Belongs here: the form of that document. Does not belong here: any fact about a feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gosales_assets.engine.features.registry import FAMILIES
from gosales_assets.engine.features.spec import FeatureSpec, Plan

if TYPE_CHECKING:
    from gosales_assets.settings import FeatureSettings

#: Stand for any division and any SKU of a taxonomy.
DIVISION, SKU = "DIVISION", "SKU"

_HEAD = """# Features

Generated from the declarations in `gosales_assets/engine/features/families` by `gosales docs`; do not edit.

A name is `family__scope__metric__window`. Scope `all` is over every line of the customer, `div` speaks of the target.
`division`, `sku`, `industry`, `sub_industry` and `branch` in a name stand for any one: there is a column for each
division and SKU of the taxonomy, and for each industry and branch the settings name. Settings and taxonomy alone decide
which columns there are, never the data: two cutoffs have the same ones.

- **Window**: the months that are read; `-60d` ends 60 days before the cutoff. Empty is the whole history.
- **Empty is**: `0` when nothing booked is a known zero, `unknown` when it is null.
- **Default**: built without any setting. `features.*` in [settings.md](settings.md) switches the others on.
- **SAFE**: does not say mainly what happened close to the cutoff; a model in SAFE mode reads no other.
- **Others**: rests on lines of other customers and products too.

Industries carry no date: the industry of a customer known at the cutoff counts as the customer dimension has it now, so
that a later rename reaches back. Of customers first seen after the cutoff nothing is read.
"""


def reference(usual: FeatureSettings, everything: FeatureSettings) -> str:
    """The document.

    Parameters
    ----------
    usual
        The default settings.
    everything
        Settings with every family on.
    """
    plan, default = (Plan.of(settings, [DIVISION], [SKU]) for settings in (everything, usual))
    sections = [_HEAD]
    for family in FAMILIES:
        specs = [f.spec for f in family.declare_features(plan)]
        on = {f.spec.name for f in family.declare_features(default)}
        if specs:
            title = (family.__doc__ or "").partition("\n")[0].rstrip(".")
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(s.family for s in specs))
            sections.append("\n".join([f"## {title}", "", f"Family {names}.", "", *_table(specs, on)]) + "\n")
    return "\n".join(sections)


def _table(specs: list[FeatureSpec], on: set[str]) -> Iterator[str]:
    headings = ("Feature", "Window", "Sources", "Empty is", "Default", "SAFE", "Others", "Meaning")
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join('---' for _ in headings)} |"
    for s in specs:
        cells = (
            f"`{s.name}`",
            _window(s),
            s.source,
            {"zero": "0", "null": "unknown", "known": "never"}[s.null_policy],
            _mark(s.name in on),
            _mark(s.safe),
            _mark(s.pooled),
            s.description.replace("|", "\\|") + (" May speak of days after the cutoff." if s.known_forward else ""),
        )
        yield f"| {' | '.join(cells)} |"


def _window(spec: FeatureSpec) -> str:
    months = "" if spec.window_months is None else f"{spec.window_months}m"
    return f"{months} -{spec.lag_days}d" if spec.lag_days else months


def _mark(yes: bool) -> str:
    return "yes" if yes else ""
