"""Scripts of streams that a gateway ends or refuses, and checks of what a client has received."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.scripted import Answers, Received, accepted, answer, requests

if TYPE_CHECKING:
    import grpc

    from dialgateway import DialGatewayClient, DialResult
    from tests.client.scripted import Context, StreamScript


DRAINING = pb.StreamDialRequestsResponse(notice=pb.Notice(kind=pb.NOTICE_KIND_DRAINING))


def in_turn(*scripts: StreamScript) -> StreamScript:
    """Use the next script for each stream, and the last one for all further streams."""
    left = list(scripts)

    async def script(received: Received, context: Context) -> Answers:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        async for response in chosen(received, context):
            yield response

    return script


def breaks(code: grpc.StatusCode, read: int, answered: int) -> StreamScript:
    """Answer the first requests and end with a status."""

    async def script(received: Received, context: Context) -> Answers:
        await received.read(read)
        yield answer(*(accepted(index, received.tokens[index]) for index in range(answered)))
        await context.abort(code, "broken")

    return script


async def refuse_all(received: Received, context: Context) -> Answers:
    async for pairs in received.messages():
        yield answer(
            *(
                pb.DialResult(
                    client_token=token,
                    index=index,
                    outcome=pb.OUTCOME_EXPIRED,
                    reason=pb.REASON_EXPIRATION_PASSED,
                    retry_advice=pb.RETRY_ADVICE_SAME_TOKEN,
                )
                for index, token in pairs
            )
        )


def once_each(results: list[DialResult], count: int) -> None:
    """Check that each request has one answer, with its own index."""
    assert sorted((result.index, result.client_token) for result in results) == [
        (index, f"t-{index}") for index in range(count)
    ]


async def all_of(client: DialGatewayClient, count: int) -> list[DialResult]:
    async with asyncio.timeout(20):
        return [result async for result in client.dial("c", requests(count))]
