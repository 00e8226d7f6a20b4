"""A dry run tells whether contact limits have room, by what the shared state says of each contact."""

import math

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.fleet.contacts import ContactCount, ContactLimit
from gateway.core.intake.dry_run import LIMITS_UNKNOWN, Checked, CheckedKind
from gateway.core.model import DialRequest, Reason
from tests.unit.core.compliance.guarded_bench import LEAD_S, bench_with
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, Bench, dial

LIMIT, OBSERVED = ContactLimit("a", 1, 600.0), ContactLimit("b", 1, 600.0)
SEND, WAIT, NOT_ACCEPT, REJECT = (
    *(CheckedKind.SEND, CheckedKind.WAIT),
    *(CheckedKind.NOT_ACCEPT, CheckedKind.REJECT),
)
ROOM = ContactCount()


def bench_opening(*windows: tuple[float, float]) -> Bench:
    """Return a bench whose guard has limits, and hours in seconds after `NOW`."""
    hours = tuple((NOW + opens, NOW + closes) for opens, closes in windows or ((-math.inf, math.inf),))
    return bench_with(HoursGuard(windows=hours, refused={"refused"}, limits=(LIMIT,), free={"free"}))


def checked(bench: Bench, request: DialRequest, count: ContactCount | None) -> Checked:
    """Check a request, and what its limits change."""
    found = bench.engine.dry_run.check(NOW, request)
    assert bench.engine.dry_run.contacts([request], [found])
    return bench.engine.dry_run.limited(NOW, request, found, count)


def test_only_requests_that_would_be_sent_have_contacts() -> None:
    """The shared state is not asked about the others, nor without limits."""
    bench = bench_opening()
    requests = [dial("a"), dial("refused"), dial("free"), dial("b", expires_at=NOW - 1.0), dial("c")]
    found = [bench.engine.dry_run.check(NOW, one) for one in requests]
    assert [one.kind for one in found] == [SEND, REJECT, SEND, REJECT, SEND]
    contacts = bench.engine.dry_run.contacts(requests, found)
    assert {place: contact.call for place, contact in contacts.items()} == {
        0: b"campaign a",
        4: b"campaign c",
    }
    free = bench_with(HoursGuard())
    assert free.engine.dry_run.contacts(requests, found) == {}


@pytest.mark.parametrize(
    ("wait_s", "kind"),
    [(100.0, WAIT), (600.0 - LEAD_S - 0.1, WAIT), (600.0 - LEAD_S + 0.1, NOT_ACCEPT)],
)
def test_a_full_limit_lets_a_request_wait_if_its_expiration_allows_it(
    wait_s: float, kind: CheckedKind
) -> None:
    found = checked(bench_opening(), dial(), ContactCount(LIMIT, wait_s))
    assert (found.kind, found.reason) == (kind, Reason.CONTACT_LIMIT)
    assert found.not_before == pytest.approx(NOW + wait_s)
    assert "a: at most 1 calls" in found.detail


def test_a_limit_with_room_changes_nothing() -> None:
    bench = bench_opening()
    assert checked(bench, dial(), ROOM) == bench.engine.dry_run.check(NOW, dial())


def test_what_is_full_when_the_hours_are_open_waits_for_the_next_opening() -> None:
    """The hours count when the limit has room."""
    found = checked(bench_opening((-10.0, 50.0), (300.0, 900.0)), dial(), ContactCount(LIMIT, 100.0))
    assert found.kind is WAIT
    assert found.not_before == pytest.approx(NOW + 300.0)


def test_the_later_of_hours_and_limits_is_told() -> None:
    """A request that waits for its hours may have room then."""
    bench = bench_opening((200.0, 900.0))
    assert checked(bench, dial(), ContactCount(LIMIT, 100.0)).reason is Reason.OUTSIDE_CALLING_HOURS
    later = checked(bench, dial(), ContactCount(LIMIT, 300.0))
    assert later.reason is Reason.CONTACT_LIMIT
    assert later.not_before == pytest.approx(NOW + 300.0)


def test_a_held_campaign_waits_unless_its_request_cannot_be_sent_any_more() -> None:
    bench = bench_opening()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    assert checked(bench, dial(), ContactCount(LIMIT, 100.0)).reason is Reason.HELD
    assert checked(bench, dial(), ContactCount(LIMIT, 900.0)).kind is NOT_ACCEPT


def test_what_the_shared_state_does_not_tell_waits() -> None:
    """So do requests with limits that are sent: nobody is called by a limit that may be full."""
    found = checked(bench_opening(), dial(), None)
    assert (found.kind, found.reason, found.detail) == (WAIT, Reason.CONTACT_LIMIT, LIMITS_UNKNOWN)
    closed = checked(bench_opening((200.0, 900.0)), dial(), None)
    assert closed.reason is Reason.OUTSIDE_CALLING_HOURS


def test_full_limits_of_rules_that_observe_are_told_beside_the_verdict() -> None:
    found = checked(bench_opening(), dial(), ContactCount(over=(OBSERVED,)))
    assert found.kind is SEND
    assert [(one.kind, one.rule) for one in found.observed] == [(REJECT, "observer")]
