"""Calling hours over several time zones and holidays: whether now is open, when it closes, when it opens."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, tzinfo
from functools import reduce
from typing import NamedTuple

from gateway.compliance.open_intervals import (
    DAY_S,
    Interval,
    Week,
    intersection,
    offset_periods,
    open_intervals,
    union,
)

SPAN_S = 8 * DAY_S
"""Seconds for which intervals are computed at once."""
FARTHEST_S = 4 * SPAN_S
"""Seconds in the future up to which an opening or a closing is searched for: dial requests expire much
earlier. For 42 zones that are never in hours at the same time, the search takes 20 milliseconds.
"""
SPANS_KEPT = 6


class HoursPeriod(NamedTuple):
    """A period from `start` until `end` that is open or closed as a whole.

    Instants are seconds since the epoch. An open period ends when it closes, a closed one
    when it opens; None if that is farther away than `FARTHEST_S`.
    """

    is_open: bool
    start: float
    end: float | None


class CallingHours:
    """The calling hours of one week plan in a set of zones.

    `every`: all zones must be in hours; otherwise one is enough. Without a zone it is never open. The
    intervals of the spans of time that were used last are kept.
    """

    def __init__(
        self, week: Week, zones: Sequence[tzinfo], is_holiday: Callable[[date], bool], *, every: bool = True
    ) -> None:
        self._week, self._zones, self._is_holiday = week, zones, is_holiday
        self._combine = intersection if every else union
        self._spans: dict[int, list[Interval]] = {}

    def at(self, instant: float) -> HoursPeriod:
        """Return the period, open or closed, that an instant is in."""
        number = int(instant // SPAN_S)
        intervals = self._span(number)
        at = bisect_right(intervals, instant, key=lambda interval: interval.start) - 1
        if at >= 0 and instant < intervals[at].end:
            return HoursPeriod(True, intervals[at].start, self._closing(number, intervals[at]))
        start = intervals[at].end if at >= 0 else number * SPAN_S
        return HoursPeriod(False, start, self._opening(number, instant))

    def _closing(self, number: int, interval: Interval) -> float | None:
        """Return when an interval ends, which may continue in the following spans."""
        end = interval.end
        last = number + FARTHEST_S // SPAN_S
        while end == (number + 1) * SPAN_S:
            number += 1
            following = self._span(number) if number <= last else []
            if not following or following[0].start != end:
                return end if number <= last else None
            end = following[0].end
        return end

    def _opening(self, number: int, instant: float) -> float | None:
        for further in range(FARTHEST_S // SPAN_S + 1):
            for interval in self._span(number + further):
                if interval.start > instant:
                    return interval.start
        return None

    def _span(self, number: int) -> list[Interval]:
        """Return the open intervals of one span of time."""
        found = self._spans.get(number)
        if found is None:
            found = self._computed(number * SPAN_S, (number + 1) * SPAN_S)
            if len(self._spans) >= SPANS_KEPT:
                del self._spans[next(iter(self._spans))]
            self._spans[number] = found
        return found

    def _computed(self, start: int, end: int) -> list[Interval]:
        # Many zones of a number have the same clock.
        clocks = dict.fromkeys(offset_periods(zone, start, end) for zone in self._zones)
        each = [open_intervals(self._week, clock, self._is_holiday) for clock in clocks]
        return reduce(self._combine, each) if each else []


def no_holiday(_: date) -> bool:
    """Return that a date is no holiday."""
    return False
