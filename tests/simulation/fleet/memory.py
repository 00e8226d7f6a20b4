"""Which replicas know that the store has lost data.

A replica that has exchanged beats with the store before the loss knows of it, and tells the others through
the store. If all of those have ended before they could, nobody can know what was sent before: a denial of it
is excused then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

TELLS_WITHIN_S = 0.5
"""Seconds with the new store after which a replica has told the others that data were lost."""


@dataclass(eq=False)
class Memory:
    """Follows which replicas know that data were lost.

    What was sent before the instant `nothing_before` is forgotten.
    """

    nothing_before: float = float("-inf")
    _witnesses: dict[str, float | None] = field(default_factory=dict)
    _told: bool = True

    def lost(self, now: float, knowing: Iterable[str]) -> None:
        """Note that the store has lost data; `knowing` are the living members that had used it."""
        self._witnesses = dict.fromkeys(knowing)
        self._told = False
        self._forget(now)

    def reached(self, now: float, member: str) -> None:
        """Note that a member has exchanged a beat with the store."""
        if member in self._witnesses and self._witnesses[member] is None:
            self._witnesses[member] = now
        since = self._witnesses.get(member)
        self._told |= since is not None and now - since >= TELLS_WITHIN_S

    def ended(self, now: float, member: str) -> None:
        """Note the end of a member."""
        self._witnesses.pop(member, None)
        self._forget(now)

    def _forget(self, now: float) -> None:
        if not self._witnesses and not self._told:
            self.nothing_before, self._told = now, True
