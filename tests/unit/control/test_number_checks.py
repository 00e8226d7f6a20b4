"""What those who look numbers up are told, and what the audit record has."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.compliance.number_hash import NumberHash
from gateway.compliance.number_lookup import ListRules, NumberStatus
from gateway.compliance.suppression_list import LiveSuppression, NumberTable, Suppressions
from gateway.control.audit import Actor, Audit, IdentifiedBy, Interface
from gateway.control.number_checks import LOOKED_UP_AT_ONCE, NumberChecked, NumberChecks, NumbersChecked
from gateway.control.operations import InvalidOperation, Operator
from gateway.control.suppressions import Lifetime
from gateway.core.fleet.suppressions import Suppression
from gateway.fleet.membership import ActionResult, SharedStateAway
from gateway.fleet.suppression_sync import SuppressionsRead

NUMBER, OTHER = "+12065550123", "+12065550199"
OFFICER = Operator(Actor("Ines", IdentifiedBy.CERTIFICATE, Interface.GRPC), "request 17")
HASHING = NumberHash(b"key")
ALL = ActionResult(confirmed=("a", "b"))
STATUS = NumberStatus


@dataclass
class Fleet:
    """A fleet that knows what the test sets."""

    known: dict[bytes, Suppression] = field(default_factory=dict)
    found: SuppressionsRead = field(default_factory=lambda: SuppressionsRead(True, ALL, 10))
    is_keyed: bool = True

    def __len__(self) -> int:
        return len(self.known)

    async def keyed(self) -> None:
        if not self.is_keyed:
            raise SharedStateAway

    async def read(self) -> SuppressionsRead:
        return self.found

    def get(self, number_hash: bytes) -> Suppression | None:
        return self.known.get(number_hash)

    def suppress(self, number: str, version: int) -> None:
        number_hash = HASHING.of(number)
        self.known[number_hash] = Suppression(number_hash, "Jon", "asked for it", 5_500, version)


@dataclass
class Bench:
    """Checks of numbers, with or without a fleet, and with one list."""

    fleet: Fleet | None = None
    suppressions: Suppressions = field(default_factory=Suppressions)

    def __post_init__(self) -> None:
        self.suppressions.publish({"dnc": NumberTable([OTHER.encode()])})
        self.checks = NumberChecks(
            self.suppressions,
            HASHING,
            lambda: {"dnc": ListRules(enforced_by=("day",))},
            lambda _: Lifetime.FILE,
            self.fleet,  # type: ignore[arg-type]
            audit=Audit("replica"),
        )

    async def check(self, *numbers: str) -> NumbersChecked:
        return await self.checks.check(numbers, OFFICER)


def statuses(checks: Sequence[NumberChecked]) -> list[NumberStatus]:
    return [one.status for one in checks]


async def test_without_a_fleet_this_process_knows_everything() -> None:
    """Who, why, when and how long are told for operators' suppressions; numbers are told in their order."""
    bench, told = Bench(), LiveSuppression(5.5, "Jon", "asked for it")
    bench.suppressions.live.add(HASHING.of(NUMBER), told)
    done = await bench.check(NUMBER, OTHER, "+12065550101", "nonsense")
    assert statuses(done.checks) == [STATUS.SUPPRESSED, STATUS.LISTED, STATUS.NOT_SUPPRESSED, STATUS.INVALID]
    first, second, *_, last = done.checks
    assert first == NumberChecked(STATUS.SUPPRESSED, HASHING.of(NUMBER).hex(), told, Lifetime.FILE)
    assert (second.lists, second.details, second.lifetime) == (("dnc",), None, None)
    assert last.number_hash == ""
    assert (done.suppressed, done.complete, done.fleet) == (1, True, None)
    assert done.lists == {"dnc": ListRules(enforced_by=("day",))}


async def test_a_fleet_tells_what_all_replicas_have() -> None:
    """A suppression that a replica, or the store, may lack is in force here, and not everywhere."""
    fleet = Fleet()
    for number, version in ((NUMBER, 10), ("+12065550101", 11), ("+12065550102", 0)):
        fleet.suppress(number, version)
    done = await Bench(fleet).check(NUMBER, "+12065550101", "+12065550102", "+12065550103")
    assert statuses(done.checks) == [STATUS.SUPPRESSED] * 3 + [STATUS.NOT_SUPPRESSED]
    assert [one.everywhere for one in done.checks] == [True, False, False, False]
    assert [one.lifetime for one in done.checks] == [Lifetime.SHARED, Lifetime.SHARED, Lifetime.PROCESS, None]
    assert done.checks[0].details == LiveSuppression(5.5, "Jon", "asked for it")
    assert (done.suppressed, done.complete, done.fleet) == (3, True, ALL)


async def test_without_the_shared_state_nothing_is_called_not_suppressed() -> None:
    """What this replica knows is told; what it does not know may be suppressed by another."""
    reach = ActionResult(confirmed=("a",), unconfirmed=("b",))
    fleet = Fleet(found=SuppressionsRead(complete=False, fleet=reach))
    fleet.suppress(NUMBER, 10)
    done = await Bench(fleet).check(NUMBER, OTHER, "+12065550101")
    assert statuses(done.checks) == [STATUS.SUPPRESSED, STATUS.LISTED, STATUS.UNKNOWN]
    assert not done.checks[0].everywhere
    assert (done.complete, done.fleet) == (False, reach)


async def test_without_the_key_of_the_fleet_no_hash_is_told() -> None:
    """It would be another one than that of the fleet."""
    done = await Bench(Fleet(is_keyed=False)).check(NUMBER, OTHER)
    assert statuses(done.checks) == [STATUS.UNKNOWN, STATUS.LISTED]
    assert [one.number_hash for one in done.checks] == ["", ""]
    assert not done.complete


async def test_the_audit_record_has_counts_and_no_number(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.suppressions.live.add(HASHING.of(NUMBER), LiveSuppression(5.5, "Jon", "asked for it"))
    with caplog.at_level(logging.INFO):
        await bench.check(NUMBER, OTHER, "nonsense")
    (event,) = [record.__dict__ for record in caplog.records]
    assert (event["event_name"], event["actor"], event["reason"]) == (
        "number.look_up",
        "Ines",
        "request 17",
    )
    counts = ("numbers", "suppressed", "listed", "not_suppressed", "unknown", "invalid", "complete")
    assert [event[name] for name in counts] == [3, 1, 1, 0, 0, 1, True]
    told = str(event)
    for secret in (NUMBER, OTHER, "nonsense", HASHING.of(NUMBER).hex()):
        assert secret not in told


async def test_a_bad_reason_looks_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO), pytest.raises(InvalidOperation, match="reason: no control"):
        await bench.checks.check([NUMBER], Operator(OFFICER.actor, "a\nb"))
    assert not caplog.records


async def test_other_tasks_run_while_many_numbers_are_looked_up() -> None:
    """The longest call does not stop the event loop."""
    turns, ended = 0, False

    async def count() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await Bench().check(*[NUMBER] * 1_000)
    ended = True
    await counting
    assert turns >= 1_000 / LOOKED_UP_AT_ONCE
