"""The statuses with which calls end when the gateway or a proxy in front of it dies: the clients reconnect.

HTTP/2 resets become INTERNAL or CANCELLED. A call that the client itself has cancelled is different.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from dialgateway import (
    CallFailed,
    ClientClosed,
    DialGatewayClient,
    DialGatewayError,
    DialResult,
    SyncDialGatewayClient,
)
from dialgateway.retry import FINAL_STATUSES, RECONNECT_STATUSES
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import Answers, Received, ScriptedGateway, accepted, answer, request, requests

if TYPE_CHECKING:
    from tests.client.scripted import Context, PutContext

CODES = sorted(set(grpc.StatusCode) - {grpc.StatusCode.OK}, key=lambda code: code.value[0])
RETRIED = [code for code in CODES if code not in FINAL_STATUSES]
ENDS = sorted(RECONNECT_STATUSES, key=lambda code: code.value[0])
MANY = 8
"""More failures in a row than the client accepts if its messages may be the cause."""


class Dying:
    """A gateway that ends its first calls with a status. `marks` has the `in_doubt` values by token."""

    def __init__(self, code: grpc.StatusCode, *, streams: int = 0, puts: int = 0, probes: int = 0) -> None:
        self._code = code
        self._left = {"stream": streams, "put": puts, "probe": probes}
        self.marks: dict[str, list[bool]] = {}

    def rule(self, gateway: ScriptedGateway) -> Dying:
        gateway.script, gateway.put_script, gateway.probe_script = self._stream, self._put, self._probe
        return self

    async def _end(self, what: str, context: Context | PutContext) -> None:
        if self._left[what] > 0:
            self._left[what] -= 1
            await context.abort(self._code, "dead")

    async def _stream(self, received: Received, context: Context) -> Answers:
        index = 0
        async for message in received._messages:
            self._note(message.dial_requests)
            await self._end("stream", context)
            for each in message.dial_requests:
                yield answer(accepted(index, each.client_token))
                index += 1

    async def _put(
        self, message: pb.PutDialRequestsRequest, context: PutContext
    ) -> pb.PutDialRequestsResponse:
        self._note(message.dial_requests)
        await self._end("put", context)
        tokens = [each.client_token for each in message.dial_requests]
        return pb.PutDialRequestsResponse(results=[accepted(*pair) for pair in enumerate(tokens)])

    async def _probe(self, context: PutContext) -> None:
        await self._end("probe", context)

    def _note(self, dial_requests: Iterable[pb.DialRequest]) -> None:
        for each in dial_requests:
            self.marks.setdefault(each.client_token, []).append(each.in_doubt)


@pytest.fixture(params=["async", "sync"])
def twin(request: pytest.FixtureRequest, gateway: ScriptedGateway) -> Twin:
    return Twin(gateway.target, sync=request.param == "sync")


class Twin:
    """Either client, called from asyncio, without pauses."""

    def __init__(self, target: str, *, sync: bool) -> None:
        self._target, self._sync = target, sync

    async def dial(self, count: int = 2) -> list[DialResult]:
        if self._sync:
            return await asyncio.to_thread(self._dial, count)
        async with DialGatewayClient(self._target, jitter=lambda: 0.0) as client:
            return [result async for result in client.dial("c", requests(count))]

    async def put(self, count: int = 2) -> list[DialResult]:
        if self._sync:
            return await asyncio.to_thread(self._put, count)
        async with DialGatewayClient(self._target, jitter=lambda: 0.0) as client:
            return await client.put("c", requests(count), timeout=20)

    def _dial(self, count: int) -> list[DialResult]:
        with SyncDialGatewayClient(self._target, jitter=lambda: 0.0) as client:
            return list(client.dial("c", requests(count)))

    def _put(self, count: int) -> list[DialResult]:
        with SyncDialGatewayClient(self._target, jitter=lambda: 0.0) as client:
            return client.put("c", requests(count), timeout=20)


@pytest.mark.parametrize("code", RETRIED)
async def test_a_stream_reconnects(gateway: ScriptedGateway, twin: Twin, code: grpc.StatusCode) -> None:
    """Unanswered requests are sent again over a new stream, marked as in doubt."""
    dying = Dying(code, streams=2).rule(gateway)
    async with asyncio.timeout(20):
        results = await twin.dial()
    assert [result.accepted for result in results] == [True, True]
    assert dying.marks == {"t-0": [False, True, True], "t-1": [False, True, True]}


@pytest.mark.parametrize("code", sorted(FINAL_STATUSES, key=str))
async def test_a_final_status_of_a_stream_is_raised_at_once(
    gateway: ScriptedGateway, twin: Twin, code: grpc.StatusCode
) -> None:
    """A status that would be the same on another connection is raised, with every token."""
    Dying(code, streams=1).rule(gateway)
    with pytest.raises(CallFailed) as caught:
        await twin.dial()
    assert caught.value.code is code
    assert caught.value.unanswered == ("t-0", "t-1")


@pytest.mark.parametrize("code", ENDS)
async def test_an_unreachable_gateway_is_retried(
    gateway: ScriptedGateway, twin: Twin, code: grpc.StatusCode
) -> None:
    """However often the probe fails, nothing is raised; nothing was sent, so nothing is in doubt."""
    dying = Dying(code, probes=MANY).rule(gateway)
    async with asyncio.timeout(20):
        assert len(await twin.dial()) == 2
    assert dying.marks == {"t-0": [False], "t-1": [False]}
    assert gateway.probes == MANY + 1


@pytest.mark.parametrize("code", ENDS)
async def test_a_put_is_repeated(gateway: ScriptedGateway, twin: Twin, code: grpc.StatusCode) -> None:
    """The list is sent again, marked as in doubt; failures of the probe leave no doubt."""
    dying = Dying(code, puts=2, probes=2).rule(gateway)
    async with asyncio.timeout(20):
        results = await twin.put()
    assert [result.accepted for result in results] == [True, True]
    assert dying.marks == {"t-0": [False, True, True], "t-1": [False, True, True]}


@pytest.mark.parametrize("code", [code for code in CODES if code not in RECONNECT_STATUSES])
async def test_a_final_status_of_a_put_is_raised_at_once(
    gateway: ScriptedGateway, twin: Twin, code: grpc.StatusCode
) -> None:
    """Any other status is raised, and every token is in doubt."""
    Dying(code, puts=1).rule(gateway)
    with pytest.raises(DialGatewayError) as caught:
        await twin.put()
    assert caught.value.in_doubt == caught.value.unanswered == ("t-0", "t-1")


async def test_closing_the_client_is_not_retried(gateway: ScriptedGateway) -> None:
    """It raises ClientClosed at once, although the call ends with CANCELLED."""
    Dying(grpc.StatusCode.CANCELLED).rule(gateway)

    async def never(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
        await asyncio.Event().wait()
        raise AssertionError

    gateway.put_script = never
    async with DialGatewayClient(gateway.target) as client, asyncio.timeout(10):
        task = asyncio.create_task(client.put("c", [request("t")], timeout=30))
        await gateway.opened.wait()
        await client.close()
        with pytest.raises(ClientClosed):
            await task
