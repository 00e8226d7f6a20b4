"""The results file: one line per lead, written as its answer arrives."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from dialgateway.dialctl.leads import BadRow, Lead
from dialgateway.values import DialResult

# What a lead's line says besides the gateway's own outcomes.
INVALID_ROW = "INVALID_ROW"
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


class ResultsFile:
    """Replaces the file at `path`. Every line is handed to the system at once: a kill loses none."""

    def __init__(self, path: Path) -> None:
        # backslashreplace: a token of a bad row may be no UTF-8, and is still worth its line.
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="", buffering=1)
        self._write = csv.writer(self._file, lineterminator="\n").writerow
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
                result.detail,
                result.dial_request_id,
                "" if result.accepted else result.retry_advice.value,
                result.attempts,
                "true" if result.replayed else "false",
                result.trace_id,
            ),
        )

    def invalid(self, row: BadRow) -> None:
        """Write a row that was not sent."""
        self._line(
            row.line, row.client_token, row.campaign_id, (INVALID_ROW, "", row.problem, "", "", "", "", "")
        )

    def unanswered(self, lead: Lead) -> None:
        """Write a lead that has no answer: it may or may not have been dialed. Send the same token again."""
        self._line(
            lead.line,
            lead.request.client_token,
            lead.campaign_id,
            (UNANSWERED, "", "", "", "SAME_TOKEN", "", "", ""),
        )

    def _line(self, line: int, token: str, campaign_id: str, rest: Sequence[object]) -> None:
        self._write((line, token, campaign_id, *rest))
