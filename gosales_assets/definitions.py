"""Front door: settings in, `dagster.Definitions` out.

`build_definitions` makes a graph for any settings; tests swap settings and resources, not code. `defs` is what Dagster
loads: the settings of the working directory.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from gosales_assets.catalog import CATALOG
from gosales_assets.defs import automation
from gosales_assets.defs.assets import (
    diagnostics,
    features,
    labels,
    leakage,
    models,
    observability,
    reports,
    rollups,
    scores,
    sources,
    star,
    validation,
    whitespace,
)
from gosales_assets.defs.checks import gates, quality
from gosales_assets.defs.guard import register_gates
from gosales_assets.defs.stage import Platform
from gosales_assets.defs.storage import ArtifactIOManager, resolved_yaml
from gosales_assets.settings import Settings

# Partitioned asset checks are in preview in this Dagster; the guard's contract test pins what is relied upon.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

_ASSETS = (
    sources,
    star,
    labels,
    features,
    leakage,
    models,
    scores,
    whitespace,
    validation,
    observability,
    rollups,
    reports,
    diagnostics,
)
_CHECKS = (gates, quality)


def build_definitions(
    settings: Settings | None = None,
    *,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """The asset graph of a configuration.

    Parameters
    ----------
    settings
        The settings in force; by default those of the working directory and environment.
    resources
        Replaces resources by name (``io_manager``).
    executor
        Replaces the in-process executor.

    Returns
    -------
    dagster.Definitions
        Assets, checks, jobs, schedules and sensors; nothing of the data is read.
    """
    platform = Platform(settings or Settings.load())
    conditions = {dg.AssetKey(a.key): automation.condition_of(a) for a in CATALOG.values()}

    def conditioned(spec: dg.AssetSpec) -> dg.AssetSpec:
        condition = conditions.get(spec.key)
        return spec.replace_attributes(automation_condition=condition) if condition else spec

    gates_name = platform.settings.digest()
    manager = ArtifactIOManager(
        artifact_root=platform.settings.artifact_root,
        gates=gates_name,
        config_resolved=resolved_yaml(platform.settings.resolved()),
    )
    definitions = dg.Definitions(
        assets=[dg.map_asset_specs(conditioned, [asset])[0] if isinstance(asset, dg.AssetsDefinition) else asset
                for module in _ASSETS for asset in module.build(platform)],
        asset_checks=[check for module in _CHECKS for check in module.build(platform)],
        jobs=automation.jobs(platform),
        schedules=automation.schedules(platform),
        sensors=[automation.sensor()],
        resources={"io_manager": manager, **(resources or {})},
        executor=executor or dg.in_process_executor,
    )  # fmt: skip
    register_gates(gates_name, definitions.resolve_asset_graph())
    return definitions


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions()
