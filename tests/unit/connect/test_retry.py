"""The retries of a call: how often, when they stop, and what is reported."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.connect.fake import Delay, FakeConnect, Step
from gateway.connect.port import PutReply
from gateway.connect.retry import BASE_S, LONGEST_S, RetryingSender
from gateway.connect.ticket import Ticket
from gateway.core import errors
from gateway.core.model import Batch, CallReport, DialRequest, Entry, FlushReason, ItemFailure, Source, Waiter
from gateway.telemetry import telemetry_with

NOW = 1000.0


@dataclass
class Bench:
    """A caller before a scripted Connect, on a clock that only pauses move."""

    script: list[Step] = field(default_factory=list)
    permit_takes_s: float = 0.0
    permits_there_are: float = math.inf
    now: float = NOW
    gained_s: float = 0.0
    pauses: list[float] = field(default_factory=list)
    permits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connect = FakeConnect(deque(self.script))
        self.caller = RetryingSender(
            self.connect,
            telemetry_with(),
            lambda: self.now,
            random.Random(3),
            self._sleep,
            lambda: self.now + self.gained_s,
        )

    async def call(self, *, attempts_left: int = 5, give_up_at: float = NOW + 600) -> CallReport:
        return await self.send(batch_of(attempts_left, give_up_at))

    async def send(self, batch: Batch) -> CallReport:
        return await self.caller.call(batch, self._permit)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def _permit(self) -> bool:
        self.now += self.permit_takes_s
        self.permits.append(self.now)
        return len(self.permits) <= self.permits_there_are


def batch_of(attempts_left: int = 5, give_up_at: float = NOW + 600) -> Batch:
    request = DialRequest("c", "t", "+12065550123", {}, NOW + 900, 10)
    entry = Entry(request, give_up_at, [Waiter(Source(), 0)])
    return Batch(1, "c", [entry], FlushReason.FULL, NOW, give_up_at, attempts_left)


def failed(count: int) -> list[Step]:
    return [errors.ConnectFailed() for _ in range(count)]


async def test_a_call_that_succeeds() -> None:
    """A call that succeeds is made once, with no permit asked for and no pause."""
    bench = Bench()
    report = await bench.call()
    assert (report.accepted, report.failure) == ({"t": "id-t"}, None)
    assert (report.attempts, report.counted_attempts, report.uncertain, report.started_at) == (
        1,
        1,
        False,
        NOW,
    )
    assert (bench.permits, bench.pauses) == ([], [])
    assert int(report.trace_id, 16)


async def test_failures_of_items_are_not_retried() -> None:
    """A reply with failed items is a reply."""
    reply = PutReply({}, {"t": ItemFailure.UNKNOWN_ERROR})
    report = await Bench([reply]).call()
    assert (report.failed, report.attempts, report.failure) == (reply.failed, 1, None)


@pytest.mark.parametrize("failure", [errors.ConnectFailed, errors.AnswerLost, errors.ConnectUnreachable])
async def test_a_transient_failure_is_tried_again(failure: type[errors.CallFailure]) -> None:
    """Each further attempt takes a permit, after a pause; the report counts all and remembers the doubt."""
    bench = Bench([failure(), failure()])
    report = await bench.call()
    assert (report.accepted, report.attempts, report.counted_attempts) == ({"t": "id-t"}, 3, 3)
    assert report.uncertain is failure.uncertain
    assert (len(bench.permits), len(bench.pauses)) == (2, 2)
    assert bench.connect.calls == [("c", ("t",))] * 3


async def test_the_attempts_end() -> None:
    """A failure that does not pass ends with the attempts that are left, and is reported as itself."""
    bench = Bench(failed(9))
    report = await bench.call(attempts_left=3)
    assert isinstance(report.failure, errors.ConnectFailed)
    assert (report.attempts, report.counted_attempts, report.uncertain) == (3, 3, True)
    assert len(bench.permits) == 2


@pytest.mark.parametrize(
    "failure",
    [
        errors.RateThrottled(),
        errors.CallInvalid(),
        errors.CampaignNotFound(),
        errors.CampaignNotRunning("Paused"),
        errors.AccessDenied(),
        errors.CallConflict(),
        errors.CallUnexpected(),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_other_failures_are_not_tried_again(failure: errors.CallFailure) -> None:
    """Only transient failures are retried. A throttle is not a counted attempt."""
    bench = Bench([failure])
    report = await bench.call()
    assert report.failure is failure
    assert (report.attempts, report.counted_attempts) == (
        1,
        0 if isinstance(failure, errors.RateThrottled) else 1,
    )
    assert report.uncertain is failure.uncertain


async def test_a_throttle_after_a_failure_keeps_the_doubt() -> None:
    """What an earlier attempt left in doubt stays in doubt, and counts, when a throttle ends the call."""
    report = await Bench([errors.AnswerLost(), errors.RateThrottled()]).call()
    assert isinstance(report.failure, errors.RateThrottled)
    assert (report.attempts, report.counted_attempts, report.uncertain) == (2, 1, True)


async def test_no_pause_reaches_beyond_the_expiry() -> None:
    """No pause is begun that would end at or after the earliest expiry, and no attempt is made there."""
    bench = Bench(failed(1000))
    report = await bench.call(attempts_left=1000, give_up_at=NOW + 5)
    assert bench.now < NOW + 5
    assert 2 <= report.attempts < 1000
    assert len(bench.connect.calls) == report.attempts


async def test_a_permit_that_comes_too_late() -> None:
    """A permit that comes at the expiry is not used: the last failure is reported and nothing is sent."""
    bench = Bench(failed(1), permit_takes_s=5.0)
    report = await bench.call(give_up_at=NOW + 5)
    assert isinstance(report.failure, errors.ConnectFailed)
    assert (report.attempts, len(bench.connect.calls), len(bench.permits)) == (1, 1, 1)


@pytest.mark.parametrize("there_are", [0, 1, 3])
async def test_a_permit_that_is_denied(there_are: int) -> None:
    """A permit that is not to come ends the call at once, with its last failure and all that it counted."""
    bench = Bench([*failed(there_are), errors.ConnectUnreachable()], permits_there_are=there_are)
    report = await bench.call()
    assert isinstance(report.failure, errors.ConnectUnreachable)
    attempts = there_are + 1
    assert (report.attempts, report.counted_attempts, len(bench.connect.calls)) == (
        attempts,
        attempts,
        attempts,
    )
    assert report.uncertain is (there_are > 0)
    assert len(bench.permits) == attempts


async def test_the_pauses_grow_with_full_jitter() -> None:
    """Pauses are drawn between 0 and a bound that doubles up to the longest."""
    bench = Bench(failed(200))
    await bench.call(attempts_left=201)
    bounds = [min(LONGEST_S, BASE_S * 2.0**attempt) for attempt in range(1, 201)]
    assert all(0 <= pause <= bound for pause, bound in zip(bench.pauses, bounds, strict=True))
    assert max(bench.pauses) > 0.9 * LONGEST_S
    assert min(bench.pauses) < 0.1 * LONGEST_S


async def test_the_start_of_the_last_attempt_is_reported() -> None:
    """The report contains the start of its last attempt, which is the time of a throttle."""
    bench = Bench(failed(1))
    report = await bench.call()
    assert report.started_at == NOW + bench.pauses[0]


@pytest.mark.parametrize("gained_s", [-500.0, 500.0])
async def test_setting_the_wall_clock_does_not_move_the_start_of_an_attempt(gained_s: float) -> None:
    """The start is compared with the times of throttles, which do not follow the wall clock."""
    bench = Bench(gained_s=gained_s)
    assert (await bench.call()).started_at == NOW


async def test_an_attempt_that_was_not_made_counts_as_none_and_returns_its_permit() -> None:
    """Without credentials nothing is sent; the report says when that was."""
    report = await Bench([errors.NoCredentials()]).call()
    assert (report.attempts, report.counted_attempts, report.unused) == (0, 0, 1)
    assert (report.uncertain, report.started_at) == (False, NOW)


async def test_an_attempt_starts_when_its_first_byte_leaves() -> None:
    """A connection that takes long to open is no part of an attempt that Connect throttles."""
    opened = asyncio.Event()
    bench = Bench([Delay(opened)])
    call = asyncio.create_task(bench.call())
    await asyncio.sleep(0)
    bench.now = NOW + 3.0
    opened.set()
    assert (await call).started_at == NOW + 3.0


async def test_calls_do_not_share_their_attempts() -> None:
    """Each call has the attempts of its own, however many were made before."""
    bench = Bench(failed(4))
    assert (await bench.call(attempts_left=3)).attempts == 3
    assert (await bench.call(attempts_left=3)).attempts == 2


async def test_the_wall_clock_is_put_forward_while_a_call_is_held_up() -> None:
    """A call whose connection takes long asks the wall clock as its bytes leave, however that was set."""
    opened = asyncio.Event()
    bench = Bench([Delay(opened)])
    call = asyncio.create_task(bench.call())
    await asyncio.sleep(0)
    bench.gained_s = 600.1
    opened.set()
    report = await call
    assert isinstance(report.failure, errors.CallTooLate)
    assert (report.attempts, report.uncertain) == (0, False)


async def test_the_wall_clock_is_put_forward_between_two_attempts() -> None:
    """No further attempt is made of a call that has expired by the wall clock as it stands."""
    bench = Bench([errors.ConnectUnreachable(), errors.ConnectUnreachable()])
    bench.gained_s = 600.0
    report = await bench.call()
    assert isinstance(report.failure, errors.ConnectUnreachable)
    assert report.attempts == 1


# --- revoked calls -----------------------------------------------------------------------------------


async def test_a_call_that_was_revoked_before_it_began_is_not_sent() -> None:
    """A hold may come between the decision to make a call and its first attempt."""
    bench, batch = Bench(), batch_of()
    assert bench.caller.revoke(batch) is True
    batch.revoked = True
    report = await bench.send(batch)
    assert isinstance(report.failure, errors.CallRevoked)
    assert (report.attempts, report.unused, bench.connect.calls) == (0, 1, [])


async def test_a_call_is_revoked_before_its_first_byte_leaves() -> None:
    """Connect certainly received nothing of it."""
    bench, batch = Bench([Delay(asyncio.Event())]), batch_of()
    call = asyncio.create_task(bench.send(batch))
    await asyncio.sleep(0)
    assert bench.caller.revoke(batch) is True
    report = await call
    assert isinstance(report.failure, errors.CallRevoked)
    assert (report.attempts, report.uncertain, bench.connect.calls) == (0, False, [])


async def test_a_call_during_which_the_process_was_paused_is_not_sent() -> None:
    """Its permit is returned, and its requests wait for another call. The next call is sent."""
    bench = Bench()
    noted: list[tuple[float, float]] = []

    def has_paused(now: float, began_at: float) -> bool:
        noted.append((now, began_at))
        return len(noted) == 1

    bench.caller.has_paused = has_paused
    report = await bench.call()
    assert isinstance(report.failure, errors.CallRevoked)
    assert (report.attempts, report.unused, report.uncertain) == (0, 1, False)
    assert noted == [(NOW, NOW)]
    assert (await bench.call()).failure is None


async def test_a_call_whose_bytes_have_left_is_not_revoked() -> None:
    """Its answer still counts."""
    answered = asyncio.Event()
    bench, batch = Bench([answered]), batch_of()
    call = asyncio.create_task(bench.send(batch))
    await asyncio.sleep(0)
    assert bench.caller.revoke(batch) is False
    answered.set()
    assert (await call).accepted == {"t": "id-t"}


@pytest.mark.parametrize("failure", [errors.AnswerLost(), errors.ConnectUnreachable()])
async def test_a_call_is_revoked_between_two_attempts(failure: errors.CallFailure) -> None:
    """No further attempt is made, and its permit is returned. An attempt before may have been carried out."""
    bench, batch = Bench([failure]), batch_of()
    unsent = []

    async def permit() -> bool:
        batch.revoked = True
        unsent.append(bench.caller.revoke(batch))
        return True

    report = await bench.caller.call(batch, permit)
    assert report.failure is failure
    assert (report.attempts, report.unused, report.uncertain) == (1, 1, failure.uncertain)
    assert unsent == [not failure.uncertain]


async def test_a_permit_at_the_instant_of_the_expiry_is_returned() -> None:
    """Nothing is sent at that instant any more."""
    bench = Bench(failed(1))
    batch = batch_of()

    async def permit() -> bool:
        bench.now = batch.give_up_at
        return True

    report = await bench.caller.call(batch, permit)
    assert isinstance(report.failure, errors.ConnectFailed)
    assert (report.attempts, report.unused) == (1, 1)


class RecordingConnect(FakeConnect):
    """Keeps what a sender is given for each attempt."""

    def __init__(self, script: Sequence[Step] = ()) -> None:
        super().__init__(deque(script))
        self.tickets: list[Ticket | None] = []
        self.requests: list[DialRequest] = []

    async def put_dial_requests(
        self, campaign_id: str, requests: Sequence[DialRequest], ticket: Ticket | None = None
    ) -> PutReply:
        self.tickets.append(ticket)
        self.requests += requests
        return await super().put_dial_requests(campaign_id, requests, ticket)


def recording(bench: Bench, *script: Step) -> RecordingConnect:
    """Let a bench send to a Connect that keeps what it is given."""
    connect = RecordingConnect(script)
    bench.caller = RetryingSender(
        connect, telemetry_with(), lambda: bench.now, random.Random(3), bench._sleep
    )
    return connect


@pytest.mark.parametrize("script", [[], [errors.NoCredentials()]])
async def test_no_byte_of_an_attempt_leaves_after_its_end(script: list[Step]) -> None:
    """A thread that is late must not send an attempt that is over."""
    bench = Bench()
    connect = recording(bench, *script)
    await bench.call()
    (ticket,) = connect.tickets
    assert ticket is not None
    with pytest.raises(errors.CallRevoked):
        ticket.leave()


@dataclass
class ClosingAt:
    """A verdict of the guard: the number must not be called from an instant on."""

    instant: float

    def expiration(self, own: float) -> float:
        return min(own, self.instant)


async def test_connect_gets_closing_time_as_the_expiration() -> None:
    """Connect may keep a request for a while, and must not dial it after closing time."""
    bench, batch = Bench(), batch_of()
    connect = recording(bench)
    batch.entries[0].verdict = ClosingAt(NOW + 60.0)  # type: ignore[assignment]
    await bench.send(batch)
    assert [request.expiration for request in connect.requests] == [NOW + 60.0]
