"""Limits how fast beats follow each other: a few urgent ones may follow fast, but not for long."""

from collections import deque

SHORTEST_GAP_S = 0.005
"""Seconds between two beats, at least."""
MAX_BEATS, SPAN_S = 10, 0.2
"""At most so many beats in so many seconds."""


class BeatPace:
    """Notes the beats of one replica, and says when the next one may be sent."""

    def __init__(self) -> None:
        self._sent_at: deque[float] = deque(maxlen=MAX_BEATS)

    def sent(self, now: float) -> None:
        """Note a beat."""
        self._sent_at.append(now)

    @property
    def earliest(self) -> float:
        """The instant from which the next beat may be sent."""
        sent_at = self._sent_at
        if not sent_at:
            return float("-inf")
        after_last = sent_at[-1] + SHORTEST_GAP_S
        return after_last if len(sent_at) < MAX_BEATS else max(after_last, sent_at[0] + SPAN_S)
