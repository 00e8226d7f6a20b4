"""Every fault run at its small size: processes end and restart, and every rule of the history holds."""

import asyncio

import pytest

from gateway.settings import SenderName
from tests.faults.proxies import PROXIES, absent
from tests.faults.scenarios import BEHIND_EACH, SCENARIOS
from tests.senders import VARIABLE

BEHIND = [name for name in BEHIND_EACH if name != "proxy-reloads"]
"""Proxies send GOAWAY when they are reloaded."""
ALONE = [name for name in SCENARIOS if not name.endswith(PROXIES)]


OF_CALLS: list[tuple[str, SenderName]] = [("unreliable", "boto3"), ("connect-kills", "boto3")]
"""Fault runs in which calls fail, with the sender that is not the default. `python -m tests.faults` runs all
with both."""


@pytest.mark.parametrize(("name", "sender"), [*((name, "direct") for name in ALONE), *OF_CALLS])
@pytest.mark.timed
async def test_a_fault_run(name: str, sender: SenderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request gets a true answer in time, although the gateway, the network and Connect fail."""
    monkeypatch.setenv(VARIABLE, sender)
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
