"""The arguments of `dialctl audit`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from dialgateway.dialctl.output_format import OutputFormat, add_output

_AUDIT = """\
Answer whether a number was called, when, for whom and under which rule, from the files of a gateway's audit
trail. No gateway is needed. The files may be rotated and compressed (.gz), of several replicas, and in any
order. All their lines are checked: missing and changed ones are reported with file and line.

NUMBER is in E.164, such as +12025550123; an e-mail address for dial requests by e-mail; or '-' to read it
from standard input, which keeps it out of the history of the shell."""
_EXIT_CODES = """\
exit codes: 0 the trail is whole, 1 lines or records are missing or changed, 2 wrong usage, unusable file or
another key"""


@dataclass(frozen=True, slots=True)
class AuditArguments:
    """The checked arguments of one `dialctl audit`."""

    number: str
    files: tuple[Path, ...]
    key_file: Path
    region: str | None = None
    output: OutputFormat = OutputFormat.TEXT


def add_audit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `audit`."""
    command = commands.add_parser(
        "audit",
        help="find out from audit trails whether a number was called",
        description=_AUDIT,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("number", metavar="NUMBER", help="the number, an e-mail address, or - to read it")
    command.add_argument("files", metavar="FILE", type=Path, nargs="+", help="a file of a trail")
    command.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        required=True,
        help="the key of the gateway's DIAL_GATEWAY_GUARD_KEY_FILE",
    )
    command.add_argument("--region", metavar="REGION", help="read national formats, such as those of US")
    add_output(command, wide="also tokens, details and places in the files", json_="one document")
    command.set_defaults(build=_arguments)


def _arguments(chosen: argparse.Namespace) -> AuditArguments:
    return AuditArguments(
        chosen.number, tuple(chosen.files), chosen.key_file, chosen.region, OutputFormat(chosen.output)
    )
