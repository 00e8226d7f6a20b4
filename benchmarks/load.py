"""Sends dial requests to a gateway as fast as it answers them.

Takes the address, the number of dial requests, the size of the lists and the number of campaigns,
and optionally the number of trace contexts of which one is sampled, and the number of callers. Prints
seconds, and how many were accepted. Each of several callers has a stream, and an identity that a proxy
would forward.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence

import grpc

from benchmarks.onlookers import IDENTITY
from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb

RUN = secrets.token_hex(4)
"""Makes the tokens of each run unique, since tokens of an earlier run would be replayed."""


def message(
    first: int, size: int, campaigns: int, expiration_s: int, sampled_of: int = 0
) -> pb.StreamDialRequestsRequest:
    """Return one list of dial requests, for one of the campaigns."""
    request = pb.StreamDialRequestsRequest(campaign_id=f"campaign-{first // size % campaigns}")
    for number in range(first, first + size):
        item = request.dial_requests.add()
        item.client_token = f"{RUN}-{number:08d}"
        item.phone_number = f"+1212{2_000_000 + number % 7_990_000}"
        item.expiration_time.seconds = expiration_s
        if sampled_of:
            sampled = number % sampled_of == 0
            item.traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{sampled:02x}"
        item.attributes["first_name"] = "Ada"
        item.attributes["language"] = "en"
        item.attributes["appointment"] = "2026-12-01"
    return request


async def main(
    target: str, count: int, size: int, campaigns: int, sampled_of: int = 0, callers: int = 1
) -> None:
    expiration_s = int(time.time()) + 900
    messages = [message(first, size, campaigns, expiration_s, sampled_of) for first in range(0, count, size)]
    identities = [((IDENTITY, f"URI=spiffe://example.org/service-{number}"),) for number in range(callers)]
    async with grpc.aio.insecure_channel(target) as channel:
        await channel.channel_ready()
        began = time.perf_counter()
        streams = (
            _stream(channel, messages[number::callers], identity if callers > 1 else ())
            for number, identity in enumerate(identities)
        )
        accepted = sum(await asyncio.gather(*streams))
        sys.stdout.write(f"{time.perf_counter() - began:.4f} {accepted}\n")


async def _stream(
    channel: grpc.aio.Channel,
    messages: Sequence[pb.StreamDialRequestsRequest],
    metadata: Sequence[tuple[str, str]],
) -> int:
    """Send messages on a stream of one caller; return how many dial requests were accepted."""

    async def requests() -> AsyncIterator[pb.StreamDialRequestsRequest]:
        for item in messages:
            yield item

    accepted = 0
    async for response in async_stub(channel).StreamDialRequests(requests(), metadata=metadata):
        accepted += sum(result.outcome == pb.OUTCOME_ACCEPTED for result in response.results)
    return accepted


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(int(argument) for argument in sys.argv[2:7])))
