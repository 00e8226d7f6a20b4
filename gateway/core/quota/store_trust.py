"""Whether the shared state answers ticks fast and often enough for its replies to be used.

A store that answers late or seldom would let a replica change between its own permits and those of the fleet
again and again, and wait each time. So after some bad ticks replies are not used, until several ticks in a
row were good.
"""

from collections import deque

SLOW_S = 0.4
"""A tick whose reply takes longer is bad: most of the time of its permits has passed, and after two of them
in a row the store takes the replica for lost."""
LAST_TICKS, BAD_TICKS, GOOD_TICKS = 6, 4, 6
"""Replies are ignored after so many bad ticks among the last ones, until so many in a row were good."""


class StoreTrust:
    """How the last ticks went; true while the replies are to be used."""

    def __init__(self) -> None:
        self._last_ticks: deque[bool] = deque(maxlen=LAST_TICKS)
        self._trusted = True

    def __bool__(self) -> bool:
        return self._trusted

    def replied(self, after_s: float, *, heard: bool) -> None:
        """Note a reply that took `after_s` seconds. `heard`: a reply has been used since the start."""
        self._note(good=after_s <= SLOW_S, heard=heard)

    def failed(self, *, heard: bool) -> None:
        """Note that a tick was not answered."""
        self._note(good=False, heard=heard)

    def _note(self, *, good: bool, heard: bool) -> None:
        ticks = self._last_ticks
        ticks.append(good)
        if not self._trusted:
            self._trusted = sum(ticks) >= GOOD_TICKS and all(list(ticks)[-GOOD_TICKS:])
        elif heard:
            self._trusted = ticks.count(False) < BAD_TICKS
