"""Random messages to both calls: each request of them is answered exactly once, and nothing breaks."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.cases import cases
from tests.fuzz import shapes, target
from tests.integration.test_bad_frames import METHODS, served
from tests.integration.world import World, until, world_of

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""No shrinking: an example that breaks the gateway takes its time-out each time it is tried."""
few = settings(max_examples=cases(12, 50), suppress_health_check=list(HealthCheck), phases=PHASES)
PATIENCE_S = 20.0
CLEAR = {pb.OUTCOME_ACCEPTED, pb.OUTCOME_REJECTED, pb.OUTCOME_EXPIRED}
"""What a healthy Connect leaves no doubt about."""


async def stream_all(world: World, messages: list[tuple[bytes, int]]) -> None:
    """Send messages on one stream, and see that each of their requests has its one answer."""
    call: Any = world.channel.stream_stream(METHODS + "StreamDialRequests")()
    for data, _ in messages:
        await call.write(data)
    await call.done_writing()
    indexes: list[int] = []
    while isinstance(data := await call.read(), bytes):
        response = pb.StreamDialRequestsResponse.FromString(data)
        indexes += [result.index for result in response.results]
        assert {result.outcome for result in response.results} <= CLEAR
    assert sorted(indexes) == list(range(sum(count for _, count in messages)))
    assert not (await call.code()).value[0], await call.details()


async def put_all(world: World, messages: list[tuple[bytes, int]]) -> None:
    """Send messages as unary calls, at the same time."""
    put: Any = world.channel.unary_unary(METHODS + "PutDialRequests")
    answers = await asyncio.gather(*(put(data, timeout=PATIENCE_S) for data, _ in messages))
    for data, (_, count) in zip(answers, messages, strict=True):
        assert len(pb.PutDialRequestsResponse.FromString(data).results) == count


@few
@given(st.lists(shapes.lists(), min_size=1, max_size=5))
def test_each_request_of_random_messages_is_answered_once(messages: list[tuple[bytes, int]]) -> None:
    """Each request of a valid message has one answer, all calls are valid, and nothing stays."""

    async def send() -> None:
        async with world_of() as world, asyncio.timeout(PATIENCE_S):
            await stream_all(world, messages)
            await put_all(world, messages)
            await until(lambda: world.gateway.engine.outstanding == 0)
            await served(world)
            assert world.simulator.connect.stats().illegal_calls == 0

    asyncio.run(send())


@settings(max_examples=cases(30, 300))
@given(shapes.lists(30))
def test_the_conversion_takes_any_message(message: tuple[bytes, int]) -> None:
    """The conversion and the core answer each request of any message."""
    data, count = message
    assert target.run(data) == count


@settings(max_examples=cases(100, 500))
@given(st.binary(max_size=300))
def test_the_conversion_takes_any_bytes(data: bytes) -> None:
    """Bytes that are no message are refused as such; a message in them is answered."""
    target.run(data)
