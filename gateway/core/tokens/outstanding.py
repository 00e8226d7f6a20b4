"""The outstanding dial requests, from their arrival to their answer, counted and bounded in memory."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from gateway.core import answers
from gateway.core.entry_state import EntryState, move, move_all
from gateway.core.model import DENIALS, Answer, Departure, Entry, Reason, Settled, Source, Waiter
from gateway.core.outbox import Outbox
from gateway.core.tokens.ledger import CampaignTokens, Ledger

_SETTLED, _new = EntryState.SETTLED, tuple.__new__  # looked up once: used for every request
ENTRY_BYTES, JOIN_BYTES = 660, 270
"""Memory, in bytes, of an outstanding request in addition to its `size_bytes`, and of a request that has
joined another. Measured on CPython 3.11 with benchmarks/memory.py."""
CAMPAIGN_BYTES, QUEUE_BYTES = 1780, 490
"""Memory, in bytes, of a campaign with outstanding requests, and of each queue (of one source in one campaign
and priority): their places in the ledger, in the turns and in the timers for linger and expiry."""


class DenialReview(Protocol):
    """Decides whether a denial may be given now, in a fleet of replicas that may have sent the token."""

    def review(self, now: float, entry: Entry, denial: Answer) -> Answer | None:
        """Return the answer to give now; None if the entry waits until the fleet's ledger was asked."""
        ...

    def give_up(self, now: float, entry: Entry) -> None:
        """Answer an entry whose denial waits with UNKNOWN, now."""
        ...


class SettlementWatch(Protocol):
    """Is told of the entries that leave (`compliance.recording.Recording`)."""

    def settled(self, answered: Sequence[tuple[Entry, Answer]]) -> None:
        """Take entries that are about to be settled."""
        ...

    def dropped(self, entry: Entry) -> None:
        """Take an entry that is about to be dropped."""
        ...


