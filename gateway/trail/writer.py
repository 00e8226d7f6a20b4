"""Writes the records of the guard to a trail, in a thread of its own with a bounded queue.

The event loop only queues lists of records. The thread hashes the numbers, makes the lines and writes them.
If that fails, it tries again each second, and nothing is lost until the queue is full. Records that find the
queue full are counted, and a line of the trail says how many are missing.

A line is handed to the operating system at once, so it outlives the process. Within a second it is made to
outlive the machine (fsync).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from gateway.core.compliance.records import GuardRecord
from gateway.telemetry import TrailFigures
from gateway.trail.lines import Line, Lines, OperatorAct

log = logging.getLogger(__name__)

RECORDS = 50_000
SIZE = 64 * 1024 * 1024
"""The most records, and the most bytes of their dial requests, that wait to be written."""
RETRY_S = 1.0
SYNC_EVERY_S = 1.0
TELL_EVERY_S = 60.0
"""Seconds between two lines of the log about a trail that cannot be written."""
_AT_ONCE = 1000
_LAST_RETRY_S = 0.05


class Sink(Protocol):
    """Where the lines of a trail go. Methods raise `OSError`, and may be called again after that.

    `damages` counts how often it was found damaged, by another program or the end of a process, and `lost`
    the written lines that it lacks for good.
    """

    damages: int

    @property
    def lost(self) -> int:
        """The number of these lines."""
        ...

    def renew(self, now: float) -> bool:
        """Begin anew if that is due; return whether it did. `now` is in seconds since the epoch."""
        ...

    def write(self, lines: Sequence[Line]) -> None:
        """Write lines. After an error they are kept, and the next call writes them first."""
        ...

    def sync(self) -> None:
        """Make the lines so far outlive a failure of the machine."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


Record = GuardRecord | OperatorAct
_ACT_BYTES = 1000


class _Queued(NamedTuple):
    """Records of one instant, in seconds since the epoch, and about how much memory they take."""

    at: float
    records: Sequence[Record]
    size_bytes: int


