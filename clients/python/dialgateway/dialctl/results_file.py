"""The results file: one line per lead, appended when its answer arrives, and read by the next run.

The file is a log: the last line of a lead counts. Each line is passed to the operating system at once, so a
kill loses at most the line that is being written. The next run removes such a partial line.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.leads import BadRow, Lead
from dialgateway.dialctl.log_files import truncate_partial_line
from dialgateway.values import DialResult, Outcome

# The outcomes of dialctl itself, besides those of the gateway.
INVALID_ROW = "INVALID_ROW"
LEFT_OUT = "LEFT_OUT"
NOT_SENT = "NOT_SENT"
UNANSWERED = "UNANSWERED"

HEADER = (
    "line",
    "client_token",
    "campaign_id",
    "outcome",
    "reason",
    "detail",
    "dial_request_id",
    "retry_advice",
    "attempts",
    "replayed",
    "trace_id",
    "digest",
)
_WITHOUT_DIGEST = HEADER[:-1]
"""The header of files from an older dialctl."""
_KNOWN = frozenset({*(outcome.value for outcome in Outcome), INVALID_ROW, LEFT_OUT, NOT_SENT, UNANSWERED})

_SAVED_BY_A_SPREADSHEET = (
    "{}: was saved by a spreadsheet program, which changes the file. Restore the original file, or choose "
    "another with --results; nobody is dialed twice, because the tokens stay the same."
)


class Row(NamedTuple):
    """One line of the file. `digest` is 0 if it is unknown."""

    line: int
    client_token: str
    campaign_id: str
    outcome: str
    reason: str
    detail: str
    digest: int


def cell(text: str) -> str:
    """Escape line ends in a text. Each lead has one line, so a partial line can be recognized."""
    return (
        text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n") if _needs_escapes(text) else text
    )


def _needs_escapes(text: str) -> bool:
    return "\n" in text or "\r" in text or "\\" in text


def check_usable(path: Path) -> None:
    """Raise UnusableFile if a path exists and is not a regular file."""
    if path.exists() and not path.is_file():
        kind = "a directory" if path.is_dir() else "no regular file"
        raise UnusableFile(
            f"--results: {path} is {kind}; results are appended, and read again by the next run"
        )


def read_rows(path: Path) -> Iterator[Row]:
    """Remove a partial last line and yield the lines of a file; nothing if it does not exist.

    Raises UnusableFile if the file was not written by dialctl.
    """
    try:
        with path.open("r+b") as file:
            _check_bytes(file, path)
            truncate_partial_line(file)
    except FileNotFoundError:
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            yield from _rows(rows, str(path))
        except (csv.Error, ValueError):
            raise UnusableFile(f"{path}: line {rows.line_num + 1} was not written by dialctl") from None


def _check_bytes(file: BinaryIO, path: Path) -> None:
    begin = file.read(4096)
    first = begin.split(b"\n", 1)[0].rstrip(b"\r")
    plain = first.replace(b'"', b"").replace(b";", b",").replace(b"\t", b",")
    changed = plain != first or begin[:1] in {b"\xef", b"\xff", b"\xfe", b"P"} or first + b"\r" in begin
    if changed and (begin[:2] == b"PK" or b"client_token" in begin.replace(b"\0", b"")):
        raise UnusableFile(_SAVED_BY_A_SPREADSHEET.format(path))


def _rows(rows: Iterator[list[str]], name: str) -> Iterator[Row]:
    header = next(rows, None)
    if header is None:
        return
    if tuple(header) not in {HEADER, _WITHOUT_DIGEST}:
        raise UnusableFile(f"{name}: is not a results file of dialctl; choose another file with --results")
    for line, row in enumerate(rows, start=2):
        if len(row) not in {len(HEADER), len(_WITHOUT_DIGEST)} or row[3] not in _KNOWN:
            raise UnusableFile(f"{name}: line {line} was not written by dialctl")
        yield _row(row)


def _row(row: list[str]) -> Row:
    digest = int(row[11], 16) if len(row) == len(HEADER) and row[11] else 0
    return Row(int(row[0] or 0), row[1], row[2], intern(row[3]), intern(row[4]), row[5], digest)


class ResultsFile:
    """Appends to the file at `path`, or creates it."""

    def __init__(self, path: Path) -> None:
        # backslashreplace: the token of a bad row may be invalid UTF-8, and is still written.
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace", newline="", buffering=1)
        self._write = csv.writer(self._file, lineterminator="\n").writerow
        if self._file.tell() == 0:
            self._write(HEADER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def abandon(self) -> None:
        """Close a file that cannot be written, and ignore errors."""
        with contextlib.suppress(OSError):
            self._file.close()

    def answered(self, lead: Lead, result: DialResult, digest: int) -> None:
        """Write the answer of a lead."""
        accepted = result.accepted
        texts = (lead.client_token, lead.campaign_id, result.detail, result.dial_request_id, result.trace_id)
        if _needs_escapes("".join(texts)):
            texts = tuple(map(cell, texts))  # type: ignore[assignment]
        token, campaign_id, detail, id_, trace_id = texts
        self._write(
            (
                lead.line,
                token,
                campaign_id,
                result.outcome.value,
                "" if accepted else result.reason.value,
                detail,
                id_,
                "" if accepted else result.retry_advice.value,
                result.attempts,
                "true" if result.replayed else "false",
                trace_id,
                f"{digest:06x}",
            )
        )

    def not_sendable(self, row: BadRow) -> None:
        """Write a row that is not sent, because it is invalid or left out.

        If an earlier run may have sent it, the line says so, since the last line of a lead counts.
        """
        outcome = UNANSWERED if row.in_doubt else LEFT_OUT if row.left_out else INVALID_ROW
        rest = (outcome, "", cell(row.problem), "", "", "", "", "", "")
        self._line(row.line, row.client_token, row.campaign_id, rest)

    def unanswered(self, lead: Lead, *, sent: bool, detail: str = "") -> None:
        """Write a lead without an answer. If it was sent, it may have been dialed."""
        rest = (UNANSWERED if sent else NOT_SENT, "", detail, "", "SAME_TOKEN", "", "", "", "")
        self._line(lead.line, lead.client_token, lead.campaign_id, rest)

    def _line(self, line: int, token: str, campaign_id: str, rest: Sequence[object]) -> None:
        self._write((line, cell(token), cell(campaign_id), *rest))
