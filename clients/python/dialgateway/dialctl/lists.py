"""A list of leads as a whole: opened, its columns decided, read lead by lead, any number of times.

Standard input can be read once only. Where it must be looked through before anything is sent, as behind an
earlier run, it is copied to a temporary file first.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from dialgateway.dialctl.csv_records import CsvRecords
from dialgateway.dialctl.decoding import open_lines
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.layout import ColumnOptions, Layout, layout_of
from dialgateway.dialctl.leads import SKIPPED_COLUMN_CELLS, BadRow, Lead, LeadReader
from dialgateway.dialctl.phone_numbers import PhoneNumbers
from dialgateway.dialctl.records import Record, Records
from dialgateway.dialctl.xlsx_records import XlsxRecords

_ZIP, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""How a file begins that is an Excel workbook, whatever its name is."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How a list is read. `file` is None for standard input; the others are what the user gave."""

    file: Path | None
    campaign_id: str | None = None
    expires_in: timedelta | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    region: str | None = None
    one_dial_per_number: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    @property
    def is_regular(self) -> bool:
        """Whether the list can be read more than once."""
        return self.file is not None and self.file.is_file()


class LeadList:
    """One reading of a list, from its header to its end. Raises UnusableFile and OSError."""

    def __init__(self, options: ListOptions) -> None:
        self._records = _open(options)
        self._rows = iter(self._records)
        try:
            self.layout = _layout(next(self._rows, None), options)
            self.reader = LeadReader(
                self.layout,
                PhoneNumbers(options.region),
                options.campaign_id,
                options.expires_in,
                options.one_dial_per_number,
            )
        except UnusableFile:
            self.close()
            raise

    def __enter__(self) -> LeadList:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._records.close()

    def leads(self) -> Iterator[Lead | BadRow]:
        """Yield what is left of the list."""
        return self.reader.leads(self._rows)

    def count(self) -> int:
        """Return how many rows are left, bad ones included; the list is read to its end by that."""
        return sum(record.leads for record in self._rows)

    def notes_before(self) -> list[str]:
        """Return how the list is read, as far as that is not the usual way."""
        return [*self._records.notes, *self.layout.notes]

    def notes_after(self) -> Iterator[str]:
        """Yield what was found and changed, once the list has been read to its end."""
        reader = self.reader
        if self._records.empty_rows:
            yield f"{self._records.empty_rows:,} empty row{_s(self._records.empty_rows)} skipped"
        if self.layout.unnamed:
            count = len(self.layout.unnamed)
            held = f"; {reader.unnamed_cells:,} {SKIPPED_COLUMN_CELLS}" if reader.unnamed_cells else ""
            yield f"{count} column{_s(count)} without a name skipped{held}"
        for change, count in reader.changed.most_common():
            yield f"{count:,} phone number{_s(count)}: {change}"
        if reader.repeated:
            yield self._about_repeated()

    def _about_repeated(self) -> str:
        reader = self.reader
        lines = ", ".join(map(str, reader.repeated_lines))
        more = " and others" if reader.repeated > len(reader.repeated_lines) else ""
        remedy = "left out" if reader.one_dial_per_number else "--one-dial-per-number leaves them out"
        leads = f"{reader.repeated:,} lead{_s(reader.repeated)} with the number of an earlier line"
        return f"{leads} (line {lines}{more}): {remedy}"


@contextlib.contextmanager
def copied(options: ListOptions) -> Iterator[ListOptions]:
    """Copy standard input to a temporary file, for as long as it is needed, so that it can be read twice."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield replace(options, file=Path(copy.name))


def _open(options: ListOptions) -> Records:
    file = options.file
    begin = _first_bytes(file) if file is not None and options.is_regular else b""
    if file is not None and begin.startswith(_OLD_WORKBOOK):
        raise UnusableFile(f"{file}: is a workbook of an old format; save it as .xlsx or as CSV")
    if file is not None and begin.startswith(_ZIP):
        return XlsxRecords(file, options.sheet)
    decoded = open_lines(file, options.encoding)
    return CsvRecords(decoded.lines, options.delimiter, decoded.encoding_shown)


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as raw:
        return raw.read(4)


def _layout(header: Record | None, options: ListOptions) -> Layout:
    if header is None:
        raise UnusableFile("the file is empty: expected a header and a line per lead")
    if header.problem:
        raise UnusableFile(f"the first line {header.problem}")
    return layout_of(
        header.cells,
        options.columns,
        needs_expiration=options.expires_in is None,
        needs_campaign=options.campaign_id is None,
    )


def _s(count: int) -> str:
    return "s" * (count != 1)