class Trail:
    """One trail. `put` and `operator` never wait; they belong to one thread, the event loop's.

    `now` returns seconds since the epoch, `name` says in the log which trail it is.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        lines: Lines,
        now: Callable[[], float] = time.time,
        *,
        records: int = RECORDS,
        size: int = SIZE,
        retry_s: float = RETRY_S,
    ) -> None:
        self._name = name
        self._sink, self._lines, self._now = sink, lines, now
        self._limit, self._size, self._retry_s = records, size, retry_s
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        # Each counter has one writer: the event loop the first three, the thread the others.
        self._put, self._put_size, self._refused = 0, 0, 0
        self._done, self._done_size, self._told_refused, self._written = 0, 0, 0, 0
        self._written_at: float | None = None
        self.blocked = False
        """Whether the trail cannot be written now, or does not keep up: more than half of the queue waits."""
        self._failing, self._complained_at = False, float("-inf")
        self._synced_at, self._is_dirty = 0.0, False
        self._leave_by: float | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write. Records that were queued before are written too."""
        self._thread = threading.Thread(target=self._run, name="guard-trail", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many records wait to be written."""
        return self._put - self._done

    def figures(self) -> TrailFigures:
        """Return the figures for metrics."""
        return TrailFigures(
            self._written,
            self._refused + self._sink.lost,
            self._sink.damages,
            self.waiting,
            self._failing,
            self._written_at,
        )

    def put(self, at: float, records: Sequence[GuardRecord]) -> None:
        """Queue records that were made at `at`, in seconds since the epoch. They must not change later."""
        self._enqueue(_Queued(at, records, sum([record.request.size_bytes for record in records])))

    def _enqueue(self, queued: _Queued) -> None:
        count, waiting = len(queued.records), self._put - self._done
        size = self._put_size - self._done_size + queued.size_bytes
        if waiting and (waiting + count > self._limit or size > self._size):
            self._refused += count
            return
        self._put += count
        self._put_size += queued.size_bytes
        self._queue.put(queued)
        if self._is_crowded():
            self.blocked = True  # the thread looks again after each batch

    def operator(self, at: float, decision: str, number_hash: bytes, actor: str, reason: str) -> None:
        """Queue the record that an operator has `suppressed` or `allowed` a number."""
        act = OperatorAct(decision, number_hash, actor, reason)
        self._enqueue(_Queued(at, (act,), _ACT_BYTES))

    def close(self, timeout_s: float) -> bool:
        """Write what waits, for so many seconds at most, then end; return whether everything is written."""
        if self._thread is None:
            self._sink.close()
            return True
        self._leave_by = time.monotonic() + timeout_s
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout_s)
        lost = self.waiting
        if lost or self._thread.is_alive():
            log.error("%s: the end of the trail was not written", self._name, extra={"lost": lost})
        return not lost and not self._thread.is_alive()

    def _is_crowded(self) -> bool:
        size = self._put_size - self._done_size
        return self._put - self._done > self._limit // 2 or size > self._size // 2

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._write_until_closed()
        except BaseException:
            self._failing = self.blocked = True  # for good
            raise

    def _write_until_closed(self) -> None:
        goes_on = self._deliver(_Batch(lambda: [self._lines.start(self._now())]))
        is_last = False
        while goes_on and not is_last:
            items, is_last = self._next()
            # Also without records: the file may have been removed, and the last lines may lack their fsync.
            goes_on = self._deliver(_Batch(partial(self._lines_of, items), items))
        if goes_on:
            self._deliver(_Batch(lambda: [self._lines.stop(self._now())]))
        self._sink.close()

    def _next(self) -> tuple[list[_Queued], bool]:
        """Wait up to a second for records; return all that are queued, and whether to close the trail."""
        items: list[_Queued] = []
        count = 0
        try:
            item = self._queue.get(timeout=SYNC_EVERY_S)
            while item is not None:
                items.append(item)
                count += len(item.records)
                if count >= _AT_ONCE:
                    return items, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return items, False
        return items, True

    def _lines_of(self, items: Sequence[_Queued]) -> list[Line]:
        lines = [line for item in items for line in self._lines.decisions(item.at, item.records)]
        missing = self._refused - self._told_refused
        if missing:
            self._told_refused += missing
            log.error(
                "%s: records are lost: too many waited to be written", self._name, extra={"lost": missing}
            )
            lines.append(self._lines.lost(self._now(), missing))
        return lines

    def _deliver(self, batch: "_Batch") -> bool:
        """Write a batch, again after each error; return False if the trail had to be closed before."""
        while not self._is_written(batch):
            if self._leave_by is None:
                self._closing.wait(self._retry_s)
            elif time.monotonic() > self._leave_by:
                return False
            else:
                time.sleep(_LAST_RETRY_S)
        self._done += batch.count
        self._done_size += batch.size
        self._written += batch.count
        self.blocked = self._is_crowded()
        return True

    def _is_written(self, batch: "_Batch") -> bool:
        now = self._now()
        try:
            if self._sink.renew(now):
                self._sink.write([self._lines.new_file(now)])
            lines = batch.take()
            self._sink.write(lines)
            self._is_dirty = self._is_dirty or bool(lines)
            self._written_at = now if lines else self._written_at
            if self._is_dirty and (abs(now - self._synced_at) >= SYNC_EVERY_S or self._leave_by is not None):
                self._sink.sync()
                self._synced_at, self._is_dirty = now, False
        except OSError as error:
            self._complain(error)
            return False
        if self._failing:
            self._failing, self._complained_at = False, float("-inf")
            log.warning("%s: the trail is written again", self._name)
        return True

    def _complain(self, error: OSError) -> None:
        self._failing = self.blocked = True
        if time.monotonic() >= self._complained_at + TELL_EVERY_S:
            self._complained_at = time.monotonic()
            words = error.strerror or str(error)
            log.error(
                "%s: the trail cannot be written: %s", self._name, words, extra={"waiting": self.waiting}
            )


class _Batch:
    """Lines that are made only once, when they are written: a new file begins with a line of its own."""

    def __init__(self, make: Callable[[], list[Line]], items: Sequence[_Queued] = ()) -> None:
        self.count = sum(len(item.records) for item in items)
        self.size = sum(item.size_bytes for item in items)
        self._make: Callable[[], list[Line]] | None = make

    def take(self) -> list[Line]:
        """Return the lines, at the first call only."""
        make, self._make = self._make, None
        return [] if make is None else make()
