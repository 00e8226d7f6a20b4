"""When the asynchronous client stops connecting again: final statuses, its policy, and its own end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from dialgateway import (
    AccessDenied,
    CallFailed,
    ClientClosed,
    DialGatewayClient,
    DialRequest,
    GatewayOverloaded,
    GatewayUnavailable,
    Outcome,
    RetryPolicy,
)
from dialgateway._reconnection import UNUSUAL_ENDS
from tests.client.scripted import (
    PHONE,
    SECRET,
    Answers,
    Received,
    ScriptedGateway,
    answer,
    dial_tasks,
    requests,
)
from tests.client.stream_scripts import all_of, breaks

if TYPE_CHECKING:
    from tests.client.scripted import Context, PutContext

pytestmark = pytest.mark.usefixtures("no_task_left")


@pytest.fixture
def client(client_without_pauses: DialGatewayClient) -> DialGatewayClient:
    return client_without_pauses


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
async def test_a_final_status_is_raised_at_once(
    gateway: ScriptedGateway, client: DialGatewayClient, code: grpc.StatusCode
) -> None:
    """A status that would be the same on another connection ends the stream."""
    gateway.script = breaks(code, 3, 1)
    heard = []
    with pytest.raises(AccessDenied) as caught:  # noqa: PT012
        async for result in client.dial("c", requests(3)):
            heard.append(result.index)  # noqa: PERF401
    assert heard == [0]
    assert caught.value.unanswered == caught.value.in_doubt == ("t-1", "t-2")
    assert len(gateway.streams) == 1


@pytest.mark.parametrize(
    ("code", "error", "streams"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, AccessDenied, 2),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, GatewayOverloaded, UNUSUAL_ENDS),
    ],
)
async def test_a_refusal_is_raised_however_much_is_being_sent(
    gateway: ScriptedGateway,
    client: DialGatewayClient,
    code: grpc.StatusCode,
    error: type[CallFailed],
    streams: int,
) -> None:
    """grpc.aio replaces its status by INTERNAL while messages are sent, so the next streams wait first."""

    async def refuse(received: Received, context: Context) -> Answers:
        if received.tokens:  # never: nothing is read
            yield answer()
        await context.abort(code, "no")

    gateway.script = refuse
    with pytest.raises(error, match=f"{code.name}: no"):
        async for _ in client.dial("c", requests(5000)):
            pass
    assert len(gateway.streams) <= streams


async def test_a_refused_probe_leaves_no_request_in_doubt(gateway: ScriptedGateway) -> None:
    """Nothing is sent if the probe is refused, so requests that expire are EXPIRED."""

    async def leaving(context: PutContext) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")

    gateway.probe_script = leaving
    soon = DialRequest("t-0", PHONE, datetime.now(UTC) + timedelta(seconds=0.3), {"first_name": SECRET})
    policy = RetryPolicy(longest_pause=timedelta(seconds=0.2))
    async with DialGatewayClient(gateway.target, retry=policy) as client:
        (result,) = [result async for result in client.dial("c", [soon])]
    assert result.outcome is Outcome.EXPIRED
    assert gateway.probes > 1
    assert gateway.streams == []


async def test_the_client_gives_up_after_the_time_of_the_policy(closed_port: int) -> None:
    """The error says why, and has the tokens that were not sent."""
    policy = RetryPolicy(give_up_after=timedelta(seconds=0.3), longest_pause=timedelta(seconds=0.2))
    async with DialGatewayClient(f"127.0.0.1:{closed_port}", retry=policy) as client:
        with pytest.raises(GatewayUnavailable, match="refused") as caught:
            await all_of(client, 2)
    assert caught.value.unanswered == ("t-0", "t-1")
    assert caught.value.in_doubt == ()


async def test_leaving_while_unreachable_ends_all_tasks(closed_port: int) -> None:
    """A caller that is cancelled, or closes the client, between two attempts."""
    client = DialGatewayClient(f"127.0.0.1:{closed_port}")
    task = asyncio.create_task(all_of(client, 2))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not dial_tasks()
    task = asyncio.create_task(all_of(client, 2))
    await asyncio.sleep(0.05)
    await client.close()
    assert not dial_tasks()
    with pytest.raises(ClientClosed) as caught:
        await task
    assert caught.value.unanswered == ("t-0", "t-1")


async def test_closing_ends_a_stream_that_nobody_reads(
    gateway: ScriptedGateway, client: DialGatewayClient
) -> None:
    """`close()` also ends a dial whose caller does something else."""
    async with aclosing(client.dial("c", requests(1000))) as results:
        await anext(results)
        await client.close()
        assert not dial_tasks()
        with pytest.raises(ClientClosed):
            [result async for result in results]
