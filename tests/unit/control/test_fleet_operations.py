"""Operations of a fleet say which replicas have carried them out, and are refused where they must be."""

import logging
from collections.abc import Awaitable

import pytest

from gateway.api.operation_call import REASONS as GRPC_REASONS
from gateway.api.wire import campaigns as wire
from gateway.control.audit import Actor, Audit, IdentifiedBy, Interface
from gateway.control.console_view import _STATUS as HTTP_STATUS
from gateway.control.operations import (
    CampaignOperations,
    HoldLimitReached,
    NotOnHold,
    OperationError,
    OperationResult,
    Operator,
    ReleaseNotShared,
)
from gateway.control.snapshots import StatusSnapshots
from gateway.core.campaigns.holds import HOLD_LIMIT
from gateway.core.fleet.messages import FleetAction, FleetActionKind
from gateway.fleet.membership import ActionResult
from tests.unit.dispatch.test_dispatcher import Owner
from tests.unit.fleet.test_control import Replica, fleet_of

INES = Operator(Actor("Ines", IdentifiedBy.CERTIFICATE, Interface.GRPC), "complaints")


def operations_of(replica: Replica) -> CampaignOperations:
    dispatcher = replica.bench.dispatcher
    snapshots = StatusSnapshots(dispatcher.rows, replica.now)
    return CampaignOperations(
        dispatcher.campaign_actions, snapshots, replica.now, replica.control, audit=Audit("gateway-1")
    )


async def finished(replica: Replica, operation: Awaitable[OperationResult]) -> OperationResult:
    """Exchange beats until an operation is done."""
    results: list[OperationResult] = []

    async def noted() -> ActionResult:
        results.append(await operation)
        return ActionResult()

    await replica.fleet.done(noted())
    return results[0]


async def test_the_audit_record_names_the_replicas(caplog: pytest.LogCaptureFixture) -> None:
    async with fleet_of("a", "b", "c") as fleet:
        a = fleet.replicas["a"]
        fleet.replicas["c"].reachable = False
        a.bench.dispatcher.submit(Owner().arrivals(3))
        fleet.replicas["b"].bench.dispatcher.submit(Owner().arrivals(4))
        operations = operations_of(a)
        with caplog.at_level(logging.INFO, "gateway.control.audit"):
            done = await finished(a, operations.hold("c", INES, answering=True))
            await finished(a, operations.purge("c", INES))
            await finished(a, operations.release("c", INES))
        assert done == OperationResult(7, ActionResult(7, ("a", "b"), ("c",)))
    held, purged, released = (line.__dict__ for line in caplog.records)
    assert (held["affected"], purged["affected"]) == (7, 0)
    for line in (held, purged, released):
        assert (line["campaign"], line["actor"], line["reason"]) == ("c", "Ines", "complaints")
        assert (line["confirmed"], line["unconfirmed"], line["only_here"]) == ("a, b", "c", False)


async def test_the_wire_names_the_replicas() -> None:
    message = wire.confirmation(ActionResult(7, ("a", "b"), ("c",), only_here=True))
    assert message is not None
    assert list(message.confirmed_replicas) == ["a", "b"]
    assert list(message.unconfirmed_replicas) == ["c"]
    assert message.only_here
    assert wire.confirmation(None) is None


async def test_what_a_fleet_refuses() -> None:
    """No hold to release, too many holds, and a release without the store; each has a status."""
    async with fleet_of("a") as fleet:
        a = fleet.replicas["a"]
        operations = operations_of(a)
        refused: list[OperationError] = []
        with pytest.raises(NotOnHold) as first:
            await operations.release("c", INES)
        for number in range(HOLD_LIMIT):
            fleet.rules.act(fleet.now_ms(), FleetAction(FleetActionKind.HOLD, f"c{number}", "Ines", ""))
        with pytest.raises(HoldLimitReached) as second:
            await operations.hold("c", INES, answering=False)
        a.reachable = False
        with pytest.raises(ReleaseNotShared, match="the campaign stays held") as third:
            await operations.release("c1", INES)
        refused = [first.value, second.value, third.value]
    assert {type(error) for error in refused} <= GRPC_REASONS.keys() & HTTP_STATUS.keys()
