"""Send the leads of one campaign over one stream. The campaigns of a list do not wait for each other.

list --put()--> queue, then disk --_requests()--> outstanding --answer--> results
                     ^                                 |
                     +---- expired: a new time --------+
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.leads import Lead
from dialgateway.dialctl.outstanding_limit import OutstandingLimit
from dialgateway.dialctl.spool import Spool
from dialgateway.errors import DialGatewayError
from dialgateway.values import (
    DialRequest,
    DialResult,
    Notice,
    NoticeKind,
    Outcome,
    Priority,
    Reason,
    RetryAdvice,
)

MAX_QUEUED = 500
"""How many leads of a campaign may be queued in memory; further ones are on disk."""
_FEW_QUEUED = MAX_QUEUED // 2 - 1
"""At this many queued leads, more are requested."""
_MIN_LOGGED, _MAX_LOGGED = 25, 100
"""How many leads are logged as handed over at once. More cost less, but leave more in doubt after a kill."""
_NOT_ABOUT_FLOW = {NoticeKind.DRAINING, NoticeKind.UNSPECIFIED}
_TEMPORARY_REASONS = {
    Reason.CAMPAIGN_NOT_RUNNING,
    Reason.CONNECT_ERROR,
    Reason.CONNECT_UNREACHABLE,
    Reason.DEADLINE,
    Reason.DRAINING,
    Reason.EXPIRATION_PASSED,
    Reason.OVERLOADED,
    Reason.THROTTLED,
    Reason.WOULD_EXPIRE,
}
"""Reasons that are temporary: a lead that was not taken for one of them gets a new time."""
GIVEN_UP = "its campaign took nothing for as long as a lead may wait"
"""The detail of leads that were not sent because their campaign took none."""


@dataclass(frozen=True, slots=True)
class SenderCallbacks:
    """The events of a sender.

    `answered` is called with each answer, `handing_over` with the campaign id and the tokens of leads before
    they are handed over, and `room` when the sender wants more leads.
    """

    answered: Callable[[Lead, DialResult], None]
    handing_over: Callable[[str, list[str]], None]
    room: Callable[[], None]


class CampaignSender:
    """The stream of one campaign, and its queued leads.

    A lead without an expiration in the list gets one of `expires_in` when it is handed over. If it is not
    taken for a temporary reason, it gets a new one, as long as the campaign takes leads.
    """

    def __init__(
        self,
        client: DialGatewayClient,
        campaign_id: str,
        priority: Priority,
        expires_in: timedelta | None,
        callbacks: SenderCallbacks,
    ) -> None:
        self.campaign_id = campaign_id
        self.error: DialGatewayError | None = None
        self.condition: Notice | None = None
        self.given_up = False
        self._client = client
        self._priority = priority
        self._expires_in = expires_in
        self._callbacks = callbacks
        self._limit = OutstandingLimit(None if expires_in is None else expires_in.total_seconds())
        self._queue: deque[Lead] = deque()
        self._spool: Spool | None = None
        self._resend: deque[Lead] = deque()
        self._outstanding: dict[int, tuple[Lead, int]] = {}
        self._logged = 0  # leads at the front of `_queue` that are in the handover log
        self._decided = 0
        self._ended = False
        self._changed = asyncio.Event()

    # --- in -----------------------------------------------------------------------------------------

    @property
    def wants_leads(self) -> bool:
        """Whether the sender can take more leads without writing them to disk."""
        return (
            len(self._queue) < MAX_QUEUED // 2
            and not self._spool
            and self.error is None
            and not self.given_up
        )

    def put(self, lead: Lead) -> None:
        """Queue a lead, on disk if the queue in memory is full."""
        if self._spool or len(self._queue) >= MAX_QUEUED:
            self._spool = self._spool or Spool()
            self._spool.put(lead)
        else:
            self._queue.append(lead)
        self._changed.set()

    def end(self) -> None:
        """Note that there are no more leads."""
        self._ended = True
        self._changed.set()

    # --- out ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until `end()`, and wait for the last answer. An error that ends the stream is kept in `error`.

        When this is cancelled, it closes the client, and `error` then names the leads that may have been
        sent.
        """
        work = asyncio.create_task(self._receive())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._client.close()
            await asyncio.wait({work})
            raise
        self._callbacks.room()

    async def _receive(self) -> None:
        try:
            async for result in self._client.dial(
                self.campaign_id, self._requests(), priority=self._priority, on_notice=self._notice
            ):
                self._take_answer(*self._outstanding.pop(result.index), result)
                self._changed.set()
        except DialGatewayError as error:
            self.error = error

    def take_unanswered(self) -> Iterator[tuple[Lead, bool]]:
        """Remove and return the leads without an answer, and whether Amazon Connect may have them.

        Call this after `run()` has ended.
        """
        in_doubt = None if self.error is None else set(self.error.in_doubt)
        outstanding, self._outstanding = self._outstanding, {}
        for lead, _ in outstanding.values():
            yield lead, in_doubt is None or lead.in_doubt or lead.client_token in in_doubt
        yield from self.take_queued()

    def take_queued(self) -> Iterator[tuple[Lead, bool]]:
        """Remove and return the leads that are queued, and whether Amazon Connect may have them."""
        while (lead := self._next()) is not None:
            yield lead, lead.in_doubt
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    async def _requests(self) -> AsyncIterator[DialRequest]:
        """Yield requests as far as the limit allows, until the last one has its answer."""
        index = 0
        while not self.given_up:
            now = time.monotonic()
            self._limit.handed_over(now)
            room = self._limit.limit(now) - len(self._outstanding)
            while room > 0 and (lead := self._next_logged(room)) is not None:
                self._outstanding[index] = lead, self._decided
                index += 1
                room -= 1
                yield lead.request(self._expires_in)
            if self._ended and not self._outstanding and not self._left:
                return
            await self._wait_for_event(self._limit.paused_until - now)

    async def _wait_for_event(self, pause_s: float) -> None:
        """Wait for an event; if leads are queued, at most for the rest of the pause."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s if pause_s > 0 and self._left else None):
                await self._changed.wait()

    @property
    def _left(self) -> bool:
        return bool(self._resend or self._queue or self._spool)

    def _next(self) -> Lead | None:
        if self._resend:
            return self._resend.popleft()
        if not self._queue and self._spool:
            for _ in range(min(MAX_QUEUED, len(self._spool))):
                self._queue.append(self._spool.take())
        if not self._queue:
            self._callbacks.room()
            return None
        lead = self._queue.popleft()
        if len(self._queue) == _FEW_QUEUED:
            self._callbacks.room()
        return lead

    def _next_logged(self, room: int) -> Lead | None:
        """Remove and return the next lead, after writing it to the handover log.

        `room` leads may be handed over now; they are logged together.
        """
        logged_before = bool(self._resend)
        lead = None if self.given_up else self._next()
        if lead is None or logged_before:
            return lead
        if self._logged:
            self._logged -= 1
            return lead
        following = list(islice(self._queue, min(max(room, _MIN_LOGGED), _MAX_LOGGED) - 1))
        self._logged = len(following)
        self._callbacks.handing_over(
            self.campaign_id, [lead.client_token, *(each.client_token for each in following)]
        )
        return lead

    # --- answers ------------------------------------------------------------------------------------

    def _take_answer(self, lead: Lead, decided_before: int, result: DialResult) -> None:
        now = time.monotonic()
        if not self._may_renew(lead, result):
            self._decided += result.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}
            self._limit.decided(now)
            self._callbacks.answered(lead, result)
        elif self._is_flowing(decided_before, result):
            after = result.retry_after
            self._limit.expired(now, None if after is None else after.total_seconds())
            lead.in_doubt |= result.outcome is Outcome.UNKNOWN
            self._resend.append(lead)
        else:
            self.given_up = True
            self._callbacks.answered(lead, result)

    def _may_renew(self, lead: Lead, result: DialResult) -> bool:
        """Whether a lead that was not taken gets a new time."""
        if lead.expires_at is not None or self._expires_in is None or result.outcome is Outcome.ACCEPTED:
            return False
        temporary = result.outcome is Outcome.EXPIRED or result.reason in _TEMPORARY_REASONS
        return temporary and result.retry_advice is RetryAdvice.SAME_TOKEN

    def _is_flowing(self, decided_before: int, result: DialResult) -> bool:
        """Whether the campaign has decided any lead since this one was handed over."""
        return result.reason is Reason.WOULD_EXPIRE or self._decided > decided_before

    def _notice(self, notice: Notice) -> None:
        if notice.campaign_id == self.campaign_id and notice.kind not in _NOT_ABOUT_FLOW:
            self.condition = None if notice.kind is NoticeKind.CAMPAIGN_RESUMED else notice
