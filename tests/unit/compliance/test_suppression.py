"""Suppression lists: what is read, what is reported, and what is found."""

from pathlib import Path

import pytest

from gateway.compliance.errors import SuppressionListError
from gateway.compliance.number_hash import HASH_BYTES, NumberHash
from gateway.compliance.suppression_list import LiveSuppression, LiveSuppressions, NumberTable, Suppressions
from gateway.compliance.suppression_list_file import (
    CHUNK_BYTES,
    ReadList,
    list_reader,
    read_list,
    reloaded_list,
)
from tests.files import ManualClocks, put
from tests.unit.compliance.making import HASHING, LONDON, NEW_YORK


def numbers(count: int, first: int = 2_120_000_000) -> list[str]:
    return [f"+1{first + number}" for number in range(count)]


def test_a_table_has_what_was_put_in_and_nothing_else() -> None:
    """This holds with so many numbers that many share a bucket."""
    listed = [number.encode() for number in numbers(60_000)]
    table = NumberTable(listed[::2])
    assert len(table) == 30_000
    assert all(one in table for one in listed[::2])
    assert not any(one in table for one in listed[1::2])


def test_a_list_of_many_numbers(tmp_path: Path) -> None:
    """Over the border of two chunks; comments, empty lines, spaces and Windows' line ends are skipped."""
    listed = numbers(120_000)
    path = tmp_path / "list"
    path.write_bytes(b"\xef\xbb\xbf# do not call\r\n\r\n" + "\r\n".join([*listed, f"  {LONDON} "]).encode())
    assert path.stat().st_size > CHUNK_BYTES
    found = read_list("dnc", str(path))
    assert (len(found.table), found.bad_lines) == (120_001, 0)
    assert all(number.encode() in found.table for number in (*listed[::997], LONDON))
    assert b"+12119999999" not in found.table
    assert found.in_words() == "120,001 numbers"


def test_lists_of_the_same_numbers_have_the_same_check_sum(tmp_path: Path) -> None:
    """Order, comments and line ends do not count. Each other number does, in lists of any length."""
    listed = numbers(120_000)

    def check_sum(name: str, content: str) -> int:
        path = tmp_path / name
        path.write_bytes(content.encode())
        assert path.stat().st_size > CHUNK_BYTES
        return read_list(name, str(path)).check_sum

    usual = check_sum("usual", "\n".join(listed))
    assert check_sum("reversed", "# of another job\r\n" + "\r\n".join([*listed[::-1], ""])) == usual
    others = [[*listed[:at], LONDON, *listed[at + 1 :]] for at in (0, 60_000, 119_999)]
    assert len({usual, *(check_sum(f"other {at}", "\n".join(other)) for at, other in enumerate(others))}) == 4


def test_short_lists_have_check_sums_of_their_own(tmp_path: Path) -> None:
    """So have pairs of neighbouring numbers, whose CRC-32 have the same exclusive or."""
    path, found = tmp_path / "list", set()
    pairs = [(first, second) for first in range(7) for second in range(first)]
    for pair in pairs:
        path.write_text("\n".join(f"+120255501{last:02}" for last in pair))
        found.add(read_list("dnc", str(path)).check_sum)
    assert len(found) == len(pairs)


def test_bad_lines_are_named_by_their_numbers_only(tmp_path: Path) -> None:
    path = tmp_path / "list"
    lines = numbers(2_000)
    for at in range(100, 1_700, 100):
        lines[at] = "2125550123"
    path.write_text("\n".join(lines) + "\n")
    found = read_list("dnc", str(path))
    assert found.bad_lines == 16
    assert found.first_bad[:2] == (101, 201)
    assert len(found.first_bad) == 10
    assert "16 bad lines (101, 201, 301" in found.in_words()
    assert "2125550123" not in found.in_words()


