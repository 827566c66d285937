"""The reference of the features says what the declarations say, and is current."""

from __future__ import annotations

from pathlib import Path

from gosales_assets.engine.features import feature_specs
from gosales_assets.engine.features.reference import DIVISION, SKU, reference
from gosales_assets.engine.features.registry import FAMILIES
from gosales_assets.settings import FeatureSettings

USUAL = FeatureSettings()
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def rows() -> dict[str, list[str]]:
    lines = reference(USUAL, USUAL.everything()).splitlines()
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    return {c[0].strip("`"): c for c in cells}


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference(USUAL, USUAL.everything()), "run `gosales docs`"


def test_every_feature_has_its_row() -> None:
    specs = {s.name: s for s in feature_specs(USUAL.everything(), [DIVISION], [SKU])}
    table = rows()
    assert list(table) == list(specs)
    default = {s.name for s in feature_specs(USUAL, [DIVISION], [SKU])}
    assert {name for name, row in table.items() if row[4] == "yes"} == default
    assert {name for name, row in table.items() if row[5] == "yes"} == {n for n, s in specs.items() if s.safe}


def test_everything_is_everything() -> None:
    """Every module of the families builds something when all switches are on, and every one says what it is."""
    from gosales_assets.engine.features.spec import Plan

    plan = Plan.of(USUAL.everything(), [DIVISION], [SKU])
    for family in FAMILIES:
        assert list(family.declare_features(plan)), family.__name__
        assert (family.__doc__ or "").strip(), family.__name__
