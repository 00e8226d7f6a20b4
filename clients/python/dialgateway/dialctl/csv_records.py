"""Split a CSV file into records: detect its delimiter, and refuse cells that contain other rows.

Quotes are parsed strictly: tolerating a stray quote would move cells, and so a wrong number might be dialed.
A stray quote can also be valid. It then makes one cell of all lines up to the next quote, so the leads on
these lines would become an attribute of the first one. A cell with lines that look like rows is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TextIO

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.records import Record, is_filled

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_QUOTED = re.compile(r'"[^"]*"')
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){6,}")


class CsvRecords:
    """The records of a CSV file. If `delimiter` is None it is detected in the header.

    `encoding_shown` is shown to the user if it is not empty.
    """

    def __init__(self, lines: TextIO, delimiter: str | None = None, encoding_shown: str = "") -> None:
        self._lines = lines
        self.notes = [f"read as {encoding_shown}"] if encoding_shown else []
        self.empty_rows = 0
        first = lines.readline()
        self._before = 0  # lines of the file before the header
        separator = _SEPARATOR_LINE.fullmatch(first.rstrip("\r\n"))
        if separator is not None:  # spreadsheet programs write and read this line
            delimiter = delimiter or separator[1]
            first, self._before = lines.readline(), 1
        self._first = first
        self._delimiter = delimiter or delimiter_of(first)
        if delimiter is None and self._delimiter != ",":
            self.notes.append(f"cells are separated by {DELIMITERS[self._delimiter]}s")

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def __iter__(self) -> Iterator[Record]:
        """Yield the header and all other rows that are not empty."""
        taken = _RecordLines(chain([self._first] if self._first else [], self._lines))
        reader = csv.reader(taken, strict=True, delimiter=self._delimiter)
        width = 0
        while True:
            line = reader.line_num + 1 + self._before
            taken.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # The error's text is not shown: it may contain the row. The next record begins on the next
                # line.
                too_long = str(error).startswith("field larger")
                what = f"has a cell of more than {csv.field_size_limit():,} characters" if too_long else ""
                yield self._refused(line, taken, what or "is no valid CSV", width)
                continue
            if not is_filled(cells):
                self.empty_rows += bool(cells)  # a blank line is not a row
                continue
            if len(taken.lines) > 1 and width and self._holds_rows(taken.lines, width):
                yield self._refused(line, taken, "has a cell that holds other rows", width)
                continue
            width = width or len(cells)
            yield Record(line, cells)

    def _refused(self, line: int, taken: _RecordLines, what: str, width: int) -> Record:
        last = line + len(taken.lines) - 1
        if last <= line:
            return Record(line, [], f"{what}: check its quotes")
        leads = 1 + sum(self._looks_like_a_row(text, width) for text in taken.lines[1:])
        return Record(
            line,
            [],
            f"{what}: a quote is missing or too many in lines {line} to {last}; "
            f"these lines contain about {leads} lead{'s' * (leads != 1)}, none of which is sent",
            leads,
        )

    def _holds_rows(self, lines: list[str], width: int) -> bool:
        """Whether any line of a record after its first one looks like a row."""
        return any(self._looks_like_a_row(line, width) for line in lines[1:])

    def _looks_like_a_row(self, line: str, width: int) -> bool:
        cells = _QUOTED.sub("", line).count(self._delimiter) + 1
        return cells >= max(width, 2) and _NUMBER.search(line) is not None


class _RecordLines:
    """Passes lines to the CSV reader, and keeps those of the current record in `lines`."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self.lines: list[str] = []

    def begin(self) -> None:
        """Forget the lines of the last record."""
        self.lines.clear()

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = next(self._source)
        self.lines.append(line)
        return line


def delimiter_of(header: str) -> str:
    """Return the most frequent delimiter in a header, outside quotes; a comma if there is none."""
    bare = _QUOTED.sub("", header)
    return max(DELIMITERS, key=bare.count) if any(map(bare.count, DELIMITERS)) else ","


def delimiter_named(text: str) -> str:
    """Return the delimiter for a name or a character. Raises UnusableFile."""
    named = {name: character for character, name in DELIMITERS.items()} | {"\\t": "\t"}
    delimiter = named.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UnusableFile("--delimiter: give one character, or comma, semicolon, tab or pipe")
    return delimiter
