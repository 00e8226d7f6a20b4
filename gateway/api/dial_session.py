"""The session of one stream or unary call: it reads dial requests within the limits, and ends in good order.

`window` holds the limits, `submission` brings the requests to the dispatcher, and `answer_queue` keeps the
answers until gRPC has taken them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.grants import AccessControl, Caller, DialPermission
from gateway.api.answer_queue import RESPONSE_EVERY_S, AnswerQueue
from gateway.api.caller_limits import CallerLimit
from gateway.api.gathering import Gathering, Timers
from gateway.api.submission import StreamUnreadableError, Submission
from gateway.api.window import Window
from gateway.api.wire import dial_requests
from gateway.api.wire.incoming import PART, Incoming
from gateway.core.entry_state import EntryState
from gateway.core.model import (
    NOBODY,
    Answer,
    CampaignNotice,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
    Settled,
    Source,
    Waiter,
    addressed,
)
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.runtime.loop_share import LoopShare
from gateway.runtime.supervision import Supervisor
from gateway.telemetry import RpcTrace, Telemetry

TURN_UNITS, REQUEST_UNITS = 600, 4
"""Answers that all streams send in one turn of the event loop, about: a few milliseconds of work. To read a
dial request costs as much as this many answers."""
AFTER_END_S = (0.02, 0, 0, 0)
"""Pauses in seconds before the end of a caller's messages counts as a half-close. grpc.aio reports a
cancelled or lost call as such an end first, and as a cancellation some turns of the event loop later. Its
queued requests must not be sent in between."""
_ANYTHING = DialPermission(AccessControl(), Caller(None, "", ""))
_FAILED = "the gateway is shutting down because of a bug: send the same token again to find out"


class DialSession:
    """The state of one stream or unary call."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        telemetry: Telemetry,
        clock: SystemClock,
        trace: RpcTrace,
        window: int,
        caller_limit: CallerLimit,
        permission: DialPermission | None = None,
        directory: CampaignDirectory = NO_DIRECTORY,
        supervisor: Supervisor | None = None,
        timers: Timers | None = None,
        loop_share: LoopShare | None = None,
        response_every_s: float = RESPONSE_EVERY_S,
    ) -> None:
        permission = permission or _ANYTHING
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._trace = trace
        self._loop_share = loop_share or LoopShare(TURN_UNITS)
        self.window = Window(window, caller_limit, dispatcher)
        self.answer_queue = AnswerQueue(self.window, self._loop_share, response_every_s)
        self.source = Source(owner=self.answer_queue, caller=permission.caller_key)
        self._submission = Submission(
            dispatcher,
            telemetry,
            clock,
            trace,
            self.source,
            self.window,
            self.answer_queue,
            permission,
            directory,
        )
        self._gathering = Gathering(self._submission.submit, supervisor or Supervisor(), timers)
        self._between_messages = True
        self._ending = False
        self.draining = False

    @property
    def half_closed(self) -> bool:
        """Whether no more requests come: the caller has half-closed, or reading has failed."""
        return not self.answer_queue.open

    # --- requests ---------------------------------------------------------------------------------

    async def read(self, messages: AsyncIterator[bytes]) -> None:
        """Read and submit the caller's messages within the limits, until the caller half-closes.

        Messages are bytes. Their requests are parsed once there is room for them. Call `close` when this
        method has returned or raised.
        """
        room = 0.0
        while not self.draining:
            if room <= 0:  # before reading, so that no message has to be kept while waiting for room
                await self.window.room()
            message = await self._next(messages)
            if message is None:
                break
            room = self.window.gathering_room() - message.count
            if room >= 0:
                self._submission.take_part(message, PART, self._gathering.add)
            else:
                self._gathering.submit()
                self._between_messages = False
                await self._take_in(message)
                self._between_messages = True
        self._gathering.submit()
        for pause_s in AFTER_END_S:
            await asyncio.sleep(pause_s)

    def take(self, campaign_id: str, requests: Sequence[pb.DialRequest], priority: Priority) -> None:
        """Submit dial requests, for which there must be room; reject those the caller may not dial."""
        self._submission.take(campaign_id, requests, priority)

    async def take_all(self, message: Incoming) -> None:
        """Submit a whole message part by part, without waiting for room."""
        while not message.ended:
            self._submission.take_part(message, PART)
            if not message.ended:
                await asyncio.sleep(0)  # let other tasks run

    def close(self) -> None:
        """Note that no more requests come."""
        self._gathering.submit()
        self._dispatcher.source_closed(self.source)
        self.answer_queue.close()

    async def _next(self, messages: AsyncIterator[bytes]) -> Incoming | None:
        """Read one message; return None if the caller has half-closed."""
        try:
            return Incoming(await anext(messages))
        except StopAsyncIteration:
            return None
        except Exception as error:
            raise StreamUnreadableError from error

    async def _take_in(self, message: Incoming) -> None:
        """Submit a message part by part, as room becomes free.

        If the stream drains, one more part is submitted. The rest counts as not read: it has no result, so
        the caller sends it again on another stream.
        """
        try:
            while not message.ended:
                await self._loop_share.take(REQUEST_UNITS * int(min(message.count, PART)))
                self._submission.take_part(message, await self.window.room())
                if not message.ended:
                    await asyncio.sleep(0)  # let other tasks run
        except asyncio.CancelledError:
            if self.draining:
                self._submission.take_part(message, PART)
                if self._ending:
                    self._dispatcher.source_ending(self.source)
            raise

    # --- answers ----------------------------------------------------------------------------------

    def responses(self) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        """Yield answers and notices as they arrive, until the last answer."""
        return self.answer_queue.responses()

    async def answers_in_order(self, deadline_s: float | None) -> list[Settled]:
        """Return all answers in the order of the requests, after `deadline_s` seconds at the latest."""
        try:
            async with asyncio.timeout(deadline_s):
                await self.answer_queue.complete()
        except TimeoutError:
            await self._dispatcher.withdraw(self.source)
        return self.answer_queue.in_order()

    # --- the end ----------------------------------------------------------------------------------

    def drain(self, notice: CampaignNotice = dial_requests.DRAINING) -> bool:
        """Send the caller a notice that its stream ends, and read no further message.

        Returns whether the reader is still submitting a message. If not, the reader may be cancelled. A
        reader that is cancelled during a message submits one more part of it.
        """
        if not self.draining:
            self._gathering.submit()
            self.draining = True
            self.answer_queue.notify("", notice)
        return not self._between_messages

    def end_soon(self) -> None:
        """Answer all requests that are not in flight. Cancel the reader after this."""
        self._ending = True
        self._dispatcher.source_ending(self.source)

    def fail(self) -> None:
        """Answer all undecided requests after a bug of the gateway, without the core.

        Requests that certainly wait are NOT_ACCEPTED, unless another replica may have sent them. All others
        are UNKNOWN, which is always true.
        """
        if self.answer_queue.failed:
            return
        trace_id = self._trace.trace_id
        self.answer_queue.fail(
            [
                addressed(Waiter(self.source, index, trace_id), request, self._final_answer(index))
                for index, request in self.window.undecided.items()
            ]
        )
        self._gathering.drop()

    def _final_answer(self, index: int) -> Answer:
        entry = self.source.pending.get(index)
        waits = entry is not None and entry.state in {EntryState.WAITING, EntryState.DELAYED}
        certain = entry is not None and waits and not (entry.in_doubt or self._dispatcher.shares_ledger)
        outcome = Outcome.NOT_ACCEPTED if certain else Outcome.UNKNOWN
        attempts = entry.attempts if entry else 0
        return Answer(outcome, Reason.DRAINING, RetryAdvice.SAME_TOKEN, _FAILED, attempts=attempts)

    def caller_gone(self) -> None:
        """Forget the caller, and the requests that only it waits for."""
        for arrivals in self._gathering.drop().values():
            for waiter, _ in arrivals:
                self._telemetry.dropped(waiter.span)
        self.window.leave()
        self._dispatcher.source_gone(self.source)
        # The core may keep the source until its requests would have expired. Break the reference to what the
        # session keeps: the garbage collector runs rarely, so its memory would stay for long.
        self.source.owner = NOBODY
        self.answer_queue.forget()
