"""AWS's clock, learned from the `Date` header of its replies.

What replies have shown holds for the local clock as it was then. If that is set, it counts as right again
until further replies come: a clock is usually set because it was wrong.

AWS refuses a signature that is more than five minutes off (IAM user guide, signing elements). boto3 signs
by the local clock alone and never corrects it, while the SDKs for JavaScript, Java and Go do so.
"""

import functools
import math
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from gateway.runtime.clock import steady

TOLERATED_S = 300.0
"""Seconds that a signature may be off before AWS refuses it."""
WRONG_FROM_S = 60.0
"""Seconds from which the local clock counts as wrong. Less may be the travel time of a reply."""
AGREE, AGREE_WITHIN_S = 3, 10.0
"""How many replies in a row must agree, within how many seconds, before expiries are judged by them: one odd
reply must not expire what waits. For a signature the last reply is enough, since AWS's next refusal corrects
a mistake."""
SET_BY_S = 10.0
"""Seconds by which the local clock must jump to count as set."""
LONGEST_DATE = 64
STAMP = "%Y%m%dT%H%M%SZ"


class _Offset(NamedTuple):
    """Seconds by which the local clock was behind at a reply, and by which it was ahead of the steady one."""

    behind_s: float
    gained_s: float


class AwsClock:
    """Compares the local wall clock with AWS's clock, which counts as right if they differ much. Thread-safe.

    `wall` returns seconds since the epoch, `now` seconds on a clock that never jumps.
    """

    def __init__(self, wall: Callable[[], float], now: Callable[[], float] = steady) -> None:
        self._wall = wall
        self._now = now
        self._lock = threading.Lock()
        self._offsets: deque[_Offset] = deque(maxlen=AGREE)

    def observe(self, date: object) -> None:
        """Take the `Date` of a reply of AWS; text that is not a date is ignored."""
        at = _instant(date)
        if at is not None:
            with self._lock:
                self._offsets.append(_Offset(at - self._wall(), self._gained_s()))

    @property
    def known(self) -> bool:
        """Whether a reply with AWS's time has come."""
        return bool(self._offsets)

    @property
    def behind_s(self) -> float:
        """Seconds by which the local clock is behind AWS's, by the last reply; 0 for a small difference."""
        offsets = self._valid()
        return _noticeable(offsets[-1]) if offsets else 0.0

    @property
    def confirmed_behind_s(self) -> float:
        """The same, if the last replies agree; otherwise 0."""
        offsets = self._valid()
        sure = len(offsets) == AGREE and max(offsets) - min(offsets) <= AGREE_WITHIN_S
        return _noticeable(offsets[-1]) if sure else 0.0

    def _valid(self) -> list[float]:
        """Return the offsets of the last replies, without those from before the local clock was set."""
        with self._lock:
            gained_s = self._gained_s()
            return [one.behind_s for one in self._offsets if abs(gained_s - one.gained_s) < SET_BY_S]

    def _gained_s(self) -> float:
        return self._wall() - self._now()

    def stamp(self) -> str:
        """Return AWS's time now, in the format of signatures."""
        return _stamp(math.floor(self._wall() + self.behind_s))


def _noticeable(behind_s: float) -> float:
    return behind_s if abs(behind_s) >= WRONG_FROM_S else 0.0


@functools.lru_cache(maxsize=1)  # the same for all calls of one second
def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(STAMP)


def _instant(date: object) -> float | None:
    return _parsed(date) if isinstance(date, str) and len(date) <= LONGEST_DATE else None


@functools.lru_cache(maxsize=1)  # all replies of one second have the same date
def _parsed(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
