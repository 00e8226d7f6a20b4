"""CampaignService: lists and watches campaigns, and translates hold, release and purge."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc

from dialgateway.v1 import campaign_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceServicer
from gateway.access.actions import CampaignRight as Right
from gateway.access.grants import AccessControl, Caller
from gateway.api.authorization import Authorizer, actor_of
from gateway.api.campaign_filter import described_differently, matching, merged
from gateway.api.operation_call import completed, end_after_bug
from gateway.api.visible_campaigns import VisibleCampaigns
from gateway.api.wire import campaigns as wire
from gateway.api.wire.status_details import ErrorReason, end_call
from gateway.control.operations import CampaignOperations, Operator
from gateway.control.snapshots import ReplicaSeen, StatusSnapshot, StatusSnapshots
from gateway.core.views.campaign_status import CampaignRow
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

WATCHERS, CALLER_WATCHERS = 100, 20
"""Limits of open watches: in total, and of one caller, so that one caller cannot use them all."""
DRAINING = "this replica is shutting down: watch another one"

OperationRequest = pb.HoldCampaignRequest | pb.ReleaseCampaignRequest | pb.PurgeCampaignRequest


class _SharedMessages(NamedTuple):
    """The messages of one snapshot, with the names of one table."""

    snapshot: StatusSnapshot
    messages: wire.Messages


class CampaignServicer(CampaignServiceServicer):
    """The service of `protos/dialgateway/v1/campaign_service.proto`.

    `watchers` and `caller_watchers` are the watches that may be open at once, in all and of one caller.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: SystemClock,
        access_control: AccessControl,
        snapshots: StatusSnapshots,
        operations: CampaignOperations,
        *,
        directory: CampaignDirectory = NO_DIRECTORY,
        watchers: int = WATCHERS,
        caller_watchers: int = CALLER_WATCHERS,
    ) -> None:
        self._most, self._most_of_caller = watchers, caller_watchers
        self._dispatcher = dispatcher
        self._clock = clock
        self._access_control = access_control
        self._authorizer = Authorizer(access_control)
        self._snapshots = snapshots
        self._operations = operations
        self._directory = directory
        self._visible = VisibleCampaigns(snapshots.parts)
        self._watchers: Counter[str] = Counter()  # by caller, without zeros
        self._messages: _SharedMessages | None = None
        self._draining = asyncio.Event()

    async def ListCampaigns(  # noqa: N802, D102
        self, request: pb.ListCampaignsRequest, context: "Context"
    ) -> pb.ListCampaignsResponse:
        return await completed(self._list(request, context), context)

    async def HoldCampaign(  # noqa: N802, D102
        self, request: pb.HoldCampaignRequest, context: "Context"
    ) -> pb.HoldCampaignResponse:
        return await completed(self._hold(request, context), context)

    async def ReleaseCampaign(  # noqa: N802, D102
        self, request: pb.ReleaseCampaignRequest, context: "Context"
    ) -> pb.ReleaseCampaignResponse:
        return await completed(self._release(request, context), context)

    async def PurgeCampaign(  # noqa: N802, D102
        self, request: pb.PurgeCampaignRequest, context: "Context"
    ) -> pb.PurgeCampaignResponse:
        return await completed(self._purge(request, context), context)

    async def WatchCampaigns(  # noqa: N802, D102
        self, request: pb.WatchCampaignsRequest, context: "Context"
    ) -> AsyncIterator[pb.WatchCampaignsResponse]:
        caller, _ = await self._authorizer.known(context)
        try:
            interval_s = wire.interval_s(request)
        except wire.BadRequest as bad:
            await end_call(context, ErrorReason.INVALID_FIELD, str(bad))
        if (full := self._full(caller)) is not None:
            await end_call(context, ErrorReason.WATCH_LIMIT, full)
        self._watchers[caller.key] += 1
        ended = asyncio.Event()
        # The stubs ask for a class of their own here, which does not exist at run time.
        context.add_done_callback(lambda _: self._watch_ended(ended, caller))  # type: ignore[arg-type]
        try:
            async for response in self._watch(interval_s, ended, caller):
                yield response
        except Exception as bug:  # noqa: BLE001 - gRPC would send and log its text
            await end_after_bug(bug, context)
        if self._draining.is_set():
            await end_call(context, ErrorReason.DRAINING, DRAINING)

    def drain(self) -> None:
        """End all watches."""
        self._draining.set()

    # --- list and watch ----------------------------------------------------------------------------

    async def _list(self, request: pb.ListCampaignsRequest, context: "Context") -> pb.ListCampaignsResponse:
        _, grant = await self._authorizer.known(context)
        newest, offset, parts = (
            await self._snapshots.fresh(),
            self._clock.wall_offset(),
            self._snapshots.parts,
        )
        now, rows = newest.at, await self._visible.visible(newest, grant)
        if request.campaign:
            rows = await parts.run(
                matching(request.campaign, rows, grant, self._directory, self._dispatcher.row)
            )
        page, token, total = await parts.run(wire.page(request, rows.values()))
        described = wire.RowContext(now, offset, self._directory.table)
        campaigns = await parts.run(wire.campaigns(described, page, len(newest.replicas)))
        return pb.ListCampaignsResponse(
            campaigns=campaigns,
            next_page_token=token,
            total_size=total,
            as_of=wire.timestamp(now, offset),
            replicas=wire.replicas(newest.replicas),
            campaign=request.campaign,
        )

    async def _watch(
        self, interval_s: float, ended: asyncio.Event, caller: Caller
    ) -> AsyncIterator[pb.WatchCampaignsResponse]:
        """Yield the changes since the last response, at most once in `interval_s` seconds."""
        sent: dict[str, CampaignRow] = {}
        table = self._directory.table
        replicas: Sequence[ReplicaSeen] | None = None
        while not self._draining.is_set() and not ended.is_set():
            newest = await self._snapshots.fresh()
            messages = self._messages_of(newest)
            rows = await self._visible.visible(newest, self._access_control.grant(caller))
            changed, gone = await self._visible.difference(sent, rows)
            if table is not messages.table:
                described = await self._snapshots.parts.run(
                    described_differently(table, messages.table, sent, rows)
                )
                changed, table = merged(changed, described), messages.table
            sent = rows
            responses = wire.changes(messages, changed, gone)
            # Each response is one part of work, since all watches are due at the same time.
            while (response := await self._snapshots.parts.one(partial(next, responses, None))) is not None:
                yield response  # continues once the caller has room for more
            if newest.replicas != replicas and not changed and not gone:  # always at first
                yield wire.nothing(messages)
            replicas = newest.replicas
            await _wait_for_any(interval_s, self._draining, ended)

    def _messages_of(self, newest: StatusSnapshot) -> wire.Messages:
        """Return the messages of a snapshot, shared by all watches: to make a thousand takes 10 ms."""
        table, shared = self._directory.table, self._messages
        if shared is None or shared.snapshot is not newest or shared.messages.table is not table:
            described = wire.RowContext(newest.at, self._clock.wall_offset(), table)
            shared = self._messages = _SharedMessages(newest, wire.Messages(described, newest.replicas))
        return shared.messages

    def _full(self, caller: Caller) -> str | None:
        """Return why a caller may open no further watch, None if it may."""
        if self._watchers.total() >= self._most:
            return f"the limit of {self._most} watches is reached"
        if self._watchers[caller.key] >= self._most_of_caller:
            return f"the limit of {self._most_of_caller} watches of one caller is reached"
        return None

    def _watch_ended(self, ended: asyncio.Event, caller: Caller) -> None:
        self._watchers[caller.key] -= 1
        self._watchers += Counter()  # drops callers without a watch
        ended.set()

    # --- operations --------------------------------------------------------------------------------

    async def _hold(self, request: pb.HoldCampaignRequest, context: "Context") -> pb.HoldCampaignResponse:
        campaign_id, operator = await self._authorized(Right.HOLD, request, context)
        answering = wire.is_answering(request.held_requests)
        done = await self._operations.hold(
            campaign_id, operator, answering=answering, known_only=request.known_only
        )
        return pb.HoldCampaignResponse(
            campaign=await self._campaign(campaign_id),
            answered=done.answered,
            confirmation=wire.confirmation(done.fleet),
        )

    async def _release(
        self, request: pb.ReleaseCampaignRequest, context: "Context"
    ) -> pb.ReleaseCampaignResponse:
        campaign_id, operator = await self._authorized(Right.RELEASE, request, context)
        done = await self._operations.release(campaign_id, operator)
        return pb.ReleaseCampaignResponse(
            campaign=await self._campaign(campaign_id), confirmation=wire.confirmation(done.fleet)
        )

    async def _purge(self, request: pb.PurgeCampaignRequest, context: "Context") -> pb.PurgeCampaignResponse:
        campaign_id, operator = await self._authorized(Right.PURGE, request, context)
        done = await self._operations.purge(campaign_id, operator, known_only=request.known_only)
        return pb.PurgeCampaignResponse(
            purged=done.answered,
            campaign=await self._campaign(campaign_id),
            confirmation=wire.confirmation(done.fleet),
        )

    async def _authorized(
        self, right: Right, request: OperationRequest, context: "Context"
    ) -> tuple[str, Operator]:
        """Return the campaign of an operation, and who asks for it.

        Ends the call if the policy does not allow it to them. Raises `OperationError` for a name that is not
        that of exactly one campaign.
        """
        caller, grant = await self._authorizer.known(context)
        campaign_id = self._operations.resolve(request.campaign_id, partial(grant.may, Right.SEE))
        await self._authorizer.may_operate((caller, grant), right, campaign_id, context)
        return campaign_id, Operator(actor_of(caller), request.reason)

    async def _campaign(self, campaign_id: str) -> pb.Campaign:
        """Return the state of a campaign after an operation."""
        row = await self._snapshots.as_listed(self._dispatcher.row(campaign_id))
        described = wire.RowContext(self._clock.now(), self._clock.wall_offset(), self._directory.table)
        return wire.campaign(described, row)


async def _wait_for_any(longest_s: float, *events: asyncio.Event) -> None:
    """Wait until an event is set, at most `longest_s` seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
