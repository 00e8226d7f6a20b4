"""The command `dialctl suppressions`: which numbers are suppressed, since when, by whom and why.

Numbers are read and asked about a thousand at a time, so a file may be of any length. They are in no output.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dialgateway.client import DialGatewayClient
from dialgateway.compliance import NumberCheck, NumberChecks, NumberStatus
from dialgateway.dialctl.campaign_table import confirmation_texts
from dialgateway.dialctl.decoding import open_lines
from dialgateway.dialctl.gateway_command import DONE, NOT_DONE, run_with_client, write_error
from dialgateway.dialctl.number_arguments import SuppressionsArguments
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.phone_numbers import BadNumber, PhoneNumbers
from dialgateway.dialctl.terminal import unambiguous, write_lines

ASKED_AT_ONCE = 1_000
NOT_READ = "the shared state cannot be read: numbers that this replica does not know are unknown"
_COUNTED = {
    NumberStatus.SUPPRESSED: "suppressed by operators",
    NumberStatus.LISTED: "in lists",
    NumberStatus.NOT_SUPPRESSED: "NOT suppressed",
    NumberStatus.UNKNOWN: "UNKNOWN",
    NumberStatus.INVALID: "INVALID",
    NumberStatus.UNSPECIFIED: "in a state that only a newer dialctl knows",
}


class _Number(NamedTuple):
    """A number, the line that has it, and why it cannot be one, "" if it can. Its repr is never shown."""

    line: int
    text: str
    problem: str = ""


async def run_suppressions(arguments: SuppressionsArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError."""
    return await run_with_client(arguments.gateway, lambda client: _look_up(client, arguments))


async def _look_up(client: DialGatewayClient, arguments: SuppressionsArguments) -> int:
    report = _Report(arguments)
    with _opened(arguments.file) as raw:
        numbers = _given(arguments) if raw is None else _read(raw, PhoneNumbers(arguments.region))
        while (part := list(islice(numbers, ASKED_AT_ONCE))) or report.last is None:
            asked = [number.text for number in part if not number.problem]
            report.add(part, await client.check_numbers(asked, arguments.reason))
    return report.end()


def _given(arguments: SuppressionsArguments) -> Iterator[_Number]:
    return (_Number(place, text) for place, text in enumerate(arguments.phone_numbers, 1))


def _opened(file: str | None) -> AbstractContextManager[BinaryIO | None]:
    if file is None or file == "-":
        return nullcontext(None if file is None else sys.stdin.buffer)
    return Path(file).open("rb")


def _read(raw: BinaryIO, cleaning: PhoneNumbers) -> Iterator[_Number]:
    """Yield the numbers of a file."""
    for line, text in enumerate(open_lines(raw, is_regular=raw.seekable()).lines, 1):
        written = text.strip()
        if not written or written.startswith("#"):
            continue
        try:
            yield _Number(line, cleaning.clean(written)[0])
        except BadNumber as bad:
            yield _Number(line, "", str(bad))


