"""The shell around the core, with a Connect in memory and a manual clock."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.connect.fake import FakeConnect, Step
from gateway.connect.port import CallSender
from gateway.connect.retry import RetryingSender
from gateway.core.engine import Engine, Limits
from gateway.core.errors import ConnectFailed
from gateway.core.model import Batch, CallReport, DialRequest, Settled, Source, Waiter
from gateway.dispatch.dispatcher import Dispatcher
from gateway.telemetry import telemetry_with

NOW = 1000.0
SECRET = "secret-of-a-library"


@dataclass
class Owner:
    """A caller that records its answers."""

    source: Source = field(default_factory=Source)
    told: list[Settled] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        self.source.owner = self

    def deliver(self, settled: Settled) -> None:
        self.told.append(settled)

    def notify(self, campaign_id: str, notice: object) -> None:
        pass

    def arrivals(self, count: int, campaign: str = "c") -> list[tuple[Waiter, DialRequest]]:
        numbers = range(self.taken, self.taken + count)
        self.taken += count
        return [
            (
                Waiter(self.source, number),
                DialRequest(campaign, f"t-{number}", "+12065550123", {}, NOW + 600, 10),
            )
            for number in numbers
        ]

    @property
    def outcomes(self) -> list[str]:
        return [f"{answer.outcome.name} {answer.reason.name}" for *_, answer in self.told]


class Raising:
    """A caller of Connect with a bug."""

    async def call(self, batch: Batch, permit: Callable[[], Awaitable[bool]]) -> CallReport:
        """Raise an unexpected error."""
        raise KeyError(SECRET)

    def revoke(self, batch: Batch) -> bool:
        """Report that it is unknown whether anything was sent."""
        return False

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Raise it here too."""
        raise KeyError(SECRET)


