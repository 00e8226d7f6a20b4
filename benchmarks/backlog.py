"""Fills a gateway with dial requests that wait: 200,000 in forty streams, with four short attributes each."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import grpc.aio

from benchmarks.load import message
from benchmarks.stub import async_stub
from dialgateway.v1 import campaign_service_pb2, dial_request_service_pb2
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub

if TYPE_CHECKING:
    Stream = grpc.aio.StreamStreamCall[
        dial_request_service_pb2.StreamDialRequestsRequest,
        dial_request_service_pb2.StreamDialRequestsResponse,
    ]
    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub

STREAMS, EACH = 40, 5000
COUNT = STREAMS * EACH
CALL = 25
WAITING = {
    "call_rate": "0.001",
    "call_burst": "1",
    "would_expire": "off",
    "caller_window": str(COUNT),
    "queue_bytes": str(1 << 30),
}
"""Settings of a gateway that makes one call and lets everything else wait."""
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Contents:
    """What the dial requests are like. Those of `campaigns` take turns in lists of 100.

    Without `expires_at`, in seconds since the epoch, they expire in a quarter of an hour. They expire within
    `spread_s` of that, in order. 0 is the same expiration for all.
    """

    campaigns: int = 10
    expires_at: float | None = None
    spread_s: float = 0.0

    def expiration_s(self, number: int) -> float:
        """Return when a dial request expires, in seconds since the epoch."""
        first = self.expires_at if self.expires_at is not None else int(time.time()) + 900
        return first + self.spread_s * number / COUNT


@dataclass(slots=True)
class Backlog:
    """The streams that wait for their answers; `outcomes` counts the answers."""

    outcomes: Counter[str] = field(default_factory=Counter)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, call: "Stream") -> None:
        """Read the answers of one stream."""
        async for response in call:
            assert isinstance(response, dial_request_service_pb2.StreamDialRequestsResponse)
            for result in response.results:
                self.outcomes[dial_request_service_pb2.Outcome.Name(result.outcome)] += 1
            if self.outcomes.total() >= COUNT:
                self.answered.set()


@asynccontextmanager
async def queued(target: str, contents: Contents) -> AsyncIterator[Backlog]:
    """Fill a gateway that was started with `WAITING`; leave at the end."""
    backlog = Backlog()
    async with grpc.aio.insecure_channel(target) as channel:
        calls = [async_stub(channel).StreamDialRequests(_messages(n, contents)) for n in range(STREAMS)]
        readers = [asyncio.create_task(backlog.read(call)) for call in calls]
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await _outstanding(channel) + backlog.outcomes.total() < COUNT:  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(0.5)
            yield backlog
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)


async def _outstanding(channel: grpc.aio.Channel) -> int:
    stub = cast("CampaignServiceAsyncStub", CampaignServiceStub(channel))
    listed = await stub.ListCampaigns(campaign_service_pb2.ListCampaignsRequest())
    return sum(campaign.queued + campaign.in_flight for campaign in listed.campaigns)


async def _messages(
    stream: int, contents: Contents
) -> AsyncIterator[dial_request_service_pb2.StreamDialRequestsRequest]:
    for first in range(stream * EACH, (stream + 1) * EACH, 100):
        made = message(first, 100, contents.campaigns, 0)
        for number, item in enumerate(made.dial_requests, first):
            item.expiration_time.FromNanoseconds(int(contents.expiration_s(number) * 1e6) * 1000)
            item.attributes["channel"] = "voice"
        yield made
    await asyncio.Event().wait()
