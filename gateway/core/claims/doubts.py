"""Until when a token may have been sent although the shared state has no record of it.

This doubt begins when the shared state has lost records. It lasts until all replicas have written their
recent results again, and for the replay window if everything was lost. It also lasts while a replica is lost
and may be alive: such a replica sends without claims, and has to write its results when it is back. So do all
replicas while the shared state is away.
"""

import math
from collections.abc import Sequence

from gateway.core.fleet.messages import Member

WRITE_AGAIN_S = 2.0
"""Seconds in which all replicas have written their results again, and a lost replica those it has kept."""
CLEAN_END_S = 0.9
"""Seconds after which a lost replica that has ended may have sent tokens without claims. It counts as lost
0.9 s after its last beat (`LOST_MS`), which idle replicas see 0.3 s later, and it sends no call without
claims before `UNCLAIMED_AFTER_S`, 2.25 s after its last beat."""

SILENT_S = 1.5
"""Seconds without an answered beat after which other replicas may be sending without claims as well."""


class Doubts:
    """The present doubt of the replica `own`; `until` is its end."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._records_until = -math.inf
        self._members_until = -math.inf
        self._lost: dict[str, float] = {}  # since when
        self._back: dict[str, float] = {}  # members that were lost, with the instant at which all is written
        self._before: set[str] | None = None
        self._seen_at: float | None = None

    @property
    def until(self) -> float:
        """The instant until which tokens without a record are in doubt."""
        return math.inf if self._lost else max(self._records_until, self._members_until)

    def records_may_be_lost(self) -> None:
        """Note that the shared state may have lost records; `checked` must follow."""
        self._records_until = math.inf

    def checked(self, now: float, replay_window_s: float, *, lost_all: bool) -> None:
        """Note how much the shared state has lost: all records, or at most the last ones."""
        self._records_until = now + (replay_window_s if lost_all else WRITE_AGAIN_S)
        self._wait_for_all(now)

    def seen(
        self, now: float, members: Sequence[Member], replay_window_s: float, epoch_age_s: float = math.inf
    ) -> bool:
        """Note the members of the fleet, `epoch_age_s` after the store's epoch began.

        Return whether the doubt has changed. A replica that starts right after an outage or a loss of data
        knows nothing of it, and the others have not written their results yet.
        """
        before = self.until
        if self._seen_at is None and epoch_age_s < WRITE_AGAIN_S:
            self._doubt_members_until(now + WRITE_AGAIN_S - epoch_age_s)
        if self._seen_at is not None and now - self._seen_at > SILENT_S:
            self._wait_for_all(now)
            self._doubt_members_until(now + WRITE_AGAIN_S)
        self._seen_at = now
        lost = {one.member for one in members if one.lost} - {self._own}
        alive = {one.member for one in members if not one.lost} - {self._own}
        for member in self._lost.keys() - lost:
            long = now - self._lost.pop(member) > CLEAN_END_S
            if member in alive:
                self._back[member] = now + WRITE_AGAIN_S
                self._doubt_members_until(now + WRITE_AGAIN_S)
            elif long or member in self._back:
                self._doubt_members_until(now + replay_window_s)
        for member in lost - self._lost.keys():
            # A replica that starts does not know for how long others have been lost.
            self._lost[member] = -math.inf if self._before is None else now
        self._forget_back(now, alive | lost, replay_window_s)
        self._before = alive
        return self.until != before

    def _wait_for_all(self, now: float) -> None:
        """Wait until all members have written their results: each may have sent without claims."""
        for member in self._before or ():
            self._back.setdefault(member, now + WRITE_AGAIN_S)

    def _forget_back(self, now: float, present: set[str], replay_window_s: float) -> None:
        """Forget members that have written their results.

        A member that has ended before that leaves doubt.
        """
        for member, written_at in list(self._back.items()):
            if member not in present:
                self._doubt_members_until(now + replay_window_s)
            if member not in present or (now >= written_at and member not in self._lost):
                del self._back[member]

    def _doubt_members_until(self, until: float) -> None:
        self._members_until = max(self._members_until, until)
