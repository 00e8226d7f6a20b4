"""Values read from files keep their last valid content, whatever a changed file contains."""

import threading
from pathlib import Path

import pytest

from gateway.access.errors import AccessError
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import QUIET_S
from tests.files import put


def kept_number(file: Path) -> Reloaded[int]:
    """Keep the number in a file; a text is refused, and nothing at all is a bug of the reader."""

    def read() -> int:
        text = file.read_text()
        if text.isalpha():
            raise AccessError(f"{text} is no number")
        return int(text)

    return Reloaded("the number", [str(file)], read, QUIET_S)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "number"
    put(file, "1")
    return file


def test_a_change_is_taken_over_and_nothing_else_is_read(file: Path) -> None:
    kept = kept_number(file)
    assert not kept.reread()
    put(file, "22")
    assert kept.reread()
    assert kept.value == 22


@pytest.mark.parametrize("text", ["wrong", ""])
def test_what_cannot_be_read_is_a_complaint_and_no_end(
    file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = kept_number(file)
    put(file, text or " ")
    assert not kept.reread()
    assert not kept.reread()
    assert (kept.value, kept.refused) == (1, 1)
    assert kept.complaint
    assert len(caplog.records) == 1
    put(file, "another")
    assert not kept.reread()
    assert kept.refused == 2


def test_there_must_be_a_good_one_to_begin_with(file: Path) -> None:
    file.write_text("wrong")
    with pytest.raises(AccessError, match="wrong is no number"):
        kept_number(file)


def test_links_are_followed_as_kubernetes_swaps_them(tmp_path: Path) -> None:
    """A mounted Secret is a link to a link to a folder; a change swaps the middle one."""
    for version in ("1", "2"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "number").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "number").symlink_to("..data/number")
    kept = kept_number(tmp_path / "number")

    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")

    assert kept.reread()
    assert kept.value == 2


def test_whoever_asks_while_another_reads_waits_for_that(file: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    values = iter([1, 2])

    def read() -> int:
        value = next(values)
        if value > 1:
            begun.set()
            assert go_on.wait(20)
        return value

    kept = Reloaded("the number", [str(file)], read, QUIET_S)
    put(file, "changed")
    first = threading.Thread(target=kept.reread)
    first.start()
    assert begun.wait(20)
    second = threading.Thread(target=kept.reread)
    second.start()
    go_on.set()
    first.join(20)
    second.join(20)
    assert kept.value == 2


def test_what_changes_while_it_is_read_is_no_complaint(file: Path) -> None:
    """A Secret may be swapped between the reading of a certificate and that of its key."""

    def read() -> int:
        text = file.read_text()
        if text == "wrong":
            put(file, "3")
            raise AccessError("it is no number")
        return int(text)

    kept = Reloaded("the number", [str(file)], read, QUIET_S)
    put(file, "wrong")
    assert not kept.reread()
    assert (kept.value, kept.refused, kept.complaint) == (1, 0, "")
    assert kept.reread()
    assert kept.value == 3
