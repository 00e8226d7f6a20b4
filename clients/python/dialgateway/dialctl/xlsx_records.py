"""The records of an Excel workbook, by openpyxl, which the extra `leads` brings.

Rows are read one at a time; openpyxl keeps the workbook's distinct texts in memory. A number is written as
its digits, without the exponent that a spreadsheet program would show.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, BinaryIO
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
"""What openpyxl raises for files that are no workbooks, or whose parts are damaged."""
_IS_DAMAGED = "{}: is no Excel workbook, or is damaged; save it as CSV"


class XlsxRecords:
    """The records of one sheet: the one named, or the first that is shown. Raises UnusableFile."""

    def __init__(self, name: str, content: BinaryIO, sheet: str | None = None) -> None:
        self.notes: list[str] = []
        self.empty_rows = 0
        self._name = name
        self._file = content  # not by its name: openpyxl refuses one that does not end in .xlsx
        self._book = _open(name, content)
        names = [each.title for each in self._book.worksheets if each.sheet_state == "visible"]
        chosen = sheet or (names[0] if names else "")
        if chosen not in self._book.sheetnames:
            self.close()
            raise UnusableFile(f"there is no sheet {chosen!r}; there is {', '.join(map(repr, names))}")
        if sheet is None and len(names) > 1:
            self.notes.append(
                f"sheet {chosen!r} is read, the first of {len(names)} (--sheet chooses another)"
            )
        self._sheet = self._book[chosen]

    def close(self) -> None:
        """Close the workbook."""
        self._book.close()
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        """Yield the rows that are not blank."""
        self._sheet.reset_dimensions()  # some programs write a wrong one
        try:
            yield from self._filled(self._sheet.iter_rows(values_only=True))
        except _DAMAGED:
            raise UnusableFile(_IS_DAMAGED.format(self._name)) from None

    def _filled(self, rows: Iterable[tuple[object, ...]]) -> Iterator[Record]:
        width = 0
        for line, row in enumerate(rows, start=1):
            cells = [_text(value) for value in row]
            if not is_filled(cells):
                self.empty_rows += 1
                continue
            width = width or len(cells)
            # A row ends with its last cell that has a value; what is missing behind it is empty.
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
