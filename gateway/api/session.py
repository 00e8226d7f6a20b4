"""The session of one stream or unary call: it submits dial requests and sends their answers.

Three limits apply: the window of unanswered requests of the stream, the limit of its caller over all streams,
and the room of the whole gateway. Beyond any of them nothing more is read. Answers that the caller has not
read count as unanswered, so a caller that does not read blocks only itself.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.grants import AccessControl, Caller, DialPermission
from gateway.access.refusal import AccessRefusal
from gateway.api.caller_limits import CallerLimit
from gateway.api.campaign_names import NamedCampaigns, is_name, not_yet
from gateway.api.gathering import Arrival, Gathering, Submit, Timers
from gateway.api.wire import dial_requests
from gateway.api.wire.incoming import PART, Incoming, Unreadable, UnreadableError
from gateway.core import answers
from gateway.core.entry_state import EntryState
from gateway.core.model import (
    DOUBT,
    Answer,
    CampaignNotice,
    DialRequest,
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

SHORT = 10
"""Dial requests of a message that is gathered, at most."""
AMPLE_ROOM = 1000
"""Dial requests for which the gateway must have room, or nothing is gathered: gathered ones do not use it up
yet. All streams together read fewer in the time for which they gather."""
RESPONSE_RESULTS = 500
"""Results in one response message, at most."""
TURN_UNITS, REQUEST_UNITS = 600, 4
"""Answers that all streams send in one turn of the event loop, about: a few milliseconds of work. To read a
dial request costs as much as this many answers."""
RESPONSE_EVERY_S = 0.004
"""Seconds between two responses of a busy stream. A message costs as much as the answers in it, so answers
wait this long to share one. The first response after a pause is sent at once."""
AFTER_END_S = (0.02, 0, 0, 0)
"""Pauses in seconds before the end of a caller's messages counts as a half-close. grpc.aio reports a
cancelled or lost call as such an end first, and as a cancellation some turns of the event loop later. Its
queued requests must not be sent in between."""
_ANYTHING = DialPermission(AccessControl(), Caller(None, "", ""))
_NOT_ALLOWED = answers.rejected(Reason.ACCESS_DENIED, AccessRefusal.CAMPAIGN.text)
_NOT_YET = not_yet(
    Reason.ACCESS_DENIED,
    "campaign_id: the policy of this gateway grants by names or tags of campaigns, which are not known yet",
)
_FAILED = "the gateway met a bug and leaves: send the same token again to learn"


class StreamUnreadableError(Exception):
    """A message of the caller could not be read: it is invalid or too large."""


class _NoRecipient:
    """Takes the answers and notices for a caller that is gone, and drops them."""

    def deliver(self, settled: Settled) -> None:
        """Drop an answer."""

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Drop a notice."""


_NO_RECIPIENT = _NoRecipient()


