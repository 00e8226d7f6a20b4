"""A journal on disk: one line of JSON for each call for dial requests.

A line is passed to the operating system before the call is answered. So the file contains every answer that a
client may have received, however the simulator ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from gateway.simulator.journal import AcceptedItem, CallRecord, Delivery, FailedItem


class JournalFile:
    """A journal on disk: it is read at the start, then extended. `close` it.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: a line in it is not one of a journal.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO = path.open("ab", buffering=0)
        _cut_incomplete_line(path, self._file)

    def add(self, record: CallRecord) -> None:
        """Append a call."""
        self._file.write(_line(record))

    def records(self) -> Iterator[CallRecord]:
        """Read every call, oldest first."""
        return read_journal(self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journal(path: Path) -> Iterator[CallRecord]:
    """Read the calls in a journal, even while a simulator writes it; an incomplete last line is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line in it is not one of a journal.

    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _record(json.loads(line))
            except (ValueError, TypeError, KeyError):
                raise ValueError(f"{path}: line {number} is not one of a journal") from None


def _cut_incomplete_line(path: Path, file: FileIO) -> None:
    # A simulator that was killed while it wrote has answered nothing of that call.
    whole = path.read_bytes().rfind(b"\n") + 1
    file.truncate(whole)


def _line(record: CallRecord) -> bytes:
    document = {
        "request_id": record.request_id,
        "at": record.at,
        "operation": record.operation,
        "campaign": record.campaign,
        "items": record.items,
        "result": record.result,
        "delivery": record.delivery,
        "carried_out": record.carried_out,
        "illegal": record.illegal,
        "access_key": record.access_key,
        "tokens": record.tokens,
        "accepted": [(item.token, item.id, item.replayed) for item in record.accepted],
        "failed": [(item.token, item.code) for item in record.failed],
    }
    if record.channels:
        document["channels"] = record.channels
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _record(document: dict[str, Any]) -> CallRecord:
    document["delivery"] = Delivery(document["delivery"])
    document["accepted"] = [
        AcceptedItem(token, id_, replayed=replayed) for token, id_, replayed in document["accepted"]
    ]
    document["failed"] = [FailedItem(token, code) for token, code in document["failed"]]
    return CallRecord(**document)
