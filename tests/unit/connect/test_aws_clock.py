"""AWS's clock is learned from the Date of its replies, and is used only if several replies agree."""

from email.utils import formatdate
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from gateway.connect.aws_clock import AGREE, WRONG_FROM_S, AwsClock
from gateway.connect.signing import ClockedSigV4

LOCAL_S = 1_800_000_000.0


def heard(*behind_s: float) -> AwsClock:
    """Return a clock after replies that show the local clock that many seconds behind."""
    clock = AwsClock(lambda: LOCAL_S)
    for seconds in behind_s:
        clock.observe(formatdate(LOCAL_S + seconds, usegmt=True))
    return clock


def test_without_a_reply_the_local_clock_is_used() -> None:
    """Before the first reply of AWS, the local clock is used."""
    clock = heard()
    assert (clock.behind_s, clock.confirmed_behind_s, clock.known) == (0.0, 0.0, False)
    assert clock.stamp() == "20270115T080000Z"


@pytest.mark.parametrize("behind_s", [600.0, -600.0, 90_000.0])
def test_a_clock_that_is_wrong(behind_s: float) -> None:
    """For signatures the last reply counts; for expiries some in a row must agree."""
    clock = heard(behind_s)
    assert (clock.behind_s, clock.confirmed_behind_s, clock.known) == (behind_s, 0.0, True)
    assert heard(*[behind_s] * AGREE).confirmed_behind_s == behind_s
    assert heard(*[behind_s] * AGREE, 0.0).confirmed_behind_s == 0.0


def test_one_odd_reply_changes_no_expiry() -> None:
    """A single reply with another time neither begins nor continues a correction."""
    assert heard(0.0, 0.0, 86_400.0, 0.0, 0.0).confirmed_behind_s == 0.0
    assert heard(600.0, 600.0, 86_400.0).confirmed_behind_s == 0.0


class LocalClocks:
    """A wall clock that a test sets, and one that never jumps."""

    def __init__(self) -> None:
        self.set_by = self.passed = 0.0

    def clock(self) -> AwsClock:
        return AwsClock(lambda: LOCAL_S + self.passed + self.set_by, lambda: self.passed)


@pytest.mark.parametrize("off_s", [600.0, -600.0])
def test_a_wrong_clock_is_set_right(off_s: float) -> None:
    """What replies have shown ends with the clock that they showed it of, and replies show it anew."""
    local = LocalClocks()
    clock = local.clock()
    for _ in range(AGREE):
        local.passed += 1.0
        clock.observe(formatdate(LOCAL_S + off_s + local.passed, usegmt=True))
    assert (clock.behind_s, clock.confirmed_behind_s) == (off_s, off_s)
    local.set_by = off_s
    assert (clock.behind_s, clock.confirmed_behind_s) == (0.0, 0.0)
    local.set_by = 0.0
    clock.observe(formatdate(LOCAL_S + off_s + local.passed, usegmt=True))
    assert clock.behind_s == off_s


def test_a_clock_that_is_slightly_adjusted() -> None:
    """Small steps of a wrong clock, and a clock that runs differently, end no correction."""
    local = LocalClocks()
    clock = local.clock()
    for _ in range(AGREE):
        clock.observe(formatdate(LOCAL_S + 600.0, usegmt=True))
    local.set_by = 1.0
    assert clock.confirmed_behind_s == 600.0


def test_a_clock_that_is_about_right() -> None:
    """A difference that may be the travel time of a reply is ignored."""
    clock = heard(*[WRONG_FROM_S - 1.0] * AGREE)
    assert (clock.behind_s, clock.confirmed_behind_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    "date", [None, 7, [], "", "yesterday", "Fri, 99 Jan 2027 08:00:00 GMT", "x" * 1_000, "\ud800", "1" * 64]
)
def test_an_invalid_date_is_ignored(date: object) -> None:
    """A header that is not a date changes nothing."""
    clock = AwsClock(lambda: LOCAL_S)
    clock.observe(date)
    assert not clock.known


@pytest.mark.parametrize("token", [None, "session-token"])
def test_the_signature_is_the_one_of_botocore(token: str | None) -> None:
    """At the same instant our signer computes what botocore's does, also on a signed request."""
    signed: list[Any] = []
    botocore.session.get_session()
    for number in range(2):
        request = AWSRequest("PUT", "https://connect.example/campaigns/a%2Fb/dial-requests", data=b'{"a":1}')
        request.headers["Content-Type"] = "application/json"
        credentials = Credentials("key", "secret", token)
        if number == 0:
            SigV4Auth(credentials, "connect-campaigns", "us-east-1").add_auth(request)
        else:
            stamp = signed[0]["X-Amz-Date"]
            ClockedSigV4(credentials, "connect-campaigns", "us-east-1", "20000101T000000Z").add_auth(request)
            ClockedSigV4(credentials, "connect-campaigns", "us-east-1", stamp).add_auth(request)
        signed.append(dict(request.headers.items()))
    assert signed[0] == signed[1]


def test_nothing_to_sign_with() -> None:
    """Without credentials the failure is botocore's own."""
    with pytest.raises(NoCredentialsError):
        ClockedSigV4(None, "s", "r", "20000101T000000Z").add_auth(
            AWSRequest("PUT", "https://connect.example/")
        )
