"""Streams end at an age: after a notice they are not read, and all that was read is answered."""

import asyncio
import random
import time
from itertools import count

import grpc
import grpc.aio
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import FaultKind
from tests.integration.relay import relay_to
from tests.integration.world import (
    PATIENCE_S,
    Caller,
    WorldOptions,
    dial,
    dials,
    stub_of,
    until,
    verdicts,
    world_of,
)

DRAINED = "NOT_ACCEPTED DRAINING SAME_TOKEN"
UNSURE = "UNKNOWN DRAINING SAME_TOKEN"
AGE_S = 1.5
"""The configured age of streams: with the smallest jitter they end at four fifths of it."""


async def rest_of_aged(caller: Caller) -> list[str]:
    """Read a stream to its end, which must be that of a stream at its age; return its verdicts."""
    results = await caller.rest()
    assert await caller.status() is grpc.StatusCode.UNAVAILABLE
    assert "age" in (await caller.call.details() or "")
    assert [notice.kind for notice in caller.notices] == [pb.NOTICE_KIND_DRAINING]
    assert sorted(result.index for result in results) == list(range(len(results)))
    return verdicts(results)


async def read_notice(caller: Caller) -> None:
    """Read up to the notice that the stream ends."""
    while not caller.notices:
        message = await caller.message()
        assert message is not None
        assert not message.results


@pytest.mark.timed
async def test_an_idle_stream_gets_a_notice_and_ends() -> None:
    """A stream without outstanding requests ends directly after its notice; another takes its place."""
    async with world_of(stream_max_age=AGE_S) as world:
        caller = world.stream()
        await caller.send(*dials(3))
        began = time.monotonic()
        assert await rest_of_aged(caller) == ["ACCEPTED"] * 3
        assert 0.25 < time.monotonic() - began < 15  # far less than the grace
        assert verdicts(await world.ask(*dials(3, "new"))) == ["ACCEPTED"] * 3


@pytest.mark.timed
async def test_streams_do_not_end_without_an_age() -> None:
    """With an age of 0 a stream gets no notice."""
    async with world_of(stream_max_age=0) as world:
        caller = world.stream()
        await caller.send(dial("a"))
        await caller.read(1)
        await asyncio.sleep(1.5 * AGE_S)
        assert verdicts(await caller.ask(dial("b"))) == ["ACCEPTED"]
        assert caller.notices == []


@pytest.mark.timed
async def test_streams_that_began_together_end_apart() -> None:
    """The age has jitter: of streams that began together, the first and the last end well apart."""
    async with world_of(WorldOptions(rng=random.Random(3)), stream_max_age=1.0) as world:
        ends: list[float] = []

        async def live(caller: Caller) -> None:
            await caller.send(dial("bad", phone_number=""))
            await caller.rest()
            ends.append(time.monotonic())

        await asyncio.gather(*(live(world.stream()) for _ in range(20)))
        assert max(ends) - min(ends) > 0.15


@pytest.mark.timed
async def test_queued_requests_are_dialed_within_the_grace() -> None:
    """Requests of a stream are still dialed within its grace; the stream ends after its last answer."""
    async with world_of(stream_max_age=AGE_S) as world:
        world.fault(FaultKind.LATENCY, latency_s=3.0)
        caller = world.stream()
        await caller.send(*dials(400))  # two rounds of eight calls
        await read_notice(caller)
        began = time.monotonic()
        assert await rest_of_aged(caller) == ["ACCEPTED"] * 400
        assert time.monotonic() - began < 15  # less than the grace


@pytest.mark.timed
async def test_requests_beyond_the_grace_are_not_accepted() -> None:
    """At the end of the grace waiting requests are NOT_ACCEPTED, those in flight end; each is dialed once."""
    async with world_of(stream_max_age=AGE_S, drain_grace=0.2, max_concurrent_calls=1) as world:
        world.fault(FaultKind.LATENCY, latency_s=4.0, count=1)
        caller = world.stream()
        await caller.send(*dials(60))
        results = await rest_of_aged(caller)
        assert results == ["ACCEPTED"] * 25 + [DRAINED] * 35
        assert world.gateway.engine.outstanding == 0
        assert len(world.calls()) == 1
        again = await world.ask(*dials(60))
        assert verdicts(again) == ["ACCEPTED"] * 60
        assert [result.replayed for result in again] == [True] * 25 + [False] * 35
        assert set(world.simulator.connect.journal.dials().values()) == {1}


@pytest.mark.timed
async def test_unsettled_requests_of_a_call_after_the_grace() -> None:
    """After the grace, unsettled requests of a call in flight are not sent again, as no one reads the
    answers.
    """
    async with world_of(stream_max_age=AGE_S, drain_grace=0.1, max_concurrent_calls=1) as world:
        world.fault(FaultKind.LATENCY, latency_s=4.0)
        world.fault(FaultKind.ITEM_FAILURE, code="UnknownError", token="t-1")
        world.fault(FaultKind.ITEM_MISSING, token="t-2")
        caller = world.stream()
        await caller.send(*dials(3))
        assert await rest_of_aged(caller) == ["ACCEPTED", DRAINED, UNSURE]
        assert (len(world.calls()), world.gateway.engine.outstanding) == (1, 0)


