"""The command `dialctl check`: read a list as `send` does, and report what would happen to each lead."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from dialgateway.compliance import DialCheck, DialCheckVerdict
from dialgateway.dialctl.column_layout import (
    CAMPAIGN,
    EMAIL_ADDRESS,
    EXPIRATION,
    PHONE,
    TOKEN,
    ColumnLayout,
)
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.lead_list import LeadList
from dialgateway.dialctl.leads import LINES_SHOWN, BadRow, Lead
from dialgateway.dialctl.output_format import OutputFormat, fields_json, print_json
from dialgateway.dialctl.results_file import check_usable
from dialgateway.dialctl.rules_check import RulesCheck
from dialgateway.dialctl.send_arguments import CheckArguments
from dialgateway.dialctl.terminal import write_lines

NOTHING_WRONG, SOMETHING_WRONG, NOT_ASKED = 0, 1, 3

_CAMPAIGNS_SHOWN = 20


def check(arguments: CheckArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError."""
    file = arguments.list.file
    if file is not None and file.resolve() == arguments.report.resolve():
        raise UnusableFile("the report would be the file itself")
    check_usable(arguments.report)
    as_json = arguments.output is OutputFormat.JSON
    findings = _Findings(arguments.report, arguments.output)
    with (
        LeadList(arguments.list) as leads,
        RulesCheck(arguments.gateway, arguments.list.expires_in) as rules,
    ):
        if not as_json:
            write_lines(sys.stdout, *leads.notes_before(), *_columns(leads.layout, arguments))
        with findings:
            _read_all(leads, rules, findings)
        if as_json:
            print_json({"summary": findings.document(rules)})
        else:
            write_lines(sys.stdout, *leads.notes_after(), *findings.lines(rules))
    return _exit_code(arguments, rules, findings)


def _exit_code(arguments: CheckArguments, rules: RulesCheck, findings: _Findings) -> int:
    if rules.problem and arguments.gateway is not None:
        write_lines(sys.stderr, f"dialctl: the rules of the gateway were NOT checked: {rules.problem}")
        if arguments.must_ask:
            return NOT_ASKED
    return SOMETHING_WRONG if findings.wrong else NOTHING_WRONG


def _columns(layout: ColumnLayout, arguments: CheckArguments) -> Iterator[str]:
    """Yield what each column is used for."""
    names = layout.names
    built = " and ".join(repr(names[at]) for at in layout.token)
    yield f"{TOKEN}: {'built from ' if layout.token_is_built else ''}{built}"
    yield f"{EMAIL_ADDRESS if layout.to_email else PHONE}: {names[layout.phone]!r}"
    within = arguments.list.expires_in
    later = None if within is None else f"{within.total_seconds():g} s from when a lead is handed over"
    yield f"{EXPIRATION}: {_column_or(names, layout.expiration, later)}"
    yield f"{CAMPAIGN}: {_column_or(names, layout.campaign, arguments.list.campaign_id)}"
    attributes = [name if name == names[at] else f"{name} ({names[at]!r})" for at, name in layout.attributes]
    yield f"attributes: {', '.join(attributes) or 'none'}"


def _column_or(names: tuple[str, ...], at: int | None, otherwise: str | None) -> str:
    columns = [] if at is None else [repr(names[at])]
    return ", else ".join([*columns, *([otherwise] if otherwise else [])])


def _read_all(leads: LeadList, rules: RulesCheck, findings: _Findings) -> None:
    """Read the list to its end, and ask the gateway about its leads."""
    for lead in leads.leads():
        if isinstance(lead, BadRow):
            findings.bad_row(lead)
            continue
        for one, checked in rules.add(lead):
            findings.lead(one, checked)
    for one, checked in rules.rest():
        findings.lead(one, checked)


