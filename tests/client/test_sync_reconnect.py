"""The synchronous client over connections that end, against a scripted gateway in another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from dialgateway import (
    AccessDenied,
    ClientClosed,
    DialRequest,
    GatewayUnavailable,
    Outcome,
    RetryPolicy,
    SyncDialGatewayClient,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import (
    Answers,
    Received,
    ScriptedGateway,
    accept_all,
    accepted,
    answer,
    request,
    requests,
)
from tests.client.stream_scripts import DRAINING, breaks, in_turn, once_each, refuse_all

if TYPE_CHECKING:
    from tests.client.scripted import Context, PutContext


@pytest.fixture
def gateway(gateway_elsewhere: ScriptedGateway) -> ScriptedGateway:
    return gateway_elsewhere


@pytest.fixture
def client(gateway: ScriptedGateway) -> Iterator[SyncDialGatewayClient]:
    with SyncDialGatewayClient(gateway.target, jitter=lambda: 0.0) as made:
        yield made


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Check that each test ends without a thread of the client."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dial-")]


def test_many_breaks_lose_and_duplicate_no_answer(
    gateway: ScriptedGateway, client: SyncDialGatewayClient
) -> None:
    """Connections that each answer a few requests and break make one complete stream."""
    gateway.script = in_turn(*[breaks(grpc.StatusCode.UNAVAILABLE, 50, 17)] * 10, accept_all)
    results = list(client.dial("c", requests(500)))
    once_each(results, 500)
    assert all(result.accepted for result in results)
    assert len(gateway.streams) == 11


def test_a_refusal_after_a_break_is_unknown(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """Requests sent on the broken connection are not EXPIRED because the next replica says so."""
    gateway.script = in_turn(breaks(grpc.StatusCode.UNAVAILABLE, 1, 0), refuse_all)
    (result,) = client.dial("c", requests(1))
    assert result.outcome is Outcome.UNKNOWN


def test_draining_moves_new_requests(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """New requests go to a second stream, answers come on both, and the rest is sent again."""
    noticed, moved = threading.Event(), asyncio.Event()

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

    def source() -> Iterator[DialRequest]:
        yield from requests(10)
        assert noticed.wait(10)
        yield from (request(f"t-{number}") for number in range(10, 20))

    gateway.script = in_turn(leaving, staying)
    once_each(list(client.dial("c", source(), on_notice=lambda _: noticed.set())), 20)
    assert gateway.streams[0].tokens == [f"t-{number}" for number in range(10)]
    assert sorted(gateway.streams[1].tokens) == sorted(
        f"t-{number}" for number in [*range(10, 20), *range(5, 10)]
    )


def test_a_final_status_is_raised_at_once(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """A status that would be the same on another connection ends the stream."""
    gateway.script = breaks(grpc.StatusCode.UNAUTHENTICATED, 3, 1)
    with pytest.raises(AccessDenied) as caught:
        list(client.dial("c", requests(3)))
    assert caught.value.unanswered == caught.value.in_doubt == ("t-1", "t-2")
    assert len(gateway.streams) == 1


def test_the_client_gives_up_after_the_time_of_the_policy(closed_port: int) -> None:
    """The error says why, and has the tokens that were not sent."""
    policy = RetryPolicy(give_up_after=timedelta(seconds=0.3), longest_pause=timedelta(seconds=0.2))
    with (
        SyncDialGatewayClient(f"127.0.0.1:{closed_port}", retry=policy) as client,
        pytest.raises(GatewayUnavailable, match="refused") as caught,
    ):
        list(client.dial("c", requests(2)))
    assert caught.value.unanswered == ("t-0", "t-1")
    assert caught.value.in_doubt == ()


def test_closing_while_unreachable_ends_all_threads(closed_port: int) -> None:
    """The client is closed by another thread between two attempts."""
    with ThreadPoolExecutor(1) as pool:
        client = SyncDialGatewayClient(f"127.0.0.1:{closed_port}")
        future = pool.submit(lambda: list(client.dial("c", requests(2))))
        while not any(thread.name == "dial-keeper" for thread in threading.enumerate()):
            pass
        client.close()
        with pytest.raises(ClientClosed) as caught:
            future.result(5)
    assert set(caught.value.unanswered) <= {"t-0", "t-1"}


def test_a_put_is_repeated(gateway: ScriptedGateway, client: SyncDialGatewayClient) -> None:
    """UNAVAILABLE is retried with the same tokens; a refusal after that is UNKNOWN."""
    tries: list[list[str]] = []

    async def second_time(
        message: pb.PutDialRequestsRequest, context: PutContext
    ) -> pb.PutDialRequestsResponse:
        tries.append([sent.client_token for sent in message.dial_requests])
        if len(tries) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")
        refused = pb.DialResult(client_token="t-1", index=1, outcome=pb.OUTCOME_NOT_ACCEPTED)
        return pb.PutDialRequestsResponse(results=[accepted(0, "t-0"), refused])

    gateway.put_script = second_time
    results = client.put("c", requests(2), timeout=5)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert tries == [["t-0", "t-1"]] * 2


def test_closing_ends_a_put_of_another_thread(closed_port: int) -> None:
    """A put between two attempts raises ClientClosed when the client is closed."""
    with ThreadPoolExecutor(1) as pool:
        policy = RetryPolicy(first_pause=timedelta(minutes=1), longest_pause=timedelta(minutes=1))
        client = SyncDialGatewayClient(f"127.0.0.1:{closed_port}", retry=policy, jitter=lambda: 1.0)
        future = pool.submit(client.put, "c", list(requests(1)), timeout=600)
        with pytest.raises(TimeoutError):
            future.result(0.3)
        client.close()
        with pytest.raises(ClientClosed) as caught:
            future.result(5)
    assert caught.value.unanswered == ("t-0",)
