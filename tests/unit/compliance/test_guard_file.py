"""Which guard files are valid, and the errors about others."""

import json
import re
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
import yaml

from gateway.compliance.errors import GuardFileError
from gateway.compliance.guard_file import parse_rules, rules_reader
from gateway.compliance.guard_schema import schema
from gateway.compliance.open_intervals import ALWAYS, Window
from gateway.compliance.rules import (
    ALL_CHANNELS,
    AfterClosing,
    RuleChannel,
    SeveralZones,
    Unmatched,
    ZoneFrom,
    week_in_words,
)
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from scripts.guard_schema import SCHEMA, text
from tests.unit.compliance.making import zones

PAGE = Path(__file__).parents[3] / "docs" / "guard.md"
GUARD_FILES = jsonschema.Draft202012Validator(schema())


def example() -> str:
    """Return the guard file that the documentation shows."""
    found = re.findall(r"```yaml\n(version: 1.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def rule(more: str = "", hours: str = "always") -> str:
    return f"version: 1\nrules:\n  - name: r\n    campaigns: ['*']\n    hours: {hours}\n{more}"


def fits(document: str) -> bool:
    try:
        return GUARD_FILES.is_valid(yaml.safe_load(document))
    except yaml.YAMLError:
        return False


def refusal(document: str) -> str:
    with pytest.raises(GuardFileError) as raised:
        parse_rules(document, zones())
    return str(raised.value)


def test_the_example_of_the_documentation() -> None:
    """Its rules are those that the page describes."""
    assert fits(example())
    directory = CampaignDirectory()
    found = parse_rules(example(), zones(), directory)
    assert found.unmatched is Unmatched.REFUSE
    debts, texts, surveys, night = found.rules
    assert week_in_words(debts.week) == "monday-friday 08:00-21:00, saturday 09:00-17:00"
    assert (debts.zone_from, debts.several_zones) == (ZoneFrom.NUMBER, SeveralZones.ALL)
    assert debts.holidays == ("US", "US-CA")
    assert (debts.limits[0].calls, debts.limits[0].period_s) == (7, 7 * 86_400)
    assert debts.lists == ("do-not-call",)
    assert (surveys.zone_from, surveys.zone, surveys.after_closing) == (
        *(ZoneFrom.ATTRIBUTE, "customer_zone"),
        AfterClosing.REFUSE,
    )
    assert night.observe
    assert debts.channels == {RuleChannel.TELEPHONY}
    assert texts.channels == {RuleChannel.SMS, RuleChannel.WHATSAPP}
    assert surveys.channels == ALL_CHANNELS
    assert directory.needed


def test_the_schema_is_up_to_date() -> None:
    """`python -m scripts.guard_schema` writes it."""
    assert SCHEMA.read_text() == text()
    jsonschema.Draft202012Validator.check_schema(json.loads(text()))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("version: 2\nrules: []", "version: must be 1"),
        ("version: 1\nrules: []", "rules: must be a list that is not empty"),
        (rule().replace("    hours: always\n", ""), "rules[0].hours: required"),
        (rule(hours="{}"), "rules[0].hours: must be `always`, or a mapping of weekdays to windows"),
        (rule(hours="{moonday: []}"), "rules[0].hours: a key must be a weekday such as monday"),
        (rule(hours="{monday: []}"), "rules[0].hours: must have a window"),
        (rule(hours="{monday: ['8:00-21:00']}"), "rules[0].hours.monday[0]: must be a window of a day"),
        (rule(hours="{monday: ['08:00-24:01']}"), "rules[0].hours.monday[0]: must be a window of a day"),
        (rule(hours="{monday: ['08:00-08:00']}"), 'must not be empty; a whole day is "00:00-24:00"'),
        (rule(hours="{monday-friday: [], friday: []}"), "rules[0].hours.friday: friday is given twice"),
        (rule("    zone: {fixed: Mars/Olympus}"), "rules[0].zone.fixed: must be the name of a time zone"),
        (rule("    zone: {fixed: ../../etc/passwd}"), "rules[0].zone.fixed: must be the name of a time zone"),
        (rule("    zone: London"), "rules[0].zone: must be number, {attribute: KEY} or {fixed: ZONE}"),
        (rule("    zone: {}"), "rules[0].zone: must be number, {attribute: KEY} or {fixed: ZONE}"),
        (rule("    no_zone: [x]"), "rules[0].no_zone: must be the name of a time zone"),
        (rule("    several_zones: most"), "rules[0].several_zones: must be one of all, any"),
        (rule("    holidays: [XX]"), "has no country 'XX'"),
        (rule("    holidays: [US-XX]"), "has no region 'XX' of US"),
        (rule("    holidays: [NO]"), "rules[0].holidays[0]: must be a text; put it in quotes"),
        (rule("    regions: [usa]"), 'rules[0].regions[0]: must be a country such as "US", in quotes'),
        (rule("    kinds: [PREMIUM_RATE]"), "rules[0].kinds[0]: must be one of"),
        (rule("    numbers: strict"), "rules[0].numbers: must be one of e164, possible, valid"),
        (rule("    lists: [dnc]"), "rules[0].lists[0]: must be one of those that the file defines: none"),
        (rule("    limits: [weekly]"), "rules[0].limits[0]: must be one of those that the file defines"),
        (rule("    channels: [fax]"), "rules[0].channels[0]: must be one of telephony, sms, email, whatsapp"),
        (rule("    channels: []"), "rules[0].channels: must be a list that is not empty"),
        (rule("    observe: 1"), "rules[0].observe: must be true or false"),
        (rule("    hour: always"), "rules[0].hour: unknown key"),
        (rule("    after_closing: wait"), "rules[0].after_closing: must be one of shorten, refuse"),
        (rule().replace("name: r", "name: [r]"), "rules[0].name: must be"),
        (rule().replace("['*']", "'*'"), "rules[0].campaigns: must be a list that is not empty"),
        (rule().replace("'*'", "'name:x'"), "rules[0].campaigns[0]: needs a campaign directory"),
        (rule() + "  - {name: r, campaigns: [x], hours: always}", "rules[1].name: is given twice"),
        (
            rule("limits: {a: {calls: 0, period: 7d}}"),
            "limits.a.calls: must be a whole number from 1 to 1,000",
        ),
        (rule("limits: {a: {calls: 1, period: 7w}}"), "limits.a.period: must be minutes, hours or days"),
        (rule("limits: {a: {calls: 1, period: 999d}}"), "limits.a.period: at most 400d"),
        (rule("limits: {a: {calls: 1, period: 7}}"), "limits.a.period: must be minutes, hours or days"),
        (rule("limits: [a]"), "limits: must be a mapping of names"),
        (rule("lists: {a: {}}"), "lists.a.file: must be the path of a file"),
        (rule("unmatched: maybe"), "unmatched: must be one of refuse, allow"),
    ],
)
def test_what_is_refused_and_what_is_said(document: str, message: str) -> None:
    assert message in refusal(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ('"08:00-21:00"', '"8-21"'),
        ("monday-friday:", "weekdays:"),
        ("calls: 7", "calls: 0"),
        ("period: 7d", "period: a week"),
        ("after_closing: refuse", "after_closing: ignore"),
        ("kinds: [FIXED_LINE", "kinds: [PREMIUM_RATE, FIXED_LINE"),
        ("observe: true", "observe: perhaps"),
        ("channels: [sms, whatsapp]", "channels: [whats_app]"),
        ("zone: {attribute: customer_zone}", "zone: {attribute: 'a b'}"),
        ("unmatched: refuse", "unmatched: ask"),
        ('"name:debt-*"', '"name:"'),
        ("hours:", "opening:"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    changed = example().replace(old, new, 1)
    assert changed != example()
    refused = True
    with suppress(GuardFileError):
        parse_rules(changed, zones(), CampaignDirectory())
        refused = False
    assert refused
    assert not fits(changed)


def test_hours_are_read() -> None:
    """A window whose end is before its start ends on the next day, and a range of days may pass Sunday."""
    (found,) = parse_rules(rule(hours="{saturday-monday: ['22:00-02:00'], friday: []}"), zones()).rules
    night = (Window(1320, 1560),)
    assert found.week == (night, (), (), (), (), night, night)
    assert parse_rules(rule(), zones()).rules[0].week == ALWAYS


def test_two_rules_for_one_campaign_are_reported() -> None:
    """They are found by their patterns, and by the campaigns of the directory."""
    directory = CampaignDirectory()
    document = """
version: 1
rules:
  - {name: a, campaigns: ["debt-*"], hours: always}
  - {name: b, campaigns: ["debt-1"], hours: always}
  - {name: c, campaigns: ["name:surveys"], hours: always}
  - {name: d, campaigns: ["tag:team=x"], hours: always}
"""
    found = parse_rules(document, zones(), directory)
    assert found.overlaps() == ["rules a and b apply to debt-1: the stricter counts"]
    directory.publish(CampaignTable([CampaignEntry("id-1", "surveys", {"team": "x"})]))
    assert "rules c and d apply to id-1: the stricter counts" in found.overlaps()


def test_rules_in_words() -> None:
    words = parse_rules(example(), zones(), CampaignDirectory()).rules[0].in_words()
    assert words.startswith(
        "debts: name:debt-*: only telephony; hours monday-friday 08:00-21:00, saturday 09:00-17:00"
    )
    assert "at most 7 calls in 604,800 s" in words


def test_a_file_that_is_broken_or_not_there(tmp_path: Path) -> None:
    """The message names the setting, the file, the path and the rule, each time that it is read."""
    path = tmp_path / "guard.yaml"
    read = rules_reader(str(path), zones())
    with pytest.raises(GuardFileError, match=r"DIAL_GATEWAY_GUARD_FILE: cannot read .*: No such file"):
        read()
    path.write_text(rule("    zone: {fixed: Mars}"))
    for _ in range(2):
        with pytest.raises(GuardFileError) as raised:
            read()
        assert str(raised.value).startswith(f"DIAL_GATEWAY_GUARD_FILE: {path}: rules[0].zone.fixed")
    path.write_text(rule())
    before = read().version
    path.write_text(rule("    observe: true"))
    assert read().version != before
