"""Calling hours of one time zone as intervals of UTC instants. Pure.

A rule gives hours as a clock on the wall shows them. Instants are compared in UTC only: between two changes
of the zone's offset the wall clock is UTC plus a constant, so the hours of each date are shifted by that
constant and cut at the changes. An hour that the clock shows twice is open both times, and an hour that it
skips does not exist.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

MINUTES_A_DAY = 1440
DAY_S = 86_400
_PROBE_S = 21_600
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Interval(NamedTuple):
    """The instants from `start`, inclusive, to `end`, exclusive, in seconds since the epoch."""

    start: int
    end: int


class OffsetPeriod(NamedTuple):
    """The instants from `start` to `end`, exclusive, in which a clock is `offset` seconds ahead of UTC."""

    start: int
    end: int
    offset: int


class Window(NamedTuple):
    """Minutes of a day: from `start` to `end`, exclusive. An end after 1440 is on the following day."""

    start: int
    end: int


Week = tuple[tuple[Window, ...], ...]
"""The windows of each weekday, Monday first."""
ALWAYS: Week = ((Window(0, MINUTES_A_DAY),),) * 7


def open_intervals(
    week: Week, offset_periods: Iterable[OffsetPeriod], is_holiday: Callable[[date], bool]
) -> list[Interval]:
    """Return the open intervals within some periods, in order and apart from each other.

    A holiday is closed from its midnight to the next, and so are the windows that begin on it.
    """
    found: list[Interval] = []
    for start, end, offset in offset_periods:
        for day in range((start + offset) // DAY_S, (end - 1 + offset) // DAY_S + 1):
            midnight = day * DAY_S - offset
            for window in _windows_on(week, date.fromordinal(_EPOCH_DAY + day), is_holiday):
                opens = max(midnight + window.start * 60, start)
                closes = min(midnight + window.end * 60, end)
                if opens < closes:
                    found.append(Interval(opens, closes))
    return _joined(found)


def intersection(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Return the instants that are in both of two ordered lists of intervals."""
    found = []
    left = right = 0
    while left < len(one) and right < len(other):
        start = max(one[left].start, other[right].start)
        end = min(one[left].end, other[right].end)
        if start < end:
            found.append(Interval(start, end))
        if one[left].end < other[right].end:
            left += 1
        else:
            right += 1
    return found


def union(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Return the instants that are in at least one of two lists of intervals."""
    return _joined([*one, *other])


def _windows_on(week: Week, day: date, is_holiday: Callable[[date], bool]) -> Iterator[Window]:
    """Yield the windows of one date, cut at its midnights, with the rest of the window of the day before."""
    if is_holiday(day):
        return
    eve = day - timedelta(days=1)
    if any(window.end > MINUTES_A_DAY for window in week[eve.weekday()]) and not is_holiday(eve):
        for window in week[eve.weekday()]:
            if window.end > MINUTES_A_DAY:
                yield Window(max(0, window.start - MINUTES_A_DAY), window.end - MINUTES_A_DAY)
    for window in week[day.weekday()]:
        yield Window(window.start, min(window.end, MINUTES_A_DAY))


def _joined(intervals: list[Interval]) -> list[Interval]:
    """Return intervals sorted by start; intervals that touch or overlap are joined into one."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def offset_periods(zone: tzinfo, start: int, end: int) -> tuple[OffsetPeriod, ...]:
    """Return the periods between two instants in which the zone's offset is constant.

    The offset is looked at every six hours: no zone changes it and changes it back within that time.
    """
    found: list[OffsetPeriod] = []
    begun, offset = start, offset_at(zone, start)
    for probe in range(start + _PROBE_S, end + _PROBE_S, _PROBE_S):
        at = min(probe, end)
        now = offset_at(zone, at)
        if now != offset:
            change = _change_between(zone, probe - _PROBE_S, at)
            found.append(OffsetPeriod(begun, change, offset))
            begun, offset = change, now
    if begun < end:
        found.append(OffsetPeriod(begun, end, offset))
    return tuple(found)


def _change_between(zone: tzinfo, earlier: int, later: int) -> int:
    """Return the first second with the offset that the zone has at `later`; it differs at `earlier`."""
    new = offset_at(zone, later)
    while later - earlier > 1:
        middle = (earlier + later) // 2
        if offset_at(zone, middle) == new:
            later = middle
        else:
            earlier = middle
    return later


def offset_at(zone: tzinfo, instant: int) -> int:
    """Return the seconds by which the zone's wall clock is ahead of UTC at an instant."""
    offset = datetime.fromtimestamp(instant, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
