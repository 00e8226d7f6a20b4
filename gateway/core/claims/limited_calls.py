"""The calls whose entries count under contact limits: which of them may be sent.

An entry is sent only if the shared state has counted its contact, and has all contacts that were counted
before. Otherwise it waits: until the limits have room, or until the shared state answers again.
"""

import math
from collections.abc import Sequence

from gateway.core.claims.claimed_calls import UNSENT, ClaimedCalls
from gateway.core.claims.denials import Denials
from gateway.core.fleet.contacts import Contact, ContactCount
from gateway.core.model import Batch, Entry
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement.completion import Completion

AGAIN_S = 0.25
"""Seconds that an entry waits if the shared state has not counted its contact."""


class LimitedCalls:
    """Decides which entries of claimed calls have room.

    `known_from` is the instant from which on the shared state has all contacts.
    """

    def __init__(
        self, calls: ClaimedCalls, denials: Denials, scheduler: Scheduler, completion: Completion
    ) -> None:
        self._calls = calls
        self._denials = denials
        self._scheduler = scheduler
        self._completion = completion
        self._guarding = completion.guarding
        self.known_from = -math.inf

    @property
    def any(self) -> bool:
        """Whether any campaign has contact limits now."""
        return self._guarding.guard.limited

    def contacts_of(self, batch: Batch) -> Sequence[Contact | None] | None:
        """Return the contacts of a call's entries, None for those without contact limits."""
        if not self._guarding.guard.limited:
            return None
        return self._guarding.guard.contacts([entry.request for entry in batch.entries])

    def has_room(
        self,
        now: float,
        batch: Batch,
        entry: Entry,
        asked_at: float,
        count: ContactCount | None,
        *,
        sending: bool,
    ) -> bool:
        """Return whether an entry may be sent; if not, it has left its call.

        `count` is what the shared state has said since `asked_at`, None if it has not.
        """
        known = count if asked_at >= self.known_from else None
        if known is not None and known.full is None:
            if known.over:
                self._guarding.over_observed(entry, known.over)
            return True
        self._denials.owned = (entry,)
        self.leave(now, batch, entry, known, sending=sending)
        self._denials.owned = ()
        return False

    def leave(
        self, now: float, batch: Batch, entry: Entry, count: ContactCount | None = None, *, sending: bool
    ) -> None:
        """Take an entry out of its call.

        It waits until its limits have room, as `count` says, or briefly if nothing was counted.
        """
        self._calls.settle_one(batch, entry, UNSENT)
        if not self._completion.goes_on(now, batch, entry, sending=sending):
            return
        if count is not None:
            self._guarding.over_limit(now, entry, count)
        else:
            self._scheduler.delay(entry, now + AGAIN_S)
