"""The wall clock of the shared state, on the scale of this replica's own clock."""


class StoreClock:
    """Converts between instants of this replica, in seconds, and the store's time in ms since the epoch.

    Each reply tells the store's time at some moment between request and reply. The conversion changes only
    if it contradicts a reply, so that converted instants stay the same.
    """

    def __init__(self) -> None:
        self._ahead_s: float | None = None

    @property
    def known(self) -> bool:
        """Whether any reply has been noted."""
        return self._ahead_s is not None

    def note(self, sent_at: float, received_at: float, now_ms: int) -> None:
        """Note the store's time in the reply to a request."""
        least, most = now_ms / 1000 - received_at, (now_ms + 1) / 1000 - sent_at
        if self._ahead_s is None or not least <= self._ahead_s <= most:
            self._ahead_s = (least + most) / 2

    def instant(self, ms: int) -> float:
        """Return the instant at which the store's clock shows a time; arbitrary before the first reply."""
        return ms / 1000 - (self._ahead_s or 0.0)

    def ms(self, instant: float) -> int:
        """Return the store's time at an instant, 0 if it is not known yet."""
        return 0 if self._ahead_s is None else round((instant + self._ahead_s) * 1000)
