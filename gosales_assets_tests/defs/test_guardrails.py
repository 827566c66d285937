"""The guardrails of a training as checks of its own step, with severities from the settings."""

import dagster as dg
import pytest

from gosales_assets.catalog import CATALOG
from gosales_assets.definitions import build_definitions
from gosales_assets.engine.modeling.guardrails import GUARDRAILS, described
from gosales_assets.settings import Settings

CARD = dg.AssetKey(CATALOG["models/model_card"].key)


def checks(**severity: str) -> dict[str, dg.AssetCheckSpec]:
    settings = Settings.load(environ={"GOSALES_CONFIG": ""}, overrides={"gates": {"severity": severity}})
    definitions = build_definitions(settings)
    specs = [
        spec
        for asset in definitions.assets or []
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
        if spec.asset_key == CARD
    ]
    return {spec.name: spec for spec in specs}


def test_every_guardrail_is_a_check_of_the_step_that_trains() -> None:
    found = checks()
    assert set(found) == {"contract_schema", *(f"guardrail_{name}" for name in GUARDRAILS)}
    assert all(found[name].description == text for name, text in described().items())
    assert {name for name, spec in found.items() if spec.blocking} == {
        "contract_schema",
        "guardrail_leak_names",
        "guardrail_leak_auc",
    }


@pytest.mark.parametrize(("severity", "blocks"), [("ERROR", True), ("WARN", False)])
def test_severity_is_a_setting(severity: str, blocks: bool) -> None:
    for name in ("guardrail_signal", "guardrail_leak_auc"):
        assert checks(**{name: severity})[name].blocking is blocks


def test_a_severity_of_no_check_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown check 'gate_leakge'; did you mean 'gate_leakage'"):
        checks(gate_leakge="WARN")
