"""The order in which a gateway shuts down: it answers everything first, and then releases everything."""

import asyncio
import logging

from gateway.composition.admin_port import AdminPort
from gateway.composition.basis import Basis
from gateway.composition.campaign_names import CampaignNames
from gateway.composition.grpc_port import GrpcPort
from gateway.composition.guard import GuardParts
from gateway.composition.replica import Replica
from gateway.composition.tasks import Tasks
from gateway.runtime.supervision import trace_of

log = logging.getLogger(__name__)

LAST_ANSWERS_S, LONGEST_LAST_ANSWERS_S = 0.4, 5.0
"""Seconds for callers to read their last answers: at least, and at most if the grace has them."""
LAST_SPANS_S = 0.4
"""Seconds to export the last spans in, at least."""
FAILING_GRACE_S = 2.0
"""Seconds for last answers and spans after a bug."""


class Shutdown:
    """Ends the parts of one gateway, each after those that need it.

    `dispatching` is the task of the dispatcher, once it runs.
    """

    dispatching: asyncio.Task[None] | None = None

    def __init__(
        self,
        basis: Basis,
        replica: Replica,
        guard: GuardParts,
        names: CampaignNames,
        grpc: GrpcPort,
        admin: AdminPort,
        tasks: Tasks,
    ) -> None:
        self._port, self._telemetry, self._now = basis.port, basis.telemetry, basis.clock.now
        self._dispatcher, self._fleet = replica.dispatcher, replica.fleet
        self._guard = guard
        self._names = names
        self._grpc = grpc
        self._admin = admin
        self._tasks = tasks

    async def stop(self, grace_s: float) -> None:
        """Answer everything within `grace_s` seconds, then release everything."""
        leave_by = self._now() + grace_s
        await self._grpc.server.not_serving()
        self._dispatcher.drain(grace_s)
        self._grpc.dial_requests.drain()
        self._grpc.campaigns.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._dispatcher.drained()
        except TimeoutError:
            self._dispatcher.abandon()
        await self._release_everything(leave_by)

    async def fail(self) -> None:
        """Answer everything at once after a bug, even without the core, then release everything."""
        if self.dispatching is not None:
            self.dispatching.cancel()
        await self._grpc.server.not_serving()
        self._grpc.campaigns.drain()
        try:
            self._dispatcher.abandon()
            await self._dispatcher.answer_abandoned()
        except Exception as bug:  # noqa: BLE001 - what the core cannot answer the sessions do
            log.error("the core could not answer what it holds:\n%s", trace_of(bug))
        await self._grpc.dial_requests.fail()
        await self._release_everything(self._now() + FAILING_GRACE_S)

    async def _release_everything(self, leave_by: float) -> None:
        if self._fleet is not None:
            await self._fleet.leave()
        left_s = leave_by - self._now()
        try:
            async with asyncio.timeout(max(LAST_ANSWERS_S, min(left_s, LONGEST_LAST_ANSWERS_S))):
                await self._grpc.dial_requests.streams_ended()
        except TimeoutError:
            log.warning("callers that do not read their answers are cut off")
        await self._grpc.server.stop(0.1)
        self._tasks.cancel()
        if self._fleet is not None:
            await self._fleet.close()
        await self._names.close()
        await self._port.close()
        await self._admin.server.stop()
        await self._guard.close(leave_by - self._now())
        left_s = leave_by - self._now()
        last = await self._admin.monitoring.last()
        await asyncio.to_thread(self._telemetry.shutdown, max(LAST_SPANS_S, left_s), last)
