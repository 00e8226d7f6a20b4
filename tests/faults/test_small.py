"""Every fault run, small: processes that end and begin again, and a history in which every rule holds."""

import shutil

import pytest

from tests.faults.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_fault_run(name: str) -> None:
    """Whatever happens behind the gateway, to it or before it: all is answered, truthfully and in time."""
    if name == "proxy-kills" and shutil.which("haproxy") is None:
        pytest.skip("no haproxy here")
    finding = await SCENARIOS[name].small()
    assert not finding.failed, f"{finding}\n{finding.verdict}"
