"""Reads a suppression list: a text file with one number in the form E.164 in each line.

Empty lines and lines that begin with `#` are skipped. A bad line is counted, and the first ones are named by
their line numbers, never by their text: it may be a phone number. A file with many bad lines is refused,
since each may be a number that must not be called.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from gateway.access.reloading import Reloaded
from gateway.access.settled_file import COMPUTED_QUIET_S, SYSTEM_CLOCKS, FileClocks, Signature, signature_of
from gateway.compliance.errors import SuppressionListError
from gateway.compliance.suppression_list import NumberTable

CHUNK_BYTES = 1 << 20
NAMED = 10
"""The most bad lines that a message names."""
MAX_BAD_SHARE = 0.01
_NUMBER = re.compile(rb"^[ \t]*(\+[1-9][0-9]{1,14})[ \t]*\r?$", re.MULTILINE)
_SKIPPED = re.compile(rb"[ \t]*(?:#.*)?\r?").fullmatch


class ReadList(NamedTuple):
    """A list that was read: its numbers, the number of bad lines, and the line numbers of the first ones.

    `check_sum` is that of the numbers, in any order. Numbers can be guessed from it, so it is kept here.
    """

    table: NumberTable
    bad_lines: int
    first_bad: tuple[int, ...]
    check_sum: int = 0

    def in_words(self) -> str:
        """Return what was read in one line."""
        numbers = f"{len(self.table):,} numbers"
        return f"{numbers}; {_bad(self.bad_lines, self.first_bad)}" if self.bad_lines else numbers


def reloaded_list(
    name: str,
    path: str,
    read: Callable[[], ReadList] | None = None,
    clocks: FileClocks = SYSTEM_CLOCKS,
) -> Reloaded[ReadList]:
    """Return a list that is read again when its file changes. Raises `SuppressionListError`.

    If the file disappears or is refused, the list that was read before stays, and the complaint says why.
    `read` replaces the `list_reader`.
    """
    read = read or list_reader(name, path)
    return Reloaded(f"the suppression list {name}", (path,), read, COMPUTED_QUIET_S, clocks)


def list_reader(
    name: str, path: str, read: Callable[[str, str], ReadList] | None = None
) -> Callable[[], ReadList]:
    """Return a function that reads a list, but a refused file only once, since a large one takes seconds.

    The function raises the `SuppressionListError` of the file each time. `read` replaces `read_list`.
    """
    read = read or read_list
    refused: tuple[Signature | None, SuppressionListError] | None = None

    def read_changed() -> ReadList:
        nonlocal refused
        found = signature_of(path)
        if refused is not None and refused[0] == found:
            raise SuppressionListError(str(refused[1]))
        try:
            return read(name, path)
        except SuppressionListError as error:
            refused = found, error
            raise

    return read_changed


def read_list(name: str, path: str) -> ReadList:
    """Read a list from its file. Raises `SuppressionListError`."""
    reading = _Reading()
    try:
        table = NumberTable(reading.numbers(Path(path)))
    except OSError as error:
        raise SuppressionListError(f"lists.{name}: cannot read {path}: {error.strerror}") from error
    if reading.bad_lines > MAX_BAD_SHARE * (len(table) + reading.bad_lines):
        raise SuppressionListError(
            f"lists.{name}: {path}: {_bad(reading.bad_lines, tuple(reading.first_bad))}; of "
            f"{len(table) + reading.bad_lines:,} lines at most 1 in 100 may be bad"
        )
    return ReadList(table, reading.bad_lines, tuple(reading.first_bad), reading.check_sum)


class _Reading:
    """Reads one file, counts its bad lines, and adds up a check sum of its numbers.

    The sum of CRC-32 takes a tenth of the time of reading. Two lists that differ have the same sum once in
    four billion cases.
    """

    def __init__(self) -> None:
        self._lines = 0
        self.check_sum = 0
        self.bad_lines = 0
        self.first_bad: list[int] = []

    def numbers(self, path: Path) -> Iterator[bytes]:
        for chunk in _whole_lines(path):
            numbers = _NUMBER.findall(chunk)
            lines = chunk.count(b"\n")
            if len(numbers) != lines:
                self._look_at(chunk)
            self._lines += lines
            self.check_sum += sum(map(crc32, numbers))
            yield from numbers

    def _look_at(self, chunk: bytes) -> None:
        """Count the bad lines of a chunk in which not every line is a number."""
        for number, line in enumerate(chunk[:-1].split(b"\n"), self._lines + 1):
            if _NUMBER.fullmatch(line) is None and not _SKIPPED(line):
                self.bad_lines += 1
                if len(self.first_bad) < NAMED:
                    self.first_bad.append(number)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces of whole lines; only a line that is too long is divided."""
    rest = b""
    with path.open("rb") as file:
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        while piece := file.read(CHUNK_BYTES):
            head, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield rest + head + newline
                rest = tail
            else:
                rest = (rest + piece)[-CHUNK_BYTES:]
    if rest:
        yield rest + b"\n"


def _bad(count: int, first: tuple[int, ...]) -> str:
    more = ", ..." if count > len(first) else ""
    lines = ", ".join(map(str, first))
    return f"{count:,} bad lines ({lines}{more}): each must be a number such as +12025550123"
