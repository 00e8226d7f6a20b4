"""Which campaign calls next, and with what: the batch is formed when a call is permitted.

A campaign is ready when a full batch waits, when its oldest request has lingered, when all who
wait for it have half-closed, or when the gateway drains. Ready campaigns take turns, a call each.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from itertools import count

from gateway.core.model import BATCH_LIMIT, Entry, EntryState, FlushReason, Source
from gateway.core.queues import CampaignQueue, SourceQueue

EXPIRY_SLICE = 2000
"""Expired entries that are taken out in one go."""


class Scheduler:
    """Keeps the queues of all campaigns, and the order of those that are ready."""

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._campaigns: dict[str, CampaignQueue] = {}
        self._ready: OrderedDict[CampaignQueue, None] = OrderedDict()
        self._lingering: list[tuple[float, int, CampaignQueue]] = []
        self._delayed: list[tuple[float, int, Entry]] = []
        self._expiries = ExpiryWatch()
        self._order = count()
        self._draining = False

    def push(self, now: float, entry: Entry) -> None:
        """Let an entry wait for the next call of its campaign, or for a call of its own."""
        campaign = self._campaign(entry.request.campaign_id)
        self._expiries.watch(campaign.push(now, entry), entry.give_up_at)
        self._consider(now, campaign)

    def delay(self, entry: Entry, until: float) -> None:
        """Let an entry wait for its campaign's calls after `until` only, or until it gives up."""
        entry.state = EntryState.DELAYED
        heapq.heappush(self._delayed, (min(until, entry.give_up_at), next(self._order), entry))

    def remove(self, entry: Entry) -> None:
        """Take out an entry that waits or is delayed, unsent."""
        if entry.state is EntryState.WAITING:
            campaign = self._campaigns[entry.request.campaign_id]
            campaign.remove(entry)
            self._forget_if_empty(campaign)
        entry.state = EntryState.SETTLED

    def refile(self, now: float, entry: Entry) -> None:
        """Move an entry that waits to the next who waits for it; it keeps its time of arrival."""
        campaign = self._campaigns[entry.request.campaign_id]
        self._expiries.watch(campaign.refile(entry), entry.give_up_at)
        self._consider(now, campaign)

    def source_closed(self, source: Source) -> None:
        """Note that a source has half-closed: nobody need wait for company from it."""
        if source.closed:
            return
        source.closed = True
        for queue in source.queues.values():
            queue.campaign.open_sources -= 1
            if not queue.campaign.open_sources:
                self._make_ready(queue.campaign)

    def drain(self) -> None:
        """Linger no more."""
        self._draining = True
        for campaign in self._campaigns.values():
            self._make_ready(campaign)

    def advance(self, now: float) -> list[Entry]:
        """Bring everything up to `now`; return entries whose time has passed, taken out.

        At most a slice of those: where more have expired `deadline` says so, and the shell has time for
        others in between.
        """
        expired = [entry for entry in self._due(now) if not self._resumed(now, entry)]
        for queue in self._expiries.due(now):
            while (entry := queue.top()) is not None and entry.give_up_at <= now:
                if len(expired) >= EXPIRY_SLICE:
                    break
                self.remove(entry)
                expired.append(entry)
            if entry is not None:
                self._expiries.watch(queue, entry.give_up_at)
            if len(expired) >= EXPIRY_SLICE:
                break
        while self._lingering and self._lingering[0][0] <= now:
            deadline, _, campaign = heapq.heappop(self._lingering)
            if campaign.ready_by == deadline:
                self._make_ready(campaign)
        return expired

    @property
    def has_ready(self) -> bool:
        """Whether a campaign would call if there were a permit."""
        return bool(self._ready)

    def form(self, now: float) -> tuple[list[Entry], FlushReason]:
        """Take the entries of the next call, all of one campaign; there must be a ready one."""
        campaign, _ = self._ready.popitem(last=False)
        flush = self._flush_reason(campaign)
        entries = campaign.take_alone() if flush is FlushReason.ALONE else campaign.take(BATCH_LIMIT)
        if not self._forget_if_empty(campaign):
            self._consider(now, campaign)
        return entries, flush

    def deadline(self) -> float | None:
        """Return when `advance` will next have something to do, None for not before a push."""
        instants = [heap[0][0] for heap in (self._lingering, self._delayed) if heap]
        expiry = self._expiries.deadline()
        return min(instants, default=expiry) if expiry is None else min([*instants, expiry])

    def _campaign(self, campaign_id: str) -> CampaignQueue:
        campaign = self._campaigns.get(campaign_id)
        if campaign is None:
            campaign = self._campaigns[campaign_id] = CampaignQueue(campaign_id)
        return campaign

    def _consider(self, now: float, campaign: CampaignQueue) -> None:
        """Make a campaign ready, or note when it will be."""
        if campaign in self._ready:
            return
        full = len(campaign) >= BATCH_LIMIT or campaign.has_alone
        if full or self._draining or not campaign.open_sources:
            self._make_ready(campaign)
            return
        ready_by = campaign.oldest_arrival + self._linger_s
        if ready_by <= now:
            self._make_ready(campaign)
        elif campaign.ready_by != ready_by:
            campaign.ready_by = ready_by
            heapq.heappush(self._lingering, (ready_by, next(self._order), campaign))

    def _make_ready(self, campaign: CampaignQueue) -> None:
        campaign.ready_by = None
        self._ready[campaign] = None

    def _flush_reason(self, campaign: CampaignQueue) -> FlushReason:
        if campaign.has_alone:
            return FlushReason.ALONE
        if len(campaign) >= BATCH_LIMIT:
            return FlushReason.FULL
        if self._draining:
            return FlushReason.DRAIN
        return FlushReason.LINGER if campaign.open_sources else FlushReason.CLOSED

    def _forget_if_empty(self, campaign: CampaignQueue) -> bool:
        if len(campaign):
            return False
        campaign.ready_by = None
        self._ready.pop(campaign, None)
        self._campaigns.pop(campaign.campaign_id, None)
        return True

    def _due(self, now: float) -> Iterator[Entry]:
        while self._delayed and self._delayed[0][0] <= now:
            entry = heapq.heappop(self._delayed)[2]
            if entry.state is EntryState.DELAYED:
                yield entry

    def _resumed(self, now: float, entry: Entry) -> bool:
        if entry.give_up_at <= now:
            entry.state = EntryState.SETTLED
            return False
        self.push(now, entry)
        return True


