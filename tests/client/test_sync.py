"""The synchronous client against a scripted gateway in another thread, with real sockets."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from dialgateway import (
    NO_RETRIES,
    ClientClosed,
    DeadlineExceeded,
    DialRequest,
    GatewayUnavailable,
    Notice,
    NoticeKind,
    StreamBroken,
    SyncDialGatewayClient,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import (
    Answers,
    Received,
    ScriptedGateway,
    accept_and_stay,
    accepted,
    answer,
    request,
    requests,
)

if TYPE_CHECKING:
    from tests.client.scripted import Context


@pytest.fixture
def gateway(gateway_elsewhere: ScriptedGateway) -> ScriptedGateway:
    return gateway_elsewhere


@pytest.fixture
def client(gateway: ScriptedGateway) -> Iterator[SyncDialGatewayClient]:
    with SyncDialGatewayClient(gateway.target) as made:
        yield made


@pytest.fixture
def once(gateway: ScriptedGateway) -> Iterator[SyncDialGatewayClient]:
    """A client without retries."""
    with SyncDialGatewayClient(gateway.target, retry=NO_RETRIES) as made:
        yield made


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Check that each test ends without a thread of the client."""
    yield
    assert not _dial_threads()


def _dial_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dial-")]


async def _withhold(received: Received, context: Context) -> Answers:
    async for _ in received.messages():
        yield answer()
    await asyncio.Event().wait()


