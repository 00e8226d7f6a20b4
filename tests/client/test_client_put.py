"""The unary call `put()` of the asynchronous client."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from dialgateway import (
    ClientClosed,
    DialGatewayClient,
    GatewayOverloaded,
    ProtocolError,
    SyncDialGatewayClient,
)
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import (
    ScriptedGateway,
    accepted,
    requests,
)

if TYPE_CHECKING:
    from tests.client.scripted import PutContext


class TestPut:
    """The unary call."""

    async def test_results_come_in_the_order_of_the_requests(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        """Every request of the list is answered, in its order."""
        gateway.put_script = _put_accepts
        results = await client.put("c", requests(3), timeout=5)
        assert [result.client_token for result in results] == ["t-0", "t-1", "t-2"]

    @pytest.mark.parametrize("timeout", [timedelta.max, math.inf])
    async def test_a_timeout_without_an_end_is_one(
        self, gateway: ScriptedGateway, client: DialGatewayClient, timeout: timedelta | float
    ) -> None:
        """grpcio would end a call at once whose deadline is after the year 2262."""
        gateway.put_script = _put_accepts
        assert len(await client.put("c", requests(1), timeout=timeout)) == 1
        with SyncDialGatewayClient(gateway.target) as sync:
            assert len(await asyncio.to_thread(sync.put, "c", requests(1), timeout=timeout)) == 1

    async def test_missing_results_are_an_error(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        """Results that do not match the requests raise ProtocolError."""

        async def short(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
            return pb.PutDialRequestsResponse(results=[accepted(0, "t-0")])

        gateway.put_script = short
        with pytest.raises(ProtocolError):
            await client.put("c", requests(2), timeout=5)

    async def test_a_full_gateway_raises_gateway_overloaded(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        """RESOURCE_EXHAUSTED becomes GatewayOverloaded with all tokens."""

        async def full(message: pb.PutDialRequestsRequest, context: PutContext) -> pb.PutDialRequestsResponse:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

        gateway.put_script = full
        with pytest.raises(GatewayOverloaded) as caught:
            await client.put("c", requests(2), timeout=5)
        assert caught.value.unanswered == ("t-0", "t-1")

    async def test_closing_the_client_ends_a_put(
        self, gateway: ScriptedGateway, client: DialGatewayClient
    ) -> None:
        """A put in flight raises ClientClosed, and its requests are in doubt."""

        async def never(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
            await asyncio.Event().wait()
            raise AssertionError

        gateway.put_script = never
        task = asyncio.create_task(client.put("c", requests(1), timeout=30))
        await gateway.opened.wait()
        await client.close()
        with pytest.raises(ClientClosed) as caught:
            await task
        assert caught.value.in_doubt == caught.value.unanswered == ("t-0",)


async def _put_accepts(message: pb.PutDialRequestsRequest, context: object) -> pb.PutDialRequestsResponse:
    tokens = [sent.client_token for sent in message.dial_requests]
    return pb.PutDialRequestsResponse(results=[accepted(*pair) for pair in enumerate(tokens)])
