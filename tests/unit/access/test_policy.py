"""What a policy grants, and which policies are refused."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import policy_file
from gateway.access.actions import CampaignRight, NumberRight
from gateway.access.errors import PolicyError
from gateway.access.policy import EVERYTHING, REMEMBERED, Grant, Policy
from gateway.access.policy_file import parse_policy, read_policy
from gateway.core.model import Priority
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry, CampaignTable
from tests.files import put

BILLING = "spiffe://example.org/ns/billing/sa/dialer"
MARKUP = "<b onclick='[x]'>*</b>"

POLICY = """
version: 1
callers:
  - name: billing
    identities: ["spiffe://example.org/ns/billing/sa/*", "*.billing.example.org"]
    dial:
      - campaigns: ["debt-*"]
      - campaigns: ["debt-alarm", "reminders"]
        priority: HIGH
    weight: 4
    window: 20000
    hold: ["debt-*"]
    purge: ["old"]
  - identities: ["**"]
    see: ["*"]
"""


def grant(identity: str = BILLING) -> Grant:
    found = parse_policy(POLICY).grant(identity)
    assert found is not None
    return found


def test_campaigns_and_the_priority_up_to_which_they_may_be_dialed() -> None:
    """If several patterns match, the highest priority counts. The default is NORMAL."""
    found = grant()
    assert found.may_dial("debt-1") is Priority.NORMAL
    assert found.may_dial("debt-alarm") is Priority.HIGH
    assert found.may_dial("reminders") is Priority.HIGH
    assert found.may_dial("Debt-1") is found.may_dial("old") is found.may_dial("reminders2") is None
    assert (found.weight, found.window) == (4, 20_000)
    assert found.dials


def test_an_entry_is_told_in_one_line() -> None:
    """The check of the configuration prints it."""
    billing, everybody = parse_policy(POLICY).entries
    assert billing.in_words() == (
        "billing: spiffe://example.org/ns/billing/sa/*, *.billing.example.org may dial debt-* up to NORMAL; "
        "dial debt-alarm, reminders up to HIGH; hold debt-*; purge old (weight 4, window 20,000)"
    )
    assert everybody.in_words() == "** may see * (weight 1)"


def test_campaigns_by_name_and_tag() -> None:
    """A grant by name or tag follows the campaign that has it now. Until it is known, nothing is granted."""
    directory = CampaignDirectory()
    text = """
version: 1
callers:
  - identities: ["**"]
    dial: [{campaigns: ["name:debt-*"]}, {campaigns: ["tag:team=alarms"], priority: HIGH}]
    hold: ["tag:team=alarms"]
