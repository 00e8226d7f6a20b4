"""The command `dialctl audit`: was this number called, when, by whom, under which rule."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator

from dialgateway.dialctl.audit_arguments import AuditArguments
from dialgateway.dialctl.audit_files import FoundLine, Trail, TrailReport, read_trails
from dialgateway.dialctl.audit_hashes import read_key
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.output_format import OutputFormat, print_json
from dialgateway.dialctl.phone_numbers import BadNumber, PhoneNumbers
from dialgateway.dialctl.terminal import write_lines

WHOLE, NOT_WHOLE = 0, 1
CALLED, MAY_BE_CALLED, REFUSED = "accepted", "possibly_sent", "refused"

_GAPS_SHOWN = 20
_SEPARATORS = re.compile(r"[\s().\-/]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_WORDS = {
    CALLED: "called",
    MAY_BE_CALLED: "possibly called",
    REFUSED: "refused",
    "observed": "called against an observed rule",
    "suppressed": "suppressed by an operator",
    "allowed": "suppression ended by an operator",
}


def audit(arguments: AuditArguments) -> int:
    """Run the command and return its exit code. Raises UnusableFile and OSError."""
    number = _number_of(arguments)
    key = read_key(arguments.key_file)
    report = read_trails(arguments.files, key, key.number_hash(number))
    if arguments.output is OutputFormat.JSON:
        print_json(_document(report, len(arguments.files)))
    else:
        write_lines(
            sys.stdout, *_lines(report, len(arguments.files), wide=arguments.output is OutputFormat.WIDE)
        )
    return NOT_WHOLE if report.gap_count else WHOLE


def _number_of(arguments: AuditArguments) -> str:
    text = arguments.number
    if text == "-":
        text = sys.stdin.readline()
    text = text.strip()
    if "@" in text:
        return text
    number = _SEPARATORS.sub("", text) if text.startswith("+") else text
    if _E164(number) is not None:
        return number
    try:
        return PhoneNumbers(arguments.region).clean(text)[0]
    except BadNumber as error:
        raise UnusableFile(f"NUMBER: {error}") from None


def _counts(report: TrailReport) -> Counter[str]:
    return Counter(str(found.fields.get("decision")) for found in report.found)


def _lines(report: TrailReport, files: int, *, wide: bool) -> Iterator[str]:
    for found in report.found:
        yield from _entry(found, wide=wide)
    counts = _counts(report)
    numbers = ", ".join(f"{_WORDS[name]} {_times(counts[name])}" for name in (CALLED, MAY_BE_CALLED, REFUSED))
    yield f"The number was {numbers}."
    yield f"{report.lines:,} lines in {files:,} file{'s' * (files != 1)}:"
    for trail in report.trails:
        yield f"  {_trail(trail)}"
    for gap in report.gaps[:_GAPS_SHOWN]:
        yield f"{gap.file}: line {gap.line:,}: {gap.text}"
    if report.gap_count > _GAPS_SHOWN:
        yield f"and {report.gap_count - _GAPS_SHOWN:,} more places"
    if report.gap_count:
        yield "The trail is NOT whole: calls may be missing above."
    else:
        yield "No line is missing or changed."


def _entry(found: FoundLine, *, wide: bool) -> Iterator[str]:
    fields = {name: str(value) for name, value in found.fields.items()}
    decision = fields.get("decision", "")
    parts = [fields.get("time", ""), _WORDS.get(decision, decision)]
    parts += [fields["channel"]] if fields.get("channel", "telephony") != "telephony" else []
    parts += [f"campaign {fields['campaign']}"] if fields.get("campaign") else []
    parts += [f"by {fields.get('caller') or 'a caller without a name'}"]
    if decision in {CALLED, MAY_BE_CALLED, REFUSED, "observed"}:
        parts.append(f"rule {fields['rule']}" if fields.get("rule") else "no rule")
        parts.append(f"version {fields.get('version', '')}")
    parts += [fields["reason"]] if "reason" in fields else []
    yield "  ".join(parts)
    if not wide:
        return
    names = ("detail", "token", "dial_request_id", "trace_id", "replica")
    yield from (f"    {name}: {fields[name]}" for name in names if fields.get(name))
    yield f"    {found.file}: line {found.line:,}"


def _trail(trail: Trail) -> str:
    missing = trail.first_sequence - 1
    before = f"; its first {missing:,} lines are not here" if missing else ""
    after = "" if trail.stopped else "; the process still runs, or the end is not here"
    return f"trail {trail.trail} of {trail.replica}: {trail.begins} to {trail.ends}{before}{after}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _document(report: TrailReport, files: int) -> dict[str, object]:
    counts = _counts(report)
    return {
        "called": counts[CALLED],
        "possibly_called": counts[MAY_BE_CALLED],
        "refused": counts[REFUSED],
        "whole": not report.gap_count,
        "records": [{**found.fields, "file": found.file, "line": found.line} for found in report.found],
        "gap_count": report.gap_count,
        "gaps": [gap._asdict() for gap in report.gaps],
        "files": files,
        "lines": report.lines,
        "trails": [
            {
                "trail": trail.trail,
                "replica": trail.replica,
                "begins": trail.begins,
                "ends": trail.ends,
                "first_sequence": trail.first_sequence,
                "last_sequence": trail.sequence,
                "stopped": trail.stopped,
            }
            for trail in report.trails
        ],
    }
