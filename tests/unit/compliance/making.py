"""Tables of numbers and time zones, hashes and instants, for tests."""

from datetime import UTC, datetime
from functools import cache

from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.time_zones import TimeZones, newest_table

HASHING = NumberHash(b"a key of tests")
NEW_YORK, LONDON = "+12125550123", "+442079460123"


@cache
def zones() -> TimeZones:
    return TimeZones(newest_table())


@cache
def numbers() -> PhoneNumbers:
    return PhoneNumbers(zones().by_country)


def utc(text: str) -> float:
    """Return an instant such as `2026-03-08T12:00` in seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
