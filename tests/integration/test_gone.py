"""Queued requests are dropped unsent when their caller leaves; those in flight are remembered."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from gateway.simulator import FaultKind
from tests.integration.world import Caller, World, dial, dials, stub_of, until, verdict, verdicts, world_of

# Opens streams from a separate process, until it is killed.
CLIENT_PROCESS = """
import asyncio, sys, time
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub
import grpc.aio

async def main():
    channel = grpc.aio.insecure_channel(sys.argv[1])
    calls = [DialRequestServiceStub(channel).StreamDialRequests() for _ in range(10)]
    for n, call in enumerate(calls):
        item = pb.DialRequest(client_token=f"p-{n}", phone_number="+12065550123")
        item.expiration_time.seconds = int(time.time()) + 120
        await call.write(pb.StreamDialRequestsRequest(campaign_id="campaign-a", dial_requests=[item]))
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def slow() -> AsyncIterator[World]:
    """Run a world with a long linger."""
    async with world_of(linger=30.0) as world:
        yield world


async def nothing_is_sent(world: World) -> None:
    """Wait until everything queued is dropped, and a little longer for calls that must not come."""
    await until(lambda: world.gateway.engine.outstanding == 0)
    await asyncio.sleep(0.2)
    assert world.calls() == []


async def test_a_cancelled_stream_sends_nothing_more(slow: World) -> None:
    """A cancel is not a half-close: lingering requests are dropped unsent, also with many streams at once."""
    callers = [slow.stream() for _ in range(40)]
    for number, caller in enumerate(callers):
        await caller.send(dial(f"t-{number}"), campaign=f"c-{number}")
    await until(lambda: slow.gateway.engine.outstanding == 40)
    for caller in callers:
        caller.call.cancel()
    await nothing_is_sent(slow)


async def test_a_stream_cancelled_by_a_reader_sends_nothing_more(slow: World) -> None:
    """The same holds if the caller waits in a read that a cancel of its task ends."""
    caller = slow.stream()
    await caller.send(*dials(3))
    await caller.call.initial_metadata()  # a cancel in the instant of its arrival goes lost in grpcio
    reading = asyncio.create_task(caller.rest())
    await until(lambda: slow.gateway.engine.outstanding == 3)
    reading.cancel()
    await nothing_is_sent(slow)


async def test_a_closed_channel_sends_nothing_more(slow: World) -> None:
    """Closing a channel drops the requests that its streams have queued."""
    channel = grpc.aio.insecure_channel(slow.target)
    callers = [Caller(stub_of(channel).StreamDialRequests()) for _ in range(10)]
    for number, caller in enumerate(callers):
        await caller.send(dial(f"t-{number}"), campaign=f"c-{number}")
    await until(lambda: slow.gateway.engine.outstanding == 10)
    await channel.close()
    await nothing_is_sent(slow)


