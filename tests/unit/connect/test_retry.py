"""The retries of a call: how often, when they stop, and what is reported."""

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from gateway.connect.fake import Delay, FakeConnect, Step
from gateway.connect.port import PutReply
from gateway.connect.retry import BASE_S, LONGEST_S, RetryingSender
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
        request = DialRequest("c", "t", "+12065550123", {}, NOW + 900, 10)
        entry = Entry(request, give_up_at, [Waiter(Source(), 0)])
        batch = Batch(1, "c", [entry], FlushReason.FULL, NOW, give_up_at, attempts_left)
        return await self.caller.call(batch, self._permit)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def _permit(self) -> bool:
        self.now += self.permit_takes_s
        self.permits.append(self.now)
        return len(self.permits) <= self.permits_there_are


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