class _Report:
    """Prints what the gateway tells, and counts it. `last` is what it has told last."""

    def __init__(self, arguments: SuppressionsArguments) -> None:
        self.last: NumberChecks | None = None
        self._arguments = arguments
        self._is_complete = True
        self._counts: Counter[NumberStatus] = Counter()
        self._missing = 0
        self._is_one = len(arguments.phone_numbers) == 1

    def add(self, numbers: list[_Number], told: NumberChecks) -> None:
        """Take what the gateway has told about those of some numbers that have no problem."""
        self.last = told
        self._is_complete = self._is_complete and told.complete
        checks = iter(told.checks)
        for number in numbers:
            if number.problem:
                check = NumberCheck(0, NumberStatus.INVALID, detail=number.problem)
            else:
                check = next(checks)
            self._counts[check.status] += 1
            in_force = _in_force(check, told)
            self._missing += not in_force
            if not (in_force and self._arguments.missing):
                self._show(number.line, check, told)

    def end(self) -> int:
        """Print the summary, and return the exit code."""
        last = self.last
        if last is None:
            return NOT_DONE
        confirmed, problem = confirmation_texts(last.confirmation)
        if self._arguments.output is OutputFormat.JSON:
            print_json({"summary": self._summary(last)})
        else:
            write_lines(sys.stdout, *self._totals(last), *([confirmed] if confirmed else []))
        for text in (problem, "" if self._is_complete else NOT_READ):
            if text:
                write_error(text)
        return NOT_DONE if problem or self._missing or not self._is_complete else DONE

    def _summary(self, last: NumberChecks) -> dict[str, object]:
        told = {name: value for name, value in fields_json(last).items() if name != "checks"}
        counts = {status.value: count for status, count in self._counts.items()}
        return {
            "numbers": self._counts.total(),
            "not_in_force": self._missing,
            "counts": counts,
            **told,
            "complete": self._is_complete,
        }

    def _totals(self, last: NumberChecks) -> Iterator[str]:
        total = self._counts.total()
        if total and not self._is_one:
            counted = (
                f"{self._counts[one]:,} {words}" for one, words in _COUNTED.items() if self._counts[one]
            )
            yield f"{total:,} numbers: {', '.join(counted)}"
            if self._missing:
                yield f"{self._missing:,} not in force"
        if not total:
            yield f"numbers suppressed by operators: {last.suppressed_by_operators:,}"

    def _show(self, line: int, check: NumberCheck, told: NumberChecks) -> None:
        if self._arguments.output is OutputFormat.JSON:
            fields = {name: value for name, value in fields_json(check).items() if name != "index"}
            print_json({"line": line, **fields})
            return
        place = "" if self._is_one else f"{'line' if self._arguments.file else 'number'} {line}: "
        wide = self._arguments.output is OutputFormat.WIDE and check.number_hash
        lasts = f", {check.lifetime.lower()}" if check.status is NumberStatus.SUPPRESSED else ""
        write_lines(
            sys.stdout, place + _words(check, told) + (f" [{check.number_hash}{lasts}]" if wide else "")
        )


def _in_force(check: NumberCheck, told: NumberChecks) -> bool:
    """Whether nothing is sent to a number, on all replicas as far as this can be known."""
    if check.status is NumberStatus.SUPPRESSED:
        return check.on_all_replicas or told.confirmation is None
    return check.status is NumberStatus.LISTED


def _words(check: NumberCheck, told: NumberChecks) -> str:
    """Describe the check of a number in one line that is safe to write to a terminal."""
    words = {
        NumberStatus.NOT_SUPPRESSED: "not suppressed",
        NumberStatus.LISTED: "suppressed",
        NumberStatus.UNKNOWN: "UNKNOWN, the shared state cannot be read",
        NumberStatus.INVALID: f"INVALID: {unambiguous(check.detail)}",
        NumberStatus.UNSPECIFIED: "in a state that only a newer dialctl knows",
    }
    parts = [words.get(check.status) or _by_operator(check)]
    if check.status is NumberStatus.SUPPRESSED and not _in_force(check, told):
        parts.append("NOT on all replicas")
    return "; ".join([*parts, *(_listed(name, told) for name in check.lists)])


def _by_operator(check: NumberCheck) -> str:
    since = "" if check.suppressed_at is None else f" since {check.suppressed_at:%Y-%m-%d %H:%M:%S} UTC"
    who = f" by {unambiguous(check.suppressed_by)}" if check.suppressed_by else ""
    return f"suppressed{since}{who}: {unambiguous(check.reason)}"


def _listed(name: str, told: NumberChecks) -> str:
    rules = [rule for one in told.lists if one.name == name for rule in one.enforced_by]
    named = ", ".join(map(unambiguous, rules))
    return f"in the list {unambiguous(name)}, " + (
        f"enforced by {named}" if named else "which no rule enforces"
    )
