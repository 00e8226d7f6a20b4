"""The command `dialctl check`: read a list as `send` does, and report its problems."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

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
from dialgateway.dialctl.leads import LINES_SHOWN, BadRow
from dialgateway.dialctl.results_file import check_usable
from dialgateway.dialctl.send_arguments import CheckArguments
from dialgateway.dialctl.terminal import tell

NOTHING_WRONG, SOMETHING_WRONG = 0, 1

_CAMPAIGNS_SHOWN = 20


def check(arguments: CheckArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError."""
    file = arguments.list.file
    if file is not None and file.resolve() == arguments.report.resolve():
        raise UnusableFile("the report would be the file itself")
    check_usable(arguments.report)
    with LeadList(arguments.list) as leads:
        tell(sys.stdout, *leads.notes_before(), *_columns(leads.layout, arguments))
        sendable, wrong = _read_all(leads, arguments.report)
        tell(sys.stdout, *_findings(leads, sendable, wrong, arguments.report))
    return SOMETHING_WRONG if wrong else NOTHING_WRONG


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


def _read_all(leads: LeadList, report: Path) -> tuple[Counter[str], int]:
    """Read the list to its end. Return how many leads would be sent, by campaign, and how many would not.

    All problems are written to the report; the first ones are also printed.
    """
    sendable: Counter[str] = Counter()
    wrong = shown = 0
    file: TextIO | None = None
    try:
        for lead in leads.leads():
            if not isinstance(lead, BadRow):
                sendable[lead.campaign_id] += 1
                continue
            if file is None:
                file = report.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                csv.writer(file).writerow(("line", "client_token", "problem"))
            csv.writer(file).writerow((lead.line, lead.client_token, lead.problem))
            if lead.left_out:
                continue
            wrong += lead.leads
            shown += 1
            if shown <= LINES_SHOWN:
                tell(sys.stdout, f"line {lead.line}: {lead.problem}")
    finally:
        if file is not None:
            file.close()
    return sendable, wrong


def _findings(leads: LeadList, sendable: Counter[str], wrong: int, report: Path) -> Iterator[str]:
    yield from leads.notes_after()
    yield f"{sendable.total():,} lead{'s' * (sendable.total() != 1)} would be sent"
    if len(sendable) > 1:
        for campaign_id, count in sendable.most_common(_CAMPAIGNS_SHOWN):
            yield f"  {count:>9,}  {campaign_id}"
        if len(sendable) > _CAMPAIGNS_SHOWN:
            yield f"  and {len(sendable) - _CAMPAIGNS_SHOWN:,} more campaigns"
    if wrong:
        yield f"{wrong:,} would not be sent; see {report}"
