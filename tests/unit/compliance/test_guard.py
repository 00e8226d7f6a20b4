"""The verdicts of the guard, and their texts."""

import pytest

from gateway.compliance.errors import GuardFileError
from gateway.compliance.guard import Guard
from gateway.compliance.numbers import PhoneNumbers
from gateway.compliance.suppression_list import Suppressions
from gateway.core.compliance.port import LOOK_UPS_AT_ONCE
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest, Reason
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from tests.unit.compliance.making import HASHING, LONDON, NEW_YORK, guard, request, table_of, utc, zones

NOON, NIGHT = utc("2026-07-15T16:00"), utc("2026-07-15T07:00")  # in New York at 12:00 and at 3:00
DAY = 'hours: {monday-sunday: ["08:00-21:00"]}'
ALLOWED, NOT_BEFORE, REFUSED = VerdictKind.ALLOWED, VerdictKind.NOT_BEFORE, VerdictKind.REFUSED


def rules(*rules: str, more: str = "") -> str:
    listed = "\n".join(
        f'  - {{name: r{number}, campaigns: ["*"], {rule}}}' for number, rule in enumerate(rules)
    )
    return f"version: 1\n{more}\nrules:\n{listed}\n"


def reasons(verdict: Verdict) -> tuple[VerdictKind, Reason]:
    return verdict.kind, verdict.reason


def test_a_request_in_hours_is_allowed_until_closing() -> None:
    """The verdict names the rule, its version, and closing, and the expiration is shortened to it."""
    found = guard(rules(DAY))
    verdict = found.decide(NOON, request())
    assert verdict.kind is ALLOWED
    assert (verdict.rule, verdict.version) == ("r0", found.rules.version)
    closing = utc("2026-07-16T01:00")
    assert verdict.closes_at == closing
    assert verdict.expiration(closing + 60) == closing
    assert verdict.expiration(closing - 60) == closing - 60


def test_a_request_out_of_hours_may_wait() -> None:
    """If its expiration allows. The detail says when it opens, and has nothing of the number."""
    verdict = guard(rules(DAY)).decide(NIGHT, request())
    assert reasons(verdict) == (NOT_BEFORE, Reason.OUTSIDE_CALLING_HOURS)
    assert verdict.not_before == utc("2026-07-15T12:00")
    assert verdict.detail == "rule r0: hours: closed now; opens at 2026-07-15T12:00:00Z"
    assert verdict.may_wait(utc("2026-07-15T12:01"))
    assert not verdict.may_wait(utc("2026-07-15T12:00"))


def test_hours_close_while_a_request_waits() -> None:
    """The same request is allowed at admission, and not when a call is formed later."""
    found = guard(rules(DAY))
    assert found.decide(NOON, request()).kind is ALLOWED
    assert found.decide(NOON + 12 * 3_600, request()).kind is NOT_BEFORE
    assert found.decide(NOON, request()).kind is ALLOWED  # and if the clock is set back


def test_an_expiration_after_closing_may_be_refused() -> None:
    found = guard(rules(f"{DAY}, after_closing: refuse"))
    closing = utc("2026-07-16T01:00")
    assert found.decide(NOON, request(expiration=closing)).kind is ALLOWED
    late = found.decide(NOON, request(expiration=closing + 1))
    assert reasons(late) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
    assert "after_closing" in late.detail


def test_numbers() -> None:
    """Kinds that are never called, strictness, regions, kinds. The detail has nothing of the number."""
    found = guard(rules("hours: always, regions: [US, JM], kinds: [FIXED_LINE_OR_MOBILE, MOBILE]"))
    assert found.decide(NOON, request()).kind is ALLOWED
    for number, field in (
        ("+19002345678", "phone_number: a PREMIUM_RATE number is never called"),
        ("+1911", "phone_number: a SHORT number is never called"),
        (LONDON, "regions:"),
        ("+14165550123", "regions:"),  # Canada: "+1" alone is no region
        ("+12225550123", "numbers: phone_number must be valid"),
        ("+18005550123", "kinds: phone_number must be of an allowed kind, and is TOLL_FREE"),
    ):
        verdict = found.decide(NOON, request(number))
        assert reasons(verdict) == (REFUSED, Reason.NUMBER_NOT_ALLOWED)
        assert field in verdict.detail
        assert number not in verdict.detail
    assert found.decide(NOON, request("+18762101234")).kind is ALLOWED


