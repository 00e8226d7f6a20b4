"""How many leads of a campaign are handed over.

So few that none expires in the queue, so many that the campaign is never idle.
"""

from __future__ import annotations

from collections import deque

import pytest

from dialgateway.dialctl.outstanding_limit import FIRST_LIMIT, MAX_LIMIT, MIN_LIMIT, OutstandingLimit


def expired_of(leads: int, per_second: float, lifetime_s: float) -> tuple[int, float]:
    """Hand leads to a campaign that takes so many a second; return the expired, and the seconds."""
    pace = OutstandingLimit(lifetime_s)
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
            pace.expired(now, None)
        owed = min(owed + per_second * 0.1, per_second) if line else 0.0
        while owed >= 1 and line:
            line.popleft()
            pace.decided(now)
            owed -= 1
        now += 0.1
    return expired, now


@pytest.mark.parametrize(("per_second", "lifetime_s"), [(5, 30), (5, 60), (20, 20), (250, 30), (50, 600)])
def test_no_lead_expires_in_the_queue_and_no_campaign_is_idle(per_second: float, lifetime_s: float) -> None:
    """6,000 leads are taken at the campaign's own rate, and none expires."""
    expired, took = expired_of(6000, per_second, lifetime_s)
    assert expired == 0
    assert took <= 6000 / per_second * 1.05 + 2


def test_a_campaign_that_becomes_slow_gets_fewer_leads() -> None:
    """The limit follows the recent rate."""
    pace = OutstandingLimit(60.0)
    for second in range(10):
        for _ in range(100):
            pace.handed_over(second)
            pace.decided(second)
    assert pace.limit(10.0) > 1000
    for second in range(10, 40):
        pace.decided(second)
    assert pace.limit(40.0) == MIN_LIMIT


def test_leads_with_an_expiration_in_the_list_are_not_delayed() -> None:
    """Handing them over later would not give them more time."""
    assert OutstandingLimit(None).limit(0.0) == MAX_LIMIT


def test_an_expired_lead_causes_a_pause() -> None:
    """Pauses grow as long as no lead is taken, and start again small after that."""
    pace = OutstandingLimit(60.0)
    assert pace.limit(0.0) == FIRST_LIMIT
    pace.expired(0.0, None)
    first = pace.paused_until
    assert pace.limit(0.0) == 0
    assert 0 < pace.limit(first) < FIRST_LIMIT
    pace.expired(first, None)
    assert pace.paused_until - first > first
    pace.expired(pace.paused_until, 5.0)
    at = pace.paused_until
    pace.decided(at)
    pace.expired(at, None)
    assert pace.paused_until - at == pytest.approx(first)
