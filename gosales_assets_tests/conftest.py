"""What all tests share: their order, and no deadline for a property, whose time is that of a busy machine."""

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, so that several processes end together."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
