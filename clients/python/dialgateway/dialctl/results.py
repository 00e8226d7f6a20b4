"""The results file: a line for each lead, appended as its answer arrives, and read again by the next run.

The file is a log: where a lead has several lines, the last one counts. Each line goes to the system at once
and is whole in itself, so that whatever ends the command costs at most the line that was being written. What
is left of such a line is cut off by the next run.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Self

from dialgateway.dialctl.leads import BadRow, Lead, UnusableFile
from dialgateway.values import DialResult, Outcome

# What a lead's line says besides the gateway's own outcomes.
INVALID_ROW = "INVALID_ROW"
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
)

SETTLED = frozenset({Outcome.ACCEPTED.value, Outcome.REJECTED.value, Outcome.EXPIRED.value})
"""Outcomes after which a lead is not sent again."""
# Outcomes after which Amazon Connect may have a lead. NOT_ACCEPTED and NOT_SENT are certain.
_DOUBTFUL = frozenset({Outcome.UNKNOWN.value, UNANSWERED})
_KNOWN = SETTLED | _DOUBTFUL | {Outcome.NOT_ACCEPTED.value, NOT_SENT, INVALID_ROW}

UNDER_WAY = 5_000
"""How many leads of a file are read and without a line at once, at most. Leads are read in order: so where a
run was killed, only the first so many leads without a line can have been sent by it."""


def _key(campaign_id: str, token: str) -> int:
    """Stand for a lead by one integer, as `LeadReader.seen` does: it is what a big file costs in memory."""
    return hash((campaign_id, token))


def _key_of(lead: Lead) -> int:
    return _key(_cell(lead.campaign_id), _cell(lead.request.client_token))


def _cell(text: str) -> str:
    # One line is one lead, whatever is in it: only so can a cut line be told from a whole one.
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n") if _odd(text) else text


def _odd(text: str) -> bool:
    return "\n" in text or "\r" in text or "\\" in text


@dataclass(slots=True)
class Earlier:
    """What earlier runs of the same list have left: each lead's last outcome.

    `seen` counts the settled leads that have come by in this run.
    """

    outcomes: dict[int, str] = field(default_factory=dict)
    begun: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    _without_line: int = 0

    @property
    def settled(self) -> int:
        """How many leads are not to be sent again."""
        return sum(outcome in SETTLED for outcome in self.outcomes.values())

    def unsettled(self, leads: Iterable[Lead | BadRow]) -> Iterator[Lead | BadRow]:
        """Leave out what is settled, and mark what an earlier run may have sent without hearing of it."""
        for lead in leads:
            outcome = self.outcomes.get(_key_of(lead)) if isinstance(lead, Lead) else None
            if outcome in SETTLED:
                self.seen[outcome] += 1
            elif isinstance(lead, Lead) and self._in_doubt(outcome):
                yield replace(lead, request=replace(lead.request, in_doubt=True))
            else:
                yield lead

    def _in_doubt(self, outcome: str | None) -> bool:
        if outcome is not None:
            return outcome in _DOUBTFUL
        self._without_line += 1
        return self.begun and self._without_line <= UNDER_WAY

    def check_belongs(self, leads: Iterable[Lead | BadRow], name: str) -> None:
        """Raise UnusableFile where the lines are not those of these leads."""
        strange = {key for key, outcome in self.outcomes.items() if outcome != INVALID_ROW}
        count = len(strange)
        for lead in leads:
            if isinstance(lead, Lead):
                strange.discard(_key_of(lead))
        if strange:
            raise UnusableFile(
                f"{name}: these are results of another list: {len(strange):,} of its {count:,} leads are not "
                "in this one.\nChoose another file with --results, or move this one away. If you have taken "
                "leads out of the list,\ntake their lines out of the results too."
            )


def read_earlier(path: Path) -> Earlier:
    """Read what earlier runs have left, and cut off a last line that is not whole.

    Raises UnusableFile for a file that is not dialctl's.
    """
    try:
        with path.open("r+b") as file:
            _cut_off_half_a_line(file.fileno(), path.stat().st_size)
    except FileNotFoundError:
        return Earlier()
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            return Earlier(dict(_outcomes(rows, str(path))), begun=path.stat().st_size > 0)
        except (csv.Error, UnicodeDecodeError):
            raise UnusableFile(f"{path}: line {rows.line_num + 1} is no line of dialctl's") from None


def _outcomes(rows: Iterator[list[str]], name: str) -> Iterator[tuple[int, str]]:
    header = next(rows, None)
    if header is not None and tuple(header) != HEADER:
        raise UnusableFile(f"{name}: is no results file of dialctl; choose another with --results")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(HEADER) or row[3] not in _KNOWN:
            raise UnusableFile(f"{name}: line {line} is no line of dialctl's")
        yield _key(row[2], row[1]), intern(row[3])


def _cut_off_half_a_line(file: int, size: int) -> None:
    """Cut a file behind its last line end."""
    end = size
    while end > 0:
        begin = max(end - 65_536, 0)
        found = os.pread(file, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        os.ftruncate(file, end)


class ResultsFile:
    """Appends to the file at `path`, or begins it."""

    def __init__(self, path: Path) -> None:
        # backslashreplace: a token of a bad row may be no UTF-8, and is still worth its line.
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

    def answered(self, lead: Lead, result: DialResult) -> None:
        """Write a lead's answer."""
        self._line(
            lead.line,
            result.client_token,
            lead.campaign_id,
            (
                result.outcome.value,
                "" if result.accepted else result.reason.value,
                _cell(result.detail),
                _cell(result.dial_request_id),
                "" if result.accepted else result.retry_advice.value,
                result.attempts,
                "true" if result.replayed else "false",
                _cell(result.trace_id),
            ),
        )

    def invalid(self, row: BadRow) -> None:
        """Write a row that was not sent, because it cannot be."""
        rest = (INVALID_ROW, "", _cell(row.problem), "", "", "", "", "")
        self._line(row.line, row.client_token, row.campaign_id, rest)

    def unanswered(self, lead: Lead, *, sent: bool) -> None:
        """Write a lead that has no answer; if it was sent it may have been dialed."""
        rest = (UNANSWERED if sent else NOT_SENT, "", "", "", "SAME_TOKEN", "", "", "")
        self._line(lead.line, lead.request.client_token, lead.campaign_id, rest)

    def _line(self, line: int, token: str, campaign_id: str, rest: Sequence[object]) -> None:
        self._write((line, _cell(token), _cell(campaign_id), *rest))
