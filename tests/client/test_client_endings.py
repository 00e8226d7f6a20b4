"""How a dial of the asynchronous client ends: by errors, by leaving the loop, by closing the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from dialgateway import (
    NO_RETRIES,
    ClientClosed,
    DialGatewayClient,
    DialRequest,
    DialResult,
    GatewayUnavailable,
    ProtocolError,
    RetryPolicy,
    StreamBroken,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import (
    PHONE,
    SECRET,
    Answers,
    Received,
    ScriptedGateway,
    accept_and_stay,
    accepted,
    answer,
    dial_tasks,
    request,
    requests,
)

if TYPE_CHECKING:
    from tests.client.scripted import Context


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Check that each test ends without a task of the client."""
    yield
    assert not dial_tasks()


@pytest.fixture
async def once(gateway: ScriptedGateway) -> AsyncIterator[DialGatewayClient]:
    """A client without retries."""
    async with DialGatewayClient(gateway.target, retry=NO_RETRIES) as made:
        yield made


async def _async(items: Iterator[DialRequest]) -> AsyncIterator[DialRequest]:
    for item in items:
        yield item


async def _withhold(received: Received, context: Context) -> Answers:
    async for _ in received.messages():
        yield answer()
    await asyncio.Event().wait()


async def test_a_stream_error_has_the_unanswered_tokens(
    gateway: ScriptedGateway, once: DialGatewayClient
) -> None:
    """Without retries a broken stream yields the answers, then raises with the other tokens."""

    async def half(received: Received, context: Context) -> Answers:
        await received.read(10)
        yield answer(*(accepted(index, f"t-{index}") for index in range(0, 10, 2)))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    gateway.script = half
    results: list[DialResult] = []
    with pytest.raises(GatewayUnavailable) as caught:  # noqa: PT012
        async for result in once.dial("c", requests(10)):
            results.append(result)  # noqa: PERF401 - a comprehension would lose what came before
    assert [result.index for result in results] == [0, 2, 4, 6, 8]
    error = caught.value
    assert error.unanswered == tuple(f"t-{index}" for index in range(1, 10, 2))
    assert "leaving" in str(error)
    assert "5" in str(error)
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.in_doubt == error.unanswered
    assert isinstance(error.__cause__, grpc.aio.AioRpcError)
    assert PHONE not in repr(error) + str(error)
    assert SECRET not in repr(error) + str(error)


async def test_a_late_reader_still_gets_the_answers_before_an_error(
    gateway: ScriptedGateway, once: DialGatewayClient
) -> None:
    """Answers that arrived before the stream broke are yielded, however slowly they are read."""
    broken = asyncio.Event()

    async def many_then_abort(received: Received, context: Context) -> Answers:
        await received.read(100)
        for index in range(90):
            yield answer(accepted(index, f"t-{index}"))
        broken.set()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    gateway.script = many_then_abort
    count = 0
    with pytest.raises(GatewayUnavailable) as caught:  # noqa: PT012
        async for _ in once.dial("c", requests(100)):
            await broken.wait()
            await asyncio.sleep(0.1 if count == 0 else 0)
            count += 1
    assert count == 90
    assert len(caught.value.unanswered) == 10


async def test_an_early_end_with_ok_is_an_error(gateway: ScriptedGateway, once: DialGatewayClient) -> None:
    """A gateway that ends the stream with OK before the last answer breaks the contract."""

    async def leave(received: Received, context: Context) -> Answers:
        await received.read(3)
        yield answer(accepted(0, "t-0"))

    gateway.script = leave
    with pytest.raises(StreamBroken) as caught:
        [result async for result in once.dial("c", requests(3))]
    assert caught.value.unanswered == ("t-1", "t-2")


@pytest.mark.parametrize("result", [accepted(7, "t-0"), accepted(0, "t-1")])
async def test_an_answer_to_no_request_is_an_error(
    gateway: ScriptedGateway, client: DialGatewayClient, result: pb.DialResult
) -> None:
    """A result with an index or a token of no unanswered request ends the stream."""

    async def wrong(received: Received, context: Context) -> Answers:
        await received.read(1)
        yield answer(result)
        await asyncio.Event().wait()

    gateway.script = wrong
    with pytest.raises(ProtocolError):
        [result async for result in client.dial("c", requests(1))]


