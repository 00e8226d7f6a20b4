"""The guard file and its lists change together, and an invalid change replaces nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.compliance.errors import GuardFileError, SuppressionListError
from gateway.compliance.guard_files import GuardFiles
from gateway.directory.directory import NO_DIRECTORY
from tests.files import ManualClocks, put
from tests.unit.compliance.making import LONDON, NEW_YORK, zones


def write_rules(folder: Path, *lists: str, hours: str = "always") -> Path:
    """Write a guard file whose rule names some lists, which are in files of the same names."""
    path = folder / "guard.yaml"
    defined = ", ".join(f"{name}: {{file: {folder / name}}}" for name in lists)
    rule = f"{{name: r, campaigns: ['*'], hours: {hours}, lists: [{', '.join(lists)}]}}"
    put(path, f"version: 1\nlists: {{{defined}}}\nrules: [{rule}]\n")
    return path


def files(path: Path) -> GuardFiles:
    return GuardFiles(str(path), zones(), NO_DIRECTORY)


def test_rules_and_lists_are_read_again_when_they_change(tmp_path: Path) -> None:
    put(tmp_path / "a", f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    assert LONDON.encode() in found.tables()["a"]
    assert not found.reread()
    put(tmp_path / "a", f"{LONDON}\n{NEW_YORK}\n")
    assert found.reread()
    assert NEW_YORK.encode() in found.tables()["a"]
    assert found.lists_in_words() == ["list a: 2 numbers"]
    put(tmp_path / "b", f"{NEW_YORK}\n")
    write_rules(tmp_path, "b")
    assert found.reread()
    assert found.tables().keys() == {"b"}
    assert found.complaints() == []


def test_a_list_that_did_not_change_is_kept(tmp_path: Path) -> None:
    """A change of the rules does not read lists of millions again."""
    put(tmp_path / "a", f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    table = found.tables()["a"]
    write_rules(tmp_path, "a", hours="{monday: ['08:00-21:00']}")
    assert found.reread()
    assert found.tables()["a"] is table


def test_rules_that_name_a_list_which_cannot_be_read_are_not_used(tmp_path: Path) -> None:
    """They are used once the list is there. Until then the earlier rules and their lists apply."""
    put(tmp_path / "a", f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    before = found.rules
    write_rules(tmp_path, "a", "b")
    assert not found.reread()
    assert found.rules is before
    assert found.tables().keys() == {"a"}
    assert len(found.complaints()) == 1
    assert "lists.b: cannot read" in found.complaints()[0]
    put(tmp_path / "b", f"{NEW_YORK}\n")
    assert found.reread()
    assert found.tables().keys() == {"a", "b"}
    assert found.complaints() == []


def test_a_broken_change_of_the_rules_replaces_nothing(tmp_path: Path) -> None:
    put(tmp_path / "a", f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    before = found.rules
    write_rules(tmp_path, "a", hours="sometimes")
    assert not found.reread()
    assert found.rules is before
    assert "rules[0].hours: must be `always`" in found.complaints()[0]


def test_a_list_that_disappears_keeps_its_numbers(tmp_path: Path) -> None:
    put(tmp_path / "a", f"{LONDON}\n")
    found = files(write_rules(tmp_path, "a"))
    (tmp_path / "a").unlink()
    assert not found.reread()
    assert LONDON.encode() in found.tables()["a"]
    assert "lists.a: cannot read" in found.complaints()[0]


def test_the_first_content_must_be_valid(tmp_path: Path) -> None:
    with pytest.raises(GuardFileError):
        files(tmp_path / "none")
    with pytest.raises(SuppressionListError):
        files(write_rules(tmp_path, "a"))


@pytest.fixture
def settling(tmp_path: Path) -> tuple[GuardFiles, Callable[[], bool]]:
    """Return the files of a rule with a list, and a function that reads them again a second later.

    Its wall clock takes all files for ones that were just written.
    """
    clock = ManualClocks()
    (tmp_path / "a").write_text(f"{LONDON}\n{NEW_YORK}\n")
    found = GuardFiles(
        str(write_rules(tmp_path, "a")), zones(), NO_DIRECTORY, clocks=clock.clocks._replace(wall=lambda: 0.0)
    )

    def later() -> bool:
        clock.now += 1.0
        return found.reread()

    assert [found.settled, later(), found.settled] == [False, False, True]
    return found, later


def test_a_list_that_is_truncated_and_written_slowly_is_used_only_when_it_is_complete(
    settling: tuple[GuardFiles, Callable[[], bool]], tmp_path: Path
) -> None:
    """What was read before stays in use meanwhile, without a complaint: nobody is called whom both have."""
    found, later = settling
    with (tmp_path / "a").open("w") as writing:
        for written in ("", f"{LONDON}\n", "# a comment that takes time", "\n", "+12125550100\n"):
            writing.write(written)
            writing.flush()
            assert not later()
            assert NEW_YORK.encode() in found.tables()["a"]
        writing.write(f"{NEW_YORK}\n")
    assert not later()
    assert later()
    assert len(found.tables()["a"]) == 3
    assert found.complaints() == []
    assert found.refused == 0


def test_rules_that_are_written_slowly_are_used_only_when_they_are_complete(
    settling: tuple[GuardFiles, Callable[[], bool]], tmp_path: Path
) -> None:
    """Their first part may be valid, and allow more."""
    found, later = settling
    text = (tmp_path / "guard.yaml").read_text()
    before = found.rules
    for more in ("unmatched: allow\n", "# the end\n"):
        text += more
        (tmp_path / "guard.yaml").write_text(text)
        assert not later()
        assert found.rules is before
    assert later()
    assert found.rules is not before


def test_a_broken_list_is_not_read_again_while_it_changes(
    settling: tuple[GuardFiles, Callable[[], bool]], tmp_path: Path
) -> None:
    """A complaint has the file read at each look, but not while it is written again."""
    found, later = settling
    put(tmp_path / "a", "what is this\n")
    assert not later()
    assert len(found.complaints()) == 1
    for written in (f"{LONDON}\n", f"{LONDON}\n{NEW_YORK}\n"):
        (tmp_path / "a").write_text(written)
        assert not later()
        assert len(found.tables()["a"]) == 2
    assert later()
    assert found.complaints() == []


def test_rules_wait_for_a_new_list_that_is_being_written(
    settling: tuple[GuardFiles, Callable[[], bool]], tmp_path: Path
) -> None:
    """They are used together with the complete list. That is no complaint."""
    found, later = settling
    before = found.rules
    (tmp_path / "b").write_text(f"{LONDON}\n")
    put(tmp_path / "guard.yaml", write_rules(tmp_path, "a", "b").read_text())
    assert not later()
    (tmp_path / "b").write_text(f"{LONDON}\n{NEW_YORK}\n")
    assert not later()
    assert found.rules is before
    assert found.complaints() == []
    assert [found.settled, later(), found.settled] == [False, True, True]
    assert len(found.tables()["b"]) == 2
