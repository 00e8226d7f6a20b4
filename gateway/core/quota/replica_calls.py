"""How many calls of a replica are in flight, and for how long calls take."""

from collections import deque

IN_FLIGHT_S = 0.6
"""A call counts against the burst for so long at most: it has arrived by then, even without a reply."""
LONG_S = 0.3
"""A call that takes longer keeps its place among the concurrent calls for the time of the next permits."""
PERMITS_S = 0.6
"""Permits that a replica holds or has not reported yet cover so many seconds."""
WEIGHT = 0.2
"""How much the last call counts in the mean duration."""


class ReplicaCalls:
    """Counts calls in flight. Which of them ends is not known: the one that began first is assumed to."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._began: deque[float] = deque()
        self._mean_s = PERMITS_S

    def note(self, now: float, calls: int) -> None:
        """Note how many calls are in flight from `now` on."""
        while len(self._began) > calls:
            self._mean_s += WEIGHT * (now - self._began.popleft() - self._mean_s)
        while len(self._began) < calls:
            self._began.append(now)

    def in_flight(self, now: float) -> int:
        """Return how many calls may not have arrived at Connect yet."""
        return sum(now - began < IN_FLIGHT_S for began in self._began)

    def room(self, now: float) -> int:
        """Return how many permits can be used in the time that permits cover."""
        free = self._slots - sum(now - began > LONG_S for began in self._began)
        return int(free * max(1.0, PERMITS_S / max(self._mean_s, 0.001)))