class ExpiryWatch:
    """Knows which source queues to look into for expired entries, and when.

    Each queue is watched at its earliest expiry or before; a note that has become too early costs
    one look. Thus nothing is written per entry but a comparison.
    """

    def __init__(self) -> None:
        self._notes: list[tuple[float, int, SourceQueue]] = []
        self._order = count()
        self._tidy_at = 64

    def watch(self, queue: SourceQueue, instant: float) -> None:
        """See to it that `queue` is due at `instant` at the latest."""
        if queue.watched_at is not None and queue.watched_at <= instant:
            return
        queue.watched_at = instant
        heapq.heappush(self._notes, (instant, next(self._order), queue))
        if len(self._notes) > self._tidy_at:
            self._tidy()

    def due(self, now: float) -> Iterator[SourceQueue]:
        """Yield each queue that must be looked into at `now`."""
        while self._notes and self._notes[0][0] <= now:
            instant, _, queue = heapq.heappop(self._notes)
            if queue.watched_at == instant:
                queue.watched_at = None
                yield queue

    def deadline(self) -> float | None:
        """Return when the next queue is due."""
        return self._notes[0][0] if self._notes else None

    def _tidy(self) -> None:
        """Drop the notes of queues in which nothing waits: callers come and go."""
        kept = []
        for note in self._notes:
            instant, _, queue = note
            if queue.watched_at == instant and queue.top() is None:
                queue.watched_at = None
            elif queue.watched_at == instant:
                kept.append(note)
        heapq.heapify(kept)
        self._notes = kept
        self._tidy_at = max(64, 2 * len(kept))
