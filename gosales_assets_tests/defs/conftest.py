"""What the tests of the Dagster layer share: one graph of small settings, and quiet runs."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from gosales_assets.definitions import build_definitions
from gosales_assets.defs.stage import Platform
from gosales_assets.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

TREE: dict[str, Any] = {
    "divisions": ["printers", "services"],
    "timeline": {"first_cutoff": "2022-06-30", "last_cutoff": "2024-06-30", "cadence_months": 6},
}


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.load(environ={"GOSALES_CONFIG": ""}, overrides={**TREE, "artifact_root": "memory://unused"})


@pytest.fixture(scope="session")
def platform(settings: Settings) -> Platform:
    return Platform(settings)


@pytest.fixture(scope="session")
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)
