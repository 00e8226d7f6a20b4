"""Read the records of an Excel workbook with openpyxl, which comes with the extra `leads`.

Rows are read one at a time; openpyxl keeps the distinct texts of the workbook in memory. A number becomes its
digits, without the exponent that a spreadsheet program would show. Rows that openpyxl reads in another
way than a person does are refused.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import IO, Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.records import Record, is_filled
from dialgateway.dialctl.xlsx_row_problems import RowProblems

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
_WORKBOOK = "xl/workbook.xml"
_IS_DAMAGED = "{}: is not an Excel workbook, or is damaged; save it as CSV"


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
            problems = RowProblems(self._open_xml, self._workbook_xml())
            if problems.hidden:
                self.notes.append(
                    f"{problems.hidden} hidden rows are read as well, also those that a filter hides"
                )
            yield from self._filled(self._sheet.iter_rows(values_only=True), problems)
        except _DAMAGED:
            raise UnusableFile(_IS_DAMAGED.format(self._name)) from None

    def _open_xml(self) -> IO[bytes]:
        return cast(IO[bytes], self._book._archive.open(self._sheet._worksheet_path))

    def _workbook_xml(self) -> bytes:
        archive = self._book._archive
        return cast(bytes, archive.read(_WORKBOOK)) if _WORKBOOK in archive.namelist() else b""

    def _filled(self, rows: Iterable[tuple[object, ...]], problems: RowProblems) -> Iterator[Record]:
        width = 0
        for line, row in enumerate(rows, start=1):
            cells = [_text(value) for value in row]
            filled = is_filled(cells)
            if problem := problems.of(line, is_filled=filled):
                yield Record(line, [], problem)
            elif not filled:
                self.empty_rows += 1
            else:
                width = width or len(cells)
                # A row ends with its last cell that has a value. Missing cells after it are empty.
                cells += [""] * (width - len(cells))
                yield Record(line, cells)


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
