"""A request that cannot be parsed or is too large is answered alone; other requests are not affected."""

from typing import Any

import pytest

from dialgateway import _wire
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire.incoming import DIAL_REQUEST_BYTES, MESSAGE_BYTES, NOT_READABLE, TOO_LARGE
from tests.integration.test_bad_frames import METHODS
from tests.integration.world import CAMPAIGN, World, dial, verdicts

REJECTED = "REJECTED INVALID_REQUEST NEVER"
BROKEN = pb.DialRequest(client_token="broken").SerializeToString() + b"\x12\x02\xc3\x28"
"""A dial request whose phone number is not UTF-8."""


def large() -> pb.DialRequest:
    """Make a dial request that breaks only the rule on its size."""
    return dial("large", attributes={f"k{n}": "v" * 32_000 for n in range(10)})


def around(payload: bytes) -> bytes:
    """Return a message with a valid request before and after the given bytes of another."""
    one, other = (
        pb.StreamDialRequestsRequest(campaign_id=CAMPAIGN, dial_requests=[dial(token)]).SerializeToString()
        for token in ("before", "after")
    )
    return one + _field(payload) + other


def _field(payload: bytes) -> bytes:
    size = len(payload)
    assert size < 1 << 21
    return b"\x12" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + payload


async def put(world: World, message: bytes) -> list[pb.DialResult]:
    method: Any = world.channel.unary_unary(METHODS + "PutDialRequests")
    return list(pb.PutDialRequestsResponse.FromString(await method(message, timeout=20)).results)


async def stream(world: World, message: bytes) -> list[pb.DialResult]:
    call: Any = world.channel.stream_stream(METHODS + "StreamDialRequests")(timeout=20)
    await call.write(message)
    await call.done_writing()
    results: list[pb.DialResult] = []
    while isinstance(data := await call.read(), bytes):
        results += pb.StreamDialRequestsResponse.FromString(data).results
    return sorted(results, key=lambda result: result.index)


@pytest.mark.parametrize("ask", [put, stream])
@pytest.mark.parametrize(
    ("payload", "token", "problem"),
    [
        (large().SerializeToString(), "large", TOO_LARGE),
        (BROKEN, "broken", NOT_READABLE),
        (b"\xff\xff", "", NOT_READABLE),
    ],
    ids=["large", "broken", "garbage"],
)
async def test_an_invalid_request_is_answered_alone(
    world: World, ask: Any, payload: bytes, token: str, problem: str
) -> None:
    """It is REJECTED with the rule, under its token if that can be read; the others are dialed."""
    results = await ask(world, around(payload))
    assert verdicts(results) == ["ACCEPTED", REJECTED, "ACCEPTED"]
    assert [result.client_token for result in results] == ["before", token, "after"]
    assert results[1].detail == problem
    assert world.dialed("large") == 0


async def test_a_stream_continues_after_an_invalid_request(world: World) -> None:
    """Of three hundred requests in messages of fifty, one is too large: all others are accepted."""
    caller = world.stream()
    for number in range(6):
        items = [dial(f"t-{number}-{n}") for n in range(50)]
        await caller.send(*items[:49], large() if number == 3 else items[49])
    await caller.finish()
    results = sorted(await caller.rest(), key=lambda result: result.index)
    assert verdicts(results) == ["ACCEPTED"] * 199 + [REJECTED] + ["ACCEPTED"] * 100


def test_client_and_gateway_agree_on_sizes() -> None:
    """The client refuses exactly the sizes that the gateway would refuse."""
    assert _wire.DIAL_REQUEST_BYTES == DIAL_REQUEST_BYTES
    assert _wire.MESSAGE_BYTES == MESSAGE_BYTES
