"""The arguments of `dialctl suppress` and `allow`."""

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


def add_number_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two commands to the parser."""
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
    command.add_argument(
        "--region", metavar="CC", help="country of a number without '+', such as US; needs phonenumbers"
    )
    add_connection(command)
    add_output(command, wide="also the hash of the number, as in the gateway's log", json_="a document")
    command.set_defaults(build=_arguments)


def _arguments(chosen: argparse.Namespace) -> NumberArguments:
    written = sys.stdin.readline() if chosen.number == "-" else chosen.number
    try:
        number, _ = PhoneNumbers(chosen.region).clean(written)
    except BadNumber as bad:
        raise UnusableFile(f"NUMBER: {bad}") from None
    return NumberArguments(
        chosen.command, connection_of(chosen), number, chosen.reason, OutputFormat(chosen.output)
    )
