"""One stream or unary call: takes its dial requests in, and hands its answers out.

Two bounds hold here: a stream has at most a window of unanswered requests, and where the whole
gateway is full nothing more is read. Answers that the caller has not read count as unanswered, so
a caller that does not read blocks itself alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api import wire
from gateway.clock import SystemClock
from gateway.core.model import CampaignNotice, DialRequest, Priority, Settled, Source, Waiter
from gateway.dispatch import Dispatcher
from gateway.telemetry import RpcTrace, Telemetry

RESPONSE_RESULTS = 500
"""Results in one response message, at most."""
RESPONSE_EVERY_S = 0.004
"""Seconds between two responses of a stream where answers come thick: a message costs as much as the
answers in it, so they wait this long for company. A response after a quiet time waits for none."""
AFTER_END_S = (0.02, 0, 0, 0)
"""Pauses between the end of what a caller sends and its taking as a half-close. grpc.aio shows a
caller that cancels or is lost as such an end first, and tells the difference some turns of the loop
later; what that caller has queued must not be sent in between."""


class Session:
    """The state of one stream or unary call."""

    def __init__(
        self, dispatcher: Dispatcher, telemetry: Telemetry, clock: SystemClock, trace: RpcTrace, window: int
    ) -> None:
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._clock = clock
        self._trace = trace
        self._window = window
        self._source = Source(owner=self)
        self._outbox: list[Settled] = []
        self._notices: dict[str, CampaignNotice] = {}
        self._delivered = asyncio.Event()
        self._handed_over = asyncio.Event()
        self._open = True  # whether requests may still come
        self._draining = False
        self.taken = 0
        self.answered = 0

    def deliver(self, settled: Settled) -> None:
        """Take an answer for the caller."""
        self._outbox.append(settled)
        self._delivered.set()

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Take a notice for the caller; a later one about the same campaign takes its place."""
        self._notices[campaign_id] = notice
        self._delivered.set()

    @property
    def window_use(self) -> float:
        """The share of the window that unanswered requests take."""
        return (self.taken - self.answered) / self._window

    # --- in ---------------------------------------------------------------------------------------

    async def read(self, messages: AsyncIterator[pb.StreamDialRequestsRequest]) -> None:
        """Take in all that the caller sends, as far as the bounds allow, until it half-closes.

        Whoever runs it calls `close` when it has ended, in whichever way.
        """
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await self._room()  # before a message is read: none is held that cannot be taken in
                await self._take_in(await anext(messages))
        for pause_s in AFTER_END_S:
            await asyncio.sleep(pause_s)

    def take(self, campaign_id: str, requests: Sequence[pb.DialRequest], priority: Priority) -> None:
        """Take in dial requests, for which there must be room."""
        self._telemetry.received(campaign_id, len(requests))
        offset = self._clock.wall_offset()
        arrivals = [
            self._arrival(wire.dial_request(campaign_id, item, offset), item.traceparent) for item in requests
        ]
        self._dispatcher.submit(arrivals, priority)

    def close(self) -> None:
        """Note that no more requests come."""
        self._open = False
        self._dispatcher.source_closed(self._source)
        self._delivered.set()

    async def _take_in(self, message: pb.StreamDialRequestsRequest) -> None:
        requests, begin = message.dial_requests, 0
        campaign_id, priority = message.campaign_id, wire.priority(message.priority)
        try:
            while begin < len(requests):
                end = begin + await self._room()
                self.take(campaign_id, requests[begin:end], priority)
                begin = end
        except asyncio.CancelledError:
            if self._draining:  # what has been read is answered, and nothing of it is sent any more
                self.take(campaign_id, requests[begin:], priority)
            raise

    async def _room(self) -> int:
        """Wait until requests may be taken in; return how many."""
        while True:
            own = self._window - (self.taken - self.answered)
            if own <= 0:
                self._handed_over.clear()
                await self._handed_over.wait()
            elif (room := self._dispatcher.room()) > 0:
                return min(own, room)
            else:
                await self._dispatcher.wait_for_room()

    def _arrival(self, request: DialRequest, traceparent: str) -> tuple[Waiter, DialRequest]:
        trace_id, span = self._telemetry.request(
            self._trace, traceparent, request.campaign_id, request.client_token
        )
        waiter = Waiter(self._source, self.taken, trace_id, span)
        self.taken += 1
        return waiter, request

    # --- out --------------------------------------------------------------------------------------

    async def responses(self) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        """Yield answers as they come, until none is left to come."""
        loop = asyncio.get_running_loop()
        handed_over_at = -RESPONSE_EVERY_S
        while True:
            notices, self._notices = self._notices, {}
            for campaign_id, notice in notices.items():
                yield wire.notice(campaign_id, notice)
            pause_s = handed_over_at + RESPONSE_EVERY_S - loop.time()
            if pause_s > 0 and self._outbox and len(self._outbox) < RESPONSE_RESULTS:
                await asyncio.sleep(pause_s)
            answers, self._outbox = self._outbox[:RESPONSE_RESULTS], self._outbox[RESPONSE_RESULTS:]
            for response in wire.responses(answers):
                yield response
                handed_over_at = loop.time()
                # Handed over once gRPC asks for more: until then it counts against the window.
                self.answered += len(response.results)
                self._handed_over.set()
            if not self._outbox and not self._notices:
                if not self._open and self.answered == self.taken:
                    return
                self._delivered.clear()
                await self._delivered.wait()

    async def answers_in_order(self, deadline_s: float | None) -> list[Settled]:
        """Return all answers in the order of the requests, `deadline_s` seconds from now at the latest."""
        try:
            async with asyncio.timeout(deadline_s):
                while len(self._outbox) < self.taken:
                    self._delivered.clear()
                    await self._delivered.wait()
        except TimeoutError:
            self._dispatcher.withdraw(self._source)
        self.answered = len(self._outbox)
        return sorted(self._outbox, key=lambda settled: settled.waiter.index)

    # --- the end ----------------------------------------------------------------------------------

    def drain(self) -> None:
        """Tell the caller that the gateway leaves; its reader is cancelled by whoever runs it."""
        self._draining = True
        self.notify("", wire.DRAINING)

    def leave(self) -> None:
        """Forget the caller and what only it waits for."""
        self._dispatcher.leave(self._source)
