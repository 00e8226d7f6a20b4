"""Which campaigns a name or a pattern means."""

import pytest

from gateway.directory.directory import (
    CampaignDirectory,
    NameProblem,
    NameRefused,
    campaign_pattern,
    is_pattern,
    undecided_by_any,
)
from gateway.directory.table import CampaignEntry, CampaignTable

A, B, C = "0b7c3a52", "5e1d90aa", "9f20aa11"
MARKUP = "<b onclick='x'>&\x1b[31m</b>"


def directory(*entries: CampaignEntry) -> CampaignDirectory:
    made = CampaignDirectory()
    made.publish(CampaignTable(entries))
    return made


def refusal(found: CampaignDirectory, text: str, *visible: str) -> NameRefused:
    with pytest.raises(NameRefused) as caught:
        found.resolve(text, lambda one: one in (visible or (A, B, C)))
    return caught.value


def test_a_unique_name_means_its_campaign() -> None:
    """A name means the only campaign that has it. Any other text is an id."""
    found = directory(CampaignEntry(A, "payment reminders"), CampaignEntry(B, "surveys"))
    assert found.resolve("name:payment reminders") == A
    assert found.resolve(A) == A
    assert found.resolve("surveys") == "surveys"
    assert found.name_of(A) == "payment reminders"
    assert found.name_of("unknown") == ""


def test_a_shared_name_is_refused_with_its_campaigns() -> None:
    """The caller learns the ids that it may see, and nothing of the others."""
    found = directory(*(CampaignEntry(one, "debt") for one in (A, B, C)))
    refused = refusal(found, "name:debt", A, C)
    assert refused.problem is NameProblem.AMBIGUOUS
    assert str(refused) == (
        f"campaign_id: several campaigns have this name; use the id: debt ({A}), debt ({C})"
    )


def test_an_unknown_name_is_refused_with_similar_ones() -> None:
    """The caller learns similar names of campaigns that it may see. The directory is to be read again."""
    found = directory(CampaignEntry(A, "debt-alerts"), CampaignEntry(B, "debt-secret"))
    wanted: list[bool] = []
    found.wanted = lambda: wanted.append(True)
    refused = refusal(found, "name:debt-alert", A)
    assert refused.problem is NameProblem.UNKNOWN
    assert str(refused) == f"campaign_id: no campaign has this name; similar names: debt-alerts ({A})"
    assert wanted == [True]


def test_a_hidden_campaign_does_not_exist_for_the_caller() -> None:
    """Whether a name exists must not show to a caller that may not see its campaign."""
    found = directory(CampaignEntry(A, "debt"))
    assert str(refusal(found, "name:debt", B)) == str(refusal(found, "name:other", B))


def test_names_need_a_directory_that_was_read() -> None:
    """Without a directory names are refused for good, and before the first reading for now."""
    off, unread = CampaignDirectory(enabled=False), CampaignDirectory()
    assert refusal(off, "name:debt").problem is NameProblem.OFF
    assert refusal(unread, "name:debt").problem is NameProblem.UNREAD
    unread.publish(CampaignTable([CampaignEntry(A, "debt")]), complete=False)
    assert refusal(unread, "name:debt").problem is NameProblem.UNREAD  # the missing API may have the name too
    assert unread.name_of(A) == "debt"


def test_a_refusal_has_no_control_characters() -> None:
    """A name is untrusted: it is shown as text, without what a terminal acts on."""
    found = directory(CampaignEntry(A, MARKUP))
    assert "<b onclick='x'>&?[31m</b>" in str(refusal(found, "name:<b"))


def test_patterns_on_names_and_tags() -> None:
    """A pattern matches the name, or the value of one tag; the others match the id."""
    found = directory(
        CampaignEntry(A, "debt-north", {"team": "billing", "note": MARKUP}), CampaignEntry(B, "surveys", {})
    )
    assert [campaign_pattern("name:debt-*", found).matches(one) for one in (A, B, "debt-1")] == [1, 0, 0]
    assert [campaign_pattern("tag:team=bill*", found).matches(one) for one in (A, B)] == [1, 0]
    assert campaign_pattern("tag:note=<b*", found).matches(A)
    assert not campaign_pattern("tag:Team=billing", found).matches(A)
    assert campaign_pattern("0b7*", found).matches(A)


def test_patterns_follow_the_newest_table() -> None:
    """What was compiled before a name moved matches the campaign that has it now."""
    found = directory(CampaignEntry(A, "debt"))
    pattern = campaign_pattern("name:debt", found)
    found.publish(CampaignTable([CampaignEntry(A, "old"), CampaignEntry(B, "debt")]))
    assert [pattern.matches(one) for one in (A, B)] == [False, True]


def test_what_is_not_known_yet_is_undecided() -> None:
    """A name is undecided until the directory was read, a tag until the campaign's tags were read."""
    found = CampaignDirectory()
    patterns = [campaign_pattern("name:debt", found)], [campaign_pattern("tag:a=b", found)]
    assert [undecided_by_any(some, A) for some in patterns] == [True, True]
    found.publish(CampaignTable([CampaignEntry(A, "debt", None)]))
    assert [undecided_by_any(some, A) for some in patterns] == [False, True]
    found.publish(CampaignTable([CampaignEntry(A, "debt", {})]))
    assert [undecided_by_any(some, A) for some in patterns] == [False, False]
    assert not undecided_by_any([campaign_pattern("debt-*", found)], A)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("tag:team", "must be tag:KEY=VALUE"),
        ("tag:=x", "must be tag:KEY=VALUE"),
        ("tag:te*=x", "no * in the key"),
        ("name:", "must have 1 to 512 characters"),
        ("tag:team=", "must have 1 to 512 characters"),
    ],
)
def test_wrong_patterns(text: str, rule: str) -> None:
    """A wrong pattern is refused with the rule that it breaks."""
    with pytest.raises(ValueError, match=rule.replace("*", r"\*")):
        campaign_pattern(text, CampaignDirectory())


def test_patterns_on_names_need_a_directory() -> None:
    """A pattern that could never match is refused."""
    with pytest.raises(ValueError, match="set DIAL_GATEWAY_CAMPAIGN_DIRECTORY"):
        campaign_pattern("name:debt", CampaignDirectory(enabled=False))


def test_what_may_mean_several_campaigns() -> None:
    """A star or a tag may mean several campaigns; an id or a name means one."""
    assert [is_pattern(text) for text in ("a*", "tag:a=b", "name:d*", "name:d", A)] == [1, 1, 1, 0, 0]
