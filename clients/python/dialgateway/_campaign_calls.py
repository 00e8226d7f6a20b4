"""The calls of CampaignService, as base classes of both clients.

The two classes are the same line by line, except for `async` and the end of a closed channel.
"""

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
"""How long a call may take, in seconds. Purging a long queue takes the longest."""


class CampaignCalls(ABC):
    """Lists, watches, holds, releases and purges campaigns, with asyncio.

    Each method raises GatewayUnavailable, AccessDenied, GatewayOverloaded (a limit of the gateway is
    reached), DeadlineExceeded, ClientClosed, or CallFailed with the status in `code`: INVALID_ARGUMENT where
    a field breaks a rule, NOT_FOUND for the release of a campaign that is not held.
    """

    _metadata: Metadata

    @abstractmethod
    def _campaign_channel(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """Provide the channel for one call. Raises ClientClosed."""

    async def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns that the gateway knows, ordered by id."""
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
        """Yield all campaigns now and after each change, at most once in `every` (0.25 to 60 s).

        Raises GatewayUnavailable when the replica shuts down. A slow reader gets fewer states, each complete.
        """
        watched = wire.WatchedCampaigns()
        async with self._campaign_stub() as stub:
            call = stub.WatchCampaigns(wire.watch_message(every), metadata=self._metadata)
            try:
                async for message in call:
                    if (seen := watched.add(message)) is not None:
                        yield seen
            finally:
                call.cancel()

    async def hold_campaign(
        self, campaign_id: str, reason: str = "", *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Stop calls to Amazon Connect for a campaign. Return the held campaign."""
        message = wire.hold_message(campaign_id, reason, held_requests)
        async with self._campaign_stub() as stub:
            held = await stub.HoldCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(held.campaign)

    async def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Allow calls for a held campaign again. Return the released campaign."""
        message = pb.ReleaseCampaignRequest(campaign_id=campaign_id, reason=reason)
        async with self._campaign_stub() as stub:
            released = await stub.ReleaseCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(released.campaign)

    async def purge_campaign(self, campaign_id: str, reason: str = "") -> int:
        """Answer all queued dial requests of a campaign with PURGED. Return how many there were."""
        message = pb.PurgeCampaignRequest(campaign_id=campaign_id, reason=reason)
        async with self._campaign_stub() as stub:
            return (await stub.PurgeCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)).purged

    @asynccontextmanager
    async def _campaign_stub(self) -> AsyncIterator[CampaignServiceAsyncStub]:
        """Provide the stub for one call, and translate its errors."""
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
    """Lists, watches, holds, releases and purges campaigns. Raises the same errors as `CampaignCalls`."""

    _metadata: Metadata

    @abstractmethod
    def _campaign_channel(self) -> AbstractContextManager[grpc.Channel]:
        """Provide the channel for one call. Raises ClientClosed."""

    def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns that the gateway knows, ordered by id."""
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
        """Yield all campaigns now and after each change, at most once in `every` (0.25 to 60 s).

        Raises GatewayUnavailable when the replica shuts down. A slow reader gets fewer states, each complete.
        """
        watched = wire.WatchedCampaigns()
        with self._campaign_stub() as stub:
            call = stub.WatchCampaigns(wire.watch_message(every), metadata=self._metadata)
            try:
                for message in call:
                    if (seen := watched.add(message)) is not None:
                        yield seen
            finally:
                call.cancel()

    def hold_campaign(
        self, campaign_id: str, reason: str = "", *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Stop calls to Amazon Connect for a campaign. Return the held campaign."""
        message = wire.hold_message(campaign_id, reason, held_requests)
        with self._campaign_stub() as stub:
            held = stub.HoldCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(held.campaign)

    def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Allow calls for a held campaign again. Return the released campaign."""
        message = pb.ReleaseCampaignRequest(campaign_id=campaign_id, reason=reason)
        with self._campaign_stub() as stub:
            released = stub.ReleaseCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.campaign(released.campaign)

    def purge_campaign(self, campaign_id: str, reason: str = "") -> int:
        """Answer all queued dial requests of a campaign with PURGED. Return how many there were."""
        message = pb.PurgeCampaignRequest(campaign_id=campaign_id, reason=reason)
        with self._campaign_stub() as stub:
            return stub.PurgeCampaign(message, timeout=TIMEOUT_S, metadata=self._metadata).purged

    @contextmanager
    def _campaign_stub(self) -> Iterator[CampaignServiceStub]:
        """Provide the stub for one call, and translate its errors."""
        with self._campaign_channel() as channel:
            try:
                yield CampaignServiceStub(channel)
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
                if code is grpc.StatusCode.CANCELLED:
                    raise ClientClosed("the client was closed") from error
                raise wire.failure_of(error, code, details) from error
            except ValueError as error:  # raised by a closed channel
                raise ClientClosed("the client is closed") from error
