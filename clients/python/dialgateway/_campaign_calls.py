"""The calls of CampaignService, as base classes of both clients.

The two classes are the same line by line, except for `async` and the end of a closed channel.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
import grpc.aio

from dialgateway import _campaign_wire as wire
from dialgateway.campaigns import ActionDone, ActionKind, Campaign, CampaignsSeen, HeldRequests
from dialgateway.errors import ClientClosed
from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub

StubT = TypeVar("StubT")
Metadata = tuple[tuple[str, str | bytes], ...]
TIMEOUT_S = 30.0
"""How long a call may take, in seconds. Purging a long queue takes the longest."""


class CampaignCalls(ABC):
    """Lists, watches, holds, releases and purges campaigns, with asyncio.

    Each method raises GatewayUnavailable, AccessDenied, GatewayOverloaded (a limit of the gateway is
    reached), DeadlineExceeded, ClientClosed, or CallFailed with the status in `code`: INVALID_ARGUMENT where
    a field breaks a rule, NOT_FOUND for the release of a campaign that is not held, FAILED_PRECONDITION for a
    release that the shared state of a fleet cannot record.
    """

    _metadata: Metadata

    @abstractmethod
    def _campaign_channel(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """Provide the channel for one call. Raises ClientClosed."""

    async def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns that the gateway knows, ordered by id."""
        return list((await self.see_campaigns()).campaigns.values())

    async def see_campaigns(self, campaign: str = "") -> CampaignsSeen:
        """Return all campaigns that the gateway knows, ordered by id, and the replicas of its fleet.

        With `campaign` only those that it means: an id, `name:NAME` or `tag:KEY=VALUE`, each with `*` for any
        characters. Then campaigns without dial requests are listed too, if the gateway has a directory.
        """
        pages: list[pb.ListCampaignsResponse] = []
        async with self._campaign_stub() as stub:
            while not pages or pages[-1].next_page_token:
                message = wire.list_message(pages[-1].next_page_token if pages else "", campaign)
                pages.append(await stub.ListCampaigns(message, timeout=TIMEOUT_S, metadata=self._metadata))
                wire.require_choice(pages[-1], campaign)
        return wire.listed(pages)

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
        self, campaign_id: str, reason: str, *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Stop calls to Amazon Connect for a campaign. Return the held campaign.

        The gateway requires a reason, for those who see the hold later.
        """
        done = await self.act_on_campaign(ActionKind.HOLD, campaign_id, reason, held_requests=held_requests)
        return done.campaign

    async def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Allow calls for a held campaign again. Return the released campaign."""
        return (await self.act_on_campaign(ActionKind.RELEASE, campaign_id, reason)).campaign

    async def purge_campaign(self, campaign_id: str, reason: str) -> int:
        """Answer all queued dial requests of a campaign with PURGED. Return how many there were.

        The gateway requires a reason.
        """
        return (await self.act_on_campaign(ActionKind.PURGE, campaign_id, reason)).answered

    async def act_on_campaign(
        self,
        kind: ActionKind,
        campaign_id: str,
        reason: str = "",
        *,
        held_requests: HeldRequests = HeldRequests.WAIT,
        known_only: bool = False,
    ) -> ActionDone:
        """Hold, release or purge a campaign. Return also which replicas of a fleet have confirmed it.

        The campaign is an id, or `name:NAME` if the gateway has a campaign directory. `known_only`: raise
        CallFailed (NOT_FOUND) for a hold or purge of a campaign that the gateway does not know. Only a
        release may be without a reason.
        """
        method, message = wire.action_message(kind, campaign_id, reason, held_requests, known_only=known_only)
        async with self._campaign_stub() as stub:
            response = await getattr(stub, method)(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.action_done(response)

    @asynccontextmanager
    async def _campaign_stub(self) -> AsyncIterator[CampaignServiceAsyncStub]:
        """Provide the stub for one call, and translate its errors."""
        async with self._calls_of(CampaignServiceStub) as stub:
            yield cast("CampaignServiceAsyncStub", stub)

    @asynccontextmanager
    async def _calls_of(self, stub: Callable[[grpc.aio.Channel], StubT]) -> AsyncIterator[StubT]:
        """Provide a stub for one call, and translate its errors."""
        async with self._campaign_channel() as channel:
            try:
                yield stub(channel)
            except grpc.aio.AioRpcError as error:
                raise wire.failure_of_operation(error, error.code(), error.details()) from error
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
        return list((self.see_campaigns()).campaigns.values())

    def see_campaigns(self, campaign: str = "") -> CampaignsSeen:
        """Return all campaigns that the gateway knows, ordered by id, and the replicas of its fleet.

        With `campaign` only those that it means: an id, `name:NAME` or `tag:KEY=VALUE`, each with `*` for any
        characters. Then campaigns without dial requests are listed too, if the gateway has a directory.
        """
        pages: list[pb.ListCampaignsResponse] = []
        with self._campaign_stub() as stub:
            while not pages or pages[-1].next_page_token:
                message = wire.list_message(pages[-1].next_page_token if pages else "", campaign)
                pages.append(stub.ListCampaigns(message, timeout=TIMEOUT_S, metadata=self._metadata))
                wire.require_choice(pages[-1], campaign)
        return wire.listed(pages)

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
        self, campaign_id: str, reason: str, *, held_requests: HeldRequests = HeldRequests.WAIT
    ) -> Campaign:
        """Stop calls to Amazon Connect for a campaign. Return the held campaign.

        The gateway requires a reason, for those who see the hold later.
        """
        done = self.act_on_campaign(ActionKind.HOLD, campaign_id, reason, held_requests=held_requests)
        return done.campaign

    def release_campaign(self, campaign_id: str, reason: str = "") -> Campaign:
        """Allow calls for a held campaign again. Return the released campaign."""
        return (self.act_on_campaign(ActionKind.RELEASE, campaign_id, reason)).campaign

    def purge_campaign(self, campaign_id: str, reason: str) -> int:
        """Answer all queued dial requests of a campaign with PURGED. Return how many there were.

        The gateway requires a reason.
        """
        return (self.act_on_campaign(ActionKind.PURGE, campaign_id, reason)).answered

    def act_on_campaign(
        self,
        kind: ActionKind,
        campaign_id: str,
        reason: str = "",
        *,
        held_requests: HeldRequests = HeldRequests.WAIT,
        known_only: bool = False,
    ) -> ActionDone:
        """Hold, release or purge a campaign. Return also which replicas of a fleet have confirmed it.

        The campaign is an id, or `name:NAME` if the gateway has a campaign directory. `known_only`: raise
        CallFailed (NOT_FOUND) for a hold or purge of a campaign that the gateway does not know. Only a
        release may be without a reason.
        """
        method, message = wire.action_message(kind, campaign_id, reason, held_requests, known_only=known_only)
        with self._campaign_stub() as stub:
            response = getattr(stub, method)(message, timeout=TIMEOUT_S, metadata=self._metadata)
        return wire.action_done(response)

    @contextmanager
    def _campaign_stub(self) -> Iterator[CampaignServiceStub]:
        """Provide the stub for one call, and translate its errors."""
        with self._calls_of(CampaignServiceStub) as stub:
            yield stub

    @contextmanager
    def _calls_of(self, stub: Callable[[grpc.Channel], StubT]) -> Iterator[StubT]:
        """Provide a stub for one call, and translate its errors."""
        with self._campaign_channel() as channel:
            try:
                yield stub(channel)
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
                if code is grpc.StatusCode.CANCELLED:
                    raise ClientClosed("the client was closed") from error
                raise wire.failure_of_operation(error, code, details) from error
            except ValueError as error:  # raised by a closed channel
                raise ClientClosed("the client is closed") from error
