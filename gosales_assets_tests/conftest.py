"""What all tests share: their order."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, so that several processes end together."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
