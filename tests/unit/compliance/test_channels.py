"""Rules by channel, and e-mails, which have no phone number."""

import pytest

from gateway.compliance.guard import Guard
from gateway.compliance.suppression_list import Suppressions
from gateway.core.channels import Channel, Email, Sms, Telephony, WhatsApp
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import ContactLimit
from gateway.core.model import Reason
from gateway.directory.directory import CampaignDirectory
from tests.unit.compliance.making import HASHING, NEW_YORK, guard, request, table_of, utc

NOON, NIGHT = utc("2026-07-15T16:00"), utc("2026-07-15T07:00")  # in New York at 12:00 and at 3:00
DAY, ALWAYS = 'hours: {monday-sunday: ["08:00-21:00"]}', "hours: always"
ALLOWED, NOT_BEFORE, REFUSED = VerdictKind.ALLOWED, VerdictKind.NOT_BEFORE, VerdictKind.REFUSED
CHANNELS: dict[str, Channel | None] = {
    "plain": None,
    "telephony": Telephony(ring_timeout_s=30),
    "sms": Sms(),
    "email": Email("ada@example.com"),
    "whatsapp": WhatsApp(),
}


def rules(*rules: str, more: str = "") -> str:
    listed = "\n".join(
        f'  - {{name: r{number}, campaigns: ["*"], {rule}}}' for number, rule in enumerate(rules)
    )
    return f"version: 1\n{more}\nrules:\n{listed}\n"


def decide(found: Guard, channel: str, now: float = NOON, **changes: str) -> Verdict:
    number = "" if channel == "email" else NEW_YORK
    asked = request(number, channel=CHANNELS[channel], attributes={"zone": "Europe/London"}, **changes)  # type: ignore[arg-type]
    return found.decide(now, asked)


@pytest.mark.parametrize(
    ("channels", "closed"),
    [
        ("[telephony]", {"plain", "telephony"}),
        ("[sms]", {"sms"}),
        ("[sms, whatsapp]", {"sms", "whatsapp"}),
        ("[whatsapp, telephony, sms]", {"plain", "telephony", "sms", "whatsapp"}),
    ],
)
def test_a_rule_is_for_its_channels(channels: str, closed: set[str]) -> None:
    """At night requests of the channels of a rule wait; for others it is as if the rule were not there."""
    found = guard(rules(f"channels: {channels}, {DAY}", more="unmatched: allow"))
    assert {name for name in CHANNELS if decide(found, name, NIGHT).kind is NOT_BEFORE} == closed
    assert {
        name for name in CHANNELS if decide(found, name, NIGHT).kind is ALLOWED
    } == CHANNELS.keys() - closed


def test_channels_without_a_rule_are_refused() -> None:
    """A campaign that only has rules for calls has none for texts, so they are refused."""
    found = guard(rules(f"channels: [telephony], {ALWAYS}"))
    assert decide(found, "plain").kind is ALLOWED
    for channel in ("sms", "email", "whatsapp"):
        verdict = decide(found, channel)
        assert (verdict.kind, verdict.reason) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
        assert verdict.detail.startswith("unmatched:")


def test_calls_and_texts_have_their_own_hours() -> None:
    """Of two rules for a campaign only that of the channel counts, and they do not overlap."""
    texts = 'channels: [sms, whatsapp], hours: {monday-sunday: ["02:00-04:00"]}'
    found = guard(rules(f"channels: [telephony], {DAY}", texts))
    assert [decide(found, name, NIGHT).kind for name in ("plain", "sms", "whatsapp")] == [
        NOT_BEFORE,
        ALLOWED,
        ALLOWED,
    ]
    assert [decide(found, name, NOON).kind for name in ("plain", "sms")] == [ALLOWED, NOT_BEFORE]
    assert found.rules.overlaps() == []
    assert guard(rules(DAY, texts)).rules.overlaps() != []


