"""The guard file and its lists change together, and an invalid change replaces nothing."""

from pathlib import Path

import pytest

from gateway.compliance.errors import GuardFileError, SuppressionFileError
from gateway.compliance.guard_files import GuardFiles
from gateway.directory.directory import NO_DIRECTORY
from tests.unit.compliance.making import LONDON, NEW_YORK, zones


def write_rules(folder: Path, *lists: str, hours: str = "always") -> Path:
    """Write a guard file whose rule names some lists, which are in files of the same names."""
    path = folder / "guard.yaml"
    defined = ", ".join(f"{name}: {{file: {folder / name}}}" for name in lists)
    rule = f"{{name: r, campaigns: ['*'], hours: {hours}, lists: [{', '.join(lists)}]}}"
    path.write_text(f"version: 1\nlists: {{{defined}}}\nrules: [{rule}]\n")
    return path


def files(path: Path) -> GuardFiles:
    return GuardFiles(str(path), zones(), NO_DIRECTORY)


def test_rules_and_lists_are_read_again_when_they_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    assert LONDON.encode() in found.tables()["a"]
    assert not found.reread()
    (tmp_path / "a").write_text(f"{LONDON}\n{NEW_YORK}\n")
    assert found.reread()
    assert NEW_YORK.encode() in found.tables()["a"]
    assert found.lists_in_words() == ["list a: 2 numbers"]
    (tmp_path / "b").write_text(f"{NEW_YORK}\n")
    write_rules(tmp_path, "b")
    assert found.reread()
    assert found.tables().keys() == {"b"}
    assert found.complaints() == []


def test_a_list_that_did_not_change_is_kept(tmp_path: Path) -> None:
    """A change of the rules does not read lists of millions again."""
    (tmp_path / "a").write_text(f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    table = found.tables()["a"]
    write_rules(tmp_path, "a", hours="{monday: ['08:00-21:00']}")
    assert found.reread()
    assert found.tables()["a"] is table


def test_rules_that_name_a_list_which_cannot_be_read_are_not_used(tmp_path: Path) -> None:
    """Not before the list is there. Until then the earlier rules and their lists apply."""
    (tmp_path / "a").write_text(f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    before = found.rules
    write_rules(tmp_path, "a", "b")
    assert not found.reread()
    assert found.rules is before
    assert found.tables().keys() == {"a"}
    assert len(found.complaints()) == 1
    assert "lists.b: cannot read" in found.complaints()[0]
    (tmp_path / "b").write_text(f"{NEW_YORK}\n")
    assert found.reread()
    assert found.tables().keys() == {"a", "b"}
    assert found.complaints() == []


def test_a_broken_change_of_the_rules_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    before = found.rules
    write_rules(tmp_path, "a", hours="sometimes")
    assert not found.reread()
    assert found.rules is before
    assert "rules[0].hours: must be `always`" in found.complaints()[0]


def test_a_list_that_disappears_keeps_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    (tmp_path / "a").unlink()
    assert not found.reread()
    assert LONDON.encode() in found.tables()["a"]
    assert "lists.a: cannot read" in found.complaints()[0]


def test_the_first_content_must_be_valid(tmp_path: Path) -> None:
    with pytest.raises(GuardFileError):
        files(tmp_path / "none")
    with pytest.raises(SuppressionFileError):
        files(write_rules(tmp_path, "a"))
