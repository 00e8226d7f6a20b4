"""The asynchronous client against a scripted gateway with real sockets: the course of a dial."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from dialgateway import (
    NO_RETRIES,
    DialGatewayClient,
    DialRequest,
    Notice,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
    StreamBroken,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import (
    PHONE,
    Answers,
    Received,
    ScriptedGateway,
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


async def _async(items: Iterator[DialRequest]) -> AsyncIterator[DialRequest]:
    for item in items:
        yield item


async def test_each_request_of_a_plain_iterable_is_answered(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """Every request of a plain iterable gets its answer, and is sent in full chunks."""
    results = [result async for result in client.dial("c", requests(450), priority=Priority.HIGH)]
    assert [result.index for result in results] == list(range(450))
    assert all(result.accepted for result in results)
    assert gateway.streams[0].sizes == [100, 100, 100, 100, 50]
    assert gateway.streams[0].first[0].campaign_id == "c"
    assert gateway.streams[0].first[0].priority == pb.PRIORITY_HIGH


async def test_each_request_of_an_async_iterable_is_answered(client: DialGatewayClient) -> None:
    """An asynchronous source works like a plain one."""
    results = [result async for result in client.dial("c", _async(requests(450)))]
    assert [result.client_token for result in results] == [f"t-{number}" for number in range(450)]


async def test_an_empty_source_ends_at_once(client: DialGatewayClient) -> None:
    """A source without requests yields no results and no error."""
    assert [result async for result in client.dial("c", [])] == []


async def test_the_window_bounds_the_requests_that_are_read_and_sent(gateway: ScriptedGateway) -> None:
    """A gateway that does not answer gets one window of requests, and no more are read from the source."""
    given = 0

    def source() -> Iterator[DialRequest]:
        nonlocal given
        for item in requests(1000):
            given += 1
            yield item

    async def answer_after_window(received: Received, context: Context) -> Answers:
        await received.read(30)
        await asyncio.wait([asyncio.ensure_future(received.read(31))], timeout=0.1)
        yield answer()
        at_window.append(given)
        await context.abort(grpc.StatusCode.ABORTED, "enough")

    at_window: list[int] = []
    gateway.script = answer_after_window
    async with DialGatewayClient(gateway.target, window=30, chunk=7, retry=NO_RETRIES) as client:
        with pytest.raises(StreamBroken) as caught:
            [result async for result in client.dial("c", source())]
    assert at_window == [30]
    assert caught.value.unanswered == tuple(f"t-{number}" for number in range(30))
    assert max(gateway.streams[0].sizes) <= 7


async def test_each_answer_makes_room_in_the_window(gateway: ScriptedGateway) -> None:
    """More requests than a window are sent if each is answered on its own."""

    async def one_by_one(received: Received, context: Context) -> Answers:
        async for pairs in received.messages():
            for index, token in pairs:
                yield answer(accepted(index, token))

    gateway.script = one_by_one
    async with DialGatewayClient(gateway.target, window=5, chunk=3) as client:
        assert len([result async for result in client.dial("c", requests(200))]) == 200


async def test_a_request_of_a_slow_source_is_sent_at_once(client: DialGatewayClient) -> None:
    """It is sent and answered before the source has another one."""
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def ping_pong() -> AsyncIterator[DialRequest]:
        for number in range(5):
            yield request(f"t-{number}")
            assert await answered.get() == f"t-{number}"

    async for result in client.dial("c", ping_pong()):
        answered.put_nowait(result.client_token)


async def test_results_are_yielded_in_the_order_of_answers(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """Results in another order than the requests are matched by index."""

    async def backwards(received: Received, context: Context) -> Answers:
        await received.read(50)
        for index in reversed(range(50)):
            yield answer(accepted(index, f"t-{index}"))

    gateway.script = backwards
    results = [result async for result in client.dial("c", requests(50))]
    assert [result.index for result in results] == list(reversed(range(50)))


async def test_equal_tokens_are_distinguished_by_index(client: DialGatewayClient) -> None:
    """Two requests with one token get two results, each with its index."""
    results = [result async for result in client.dial("c", [request("same"), request("same")])]
    assert [(result.client_token, result.index) for result in results] == [("same", 0), ("same", 1)]


async def test_notices_reach_the_callback(gateway: ScriptedGateway, client: DialGatewayClient) -> None:
    """A notice, even of a kind unknown to this version, reaches the callback."""

    async def notices(received: Received, context: Context) -> Answers:
        for kind in (pb.NOTICE_KIND_CAMPAIGN_COOLING, 99):
            notice = pb.Notice(kind=kind, detail="busy")  # type: ignore[arg-type]
            notice.retry_after.FromMilliseconds(1500)
            yield pb.StreamDialRequestsResponse(campaign_id="c", notice=notice)
        await received.read(1)
        yield answer(accepted(0, "t-0"))

    gateway.script = notices
    heard: list[Notice] = []
    results = [result async for result in client.dial("c", requests(1), on_notice=heard.append)]
    assert len(results) == 1
    assert [notice.kind for notice in heard] == [NoticeKind.CAMPAIGN_COOLING, NoticeKind.UNSPECIFIED]
    assert heard[0].campaign_id == "c"
    assert heard[0].retry_after is not None
    assert heard[0].retry_after.total_seconds() == 1.5


async def test_values_unknown_to_this_version_are_read_safely(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """An unknown outcome is UNKNOWN, an unknown reason UNSPECIFIED, and detail and numbers are kept."""

    async def newer(received: Received, context: Context) -> Answers:
        await received.read(1)
        yield answer(
            pb.DialResult(
                client_token="t-0",
                outcome=77,  # type: ignore[arg-type]
                reason=78,  # type: ignore[arg-type]
                retry_advice=79,  # type: ignore[arg-type]
                detail="something new",
            )
        )

    gateway.script = newer
    (result,) = [result async for result in client.dial("c", requests(1))]
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason is Reason.UNSPECIFIED
    assert result.retry_advice is RetryAdvice.UNSPECIFIED
    assert result.detail == "something new"
    assert result.unnamed == (("outcome", 77), ("reason", 78), ("retry_advice", 79))


async def test_large_requests_are_sent_in_several_messages(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """A chunk above the message limit is split, and all requests are answered."""
    big = [
        DialRequest(
            f"t-{number}", PHONE, request("x").expires_at, {"text": "x" * 30_000, "more": "y" * 30_000}
        )
        for number in range(100)
    ]
    assert len([result async for result in client.dial("c", big)]) == 100
    assert gateway.streams[0].sizes == [17] * 5 + [15]


async def test_metadata_is_sent_with_each_call(gateway: ScriptedGateway) -> None:
    """The client's metadata is sent with a stream."""
    async with DialGatewayClient(gateway.target, metadata=[("traceparent", "00-abc")]) as client:
        [result async for result in client.dial("c", requests(1))]
    assert gateway.metadata[0]["traceparent"] == "00-abc"


async def test_a_channel_of_the_caller_stays_open(gateway: ScriptedGateway) -> None:
    """A channel passed to the client is used, and not closed with the client."""
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        for _ in range(2):
            async with DialGatewayClient("unused", channel=channel) as client:
                assert len([result async for result in client.dial("c", requests(1))]) == 1


async def test_several_dials_share_a_client(client: DialGatewayClient) -> None:
    """Dials that run at the same time on one client do not disturb each other."""

    async def run(count: int) -> int:
        return len([result async for result in client.dial("c", requests(count))])

    assert await asyncio.gather(*(run(count) for count in (10, 300, 1))) == [10, 300, 1]


@pytest.mark.parametrize(("window", "chunk"), [(0, 1), (1, 0)])
def test_a_window_or_chunk_below_one_is_refused(window: int, chunk: int) -> None:
    """Sizes with which nothing could be sent raise ValueError at once."""
    with pytest.raises(ValueError, match="at least 1"):
        DialGatewayClient("localhost:1", window=window, chunk=chunk)
