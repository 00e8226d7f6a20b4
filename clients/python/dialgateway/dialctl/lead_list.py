"""Open a list of leads, decide what its columns are, and read it lead by lead, any number of times.

Standard input can be read only once. If it must be read before anything is sent, as after an earlier run, it
is copied to a temporary file first.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

from dialgateway.contact_channels import Channel, Email
from dialgateway.dialctl.column_layout import ColumnLayout, ColumnOptions, column_layout
from dialgateway.dialctl.csv_records import CsvRecords
from dialgateway.dialctl.decoding import open_lines
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.leads import SKIPPED_COLUMN_CELLS, BadRow, Lead, LeadReader
from dialgateway.dialctl.phone_numbers import PhoneNumbers
from dialgateway.dialctl.records import Record, Records
from dialgateway.dialctl.xlsx_records import XlsxRecords

_ZIP, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""The first bytes of an Excel workbook. The file name does not matter."""

_COMPRESSED = b"\x1f\x8b"
_WEB_PAGES = (b"<html", b"<!doctype", b"<table", b"<?xml")
_BEGIN_BYTES = 64


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How to read a list. `file` is None for standard input; the other fields are the user's options.

    `channel` is that of all leads, with an empty address for e-mails. `copy` is a copy of standard input, if
    that is read more than once.
    """

    file: Path | None
    campaign_id: str | None = None
    expires_in: timedelta | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    region: str | None = None
    one_dial_per_number: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    copy: BinaryIO | None = None
    channel: Channel | None = None

    @property
    def is_regular(self) -> bool:
        """Whether the list can be read more than once."""
        return self.copy is not None or (self.file is not None and self.file.is_file())

    def open(self) -> BinaryIO:
        """Open the list at its beginning. A copy can have only one reader at a time. Raises OSError."""
        if self.copy is not None:
            again = os.fdopen(os.dup(self.copy.fileno()), "rb")
            again.seek(0)
            return again
        # Not `sys.stdin`: the interpreter closes that at its exit, while a thread may still block in it.
        return os.fdopen(0, "rb", closefd=False) if self.file is None else self.file.open("rb")


class LeadList:
    """Reads a list once, from its header to its end. Raises UnusableFile and OSError."""

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
                options.channel,
            )
        except UnusableFile:
            self.close()
            raise

    def __enter__(self) -> LeadList:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def leads(self) -> Iterator[Lead | BadRow]:
        """Yield the remaining leads and bad rows."""
        return self.reader.leads(self._rows)

    def count(self) -> int:
        """Read the list to its end. Return how many rows there were, with bad ones."""
        return sum(record.leads for record in self._rows)

    def notes_before(self) -> list[str]:
        """Return notes about how the list is read, before it is read."""
        return [*self._records.notes, *self.layout.notes]

    def notes_after(self) -> Iterator[str]:
        """Yield notes about what was skipped and changed, after the list was read to its end."""
        reader = self.reader
        if self._records.empty_rows:
            yield f"{self._records.empty_rows:,} empty row{_s(self._records.empty_rows)} skipped"
        if self.layout.unnamed:
            count = len(self.layout.unnamed)
            filled = f"; {reader.unnamed_cells:,} {SKIPPED_COLUMN_CELLS}" if reader.unnamed_cells else ""
            yield f"{count} column{_s(count)} without a name skipped{filled}"
        for change, count in reader.changed.most_common():
            yield f"{count:,} phone number{_s(count)}: {change}"
        if reader.repeated:
            yield self._about_repeated()

    def _about_repeated(self) -> str:
        reader = self.reader
        lines = ", ".join(map(str, reader.repeated_lines))
        others = reader.repeated - len(reader.repeated_lines)
        more = f" and {others:,} more" if others else ""
        remedy = "left out" if reader.one_dial_per_number else "--one-dial-per-number leaves them out"
        what = "address" if self.layout.to_email else "number"
        leads = f"{reader.repeated:,} lead{_s(reader.repeated)} with the {what} of an earlier line"
        return f"{leads} (line {lines}{more}): {remedy}"


@contextlib.contextmanager
def copied(options: ListOptions) -> Iterator[ListOptions]:
    """Copy standard input to a temporary file while the context lasts, so that it can be read twice.

    The copy contains phone numbers. The system removes it when it is closed, even by a kill.
    """
    with tempfile.TemporaryFile() as copy:
        with options.open() as source:
            shutil.copyfileobj(source, copy)
        copy.flush()
        yield replace(options, copy=copy)


def _open(options: ListOptions) -> Records:
    content = options.open()
    try:
        name = "standard input" if options.file is None else str(options.file)
        if _is_workbook(name, content):
            return XlsxRecords(name, content, options.sheet)
        decoded = open_lines(content, options.encoding, is_regular=options.is_regular)
        return CsvRecords(decoded.lines, options.delimiter, decoded.encoding_shown)
    except UnusableFile:
        content.close()
        raise


def _is_workbook(name: str, content: BinaryIO) -> bool:
    """Whether a list is a workbook, by its first bytes. Raises UnusableFile for unknown formats."""
    start = cast("io.BufferedReader", content).peek(_BEGIN_BYTES)[:_BEGIN_BYTES]
    if start.startswith(_COMPRESSED):
        raise UnusableFile(f"{name}: is compressed; unpack it first")
    if start.lstrip(codecs.BOM_UTF8).lstrip().lower().startswith(_WEB_PAGES):
        raise UnusableFile(f"{name}: is a web page or XML; save it as .xlsx or as CSV")
    if start.startswith(_OLD_WORKBOOK):
        raise UnusableFile(f"{name}: is a workbook of an old format; save it as .xlsx or as CSV")
    if start.startswith(_ZIP) and not content.seekable():
        raise UnusableFile(
            f"{name}: is a workbook, which cannot be read from a pipe; give the name of a file"
        )
    return start.startswith(_ZIP)


def _layout(header: Record | None, options: ListOptions) -> ColumnLayout:
    if header is None:
        raise UnusableFile("the file is empty: expected a header and a line per lead")
    if header.problem:
        raise UnusableFile(f"the first line {header.problem}")
    return column_layout(
        header.cells,
        options.columns,
        needs_expiration=options.expires_in is None,
        needs_campaign=options.campaign_id is None,
        to_email=isinstance(options.channel, Email),
    )


def _s(count: int) -> str:
    return "s" * (count != 1)