def test_strictness() -> None:
    unknown = request("+12225550123")
    assert guard(rules("hours: always, numbers: possible")).decide(NOON, unknown).kind is ALLOWED
    local = request("+15550123")
    assert guard(rules("hours: always, numbers: possible")).decide(NOON, local).kind is REFUSED
    assert guard(rules("hours: always, numbers: e164")).decide(NOON, local).kind is ALLOWED


def test_a_number_without_a_known_zone() -> None:
    """Refused, unless the rule says which zone counts then. Without hours no zone is needed."""
    unknown = request("+12225550123")
    found = guard(rules(f"{DAY}, numbers: possible")).decide(NOON, unknown)
    assert reasons(found) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
    assert "zone: the time zone of phone_number is not known" in found.detail
    named = guard(rules(f"{DAY}, numbers: possible, no_zone: America/New_York"))
    assert named.decide(NOON, unknown).kind is ALLOWED
    assert named.decide(NIGHT, unknown).kind is NOT_BEFORE
    holidays = guard(rules("hours: always, numbers: possible, holidays: [US]"))
    assert holidays.decide(NOON, unknown).kind is REFUSED


def test_zones_that_are_never_in_hours_together() -> None:
    """Toll-free numbers are answered from Guam to Newfoundland: at no instant is it morning everywhere."""
    found = guard(rules('hours: {monday-sunday: ["09:00-11:00"]}'))
    verdict = found.decide(NOON, request("+18005550123"))
    assert reasons(verdict) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
    assert verdict.detail == "rule r0: hours: no opening within 32 days"


def test_the_zone_of_an_attribute() -> None:
    """An unknown zone is refused, a missing one counts as none. The detail has nothing of the value."""
    found = guard(rules(f"{DAY}, zone: {{attribute: tz}}, no_zone: Europe/London"))
    assert found.decide(NIGHT, request(attributes={"tz": "Asia/Calcutta"})).kind is ALLOWED
    assert found.decide(NOON, request(attributes={"tz": "Asia/Calcutta"})).kind is NOT_BEFORE
    assert found.decide(NIGHT, request()).kind is ALLOWED  # 8:00 in London
    for wrong in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x" * 1000, "\0"):
        verdict = found.decide(NOON, request(attributes={"tz": wrong}))
        assert reasons(verdict) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
        assert wrong not in verdict.detail
    strict = guard(rules(f"{DAY}, zone: {{attribute: tz}}"))
    assert strict.decide(NOON, request()).kind is REFUSED
    assert strict.decide(NOON, request("+19002345678", attributes={"tz": "Europe/London"})).kind is REFUSED


def test_a_fixed_zone_and_any_zone() -> None:
    fixed = guard(rules(f"{DAY}, zone: {{fixed: Europe/London}}"))
    assert fixed.decide(NIGHT, request()).kind is ALLOWED
    split = request("+12085550123")  # Idaho: Boise and Los Angeles
    nine = utc("2026-07-15T14:30")
    assert guard(rules(DAY)).decide(nine, split).kind is NOT_BEFORE
    assert guard(rules(f"{DAY}, several_zones: any")).decide(nine, split).kind is ALLOWED


def test_holidays() -> None:
    """Thanksgiving, and Columbus Day, which California's own list lacks."""
    found = guard(rules(f"{DAY}, holidays: [US-CA]"))
    found.prepare(NOON)
    assert found.decide(utc("2026-11-26T17:00"), request()).not_before == utc("2026-11-28T13:00")
    assert found.decide(utc("2026-10-12T17:00"), request()).kind is NOT_BEFORE


def test_suppression_lists() -> None:
    """A list applies to the rules that name it.

    A list that has not been read counts as if it had every number.
    """
    suppressions = Suppressions()
    found = guard(
        rules("hours: always, lists: [a]", more="lists: {a: {file: /a}, b: {file: /b}}"),
        suppressions=suppressions,
    )
    assert reasons(found.decide(NOON, request())) == (REFUSED, Reason.SUPPRESSED)
    suppressions.publish({"a": table_of(LONDON), "b": table_of(NEW_YORK)})
    assert found.decide(NOON, request()).kind is ALLOWED
    verdict = found.decide(NOON, request(LONDON))
    assert reasons(verdict) == (REFUSED, Reason.SUPPRESSED)
    assert verdict.detail == "rule r0: lists: phone_number is in a"


