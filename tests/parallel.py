"""Spread the tests over the workers of pytest-xdist: which tests share a worker, and which start first.

Without `-n` this changes only the order.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2s
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest

SHARING = (
    "console/test_campaign_changes.py",
    "shared_state/test_agreement.py",
    "shared_state/test_conditions_agreement.py",
    "shared_state/test_contacts_agreement.py",
    "shared_state/test_control_agreement.py",
    "shared_state/test_ledger_agreement.py",
    "shared_state/test_quota_agreement.py",
    "shared_state/test_suppressions_agreement.py",
)
"""Files with many short tests that share a server. On several workers, nearly each would start its own."""
GROUPS = {
    "packaging/": "packaging",
    "faults/test_small.py::test_a_fault_run_behind_each_proxy": "faults behind proxies",
    "faults/test_pinned_proxies.py": "pinned proxies",
    "faults/test_small.py::test_a_fault_run[fleet": "faults of a fleet",
    "faults/test_soak.py": "soaks",
    "faults/": "faults",
    "peers/": "peers",
    "console/test_console.py": "console",
    "console/test_fleet_console.py": "console of a fleet",
    "console/test_port.py": "console's port",
    "cancellation/test_dial_session.py": "cancelled sessions",
    "cancellation/test_dispatch.py": "cancelled calls",
    "cancellation/test_connect.py": "cancelled senders",
    **{file: file for file in SHARING},
}
"""Tests by the start of their id, and the name of their group. The first that fits counts.

The tests of a group share something that is expensive to make, or keep the machine so busy that they
should run one after another.
"""
FIRST_GROUPS, NEXT_GROUP = 4, 0.02
"""How many groups start at once, and the part of the other tests after which the next one starts. Most groups
keep the machine busy: all of them at once would make tests fail that depend on time."""
LONGEST = (
    "shared_state/test_cluster_promotions.py",
    "deploy/test_helm.py",
    "client/test_dialctl_real_gateway.py",
    "client/test_restarts.py",
    "client/test_in_doubt.py",
    "client/test_dialctl_killed.py",
    "client/test_dialctl_next_run.py",
    "client/test_dialctl_check.py",
    "client/test_channels.py",
    "docs/test_blocks.py",
    "integration/test_fleet_demo.py",
    "integration/test_connect_calls.py",
    "integration/test_stream_age.py",
    "integration/test_drain.py",
    "integration/test_bounds.py",
    "integration/test_stderr.py",
    "integration/test_collectors.py",
    "cancellation/",
)
"""Files and folders with tests that take many seconds. They start early, so that none is left at the end."""
COMPUTING = ("fuzz/", "history/", "simulation/", "unit/")
"""Folders with tests that compute and do not wait. They are spread evenly among the others, which mostly wait
for processes and servers: so there is always something to compute."""


def group_of(nodeid: str) -> str | None:
    """Return the group of a test, or None for a test that may run on any worker."""
    place = nodeid.removeprefix("tests/")
    return next((group for start, group in GROUPS.items() if place.startswith(start)), None)


def rank_of(nodeid: str) -> int:
    """Return a number by which tests are put in order: first the groups, then long tests, then the rest."""
    if (group := group_of(nodeid)) is not None:
        return list(GROUPS.values()).index(group)
    place = nodeid.removeprefix("tests/")
    long = next((rank for rank, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))
    return len(GROUPS) + long


def in_order(nodeids: Sequence[str]) -> list[str]:
    """Return tests in the order in which they start."""
    computing = sorted(filter(_computes, nodeids), key=_shuffled)
    waiting = [nodeid for nodeid in nodeids if not _computes(nodeid)]
    grouped = sorted((nodeid for nodeid in waiting if group_of(nodeid) is not None), key=rank_of)
    single = [nodeid for nodeid in waiting if group_of(nodeid) is None]
    single.sort(key=lambda nodeid: (rank_of(nodeid), _shuffled(nodeid)))
    places = merge(_staggered(grouped), _spread(single), _spread(computing), key=itemgetter(0))
    return [nodeid for _, nodeid in places]


def _computes(nodeid: str) -> bool:
    return nodeid.removeprefix("tests/").startswith(COMPUTING)


def _shuffled(nodeid: str) -> bytes:
    """Return what puts tests in an order that mixes those of all files: long tests are in few files."""
    return blake2s(nodeid.encode()).digest()


def _spread(nodeids: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Yield tests with places from 0 to 1, at equal distances."""
    return ((place / len(nodeids), nodeid) for place, nodeid in enumerate(nodeids))


def _staggered(nodeids: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Yield tests of groups, in order, with the place of their group."""
    for number, (_, tests) in enumerate(groupby(nodeids, group_of)):
        place = NEXT_GROUP * max(0, number - FIRST_GROUPS + 1)
        yield from ((place, nodeid) for nodeid in tests)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they start."""
    places = {nodeid: place for place, nodeid in enumerate(in_order([item.nodeid for item in items]))}
    items.sort(key=lambda item: places[item.nodeid])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out each group as a whole and every other test by itself.

    `--dist loadgroup` would do this by marks, but pytest-xdist 3.8 writes the names of the groups into an
    attribute that pytest 9.2 does not read.
    """
    from xdist.scheduler import LoadScopeScheduling  # is there only for runs with workers

    class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # it has no types
        """Takes groups for scopes."""

        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid) or nodeid

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            """Forget a scope that is done: the base class goes through all of them after each test."""
            nodeid = self.registered_collections[node][item_index]
            super().mark_test_complete(node, item_index, duration)
            assigned, scope = self.assigned_work[node], self._split_scope(nodeid)
            if all(assigned[scope].values()):
                del assigned[scope]

    return GroupScheduling(config, log)
