"""The arguments of `dialctl suppress`, `allow` and `suppressions`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from dialgateway.dialctl.campaign_arguments import reason
from dialgateway.dialctl.connection import Connection
from dialgateway.dialctl.connection_options import add_connection, connection_of
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.output_format import OutputFormat, add_output
from dialgateway.dialctl.phone_numbers import BadNumber, PhoneNumbers

_EXIT_CODES = """\
exit codes: 0 done, 1 not done (refused by the gateway, or not confirmed by every replica of a fleet), 2 wrong
usage, 3 gateway not reached, 130 interrupted"""


_LOOK_UP = """\
Tell for each number whether it is suppressed: by an operator, since when, by whom and why, or by a list of
the gateway's guard file. Without a number, count the suppressions by operators. Nothing is changed. Phone
numbers are in no output: it names the lines of FILE.

FILE has one number in each line, as a suppression list has; empty lines and lines that begin with # are
skipped."""
_LOOK_UP_EXIT_CODES = """\
exit codes: 0 every number is suppressed, by an operator on all replicas of a fleet, or by a list that rules
enforce; 1 not every number is, or a replica is missing; 2 wrong usage, 3 gateway not reached, 130
interrupted"""


@dataclass(frozen=True, slots=True)
class NumberArguments:
    """The checked arguments of one command. The number is in the form E.164."""

    command: str
    gateway: Connection
    phone_number: str
    reason: str
    output: OutputFormat = OutputFormat.TEXT

    def __repr__(self) -> str:
        """Leave out the number."""
        return f"NumberArguments({self.command})"


@dataclass(frozen=True, slots=True)
class SuppressionsArguments:
    """The checked arguments of `dialctl suppressions`: numbers in the form E.164, or a file with numbers.

    `missing`: show only those that are not suppressed on all replicas.
    """

    gateway: Connection
    phone_numbers: tuple[str, ...]
    file: str | None = None
    reason: str = ""
    region: str | None = None
    missing: bool = False
    output: OutputFormat = OutputFormat.TEXT

    def __repr__(self) -> str:
        """Leave out the numbers."""
        return f"SuppressionsArguments({len(self.phone_numbers)} numbers)"


def add_number_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands to the parser."""
    _add(
        commands,
        "suppress",
        "send nothing more to a number, from any campaign",
        "Use it for a person who does not want to be called any more. Queued dial requests for the number\n"
        "are answered REJECTED, SUPPRESSED.",
    )
    _add(
        commands,
        "allow",
        "end the suppression of a number",
        "Lists of the guard file stay in force. Dial requests that were answered SUPPRESSED are not sent.",
    )
    _add_suppressions(commands)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, more: str
) -> None:
    command = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\n{more}",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "number", metavar="NUMBER", help="such as +12025550123; '-' reads it from standard input"
    )
    command.add_argument(
        "--reason", metavar="TEXT", type=reason, required=True, help="the reason, for the gateway's log"
    )
    _add_region(command)
    add_connection(command)
    add_output(command, wide="also the hash of the number, as in the gateway's log", json_="a document")
    command.set_defaults(build=_arguments)


def _add_suppressions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "suppressions",
        help="tell which numbers are suppressed, since when, by whom and why",
        description=_LOOK_UP,
        epilog=_LOOK_UP_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("numbers", metavar="NUMBER", nargs="*", help="such as +12025550123; '-' reads them")
    command.add_argument("--numbers", metavar="FILE", dest="file", help="a file of numbers")
    command.add_argument("--missing", action="store_true", help="show only what is not suppressed")
    command.add_argument("--reason", metavar="TEXT", type=reason, help="the reason, for the gateway's log")
    _add_region(command)
    add_connection(command)
    add_output(
        command, wide="also hashes, and how long they last", json_="a document for each number, and a summary"
    )
    command.set_defaults(build=_suppressions_arguments)


def _add_region(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--region", metavar="CC", help="country of a number without '+', such as US; needs phonenumbers"
    )


def _arguments(chosen: argparse.Namespace) -> NumberArguments:
    written = sys.stdin.readline() if chosen.number == "-" else chosen.number
    number = _clean(PhoneNumbers(chosen.region), written)
    return NumberArguments(
        chosen.command, connection_of(chosen), number, chosen.reason, OutputFormat(chosen.output)
    )


def _suppressions_arguments(chosen: argparse.Namespace) -> SuppressionsArguments:
    if chosen.numbers and chosen.file is not None:
        raise UnusableFile("give either numbers or --numbers FILE")
    if chosen.numbers == ["-"]:
        chosen.numbers, chosen.file = [], "-"
    cleaning = PhoneNumbers(chosen.region)
    return SuppressionsArguments(
        connection_of(chosen),
        tuple(_clean(cleaning, written) for written in chosen.numbers),
        chosen.file,
        chosen.reason or "",
        chosen.region,
        chosen.missing,
        OutputFormat(chosen.output),
    )


def _clean(cleaning: PhoneNumbers, written: str) -> str:
    try:
        return cleaning.clean(written)[0]
    except BadNumber as bad:
        raise UnusableFile(f"NUMBER: {bad}") from None