@pytest.mark.parametrize("rule", ["hours: always", "hours: always, observe: true"])
def test_live_suppressions_apply_to_all_campaigns(rule: str) -> None:
    """They apply from the next decision on, also where rules only observe."""
    suppressions = Suppressions()
    found = guard(rules(rule), suppressions=suppressions)
    assert found.decide(NOON, request()).kind is ALLOWED
    suppressions.live.add(HASHING.of(NEW_YORK))
    assert reasons(found.decide(NOON, request())) == (REFUSED, Reason.SUPPRESSED)
    assert found.decide(NOON, request(LONDON)).kind is ALLOWED


LIMITS = "limits: {l: {calls: 2, period: 1d}, m: {calls: 1, period: 15h}}"
L, M = ContactLimit("l", 2, 86_400.0), ContactLimit("m", 1, 54_000.0)


def limited(*more: str) -> Guard:
    """Return a guard of rules with limits."""
    return guard(rules(*more, more=LIMITS), shared_state=True)


def contact(found: Guard, one: DialRequest) -> Contact:
    """Return the contact of a request."""
    contacts = found.contacts([one])
    assert contacts is not None
    assert contacts[0] is not None
    return contacts[0]


def test_contacts_of_requests() -> None:
    """With the limits of all rules for its campaign, each once."""
    found = limited(f"{DAY}, limits: [l]", f"{DAY}, limits: [l, m]", f"{DAY}, limits: [m], observe: true")
    one, two = contact(found, request(token="1")), contact(found, request(token="2"))
    other = contact(found, request(LONDON, token="1"))
    assert (one.limits, one.observed) == ((L, M), ())
    assert one.number == two.number == HASHING.of(NEW_YORK)
    assert one.call != two.call
    assert (other.number, other.call) == (HASHING.of(LONDON), one.call)
    assert contact(found, request(token="1", campaign="others")).call != one.call
    assert found.limited


def test_a_campaign_without_limits_has_no_contacts() -> None:
    text = rules(f"{DAY}, limits: [l]", DAY, more=LIMITS).replace('["*"]', "[others]", 1)
    found = guard(text, shared_state=True)
    assert found.limited
    assert found.contacts([request()]) is None
    assert not guard(rules(DAY)).limited


def test_a_limit_without_room() -> None:
    """The request may be sent when the limit has room and hours are open; the detail names rule and limit."""
    found = limited(DAY, f"{DAY}, limits: [l]")
    verdict = found.over_limit(NOON, request(), ContactCount(L, 60.0))
    assert reasons(verdict) == (NOT_BEFORE, Reason.CONTACT_LIMIT)
    assert (verdict.not_before, verdict.rule) == (NOON + 60, "r1")
    assert verdict.detail == "rule r1: limits: l: at most 2 calls in 86,400 s"
    assert verdict.version == found.rules.version
    assert "not known" in found.over_limit(NOON, request(), ContactCount(L, 60.0, lost=True)).detail


def test_a_limit_that_has_room_at_night_opens_in_the_morning() -> None:
    found = limited(f"{DAY}, limits: [m]")
    verdict = found.over_limit(NOON, request(), ContactCount(M, M.period_s))
    assert verdict.not_before == utc("2026-07-16T12:00")
    assert verdict.reason is Reason.CONTACT_LIMIT


def test_a_request_that_is_too_late_once_the_limit_has_room_is_refused() -> None:
    found = limited(f"{DAY}, limits: [m], after_closing: refuse")
    verdict = found.over_limit(NOON, request(), ContactCount(M, 60.0))
    assert reasons(verdict) == (REFUSED, Reason.CONTACT_LIMIT)


def test_limits_that_are_only_observed() -> None:
    """They count and refuse nothing; their verdicts are reported."""
    found = limited(DAY, f"{DAY}, limits: [l], observe: true")
    counted = contact(found, request())
    assert (counted.limits, counted.observed) == ((), (L,))
    (verdict,) = found.over_observed(request(), [L, M])
    assert (verdict.reason, verdict.rule) == (Reason.CONTACT_LIMIT, "r1")
    assert verdict.kind is not ALLOWED