class Outstanding:
    """The outstanding entries and their waiters; `count` and `bytes` say how many there are.

    `bytes` is the memory of requests and joins, `campaigns` the number of campaigns that have any.
    `joined` counts waiters that joined an existing entry, `dropped` the entries dropped unsent because all
    their waiters are gone. `departed` are waiters of sources that are gone, for the shell to take.
    `denial_review` is None without a fleet, `watch` without a guard.
    """

    def __init__(self, ledger: Ledger, outbox: Outbox) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self.count = 0
        self.joined = 0
        self.dropped = 0
        self.bytes = 0
        self.campaigns = 0
        self.departed: list[Waiter] = []
        self.denial_review: DenialReview | None = None
        self.watch: SettlementWatch | None = None

    def campaign(self, now: float, campaign_id: str) -> CampaignTokens | None:
        """Return what is known of a campaign's tokens; None if no token is known."""
        return self._ledger.campaign(now, campaign_id)

    def open_campaign(self, now: float, campaign_id: str) -> CampaignTokens:
        """Return the tokens of a campaign, to add entries to them."""
        return self._ledger.open_campaign(now, campaign_id)

    def count_in(self, campaign: CampaignTokens, count: int, size_bytes: int) -> None:
        """Count new entries, and their size; they are in `campaign` and their source's `pending` already."""
        self.campaigns += len(campaign.outstanding) == count  # the campaign had none before
        self.count += count
        self.bytes += size_bytes + ENTRY_BYTES * count

    def join(self, entry: Entry, waiter: Waiter) -> None:
        """Add a waiter to an entry."""
        self.joined += 1
        if entry.waiters:
            self.count += 1
            self.bytes += JOIN_BYTES
        if isinstance(entry.awaited_by, list):
            entry.awaited_by.append(waiter)
        else:
            entry.awaited_by = [entry.awaited_by, waiter]
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
        entry.awaited_by = stay
        return gone

    def detach_gone(self, entry: Entry, source: Source) -> None:
        """Remove all waiters of a gone source from an entry; those with a span are kept in `departed`."""
        self.departed += [waiter for waiter in self.detach(entry, source) if waiter.span is not None]

    def settle(self, now: float, entry: Entry, answer: Answer, *, reviewed: bool = False) -> bool:
        """Settle an entry that is in no queue: remember it, and answer all waiters that are still there.

        Return whether there were any. In a fleet a denial may have to wait, unless it was `reviewed`.
        """
        for source in {waiter.source for waiter in entry.waiters}:
            if source.departure is Departure.GONE:
                self.detach_gone(entry, source)
        if self.denial_review is not None and not reviewed and entry.waiters and answer.outcome in DENIALS:
            kept = self.denial_review.review(now, entry, answer)
            if kept is None:
                return True
            answer = kept
        if not entry.waiters and entry.state is not EntryState.IN_FLIGHT:
            self.dropped += 1
        self.settle_on(self.open_campaign(now, entry.request.campaign_id), [(entry, answer)])
        return bool(entry.waiters)

    def reviewed(self, now: float, decided: Sequence[tuple[Entry, Answer]]) -> list[tuple[Entry, Answer]]:
        """Return the entries of a fleet to settle now, with their answers; denials may have to wait."""
        kept: list[tuple[Entry, Answer]] = []
        for entry, answer in decided:
            if self.denial_review is None or not entry.waiters or answer.outcome not in DENIALS:
                kept.append((entry, answer))
            elif (final := self.denial_review.review(now, entry, answer)) is not None:
                kept.append((entry, final))
        return kept

    def settle_on(self, campaign: CampaignTokens, answers: Sequence[tuple[Entry, Answer]]) -> None:
        """Settle entries of one campaign."""
        if self.watch is not None:
            self.watch.settled(answers)
        entries = [entry for entry, _ in answers]
        move_all(entries, _SETTLED)
        self._ledger.remember(campaign, answers)
        self._release(campaign, entries)
        campaign_id = campaign.campaign_id
        settled: list[Settled] = []
        for entry, answer in answers:
            token = entry.request.client_token
            waiters = entry.awaited_by
            for waiter in waiters if isinstance(waiters, list) else (waiters,):
                del waiter.source.pending[waiter.index]
                # The same as `Settled(…)`, in half the time.
                settled.append(_new(Settled, (waiter, campaign_id, token, answer)))
        self._outbox.add(settled)

    def drop(self, now: float, entry: Entry) -> None:
        """Drop an entry without waiters. A doubt about it is remembered in the ledger."""
        if self.watch is not None:
            self.watch.dropped(entry)
        move(entry, _SETTLED)
        campaign = self.open_campaign(now, entry.request.campaign_id)
        if entry.in_doubt:
            self._ledger.remember(campaign, [(entry, answers.unknown(entry, Reason.CONNECT_ERROR, ""))])
        self._release(campaign, [entry])

    def waiting(self, campaign_id: str) -> list[Entry]:
        """Return the entries of one campaign that are not in flight."""
        entries = self._ledger.entries_of(campaign_id)
        return [entry for entry in entries if entry.state is not EntryState.IN_FLIGHT]

    def entries_of(self, campaign_id: str) -> list[Entry]:
        """Return all entries of one campaign."""
        return self._ledger.entries_of(campaign_id)

    def all_entries(self) -> Iterator[Entry]:
        """Yield all entries, campaign by campaign; entries may change meanwhile."""
        return self._ledger.all_entries()

    def count_of(self, campaign_id: str) -> int:
        """Return how many entries are outstanding for one campaign."""
        return self._ledger.count_of(campaign_id)

    def by_campaign(self) -> Iterator[tuple[str, int]]:
        """Yield how many entries are outstanding for each campaign that has any."""
        return self._ledger.counts()

    @property
    def forgotten_early(self) -> int:
        """How many settled tokens were forgotten before the replay window ended, as the ledger was full."""
        return self._ledger.forgotten_early

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return self._ledger.remembered

    def _release(self, campaign: CampaignTokens, entries: Sequence[Entry]) -> None:
        """Remove entries from their campaign, and subtract them and their joins from the counts."""
        outstanding, gone = campaign.outstanding, len(entries)
        released = 0
        for entry in entries:
            request = entry.request
            del outstanding[request.client_token]
            released += request.size_bytes
            waiters = entry.awaited_by
            if isinstance(waiters, list) and len(waiters) > 1:
                joins = len(waiters) - 1
                gone += joins
                released += joins * JOIN_BYTES
        self.campaigns -= bool(entries) and not outstanding
        self.count -= gone
        self.bytes -= released + ENTRY_BYTES * len(entries)
        self._ledger.forget_if_empty(campaign)