async def test_a_stream_that_breaks_after_the_last_answer_is_complete(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """An error status after the last answer is ignored."""

    async def answer_and_abort(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            yield answer(*(accepted(index, token) for index, token in pairs))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    gateway.script = answer_and_abort
    assert len([result async for result in client.dial("c", requests(3))]) == 3


async def test_a_stream_that_does_not_end_after_the_last_answer_is_cancelled(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """The caller continues soon, whether or not the gateway ends the stream."""
    gateway.script = accept_and_stay
    async with asyncio.timeout(5):
        assert len([result async for result in client.dial("c", requests(3))]) == 3
    await asyncio.wait_for(gateway.cancelled.wait(), 2)


async def test_leaving_early_cancels_the_stream(gateway: ScriptedGateway, client: DialGatewayClient) -> None:
    """A break cancels the call at the gateway, ends all tasks and closes the source."""
    gateway.script = accept_and_stay
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[DialRequest]:
        try:
            number = 0
            while True:
                yield request(f"t-{number}")
                number += 1
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            closed.set()

    async with aclosing(client.dial("c", endless())) as results:
        async for _ in results:
            break
    assert closed.is_set()
    assert not dial_tasks()
    await asyncio.wait_for(gateway.cancelled.wait(), 2)


async def test_a_break_without_aclosing_is_cleaned_up(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """The event loop closes the stream when it is no longer referenced."""
    gateway.script = accept_and_stay
    source = requests(10_000)
    async for _ in client.dial("c", source):
        break
    await asyncio.wait_for(gateway.cancelled.wait(), 2)
    while dial_tasks():  # noqa: ASYNC110 - nothing tells of their end
        await asyncio.sleep(0)
    assert next(source, None) is None


async def test_cancelling_the_reader_cancels_the_stream(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """A cancelled caller gets its CancelledError, and the gateway sees the end of the call."""
    gateway.script = _withhold

    async def run() -> None:
        [result async for result in client.dial("c", requests(3))]

    task = asyncio.create_task(run())
    await gateway.opened.wait()
    await gateway.streams[0].changed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gateway.cancelled.wait(), 2)


@pytest.mark.parametrize("plain", [True, False])
async def test_an_exception_of_the_source_is_raised(
    gateway: ScriptedGateway, client: DialGatewayClient, plain: bool
) -> None:
    """An error of the source reaches the caller unchanged, after the stream is cancelled."""
    gateway.script = _withhold

    class BoomError(Exception):
        pass

    def failing() -> Iterator[DialRequest]:
        yield from requests(150)
        raise BoomError

    with pytest.raises(BoomError):
        [r async for r in client.dial("c", failing() if plain else _async(failing()))]
    assert not dial_tasks()


async def test_a_source_of_something_else_is_refused(client: DialGatewayClient) -> None:
    """An item that is not a DialRequest raises a TypeError that does not show it."""
    with pytest.raises(TypeError) as caught:
        [r async for r in client.dial("c", [PHONE])]  # type: ignore[list-item]
    assert PHONE not in str(caught.value)


async def test_a_cancelled_source_does_not_hang_the_caller(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """If the source's own work was cancelled, the loop over the results is cancelled."""
    gateway.script = _withhold

    async def given_up() -> AsyncIterator[DialRequest]:
        yield request("t-0")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        [r async for r in client.dial("c", given_up())]


async def test_closing_the_client_ends_its_dials(gateway: ScriptedGateway, client: DialGatewayClient) -> None:
    """A dial in flight raises ClientClosed when the client is closed, and a later dial at once."""
    gateway.script = _withhold

    async def run() -> None:
        [result async for result in client.dial("c", requests(2))]

    task = asyncio.create_task(run())
    await gateway.opened.wait()
    await gateway.streams[0].changed.wait()
    await client.close()
    with pytest.raises(ClientClosed) as caught:
        await task
    assert caught.value.unanswered == ("t-0", "t-1")
    with pytest.raises(ClientClosed):
        await run()


async def test_an_unreachable_gateway_raises_gateway_unavailable(closed_port: int) -> None:
    """If nothing listens, the error has the tokens of all requests."""
    policy = RetryPolicy(give_up_after=timedelta(0))
    async with DialGatewayClient(f"127.0.0.1:{closed_port}", retry=policy) as client:
        with pytest.raises(GatewayUnavailable, match="refused") as caught:
            [result async for result in client.dial("c", requests(2))]
    assert caught.value.unanswered == ("t-0", "t-1")
    assert caught.value.in_doubt == ()
