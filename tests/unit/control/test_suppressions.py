"""What operators of numbers are told, and what the records have."""

import asyncio
import logging
from dataclasses import dataclass, field

import pytest

from gateway.compliance.number_hash import NumberHash
from gateway.compliance.suppression_list import LiveSuppressions
from gateway.control.audit import Actor, Audit, IdentifiedBy, Interface
from gateway.control.operations import Operator
from gateway.control.suppressions import (
    EndNotShared,
    Lifetime,
    NotSuppressed,
    NumberOperations,
    SuppressionLimitReached,
    SuppressionNotKept,
    SuppressionNotShared,
    SuppressionsUnread,
    SuppressionWriter,
)
from gateway.core.fleet.suppressions import TooManySuppressions
from gateway.fleet.membership import ActionResult, SharedStateAway
from gateway.fleet.suppression_sync import SuppressionResult

NUMBER, OTHER = "+12065550123", "+12065550199"
OPERATOR = Operator(Actor("Ines", IdentifiedBy.CERTIFICATE, Interface.GRPC), "asked for it")


@dataclass
class Fleet:
    """A fleet whose shared state does what the test sets."""

    problem: Exception | None = None
    known: set[bytes] = field(default_factory=set)

    is_keyed: bool = True

    async def keyed(self) -> None:
        if not self.is_keyed:
            raise SharedStateAway

    async def suppress(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult:
        if self.problem is not None:
            raise self.problem
        existed = number_hash in self.known
        self.known.add(number_hash)
        return SuppressionResult(ActionResult(confirmed=("a", "b")), existed)

    async def end(self, number_hash: bytes, actor: str, reason: str) -> SuppressionResult | None:
        if self.problem is not None:
            raise self.problem
        if number_hash not in self.known:
            return None
        self.known.remove(number_hash)
        return SuppressionResult(ActionResult(confirmed=("a",), unconfirmed=("b",)), existed=True)


@dataclass
class Bench:
    """Operations on numbers, with or without a fleet."""

    fleet: Fleet | None = None
    most: int = 10
    file: SuppressionWriter | None = None
    reviews: int = 0
    noted: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.live = LiveSuppressions(self.most)
        self.operations = NumberOperations(
            self.live,
            NumberHash(b"key"),
            self._reviewed,
            lambda: 7.0,
            self.fleet,  # type: ignore[arg-type]
            self.file,
            audit=Audit("replica"),
        )
        self.operations.noted = lambda *told: self.noted.append(told)

    def _reviewed(self) -> None:
        self.reviews += 1


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    found = [record.__dict__ for record in caplog.records if "event_name" in record.__dict__]
    assert NUMBER not in str(found)
    return found


async def test_without_a_fleet_it_lasts_as_long_as_the_process(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO):
        done = await bench.operations.suppress(NUMBER, OPERATOR)
        again = await bench.operations.suppress(NUMBER, OPERATOR)
        await bench.operations.allow(NUMBER, OPERATOR)
        with pytest.raises(NotSuppressed):
            await bench.operations.allow(NUMBER, OPERATOR)
    assert (done.lifetime, done.existed, again.existed, done.fleet) == (Lifetime.PROCESS, False, True, None)
    assert bench.reviews == 3
    assert [event["event_name"] for event in events(caplog)] == [
        "number.suppress",
        "number.suppress",
        "number.allow",
    ]
    number_hash = NumberHash(b"key").of(NUMBER)
    assert bench.noted[0] == (7.0, "suppressed", number_hash, "Ines", "asked for it")
    assert bench.noted[-1][1] == "allowed"


@dataclass
class SlowFile:
    """A file whose lines are on the disk when the test says so, in their order."""

    written: list[bool] = field(default_factory=list)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    may_write: asyncio.Event = field(default_factory=asyncio.Event)
    problem: OSError | None = None

    async def write(self, at: float, number_hash: bytes, actor: str, reason: str, *, ended: bool) -> None:
        async with self.writing:
            await self.may_write.wait()
            if self.problem is not None and not ended:
                raise self.problem
            self.written.append(ended)


@pytest.mark.parametrize("problem", [None, OSError(28, "No space left on device")])
async def test_a_suppression_during_an_end_is_in_force_once_it_returns(problem: OSError | None) -> None:
    """The end was written first, so the suppression counts, in the file and in this process."""
    file = SlowFile(problem=problem)
    bench = Bench(file=file)
    bench.live.add(NumberHash(b"key").of(NUMBER))
    end = asyncio.create_task(bench.operations.allow(NUMBER, OPERATOR))
    again = asyncio.create_task(bench.operations.suppress(NUMBER, OPERATOR))
    await asyncio.sleep(0)
    file.may_write.set()
    await end
    await asyncio.gather(again, return_exceptions=True)
    assert isinstance(again.exception(), SuppressionNotKept if problem else type(None))
    assert NumberHash(b"key").of(NUMBER) in bench.live
    assert file.written == ([True] if problem else [True, False])


async def test_a_limit_displaces_nothing() -> None:
    bench = Bench(most=1)
    await bench.operations.suppress(NUMBER, OPERATOR)
    with pytest.raises(SuppressionLimitReached):
        await bench.operations.suppress(OTHER, OPERATOR)
    assert NumberHash(b"key").of(NUMBER) in bench.live
    fleet = Bench(Fleet(TooManySuppressions()))
    with pytest.raises(SuppressionLimitReached):
        await fleet.operations.suppress(NUMBER, OPERATOR)


async def test_in_a_fleet_the_record_names_the_replicas(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Fleet())
    with caplog.at_level(logging.INFO):
        done = await bench.operations.suppress(NUMBER, OPERATOR)
        await bench.operations.allow(NUMBER, OPERATOR)
        with pytest.raises(NotSuppressed):
            await bench.operations.allow(NUMBER, OPERATOR)
    assert done.lifetime is Lifetime.SHARED
    suppressed, allowed = events(caplog)
    assert (suppressed["confirmed"], suppressed["lifetime"]) == ("a, b", "shared")
    assert (allowed["confirmed"], allowed["unconfirmed"]) == ("a", "b")


async def test_a_replica_without_the_key_of_its_fleet_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its hash of the number would mean nothing to the others."""
    bench = Bench(Fleet(is_keyed=False))
    with caplog.at_level(logging.INFO):
        for act in (bench.operations.suppress, bench.operations.allow):
            with pytest.raises(SuppressionsUnread, match="nothing was changed"):
                await act(NUMBER, OPERATOR)
    assert events(caplog) == []
    assert bench.fleet is not None
    assert not bench.fleet.known


async def test_without_the_shared_state_a_suppression_is_recorded_as_only_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is in force on this replica, so there is an event; the refused end has none."""
    bench = Bench(Fleet(SharedStateAway()))
    with caplog.at_level(logging.INFO):
        with pytest.raises(SuppressionNotShared, match="on this replica only"):
            await bench.operations.suppress(NUMBER, OPERATOR)
        with pytest.raises(EndNotShared, match="stays suppressed"):
            await bench.operations.allow(NUMBER, OPERATOR)
    (event,) = events(caplog)
    assert (event["event_name"], event["only_here"]) == ("number.suppress", True)