async def test_a_killed_client_sends_nothing_more(slow: World) -> None:
    """A killed client process drops the requests that its streams have queued."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT_PROCESS, slow.target, env=dict(os.environ)
    )
    try:
        await until(lambda: slow.gateway.engine.outstanding == 10)
    finally:
        process.kill()
        await process.wait()
    await nothing_is_sent(slow)


async def test_a_stream_past_its_deadline_sends_nothing_more(slow: World) -> None:
    """A stream whose deadline passes drops its queued requests."""
    caller = slow.stream(timeout=0.3)
    await caller.send(*dials(3))
    assert await caller.status() is grpc.StatusCode.DEADLINE_EXCEEDED
    await nothing_is_sent(slow)


async def test_a_half_closed_stream_that_is_cancelled() -> None:
    """A half-closed stream that is cancelled drops requests that still wait for a permit."""
    async with world_of(call_rate=0.1, call_burst=1.0) as world:
        await world.ask(dial("spends-the-permit"))
        caller = world.stream()
        await caller.send(*dials(60))
        await caller.finish()
        await until(lambda: world.gateway.engine.outstanding == 60)
        caller.call.cancel()
        await until(lambda: world.gateway.engine.outstanding == 0)
        assert len(world.calls()) == 1


async def test_a_unary_call_that_is_cancelled() -> None:
    """A cancelled unary call drops requests that still wait for a permit."""
    async with world_of(call_rate=0.1, call_burst=1.0) as world:
        await world.put(dial("spends-the-permit"))
        putting = asyncio.create_task(world.put(*dials(60)))
        await until(lambda: world.gateway.engine.outstanding == 60)
        putting.cancel()
        await until(lambda: world.gateway.engine.outstanding == 0)
        assert len(world.calls()) == 1


async def test_calls_in_flight_are_remembered(world: World) -> None:
    """A call in flight ends after its caller has left; when the caller returns, the answers are replayed."""
    world.fault(FaultKind.LATENCY, latency_s=0.3, count=1)
    caller = world.stream()
    await caller.send(*dials(25))
    await until(world.calls)
    caller.call.cancel()
    await until(lambda: world.gateway.engine.outstanding == 0)
    results = await world.ask(*dials(25))
    assert [(verdict(result), result.replayed) for result in results] == [("ACCEPTED", True)] * 25
    assert len(world.calls()) == 1


async def test_a_caller_that_returns_while_its_call_is_in_flight(world: World) -> None:
    """A caller that returns before its call has ended joins it."""
    world.fault(FaultKind.LATENCY, latency_s=0.5, count=1)
    caller = world.stream()
    await caller.send(*dials(25))
    await until(world.calls)
    caller.call.cancel()
    results = await world.ask(*dials(25))
    assert verdicts(results) == ["ACCEPTED"] * 25
    assert len(world.calls()) == 1


@pytest.mark.parametrize("leaver", [0, 1])
async def test_joined_requests_stay(leaver: int) -> None:
    """A request that two streams wait for is sent, whichever of them leaves."""
    async with world_of(linger=30.0) as world:
        callers = [world.stream() for _ in range(2)]
        for number, caller in enumerate(callers):
            await caller.send(dial("shared"), dial(f"own-{number}"))
        await until(lambda: world.gateway.engine.outstanding == 4)
        callers[leaver].call.cancel()
        await until(lambda: world.gateway.engine.outstanding == 2)
        await callers[1 - leaver].finish()
        assert verdicts(await callers[1 - leaver].rest()) == ["ACCEPTED", "ACCEPTED"]
        assert world.dialed("shared") == 1
        assert world.dialed(f"own-{leaver}") == 0


async def test_requests_of_absent_callers_are_not_retried(world: World) -> None:
    """A failed request in flight whose caller is gone is not requeued."""
    world.fault(FaultKind.LATENCY, latency_s=2.0)
    world.fault(FaultKind.ITEM_FAILURE, code="UnknownError")
    caller = world.stream()
    await caller.send(*dials(25))
    await until(world.calls)
    caller.call.cancel()
    await until(lambda: world.gateway.engine.outstanding == 0)
    assert len(world.calls()) == 1


async def test_callers_that_come_and_go_leave_nothing() -> None:
    """After many streams that cancel at random moments nothing is outstanding, and the next one is served."""
    rng = random.Random(7)
    async with world_of(linger=0.01) as world:
        world.fault(FaultKind.LATENCY, jitter_s=0.03)

        async def come_and_go(number: int) -> None:
            caller = world.stream()
            await caller.send(*dials(rng.randrange(1, 60), f"{number}"))
            await asyncio.sleep(rng.uniform(0, 0.05))
            caller.call.cancel()

        await asyncio.gather(*(come_and_go(number) for number in range(60)))
        await until(lambda: world.gateway.engine.outstanding == 0)
        assert verdicts(await world.ask(*dials(30, "0"))) == ["ACCEPTED"] * 30
        assert set(world.simulator.connect.journal.dials().values()) == {1}
