"""Convert records to leads, or to bad rows with the problem.

Messages name the line and the column of a problem and never the content of a cell, which may be a phone
number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from zlib import crc32

from dialgateway.contact_channels import Channel, Email
from dialgateway.dialctl.column_layout import (
    CAMPAIGN,
    EMAIL_ADDRESS,
    EXPIRATION,
    PHONE,
    TOKEN,
    ColumnLayout,
)
from dialgateway.dialctl.phone_numbers import BadNumber, PhoneNumbers
from dialgateway.dialctl.records import Record
from dialgateway.values import DialRequest

_LONGEST_ATTRIBUTE = 32_767  # Amazon Connect's, botocore model connectcampaigns/2021-01-30
_LONGEST_ADDRESS = 255  # likewise, botocore model connectcampaignsv2/2024-04-23
_address = re.compile(r"[^\s@\ud800-\udfff]+@[^\s@\ud800-\udfff]+\.[^\s@\ud800-\udfff]+").fullmatch
_token = re.compile(r"[a-zA-Z0-9_\-.]{1,200}").fullmatch
_part_of_a_token = re.compile(r"[a-zA-Z0-9_\-]{1,64}").fullmatch
_DIGESTS = (1 << 24) - 1
_FIRST_SECOND = 100_000_000  # in 1973; a smaller number is a date as spreadsheets store it, in days
_ERROR_VALUES = frozenset(
    "#CALC! #DIV/0! #ERROR! #N/A #NAME? #NULL! #NUM! #REF! #SPILL! #VALUE!".split()  # noqa: SIM905 - they are read
)
"""What spreadsheet programs show, and write to CSV, for a formula without a result."""
SKIPPED_COLUMN_CELLS = "cells in columns without a name are not sent"


@dataclass(slots=True)
class Lead:
    """One row that can be sent. `line` is where it begins in the file, counted from 1.

    `expires_at` is None if the time of the lead begins when it is handed over. `in_doubt`: Amazon Connect may
    have it from an earlier run. An e-mail has its address in the `channel`, and an empty phone number.
    """

    line: int
    campaign_id: str
    client_token: str
    phone_number: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None
    in_doubt: bool = False
    channel: Channel | None = field(default=None, repr=False)

    def request(self, expires_in: timedelta | None) -> DialRequest:
        """Return the dial request of a lead that is handed over now."""
        until = self.expires_at or datetime.now(UTC) + (expires_in or timedelta())
        return DialRequest(
            self.client_token,
            self.phone_number,
            until,
            self.attributes,
            in_doubt=self.in_doubt,
            channel=self.channel,
        )

    def digest(self, expires_in: timedelta | None) -> int:
        """Return a number of 24 bits, never 0, that depends on all that is sent of the lead.

        It is too short to find the phone number by trying all numbers: many of them have the same digest.
        """
        until = self.expires_at or expires_in
        parts = chain((self.phone_number, str(until)), *sorted(self.attributes.items()))
        if self.channel is not None:
            parts = chain(parts, _parts_of(self.channel))
        return crc32("\0".join(parts).encode()) % _DIGESTS + 1


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row, or several with about `leads` leads, that is not sent.

    Token and campaign are empty if they are not certain, or belong to another row. `left_out`: the user's
    options exclude it, and nothing is wrong with it. `in_doubt`: an earlier run may have sent it.
    """

    line: int
    problem: str
    client_token: str = ""
    campaign_id: str = ""
    leads: int = 1
    left_out: bool = False
    in_doubt: bool = False


class _BadCell(Exception):  # noqa: N818
    """A cell is invalid. The message names its column."""


