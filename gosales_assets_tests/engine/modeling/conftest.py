from __future__ import annotations

from datetime import date

import pytest

from gosales_assets.engine.modeling.report import Training
from gosales_assets.engine.modeling.rows import History
from gosales_assets_tests.engine.modeling import world


@pytest.fixture(scope="session")
def past() -> dict[date, History]:
    return world.history()


@pytest.fixture(scope="session")
def trained(past: dict[date, History]) -> Training:
    return world.train_on(past)
