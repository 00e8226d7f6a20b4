"""A version of a file counts once its writer has finished, as far as the file system shows it."""

import os
from pathlib import Path

import pytest

from gateway.access.settled_file import COMPUTED_QUIET_S, GROWING_S, SettledFile
from tests.files import ManualClocks, put


@pytest.fixture
def clock() -> ManualClocks:
    return ManualClocks()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.write_text("0123456789\n")
    return path


@pytest.fixture
def file(path: Path, clock: ManualClocks) -> SettledFile:
    """Return the file after its first look."""
    file = SettledFile(str(path), COMPUTED_QUIET_S, clock.clocks)
    assert file.changed()
    assert file.settled
    return file


def look(file: SettledFile, clock: ManualClocks, after_s: float = 1.0) -> tuple[bool, bool]:
    """Look at a file; return whether it has changed, and whether it is settled."""
    clock.now += after_s
    return file.changed(), file.settled


def test_a_file_that_is_written_in_place_counts_after_two_equal_looks(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    assert look(file, clock) == (False, True)
    path.write_text("0123456789 and more\n")
    assert look(file, clock) == (False, False)
    path.write_text("0123456789 and still more\n")
    assert look(file, clock) == (False, False)
    assert look(file, clock, 0.5) == (False, False)
    assert look(file, clock, 0.5) == (True, True)
    assert look(file, clock) == (False, True)


@pytest.mark.parametrize("written", ["", "0123\n"])
def test_a_file_that_is_truncated_counts_after_a_minute(
    written: str, path: Path, file: SettledFile, clock: ManualClocks, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that writes it again may compute for long. A warning names the file, once."""
    path.write_text(written)
    for _ in range(int(COMPUTED_QUIET_S)):
        assert look(file, clock) == (False, False)
    assert len(caplog.records) == 1
    assert f"{path} has become smaller" in caplog.text
    assert look(file, clock) == (True, True)


def test_a_truncated_file_that_is_written_slowly_counts_only_when_it_is_complete(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    """It is not used before it is complete, even if the writer pauses for several seconds."""
    with path.open("w") as writing:
        for written in ("", "0123", "45678", "9\n", "+1\n"):
            writing.write(written)
            writing.flush()
            assert look(file, clock) == (False, False)
            if path.stat().st_size < len("0123456789\n"):
                assert look(file, clock, 5.0) == (False, False)
    assert look(file, clock) == (True, True)


def test_a_renamed_file_counts_at_once(path: Path, file: SettledFile, clock: ManualClocks) -> None:
    """Also a smaller one: it was complete before it got its name."""
    put(path, "0\n")
    assert look(file, clock) == (True, True)


def test_an_empty_file_counts_after_a_minute_even_if_it_was_renamed(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    """A program that creates a file, and sets its mode before it writes, leaves the same signs."""
    put(path, "")
    assert look(file, clock) == (False, False)
    assert look(file, clock) == (False, False)
    assert look(file, clock, COMPUTED_QUIET_S) == (True, True)


def test_a_new_file_that_is_being_written_is_not_taken_for_a_renamed_one(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    other = path.with_suffix(".new")
    other.write_text("something else\n")
    path.unlink()
    os.link(other, path)  # like a rename
    other.write_text("something else again\n")  # written after it got its name
    assert look(file, clock) == (False, False)
    assert look(file, clock) == (True, True)


def test_a_swapped_link_counts_at_once(tmp_path: Path, clock: ManualClocks) -> None:
    """As Kubernetes swaps `..data` when a ConfigMap changes. The files may be of the same instant."""
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "list").write_text(f"version {name}\n")
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "list").symlink_to("data/list")
    file = SettledFile(str(tmp_path / "list"), COMPUTED_QUIET_S, clock.clocks)
    assert look(file, clock) == (True, True)
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert look(file, clock) == (True, True)
    assert look(file, clock) == (False, True)


def test_a_file_that_only_grows_is_used_while_it_is_written(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    """Numbers that are appended every second must count some time."""
    taken = []
    for second in range(3 * int(GROWING_S)):
        with path.open("a") as writing:
            writing.write(f"{second}\n")
        if look(file, clock) == (True, True):
            taken.append(second)
    assert taken == [10, 21]


def test_a_file_that_was_smaller_meanwhile_has_not_only_grown(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    """It was truncated, so its last lines may be missing even when it is longer than before."""
    path.write_text("0\n")
    for second in range(3 * int(GROWING_S)):
        with path.open("a") as writing:
            writing.write(f"{second}\n")
        assert look(file, clock) == (False, False)
    assert path.stat().st_size > len("0123456789\n")


@pytest.mark.parametrize("more", [False, True])
def test_a_first_version_that_was_just_written_is_not_settled(
    more: bool, path: Path, clock: ManualClocks
) -> None:
    """It counts, and it is settled a second later if it has not changed."""
    clock.ahead = path.stat().st_mtime - clock.now
    file = SettledFile(str(path), COMPUTED_QUIET_S, clock.clocks)
    assert look(file, clock, 0.5) == (True, False)
    if more:
        path.write_text("0123456789 and more\n")
    assert look(file, clock) == (False, not more)
    assert look(file, clock) == (more, True)


def test_a_file_that_goes_and_comes_back(path: Path, file: SettledFile, clock: ManualClocks) -> None:
    """That it has gone counts at once; another one counts when it is complete."""
    path.unlink()
    assert look(file, clock) == (True, True)
    assert look(file, clock) == (False, True)
    assert file.modified_at is None
    path.write_text("0123456789\n")
    assert look(file, clock) == (False, False)
    assert look(file, clock) == (True, True)


def test_a_renamed_file_after_one_that_has_gone_counts_at_once(
    path: Path, file: SettledFile, clock: ManualClocks
) -> None:
    """Also with the inode of the former one, which some file systems give to the next file."""
    former = path.rename(path.with_suffix(".former"))
    assert look(file, clock) == (True, True)
    former.write_text("0\n")
    os.utime(former, (1e9, 1e9))
    former.rename(path)
    assert look(file, clock) == (True, True)


def test_a_version_is_told_from_the_next_one(path: Path, file: SettledFile) -> None:
    """A reader that looked before a change must not use what it read after it."""
    assert file.is_as_seen()
    path.write_text("other\n")
    assert not file.is_as_seen()
