"""Hold, release and purge are carried out and recorded in one place."""

import logging
import random
from collections.abc import Awaitable, Mapping

import pytest

from gateway.connect.fake import FakeConnect
from gateway.connect.retry import RetryingSender
from gateway.control.audit import Actor, Audit, IdentifiedBy, Interface, Value
from gateway.control.operations import (
    CampaignOperations,
    HoldLimitReached,
    InvalidOperation,
    NotOnHold,
    OperationError,
    Operator,
    UnclearName,
    UnknownCampaign,
)
from gateway.control.snapshots import ReplicaSeen, StatusSnapshots
from gateway.core.campaigns.holds import HOLD_LIMIT
from gateway.core.engine import Engine, Limits
from gateway.core.views.campaign_status import CampaignRow, CampaignState
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from gateway.dispatch.dispatcher import Dispatcher
from gateway.telemetry import telemetry_with

INES = Operator(Actor("Ines", IdentifiedBy.CERTIFICATE, Interface.GRPC), "complaints")


class Bench:
    """Operations on a gateway whose clock stands at 100 s."""

    def __init__(self) -> None:
        rng, telemetry = random.Random(1), telemetry_with()
        caller = RetryingSender(FakeConnect(), telemetry, self.now, rng)
        self.dispatcher = Dispatcher(Engine(Limits(), rng), caller, telemetry, self.now)
        self.snapshots = StatusSnapshots(self.dispatcher.rows, self.now)
        self.directory = CampaignDirectory()
        self.events: list[tuple[str, Mapping[str, Value]]] = []
        self.operations = CampaignOperations(
            self.dispatcher.campaign_actions,
            self.snapshots,
            self.now,
            directory=self.directory,
            audit=Audit("gateway-1", lambda name, _, fields: self.events.append((name, fields))),
        )

    def now(self) -> float:
        return 100.0

    def row(self) -> CampaignRow:
        return self.dispatcher.row("debt")


async def test_each_operation_is_recorded_with_operator_and_reason() -> None:
    """Each is an event of one format, with the number of dial requests that it answered."""
    bench = Bench()
    bench.directory.publish(CampaignTable([CampaignEntry("debt", "payment-reminders")]))
    await bench.operations.hold("debt", INES, answering=True)
    await bench.operations.purge("debt", INES)
    await bench.operations.release("debt", Operator(INES.actor, ""))
    common = {
        "actor": "Ines",
        "identified_by": "certificate",
        "interface": "grpc",
        "replica": "gateway-1",
        "campaign": "debt",
        "campaign_name": "payment-reminders",
        "affected": 0,
    }
    assert bench.events == [
        ("campaign.hold", {**common, "reason": "complaints", "answering": True}),
        ("campaign.purge", {**common, "reason": "complaints"}),
        ("campaign.release", {**common, "reason": ""}),
    ]


def test_a_typed_name_is_marked_as_such() -> None:
    """Listings mark it too, since nothing vouches for it."""
    assert Operator(Actor("Ines", IdentifiedBy.TYPED, Interface.CONSOLE), "x").name == "Ines (typed)"
    assert INES.name == "Ines"


@pytest.mark.parametrize("reason", ["", "  "])
async def test_a_hold_and_a_purge_need_a_reason(reason: str) -> None:
    """Whoever sees the campaign later must learn why."""
    bench, operator = Bench(), Operator(INES.actor, reason)
    for error in [
        await _error(bench.operations.hold("debt", operator, answering=False)),
        await _error(bench.operations.purge("debt", operator)),
    ]:
        assert (type(error), str(error)) == (InvalidOperation, "reason: required")
    assert (bench.events, bench.row().hold) == ([], None)


async def test_a_hold_names_its_operator_and_ends_with_its_release() -> None:
    bench = Bench()
    await bench.operations.hold("debt", INES, answering=True)
    hold = bench.row().hold
    assert hold is not None
    assert (bench.row().state, *hold) == (CampaignState.HELD, "Ines", "complaints", 100.0, True)
    await bench.operations.release("debt", INES)
    assert (bench.row().state, bench.row().hold) == (CampaignState.FLOWING, None)


