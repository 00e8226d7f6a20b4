"""How often a replica exchanges beats with the shared state.

`LOST_MS` of `shared_state/rules/membership.py` is longer than two of the longest intervals and a time-out: a
replica does not count as lost because of one message that is lost. `SOLO_AFTER_S` follows from `LOST_MS`.
"""

from gateway.core.fleet.messages import TickReply

BUSY_BEAT_EVERY_S, BEAT_EVERY_S, IDLE_BEAT_EVERY_S = 0.1, 0.2, 0.3
"""Seconds between two beats: of a replica that has calls to make, usually, and of an idle one."""
IDLE_AFTER_S = 2.0
"""Seconds without anything to do here, or anything new in the fleet, after which a replica is idle."""


class Idleness:
    """For how long a replica has had nothing to do, and the fleet nothing new."""

    def __init__(self) -> None:
        self._since = float("inf")
        self._last: TickReply | None = None

    def disturbed(self, now: float) -> None:
        """Note that there was something to do."""
        self._since = now

    def replied(self, now: float, reply: TickReply) -> None:
        """Take a reply. It is new if others have calls to make, or it differs from the last one."""
        last, self._last = self._last, reply
        if last is None or reply.backlog or _lasting(reply) != _lasting(last):
            self._since = now

    def lasts(self, now: float) -> bool:
        """Return whether nothing has happened for a while."""
        return now >= self._since + IDLE_AFTER_S


def _lasting(reply: TickReply) -> object:
    """Return what stays the same in the replies to an idle fleet."""
    return reply.epoch, reply.members, reply.settings, reply.rate, reply.differing
