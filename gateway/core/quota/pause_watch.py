"""Notices that this process did not run for a while, for example since its machine was suspended.

Meanwhile the fleet may have held campaigns, and counts this replica as lost. So it must hear from the shared
state, or try to, before it sends anything.
"""

PAUSED_S = 0.6
"""Seconds without a sign of life after which this process has been paused: more than twice `SIGN_EVERY_S`."""
SIGN_EVERY_S = 0.25
"""Seconds between two signs of life, at most."""
HEAR_S = 0.5
"""Seconds that a replica waits for the shared state after a pause."""


class PauseWatch:
    """Signs of life of this process, and what follows from a gap between two.

    After a pause nothing is sent without the shared state before `waits_until`.
    """

    def __init__(self) -> None:
        self.waits_until = float("-inf")
        self._runs_at = float("inf")
        self._ended_at = float("-inf")

    def runs(self, now: float) -> None:
        """Note that this process runs."""
        if now - self._runs_at > PAUSED_S:
            self._ended_at, self.waits_until = now, now + HEAR_S
        self._runs_at = now

    def has_paused(self, now: float, at: float) -> bool:
        """Return whether this process was paused after an instant, or has been until now.

        It is no sign of life, and may be asked in any thread.
        """
        return self._ended_at > at or now - self._runs_at > PAUSED_S

    def paused_since(self, now: float, at: float) -> bool:
        """Note that this process runs; return whether a pause has ended after an instant."""
        self.runs(now)
        return self._ended_at > at