def test_a_rule_without_channels_is_for_all() -> None:
    """Texts to a number have the hours of calls unless a rule says otherwise."""
    found = guard(rules(DAY))
    for name in ("plain", "telephony", "sms", "whatsapp"):
        assert decide(found, name, NOON).kind is ALLOWED
        assert decide(found, name, NIGHT).kind is NOT_BEFORE


def test_an_email_has_no_zone_of_its_number() -> None:
    """With the zone of the number an e-mail is refused, or has the zone that counts without one."""
    verdict = decide(guard(rules(DAY)), "email")
    assert (verdict.kind, verdict.reason) == (REFUSED, Reason.OUTSIDE_CALLING_HOURS)
    assert verdict.detail == "rule r0: zone: an e-mail has no number to take it from"
    found = guard(rules(f"{DAY}, no_zone: America/New_York"))
    assert [decide(found, "email", at).kind for at in (NOON, NIGHT)] == [ALLOWED, NOT_BEFORE]


@pytest.mark.parametrize("zone", ["fixed: Europe/London", "attribute: zone"])
def test_an_email_has_the_zone_that_a_rule_gives(zone: str) -> None:
    """A fixed zone, and the zone in an attribute, apply to e-mails too."""
    found = guard(rules(f'hours: {{monday-sunday: ["08:00-16:00"]}}, zone: {{{zone}}}'))
    open_, closed = utc("2026-07-15T07:30"), utc("2026-07-15T15:30")
    assert [decide(found, "email", at).kind for at in (open_, closed)] == [ALLOWED, NOT_BEFORE]


def test_rules_about_numbers_do_not_apply_to_an_email() -> None:
    """Lists, regions, kinds and the suppressions of operators are about numbers."""
    suppressions = Suppressions()
    suppressions.publish({"no": table_of(NEW_YORK)})
    suppressions.live.add(HASHING.of(NEW_YORK))
    about_numbers = f"{ALWAYS}, lists: ['no'], regions: [DE], kinds: [MOBILE], numbers: valid"
    found = guard(rules(about_numbers, more="lists: {'no': {file: x}}"), suppressions=suppressions)
    assert decide(found, "email").kind is ALLOWED
    for name in ("plain", "sms", "whatsapp"):
        assert decide(found, name).reason is Reason.SUPPRESSED


def test_limits_by_channel() -> None:
    """Each contact counts under the limits of its own channel, and an e-mail under none."""
    more = "limits: {calls: {calls: 7, period: 7d}, texts: {calls: 2, period: 1d}}"
    calls, texts = f"channels: [telephony], {ALWAYS}, limits: [calls]", f"{ALWAYS}, limits: [texts]"
    found = guard(rules(calls, texts, more=more), shared_state=True)
    asked = [
        request("" if name == "email" else NEW_YORK, token=name, channel=channel)
        for name, channel in CHANNELS.items()
    ]
    contacts = found.contacts(asked)
    assert contacts is not None
    limits = [contact and [limit.name for limit in contact.limits] for contact in contacts]
    assert limits == [["calls", "texts"], ["calls", "texts"], ["texts"], None, ["texts"]]
    assert found.contacts(asked[3:4]) is None
    texts_only = guard(rules(f"channels: [sms], {ALWAYS}, limits: [texts]", more=more), shared_state=True)
    assert texts_only.contacts(asked[:2]) is None
    (text,) = texts_only.contacts(asked[2:3]) or [None]
    assert text is not None
    assert text.limits == (ContactLimit("texts", 2, 86_400.0),)


def test_a_name_that_is_not_known_yet_matters_to_the_channels_of_its_rule() -> None:
    """Until names of campaigns are known, only the channels wait whose rules name campaigns."""
    text = f"version: 1\nrules:\n  - {{name: a, campaigns: ['name:x'], channels: [sms], {ALWAYS}}}\n"
    text += f"  - {{name: b, campaigns: ['*'], {ALWAYS}}}\n"
    found = guard(text, directory=CampaignDirectory())
    assert decide(found, "sms").kind is NOT_BEFORE
    assert decide(found, "plain").kind is ALLOWED