"""
    found = parse_policy(text, directory).grant(BILLING)
    assert found is not None
    assert (found.may_dial("id-1"), found.undecided("id-1")) == (None, True)
    directory.publish(
        CampaignTable([CampaignEntry("id-1", "debt-north", {}), CampaignEntry("id-2", "fire", None)])
    )
    assert (found.may_dial("id-1"), found.undecided("id-1")) == (Priority.NORMAL, False)
    assert (found.may_dial("id-2"), found.undecided("id-2")) == (None, True)
    assert not found.may(CampaignRight.HOLD, "id-2")
    moved = [CampaignEntry("id-1", "old", {}), CampaignEntry("id-2", "debt-north", {"team": "alarms"})]
    directory.publish(CampaignTable(moved))
    assert (found.may_dial("id-1"), found.undecided("id-1")) == (None, False)
    assert found.may_dial("id-2") is Priority.HIGH
    assert found.may(CampaignRight.HOLD, "id-2")


def test_names_in_a_policy_need_a_directory() -> None:
    """A pattern that could never match is refused with its path."""
    text = "version: 1\ncallers: [{identities: ['**'], hold: ['a', 'name:debt']}]"
    with pytest.raises(PolicyError, match=r"callers\[0\]\.hold\[1\]: needs a campaign directory"):
        parse_policy(text)


def test_rights() -> None:
    """Each right has its own campaigns. Any right on a campaign includes the right to see it."""
    found = grant()
    assert found.may(CampaignRight.HOLD, "debt-1")
    assert not found.may(CampaignRight.RELEASE, "debt-1")
    assert not found.may(CampaignRight.PURGE, "debt-1")
    assert found.may(CampaignRight.PURGE, "old")
    assert all(found.may(CampaignRight.SEE, name) for name in ("debt-1", "old", "reminders"))
    assert not found.may(CampaignRight.SEE, "surveys")


def test_rights_for_numbers_are_granted_one_by_one() -> None:
    """They concern all campaigns. No right for a campaign includes them."""
    text = POLICY.replace("    hold:", "    suppress: true\n    end_suppressions: false\n    hold:")
    policy = parse_policy(text)
    billing, other = policy.grant(BILLING), policy.grant("spiffe://example.org/ns/x")
    assert billing is not None
    assert billing.may_with_numbers(NumberRight.SUPPRESS)
    assert not billing.may_with_numbers(NumberRight.END_SUPPRESSIONS)
    assert other is not None
    assert not any(other.may_with_numbers(right) for right in NumberRight)
    assert all(EVERYTHING.may_with_numbers(right) for right in NumberRight)
    assert "suppress numbers" in policy.entries[0].in_words()
    assert "suppressions" not in policy.entries[0].in_words()


def test_the_first_entry_that_names_a_caller_counts() -> None:
    policy = parse_policy(POLICY)
    assert policy.grant("a.billing.example.org") == policy.grant(BILLING)
    other = policy.grant("spiffe://example.org/ns/x")
    assert other is not None
    assert not other.dials
    assert other.may(CampaignRight.SEE, MARKUP)
    assert parse_policy(POLICY.split('  - identities: ["**"]')[0]).grant("nobody.example.org") is None


def test_without_a_policy_everything_is_granted() -> None:
    assert EVERYTHING.dials
    assert EVERYTHING.may_dial(MARKUP) is Priority.HIGH
    assert all(EVERYTHING.may(action, MARKUP) for action in CampaignRight)


def test_what_is_remembered_is_bounded() -> None:
    found = grant()
    for number in range(REMEMBERED + 10):
        found.may_dial(f"debt-{number}")
    assert len(found._known) <= REMEMBERED


ONE = "version: 1\ncallers:\n  - identities: [x]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the whole: must be a mapping"),
        ('"a\\nb": 1', "'a\\nb': unknown key"),
        ("[]", "the whole: must be a mapping"),
        ("callers: []", "version: must be 1"),
        ("version: true\ncallers: [{identities: [x]}]", "version: must be 1"),
        ("version: 1", "callers: must be a list that is not empty"),
        ("version: 1\ncallers: []", "callers: must be a list that is not empty"),
        ("version: 1\ncaller: []", "caller: unknown key; known are version, callers; did you mean callers?"),
        ("version: 1\ncallers: [x]", "callers[0]: must be a mapping"),
        ("version: 1\ncallers: [{}]", "callers[0].identities: must be a list that is not empty"),
        (ONE + "    dail: []", "callers[0].dail: unknown key; .*did you mean dial?"),
        (ONE + "    dial: [{campaign: [x]}]", "callers[0].dial[0].campaign: unknown key"),
        (ONE + "    dial: [{campaigns: x}]", "callers[0].dial[0].campaigns: must be a list"),
        (ONE + "    dial: [{campaigns: [7]}]", "callers[0].dial[0].campaigns[0]: must be a text"),
        (ONE + "    dial: [{campaigns: [x], priority: high}]", "priority: must be one of HIGH, NORMAL, BULK"),
        (ONE + "    dial: [{campaigns: [x], priority: [1]}]", "priority: must be one of"),
        (ONE + "    weight: 0", "callers[0].weight: must be a whole number from 1 to 100"),
        (ONE + "    weight: yes", "callers[0].weight: must be a whole number"),
        (ONE + "    window: 1.5", "callers[0].window: must be a whole number"),
        (ONE + "    hold: '*'", "callers[0].hold: must be a list"),
        (ONE + "    name: 7", "callers[0].name: must be a text"),
        (ONE + "    suppress: ['*']", "callers[0].suppress: must be true or false"),
        (ONE + "    end_suppressions: 1", "callers[0].end_suppressions: must be true or false"),
        (ONE + "    weight: 1\n    weight: 2", "line 5, column 5: the key 'weight' is given twice"),
        (
            "version: 1\ncallers: [{identities: [' ']}, {identities: ['']}]",
            "callers[1].identities[0]: must have",
        ),
        ("version: 1\ncallers: &a [*a]", "aliases are not taken"),
        ("version: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("version: 1\n? [a]\n: b", "keys must be texts"),
        ("version: 1\n  callers: []", "line 2, column 10: mapping values are not allowed here"),
        ("a: [", "line 1"),
        ("\x00", "is not valid YAML"),
        ("version: !!bool x", "is not valid YAML"),
        ("version: !!timestamp x", "is not valid YAML"),
        ("version: !!int x", "is not valid YAML"),
        (b"version: \xff", "is not valid YAML"),
        ("2024-99-99", "is not valid YAML"),
        ("[" * 1000, "is not valid YAML"),
        ("#" * 1_048_577, "at most 1,048,576 bytes"),
    ],
)
def test_what_a_policy_may_not_say(text: str | bytes, words: str) -> None:
    """A problem is named with its path, or with its line if the text is not YAML."""
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    before, _, after = words.partition(".*")
    assert before in str(error.value)
    assert after in str(error.value)
    assert "\n" not in str(error.value)


def test_an_error_names_setting_and_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    with pytest.raises(PolicyError, match=r"^DIAL_GATEWAY_POLICY_FILE: cannot read .*policy.yaml: No such"):
        read_policy(str(file))
    file.write_text("version: 2")
    with pytest.raises(PolicyError, match=r"^DIAL_GATEWAY_POLICY_FILE: .*policy.yaml: version: must be 1$"):
        read_policy(str(file))


def test_a_broken_text_is_parsed_once(tmp_path: Path) -> None:
    """The file is checked every second, and a large one takes seconds to parse.

    A changed text is used at once.
    """
    parsed: list[bytes] = []

    def counting(text: bytes) -> Policy:
        parsed.append(text)
        return parse_policy(text)

    file = tmp_path / "policy.yaml"
    file.write_text(ONE)
    kept = policy_file.reloaded_policy(str(file), counting)
    for text, refused in (("version: 2", 1), ("version: 1", 2), (ONE + "# better", 2)):
        put(file, text)
        for _ in range(3):
            kept.reread()
        assert kept.refused == refused
    assert kept.complaint == ""
    assert [text.decode() for text in parsed] == [
        ONE,
        "version: 2",
        "version: 1",
        ONE + "# better",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["version", "callers", "dial", "identities", "weight", "campaigns"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_breaks_the_reading(document: object) -> None:
    """Every document is a policy, or is refused as one."""
    with suppress(PolicyError):
        parse_policy(yaml.safe_dump(document))