async def turns() -> None:
    """Give all tasks turns of the event loop until they wait."""
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass
class Bench:
    """A running dispatcher with its parts."""

    dispatcher: Dispatcher
    engine: Engine
    connect: FakeConnect
    now: list[float]

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due then."""
        self.now[0] += seconds
        self.dispatcher.submit([])  # any event wakes it; its own alarms hang on the loop's clock
        await turns()


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def running(*script: Step, caller: CallSender | None = None, **limits: Any) -> AsyncIterator[Bench]:
    """Run a dispatcher, by default without linger and without a call limit."""
    now, rng, telemetry, connect = [NOW], random.Random(1), telemetry_with(), FakeConnect(deque(script))
    engine = Engine(Limits(**{"call_rate": 0.0, "linger_s": 0.0, **limits}), rng)
    caller = caller or RetryingSender(connect, telemetry, lambda: now[0], rng, _no_pause)
    dispatcher = Dispatcher(engine, caller, telemetry, lambda: now[0])
    task = asyncio.create_task(dispatcher.run())
    try:
        yield Bench(dispatcher, engine, connect, now)
    finally:
        dispatcher.abandon()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_submitted_is_sent_and_answered() -> None:
    """Requests leave in calls of 25 and the rest, and each is answered to its owner."""
    async with running() as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(60))
        await turns()
        assert owner.outcomes == ["ACCEPTED NONE"] * 60
        assert [len(tokens) for _, tokens in bench.connect.calls] == [25, 25, 10]


async def test_a_bug_in_a_call_settles_everything(caplog: pytest.LogCaptureFixture) -> None:
    """After any error in a call its requests are UNKNOWN, and neither log nor answer repeats its text."""
    async with running(caller=Raising()) as bench:
        owner = Owner()
        with caplog.at_level(logging.DEBUG):
            bench.dispatcher.submit(owner.arrivals(30))
            await turns()
        assert owner.outcomes == ["UNKNOWN CONNECT_ERROR"] * 30
        assert "KeyError" in caplog.text
        assert SECRET not in caplog.text + "".join(settled.answer.detail for settled in owner.told)
        assert bench.engine.outstanding == 0


async def test_abandon_answers_everything() -> None:
    """Requests in a call are UNKNOWN, waiting ones NOT_ACCEPTED. The late result of a call has no effect."""
    hanging = asyncio.Event()
    async with running(hanging, concurrent_calls=1) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        bench.dispatcher.abandon()
        assert sorted(owner.outcomes) == ["NOT_ACCEPTED DRAINING"] * 5 + ["UNKNOWN DRAINING"] * 25
        hanging.set()
        await turns()
        await asyncio.wait_for(bench.dispatcher.drained(), 1)
        assert len(owner.told) == 30
        assert bench.engine.calls_in_flight == 0


async def test_a_drain_sends_what_it_can() -> None:
    """A drain ends the linger, sends until shortly before the grace ends, then answers the rest."""
    async with running(call_rate=10.0, call_burst=1.0, linger_s=60.0) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(60))
        await turns()
        assert len(bench.connect.calls) == 1
        bench.dispatcher.drain(5.0)
        drained = asyncio.create_task(bench.dispatcher.drained())
        await bench.advance(0.1)
        assert (len(bench.connect.calls), drained.done()) == (2, False)
        await bench.advance(0.1)
        assert drained.done()
        assert owner.outcomes == ["ACCEPTED NONE"] * 60
        bench.dispatcher.submit(owner.arrivals(1))
        assert owner.outcomes[-1] == "NOT_ACCEPTED DRAINING"


async def test_a_drain_gives_up_what_it_cannot_send() -> None:
    """What finds no permit before the sending time of a drain ends is NOT_ACCEPTED."""
    async with running(call_rate=0.001, call_burst=1.0, forecast=False) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(60))
        await turns()
        bench.dispatcher.drain(10.0)
        await bench.advance(8.9)
        assert len(owner.told) == 25
        await bench.advance(0.2)
        assert owner.outcomes.count("NOT_ACCEPTED DRAINING") == 35


async def test_each_call_takes_a_permit() -> None:
    """Calls leave as permits come, in whole batches."""
    async with running(call_rate=10.0, call_burst=3.0) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(250))
        await turns()
        assert len(bench.connect.calls) == 3
        for count in (4, 5, 6):
            await bench.advance(0.1)
            assert len(bench.connect.calls) == count
        await bench.advance(0.01)
        assert len(bench.connect.calls) == 6


async def test_each_further_attempt_takes_a_permit_first() -> None:
    """A retry waits for a permit, and precedes new calls."""
    async with running(ConnectFailed(), call_rate=10.0, call_burst=1.0, concurrent_calls=2) as bench:
        owner = Owner()
        for campaign in ("first", "second"):
            bench.dispatcher.submit(owner.arrivals(25, campaign))
        await turns()
        assert [campaign for campaign, _ in bench.connect.calls] == ["first"]
        await bench.advance(0.1)
        assert [campaign for campaign, _ in bench.connect.calls] == ["first", "first"]
        await bench.advance(0.1)
        assert [campaign for campaign, _ in bench.connect.calls] == ["first", "first", "second"]
        assert owner.outcomes == ["ACCEPTED NONE"] * 50
        assert {settled.answer.attempts for settled in owner.told} == {1, 2}


async def test_the_expiry_while_waiting() -> None:
    """What waits is answered as its time passes."""
    async with running(call_rate=0.001, call_burst=1.0, forecast=False) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        await bench.advance(594.93)
        assert len(owner.told) == 25
        await bench.advance(0.02)
        assert owner.outcomes[25:] == ["EXPIRED EXPIRATION_PASSED"] * 5


async def test_what_would_expire_is_answered_at_once() -> None:
    """A request that would expire before its turn is answered at once. Others are kept."""
    async with running(call_rate=0.1, call_burst=1.0) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(3000))
        refused = len(owner.told)
        assert owner.outcomes == ["EXPIRED WOULD_EXPIRE"] * refused
        assert [settled.waiter.index for settled in owner.told] == list(range(3000 - refused, 3000))
        assert {settled.answer.attempts for settled in owner.told} == {0}
        can_leave = 25 * (1 + int(594.93 * 0.1))
        assert can_leave <= bench.engine.outstanding < 1.3 * can_leave
        await turns()
        assert owner.outcomes[refused:] == ["ACCEPTED NONE"] * 25


async def test_room_is_given_in_the_order_of_asking() -> None:
    """The caller that has waited longest for room gets it first."""
    hanging = asyncio.Event()
    async with running(hanging, queue_limit=25) as bench:
        bench.dispatcher.submit(Owner().arrivals(25))
        await turns()
        order: list[int] = []

        async def wait(number: int) -> None:
            await bench.dispatcher.wait_for_room()
            order.append(number)
            bench.dispatcher.submit(Owner().arrivals(25, f"c{number}"))

        waiting = [asyncio.create_task(wait(number)) for number in range(4)]
        await turns()
        assert (order, bench.dispatcher.room()) == ([], 0)
        waiting[1].cancel()
        hanging.set()
        await asyncio.wait(waiting)
        assert order == [0, 2, 3]


async def test_everyone_who_waits_for_room_gets_in() -> None:
    """However many wait, and however little each takes, all get in once there is room."""
    hanging = asyncio.Event()
    async with running(hanging, queue_limit=25) as bench:
        bench.dispatcher.submit(Owner().arrivals(25))
        await turns()

        async def wait(number: int) -> None:
            await bench.dispatcher.wait_for_room()
            bench.dispatcher.submit(Owner().arrivals(1, f"c{number}"))

        waiting = [asyncio.create_task(wait(number)) for number in range(300)]
        await turns()
        hanging.set()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)


@pytest.mark.parametrize("ticks", range(12))
async def test_room_that_is_not_taken_goes_to_the_next(ticks: int) -> None:
    """A task that is cancelled while it waits, or when it is called, passes its turn to the next."""
    hanging = asyncio.Event()
    async with running(hanging, queue_limit=25) as bench:
        bench.dispatcher.submit(Owner().arrivals(25))
        await turns()
        first, second = (asyncio.create_task(bench.dispatcher.wait_for_room()) for _ in range(2))
        await turns()
        hanging.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        left = first.cancel()
        await turns()
        assert second.done() or not left
        second.cancel()


async def test_a_caller_that_leaves_is_told_nothing_more() -> None:
    """Requests that only it waited for are dropped; the answers of its call in flight go nowhere."""
    hanging = asyncio.Event()
    async with running(hanging, concurrent_calls=1) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        bench.dispatcher.source_gone(owner.source)
        assert bench.engine.outstanding == 25
        hanging.set()
        await turns()
        assert (owner.told, bench.engine.outstanding, len(bench.connect.calls)) == ([], 0, 1)
        returned = Owner()
        bench.dispatcher.submit(returned.arrivals(25))
        assert all(settled.answer.replayed for settled in returned.told)


async def test_a_caller_whose_deadline_is_near_is_answered() -> None:
    """A withdrawal answers at once: requests in a call are UNKNOWN, waiting ones NOT_ACCEPTED."""
    async with running(asyncio.Event(), concurrent_calls=1) as bench:
        owner = Owner()
        bench.dispatcher.submit(owner.arrivals(30))
        await turns()
        await bench.dispatcher.withdraw(owner.source)
        assert sorted(owner.outcomes) == ["NOT_ACCEPTED DEADLINE"] * 5 + ["UNKNOWN DEADLINE"] * 25
