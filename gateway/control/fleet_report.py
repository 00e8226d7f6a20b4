"""The report of a replica about its campaigns, as bytes for the other replicas of its fleet.

A report is a version byte and chunks of some hundred rows. Each chunk is compressed JSON behind its length,
so that reports are written and read in parts. Instants are in milliseconds of the store's clock, which all
replicas know.
"""

import json
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.fleet.store_clock import StoreClock
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState

PART = 200
"""Rows in one chunk, written and read in one part: some milliseconds of work."""
VERSION = b"\x01"
"""The form of reports. Those of another form, of a newer or older gateway, are not read."""
LONGEST_CHUNK = 4_000_000
"""Bytes of one chunk before compression, at most: a chunk that claims more is not read."""
_LENGTH_BYTES = 4

Report = Mapping[str, CampaignRow]


class BadReport(Exception):  # noqa: N818 - says what it is
    """Bytes that are no report of this version."""


def written(rows: Sequence[CampaignRow], clock: StoreClock) -> Generator[None, None, bytes]:
    """Return a report, made in parts."""
    report = [VERSION]
    for begin in range(0, len(rows), PART):
        fields = [_fields(row, clock.ms) for row in rows[begin : begin + PART]]
        chunk = zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), level=1)
        report += [len(chunk).to_bytes(_LENGTH_BYTES, "big"), chunk]
        yield
    return b"".join(report)


def read(report: bytes, clock: StoreClock) -> Generator[None, None, Report]:
    """Return the rows of a report, read in parts. Raises `BadReport`."""
    if not report.startswith(VERSION):
        raise BadReport("another version")
    found: dict[str, CampaignRow] = {}
    begin = len(VERSION)
    while begin < len(report):
        length = int.from_bytes(report[begin : begin + _LENGTH_BYTES], "big")
        begin += _LENGTH_BYTES
        found |= {row.campaign_id: row for row in _rows(report[begin : begin + length], clock.instant)}
        begin += length
        yield
    return found


def _rows(chunk: bytes, instant: Callable[[int], float]) -> list[CampaignRow]:
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(chunk, LONGEST_CHUNK)
        if not unpacking.eof:
            raise BadReport("a chunk is too long, or cut")
        return [_row(fields, instant) for fields in json.loads(text)]
    except (zlib.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadReport(type(error).__name__) from None


def _fields(row: CampaignRow, ms: Callable[[float], int]) -> list[object]:
    def when(at: float | None) -> int | None:
        return None if at is None else ms(at)

    return [
        row.campaign_id,
        row.state,
        row.queued,
        row.in_flight,
        when(row.waiting_since),
        row.counts,
        row.rate,
        row.reason,
        row.detail,
        when(row.since),
        when(row.until),
        None if row.hold is None else row.hold._replace(at=ms(row.hold.at)),
        None if row.action is None else row.action._replace(at=ms(row.action.at)),
    ]


def _row(fields: Sequence[Any], instant: Callable[[int], float]) -> CampaignRow:
    """Return a row. Raises `ValueError` or `TypeError` for other fields than `_fields` writes."""
    name, state, queued, in_flight, waiting, counts, rate, reason, detail, since, until, hold, action = fields

    def at(ms: int | None) -> float | None:
        return None if ms is None else instant(ms)

    return CampaignRow(
        str(name),
        CampaignState(state),
        int(queued),
        int(in_flight),
        at(waiting),
        tuple(map(int, counts)),
        float(rate),
        Reason(reason),
        str(detail),
        at(since),
        at(until),
        None if hold is None else Hold(str(hold[0]), str(hold[1]), instant(hold[2]), bool(hold[3])),
        None if action is None else _action(action, instant),
    )


def _action(fields: Sequence[Any], instant: Callable[[int], float]) -> OperatorAction:
    kind, caller, reason, at, answered = fields
    return OperatorAction(ActionKind(kind), str(caller), str(reason), instant(at), int(answered))
