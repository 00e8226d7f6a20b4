"""Sources that leave: from that instant nothing of theirs is sent, however long it takes to clear it away.

A source may leave hundreds of thousands of dial requests behind. They are let go of a slice at a time;
until then whoever meets one of them, a call that is formed or a dial request that would join it,
parts with the sources that leave first. So nobody can tell that it has not all been done at once.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from gateway.core import settle
from gateway.core.holdings import Holdings
from gateway.core.model import Answer, Departure, Entry, EntryState, Reason, Settled, Source, told
from gateway.core.scheduler import Scheduler
from gateway.core.slices import Slices


class Departures:
    """The sources that leave and may still have something held; false where there are none."""

    def __init__(self, holdings: Holdings, scheduler: Scheduler, slices: Slices) -> None:
        self._holdings = holdings
        self._scheduler = scheduler
        self._slices = slices
        self._leaving: set[Source] = set()
        self._told: list[Settled] = []

    def __bool__(self) -> bool:
        """Whether entries may have waiters whose sources leave."""
        return bool(self._leaving)

    def take(self) -> list[Settled]:
        """Return the answers for sources whose streams end, to be given out now."""
        taken, self._told = self._told, []
        return taken

    def gone(self, source: Source) -> None:
        """Let go of a source that is gone; it is told nothing more."""
        source.departure = Departure.GONE
        self._leaving.discard(source)  # its stream may have been ending before
        if source.pending:
            self._clear(source, lambda now: self._leaving.discard(source))

    def ending(self, source: Source) -> None:
        """Answer what a source asked for and is in no call; what is in one is answered as it comes back."""
        source.departure = Departure.ENDING
        if source.pending:
            self._clear(source, lambda now: None)  # until the stream has ended: `gone` follows

    def withdraw(self, now: float, source: Source, reason: Reason, limit: int) -> list[Settled]:
        """Answer and forget up to `limit` of what a source has asked for, calls under way included."""
        settled: list[Settled] = []
        for entry in dict.fromkeys(islice(source.pending.values(), limit)):
            settled += self._answer(now, entry, source, reason)
        return settled

    def part(self, now: float, entry: Entry) -> None:
        """Take the sources that leave off an entry; drop it where nobody is left to wait for it.

        A source whose stream ends waits on for an entry that is in a call.
        """
        for source in {waiter.source for waiter in entry.waiters}:
            if source.departure is not None:
                self._part(now, entry, source)

    def keep_unsent(self, now: float, taken: Sequence[Entry]) -> list[Entry]:
        """Return those of the entries taken for a call that somebody waits for; the others end here."""
        for entry in taken:
            if any(waiter.source.departure is not None for waiter in entry.waiters):
                entry.state = EntryState.DELAYED  # in no queue, and in no call yet
                self.part(now, entry)
                if entry.waiters:
                    entry.state = EntryState.IN_FLIGHT
        return [entry for entry in taken if entry.state is EntryState.IN_FLIGHT]

    def _clear(self, source: Source, done: Callable[[float], None]) -> None:
        self._leaving.add(source)
        self._slices.add(list(source.pending), partial(self._part_at, source), done)

    def _part_at(self, source: Source, now: float, index: int, settled: list[Settled]) -> None:
        entry = source.pending.get(index)
        if entry is not None:  # else it was settled meanwhile, or stood under another index too
            self._part(now, entry, source)

    def _part(self, now: float, entry: Entry, source: Source) -> None:
        if entry.state is EntryState.SETTLED:
            return
        if source.departure is Departure.GONE:
            self._holdings.part_with_the_gone(entry, source)
            if self._go_on_without(now, entry, source):
                self._holdings.dropped += 1
        elif entry.state is not EntryState.IN_FLIGHT:
            self._told += self._answer(now, entry, source, Reason.DRAINING)

    def _answer(self, now: float, entry: Entry, source: Source, reason: Reason) -> list[Settled]:
        """Take a source off an entry; return what it is told: NOT_ACCEPTED where the entry ends unsent."""
        waiters = self._holdings.detach(entry, source)
        dropped = self._go_on_without(now, entry, source) and not entry.tainted
        answer = _withdrawn(entry, reason, dropped=dropped)
        return [told(waiter, entry.request, answer) for waiter in waiters]

    def _go_on_without(self, now: float, entry: Entry, source: Source) -> bool:
        """Go on with an entry that `source` waits for no longer; return whether it was dropped unsent."""
        if entry.state is EntryState.IN_FLIGHT:
            return False
        if not entry.waiters:
            self._scheduler.remove(entry)
            self._holdings.drop(now, entry)
            return True
        if entry.queue is not None and entry.queue.source is source:
            self._scheduler.refile(now, entry)
        return False


def _withdrawn(entry: Entry, reason: Reason, *, dropped: bool) -> Answer:
    if dropped:
        return settle.given_up(entry, reason)
    text = "the call or stream that asked for it ends first, and Amazon Connect may get the request"
    return settle.unknown(entry, reason, text)
