"""Until when tokens without a record may have been sent all the same.

That is so after the shared state has lost records: for a moment, until all replicas have written their recent
results again, or for the replay window if it has lost everything. It is also so while a replica is lost and
may be alive: it sends without claims.
"""

import math
from collections.abc import Sequence

from gateway.core.fleet.messages import Member

WRITE_AGAIN_S = 2.0
"""Seconds in which all replicas have written their results again, or a lost one the results it has kept."""
CLEAN_END_S = 2.0
"""Seconds after which a lost replica that has ended may have sent tokens without claims: one that ended while
it could reach the shared state is known to have ended sooner."""


class Doubts:
    """The present doubt of the replica `own`; `until` is its end."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._records_until = -math.inf
        self._members_until = -math.inf
        self._lost: dict[str, float] = {}  # since when

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

    def seen(self, now: float, members: Sequence[Member], replay_window_s: float) -> bool:
        """Note the members of the fleet; return whether the doubt has changed."""
        before = self.until
        lost = {one.member for one in members if one.lost and one.member != self._own}
        alive = {one.member for one in members if not one.lost}
        for member in self._lost.keys() - lost:
            long = now - self._lost.pop(member) > CLEAN_END_S
            if member in alive:
                self._doubt_members_until(now + WRITE_AGAIN_S)
            elif long:
                self._doubt_members_until(now + replay_window_s)
        for member in lost:
            self._lost.setdefault(member, now)
        return self.until != before

    def _doubt_members_until(self, until: float) -> None:
        self._members_until = max(self._members_until, until)
