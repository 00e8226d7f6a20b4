"""`put` over connections that end: it is repeated until its timeout."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from dialgateway import DialGatewayClient, GatewayUnavailable, Outcome, RetryPolicy
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import ScriptedGateway, accepted, requests

if TYPE_CHECKING:
    from tests.client.scripted import PutContext

pytestmark = pytest.mark.usefixtures("no_task_left")


@pytest.fixture
def client(client_without_pauses: DialGatewayClient) -> DialGatewayClient:
    return client_without_pauses


async def test_a_broken_attempt_is_repeated(gateway: ScriptedGateway, client: DialGatewayClient) -> None:
    """UNAVAILABLE is retried with the same tokens; a refusal after that is UNKNOWN."""
    tries: list[list[str]] = []

    async def second_time(
        message: pb.PutDialRequestsRequest, context: PutContext
    ) -> pb.PutDialRequestsResponse:
        tries.append([sent.client_token for sent in message.dial_requests])
        if len(tries) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving")
        refused = pb.DialResult(client_token="t-1", index=1, outcome=pb.OUTCOME_REJECTED)
        return pb.PutDialRequestsResponse(results=[accepted(0, "t-0"), refused])

    gateway.put_script = second_time
    results = await client.put("c", requests(2), timeout=5)
    assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert tries == [["t-0", "t-1"]] * 2


async def test_put_ends_at_its_timeout(closed_port: int) -> None:
    """If nothing listens, the timeout bounds the attempts, and no request is in doubt."""
    policy = RetryPolicy(longest_pause=timedelta(seconds=0.2))
    async with DialGatewayClient(f"127.0.0.1:{closed_port}", retry=policy) as client:
        with pytest.raises(GatewayUnavailable, match="refused") as caught:
            await client.put("c", requests(2), timeout=2)
    assert caught.value.unanswered == ("t-0", "t-1")
    assert caught.value.in_doubt == ()
