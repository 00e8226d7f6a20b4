"""One stream per campaign, all fed from one list; no campaign waits for another.

list --put()--> ahead, or on disk --_requests()--> outstanding --answer--> results
^                                 |
+------ again, with a new time ---+
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
from dialgateway.dialctl.pace import Pace
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

AHEAD = 500
"""Leads of a campaign in memory that are read and not handed over, at most; further ones are on disk."""
_LOW = AHEAD // 2 - 1
"""How many are left when more are asked for."""
_FEWEST_NOTED, _MOST_NOTED = 25, 100
"""Leads that are noted as under way at once: more are cheaper, and more are in doubt after a kill."""
_NO_CONDITIONS = {NoticeKind.DRAINING, NoticeKind.UNSPECIFIED}
_PASSING = {
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
"""Causes that pass: a lead that they kept from being taken is worth another time."""
GIVEN_UP = "its campaign took nothing for as long as a lead may wait"
"""Why leads of a campaign are not sent that does not go on."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a lane tells of its leads: answers, and before that the tokens that it is about to hand over.

    `room` is called whenever the lane can take more.
    """

    answered: Callable[[Lead, DialResult], None]
    under_way: Callable[[str, list[str]], None]
    room: Callable[[], None]


class Lane:
    """A campaign's stream and the leads on their way to it.

    A lead without an expiration of its own gets one of `expires_in` when it is handed over, and a new one
    when the gateway gives it back for the same token, as long as the campaign goes on.
    """

    def __init__(
        self,
        client: DialGatewayClient,
        campaign_id: str,
        priority: Priority,
        expires_in: timedelta | None,
        hooks: Hooks,
    ) -> None:
        self.campaign_id = campaign_id
        self.error: DialGatewayError | None = None
        self.condition: Notice | None = None
        self.given_up = False
        self._client = client
        self._priority = priority
        self._expires_in = expires_in
        self._hooks = hooks
        self._pace = Pace(None if expires_in is None else expires_in.total_seconds())
        self._ahead: deque[Lead] = deque()
        self._spool: Spool | None = None
        self._again: deque[Lead] = deque()
        self._given: dict[int, tuple[Lead, int]] = {}
        self._noted = 0  # leads at the front of `_ahead` that are noted as under way
        self._decided = 0
        self._ended = False
        self._changed = asyncio.Event()

    # --- in -----------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether the lane would hand over more than is read for it."""
        return len(self._ahead) < AHEAD // 2 and not self._spool and self.error is None and not self.given_up

    def put(self, lead: Lead) -> None:
        """Take a lead; one behind a full lane is kept on disk."""
        if self._spool or len(self._ahead) >= AHEAD:
            self._spool = self._spool or Spool()
            self._spool.put(lead)
        else:
            self._ahead.append(lead)
        self._changed.set()

    def end(self) -> None:
        """Say that there are no more leads."""
        self._ended = True
        self._changed.set()

    # --- out ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until `end()`, then until the last answer; what ended the stream before is kept in `error`.

        When it is cancelled the client is closed: the stream then tells which leads may have been sent.
        """
        work = asyncio.create_task(self._receive())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._client.close()
            await asyncio.wait({work})
            raise
        self._hooks.room()

    async def _receive(self) -> None:
        try:
            async for result in self._client.dial(
                self.campaign_id, self._requests(), priority=self._priority, on_notice=self._notice
            ):
                self._take_answer(*self._given.pop(result.index), result)
                self._changed.set()
        except DialGatewayError as error:
            self.error = error

    def take_unanswered(self) -> Iterator[tuple[Lead, bool]]:
        """Hand back the leads without an answer, and whether Amazon Connect may have them.

        Once `run()` has ended they will get none.
        """
        doubtful = None if self.error is None else set(self.error.in_doubt)
        given, self._given = self._given, {}
        for lead, _ in given.values():
            yield lead, doubtful is None or lead.in_doubt or lead.client_token in doubtful
        yield from self.take_unread()

    def take_unread(self) -> Iterator[tuple[Lead, bool]]:
        """Hand back the leads that were not handed over, or are to be handed over again."""
        while (lead := self._next()) is not None:
            yield lead, lead.in_doubt
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    async def _requests(self) -> AsyncIterator[DialRequest]:
        """Yield the requests of leads as they may be handed over, until the last one has its answer."""
        index = 0
        while not self.given_up:
            now = time.monotonic()
            self._pace.handed_over(now)
            room = self._pace.limit(now) - len(self._given)
            while room > 0 and (lead := self._next_noted(room)) is not None:
                self._given[index] = lead, self._decided
                index += 1
                room -= 1
                yield lead.request(self._expires_in)
            if self._ended and not self._given and not self._left:
                return
            await self._change(self._pace.paused_until - now)

    async def _change(self, pause_s: float) -> None:
        """Wait until something happens; with leads left, no longer than the pause that is kept."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s if pause_s > 0 and self._left else None):
                await self._changed.wait()

    @property
    def _left(self) -> bool:
        return bool(self._again or self._ahead or self._spool)

    def _next(self) -> Lead | None:
        if self._again:
            return self._again.popleft()
        if not self._ahead and self._spool:
            for _ in range(min(AHEAD, len(self._spool))):
                self._ahead.append(self._spool.take())
        if not self._ahead:
            self._hooks.room()
            return None
        lead = self._ahead.popleft()
        if len(self._ahead) == _LOW:
            self._hooks.room()
        return lead

    def _next_noted(self, room: int) -> Lead | None:
        """Take the next lead to hand over, noted as under way; `room` more may follow it at once."""
        noted_before = bool(self._again)
        lead = None if self.given_up else self._next()
        if lead is None or noted_before:
            return lead
        if self._noted:
            self._noted -= 1
            return lead
        following = list(islice(self._ahead, min(max(room, _FEWEST_NOTED), _MOST_NOTED) - 1))
        self._noted = len(following)
        self._hooks.under_way(
            self.campaign_id, [lead.client_token, *(each.client_token for each in following)]
        )
        return lead

    # --- answers ------------------------------------------------------------------------------------

    def _take_answer(self, lead: Lead, decided_before: int, result: DialResult) -> None:
        now = time.monotonic()
        if not self._may_renew(lead, result):
            self._decided += result.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}
            self._pace.taken(now)
            self._hooks.answered(lead, result)
        elif self._goes_on(decided_before, result):
            after = result.retry_after
            self._pace.too_late(now, None if after is None else after.total_seconds())
            lead.in_doubt |= result.outcome is Outcome.UNKNOWN
            self._again.append(lead)
        else:
            self.given_up = True
            self._hooks.answered(lead, result)

    def _may_renew(self, lead: Lead, result: DialResult) -> bool:
        """Whether a lead that was not taken gets a new time."""
        if lead.expires_at is not None or self._expires_in is None or result.outcome is Outcome.ACCEPTED:
            return False
        passes = result.outcome is Outcome.EXPIRED or result.reason in _PASSING
        return passes and result.retry_advice is RetryAdvice.SAME_TOKEN

    def _goes_on(self, decided_before: int, result: DialResult) -> bool:
        """Whether the campaign has decided any lead since one was handed over that it has not taken."""
        return result.reason is Reason.WOULD_EXPIRE or self._decided > decided_before

    def _notice(self, notice: Notice) -> None:
        if notice.campaign_id == self.campaign_id and notice.kind not in _NO_CONDITIONS:
            self.condition = None if notice.kind is NoticeKind.CAMPAIGN_RESUMED else notice
