"""Read the records of an Excel workbook with openpyxl, which comes with the extra `leads`.

Rows are read one at a time; openpyxl keeps the distinct texts of the workbook in memory. A number becomes its
digits, without the exponent that a spreadsheet program would show.

Of merged cells only the first one has a value, although a person reads it in all of them. A row with merged
cells is therefore refused: it would be sent without that value, or with one that belongs to other rows too.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import IO, Any, BinaryIO, NamedTuple
from xml.etree.ElementTree import ParseError

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.records import Record, is_filled

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    AttributeError,
    LookupError,
    ValueError,
    TypeError,
    EOFError,
)
"""The errors that openpyxl raises for damaged workbooks, and for other files."""
_IS_DAMAGED = "{}: is not an Excel workbook, or is damaged; save it as CSV"
_MERGED = re.compile(rb"""mergeCell\s[^>]*?ref=["']([A-Z]+([0-9]+):[A-Z]+([0-9]+))["']""")
_LONGEST_MERGED_TAG = 200
_BLOCK_BYTES = 1 << 20


class _MergedRange(NamedTuple):
    """Merged cells: their first and last row, counted from 1, and their name such as B2:B5."""

    first: int
    last: int
    name: str


class XlsxRecords:
    """The records of one sheet: the one named, or the first visible one. Raises UnusableFile."""

    def __init__(self, name: str, content: BinaryIO, sheet: str | None = None) -> None:
        self.notes: list[str] = []
        self.empty_rows = 0
        self._name = name
        self._file = content  # not by its name: openpyxl refuses one that does not end in .xlsx
        self._book = _open(name, content)
        try:
            self._sheet = self._chosen(sheet)
        except UnusableFile:
            self.close()
            raise

    def _chosen(self, title: str | None) -> Any:
        """Return the sheet with a title, or the first visible one. A sheet may be a chart, without cells."""
        tables = {each.title: each for each in self._book.worksheets}
        visible = [name for name, each in tables.items() if each.sheet_state == "visible"]
        if title is None and not visible:
            raise UnusableFile(f"{self._name}: has no visible sheet with cells; --sheet chooses a hidden one")
        chosen = visible[0] if title is None else title
        if chosen not in tables:
            is_chart = chosen in self._book.sheetnames
            problem = f"sheet {chosen!r} is a chart" if is_chart else f"there is no sheet {chosen!r}"
            raise UnusableFile(f"{problem}; the sheets with cells are {', '.join(map(repr, visible))}")
        if title is None and len(visible) > 1:
            self.notes.append(
                f"sheet {chosen!r} is read, the first of {len(visible)} (--sheet chooses another)"
            )
        return tables[chosen]

    def close(self) -> None:
        """Close the workbook."""
        self._book.close()
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        """Yield the rows that are not blank. Raises UnusableFile if the workbook is damaged."""
        self._sheet.reset_dimensions()  # some programs write a wrong one
        try:
            merged = self._merged_ranges()
            yield from self._filled(self._sheet.iter_rows(values_only=True), merged)
        except _DAMAGED:
            raise UnusableFile(_IS_DAMAGED.format(self._name)) from None

    def _merged_ranges(self) -> list[_MergedRange]:
        """Return the sheet's merged ranges by their first row.

        openpyxl does not provide them when it reads row by row, so the sheet's XML is searched. They come
        after all rows, so the sheet is decompressed once more; that takes far less time than reading its
        cells.
        """
        with self._book._archive.open(self._sheet._worksheet_path) as xml:
            return sorted(_merged_in(xml))

    def _filled(self, rows: Iterable[tuple[object, ...]], merged: Sequence[_MergedRange]) -> Iterator[Record]:
        width, ranges = 0, deque(merged)
        current = _MergedRange(0, 0, "")
        for line, row in enumerate(rows, start=1):
            while ranges and ranges[0].first <= line:
                current = max(current, ranges.popleft(), key=lambda each: each.last)
            cells = [_text(value) for value in row]
            if not is_filled(cells):
                self.empty_rows += 1
                continue
            if line <= current.last:
                yield Record(line, [], f"has merged cells ({current.name}): split them and fill in each cell")
                continue
            width = width or len(cells)
            # A row ends with its last cell that has a value. Missing cells after it are empty.
            cells += [""] * (width - len(cells))
            yield Record(line, cells)


def _merged_in(xml: IO[bytes]) -> Iterator[_MergedRange]:
    """Yield the merged ranges of a sheet's XML."""
    rest = b""
    while block := xml.read(_BLOCK_BYTES):
        text = rest + block
        end = 0
        for match in _MERGED.finditer(text):
            end = match.end()
            yield _MergedRange(int(match[2]), int(match[3]), match[1].decode())
        rest = text[max(end, len(text) - _LONGEST_MERGED_TAG) :]


def _open(file: str, content: BinaryIO) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise UnusableFile(
            f"{file}: reading a workbook needs openpyxl: pip install 'dial-gateway-client[leads]'; or "
            "save it as CSV"
        ) from None
    try:
        return openpyxl.load_workbook(content, read_only=True, data_only=True)
    except _DAMAGED:
        raise UnusableFile(_IS_DAMAGED.format(file)) from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
