"""Spread the tests over the workers of pytest-xdist: which tests share a worker, and which start first.

Without `-n` this changes only the order.
"""

import pytest

GROUPS = {"packaging/": "packaging", "console/test_console.py": "console", "console/test_port.py": "port"}
"""Files and folders whose tests share an expensive fixture, and the name of their group."""


def group_of(nodeid: str) -> str | None:
    """Return the group of a test, or None for a test that may run on any worker."""
    place = nodeid.removeprefix("tests/")
    return next((group for start, group in GROUPS.items() if place.startswith(start)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of each group, and move them to the front: a group that starts late ends late."""
    for item in items:
        if group := group_of(item.nodeid):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: group_of(item.nodeid) is None)
