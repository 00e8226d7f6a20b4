"""The limits of one caller over all its streams: a caller that floods the gateway blocks only itself."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.world import (
    PATIENCE_S,
    SMALL_BUFFERS,
    Caller,
    World,
    dial,
    dials,
    stub_of,
    until,
    verdicts,
    world_of,
)


@asynccontextmanager
async def another_caller(world: World) -> AsyncIterator[grpc.aio.Channel]:
    """Connect as another caller, over IPv6, which is a different host."""
    async with grpc.aio.insecure_channel(f"[::1]:{world.port}") as channel:
        yield channel


@pytest.fixture
def listen() -> str:
    """An address at which both callers can connect."""
    return "[::]:0"


@pytest.mark.timed
async def test_a_caller_that_floods_blocks_only_itself(listen: str) -> None:
    """Twenty streams of one caller fill only its share; another caller is served at the same time."""
    async with (
        world_of(listen=listen, caller_window=60, call_timeout=2.0) as world,
        another_caller(world) as other,
    ):
        world.hang(campaign="flooded")
        flood = [world.stream() for _ in range(20)]
        for number, caller in enumerate(flood):
            await caller.send(*dials(50, f"f{number}"), campaign="flooded")
            await caller.finish()
        await until(lambda: world.gateway.engine.outstanding == 60)
        with pytest.raises(grpc.aio.AioRpcError, match="this caller") as refused:
            await world.put(dial("unary"))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        results = await Caller(stub_of(other).StreamDialRequests()).ask(*dials(50, "o"), campaign="other")
        assert verdicts(results) == ["ACCEPTED"] * 50
        assert world.gateway.engine.outstanding == 60
        world.simulator.connect.clear_faults()
        answers = await asyncio.gather(*(caller.rest() for caller in flood))
        assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 50] * 20


@pytest.mark.timed
async def test_a_caller_that_never_reads_uses_up_its_own_share(listen: str) -> None:
    """Unread answers count against the caller's share, until its streams end."""
    items = [dial(f"{n}".zfill(200), phone_number="1") for n in range(100)]
    message = pb.StreamDialRequestsRequest(campaign_id="c", dial_requests=items)
    async with (
        world_of(listen=listen, caller_window=1000) as world,
        another_caller(world) as other,
        grpc.aio.insecure_channel(world.target, options=SMALL_BUFFERS) as unread,
    ):
        flood = [Caller(stub_of(unread).StreamDialRequests()) for _ in range(3)]

        async def send_on(caller: Caller) -> None:
            while True:
                await caller.call.write(message)

        sending = [asyncio.create_task(send_on(caller)) for caller in flood]
        await _becomes(world, grpc.StatusCode.RESOURCE_EXHAUSTED)
        results = await Caller(stub_of(other).StreamDialRequests()).ask(*dials(50, "o"))
        assert verdicts(results) == ["ACCEPTED"] * 50
        assert await _refused(world) is grpc.StatusCode.RESOURCE_EXHAUSTED
        for caller in flood:
            caller.call.cancel()
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await _becomes(world, None)


async def _becomes(world: World, refusal: grpc.StatusCode | None) -> None:
    """Wait until a unary call of the caller is refused this way, or is not refused if `refusal` is None."""
    async with asyncio.timeout(20):
        while (await _refused(world)) is not refusal:  # noqa: ASYNC110 - it is asked, and does not tell
            await asyncio.sleep(0.05)


async def _refused(world: World) -> grpc.StatusCode | None:
    try:
        await world.put(dial(f"p-{random.random()}"[:20]))
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def test_streams_are_limited_per_caller_and_in_all(listen: str) -> None:
    """A stream beyond the limit is refused with the reason; when one ends the next is accepted."""
    async with (
        world_of(listen=listen, caller_streams=3, stream_limit=5) as world,
        another_caller(world) as other,
    ):
        callers = [world.stream() for _ in range(3)]
        callers += [Caller(stub_of(other).StreamDialRequests()) for _ in range(2)]
        for number, caller in enumerate(callers):
            await caller.send(dial(f"t-{number}"))
            assert verdicts(await caller.read(1)) == ["ACCEPTED"]
        await _is_refused(world.stream(), "this caller has 3 streams open")
        await _is_refused(Caller(stub_of(other).StreamDialRequests()), "has 5 streams open")
        await callers[0].ask()
        assert verdicts(await Caller(stub_of(other).StreamDialRequests()).ask(dial("next"))) == ["ACCEPTED"]
        for number, caller in enumerate(callers[1:]):
            assert verdicts(await caller.ask(dial(f"last-{number}"))) == ["ACCEPTED"]


@pytest.mark.timed
async def test_unary_calls_are_limited_per_caller_and_in_all(listen: str) -> None:
    """A call beyond the limit is refused; calls of one caller do not use up another's share."""
    async with (
        world_of(listen=listen, caller_streams=3, stream_limit=5, call_timeout=2.0) as world,
        another_caller(world) as other,
    ):
        world.hang()
        waiting = [asyncio.create_task(world.put(dial(f"t-{number}"))) for number in range(3)]
        await until(lambda: world.gateway.engine.outstanding == 3)
        assert await _refused(world) is grpc.StatusCode.RESOURCE_EXHAUSTED
        messages = [
            pb.PutDialRequestsRequest(campaign_id="c", dial_requests=dials(1, f"o-{number}"))
            for number in range(3)
        ]
        calls = [stub_of(other).PutDialRequests(each, timeout=PATIENCE_S) for each in messages[:2]]
        await until(lambda: world.gateway.engine.outstanding == 5)
        with pytest.raises(grpc.aio.AioRpcError, match="the limit of open streams and calls is reached"):
            await stub_of(other).PutDialRequests(messages[2], timeout=PATIENCE_S)
        world.simulator.connect.clear_faults()
        assert [verdicts(each) for each in await asyncio.gather(*waiting)] == [["ACCEPTED"]] * 3
        assert [verdicts((await call).results) for call in calls] == [["ACCEPTED"]] * 2
        assert await _refused(world) is None


async def _is_refused(caller: Caller, words: str) -> None:
    assert await caller.rest() == []
    assert await caller.status() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert words in (await caller.call.details() or "")
