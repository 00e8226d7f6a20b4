"""From a CSV file to leads: dial requests with their line and campaign, and rows that are none.

A bad row is told by line and column, never by what is in it: a phone number may stand in any cell.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dialgateway.values import DialRequest

_ATTRIBUTE = re.compile(r"[A-Za-z0-9_-]+")

_NO_TOKEN_COLUMN = """\
the first line names no column {name!r} among its {count} (--token-column chooses another){hint}.
Each lead needs a token of its own, kept in the file with it: when the file is sent again, the token is what
keeps people from being dialed twice. dialctl makes none up; add the column once, for example with uuids."""  # noqa: S105


class UnusableFile(Exception):  # noqa: N818 - says what is wrong, as the errors of the client do
    """The file as a whole cannot be sent; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that are not attributes."""

    token: str = "client_token"  # noqa: S105 - the name of a column, no secret
    phone: str = "phone_number"
    expiration: str = "expiration_time"
    campaign: str = "campaign_id"

    @property
    def named(self) -> tuple[str, str, str, str]:
        """All four of them."""
        return self.token, self.phone, self.expiration, self.campaign


@dataclass(frozen=True, slots=True)
class Lead:
    """One row that can be sent. `line` is where it begins in the file, counted from 1."""

    line: int
    campaign_id: str
    request: DialRequest


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that cannot be sent. Token and campaign are empty where they are not certain."""

    line: int
    problem: str
    client_token: str = ""
    campaign_id: str = ""


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    cells: list[str]
    problem: str = ""


class _Bad(Exception):  # noqa: N818
    """What is wrong with a row."""


def read_records(lines: Iterable[str]) -> Iterator[_Record]:
    """Split lines into records, each with the line on which it begins; blank lines are skipped."""
    # Strict, because the lenient reading of a stray quote moves cells, and so may dial a wrong number.
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # Not its text: we promise none of the row's. The next record begins with the next line.
            yield _Record(line, [], _quoting_problem(line, reader.line_num))
        else:
            if cells:
                yield _Record(line, cells)


def _quoting_problem(first: int, last: int) -> str:
    where = "" if last <= first else f" (up to line {last})"
    return f"is no valid CSV: check its quotes{where}"


@dataclass(slots=True)
class LeadReader:
    """Reads one file's leads, in order and one at a time. Raises UnusableFile for a header that will not do.

    `seen` keeps one integer per lead, not the token: it is what a big file costs in memory. Two tokens
    with the same 64 bit hash would be taken for one, once in some ten million files of a million leads.
    """

    lines: Iterable[str]
    columns: Columns = field(default_factory=Columns)
    campaign_id: str | None = None
    expires_in: timedelta | None = None
    seen: set[int] = field(default_factory=set)

    def leads(self) -> Iterator[Lead | BadRow]:
        """Check the header at once, and give every row behind it as what it is."""
        records = read_records(self.lines)
        header = self._header(next(records, None))
        return (self._lead(header, record) for record in records)

    def _header(self, record: _Record | None) -> list[str]:
        if record is None:
            raise UnusableFile("the file is empty: expected a header and a line per lead")
        if record.problem:
            raise UnusableFile(f"the first line {record.problem}")
        header = [name.strip() for name in record.cells]
        # No name is printed before these are found: the first line may be a lead, without a header.
        if self.columns.token not in header:
            hint = "; cells are separated by commas" if len(header) == 1 and ";" in header[0] else ""
            text = _NO_TOKEN_COLUMN.format(name=self.columns.token, count=len(header), hint=hint)
            raise UnusableFile(text)
        self._require(header, self.columns.phone, "--phone-column chooses another")
        if self.expires_in is None:
            self._require(header, self.columns.expiration, "or give --expires-in, such as 10m")
        if self.campaign_id is None:
            self._require(header, self.columns.campaign, "or give --campaign")
        self._check_names(header)
        return header

    @staticmethod
    def _require(header: list[str], name: str, remedy: str) -> None:
        if name not in header:
            raise UnusableFile(f"the first line names no column {name!r} ({remedy})")

    def _check_names(self, header: list[str]) -> None:
        for position, name in enumerate(header, start=1):
            if name in header[: position - 1]:
                raise UnusableFile(f"column {position} has the name of an earlier one")
            if name not in self.columns.named and _ATTRIBUTE.fullmatch(name) is None:
                raise UnusableFile(
                    f"column {position} ({name[:40]!r}) cannot be an attribute: its name must be letters, "
                    "digits, '_' and '-'"
                )

    def _lead(self, header: list[str], record: _Record) -> Lead | BadRow:
        if record.problem:
            return BadRow(record.line, record.problem)
        if len(record.cells) != len(header):
            # Cells may have moved, and the last may be cut: nothing of this row is certain.
            return BadRow(record.line, f"has {len(record.cells)} cells, the header {len(header)}")
        row = dict(zip(header, record.cells, strict=True))
        token, campaign_id = row.get(self.columns.token, "").strip(), self._campaign(row)
        try:
            _check_encoding(row)
            request = self._request(row, token)
            self._check_campaign(campaign_id)
            self._check_new(campaign_id, token)
        except _Bad as bad:
            return BadRow(record.line, str(bad), token, campaign_id)
        return Lead(record.line, campaign_id, request)

    def _campaign(self, row: dict[str, str]) -> str:
        return row.get(self.columns.campaign, "").strip() or self.campaign_id or ""

    def _request(self, row: dict[str, str], token: str) -> DialRequest:
        phone_number = row[self.columns.phone].strip()
        if not token:
            raise _Bad(f"{self.columns.token}: is empty")
        if not phone_number:
            raise _Bad(f"{self.columns.phone}: is empty")
        return DialRequest(
            client_token=token,
            phone_number=phone_number,
            expires_at=self._expires_at(row.get(self.columns.expiration, "").strip()),
            attributes={name: cell for name, cell in row.items() if cell and name not in self.columns.named},
        )

    def _expires_at(self, text: str) -> datetime:
        if text:
            return _parse_time(self.columns.expiration, text)
        if self.expires_in is None:
            raise _Bad(f"{self.columns.expiration}: is empty, and there is no --expires-in")
        return datetime.now(UTC) + self.expires_in

    def _check_campaign(self, campaign_id: str) -> None:
        if not campaign_id:
            raise _Bad(f"{self.columns.campaign}: is empty, and there is no --campaign")

    def _check_new(self, campaign_id: str, token: str) -> None:
        key = hash((campaign_id, token))
        if key in self.seen:
            raise _Bad(f"{self.columns.token}: stands in the file before; each lead needs its own")
        self.seen.add(key)


def _check_encoding(row: dict[str, str]) -> None:
    for name, cell in row.items():
        if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
            raise _Bad(f"{name}: is not UTF-8")


def _parse_time(column: str, text: str) -> datetime:
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) and not re.fullmatch(r"\d{8}", text):
            return datetime.fromtimestamp(float(text), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise _Bad(f"{column}: is neither ISO 8601 nor epoch seconds") from None
    if parsed.utcoffset() is None:
        raise _Bad(f"{column}: has no time zone; add Z or an offset such as +02:00")
    return parsed
