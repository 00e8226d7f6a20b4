"""How many leads of a campaign are handed over: so few that none expires in line, so many that none idles."""

from __future__ import annotations

from collections import deque

import pytest

from dialgateway.dialctl.pace import FIRST, LEAST, MOST, Pace


def expired_of(leads: int, per_second: float, lifetime_s: float) -> tuple[int, float]:
    """Hand leads to a campaign that takes so many a second; return the expired, and the seconds."""
    pace = Pace(lifetime_s)
    line: deque[float] = deque()
    now, expired, owed = 0.0, 0, 0.0
    while leads or line:
        while leads and len(line) < pace.limit(now):
            pace.handed_over(now)
            line.append(now)
            leads -= 1
        while line and now - line[0] > lifetime_s:
            line.popleft()
            leads += 1
            expired += 1
            pace.too_late(now, None)
        owed = min(owed + per_second * 0.1, per_second) if line else 0.0
        while owed >= 1 and line:
            line.popleft()
            pace.taken(now)
            owed -= 1
        now += 0.1
    return expired, now


@pytest.mark.parametrize(("per_second", "lifetime_s"), [(5, 30), (5, 60), (20, 20), (250, 30), (50, 600)])
def test_no_lead_expires_in_line_and_no_campaign_idles(per_second: float, lifetime_s: float) -> None:
    """6,000 leads go through at the campaign's own pace, and none expires."""
    expired, took = expired_of(6000, per_second, lifetime_s)
    assert expired == 0
    assert took <= 6000 / per_second * 1.05 + 2


def test_a_campaign_that_becomes_slow_is_given_less() -> None:
    """What it has taken lately is what counts."""
    pace = Pace(60.0)
    for second in range(10):
        for _ in range(100):
            pace.handed_over(second)
            pace.taken(second)
    assert pace.limit(10.0) > 1000
    for second in range(10, 40):
        pace.taken(second)
    assert pace.limit(40.0) == LEAST


def test_leads_with_a_time_of_their_own_are_not_held_back() -> None:
    """Handing them over later would not give them more time."""
    assert Pace(None).limit(0.0) == MOST


def test_a_lead_that_came_too_late_costs_a_pause() -> None:
    """Pauses grow as long as nothing is taken, and begin small again after that."""
    pace = Pace(60.0)
    assert pace.limit(0.0) == FIRST
    pace.too_late(0.0, None)
    first = pace.paused_until
    assert pace.limit(0.0) == 0
    assert 0 < pace.limit(first) < FIRST
    pace.too_late(first, None)
    assert pace.paused_until - first > first
    pace.too_late(pace.paused_until, 5.0)
    at = pace.paused_until
    pace.taken(at)
    pace.too_late(at, None)
    assert pace.paused_until - at == pytest.approx(first)
