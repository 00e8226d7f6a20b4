"""The campaign directory is read from a file, and a broken file changes nothing."""

from pathlib import Path

import pytest

from gateway.access.campaign_file import read_campaigns
from gateway.access.errors import CampaignFileError
from gateway.access.setup import Access, AccessFiles
from gateway.directory.directory import CampaignDirectory
from gateway.directory.table import CampaignEntry
from tests.files import put

A, B = "0b7c3a52-6a4e-4f0e-9d57-1c2f9a2b7e10", "5e1d90aa-6a4e-4f0e-9d57-1c2f9a2b7e11"
TEXT = f"""
version: 1
campaigns:
  - id: {A}
    name: payment reminders
    tags: {{team: billing, note: "<b>x</b>"}}
  - id: {B}
    name: surveys
"""


def file_with(folder: Path, text: str) -> str:
    path = folder / "campaigns.yaml"
    put(path, text)
    return str(path)


def test_a_file_with_campaigns(tmp_path: Path) -> None:
    """A file gives names, and tags that may be missing. Markup is text."""
    table = read_campaigns(file_with(tmp_path, TEXT))
    assert list(table.entries.values()) == [
        CampaignEntry(A, "payment reminders", {"team": "billing", "note": "<b>x</b>"}),
        CampaignEntry(B, "surveys", {}),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 2\ncampaigns: []", "version: must be 1"),
        ("version: 1\ncampaigns: {}", "campaigns: must be a list"),
        (
            "version: 1\ncampaign: []",
            "campaign: unknown key; known are version, campaigns; did you mean campaigns?",
        ),
        (
            "version: 1\ncampaigns: [{id: a, nam: b}]",
            "campaigns[0].nam: unknown key; known are id, name, tags",
        ),
        (
            "version: 1\ncampaigns: [{id: a b, name: b}]",
            "campaigns[0].id: at most 256 characters, no white space",
        ),
        (
            "version: 1\ncampaigns: [{id: 7, name: b}]",
            "campaigns[0].id: must be a text of 1 to 256 characters",
        ),
        ("version: 1\ncampaigns: [{id: a}]", "campaigns[0].name: must be a text of 1 to 127 characters"),
        ("version: 1\ncampaigns: [{id: a, name: b, tags: [x]}]", "campaigns[0].tags: must be a mapping"),
        (
            "version: 1\ncampaigns: [{id: a, name: b, tags: {x: 1}}]",
            "campaigns[0].tags: a value: must be a text",
        ),
        ("version: 1\ncampaigns: [{id: a, name: b}, {id: a, name: c}]", "campaigns[1].id: is given twice"),
        ("version: 1\ncampaigns: [{id: a, id: b}]", "the key 'id' is given twice"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, problem: str) -> None:
    """A wrong file is refused with the setting, the path of the entry and the rule."""
    with pytest.raises(CampaignFileError) as refused:
        read_campaigns(file_with(tmp_path, text))
    assert str(refused.value).startswith("DIAL_GATEWAY_CAMPAIGN_DIRECTORY: ")
    assert problem in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is refused at the start."""
    with pytest.raises(CampaignFileError, match="cannot read"):
        read_campaigns(str(tmp_path / "none.yaml"))


def test_a_changed_file_is_used_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest valid file counts. That a name has moved is logged."""
    directory = CampaignDirectory()
    access = Access(AccessFiles(campaigns=file_with(tmp_path, TEXT)), lambda *_: None, directory)
    assert directory.resolve("name:surveys") == B
    file_with(tmp_path, TEXT.replace("name: surveys", "nam: surveys"))
    access.reread()
    access.publish_campaigns()
    assert directory.resolve("name:surveys") == B
    assert access.files_refused == {"campaigns": 1}
    file_with(tmp_path, f"version: 1\ncampaigns: [{{id: {A}, name: surveys}}, {{id: {B}, name: old}}]")
    access.reread()
    access.publish_campaigns()
    assert directory.resolve("name:surveys") == A
    assert "a campaign name has moved to another campaign" in [record.message for record in caplog.records]