def test_each_request_is_answered(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """Every request gets its answer, matched by index."""
    results = list(client.dial("c", requests(450)))
    assert sorted(result.index for result in results) == list(range(450))
    assert all(result.accepted for result in results)
    assert max(gateway.streams[0].sizes) <= 100


def test_an_empty_source_ends_at_once(client: SyncDialGatewayClient) -> None:
    """A source without requests yields no results and no error."""
    assert list(client.dial("c", [])) == []


def test_equal_tokens_are_distinguished_by_index(client: SyncDialGatewayClient) -> None:
    """Two requests with one token get two results, each with its index."""
    results = list(client.dial("c", [request("same"), request("same")]))
    assert [(result.client_token, result.index) for result in results] == [("same", 0), ("same", 1)]


def test_the_window_bounds_the_requests_that_are_read_and_sent(gateway: ScriptedGateway) -> None:
    """A gateway that does not answer gets one window of requests, and no more are read from the source."""
    given: list[DialRequest] = []
    at_window: list[int] = []

    async def answer_after_window(received: Received, context: Context) -> Answers:
        await received.read(30)
        await asyncio.wait([asyncio.ensure_future(received.read(31))], timeout=0.1)
        yield answer()
        at_window.append(len(given))
        await context.abort(grpc.StatusCode.ABORTED, "enough")

    def source() -> Iterator[DialRequest]:
        for item in requests(1000):
            given.append(item)
            yield item

    gateway.script = answer_after_window
    with (
        SyncDialGatewayClient(gateway.target, window=30, chunk=7, retry=NO_RETRIES) as client,
        pytest.raises(StreamBroken, match="enough") as caught,
    ):
        list(client.dial("c", source()))
    assert at_window == [30]
    assert caught.value.unanswered == tuple(f"t-{number}" for number in range(30))


def test_a_request_of_a_blocking_source_is_sent_at_once(client: SyncDialGatewayClient) -> None:
    """It is sent and answered while the source blocks for the next one."""
    answered: queue.Queue[str] = queue.Queue()

    def ping_pong() -> Iterator[DialRequest]:
        for number in range(5):
            yield request(f"t-{number}")
            assert answered.get(timeout=5) == f"t-{number}"

    for result in client.dial("c", ping_pong()):
        answered.put(result.client_token)


def test_a_stream_error_has_the_unanswered_tokens(
    gateway: ScriptedGateway, once: SyncDialGatewayClient
) -> None:
    """Without retries a broken stream yields the answers, then raises with the other tokens."""

    async def half(received: Received, context: Context) -> Answers:
        await received.read(10)
        yield answer(*(accepted(index, f"t-{index}") for index in range(0, 10, 2)))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    gateway.script = half
    seen = []
    with pytest.raises(GatewayUnavailable) as caught:  # noqa: PT012
        for result in once.dial("c", requests(10)):
            seen.append(result.index)  # noqa: PERF401 - a comprehension would lose what came before
    assert seen == [0, 2, 4, 6, 8]
    assert caught.value.unanswered == tuple(f"t-{index}" for index in range(1, 10, 2))
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_an_early_end_with_ok_is_an_error(gateway: ScriptedGateway, once: SyncDialGatewayClient) -> None:
    """A gateway that ends the stream with OK before the last answer breaks the contract."""

    async def leave(received: Received, context: Context) -> Answers:
        await received.read(3)
        yield answer(accepted(0, "t-0"))

    gateway.script = leave
    with pytest.raises(StreamBroken) as caught:
        list(once.dial("c", requests(3)))
    assert caught.value.unanswered == ("t-1", "t-2")


def test_a_stream_that_does_not_end_after_the_last_answer_is_cancelled(
    gateway: ScriptedGateway, client: SyncDialGatewayClient
) -> None:
    """The caller continues soon, whether or not the gateway ends the stream."""
    gateway.script = accept_and_stay
    assert len(list(client.dial("c", requests(3)))) == 3


def test_leaving_early_cancels_the_stream(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """A break cancels the call at the gateway, ends every thread and closes the source."""
    gateway.script = accept_and_stay
    before = threading.active_count()
    source = requests(100_000)
    for _ in client.dial("c", source):
        break
    assert not _dial_threads()
    assert next(source, None) is None
    deadline = time.monotonic() + 5
    while not gateway.cancelled.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gateway.cancelled.is_set()
    while threading.active_count() > before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # one thread may be grpc's own, which polls the channel
    assert threading.active_count() <= before + 1


def test_an_exception_of_the_source_is_raised(
    gateway: ScriptedGateway, client: SyncDialGatewayClient
) -> None:
    """An error of the source in its thread reaches the caller unchanged."""
    gateway.script = _withhold

    def failing() -> Iterator[DialRequest]:
        yield from requests(150)
        raise LookupError("my source")

    with pytest.raises(LookupError, match="my source"):
        list(client.dial("c", failing()))


def test_notices_reach_the_callback(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """The callback runs in the caller's thread."""

    async def notices(received: Received, context: Context) -> Answers:
        yield pb.StreamDialRequestsResponse(notice=pb.Notice(kind=pb.NOTICE_KIND_CAMPAIGN_HELD))
        await received.read(1)
        yield answer(accepted(0, "t-0"))

    gateway.script = notices
    heard: list[tuple[Notice, int]] = []
    list(
        client.dial("c", requests(1), on_notice=lambda notice: heard.append((notice, threading.get_ident())))
    )
    assert heard == [(Notice(NoticeKind.CAMPAIGN_HELD), threading.get_ident())]


def test_closing_the_client_ends_a_dial_of_another_thread(
    gateway: ScriptedGateway, client: SyncDialGatewayClient
) -> None:
    """A dial in flight raises ClientClosed when the client is closed, and a later dial at once."""
    arrived = threading.Event()

    async def withhold(received: Received, context: Context) -> Answers:
        await received.read(2)
        arrived.set()
        await asyncio.Event().wait()
        yield answer()

    gateway.script = withhold
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: list(client.dial("c", requests(2))))
        assert arrived.wait(5)
        client.close()
        with pytest.raises(ClientClosed) as caught:
            future.result(5)
    assert caught.value.unanswered == ("t-0", "t-1")
    with pytest.raises(ClientClosed):
        list(client.dial("c", requests(1)))


def test_closing_the_client_ends_a_put_of_another_thread(
    gateway: ScriptedGateway, client: SyncDialGatewayClient
) -> None:
    """A put in flight raises ClientClosed, and its requests are in doubt."""
    arrived = threading.Event()

    async def withhold(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    gateway.put_script = withhold
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: client.put("c", requests(2), timeout=30))
        assert arrived.wait(5)
        client.close()
        with pytest.raises(ClientClosed) as caught:
            future.result(5)
    assert caught.value.in_doubt == caught.value.unanswered == ("t-0", "t-1")


def test_threads_share_a_client(client: SyncDialGatewayClient) -> None:
    """Dials of several threads on one client do not disturb each other."""
    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(lambda count: len(list(client.dial("c", requests(count)))), [10, 300, 1, 0])
    assert list(counts) == [10, 300, 1, 0]


def test_put_returns_results_in_order(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """The unary call answers each request of the list, in its order."""

    async def accepts(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
        tokens = [sent.client_token for sent in message.dial_requests]
        return pb.PutDialRequestsResponse(results=[accepted(*pair) for pair in enumerate(tokens)])

    gateway.put_script = accepts
    results = client.put("c", requests(3), timeout=5)
    assert [result.client_token for result in results] == ["t-0", "t-1", "t-2"]


def test_a_put_that_times_out_has_its_tokens(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """It raises DeadlineExceeded, with every token unanswered."""

    async def never(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
        await asyncio.Event().wait()
        raise AssertionError

    gateway.put_script = never
    with pytest.raises(DeadlineExceeded) as caught:
        client.put("c", requests(2), timeout=0.1)
    assert caught.value.unanswered == ("t-0", "t-1")