def test_a_limit_of_rules_that_have_changed_is_decided_again_when_it_had_room() -> None:
    verdict = guard(rules(DAY)).over_limit(NOON, request(), ContactCount(L, 60.0))
    assert (verdict.kind, verdict.not_before) == (NOT_BEFORE, NOON + 60)


def test_limits_need_a_shared_state() -> None:
    with pytest.raises(GuardFileError, match=r"rules\[0\].limits: needs a shared state"):
        guard(rules("hours: always, limits: [l]", more="limits: {l: {calls: 1, period: 1d}}"))


def test_the_strictest_rule_counts() -> None:
    """Refused before not before, the latest opening, the earliest closing."""
    early = 'hours: {monday-sunday: ["06:00-20:00"]}'
    both = guard(rules(DAY, early))
    assert both.decide(NOON, request()).closes_at == utc("2026-07-16T00:00")
    assert both.decide(NIGHT, request()).not_before == utc("2026-07-15T12:00")
    refusing = guard(rules(DAY, "hours: always, regions: [GB]"))
    assert refusing.decide(NIGHT, request()).rule == "r1"
    assert guard(rules("hours: always", DAY)).decide(NOON, request()).closes_at == utc("2026-07-16T01:00")


def test_a_rule_that_observes_refuses_nothing() -> None:
    """Its verdict is only reported. If other rules apply too, only these are enforced."""
    verdict = guard(rules(f"{DAY}, observe: true")).decide(NIGHT, request())
    assert verdict.kind is ALLOWED
    assert [one.kind for one in verdict.observed] == [NOT_BEFORE]
    mixed = guard(rules("hours: always, regions: [GB]", f"{DAY}, observe: true")).decide(NIGHT, request())
    assert (mixed.kind, mixed.rule, mixed.observed[0].rule) == (REFUSED, "r0", "r1")


def test_a_campaign_that_no_rule_names() -> None:
    text = 'version: 1\nrules:\n  - {name: r, campaigns: ["debt-*"], hours: always}\n'
    found = guard(text).decide(NOON, request(campaign="surveys"))
    assert reasons(found) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
    assert "no rule of the guard file names the campaign" in found.detail
    assert guard(f"{text}unmatched: allow").decide(NOON, request(campaign="surveys")).kind is ALLOWED


def test_campaigns_by_name() -> None:
    """Until names are known, a request waits, also if another rule allows it. Then its rules apply."""
    directory = CampaignDirectory()
    text = f'version: 1\nrules:\n  - {{name: n, campaigns: ["name:debt-*"], {DAY}}}\n'
    text += '  - {name: all, campaigns: ["*"], hours: always}\n'
    found = guard(text, directory=directory)
    waiting = found.decide(NIGHT, request(campaign="id-1"))
    assert (waiting.kind, waiting.not_before) == (NOT_BEFORE, NIGHT + 5)
    directory.publish(
        CampaignTable([CampaignEntry("id-1", "debt-north", {}), CampaignEntry("id-2", "x", {})])
    )
    assert found.decide(NIGHT, request(campaign="id-1")).rule == "n"
    assert found.decide(NIGHT, request(campaign="id-2")).kind is ALLOWED
    directory.publish(CampaignTable([CampaignEntry("id-1", "surveys", {})]))
    assert found.decide(NIGHT, request(campaign="id-1")).kind is ALLOWED


