"""Guards and dial requests for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from gateway.compliance.guard import Guard
from gateway.compliance.guard_file import parse_rules
from gateway.compliance.number_hash import NumberHash
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.suppression_list import NumberTable, Suppressions
from gateway.compliance.time_zones import TimeZones, newest_table
from gateway.core.channels import Channel
from gateway.core.model import DialRequest
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory

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


def request(
    number: str = NEW_YORK,
    campaign: str = "debts",
    token: str = "t",  # noqa: S107 - a client token
    expiration: float = 1e11,
    attributes: Mapping[str, str] | None = None,
    channel: Channel | None = None,
) -> DialRequest:
    given = attributes or {}
    return DialRequest(campaign, token, number, given, expiration, 100, channel=channel)


def guard(
    text: str,
    *,
    suppressions: Suppressions | None = None,
    shared_state: bool = False,
    directory: CampaignDirectory = NO_DIRECTORY,
    phone_numbers: PhoneNumbers | None = None,
) -> Guard:
    return Guard(
        parse_rules(text, zones(), directory),
        zones=zones(),
        numbers=phone_numbers or numbers(),
        hashing=HASHING,
        suppressions=suppressions or Suppressions(),
        shared_state=shared_state,
    )


def table_of(*listed: str) -> NumberTable:
    return NumberTable(number.encode() for number in listed)
