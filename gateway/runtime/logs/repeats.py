"""Drops repeated lines: a library that logs each failure would fill the disk."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.runtime.logs.log_format import MORE, OURS

BURST, EVERY_S = 5, 10.0
"""Lines of one kind that are written within so many seconds, at most."""
KINDS = 256
"""The number of counted kinds of lines. The kind that was not seen for the longest time is dropped first."""
LOOP = "gateway.loop"
"""The logger for reports of the event loop; its lines may repeat as often as those of a library."""

_Kind = tuple[str, int, str, str]


@dataclass(slots=True)
class _Recent:
    began: float
    count: int = 0
    left_out: int = 0


class RepeatFilter(logging.Filter):
    """Lets a burst of each kind of line pass in each period; the next line says how many were dropped.

    It applies to lines of libraries and of the event loop. The gateway's own lines are not limited: each has
    its own content, and the code that could write many counts them instead. Thread-safe.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.left_out = 0
        self._now = now
        self._lock = threading.RLock()  # a signal handler may log while its own thread is in here
        self._recent: OrderedDict[_Kind, _Recent] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record."""
        if record.name != LOOP and record.name.partition(".")[0] in OURS:
            return True
        with self._lock:
            return self._passes(record)

    def _passes(self, record: logging.LogRecord) -> bool:
        recent = self._of(_kind(record))
        recent.count += 1
        if recent.count > BURST:
            recent.left_out += 1
            self.left_out += 1
            return False
        if recent.left_out:
            record.__dict__[MORE], recent.left_out = recent.left_out, 0
        return True

    def _of(self, kind: _Kind) -> _Recent:
        """Return the count of a kind, which starts again after its period."""
        now = self._now()
        recent = self._recent.pop(kind, None) or _Recent(now)
        if now >= recent.began + EVERY_S:
            recent.began, recent.count = now, 0
        self._recent[kind] = recent
        if len(self._recent) > KINDS:
            self._recent.popitem(last=False)
        return recent


def _kind(record: logging.LogRecord) -> _Kind:
    message = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    error = record.exc_info[0] if record.exc_info else None
    found = error.__name__ if error is not None else str(record.__dict__.get("error", ""))
    return record.name, record.levelno, message[:200], found
