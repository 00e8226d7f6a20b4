"""The opening times in UTC agree with a model that checks the local time minute by minute."""

import os
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.compliance.calling_hours import FARTHEST_S, SPAN_S, CallingHours, no_holiday
from gateway.compliance.open_intervals import (
    ALWAYS,
    Interval,
    Week,
    Window,
    intersection,
    offset_periods,
    open_intervals,
    union,
)
from tests.cases import cases
from tests.unit.compliance.making import utc, zones
from tests.unit.compliance.slow_hours import SlowHours

DAY: Week = ((Window(480, 1260),),) * 7
NIGHT: Week = ((Window(1320, 1560),),) * 7
NAMES = (
    *("America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Havana", "America/Vancouver"),
    *("Europe/London", "Europe/Dublin", "Africa/Casablanca", "Africa/Cairo", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Chatham", "Pacific/Apia", "America/Nuuk"),
    *("Asia/Gaza", "America/Sao_Paulo", "Antarctica/Troll", "Etc/UTC", "Asia/Pyongyang"),
)
CHANGES = (
    *("2026-03-08T07:00", "2026-11-01T06:00", "2026-03-29T01:00", "2026-10-25T01:00", "2026-04-04T15:30"),
    *("2026-10-03T15:30", "2027-03-14T10:00", "2026-03-08T10:00", "2025-03-30T00:30", "2011-12-30T10:00"),
    *("2026-11-01T03:30", "2015-08-14T15:00", "2018-05-04T15:00", "2026-02-14T22:00", "2027-01-01T00:00"),
)
"""Instants around which zones change their offset, and of a change of the year."""


def zone(name: str) -> ZoneInfo:
    return zones().zone(name)


windows = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).map(
    lambda pair: Window(pair[0], pair[0] + pair[1])
)
weeks: st.SearchStrategy[Week] = st.lists(
    st.lists(windows, max_size=2).map(tuple), min_size=7, max_size=7
).map(tuple)
instants = st.tuples(st.sampled_from(CHANGES), st.integers(-2 * 86_400, 2 * 86_400)).map(
    lambda pair: int(utc(pair[0])) + pair[1]
)


@settings(max_examples=int(os.environ.get("DIAL_GATEWAY_TEST_EXAMPLES") or cases(100, 100_000)))
@given(
    weeks,
    st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
    instants,
    st.booleans(),
    st.sets(st.integers(-3, 3), max_size=2),
)
def test_it_agrees_with_the_clock_on_the_wall(
    week: Week, names: list[str], instant: int, every: bool, holidays: set[int]
) -> None:
    """Open or closed, and the next change, are right around clock changes, midnights and holidays."""
    today = date.fromordinal(date(1970, 1, 1).toordinal() + instant // 86_400).toordinal()
    closed = {date.fromordinal(today + days) for days in holidays}
    chosen = [zone(name) for name in names]
    slow = SlowHours(week, chosen, closed.__contains__, every=every)
    found = CallingHours(week, chosen, closed.__contains__, every=every).at(instant)
    assert found.is_open is slow.is_open(instant)
    change = slow.change_after(instant, minutes=600)
    if change is None:
        assert found.end is None or found.end > instant + 600 * 60
    else:
        assert found.end == change


@pytest.mark.parametrize(
    ("instant", "is_open", "end"),
    [
        ("2026-03-07T13:00", True, "2026-03-08T02:00"),  # Saturday at 8:00 in New York, UTC-5
        ("2026-03-08T11:59", False, "2026-03-08T12:00"),  # Sunday, in summer time since 7:00 UTC
        ("2026-03-08T12:00", True, "2026-03-09T01:00"),
        ("2026-10-31T12:00", True, "2026-11-01T01:00"),
        ("2026-11-01T12:59", False, "2026-11-01T13:00"),
    ],
)
def test_the_days_on_which_clocks_change(instant: str, is_open: bool, end: str) -> None:
    found = CallingHours(DAY, [zone("America/New_York")], no_holiday).at(utc(instant))
    assert (found.is_open, found.end) == (is_open, utc(end))


def test_hours_across_midnight_when_clocks_change() -> None:
    """From 22:00 to 2:00: the hour that is shown twice is open twice, an hour that is skipped never."""

    def night(day: str) -> list[Interval]:
        start = int(utc(f"{day}T00:00"))
        clock = offset_periods(zone("America/New_York"), start, start + 43_200)
        return open_intervals(NIGHT, clock, no_holiday)

    assert night("2026-11-01") == [Interval(int(utc("2026-11-01T02:00")), int(utc("2026-11-01T07:00")))]
    assert night("2026-03-08") == [Interval(int(utc("2026-03-08T03:00")), int(utc("2026-03-08T07:00")))]


def test_a_holiday_closes_its_date_and_the_windows_that_begin_on_it() -> None:
    day = date(2026, 12, 25)
    night = CallingHours(NIGHT, [zone("Europe/London")], lambda one: one == day)
    assert night.at(utc("2026-12-24T23:30")).end == utc("2026-12-25T00:00")
    assert night.at(utc("2026-12-25T00:00")).end == utc("2026-12-26T22:00")


def test_several_zones() -> None:
    """All must be in hours, or any of them."""
    both = [zone("America/New_York"), zone("America/Los_Angeles")]
    every = CallingHours(DAY, both, no_holiday)
    assert every.at(utc("2026-07-01T14:59")).end == utc("2026-07-01T15:00")
    assert every.at(utc("2026-07-01T15:00")).end == utc("2026-07-02T01:00")
    some = CallingHours(DAY, both, no_holiday, every=False)
    assert some.at(utc("2026-07-01T12:00")).end == utc("2026-07-02T04:00")


def test_without_a_zone_it_is_never_open() -> None:
    found = CallingHours(ALWAYS, [], no_holiday).at(utc("2026-07-01T12:00"))
    assert (found.is_open, found.end) == (False, None)


def test_always_open_never_closes_and_always_a_holiday_never_opens() -> None:
    """What is farther away than a month counts as never."""
    always = CallingHours(ALWAYS, [zone("Europe/London")], no_holiday)
    assert always.at(utc("2026-07-01T12:00")) == (True, always.at(utc("2026-07-01T12:00")).start, None)
    never = CallingHours(DAY, [zone("Europe/London")], lambda _: True)
    assert never.at(utc("2026-07-01T12:00")).end is None


def test_a_closing_after_a_span() -> None:
    """An interval that goes on in the following spans closes when it ends there."""
    long: Week = ((Window(0, 1440),),) * 6 + ((Window(0, 60),),)
    found = CallingHours(long, [zone("Etc/UTC")], no_holiday)
    for number in range(30):
        at = utc("2026-06-01T00:00") + number * SPAN_S / 4
        end = found.at(at).end
        assert end is not None
        assert 0 < end - at <= 7 * 86_400
        assert (end - 3600) % 86_400 == 0 or not found.at(at).is_open


def test_a_closing_farther_than_a_month() -> None:
    """Hours that close once in two years: the next closing is not looked for farther than a month away."""
    closed = date(2028, 1, 1)
    found = CallingHours(ALWAYS, [zone("Etc/UTC")], lambda day: day == closed)
    assert found.at(utc("2026-01-01T00:00")).end is None
    assert found.at(utc("2028-01-01T00:00") - FARTHEST_S / 2).end == utc("2028-01-01T00:00")


def test_common_and_either() -> None:
    one = [Interval(0, 10), Interval(20, 30)]
    other = [Interval(5, 22), Interval(30, 40)]
    assert intersection(one, other) == [Interval(5, 10), Interval(20, 22)]
    assert union(one, other) == [Interval(0, 40)]