class _Findings:
    """The results for the leads. `wrong` counts the leads that would not be sent.

    All problems are written to the report; the first ones are also printed.
    """

    def __init__(self, report: Path, output: OutputFormat) -> None:
        self.wrong = 0
        self._report = report
        self._output = output
        self._sendable: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._observed: Counter[str] = Counter()
        self._shown = 0
        self._file: TextIO | None = None

    def __enter__(self) -> _Findings:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def bad_row(self, row: BadRow) -> None:
        """Note a row that cannot be sent, or that the user's options leave out."""
        self._note(row.line, row.client_token, row.problem, shown=not row.left_out)
        if not row.left_out:
            self.wrong += row.leads
        if self._output is OutputFormat.JSON:
            verdict = "LEFT_OUT" if row.left_out else "INVALID_ROW"
            print_json(
                {
                    "line": row.line,
                    "client_token": row.client_token,
                    "campaign_id": row.campaign_id,
                    "verdict": verdict,
                    "detail": row.problem,
                }
            )

    def lead(self, lead: Lead, checked: DialCheck | None) -> None:
        """Note what would happen to a lead, None if only the list was checked."""
        self._show(lead, checked)
        if checked is None:
            self._sendable[lead.campaign_id] += 1
            return
        self._observed.update(f"{one.rule}: {one.verdict} {one.reason}" for one in checked.observed)
        if checked.would_be_sent:
            self._sendable[lead.campaign_id] += 1
            if checked.verdict is DialCheckVerdict.WAIT:
                self._waiting[_why(checked)] += 1
            return
        self.wrong += 1
        self._refused[_why(checked)] += 1
        self._note(lead.line, lead.client_token, f"{checked.verdict} {checked.reason}: {checked.detail}")

    def document(self, rules: RulesCheck) -> dict[str, object]:
        """Return the counts as one document."""
        return {
            "would_be_sent": self._sendable.total(),
            "of_these_wait": self._waiting.total(),
            "would_not_be_sent": self.wrong,
            "rules_checked": rules.asked,
            "guard_version": rules.guard_version,
            "campaigns": dict(self._sendable),
            "waits": dict(self._waiting),
            "refusals": dict(self._refused),
            "observed": dict(self._observed),
        }

    def lines(self, rules: RulesCheck) -> Iterator[str]:
        """Yield the counts as lines."""
        sendable = self._sendable
        yield f"{sendable.total():,} lead{'s' * (sendable.total() != 1)} would be sent"
        if len(sendable) > 1:
            for campaign_id, count in sendable.most_common(_CAMPAIGNS_SHOWN):
                yield f"  {count:>9,}  {campaign_id}"
            if len(sendable) > _CAMPAIGNS_SHOWN:
                yield f"  and {len(sendable) - _CAMPAIGNS_SHOWN:,} more campaigns"
        for title, counts in (
            ("of these wait before they are sent", self._waiting),
            ("would be refused by the gateway", self._refused),
            ("would not be allowed by rules that only observe", self._observed),
        ):
            if counts:
                yield f"{counts.total():,} {title}:"
                yield from (f"  {count:>9,}  {why}" for why, count in counts.most_common())
        if rules.asked and rules.guard_version:
            yield f"checked by version {rules.guard_version} of the gateway's guard file"
        elif rules.asked:
            yield "the gateway has no guard file: hours, lists and limits were not checked"
        if self.wrong:
            yield f"{self.wrong:,} would not be sent; see {self._report}"

    def _note(self, line: int, client_token: str, problem: str, *, shown: bool = True) -> None:
        """Write a problem to the report, and print it if it is one of the first."""
        if self._file is None:
            self._file = self._report.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            csv.writer(self._file).writerow(("line", "client_token", "problem"))
        csv.writer(self._file).writerow((line, client_token, problem))
        if shown and self._output is not OutputFormat.JSON:
            self._shown += 1
            if self._shown <= LINES_SHOWN:
                write_lines(sys.stdout, f"line {line}: {problem}")

    def _show(self, lead: Lead, checked: DialCheck | None) -> None:
        """Print a lead, if each is to be printed."""
        if self._output is OutputFormat.TEXT:
            return
        if self._output is OutputFormat.JSON:
            found = {} if checked is None else fields_json(checked)
            about = {"line": lead.line, "client_token": lead.client_token, "campaign_id": lead.campaign_id}
            found.pop("index", None)
            print_json({**about, "verdict": "NOT_CHECKED", **found})
            return
        verdict = "not checked" if checked is None else checked.verdict
        write_lines(sys.stdout, f"line {lead.line}: {lead.client_token} {verdict}{_instants(checked)}")


def _why(checked: DialCheck) -> str:
    rule = f" (rule {checked.rule})" if checked.rule else ""
    return f"{checked.reason}{rule}"


def _instants(checked: DialCheck | None) -> str:
    """Return from when or until when a lead may be sent, and why not now."""
    if checked is None:
        return ""
    words = f" {_why(checked)}" if checked.verdict is not DialCheckVerdict.SEND else ""
    if checked.not_before is not None:
        words += f" not before {checked.not_before:%Y-%m-%dT%H:%M:%SZ}"
    if checked.allowed_until is not None:
        words += f" until {checked.allowed_until:%Y-%m-%dT%H:%M:%SZ}"
    return words
