"""The scenarios run behind each proxy whose configuration is published."""

import pytest

from conformance.bad_input import newer_gateway
from conformance.refusals import not_named_by_the_policy
from conformance.worlds import Clients
from tests.faults.any_proxy import NAMES, absent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timed
async def test_a_client_behind_a_proxy(name: str) -> None:
    """Answers that only a newer gateway gives, and the refusal of a caller, arrive as without a proxy."""
    if reason := absent(name):
        pytest.skip(reason)
    for scenario in (newer_gateway, not_named_by_the_policy):
        finding = (await scenario(Clients(["python"], name)))["python"]
        assert not finding.failed, str(finding)