class Session:
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
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._clock = clock
        self._trace = trace
        self._window = window
        self._caller_limit = caller_limit
        self._permission = permission or _ANYTHING
        self._directory = directory
        self._names: NamedCampaigns | None = None  # made for the first name
        self._source = Source(owner=self, caller=self._permission.caller_key)
        self._unanswered: dict[int, DialRequest] = {}
        self._gathering = Gathering(self._submit, supervisor or Supervisor(), timers)
        self._loop_share = loop_share or LoopShare(TURN_UNITS)
        self._response_every_s = response_every_s
        self._outbox: list[Settled] = []
        self._notices: dict[str, CampaignNotice] = {}
        self._delivered = asyncio.Event()
        self._handed_over = asyncio.Event()
        self._open = True  # whether requests may still come
        self._between_messages = True
        self._ending = False
        self._failed = False
        self.draining = False
        self.taken = 0
        self.answered = 0

    @property
    def half_closed(self) -> bool:
        """Whether no more requests come: the caller has half-closed, or reading has failed."""
        return not self._open

    def deliver(self, settled: Settled) -> None:
        """Take an answer for the caller."""
        if self._failed:
            return  # it has been answered already
        self._unanswered.pop(settled.waiter.index, None)
        if self._names is not None:
            settled = self._names.as_sent(settled)
        self._outbox.append(settled)
        self._delivered.set()

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Take a notice for the caller. It replaces an unsent one about the same campaign."""
        for sent in (campaign_id,) if self._names is None else self._names.sent_for(campaign_id):
            self._notices[sent] = notice
        self._delivered.set()

    @property
    def window_use(self) -> float:
        """The used share of the window."""
        return (self.taken - self.answered) / self._window

    @property
    def share_room(self) -> int:
        """The number of requests that the caller's limit allows now without waiting."""
        return self._caller_limit.free()

    # --- requests ---------------------------------------------------------------------------------

    async def read(self, messages: AsyncIterator[bytes]) -> None:
        """Read and submit the caller's messages within the limits, until the caller half-closes.

        Messages are bytes. Their requests are parsed once there is room for them. Call `close` when this
        method has returned or raised.
        """
        room = 0.0
        while not self.draining:
            if room <= 0:  # before reading, so that no message has to be kept while waiting for room
                await self._room()
            message = await self._next(messages)
            if message is None:
                break
            room = self._gathering_room() - message.count
            if room >= 0:
                self._take_part(message, PART, self._gathering.add)
            else:
                self._gathering.submit()
                self._between_messages = False
                await self._take_in(message)
                self._between_messages = True
        self._gathering.submit()
        for pause_s in AFTER_END_S:
            await asyncio.sleep(pause_s)

    def take(
        self,
        campaign_id: str,
        requests: Sequence[pb.DialRequest],
        priority: Priority,
        submit: Submit | None = None,
    ) -> None:
        """Submit dial requests, for which there must be room; reject those the caller may not dial."""
        (submit or self._submit)(campaign_id, priority, self._arrivals(campaign_id, requests))

    def _arrivals(self, campaign_id: str, requests: Sequence[pb.DialRequest]) -> list[Arrival]:
        """Convert dial requests and count them as read."""
        offset, now = self._clock.expiry_offset, self._clock.now()
        return [
            self._arrival(dial_requests.dial_request(campaign_id, item, offset), item.traceparent, now)
            for item in requests
        ]

    def _submit(self, campaign_id: str, priority: Priority, arrivals: Sequence[Arrival]) -> None:
        grant = self._permission.grant()
        if grant is not None:
            self._source.weight = grant.weight
            self._caller_limit.resize(grant.window)
        allowed = self._permission.priority(grant, campaign_id, priority, len(arrivals))
        if allowed is None:
            undecided = self._permission.undecided(grant, campaign_id)
            self._deny(arrivals, self._undenied(_NOT_YET) if undecided else _NOT_ALLOWED)
            return
        self._telemetry.received(campaign_id, self._source.caller, len(arrivals))
        self._dispatcher.submit(arrivals, allowed)
        self._share_joined(arrivals)

    def _deny(self, arrivals: Sequence[Arrival], answer: Answer) -> None:
        """Answer dial requests that the core does not see.

        They are counted without their campaign: a caller that may not dial it must not create a metric label
        or a listed campaign with its id. After a bug of the gateway, `fail` answers them instead.
        """
        if self._dispatcher.failing:
            return
        self._telemetry.received("", self._source.caller, len(arrivals))
        denials = [addressed(waiter, request, answer) for waiter, request in arrivals]
        uncampaigned = [settled._replace(campaign_id="") for settled in denials]
        self._telemetry.answered(self._clock.now(), uncampaigned)
        for settled in denials:
            self.deliver(settled)

    def _take_named(
        self, sent: str, part: Sequence[pb.DialRequest], priority: Priority, submit: Submit | None
    ) -> None:
        """Submit dial requests for a campaign that is given by its name."""
        if self._names is None:
            self._names = NamedCampaigns(self._directory, self._permission.visible)
        found = self._names.resolve(sent)
        if isinstance(found, Answer):
            self._deny(self._arrivals(sent, part), self._undenied(found))
            return
        self._names.requests_named(sent, range(self.taken, self.taken + len(part)))
        self.take(found, part, priority, submit)

    def _undenied(self, answer: Answer) -> Answer:
        """Return an answer, with doubt instead of a denial if another replica may have sent the requests."""
        denied = answer.outcome is Outcome.NOT_ACCEPTED and self._dispatcher.shares_ledger
        return answers.unchecked(answer, DOUBT) if denied else answer

    def _share_joined(self, arrivals: Sequence[Arrival]) -> None:
        """Replace a joined request by the outstanding one, which frees the memory of the copy."""
        pending = self._source.pending
        for waiter, request in arrivals:
            entry = pending.get(waiter.index)
            if entry is not None and entry.request is not request and waiter.index in self._unanswered:
                self._unanswered[waiter.index] = entry.request

    async def take_all(self, message: Incoming) -> None:
        """Submit a whole message part by part, without waiting for room."""
        while not message.ended:
            self._take_part(message, PART)
            if not message.ended:
                await asyncio.sleep(0)  # let other tasks run

    async def _next(self, messages: AsyncIterator[bytes]) -> Incoming | None:
        """Read one message; return None if the caller has half-closed."""
        try:
            return Incoming(await anext(messages))
        except StopAsyncIteration:
            return None
        except Exception as error:
            raise StreamUnreadableError from error

    def close(self) -> None:
        """Note that no more requests come."""
        self._gathering.submit()
        self._open = False
        self._dispatcher.source_closed(self._source)
        self._delivered.set()

    async def _take_in(self, message: Incoming) -> None:
        """Submit a message part by part, as room becomes free.

        If the stream drains, one more part is submitted. The rest counts as not read: it has no result, so
        the caller sends it again on another stream.
        """
        try:
            while not message.ended:
                await self._loop_share.take(REQUEST_UNITS * int(min(message.count, PART)))
                self._take_part(message, await self._room())
                if not message.ended:
                    await asyncio.sleep(0)  # let other tasks run
        except asyncio.CancelledError:
            if self.draining:
                self._take_part(message, PART)
                if self._ending:
                    self._dispatcher.source_ending(self._source)
            raise

    def _take_part(self, message: Incoming, most: int, submit: Submit | None = None) -> None:
        """Submit up to `most` of the next requests of a message. After a bug, `fail` answers them."""
        try:
            part, campaign_id = message.part(most), message.campaign_id
        except UnreadableError as error:
            raise StreamUnreadableError from error
        if isinstance(part, Unreadable):
            self._refuse(campaign_id, part)
            return
        counted = self.taken + len(part)
        try:
            priority = dial_requests.priority(message.priority)
            if part and is_name(campaign_id):
                self._take_named(campaign_id, part, priority, submit)
            elif part:
                if self._names is not None:
                    self._names.id_sent(campaign_id)
                self.take(campaign_id, part, priority, submit)
        except Exception:
            for item in part[len(part) - (counted - self.taken) :]:
                self._count_in(DialRequest(campaign_id, item.client_token, "", {}, None, 0.0, 0))
            raise

    def _refuse(self, campaign_id: str, item: Unreadable) -> None:
        """Reject a dial request that cannot be parsed."""
        request = DialRequest(campaign_id, item.client_token, "", {}, None, 0.0, 0, in_doubt=item.in_doubt)
        refusal = answers.rejected(Reason.INVALID_REQUEST, item.problem)
        self._deny([self._arrival(request, "", self._clock.now())], refusal)

    def _gathering_room(self) -> int:
        """Return how many requests a message may have to be gathered."""
        if self._dispatcher.room() < AMPLE_ROOM:
            return 0
        own = self._window - (self.taken - self.answered)
        return min(SHORT, own, self._caller_limit.free())

    async def _room(self) -> int:
        """Wait until requests may be read; return how many."""
        while True:
            own = self._window - (self.taken - self.answered)
            if own <= 0:
                self._handed_over.clear()
                await self._handed_over.wait()
                continue
            await self._caller_limit.wait_for_room()
            room = await self._dispatcher.wait_for_room()
            # Other streams of this caller may have used up its limit during the second wait.
            own, shared = self._window - (self.taken - self.answered), self._caller_limit.room()
            if own > 0 and shared > 0:
                return min(own, shared, room)

    def _arrival(self, request: DialRequest, traceparent: str, read_at: float) -> Arrival:
        trace_id, span = self._telemetry.request(
            self._trace, traceparent, request.campaign_id, request.client_token
        )
        return Waiter(self._source, self._count_in(request), trace_id, span, read_at), request

    def _count_in(self, request: DialRequest) -> int:
        """Count a request as read; return its index."""
        index = self.taken
        self._unanswered[index] = request
        self._caller_limit.take(1)
        self.taken += 1
        return index

    # --- answers ----------------------------------------------------------------------------------

    async def responses(self) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        """Yield answers and notices as they arrive, until the last answer."""
        loop = asyncio.get_running_loop()
        handed_over_at = -self._response_every_s
        while True:
            notices, self._notices = self._notices, {}
            for campaign_id, notice in notices.items():
                yield dial_requests.notice(campaign_id, notice)
            pause_s = handed_over_at + self._response_every_s - loop.time()
            if pause_s > 0 and self._outbox and len(self._outbox) < RESPONSE_RESULTS:
                await asyncio.sleep(pause_s)
            if self._outbox:
                await self._loop_share.take(min(len(self._outbox), RESPONSE_RESULTS))
            answers, self._outbox = self._outbox[:RESPONSE_RESULTS], self._outbox[RESPONSE_RESULTS:]
            for response in dial_requests.responses(answers):
                yield response
                handed_over_at = loop.time()
                # gRPC has taken the response when it asks for more. Until then it counts against the window.
                self._hand_over(len(response.results))
            if not self._outbox and not self._notices:
                if not self._open and self.answered == self.taken:
                    return
                self._delivered.clear()
                await self._delivered.wait()

    async def answers_in_order(self, deadline_s: float | None) -> list[Settled]:
        """Return all answers in the order of the requests, after `deadline_s` seconds at the latest."""
        try:
            async with asyncio.timeout(deadline_s):
                while len(self._outbox) < self.taken:
                    self._delivered.clear()
                    await self._delivered.wait()
        except TimeoutError:
            await self._dispatcher.withdraw(self._source)
        self._hand_over(len(self._outbox))
        return sorted(self._outbox, key=lambda settled: settled.waiter.index)

    def _hand_over(self, count: int) -> None:
        self.answered += count
        self._caller_limit.give_back(count)
        self._handed_over.set()

    # --- the end ----------------------------------------------------------------------------------

    def drain(self, notice: CampaignNotice = dial_requests.DRAINING) -> bool:
        """Send the caller a notice that its stream ends, and read no further message.

        Returns whether the reader is still submitting a message. If not, the reader may be cancelled. A
        reader that is cancelled during a message submits one more part of it.
        """
        if not self.draining:
            self._gathering.submit()
            self.draining = True
            self.notify("", notice)
        return not self._between_messages

    def end_soon(self) -> None:
        """Answer all requests that are not in flight. Cancel the reader after this."""
        self._ending = True
        self._dispatcher.source_ending(self._source)

    def fail(self) -> None:
        """Answer all unanswered requests after a bug of the gateway, without the core.

        Requests that certainly wait are NOT_ACCEPTED, unless another replica may have sent them. All others
        are UNKNOWN, which is always true.
        """
        if self._failed:
            return
        for index, request in self._unanswered.items():
            waiter = Waiter(self._source, index, self._trace.trace_id)
            settled = addressed(waiter, request, self._final_answer(index))
            self._outbox.append(settled if self._names is None else self._names.as_sent(settled))
        self._unanswered.clear()
        self._gathering.drop()
        self._failed, self._open = True, False
        self._delivered.set()

    def _final_answer(self, index: int) -> Answer:
        entry = self._source.pending.get(index)
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
        self._caller_limit.give_back(self.taken - self.answered)
        self._dispatcher.source_gone(self._source)
        # The core may keep the source until its requests would have expired. Break the reference cycle to
        # this session: the garbage collector runs rarely and would keep its memory for long.
        self._source.owner = _NO_RECIPIENT
        self._unanswered, self._outbox, self._notices, self._names = {}, [], {}, None
