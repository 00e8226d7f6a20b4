"""The asynchronous client over connections that end, against a scripted gateway with real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from dialgateway import (
    DialGatewayClient,
    DialRequest,
    Outcome,
    RetryPolicy,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.relay import Relay, relaying
from tests.client.scripted import (
    PHONE,
    SECRET,
    Answers,
    Received,
    ScriptedGateway,
    accept_all,
    accepted,
    answer,
    request,
    requests,
)
from tests.client.stream_scripts import DRAINING, all_of, breaks, in_turn, once_each, refuse_all

if TYPE_CHECKING:
    from tests.client.scripted import Context


pytestmark = pytest.mark.usefixtures("no_task_left")


@pytest.fixture
def client(client_without_pauses: DialGatewayClient) -> DialGatewayClient:
    return client_without_pauses


@pytest.fixture
async def relay(gateway: ScriptedGateway) -> AsyncIterator[Relay]:
    async with relaying(gateway.target) as made:
        yield made


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED]
)
async def test_a_stream_continues_over_the_next_connection(
    gateway: ScriptedGateway, client: DialGatewayClient, code: grpc.StatusCode
) -> None:
    """After a break the unanswered requests are sent again with their tokens, and each is answered once."""
    gateway.script = in_turn(breaks(code, 300, 120), accept_all)
    results = await all_of(client, 500)
    once_each(results, 500)
    assert all(result.accepted for result in results)
    again = gateway.streams[1].tokens
    assert again[: 300 - 120] == [f"t-{number}" for number in range(120, 300)]


async def test_many_breaks_lose_and_duplicate_no_answer(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """Thirty connections that each answer a few requests and break make one complete stream."""
    gateway.script = in_turn(*[breaks(grpc.StatusCode.UNAVAILABLE, 50, 17)] * 30, accept_all)
    once_each(await all_of(client, 1000), 1000)
    assert len(gateway.streams) == 31


async def test_a_refusal_after_a_break_is_unknown(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """Requests sent on the broken connection are not EXPIRED because the next replica says so; others are."""
    gateway.script = in_turn(breaks(grpc.StatusCode.UNAVAILABLE, 1, 0), refuse_all)

    async def one_and_another() -> AsyncIterator[DialRequest]:
        yield request("t-0")
        while len(gateway.streams) < 2:  # noqa: ASYNC110 - a scripted gateway tells nothing
            await asyncio.sleep(0.005)
        yield request("t-1")

    results = [result async for result in client.dial("c", one_and_another())]
    assert {result.client_token: result.outcome for result in results} == {
        "t-0": Outcome.UNKNOWN,
        "t-1": Outcome.EXPIRED,
    }


async def test_draining_moves_new_requests_and_reads_the_old_stream_to_its_end(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """New requests go to a second stream, answers come on both, and the rest is sent again."""
    moved, noticed = asyncio.Event(), asyncio.Event()

    async def leaving(received: Received, context: Context) -> Answers:
        await received.read(10)
        yield DRAINING
        await moved.wait()
        yield answer(*(accepted(index, f"t-{index}") for index in range(5)))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    async def staying(received: Received, context: Context) -> Answers:
        async for response in accept_all(received, context):
            yield response
            moved.set()

    async def source() -> AsyncIterator[DialRequest]:
        for item in requests(10):
            yield item
        await noticed.wait()
        for number in range(10, 20):
            yield request(f"t-{number}")

    gateway.script = in_turn(leaving, staying)
    async with asyncio.timeout(20):
        dial = client.dial("c", source(), on_notice=lambda _: noticed.set())
        results = [result async for result in dial]
    once_each(results, 20)
    assert gateway.streams[0].tokens == [f"t-{number}" for number in range(10)]
    assert gateway.streams[1].tokens == [f"t-{number}" for number in [*range(10, 20), *range(5, 10)]]


async def test_a_draining_stream_is_replaced_on_another_connection(
    gateway: ScriptedGateway, relay: Relay
) -> None:
    """A load balancer may then choose another replica."""

    elsewhere = asyncio.Event()

    async def leaving(received: Received, context: Context) -> Answers:
        yield DRAINING
        await elsewhere.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    async def staying(received: Received, context: Context) -> Answers:
        connections.append(relay.connections)
        elsewhere.set()
        async for response in accept_all(received, context):
            yield response

    async def source() -> AsyncIterator[DialRequest]:
        yield request("t-0")
        await noticed.wait()
        yield request("t-1")

    noticed = asyncio.Event()
    connections: list[int] = []
    gateway.script = in_turn(leaving, staying)
    async with DialGatewayClient(relay.target, jitter=lambda: 0.0) as client:
        async with asyncio.timeout(20):
            dial = client.dial("c", source(), on_notice=lambda _: noticed.set())
            once_each([result async for result in dial], 2)
        once_each(await all_of(client, 10), 10)
    assert connections == [2, 2]


async def test_the_client_sends_requests_again_if_advised(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """After NOT_ACCEPTED and UNKNOWN the caller gets only the answer to the last attempt."""

    outcomes = [pb.OUTCOME_NOT_ACCEPTED, pb.OUTCOME_UNKNOWN, pb.OUTCOME_ACCEPTED]
    tries: Counter[str] = Counter()

    async def not_yet(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            for index, token in pairs:
                result = pb.DialResult(client_token=token, index=index, outcome=outcomes[tries[token]])
                result.retry_advice = pb.RETRY_ADVICE_SAME_TOKEN
                tries[token] += 1
                yield answer(result)

    gateway.script = not_yet
    results = await all_of(client, 3)
    once_each(results, 3)
    assert all(result.accepted for result in results)


async def test_a_reset_connection_is_replaced(gateway: ScriptedGateway, relay: Relay) -> None:
    """A TCP reset in the middle of a stream loses nothing."""

    async def slow(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            await asyncio.sleep(0.01)
            yield answer(*(accepted(index, token) for index, token in pairs))

    gateway.script = slow
    async with DialGatewayClient(relay.target, window=50, chunk=10, jitter=lambda: 0.0) as client:
        results = []
        async for result in client.dial("c", requests(400)):
            results.append(result)
            if len(results) in {50, 150, 250}:
                relay.cut()
    once_each(results, 400)
    assert relay.connections >= 4


async def test_a_buffering_proxy_only_slows_a_stream_down(gateway: ScriptedGateway, relay: Relay) -> None:
    """Bytes that arrive late and in large blocks, in both directions, do not stop it."""
    relay.hold_s = 0.05
    async with DialGatewayClient(relay.target, window=200, chunk=20) as client:
        once_each(await all_of(client, 600), 600)
    assert relay.connections == 1


async def test_answers_held_back_until_the_half_close_all_arrive(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """Some proxies pass answers on only after the request side is closed."""

    async def at_the_end(received: Received, context: Context) -> Answers:
        held = [answer(*(accepted(*pair) for pair in pairs)) async for pairs in received.messages()]
        for response in held:
            yield response

    gateway.script = at_the_end
    once_each(await all_of(client, 300), 300)


async def test_a_silent_connection_is_noticed(gateway: ScriptedGateway, relay: Relay) -> None:
    """Keepalive ends a connection that carries nothing any more and was not closed."""

    async def withhold(received: Received, context: Context) -> Answers:
        await received.read(5)
        relay.fall_silent()
        yield answer()
        await asyncio.Event().wait()

    gateway.script = in_turn(withhold, accept_all)
    async with DialGatewayClient(relay.target, keepalive=0.5, jitter=lambda: 0.0) as client:
        once_each(await all_of(client, 5), 5)
    assert relay.connections == 2


async def test_the_client_reconnects_after_a_goaway(reserved_port: int) -> None:
    """A server that stops with GOAWAY and starts again on its port is found again."""
    address = f"127.0.0.1:{reserved_port}"
    first, second = ScriptedGateway(), ScriptedGateway()
    arrived = asyncio.Event()

    async def withhold(received: Received, context: Context) -> Answers:
        await received.read(5)
        arrived.set()
        yield answer()
        await asyncio.Event().wait()

    first.script = withhold
    running = await first.serve(address)
    async with DialGatewayClient(address, retry=RetryPolicy(longest_pause=timedelta(seconds=0.2))) as client:
        dialing = asyncio.create_task(all_of(client, 5))
        await arrived.wait()
        await running.stop(0)
        running = await second.serve(address)
        once_each(await dialing, 5)
        await running.stop(0)


async def test_no_log_line_shows_a_phone_number(
    gateway: ScriptedGateway, client: DialGatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A break is logged once, as a warning, without phone numbers and attributes."""
    gateway.script = in_turn(breaks(grpc.StatusCode.UNAVAILABLE, 3, 1), accept_all)
    with caplog.at_level(logging.DEBUG, "dialgateway"):
        await all_of(client, 3)
    assert [record.levelname for record in caplog.records if record.name == "dialgateway"] == ["WARNING"]
    assert PHONE not in caplog.text
    assert SECRET not in caplog.text