async def test_an_unknown_campaign_needs_to_be_asked_for_in_advance() -> None:
    """A hold or purge of known campaigns only refuses any other: the directory or a listing must have it."""
    bench = Bench()
    for known_only in (
        bench.operations.hold("debt", INES, answering=True, known_only=True),
        bench.operations.purge("debt", INES, known_only=True),
    ):
        assert isinstance(await _error(known_only), UnknownCampaign)
    found = await _error(bench.operations.hold("debt-*", INES, answering=True, known_only=True))
    assert (type(found), str(found)) == (
        InvalidOperation,
        "campaign_id: is a pattern; list its campaigns and name each",
    )
    assert bench.row().hold is None
    bench.directory.publish(CampaignTable([CampaignEntry("debt", "debt north")]))
    await bench.operations.hold("debt", INES, answering=False, known_only=True)
    bench.directory.publish(CampaignTable())
    await bench.operations.purge("debt", INES, known_only=True)  # known by its hold


async def test_a_campaign_may_be_on_a_replica_that_does_not_report() -> None:
    """As long as a replica is missing from listings, no campaign counts as unknown: a hold must not wait."""
    bench = Bench()
    seen = [ReplicaSeen("here", reported=True), ReplicaSeen("away", reported=False)]
    snapshots = StatusSnapshots(bench.dispatcher.rows, bench.now, replicas=lambda: tuple(seen))
    operations = CampaignOperations(
        bench.dispatcher.campaign_actions, snapshots, bench.now, audit=Audit("gateway-1")
    )
    await operations.hold("debt", INES, answering=False, known_only=True)
    assert bench.row().hold is not None
    seen.pop()
    assert not await operations.known("surveys")


async def test_names_of_operations() -> None:
    """A name means its only campaign; each other case has its own exception."""
    bench = Bench()
    assert bench.operations.resolve("debt") == "debt"
    with pytest.raises(UnclearName):
        bench.operations.resolve("name:debt")
    entries = [CampaignEntry("1", "debt"), CampaignEntry("2", "alerts"), CampaignEntry("3", "alerts")]
    bench.directory.publish(CampaignTable(entries))
    assert bench.operations.resolve("name:debt") == "1"
    with pytest.raises(UnclearName):
        bench.operations.resolve("name:alerts")
    with pytest.raises(UnknownCampaign):
        bench.operations.resolve("name:debt", lambda _: False)
    with pytest.raises(InvalidOperation):
        CampaignOperations(
            bench.dispatcher.campaign_actions, bench.snapshots, bench.now, audit=Audit("gateway-1")
        ).resolve("name:debt")


async def test_the_next_snapshot_shows_an_operation() -> None:
    bench = Bench()
    assert (await bench.snapshots.fresh()).rows == {}
    await bench.operations.hold("debt", INES, answering=False)
    assert (await bench.snapshots.fresh()).rows["debt"].state is CampaignState.HELD
    await bench.operations.release("debt", INES)
    assert (await bench.snapshots.fresh()).rows["debt"].state is CampaignState.FLOWING


@pytest.mark.parametrize(
    ("campaign_id", "reason", "rule"),
    [
        ("", "why", "campaign_id: required"),
        ("a b", "why", "campaign_id: at most 256 characters, no white space"),
        ("debt", "x" * 501, "reason: at most 500 characters"),
        ("debt", "\u202egnp", "reason: no control characters"),
        ("debt", "half \ud800", "reason: no control characters"),
    ],
)
async def test_an_invalid_operation_names_field_and_rule_and_does_nothing(
    campaign_id: str, reason: str, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench, operator = Bench(), Operator(INES.actor, reason)
    with caplog.at_level(logging.INFO):
        for error in [
            await _error(bench.operations.hold(campaign_id, operator, answering=True)),
            await _error(bench.operations.purge(campaign_id, operator)),
            await _error(bench.operations.release(campaign_id, operator)),
        ]:
            assert (type(error), str(error)) == (InvalidOperation, rule)
    assert caplog.records == []
    assert (await bench.snapshots.fresh()).rows == {}


async def test_only_a_held_campaign_can_be_released() -> None:
    bench = Bench()
    with pytest.raises(NotOnHold, match="not held here"):
        await bench.operations.release("debt", INES)


async def test_holds_are_limited_in_number() -> None:
    bench = Bench()
    for number in range(HOLD_LIMIT):
        await bench.operations.hold(f"c{number}", INES, answering=False)
    with pytest.raises(HoldLimitReached):
        await bench.operations.hold("debt", INES, answering=False)
    again = Operator(INES.actor, "again")
    await bench.operations.hold("c0", again, answering=True)  # a held one can be changed


async def _error(operation: Awaitable[object]) -> OperationError:
    with pytest.raises(OperationError) as found:
        await operation
    return found.value
