"""The calls of CampaignService, as methods of both clients."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from dialgateway import _campaign_wire as wire
from dialgateway.campaigns import Campaign, CampaignsSeen, HeldRequests
from dialgateway.errors import ClientClosed
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub

Metadata = tuple[tuple[str, str | bytes], ...]
TIMEOUT_S = 30.0
"""Seconds that a call may take; one that purges a long queue takes the longest."""


class CampaignCalls(ABC):
    """Looks at campaigns and steers them, by asyncio.

    Each raises GatewayUnavailable, AccessDenied, GatewayOverloaded (a limit of the gateway is reached),
    DeadlineExceeded, ClientClosed, or CallFailed with the status in `code`: INVALID_ARGUMENT where a field
    breaks a rule, NOT_FOUND for the release of a campaign that is not held.
    """

    _metadata: Metadata

    @abstractmethod
    def _campaign_channel(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """Lend the channel for one call; raises ClientClosed."""

    async def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns that the gateway lists, by id."""
        campaigns: list[Campaign] = []
        token = ""
        async with self._campaign_stub() as stub:
            while True:
                page = await stub.ListCampaigns(
                    wire.list_message(token), timeout=TIMEOUT_S, metadata=self._metadata
                )
                campaigns += map(wire.campaign, page.campaigns)
                token = page.next_page_token
                if not token:
                    return campaigns

    async def watch_campaigns(self, every: timedelta | float = 1.0) -> AsyncGenerator[CampaignsSeen, None]:
        """Yield all campaigns, and again when something has changed, `every` (0.25 to 60 s) at most.

        Ends with GatewayUnavailable when the replica leaves. A reader that is slow misses states in between.
        """
        watched = wire.Watched()
        async with self._campaign_stub() as stub:
            call = stub.WatchCampaigns(wire.watch_message(every), metadata=self._metadata)
            try:
                async for message in call:
                    if (seen := watched.take(message)) is not None:
                        yield seen
            finally:
                call.cancel()

    async def hold_campaign(
        self, campaign_id: str, reason: str = "", *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Let no further call leave for a campaign; return it as it is held."""
        message = wire.hold_message(campaign_id, reason, held_requests)
        async with self._campaign_stub() as stub:
            held = await stub.HoldCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(held.campaign)

    async def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Let calls leave again for a campaign; return it as it is released."""
        message = pb.ReleaseCampaignRequest(campaign_id=campaign_id, reason=reason)
        async with self._campaign_stub() as stub:
            released = await stub.ReleaseCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(released.campaign)

    async def purge_campaign(self, campaign_id: str, reason: str = "") -> int:
        """Have what is queued for a campaign answered PURGED; return how many dial requests that were."""
        message = pb.PurgeCampaignRequest(campaign_id=campaign_id, reason=reason)
        async with self._campaign_stub() as stub:
            return (await stub.PurgeCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)).purged

    @asynccontextmanager
    async def _campaign_stub(self) -> AsyncIterator[CampaignServiceAsyncStub]:
        """Lend the stub for one call, and translate what ends it."""
        async with self._campaign_channel() as channel:
            try:
                yield cast("CampaignServiceAsyncStub", CampaignServiceStub(channel))
            except grpc.aio.AioRpcError as error:
                raise wire.failure_of(error, error.code(), error.details()) from error
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise ClientClosed("the client was closed") from None


class SyncCampaignCalls(ABC):
    """Looks at campaigns and steers them; raises what `CampaignCalls` does."""

    _metadata: Metadata

    @abstractmethod
    def _campaign_channel(self) -> AbstractContextManager[grpc.Channel]:
        """Lend the channel for one call; raises ClientClosed."""

    def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns that the gateway lists, by id."""
        campaigns: list[Campaign] = []
        token = ""
        with self._campaign_stub() as stub:
            while True:
                page = stub.ListCampaigns(
                    wire.list_message(token), timeout=TIMEOUT_S, metadata=self._metadata
                )
                campaigns += map(wire.campaign, page.campaigns)
                token = page.next_page_token
                if not token:
                    return campaigns

    def watch_campaigns(self, every: timedelta | float = 1.0) -> Generator[CampaignsSeen, None, None]:
        """Yield all campaigns, and again when something has changed, `every` (0.25 to 60 s) at most.

        Ends with GatewayUnavailable when the replica leaves. A reader that is slow misses states in between.
        """
        watched = wire.Watched()
        with self._campaign_stub() as stub:
            call = stub.WatchCampaigns(wire.watch_message(every), metadata=self._metadata)
            try:
                for message in call:
                    if (seen := watched.take(message)) is not None:
                        yield seen
            finally:
                call.cancel()

    def hold_campaign(
        self, campaign_id: str, reason: str = "", *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Let no further call leave for a campaign; return it as it is held."""
        message = wire.hold_message(campaign_id, reason, held_requests)
        with self._campaign_stub() as stub:
            held = stub.HoldCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(held.campaign)

    def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Let calls leave again for a campaign; return it as it is released."""
        message = pb.ReleaseCampaignRequest(campaign_id=campaign_id, reason=reason)
        with self._campaign_stub() as stub:
            released = stub.ReleaseCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(released.campaign)

    def purge_campaign(self, campaign_id: str, reason: str = "") -> int:
        """Have what is queued for a campaign answered PURGED; return how many dial requests that were."""
        message = pb.PurgeCampaignRequest(campaign_id=campaign_id, reason=reason)
        with self._campaign_stub() as stub:
            return stub.PurgeCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata).purged

    @contextmanager
    def _campaign_stub(self) -> Iterator[CampaignServiceStub]:
        """Lend the stub for one call, and translate what ends it."""
        with self._campaign_channel() as channel:
            try:
                yield CampaignServiceStub(channel)
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
                if code is grpc.StatusCode.CANCELLED:
                    raise ClientClosed("the client was closed") from error
                raise wire.failure_of(error, code, details) from error
            except ValueError as error:  # what a channel says that was closed
                raise ClientClosed("the client is closed") from error
