"""Requests whose earlier attempt is in doubt: when clients set `in_doubt`, and the answers they get."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from benchmarks.stub import async_stub
from dialgateway import DialGatewayClient, DialRequest, HeldRequests, SyncDialGatewayClient
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.processes import PATIENCE_S, World, world
from tests.client.scripted import (
    PHONE,
    Answers,
    Received,
    ScriptedGateway,
    accepted,
    answer,
    request,
    requests,
)

if TYPE_CHECKING:
    from tests.client.scripted import Context, PutContext

CAMPAIGN = "c"


class Sent:
    """The values of `in_doubt` that a gateway received for each token, in order."""

    def __init__(self) -> None:
        self.marks: dict[str, list[bool]] = {}

    def note(self, message: pb.StreamDialRequestsRequest | pb.PutDialRequestsRequest) -> None:
        for each in message.dial_requests:
            self.marks.setdefault(each.client_token, []).append(each.in_doubt)

    async def then_break(self, received: Received, context: Context) -> Answers:
        """Answer the first of three requests, and end like a proxy whose gateway is gone."""
        async for message in received._messages:
            self.note(message)
            if len(self.marks) == 3:
                break
        yield answer(accepted(0, "t-0"))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async def unknown_first(self, received: Received, context: Context) -> Answers:
        """Answer requests without `in_doubt` with UNKNOWN, and those with it with ACCEPTED."""
        index = 0
        async for message in received._messages:
            self.note(message)
            for each in message.dial_requests:
                result = accepted(index, each.client_token)
                if not each.in_doubt:
                    result.outcome, result.retry_advice = pb.OUTCOME_UNKNOWN, pb.RETRY_ADVICE_SAME_TOKEN
                index += 1
                yield answer(result)

    async def accept(self, received: Received, context: Context) -> Answers:
        index = 0
        async for message in received._messages:
            self.note(message)
            for each in message.dial_requests:
                yield answer(accepted(index, each.client_token))
                index += 1

    async def put_breaks_once(
        self, message: pb.PutDialRequestsRequest, context: PutContext
    ) -> pb.PutDialRequestsResponse:
        self.note(message)
        tokens = [each.client_token for each in message.dial_requests]
        if len(self.marks[tokens[0]]) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return pb.PutDialRequestsResponse(results=[accepted(*pair) for pair in enumerate(tokens)])


def break_then_accept(gateway: ScriptedGateway, sent: Sent) -> None:
    scripts = iter((sent.then_break, sent.accept))
    gateway.script = lambda received, context: next(scripts)(received, context)


MARKS_AFTER_A_BREAK = {"t-0": [False], "t-1": [False, True], "t-2": [False, True]}


class TestMarkedRequests:
    """The client marks requests that it sends again and those that its caller marks, and no others."""

    async def test_requests_of_a_broken_stream_are_marked(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        sent = Sent()
        break_then_accept(gateway, sent)
        results = [result async for result in client.dial(CAMPAIGN, requests(3))]
        assert len(results) == 3
        assert sent.marks == MARKS_AFTER_A_BREAK

    def test_the_synchronous_client_marks_requests_of_a_broken_stream(
        self, gateway_elsewhere: ScriptedGateway
    ) -> None:
        sent = Sent()
        break_then_accept(gateway_elsewhere, sent)
        with SyncDialGatewayClient(gateway_elsewhere.target) as client:
            assert len(list(client.dial(CAMPAIGN, requests(3)))) == 3
        assert sent.marks == MARKS_AFTER_A_BREAK

    async def test_a_request_answered_unknown_is_marked(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        sent = Sent()
        gateway.script = sent.unknown_first
        async with asyncio.timeout(PATIENCE_S):
            assert [result.accepted async for result in client.dial(CAMPAIGN, requests(1))] == [True]
        assert sent.marks == {"t-0": [False, True]}

    async def test_a_mark_of_the_caller_is_sent(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        sent = Sent()
        gateway.script = sent.accept
        expires_at = datetime.now(UTC) + timedelta(minutes=5)
        dials = [request("a"), DialRequest("b", PHONE, expires_at, in_doubt=True)]
        assert len([result async for result in client.dial(CAMPAIGN, dials)]) == 2
        assert sent.marks == {"a": [False], "b": [True]}

    async def test_requests_of_a_broken_put_are_marked(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        sent = Sent()
        gateway.put_script = sent.put_breaks_once
        assert len(await client.put(CAMPAIGN, requests(2), timeout=10)) == 2
        assert sent.marks == {"t-0": [False, True], "t-1": [False, True]}

    def test_the_synchronous_client_marks_requests_of_a_broken_put(
        self, gateway_elsewhere: ScriptedGateway
    ) -> None:
        sent = Sent()
        gateway_elsewhere.put_script = sent.put_breaks_once
        with SyncDialGatewayClient(gateway_elsewhere.target) as client:
            assert len(client.put(CAMPAIGN, requests(2), timeout=10)) == 2
        assert sent.marks == {"t-0": [False, True], "t-1": [False, True]}


async def _accepted_by_connect(gateway: World, token: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while token not in await gateway.accepted():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _put(gateway: World, *, in_doubt: bool, timeout_s: float = 10.0) -> pb.DialResult:
    """Send the token with the generated stub, as a caller in another language does."""
    message = pb.PutDialRequestsRequest(campaign_id=CAMPAIGN)
    dial = message.dial_requests.add(client_token="t-0", phone_number=PHONE, in_doubt=in_doubt)
    dial.expiration_time.FromDatetime(datetime.now(UTC) + timedelta(minutes=5))
    async with grpc.aio.insecure_channel(gateway.target) as channel:
        call = async_stub(channel).PutDialRequests
        response = await call(message, timeout=timeout_s, wait_for_ready=True)
    return response.results[0]


@pytest.mark.parametrize("held", [True, False])
async def test_a_request_accepted_in_a_call_of_a_killed_gateway_is_not_refused(
    reserved_port: int, held: bool
) -> None:
    """With `in_doubt` the restarted gateway does not refuse it, even while the campaign is held.

    Without a hold it calls Connect, which knows the token: ACCEPTED, and nobody is dialed twice.
    """
    async with world(reserved_port, "--latency", "1.5") as gateway:
        first = asyncio.create_task(_put(gateway, in_doubt=False))
        await _accepted_by_connect(gateway, "t-0")
        await gateway.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await first
        await gateway.start()
        if held:
            async with DialGatewayClient(gateway.target) as operator:
                await operator.hold_campaign(CAMPAIGN, "test", held_requests=HeldRequests.ANSWER)
            without = await _put(gateway, in_doubt=False)
            assert (without.outcome, without.reason) == (pb.OUTCOME_NOT_ACCEPTED, pb.REASON_HELD)
        result = await _put(gateway, in_doubt=True)
        if held:
            assert (result.outcome, result.reason) == (pb.OUTCOME_UNKNOWN, pb.REASON_HELD)
            assert result.retry_advice == pb.RETRY_ADVICE_SAME_TOKEN
            assert "an earlier attempt may have reached Amazon Connect" in result.detail
        else:
            assert result.outcome == pb.OUTCOME_ACCEPTED
        assert await gateway.accepted() == {"t-0": 1}
