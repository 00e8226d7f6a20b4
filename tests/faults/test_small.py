"""Every fault run at its small size: processes end and restart, and every rule of the history holds."""

import asyncio

import pytest

from tests.faults.proxies import PROXIES, absent
from tests.faults.scenarios import BEHIND_EACH, SCENARIOS

BEHIND = [name for name in BEHIND_EACH if name != "proxy-reloads"]
"""Proxies send GOAWAY when they are reloaded."""
ALONE = [name for name in SCENARIOS if not name.endswith(PROXIES)]


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.timed
async def test_a_fault_run(name: str) -> None:
    """With failures of, around and behind the gateway, all is answered, truthfully and in time."""
    if SCENARIOS[name].behind_a_proxy and (reason := absent()):
        pytest.skip(reason)
    await _run(name)


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.timed
async def test_a_fault_run_behind_each_proxy(name: str) -> None:
    """The same holds behind real proxies; both run at once, since they mostly wait."""
    if reason := absent():
        pytest.skip(reason)
    async with asyncio.TaskGroup() as group:
        for proxy in PROXIES:
            group.create_task(_run(f"{name}-{proxy}"))


async def _run(name: str) -> None:
    finding = await SCENARIOS[name].small()
    assert not finding.failed, f"{finding}\n{finding.verdict}"