@pytest.mark.parametrize("now", [utc("2026-07-15T16:00"), utc("2026-07-15T06:00")])
@pytest.mark.parametrize(
    "rules",
    [
        "  - {name: a, campaigns: ['*'], hours: {monday-friday: ['08:00-21:00']}, lists: [l]}\n",
        "  - {name: a, campaigns: ['*'], hours: {monday-friday: ['08:00-21:00']}, after_closing: refuse}\n",
        "  - {name: a, campaigns: ['*'], hours: always, numbers: e164}\n",
        "  - {name: a, campaigns: ['*'], hours: always, lists: [m]}\n",
        "  - {name: a, campaigns: ['*'], hours: {friday: ['08:00-21:00']}, zone: {attribute: zone}}\n",
        "  - {name: a, campaigns: ['*'], hours: always}\n  - {name: b, campaigns: [debts], hours: always}\n",
        "  - {name: a, campaigns: ['*'], hours: always, observe: true}\n",
        "  - {name: a, campaigns: ['*'], hours: always}\n"
        "  - {name: b, campaigns: ['*'], hours: {friday: ['08:00-21:00']}, observe: true}\n",
        "  - {name: a, campaigns: [other], hours: always}\n",
    ],
)
def test_decisions_about_a_list_are_those_about_each(rules: str, now: float) -> None:
    """The shorter way for the usual rules changes no verdict, also once a number is suppressed."""
    suppressions = Suppressions()
    suppressions.publish({"l": table_of(LONDON)})
    text = f"version: 1\nlists: {{l: {{file: l}}, m: {{file: m}}}}\nrules:\n{rules}"
    asked = [
        *(request(number) for number in (NEW_YORK, LONDON, "+12", "+19005550123", "+4915112345678")),
        request(NEW_YORK, expiration=now + 60.0),
        request(NEW_YORK, attributes={"zone": "Asia/Tokyo"}),
    ]
    one, other = (guard(text, suppressions=suppressions) for _ in range(2))
    for _ in range(2):  # the first decisions learn about the numbers
        assert one.decide_all(now, asked) == [other.decide(now, each) for each in asked]
    suppressions.live.add(HASHING.of(NEW_YORK))
    found = one.decide_all(now, asked)
    assert found == [other.decide(now, each) for each in asked]
    assert found[0].reason is Reason.SUPPRESSED


def test_decisions_about_a_list_wait_until_tags_are_known() -> None:
    """Also if what another campaign may do now is known for the number."""
    directory = CampaignDirectory()
    directory.publish(CampaignTable([CampaignEntry("id-1", "a", {}), CampaignEntry("id-2", "b")]))
    text = f'version: 1\nrules:\n  - {{name: n, campaigns: ["tag:team=debts"], {DAY}}}\n'
    found = guard(f'{text}  - {{name: all, campaigns: ["*"], hours: always}}\n', directory=directory)
    kinds = [found.decide_all(NIGHT, [request(campaign=one)])[0].kind for one in ("id-1", "id-2")]
    assert kinds == [ALLOWED, NOT_BEFORE]


def test_decisions_about_a_list_follow_the_clock() -> None:
    """Exactly at opening and at closing too, and if the clock is set back."""
    found = guard(rules(DAY))
    opening, closing = utc("2026-07-15T12:00"), utc("2026-07-16T01:00")
    instants = (NOON, closing - 1, closing, closing + 1, NOON, opening - 1, opening, NOON)
    kinds = [found.decide_all(now, [request()])[0].kind for now in instants]
    assert kinds == [ALLOWED, ALLOWED, NOT_BEFORE, NOT_BEFORE, ALLOWED, NOT_BEFORE, ALLOWED, ALLOWED]


@pytest.mark.parametrize("rules", ["", "  - {name: b, campaigns: ['*'], hours: always, observe: true}\n"])
def test_decisions_about_a_list_end_after_some_new_numbers(rules: str) -> None:
    """Each takes long to look up. Numbers that begin like known ones do not count."""
    found = guard(
        f"version: 1\nrules:\n  - {{name: a, campaigns: ['*'], hours: always}}\n{rules}",
        phone_numbers=PhoneNumbers(zones().by_country),
    )
    area_codes = (212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239)
    asked = [request(f"+1{code}5550{last}") for code in area_codes for last in (100, 101)]
    counts = []
    while asked:
        counts.append(len(found.decide_all(0.0, asked)))
        asked = asked[counts[-1] :]
    assert counts == [2 * LOOK_UPS_AT_ONCE - 1, 2 * (15 - LOOK_UPS_AT_ONCE) + 1]
    assert found.number_look_ups == 15
    assert found.decide_all(0.0, [request("+12395550199")])[0].kind is ALLOWED
    assert found.number_look_ups == 15


def test_changes_of_names_are_changes_of_verdicts() -> None:
    """What was decided by the old names may not hold any more."""
    directory = CampaignDirectory()
    found = guard(
        "version: 1\nrules: [{name: a, campaigns: ['name:x'], hours: always}]\n", directory=directory
    )
    before = found.changes
    assert found.changes == before
    directory.publish(CampaignTable([CampaignEntry("id-1", "x", {})]))
    assert found.changes != before