@pytest.mark.timed
async def test_a_partly_admitted_message() -> None:
    """A message that was read is admitted completely within the grace, and then answered completely."""
    async with world_of(stream_max_age=AGE_S, drain_grace=0.3, stream_window=30) as world:
        world.hang()
        caller = world.stream()
        await caller.send(*dials(100))
        await until(lambda: world.gateway.engine.outstanding == 30)
        await read_notice(caller)
        world.simulator.connect.clear_faults()
        results = await rest_of_aged(caller)
        assert results.count(DRAINED) == 70
        assert len(results) == 100
    async with world_of(stream_max_age=AGE_S, stream_window=30) as world:
        world.fault(FaultKind.LATENCY, latency_s=0.8)
        caller = world.stream()
        await caller.send(*dials(100))
        assert await rest_of_aged(caller) == ["ACCEPTED"] * 100


@pytest.mark.timed
async def test_nothing_is_read_after_the_notice() -> None:
    """Messages after the notice are not read, so they get no answer here, and the caller sends them again."""
    async with world_of(stream_max_age=AGE_S) as world:
        world.fault(FaultKind.LATENCY, latency_s=4.0)
        caller = world.stream()
        await caller.send(*dials(2))
        await read_notice(caller)
        await caller.send(*dials(2, "late"))
        assert await rest_of_aged(caller) == ["ACCEPTED"] * 2
        assert world.dialed("late-0") == 0


@pytest.mark.timed
async def test_a_half_closed_stream_is_not_ended() -> None:
    """A half-closed stream gets all its answers, and OK, however old it is."""
    async with world_of(stream_max_age=AGE_S, drain_grace=0.1) as world:
        world.fault(FaultKind.LATENCY, latency_s=3.0)
        caller = world.stream()
        results = await caller.ask(*dials(60))
        assert verdicts(results) == ["ACCEPTED"] * 60
        assert await caller.status() is grpc.StatusCode.OK
        assert caller.notices == []


@pytest.mark.timed
async def test_requests_joined_by_another_stream_stay() -> None:
    """Requests that a younger stream has joined stay; the old stream is told that they may be dialed."""
    async with world_of(stream_max_age=2.5, drain_grace=0.1, call_rate=0.2, call_burst=1.0) as world:
        await world.put(dial("spends-the-permit"))
        old = world.stream()
        await old.send(dial("shared"), dial("own"))
        await until(lambda: world.gateway.engine.outstanding == 2)
        young = world.stream()
        await young.send(dial("shared"))
        await young.finish()
        assert await rest_of_aged(old) == [UNSURE, DRAINED]
        assert verdicts(await young.rest()) == ["ACCEPTED"]
        assert (world.dialed("shared"), world.dialed("own")) == (1, 0)


@pytest.mark.timed
async def test_the_gateway_leaves_while_streams_reach_their_age() -> None:
    """A stream in its grace gets one notice and one answer per request, even if the gateway shuts down."""
    async with world_of(stream_max_age=AGE_S, call_timeout=20.0) as world:
        world.hang()
        caller = world.stream()
        await caller.send(*dials(30))
        await read_notice(caller)
        await world.gateway.stop(0.3)
        assert verdicts(await caller.rest()) == [UNSURE] * 30
        assert await caller.status() is grpc.StatusCode.UNAVAILABLE
        assert len(caller.notices) == 1


@pytest.mark.timed
async def test_an_old_connection_is_replaced() -> None:
    """An old connection gets GOAWAY: its half-closed stream continues on it, and a new one uses another."""
    async with world_of(stream_max_age=1.0) as world, relay_to(world.port) as relay:
        world.fault(FaultKind.LATENCY, latency_s=3.0, count=1)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
            old = Caller(stub_of(channel).StreamDialRequests())
            await old.send(*dials(25))
            await old.finish()
            await until(world.calls)
            await asyncio.sleep(1.3)  # the jitter of gRPC is a tenth of the age
            assert verdicts(await Caller(stub_of(channel).StreamDialRequests()).ask(dial("new"))) == [
                "ACCEPTED"
            ]
            assert relay.connections == 2
            assert verdicts(await old.rest()) == ["ACCEPTED"] * 25
            assert await old.status() is grpc.StatusCode.OK


@pytest.mark.timed
async def test_aging_connections_lose_no_call() -> None:
    """Unary calls are all answered, although their connections get GOAWAY every half second."""
    async with (
        world_of(stream_max_age=0.5, linger=0.0) as world,
        relay_to(world.port) as relay,
        grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}") as channel,
        asyncio.timeout(PATIENCE_S),
    ):
        for number in count():
            message = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=dials(1, f"u-{number}"))
            assert verdicts((await stub_of(channel).PutDialRequests(message)).results) == ["ACCEPTED"]
            if relay.connections > 4:
                break
