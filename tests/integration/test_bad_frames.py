"""Invalid messages and bytes: only the sender is affected, and other callers are still served."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.world import World, dial, dials, until, verdicts

STREAMS = 250
"""More than the 100 that HTTP/2 allows in a connection by default."""
METHODS = "/dialgateway.v1.DialRequestService/"


async def served(world: World) -> None:
    """Check that a valid caller is served at once."""
    assert verdicts(await world.ask(*dials(3, f"ok-{random.random()}"[:20]))) == ["ACCEPTED"] * 3


async def test_a_message_above_the_limit(world: World) -> None:
    """A message above the size limit ends its own stream with RESOURCE_EXHAUSTED, or its unary call."""
    large = [dial(f"t-{n}", attributes={"k": "v" * 30_000}) for n in range(150)]
    neighbour = world.stream()
    await neighbour.send(dial("n-1"))
    caller = world.stream()
    with suppress(grpc.aio.AioRpcError):
        await caller.send(*large)
    await caller.rest()
    assert await caller.status() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.put(*large)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert verdicts(await neighbour.ask(dial("n-2"))) == ["ACCEPTED"] * 2
    await served(world)


async def test_an_unparsable_message(world: World) -> None:
    """An unparsable message ends its own stream with an error without internals; nothing of it is sent."""
    for garbage in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28"):
        call: Any = world.channel.stream_stream(METHODS + "StreamDialRequests")()
        await call.write(garbage)
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await call.read()
        assert broken.value.code() in {grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT}
        assert "Traceback" not in (broken.value.details() or "")
    await served(world)
    assert len(world.calls()) == 1


async def test_requests_before_a_broken_message_are_answered(world: World) -> None:
    """Requests before an unparsable message are answered before the stream ends with the error."""
    call: Any = world.channel.stream_stream(METHODS + "StreamDialRequests")()
    good = pb.StreamDialRequestsRequest(campaign_id="c", dial_requests=[dial("a"), dial("b")])
    await call.write(good.SerializeToString())
    await call.write(b"\xff" * 40)
    response = pb.StreamDialRequestsResponse.FromString(await call.read())
    assert verdicts(list(response.results)) == ["ACCEPTED"] * 2
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()


async def test_an_unparsable_unary_message(world: World) -> None:
    """An unparsable message in a unary call fails that call."""
    put: Any = world.channel.unary_unary(METHODS + "PutDialRequests")
    with pytest.raises(grpc.aio.AioRpcError):
        await put(b"\xff" * 40)
    await served(world)


async def test_an_unknown_method(world: World) -> None:
    """An unknown method is UNIMPLEMENTED."""
    other: Any = world.channel.unary_unary(METHODS + "Other")
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await other(b"")
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NOISES: dict[str, Callable[[random.Random], bytes]] = {
    "noise": lambda rng: rng.randbytes(2000),
    "http": lambda rng: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "preface and noise": lambda rng: PREFACE + rng.randbytes(2000),
    "preface and a huge frame": lambda rng: PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "nothing": lambda rng: b"",
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
async def test_bytes_that_are_not_grpc(world: World, noise: Callable[[random.Random], bytes]) -> None:
    """Non-gRPC bytes on many connections affect neither open nor new streams."""
    rng = random.Random(1)
    neighbour = world.stream()
    await neighbour.send(dial("n-1"))
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(noise(rng))
        writers.append(writer)
    await served(world)
    assert verdicts(await neighbour.ask(dial("n-2"))) == ["ACCEPTED"] * 2
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.timed
async def test_hundreds_of_streams_at_once(world: World) -> None:
    """Streams at once, each with a few valid requests and an invalid one, are all answered."""

    async def ask(number: int) -> list[str]:
        caller = world.stream()
        return verdicts(await caller.ask(*dials(3, f"{number}"), dial("bad", phone_number="")))

    answers = await asyncio.gather(*(ask(number) for number in range(STREAMS)))
    assert answers == [["ACCEPTED"] * 3 + ["REJECTED INVALID_REQUEST NEVER"]] * STREAMS
    statistics = world.simulator.connect.stats()
    assert (statistics.items, statistics.illegal_calls) == ({"accepted": 3 * STREAMS}, 0)


@pytest.mark.timed
async def test_hundreds_of_streams_that_never_close(world: World) -> None:
    """Open and silent streams do not slow others down, and cost nothing once they are gone."""
    callers = [world.stream() for _ in range(STREAMS)]
    for number, caller in enumerate(callers):
        await caller.send(*dials(number % 2, f"{number}"))
    await served(world)
    for caller in callers:
        caller.call.cancel()
    await until(lambda: world.gateway.engine.outstanding == 0)
    await served(world)
