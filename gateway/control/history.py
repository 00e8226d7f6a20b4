"""The history of the last ten minutes in points of one second: results of calls, answers, and the call rate.

The counters of the gateway grow as long as it runs. Once a second they are read here, and the differences are
kept for ten minutes. That takes some hundred kilobytes at any load.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.admin.port import Point

LENGTH = 600
"""Points that are kept."""
EVERY_S, LEAST_S = 1.0, 0.5
"""Seconds between two readings, and at least after a late one."""
THROTTLED = "RateThrottled"
OK = "ok"


class Counts(NamedTuple):
    """The values at one instant: counts since the start, and the present rate.

    `calls` are attempts by result, `ok` or the failure's name. `answers` are dial requests by outcome, in
    the order of the contract; `replayed` counts those of them from the memory of accepted tokens. `accepted`
    are dial requests that Amazon Connect accepted. Rates are in calls a second, 0 for no limit.
    """

    at: float
    calls: Mapping[str, int]
    answers: tuple[int, ...]
    accepted: int
    replayed: int
    rate: float
    ceiling: float


class History:
    """The points of the last `length` seconds, numbered from 1 on."""

    def __init__(self, length: int = LENGTH) -> None:
        self._points: deque[Point] = deque(maxlen=length)
        self._last: Counts | None = None
        self._number = 0

    def __len__(self) -> int:
        return len(self._points)

    def read(self, counts: Counts) -> None:
        """Keep the differences to the reading before. The first reading is only the start of counting."""
        last = self._last
        if last is not None and counts.at <= last.at:
            return
        self._last = counts
        if last is None:
            return
        self._number += 1
        calls = tuple(now - then for now, then in zip(_grouped(counts), _grouped(last), strict=True))
        answers = tuple(now - then for now, then in zip(counts.answers, last.answers, strict=True))
        self._points.append(
            Point(
                number=self._number,
                at=counts.at,
                seconds=counts.at - last.at,
                calls=calls,
                answers=answers,
                accepted=counts.accepted - last.accepted,
                replayed=counts.replayed - last.replayed,
                rate=counts.rate,
                ceiling=counts.ceiling,
            )
        )

    def after(self, number: int) -> Iterator[Point]:
        """Yield the points with a higher number, the oldest first."""
        for point in self._points:
            if point.number > number:
                yield point


def next_reading(due: float, now: float) -> float:
    """Return when to read next, after the reading that was due at `due` and was made at `now`.

    Readings keep their rhythm. One that is late, since the event loop was busy, is not followed by another at
    once: two calls in a hundredth of a second would be shown as a rate of 200 a second.
    """
    return max(due + EVERY_S, now + LEAST_S)


def _grouped(counts: Counts) -> tuple[int, int, int]:
    """Return the calls that were answered, throttled, and failed otherwise."""
    answered, throttled = counts.calls.get(OK, 0), counts.calls.get(THROTTLED, 0)
    return answered, throttled, sum(counts.calls.values()) - answered - throttled
