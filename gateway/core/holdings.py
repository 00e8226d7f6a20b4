"""What the gateway holds: every dial request between its coming and its answer, counted and bounded."""

from gateway.core import settle
from gateway.core.ledger import Ledger, Remembered
from gateway.core.model import Answer, DialRequest, Entry, EntryState, Reason, Settled, Source, Waiter, told

ENTRY_BYTES, ATTRIBUTE_BYTES, JOIN_BYTES = 860, 90, 250
"""Memory that a held request, and each of its attributes, takes beside its size on the wire, and one
that has joined another: measured on CPython 3.11 with benchmarks/memory.py."""


class Holdings:
    """Keeps who waits for what in step with the ledger; `count` and `bytes` are what is held now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.count = 0
        self.bytes = 0

    def find(self, request: DialRequest) -> Entry | None:
        """Return the entry that is held under the request's token."""
        return self._ledger.held(request.campaign_id, request.client_token)

    def recall(self, now: float, request: DialRequest) -> Remembered | None:
        """Return what is remembered of the request's token."""
        return self._ledger.recall(now, request.campaign_id, request.client_token)

    def hold(self, entry: Entry) -> None:
        """Enter a new entry, with the one who waits for it."""
        self._ledger.hold(entry)
        waiter = entry.waiters[0]
        waiter.source.pending[waiter.index] = entry
        self.count += 1
        self.bytes += _memory_of(entry.request)

    def join(self, entry: Entry, waiter: Waiter) -> None:
        """Let one more wait for an entry."""
        if entry.waiters:
            self.count += 1
            self.bytes += JOIN_BYTES
        entry.waiters.append(waiter)
        waiter.source.pending[waiter.index] = entry

    def detach(self, entry: Entry, source: Source) -> list[Waiter]:
        """Take all waiters of a source off an entry; return them."""
        gone = [waiter for waiter in entry.waiters if waiter.source is source]
        stay = [waiter for waiter in entry.waiters if waiter.source is not source]
        for waiter in gone:
            del source.pending[waiter.index]
        joins = len(entry.waiters) - max(1, len(stay))
        self.count -= joins
        self.bytes -= joins * JOIN_BYTES
        entry.waiters = stay
        return gone

    def settle(self, now: float, entry: Entry, answer: Answer, settled: list[Settled]) -> None:
        """Settle an entry that stands in no queue: remember it and answer all who wait for it."""
        self._release(entry)
        self._ledger.remember(now, entry.request, answer)
        for waiter in entry.waiters:
            del waiter.source.pending[waiter.index]
            settled.append(told(waiter, entry.request, answer))

    def drop(self, now: float, entry: Entry) -> None:
        """Forget an entry that nobody waits for, but for what Connect may have of it."""
        self._release(entry)
        if entry.tainted:
            self._ledger.remember(now, entry.request, settle.unknown(entry, Reason.CONNECT_ERROR, ""))

    def resting(self, campaign_id: str | None = None) -> list[Entry]:
        """Return the entries that are not in flight, of one campaign or of all."""
        held = self._ledger.everything_held() if campaign_id is None else self._ledger.held_in(campaign_id)
        return [entry for entry in held if entry.state is not EntryState.IN_FLIGHT]

    def everything(self) -> list[Entry]:
        """Return all entries."""
        return self._ledger.everything_held()

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return self._ledger.remembered

    def _release(self, entry: Entry) -> None:
        self._ledger.release(entry)
        entry.state = EntryState.SETTLED
        joins = max(0, len(entry.waiters) - 1)
        self.count -= 1 + joins
        self.bytes -= _memory_of(entry.request) + joins * JOIN_BYTES


def _memory_of(request: DialRequest) -> int:
    return ENTRY_BYTES + ATTRIBUTE_BYTES * len(request.attributes) + request.size_bytes
