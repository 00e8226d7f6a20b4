"""The guard opens and closes for numbers as an independent table of area codes and laws says."""

import pytest

from gateway.core.compliance.verdict import VerdictKind
from tests.unit.compliance.known_zones import KnownZones, known_zones
from tests.unit.compliance.making import guard, numbers, request, utc

RULES = """
version: 1
rules:
  - {name: all, campaigns: ["*"], hours: {monday-sunday: ["08:00-21:00"]}}
"""
HOUR_S, MINUTE_S = 3_600, 60
GUARD = guard(RULES)


def test_the_table_is_large() -> None:
    """Two days for each number: 200 rows at least, with split area codes, toll-free, +7, +61 and +55."""
    rows = known_zones()
    assert len({row.number for row in rows}) == len(rows)
    assert 2 * len(rows) >= 200
    assert all(numbers().facts(row.number).valid for row in rows)


@pytest.mark.parametrize("row", known_zones(), ids=lambda row: row.number)
def test_it_opens_and_closes_when_the_clocks_say_so(row: KnownZones) -> None:
    """Opens when it is 8:00 on the westernmost clock, closes when it is 21:00 on the easternmost."""
    asked = request(row.number)
    for midnight, (west, east) in (("2027-01-13", row.january), ("2026-07-15", row.july)):
        opens = utc(midnight) + (8 - west) * HOUR_S
        closes = utc(midnight) + (21 - east) * HOUR_S
        before = GUARD.decide(opens - MINUTE_S, asked)
        assert (before.kind, before.not_before) == (VerdictKind.NOT_BEFORE, opens)
        open_at = GUARD.decide(opens, asked)
        assert (open_at.kind, open_at.closes_at) == (VerdictKind.ALLOWED, closes)
        assert GUARD.decide(closes - MINUTE_S, asked).kind is VerdictKind.ALLOWED
        assert GUARD.decide(closes, asked).kind is VerdictKind.NOT_BEFORE
