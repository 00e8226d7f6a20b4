"""Memory is bounded, and a caller that sends too much or reads too little blocks only itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from dialgateway import DialGatewayClient, GatewayOverloaded
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import FaultKind
from tests.integration.world import (
    CAMPAIGN,
    PATIENCE_S,
    SMALL_BUFFERS,
    Caller,
    World,
    client_dial,
    dial,
    dials,
    stub_of,
    until,
    verdicts,
    world_of,
)


@asynccontextmanager
async def peak_of(world: World) -> AsyncIterator[list[int]]:
    """Record the largest number of outstanding requests over all turns of the loop, in a list."""
    peak = [0]

    async def watch() -> None:
        while True:
            peak[0] = max(peak[0], world.gateway.engine.outstanding)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        watching.cancel()


async def _send_all(caller: Caller, count: int, prefix: str, list_of: int = 50) -> None:
    items = dials(count, prefix)
    for begin in range(0, count, list_of):
        await caller.send(*items[begin : begin + list_of])
    await caller.finish()


async def test_a_stream_has_at_most_a_window() -> None:
    """While Connect hangs a stream is read up to its window; later it continues, and all are answered."""
    async with world_of(stream_window=60, call_timeout=2.0) as world, peak_of(world) as peak:
        world.hang()
        caller = world.stream()
        await _send_all(caller, 1000, "t")
        await until(lambda: world.gateway.engine.outstanding >= 60)
        world.simulator.connect.clear_faults()
        assert verdicts(await caller.rest()) == ["ACCEPTED"] * 1000
        assert peak[0] == 60


async def test_a_window_smaller_than_a_message() -> None:
    """A message larger than the window is admitted in parts, and answered completely."""
    async with world_of(stream_window=7, linger=0.0) as world, peak_of(world) as peak:
        assert verdicts(await world.ask(*dials(500))) == ["ACCEPTED"] * 500
        assert peak[0] == 7


async def test_a_full_gateway_stops_reading_and_continues() -> None:
    """A full gateway reads no stream; when there is room, all streams continue and all are answered."""
    async with world_of(queue_limit=60, call_timeout=2.0) as world, peak_of(world) as peak:
        world.hang()
        callers = [world.stream() for _ in range(4)]
        await asyncio.gather(*(_send_all(caller, 200, f"{n}") for n, caller in enumerate(callers)))
        await until(lambda: world.gateway.engine.outstanding >= 60)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await world.put(dial("unary"))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        world.simulator.connect.clear_faults()
        answers = await asyncio.gather(*(caller.rest() for caller in callers))
        assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 200] * 4
        assert peak[0] == 60
        assert verdicts(await world.put(dial("unary"))) == ["ACCEPTED"]


async def test_a_stream_that_ends_while_it_waits_for_room() -> None:
    """A stream that ends while it waits for room passes its turn to the next."""
    async with world_of(queue_limit=25) as world:
        world.fault(FaultKind.LATENCY, latency_s=2.0, count=1)
        first = world.stream()
        await first.send(*dials(25, "first"))
        await until(world.calls)
        waiting = [world.stream() for _ in range(6)]
        for number, caller in enumerate(waiting):
            await caller.send(*dials(10, f"w{number}"))
        for caller in waiting[::2]:
            caller.call.cancel()
        answers = await asyncio.gather(*(caller.ask() for caller in waiting[1::2]))
        assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 10] * 3
        assert verdicts(await first.ask()) == ["ACCEPTED"] * 25


async def test_memory_is_bounded_by_bytes_too() -> None:
    """Large requests fill the gateway by their size, long before the limit of their number."""
    async with world_of(queue_bytes=100_000, call_timeout=2.0) as world, peak_of(world) as peak:
        world.hang()
        caller = world.stream()
        for number in range(60):
            await caller.send(dial(f"t-{number}", attributes={"k": "v" * 20_000}))
        await until(lambda: world.gateway.engine.room() == 0)
        with pytest.raises(grpc.aio.AioRpcError, match="full"):
            await world.put(dial("unary"))
        world.simulator.connect.clear_faults()
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 60
        assert peak[0] <= 6


async def test_a_list_longer_than_the_window() -> None:
    """A unary list longer than the window is refused as a whole, and the client's error says so."""
    async with world_of(stream_window=10) as world:
        async with DialGatewayClient(world.target) as client:
            with pytest.raises(GatewayOverloaded) as refused:
                await client.put(CAMPAIGN, map(client_dial, map(str, range(11))), timeout=5)
        assert len(refused.value.unanswered) == 11
        assert world.gateway.engine.outstanding == 0
        assert verdicts(await world.put(*dials(10))) == ["ACCEPTED"] * 10


async def test_a_caller_that_does_not_read_blocks_itself() -> None:
    """A caller that does not read is no longer read from; others are served; later it gets every answer."""
    # Long tokens and an invalid number: large answers that cost no call.
    items = [dial(f"{n}".zfill(200), phone_number="1", attributes={"k": "v" * 800}) for n in range(500)]
    message = pb.StreamDialRequestsRequest(campaign_id=CAMPAIGN, dial_requests=items)
    async with (
        world_of(stream_window=500) as world,
        grpc.aio.insecure_channel(world.target, options=SMALL_BUFFERS) as unread,
    ):
        caller, sent = Caller(stub_of(unread).StreamDialRequests()), [0]

        async def send_on() -> None:
            while not blocked.is_set():
                await caller.call.write(message)
                sent[0] += 500
            await caller.finish()

        blocked = asyncio.Event()
        sending = asyncio.create_task(send_on())
        before = -1
        while sent[0] > before:
            before = sent[0]
            assert before < 100_000
            await asyncio.sleep(0.4)
        blocked.set()
        assert verdicts(await world.ask(*dials(50))) == ["ACCEPTED"] * 50
        # Its answers count as memory, so no full garbage collection visits them.
        assert world.gateway.engine.outstanding == 0 < world.gateway.requests_in_memory <= 500
        results = await caller.rest()
        await sending
        await until(lambda: world.gateway.requests_in_memory == 0)
        assert [result.index for result in results] == list(range(sent[0]))


async def test_many_callers_share_a_small_gateway() -> None:
    """Fifty streams through a gateway with room for 40 requests: every one is answered."""
    async with world_of(queue_limit=40) as world, peak_of(world) as peak, asyncio.timeout(PATIENCE_S):
        callers = [world.stream() for _ in range(50)]
        sending = [asyncio.create_task(_send_all(caller, 40, f"{n}", 20)) for n, caller in enumerate(callers)]
        answers = await asyncio.gather(*(caller.rest() for caller in callers))
        await asyncio.gather(*sending)
        assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 40] * 50
        assert peak[0] <= 40