def test_a_list_with_a_million_bad_lines_is_refused(tmp_path: Path) -> None:
    """Each may be somebody who must not be called. Nothing of a line is in the message."""
    path = tmp_path / "list"
    path.write_bytes(b"secret\n" * 1_000_000)
    with pytest.raises(SuppressionListError) as raised:
        read_list("dnc", str(path))
    assert "1,000,000 bad lines (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...)" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"x" * (3 * CHUNK_BYTES), "\n".join(numbers(9)).encode("utf-16"), b"\0" * 100, b"+12125550123;no\n"],
)
def test_files_that_are_no_lists(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(SuppressionListError):
        read_list("dnc", str(path))


def test_an_empty_list_has_nobody(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"")
    assert len(read_list("dnc", str(path)).table) == 0


def test_a_list_that_disappears_stays(tmp_path: Path) -> None:
    """The list that was read before stays in use, and the complaint says why; a new file replaces it."""
    path = tmp_path / "list"
    put(path, f"{NEW_YORK}\n")
    reloaded = reloaded_list("dnc", str(path))
    path.unlink()
    assert not reloaded.reread()
    assert NEW_YORK.encode() in reloaded.value.table
    assert "lists.dnc: cannot read" in reloaded.complaint
    put(path, "what is this\n")
    assert not reloaded.reread()
    put(path, f"{LONDON}\n{LONDON}\n")
    assert reloaded.reread()
    assert NEW_YORK.encode() not in reloaded.value.table
    assert reloaded.complaint == ""


def test_a_refused_file_is_read_once(tmp_path: Path) -> None:
    """Files are looked at every second, and a large one takes seconds to read."""
    path, reads = tmp_path / "list", 0

    def read(name: str, path: str) -> ReadList:
        nonlocal reads
        reads += 1
        return read_list(name, path)

    put(path, f"{NEW_YORK}\n")
    reloaded = reloaded_list("dnc", str(path), list_reader("dnc", str(path), read))
    put(path, "bad\n" * 5)
    for _ in range(3):
        assert not reloaded.reread()
    assert reads == 2
    assert "5 bad lines" in reloaded.complaint
    put(path, f"{LONDON}\n")
    assert reloaded.reread()
    assert not reloaded.reread()
    assert reads == 3


def test_a_list_that_is_written_while_it_is_read_replaces_nothing(tmp_path: Path) -> None:
    """Its last numbers may be missing. The complete file is read at the next time."""
    path = tmp_path / "list"
    put(path, f"{NEW_YORK}\n{LONDON}\n")
    rest = [""]

    def read(name: str, path_: str) -> ReadList:
        found = read_list(name, path_)
        if more := rest.pop():
            put(path, path.read_text() + more)
        return found

    found = reloaded_list("dnc", str(path), list_reader("dnc", str(path), read))
    put(path, f"{NEW_YORK}\n")
    rest[:] = ["", f"{LONDON}\n"]
    assert not found.reread()
    assert not found.complaint
    assert LONDON.encode() in found.value.table
    assert found.reread()
    assert not found.complaint
    assert len(found.value.table) == 2


def test_a_list_that_is_truncated_before_it_is_read_replaces_nothing(tmp_path: Path) -> None:
    """It was complete when it was looked at, and changes no more while it is read."""
    path = tmp_path / "list"
    truncated = [False]

    def read() -> ReadList:
        if truncated.pop():
            path.write_text("")
        return read_list("dnc", str(path))

    put(path, f"{NEW_YORK}\n")
    clock = ManualClocks()
    found = reloaded_list("dnc", str(path), read, clock.clocks)
    put(path, f"{NEW_YORK}\n{LONDON}\n")
    truncated[:] = [False, True]
    assert not found.reread()
    assert NEW_YORK.encode() in found.value.table
    clock.now += 1.0
    assert not found.reread()
    put(path, f"{NEW_YORK}\n{LONDON}\n")
    assert found.reread()
    assert len(found.value.table) == 2


def test_a_list_that_was_never_there(tmp_path: Path) -> None:
    with pytest.raises(SuppressionListError, match=r"lists\.dnc: cannot read"):
        reloaded_list("dnc", str(tmp_path / "none"))


def test_lists_and_live_suppressions() -> None:
    """A list that is not there has every number. Live suppressions stay when lists change."""
    suppressions, one = Suppressions(), HASHING.of(NEW_YORK)
    told = LiveSuppression(5.0, "Ines", "on the phone")
    assert suppressions.live.add(one, told)
    assert not suppressions.live.add(one, LiveSuppression(6.0, "Jon", "again"))
    suppressions.publish({"a": NumberTable([LONDON.encode()])})
    assert suppressions.found_in(LONDON, ["a"]) == "a"
    assert suppressions.found_in(LONDON, []) is None
    assert suppressions.found_in(NEW_YORK, ["a"]) is None
    assert suppressions.found_in(NEW_YORK, ["a", "b"]) == "b"
    assert list(suppressions.containing(NEW_YORK, ["a", "b"])) == ["b"]
    assert suppressions.live.details(one) == told
    assert suppressions.live.remove(one)
    assert not suppressions.live.remove(one)
    assert one not in suppressions.live
    assert suppressions.live.details(one) is None
    assert suppressions.live.add(one)
    assert suppressions.live.details(one) is None  # it is kept elsewhere


def test_live_suppressions_are_bounded() -> None:
    """A suppression is refused loudly; it displaces none."""
    live = LiveSuppressions(limit=1)
    live.add(b"1" * 8)
    with pytest.raises(OverflowError, match="at most 1 live suppressions"):
        live.add(b"2" * 8)
    assert b"1" * 8 in live


def test_hashes_depend_on_the_key() -> None:
    """Equal keys of any length make equal hashes, other keys make others."""
    long = b"k" * 100
    assert NumberHash(long).of(LONDON) == NumberHash(long).of(LONDON)
    assert len({NumberHash(key).of(LONDON) for key in (b"a", b"b", long, b"k" * 32)}) == 4
    assert len(HASHING.of(LONDON)) == HASH_BYTES


def test_the_digest_of_a_list_depends_on_the_key() -> None:
    """A metric keeps it exactly. Without the key nobody can find out the only number of a list."""
    digests = {NumberHash(key).of_list(1, 4711) for key in (b"a", b"b", b"c" * 99)}
    assert len(digests) == 3
    assert all(int(float(one)) == one < 2**48 for one in digests)
    assert NumberHash(b"a").of_list(1, 4711) in digests
    assert len({HASHING.of_list(count, total) for count in (1, 2, 11) for total in (1, 11, 111)}) == 9
    changed = NumberHash(b"a")
    changed.use(b"b")
    assert changed.of_list(1, 4711) == NumberHash(b"b").of_list(1, 4711)
