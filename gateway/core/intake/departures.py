"""Sources that leave: from that instant none of their requests is sent, however long clearing them takes.

A source may leave hundreds of thousands of dial requests behind. They are removed a slice at a time. A call
that is formed, or a dial request that would join one of them, first removes the leaving sources from it. The
effect is the same as if all of them were removed at once.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count, islice

from gateway.core import answers
from gateway.core.entry_state import EntryState, move
from gateway.core.model import Answer, Departure, Entry, Reason, Source, addressed
from gateway.core.outbox import Outbox
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.slices import Slices
from gateway.core.tokens.outstanding import DenialReview, Outstanding

_ENDING_SOON = frozenset({EntryState.IN_FLIGHT, EntryState.CHECKING})


class Departures:
    """The sources that leave and may still have outstanding requests; false if there are none."""

    def __init__(
        self, outstanding: Outstanding, outbox: Outbox, scheduler: Scheduler, slices: Slices
    ) -> None:
        self._outstanding = outstanding
        self._outbox = outbox
        self._scheduler = scheduler
        self._slices = slices
        self._leaving: dict[Source, int] = {}  # numbered in the order in which they began to leave
        self._order = count()

    def __bool__(self) -> bool:
        """Whether some entries may have waiters whose sources are leaving."""
        return bool(self._leaving)

    def gone(self, source: Source) -> None:
        """Mark a source as gone; it gets no more answers."""
        source.departure = Departure.GONE
        self._leaving.pop(source, None)  # its stream may have been ending before
        if source.pending:
            self._clear(source, lambda now: self._forget(source))

    def ending(self, source: Source) -> None:
        """Answer the requests of a source that are in no call; those in a call are answered when it ends."""
        source.departure = Departure.ENDING
        if source.pending:
            self._clear(source, lambda now: None)  # until the stream has ended: `gone` follows

    def withdraw(self, now: float, source: Source, reason: Reason, limit: int, *, final: bool) -> None:
        """Answer and forget up to `limit` requests of a source, including those in calls.

        In a fleet, denials that are still checked then stay, unless this is `final`: they become UNKNOWN.
        """
        pending: Iterable[Entry] = source.pending.values()
        if not final:
            pending = (entry for entry in pending if entry.state is not EntryState.CHECKING)
        for entry in list(dict.fromkeys(islice(pending, limit))):
            if self._leaving:
                self.remove_leaving(now, entry, but=source)
            self._answer(now, entry, source, reason)

    def remove_leaving(self, now: float, entry: Entry, *, but: Source | None = None) -> None:
        """Remove the leaving sources from an entry, `but` one; drop the entry if no waiter is left.

        They are removed in the order in which they began to leave, since the answer to each depends on who
        waits beside it. A source whose stream ends keeps waiting for an entry that is in a call.
        """
        sources = {waiter.source for waiter in entry.waiters if waiter.source.departure is not None}
        for source in sorted(sources - {but}, key=lambda source: self._leaving.get(source, 0)):
            self._remove(now, entry, source)

    def keep_unsent(self, now: float, taken: Sequence[Entry]) -> list[Entry]:
        """Return the entries taken for a call that still have waiters; the others are dropped."""
        for entry in taken:
            if any(waiter.source.departure is not None for waiter in entry.waiters):
                move(entry, EntryState.UNQUEUED)  # in no call yet, so it may be dropped
                self.remove_leaving(now, entry)
                if entry.waiters:
                    move(entry, EntryState.IN_FLIGHT)
        return [entry for entry in taken if entry.state is EntryState.IN_FLIGHT]

    def _clear(self, source: Source, done: Callable[[float], None]) -> None:
        self._leaving[source] = next(self._order)
        self._slices.add(list(source.pending), partial(self._remove_at, source), done)

    def _forget(self, source: Source) -> None:
        self._leaving.pop(source, None)

    def _remove_at(self, source: Source, now: float, index: int) -> None:
        entry = source.pending.get(index)
        if entry is not None:  # else it was settled since, or the source waited for it twice
            self._remove(now, entry, source)

    def _remove(self, now: float, entry: Entry, source: Source) -> None:
        if entry.state is EntryState.SETTLED:
            return
        if source.departure is Departure.GONE:
            self._outstanding.detach_gone(entry, source)
            if self._go_on_without(now, entry, source):
                self._outstanding.dropped += 1
        elif entry.state not in _ENDING_SOON:
            self._answer(now, entry, source, Reason.DRAINING)

    def _answer(self, now: float, entry: Entry, source: Source, reason: Reason) -> None:
        """Remove a source from an entry, and answer it: NOT_ACCEPTED if the entry ends unsent."""
        if self._outstanding.denial_review is not None and self._may_end_with(entry, source):
            self._end_in_fleet(now, entry, source, reason, self._outstanding.denial_review)
            return
        waiters = self._outstanding.detach(entry, source)
        dropped = self._go_on_without(now, entry, source) and not entry.in_doubt
        answer = _withdrawn(entry, reason, dropped=dropped)
        self._outbox.add(addressed(waiter, entry.request, answer) for waiter in waiters)

    def _may_end_with(self, entry: Entry, source: Source) -> bool:
        """Whether an entry is in no call and nobody else waits for it."""
        in_call = entry.state is EntryState.IN_FLIGHT
        return not in_call and all(waiter.source is source for waiter in entry.waiters)

    def _end_in_fleet(
        self, now: float, entry: Entry, source: Source, reason: Reason, review: DenialReview
    ) -> None:
        """End an entry that only `source` waits for. A denial waits until the fleet's ledger was asked."""
        if entry.state is EntryState.CHECKING:
            review.give_up(now, entry)
        else:
            self._scheduler.remove(entry)
            self._outstanding.settle(now, entry, answers.given_up(entry, reason))

    def _go_on_without(self, now: float, entry: Entry, source: Source) -> bool:
        """Keep or drop an entry after `source` was removed; return whether it was dropped unsent."""
        if entry.state is EntryState.IN_FLIGHT:
            return False
        if not entry.waiters:
            self._scheduler.remove(entry)
            self._outstanding.drop(now, entry)
            return True
        if entry.queue is not None and entry.queue.source is source:
            self._scheduler.refile(now, entry)
        return False


def _withdrawn(entry: Entry, reason: Reason, *, dropped: bool) -> Answer:
    if dropped:
        return answers.given_up(entry, reason)
    text = "the call or stream that asked for it ends first, and Amazon Connect may get the request"
    return answers.unknown(entry, reason, text)
