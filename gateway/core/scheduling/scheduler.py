"""Decides which campaign calls next and with which requests. A batch is formed when a call is permitted.

A campaign is ready when a full batch waits, when its oldest request has lingered, when all its sources have
half-closed, or when the gateway drains. `ReadyCampaigns` says which ready campaign calls next, and in the
turn of which caller.
"""

import heapq
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice

from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.entry_state import EntryState, move
from gateway.core.instants import earliest
from gateway.core.model import BATCH_LIMIT, Batch, Entry, FlushReason, Source
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.delayed import DelayedEntries
from gateway.core.scheduling.doubtful import DoubtfulCampaigns
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.expiry_watch import ExpiryWatch
from gateway.core.scheduling.linger import Linger
from gateway.core.scheduling.place import Place
from gateway.core.scheduling.queues import CampaignQueue, QueueCount
from gateway.core.scheduling.ready import ReadyCampaigns
from gateway.core.scheduling.source_queue import SourceQueue
from gateway.core.slices import SLICE

SUSPECTS_DUE_LIMIT = 1000
"""Campaigns without a queue whose cost of the search for refused items is remembered."""


class Scheduler:
    """The queues of all campaigns, and the turns of those that are ready.

    `doubts` and `is_slowed` are those of `DoubtfulCampaigns`.
    """

    def __init__(self, linger_s: float, flow: CampaignFlow, expiry: ExpiryScale | None = None) -> None:
        self._linger = Linger(linger_s)
        self._flow = flow
        self._expiry = expiry or ExpiryScale()
        self._campaigns: dict[str, CampaignQueue] = {}
        self._doubtful = DoubtfulCampaigns()
        self.doubts = self._doubtful.doubts
        self.is_slowed = self._doubtful.is_slowed
        self._ready_campaigns = ReadyCampaigns(self._doubtful.standing)
        self._lingering: list[tuple[float, int, CampaignQueue]] = []
        self._delayed = DelayedEntries()
        self._suspects_due: dict[str, float] = {}
        self._expiries = ExpiryWatch()
        self._order = count()
        self._count = QueueCount()
        self.waiting = 0

    @property
    def source_queues(self) -> int:
        """How many queues of sources exist: one for each source, campaign and priority."""
        return self._count.queues

    def push(self, now: float, entries: Sequence[Entry]) -> None:
        """Add entries that wait for the next call of their campaign.

        Campaign, priority and the source of the first waiter must be the same for all.
        """
        first = entries[0]
        campaign = self._campaign(first.request.campaign_id)
        queue = campaign.push(now, entries)
        earliest, watched_at = queue.earliest(), queue.watched_at
        if watched_at is None or earliest < watched_at:
            self._expiries.watch(queue, earliest)
        self.waiting += len(entries)
        caller_queue = queue.caller_queue
        if not campaign.ready:
            self._consider(now, campaign)
        elif caller_queue is not None and caller_queue.rises(first.priority):
            self._ready_campaigns.add(caller_queue)

    def push_suspects(self, now: float, entries: list[Entry]) -> None:
        """Add entries of one campaign that wait for a call without other entries."""
        campaign = self._campaign(entries[0].request.campaign_id)
        for entry in entries:
            entry.suspect = True
        queue = campaign.push_suspects(now, entries)
        self._expiries.watch(queue, min(entry.expires_at for entry in entries))
        self.waiting += len(entries)
        self._enter(now, campaign, queue)

    def delay(self, entry: Entry, until: float) -> None:
        """Pause an entry until `until`, or until it gives up if that is earlier; then it waits for a call."""
        self._delayed.add(entry, min(until, self._expiry.gives_up_at(entry.expires_at)))

    def resume(self, now: float, entry: Entry) -> None:
        """Let an entry whose pause is over wait for a call."""
        if entry.suspect:
            self.push_suspects(now, [entry])
        else:
            self.push(now, (entry,))

    def note_permits(self, share: float) -> None:
        """Note the share of the burst that is available: from 0 (no permit) to 1 (all)."""
        self._linger.permit_share = share

    def reconsider(self, now: float, campaign_id: str) -> None:
        """Update whether a campaign is ready, since its condition has changed."""
        campaign = self._campaigns.get(campaign_id)
        if campaign is not None:
            if not self._flow.limit(campaign_id):
                self._take_from_turns(campaign)
            self._consider(now, campaign)  # a campaign that stays ready keeps its turn

    def is_waiting(self, campaign_id: str) -> bool:
        """Whether any request waits for the campaign's calls."""
        return campaign_id in self._campaigns

    def sources(self, campaign_id: str) -> set[Source]:
        """Return the sources with requests that wait for the campaign."""
        campaign = self._campaigns.get(campaign_id)
        return campaign.sources() if campaign is not None else set()

    def campaigns(self) -> Iterator[CampaignQueue]:
        """Yield the queues of campaigns with waiting requests, except held ones. Campaigns may change."""
        holds = self._flow.holds
        return (queue for queue in list(self._campaigns.values()) if queue.campaign_id not in holds)

    @property
    def campaigns_waiting(self) -> int:
        """How many campaigns have waiting requests."""
        return len(self._campaigns)

    def campaign(self, campaign_id: str) -> CampaignQueue | None:
        """Return the queue of a campaign; None if no request waits for it."""
        return self._campaigns.get(campaign_id)

    def remove(self, entry: Entry) -> None:
        """Take out an entry that waits, is delayed or is in a call; the caller settles it."""
        if entry.state is EntryState.WAITING:
            campaign = self._campaigns[entry.request.campaign_id]
            campaign.remove(entry)
            self.waiting -= 1
            self._forget_if_empty(campaign)
        elif entry.state is not EntryState.UNQUEUED:
            move(entry, EntryState.UNQUEUED)

    def refile(self, now: float, entry: Entry) -> None:
        """Move a waiting entry to the queue of its present first waiter; its time of arrival stays."""
        campaign = self._campaigns[entry.request.campaign_id]
        queue = campaign.refile(entry)
        self._expiries.watch(queue, entry.expires_at)
        self._enter(now, campaign, queue)

    def source_closed(self, source: Source) -> list[SourceQueue]:
        """Note that a source has half-closed; return its queues, each to `close` after that.

        Their campaigns no longer wait for more from it.
        """
        if source.closed:
            return []
        source.closed = True
        return [queue for queue in source.queues.values() if isinstance(queue, SourceQueue)]

    def close(self, now: float, queue: SourceQueue) -> None:
        """Make a campaign ready if requests wait for it and all its sources have half-closed."""
        if queue.open and (campaign := self._campaigns[queue.campaign_id]).close(queue):
            self._consider(now, campaign)

    def drain(self) -> list[CampaignQueue]:
        """Stop lingering from now on; return the campaigns to `consider` after that."""
        self._linger.draining = True
        return list(self._campaigns.values())

    def consider(self, now: float, campaign: CampaignQueue) -> None:
        """Make a campaign ready, if requests wait for it and it may call."""
        if self._campaigns.get(campaign.campaign_id) is campaign:
            self._consider(now, campaign)

    def advance(self, now: float, limit: int = SLICE) -> list[Entry]:
        """Bring everything up to `now`; return entries whose time has passed, taken out.

        At most `limit` entries, and about as many other checks, are done at once. If more is due, `deadline`
        is now, so the shell calls again after other work.
        """
        # Each part is asked first whether anything is due: mostly nothing is, and every turn asks.
        expired = self._resume_delayed(now, limit) if self._delayed.is_due(now) else []
        self._doubtful.resume(now, self._ready_campaigns)
        if self.may_contain_expired(now):
            self._take_expired(self._expiry.cutoff(now), limit, expired)
        if self._lingering and self._lingering[0][0] <= now:
            self._end_lingers(now, limit)
        return expired

    @property
    def has_ready(self) -> bool:
        """Whether any campaign would call if there were a permit."""
        return any(self._ready_campaigns.callers)

    def form(self, now: float, hint: tuple[str, str] | None = None) -> tuple[list[Entry], FlushReason]:
        """Take the entries of the next call, all of one campaign; there must be a ready one.

        `hint` is the caller and the campaign whose turn it is in the fleet. It is followed if they are ready
        and nothing more urgent is. The list is empty if the requests that made the campaign ready have left;
        else `formed` must follow.
        """
        self._doubtful.now = now
        # Only while permits are scarce may a campaign wait longer.
        may_wait = None if self._linger.permit_share > 0.0 else partial(self.may_linger, now)
        turn = self._ready_campaigns.next(may_wait, None if hint is None else self._hinted(*hint))
        if turn is None:
            return [], FlushReason.LINGER
        campaign = self._campaigns[turn.campaign_id]
        limit = self._flow.limit(campaign.campaign_id)
        flush = self._linger.flush_reason(now, campaign, limit)
        if flush is FlushReason.SUSPECT:
            entries = campaign.take_suspects(now, limit)
        else:
            entries = campaign.take(limit, turn)
        self.waiting -= len(entries)
        if not entries:
            self.formed(now, campaign.campaign_id)
        return entries, flush

    def turns(self) -> Iterator[tuple[Place, CallerQueue]]:
        """Yield the ready queues, the most urgent place first, in the order of turns there."""
        return self._ready_campaigns.turns()

    def first_turns(self) -> Iterator[tuple[Place, CallerQueue]]:
        """Yield the first ready queue of each place."""
        return self._ready_campaigns.first_turns()

    def calls_of(self, queue: CallerQueue) -> int:
        """Return how many calls the waiting requests of a caller for a campaign fill; 1 for a probe."""
        campaign = self._campaigns[queue.campaign_id]
        if self._flow.limit(queue.campaign_id) < BATCH_LIMIT:
            return 1
        return -(-campaign.waiting_of(queue) // BATCH_LIMIT) or 1  # suspects alone

    def may_linger(self, now: float, campaign_id: str) -> bool:
        """Whether a ready campaign may linger longer if permits are scarce."""
        return self._linger.may_wait(now, self._campaigns[campaign_id])

    def may_contain_expired(self, now: float) -> bool:
        """Whether waiting entries may have expired, since `advance` has not taken all of them out yet."""
        due_at = self._expiries.deadline()
        return due_at is not None and due_at <= self._expiry.cutoff(now)

    def put_back(self, now: float, entries: list[Entry], *, suspects: bool) -> None:
        """Put back entries that were taken for a call and do not fit into it."""
        if suspects:
            self.push_suspects(now, entries)
            return
        for entry in entries:
            self.push(entry.arrived_at, (entry,))  # it keeps its time of arrival

    def take_more(self, campaign_id: str, limit: int) -> list[Entry]:
        """Take out more entries, up to `limit`, for a call that is being formed."""
        campaign = self._campaigns.get(campaign_id)
        if campaign is None or not campaign.unsuspected or limit <= 0:
            return []
        taken = campaign.take(limit)
        self.waiting -= len(taken)
        return taken

    def formed(self, now: float, campaign_id: str) -> None:
        """Let a campaign that has just called take further turns, if it is still ready."""
        campaign = self._campaigns[campaign_id]
        if self._forget_if_empty(campaign):
            return
        if self._is_ready(now, campaign):
            self._let_take_turns(campaign)
        else:
            self._take_from_turns(campaign)
            self._consider(now, campaign)

    def called(self, now: float, batch: Batch) -> None:
        """Note that a call leaves; a call of an unproven campaign counts as a try. `formed` must follow."""
        self._ready_campaigns.called()
        if batch.flush is not FlushReason.SUSPECT:
            self._campaigns[batch.campaign_id].called(batch.entries)
        if self._doubtful.called(now, batch, self._ready_campaigns):
            self._update_turns(now, batch.campaign_id)

    def ended(self, now: float, batch: Batch, *, accepted: bool, missing: bool) -> None:
        """Note that a call has ended, with something accepted or because Connect has no such campaign."""
        ready = self._ready_campaigns
        if self._doubtful.ended(now, batch, ready, accepted=accepted, missing=missing):
            self._update_turns(now, batch.campaign_id)

    def deadline(self) -> float | None:
        """Return when `advance` will next have something to do, None for not before a push."""
        expiry = self._expiries.deadline()
        return earliest(
            self._delayed.deadline(),
            self._doubtful.deadline(),
            self._lingering[0][0] if self._lingering else None,
            self._expiry.gives_up_at(expiry) if expiry is not None else None,
        )

    def _hinted(self, caller: str, campaign_id: str) -> CallerQueue | None:
        campaign = self._campaigns.get(campaign_id)
        return campaign.callers.get(caller) if campaign is not None else None

    def _campaign(self, campaign_id: str) -> CampaignQueue:
        campaign = self._campaigns.get(campaign_id)
        if campaign is None:
            due = self._suspects_due.pop(campaign_id, 0.0)
            campaign = self._campaigns[campaign_id] = CampaignQueue(
                campaign_id, due, self._ready_campaigns.changed, self._count
            )
        return campaign

    def _enter(self, now: float, campaign: CampaignQueue, queue: SourceQueue) -> None:
        """Add a queue that is no longer empty to the turns, as soon as its campaign is ready."""
        if not campaign.ready:
            self._consider(now, campaign)
        elif queue.caller_queue is not None:
            self._ready_campaigns.add(queue.caller_queue)

    def _consider(self, now: float, campaign: CampaignQueue) -> None:
        """Make a campaign ready, or note when it will be."""
        if not self._flow.limit(campaign.campaign_id):
            return  # a change of the limit calls `reconsider`
        ready_by = now if campaign.ready else self._linger.ready_by(now, campaign)
        if ready_by <= now:
            self._let_take_turns(campaign)
        elif campaign.ready_by != ready_by:
            campaign.ready_by = ready_by
            heapq.heappush(self._lingering, (ready_by, next(self._order), campaign))

    def _let_take_turns(self, campaign: CampaignQueue) -> None:
        """Add the callers' queues of a ready campaign to the turns."""
        campaign.ready_by = None
        if not campaign.ready:
            campaign.ready = True
            for queue in campaign.callers.values():
                self._ready_campaigns.add(queue)

    def _take_from_turns(self, campaign: CampaignQueue) -> None:
        if campaign.ready:
            campaign.ready = False
            for queue in campaign.callers.values():
                self._ready_campaigns.remove(queue)

    def _update_turns(self, now: float, campaign_id: str) -> None:
        """Update the turns of a ready campaign, since a call of it has begun or ended."""
        self._doubtful.now = now
        campaign = self._campaigns.get(campaign_id)
        if campaign is not None and campaign.ready:
            for queue in campaign.callers.values():
                self._ready_campaigns.add(queue)

    def _is_ready(self, now: float, campaign: CampaignQueue) -> bool:
        """Whether a campaign would be ready if it had not taken turns yet."""
        return bool(self._flow.limit(campaign.campaign_id)) and self._linger.ready_by(now, campaign) <= now

    def _forget_if_empty(self, campaign: CampaignQueue) -> bool:
        if len(campaign):
            return False
        campaign.ready_by = None
        self._take_from_turns(campaign)
        self._campaigns.pop(campaign.campaign_id, None)
        if campaign.suspects_due:  # the cost of the search outlives the queue
            self._suspects_due[campaign.campaign_id] = campaign.suspects_due
            if len(self._suspects_due) > SUSPECTS_DUE_LIMIT:
                del self._suspects_due[next(iter(self._suspects_due))]
        return True

    def _resume_delayed(self, now: float, limit: int) -> list[Entry]:
        """Let entries whose pause is over wait for a call; return those whose time has passed."""
        expired: list[Entry] = []
        for entry in islice(self._delayed.due(now), limit):
            if entry.expires_at <= self._expiry.cutoff(now):
                move(entry, EntryState.UNQUEUED)
                expired.append(entry)
            else:
                self.resume(now, entry)
        return expired

    def _take_expired(self, expired_at: float, limit: int, expired: list[Entry]) -> None:
        """Take waiting entries out whose time has passed; fill `expired` up to `limit`."""
        for queue in islice(self._expiries.due(expired_at), limit):
            while (entry := queue.top()) is not None and entry.expires_at <= expired_at:
                if len(expired) >= limit:
                    break
                self.remove(entry)
                expired.append(entry)
            if entry is not None:
                self._expiries.watch(queue, entry.expires_at)
            if len(expired) >= limit:
                break

    def _end_lingers(self, now: float, limit: int) -> None:
        """Make campaigns ready whose linger is over, `limit` at most."""
        for _ in range(limit):
            if not self._lingering or self._lingering[0][0] > now:
                break
            deadline, _, campaign = heapq.heappop(self._lingering)
            if campaign.ready_by == deadline:
                campaign.ready_by = None
                self._consider(now, campaign)
