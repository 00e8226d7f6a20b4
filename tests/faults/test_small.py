"""Every fault run, small: processes that end and begin again, and a history in which every rule holds."""

import pytest

from tests.faults.proxies import absent
from tests.faults.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_fault_run(name: str) -> None:
    """Whatever happens behind the gateway, to it or before it: all is answered, truthfully and in time."""
    if SCENARIOS[name].behind_a_proxy and (reason := absent()):
        pytest.skip(reason)
    finding = await SCENARIOS[name].small()
    assert not finding.failed, f"{finding}\n{finding.verdict}"
