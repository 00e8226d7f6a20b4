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

    def replied(self, after_s: float, *, had_reply: bool) -> None:
        """Note a reply that took `after_s` seconds. `had_reply`: a reply has been used since the start."""
        self._note(good=after_s <= SLOW_S, had_reply=had_reply)

    def failed(self, *, had_reply: bool) -> None:
        """Note that a tick was not answered."""
        self._note(good=False, had_reply=had_reply)

    def _note(self, *, good: bool, had_reply: bool) -> None:
        ticks = self._last_ticks
        ticks.append(good)
        if not self._trusted:
            self._trusted = sum(ticks) >= GOOD_TICKS and all(list(ticks)[-GOOD_TICKS:])
        elif had_reply:
            self._trusted = ticks.count(False) < BAD_TICKS
