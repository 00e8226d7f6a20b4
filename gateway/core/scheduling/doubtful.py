"""Limits the calls for campaigns that Connect may not have.

A campaign is doubtful if its caller has recently named campaigns that Connect does not have, and Connect has
accepted nothing for this one. Each doubtful campaign has one call at a time. A caller whose calls find no
campaign again and again is slowed down: its doubtful campaigns take no turns for a while.
"""

from gateway.core.model import Batch
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.place import Standing
from gateway.core.scheduling.proven import MISSES_LIMIT, MISSES_PER_S, Misses, Proven
from gateway.core.scheduling.ready import ReadyCampaigns


class DoubtfulCampaigns:
    """Which campaigns are doubtful, their calls in flight, and the callers that are slowed down.

    `now` is the instant of the present decision, for `standing`.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._proven = Proven()
        self._misses = Misses()
        self._tries: dict[str, set[int]] = {}  # calls in flight of campaigns that are not proven
        self._slowed_until: dict[str, float] = {}  # the first to resume first

    def doubts(self, now: float, caller: str, campaign_id: str) -> bool:
        """Whether Connect may not have a campaign that a caller names."""
        return self._misses.doubts(now, caller) and campaign_id not in self._proven

    def is_slowed(self, caller: str) -> bool:
        """Whether a caller is slowed down in trying its doubtful campaigns."""
        return caller in self._slowed_until

    def standing(self, queue: CallerQueue) -> Standing | None:
        """Return the standing of a caller's queue; None for a doubtful campaign with a call in flight."""
        campaign_id = queue.campaign_id
        # As `doubts`, spelled out: a queue is asked about at each change of its place.
        if not self._misses.doubts(self.now, queue.caller) or campaign_id in self._proven:
            return Standing.REGULAR
        return None if campaign_id in self._tries else Standing.DOUBTFUL

    def called(self, now: float, batch: Batch, ready: ReadyCampaigns) -> bool:
        """Count a call of an unproven campaign as a try; return whether its standing may have changed."""
        if batch.campaign_id in self._proven:
            return False
        self._tries.setdefault(batch.campaign_id, set()).add(batch.number)
        if not self._misses:
            return False
        for caller in _callers_of(batch):
            self._slow_if_many(now, caller, MISSES_LIMIT - 1, ready)  # from now on it has one try at a time
        return True

    def ended(
        self, now: float, batch: Batch, ready: ReadyCampaigns, *, accepted: bool, missing: bool
    ) -> bool:
        """Learn from the end of a call; return whether the standing of its campaign may have changed."""
        campaign_id = batch.campaign_id
        if accepted:
            self._proven.note(now, campaign_id)
        if missing:
            self._proven.forget(campaign_id)
        tries = self._tries.get(campaign_id)
        if tries is None or batch.number not in tries:
            return False
        tries.remove(batch.number)
        if not tries:
            del self._tries[campaign_id]
        if missing:
            callers = _callers_of(batch)
            self._misses.note(now, callers)
            for caller in callers:
                self._slow_if_many(now, caller, MISSES_LIMIT, ready)
        return True

    def resume(self, now: float, ready: ReadyCampaigns) -> None:
        """Let callers try again after their pause, and forget callers that are not in doubt any more."""
        self._misses.forget(now)
        while self._slowed_until:
            caller, until = next(iter(self._slowed_until.items()))
            if until > now:
                break
            del self._slowed_until[caller]
            ready.resume(caller)

    def deadline(self) -> float | None:
        """Return when the next caller may try again, None if none is slowed down."""
        return next(iter(self._slowed_until.values())) if self._slowed_until else None

    def _slow_if_many(self, now: float, caller: str, limit: float, ready: ReadyCampaigns) -> None:
        """Slow down a caller whose calls find no such campaign again and again."""
        if self._misses.count(now, caller) > limit - 1.0 and caller not in self._slowed_until:
            self._slowed_until[caller] = now + 1.0 / MISSES_PER_S
            ready.slow(caller)


def _callers_of(batch: Batch) -> frozenset[str]:
    """Return the callers that wait for the requests of a call."""
    return frozenset(waiter.source.caller for entry in batch.entries for waiter in entry.waiters)
