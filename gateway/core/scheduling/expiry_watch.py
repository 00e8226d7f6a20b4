"""When to look for expired entries, and in which queues."""

import heapq
from collections.abc import Iterator
from itertools import count

from gateway.core.scheduling.source_queue import SourceQueue


class ExpiryWatch:
    """Tells which source queues may contain expired entries at an instant, on the scale of expiries.

    Each queue has one note, at its earliest expiry or before. If that entry leaves earlier, the note is early
    and costs one check of the queue. So an entry needs a comparison, not a timer of its own.
    """

    def __init__(self) -> None:
        self._notes: list[tuple[float, int, SourceQueue]] = []
        self._order = count()
        self._drop_stale_at = 64

    def watch(self, queue: SourceQueue, instant: float) -> None:
        """Make `queue` due at `instant` at the latest."""
        if queue.watched_at is not None and queue.watched_at <= instant:
            return
        queue.watched_at = instant
        heapq.heappush(self._notes, (instant, next(self._order), queue))
        if len(self._notes) > self._drop_stale_at:
            self._drop_stale()

    def due(self, now: float) -> Iterator[SourceQueue]:
        """Yield each queue that must be checked at `now`."""
        while self._notes and self._notes[0][0] <= now:
            instant, _, queue = heapq.heappop(self._notes)
            if queue.watched_at == instant:
                queue.watched_at = None
                yield queue

    def deadline(self) -> float | None:
        """Return when the next queue is due."""
        return self._notes[0][0] if self._notes else None

    def _drop_stale(self) -> None:
        """Drop the notes of empty queues: callers come and go, and their notes would collect."""
        kept = []
        for note in self._notes:
            instant, _, queue = note
            if queue.watched_at == instant and queue.top() is None:
                queue.watched_at = None
            elif queue.watched_at == instant:
                kept.append(note)
        heapq.heapify(kept)
        self._notes = kept
        self._drop_stale_at = max(64, 2 * len(kept))