@dataclass(slots=True)
class LeadReader:
    """Converts the records of one list, in order.

    `campaign_id` and `expires_in` are used for empty or missing cells. `channel` is that of all leads; an
    e-mail gets the address of its row. With `one_dial_per_number` a second lead with the same number or
    address is left out; otherwise it is sent and counted.

    For each lead one integer is kept for its token and one for its number, instead of the texts. Two tokens
    with the same hash of 60 bits would be treated as equal, once in some million files of a million leads.
    `changed` counts the changes of numbers by kind; `repeated` counts the leads with the number of an earlier
    line.
    """

    layout: ColumnLayout
    numbers: PhoneNumbers
    campaign_id: str | None = None
    expires_in: timedelta | None = None
    one_dial_per_number: bool = False
    channel: Channel | None = None
    changed: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    repeated_lines: list[int] = field(default_factory=list)
    unnamed_cells: int = 0
    _tokens_seen: set[int] = field(default_factory=set)
    _numbers_seen: set[int] = field(default_factory=set)

    def leads(self, records: Iterator[Record]) -> Iterator[Lead | BadRow]:
        """Yield a lead or a bad row for each record after the header."""
        return map(self.lead, records)

    def lead(self, record: Record) -> Lead | BadRow:
        """Return the lead of a record, or a bad row."""
        if record.problem:
            return BadRow(record.line, record.problem, leads=record.leads)
        layout, cells = self.layout, record.cells
        if len(cells) != layout.width and (len(cells) < layout.width or any(cells[layout.width :])):
            # Cells may have moved, and the last may be incomplete, so no cell of this row is certain.
            found = f"has {len(cells)} cells, the header {layout.width}"
            return BadRow(record.line, f"{found}: check its delimiters and quotes, or export the list again")
        token = campaign_id = ""
        try:
            campaign_id = self._campaign(cells)
            token = self._token(cells)
            number = self._address(cells) if layout.to_email else self._number(cells)
            attributes = self._attributes(cells)
            expires_at = self._expires_at(cells)
        except _BadCell as bad:
            return BadRow(record.line, str(bad), token, campaign_id)
        if not self._is_new(campaign_id, token):
            # Without the token: in the results this would be the last line of the earlier row.
            return BadRow(
                record.line, f"{TOKEN}: an earlier line has the same token; each lead needs its own"
            )
        repeated = self._is_repeated(record.line, number)
        if repeated and self.one_dial_per_number:
            name, what = (EMAIL_ADDRESS, "address") if layout.to_email else (PHONE, "number")
            problem = f"{name}: an earlier line has the same {what}"
            return BadRow(record.line, problem, token, campaign_id, left_out=True)
        channel = self.channel
        if isinstance(channel, Email):
            number, channel = "", replace(channel, destination_address=number)
        return Lead(record.line, campaign_id, token, number, attributes, expires_at, channel=channel)

    def _campaign(self, cells: list[str]) -> str:
        at = self.layout.campaign
        campaign_id = (cells[at].strip() if at is not None else "") or self.campaign_id
        if not campaign_id:
            raise _BadCell(f"{CAMPAIGN}: is empty, and there is no --campaign")
        return campaign_id

    def _token(self, cells: list[str]) -> str:
        layout = self.layout
        if layout.token_is_built:
            return self._built_token(cells)
        token = cells[layout.token[0]].strip()
        if not token:
            raise _BadCell(f"{TOKEN}: is empty")
        if _token(token) is None:
            raise _BadCell(
                f"{TOKEN}: must be 1 to 200 of a-z, A-Z, 0-9, '_', '-', '.'; --token-from builds such tokens"
            )
        return token

    def _built_token(self, cells: list[str]) -> str:
        """Return the values of the token's columns joined by dots, or a digest of them.

        It is a digest if a token may not contain the values, or if one of them is the phone number.
        """
        layout = self.layout
        values = [cells[at].strip() for at in layout.token]
        for at, value in zip(layout.token, values, strict=True):
            if not value:
                raise _BadCell(f"{layout.names[at]}: is empty, and the token is built from it")
        if layout.phone not in layout.token and all(map(_part_of_a_token, values)):
            token = ".".join(values)
            if len(token) <= 200:
                return token
        return blake2b("\0".join(values).encode("utf-8", "replace"), digest_size=16).hexdigest()

    def _number(self, cells: list[str]) -> str:
        try:
            number, change = self.numbers.clean(cells[self.layout.phone])
        except BadNumber as bad:
            raise _BadCell(f"{self.layout.names[self.layout.phone]}: {bad}") from None
        if change:
            self.changed[change] += 1
        return number

    def _address(self, cells: list[str]) -> str:
        address, name = cells[self.layout.phone].strip(), self.layout.names[self.layout.phone]
        if not address:
            raise _BadCell(f"{name}: is empty")
        if len(address) > _LONGEST_ADDRESS or not _address(address):
            raise _BadCell(f"{name}: is not an e-mail address")
        return address

    def _attributes(self, cells: list[str]) -> dict[str, str]:
        attributes = {name: cell for at, name in self.layout.attributes if (cell := cells[at])}
        for name, value in attributes.items():
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise _BadCell(
                    f"{name}: has bytes that are invalid in the file's encoding; try another --encoding"
                )
            if value in _ERROR_VALUES:
                raise _BadCell(f"{name}: has the error value of a formula; correct it in the spreadsheet")
            if "\0" in value:
                raise _BadCell(f"{name}: contains a zero byte")
            if len(value) > _LONGEST_ATTRIBUTE:
                raise _BadCell(f"{name}: is longer than {_LONGEST_ATTRIBUTE:,} characters")
        if self.layout.unnamed:
            self.unnamed_cells += sum(1 for at in self.layout.unnamed if cells[at].strip())
        return attributes

    def _expires_at(self, cells: list[str]) -> datetime | None:
        at = self.layout.expiration
        text = cells[at].strip() if at is not None else ""
        if text:
            return _parse_time(EXPIRATION, text)
        if self.expires_in is None:
            raise _BadCell(f"{EXPIRATION}: is empty, and there is no --expires-in")
        return None

    def _is_new(self, campaign_id: str, token: str) -> bool:
        key = hash((campaign_id, token)) & KEY_BITS
        if key in self._tokens_seen:
            return False
        self._tokens_seen.add(key)
        return True

    def _is_repeated(self, line: int, number: str) -> bool:
        key = hash(number) & KEY_BITS
        if key not in self._numbers_seen:
            self._numbers_seen.add(key)
            return False
        self.repeated += 1
        if self.repeated <= REPEATED_LINES_SHOWN:
            self.repeated_lines.append(line)
        return True


KEY_BITS = (1 << 60) - 1
"""The bits of a hash that are kept for a token or a number. A larger Python integer takes 4 bytes more."""
LINES_SHOWN = 20
"""How many bad lines are described on the screen at most."""
REPEATED_LINES_SHOWN = 5
"""How many lines with a repeated number are named at most; their count is always shown."""


def _parts_of(channel: Channel) -> Iterator[str]:
    """Yield texts that identify a channel and its settings."""
    yield type(channel).__name__
    for each in fields(channel):
        if each.compare:
            yield f"{getattr(channel, each.name)}"


def _parse_time(column: str, text: str) -> datetime:
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) and not re.fullmatch(r"\d{8}", text):
            return _since_the_epoch(column, float(text))
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise _BadCell(f"{column}: is neither ISO 8601 nor seconds since 1970") from None
    if parsed.utcoffset() is None:
        raise _BadCell(f"{column}: has no time zone; add Z or an offset such as +02:00")
    return parsed


def _since_the_epoch(column: str, seconds: float) -> datetime:
    if seconds < _FIRST_SECOND:
        raise _BadCell(
            f"{column}: is a number of days, as spreadsheets store dates; write it as 2030-01-02T12:00:00Z"
        )
    return datetime.fromtimestamp(seconds, UTC)
