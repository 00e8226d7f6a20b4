"""The arguments of `dialctl send` and `dialctl check`."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dialgateway.dialctl.channel_arguments import add_channel_options, channel_of
from dialgateway.dialctl.column_layout import (
    CAMPAIGN,
    EMAIL_ADDRESS,
    EXPIRATION,
    PHONE,
    ROLES,
    TOKEN,
    ColumnOptions,
)
from dialgateway.dialctl.connection import Connection
from dialgateway.dialctl.connection_options import add_connection, connection_of
from dialgateway.dialctl.csv_records import delimiter_named
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.lead_list import ListOptions
from dialgateway.dialctl.output_format import OutputFormat, add_output
from dialgateway.values import Priority

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "": "seconds"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_-]+")

_SEND = """\
Send the dial requests of a list and write one line per lead to a results file.

The list is a CSV file with a header, or an Excel workbook (.xlsx). One column has the token, one the phone
number, or the address with --channel email. Every other column, except expiration and campaign, is an
attribute; an empty cell means that the lead does not have it. `dialctl check` shows how a list is read and
what is wrong with it, without sending.

With the same results file, a second run sends only leads that are not settled. ACCEPTED leads are never sent
again. REJECTED and EXPIRED leads are sent again after their row, --expires-in or the campaign has changed.
All other leads are sent again with the same tokens, so that a run that was interrupted or killed can be
continued. Lines are appended to the results file; the last line of a lead counts."""

_SEND_EXIT_CODES = """\
exit codes: 0 every lead is accepted, by this run or an earlier one, 1 some are not, 2 wrong usage or unusable
list, nothing was sent, 3 the gateway was unreachable for too long or refused the stream, 4 stopped by an
error such as a full disk after leads were sent, 130 interrupted; after 3, 4 and 130 run it again"""

_CHECK = """\
Read a list as `dialctl send` does, without sending it. Shows what each column is used for, what is changed in
phone numbers, which rows cannot be sent and why, and how many leads would be sent.

The gateway is asked what it would do with each lead now: by its policy, the holds and the rules of its guard
file. It sends nothing. If it cannot be asked, that is said, and only the list is checked; with --gateway or
--connection the command then ends with 3."""

_CHECK_EXIT_CODES = """\
exit codes: 0 every lead would be sent, at once or as soon as it may be within its expiration, 1 some would
not, 2 wrong usage or unusable list, 3 the gateway that --gateway or --connection names could not be asked"""


@dataclass(frozen=True, slots=True)
class SendArguments:
    """The checked arguments of one `dialctl send`."""

    list: ListOptions
    results: Path
    gateway: Connection
    priority: Priority
    traceparent: str | None
    quiet: bool
    give_up_after: timedelta
    output: OutputFormat = OutputFormat.TEXT


@dataclass(frozen=True, slots=True)
class CheckArguments:
    """The checked arguments of one `dialctl check`.

    `gateway` is None if only the list is to be checked. `must_ask`: the gateway was named, so it is an error
    if it cannot be asked.
    """

    list: ListOptions
    report: Path
    gateway: Connection | None = None
    must_ask: bool = False
    output: OutputFormat = OutputFormat.TEXT


def add_send(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `send`."""
    send = _list_command(commands, "send", "send the dial requests of a list", _SEND, _SEND_EXIT_CODES)
    add_connection(send)
    send.add_argument(
        "--results",
        metavar="FILE",
        type=Path,
        help="continued if it exists; default: FILE's name with .results.csv",
    )
    send.add_argument(
        "--give-up-after",
        metavar="TIME",
        type=_duration,
        default=timedelta(minutes=1),
        help="how long the gateway may be unreachable; default: 1m",
    )
    send.add_argument("--priority", choices=["normal", "high", "bulk"], default="normal")
    send.add_argument("--traceparent", type=_traceparent, help="W3C trace context; default: TRACEPARENT")
    send.add_argument("--quiet", action="store_true", help="print errors only, and the JSON of `-o json`")
    add_output(send, wide="also counts by campaign", json_="the summary as one document")
    send.set_defaults(build=_send_arguments)


def add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `check`."""
    check = _list_command(commands, "check", "check a list without sending it", _CHECK, _CHECK_EXIT_CODES)
    check.add_argument(
        "--report",
        metavar="FILE",
        type=Path,
        help="file for all problems; default: FILE's name with .problems.csv",
    )
    check.add_argument("--offline", action="store_true", help="do not ask a gateway, check only the list")
    add_connection(check)
    add_output(check, wide="also a line for each lead", json_="a line for each lead, then the summary")
    check.set_defaults(build=_check_arguments)


def _list_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help_: str,
    description: str,
    exit_codes: str,
) -> argparse.ArgumentParser:
    """Add a command that reads a list, with the options for that."""
    command = commands.add_parser(
        name,
        help=help_,
        description=description,
        epilog=exit_codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("file", metavar="FILE", help="CSV or .xlsx; '-' for CSV on standard input")
    command.add_argument(
        "--campaign", metavar="ID", type=_campaign, help="the campaign of leads without one in the list"
    )
    command.add_argument(
        "--expires-in",
        metavar="TIME",
        type=_duration,
        help="such as 90s, 10m: expiration of leads without one in the list, counted from when they are sent",
    )
    add_channel_options(command)
    _add_columns(command)
    _add_reading(command)
    return command


def _add_columns(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("columns", "Columns have the names in the first line.")
    for option, role in (
        ("--token-column", TOKEN),
        ("--phone-column", PHONE),
        ("--expiration-column", EXPIRATION),
        ("--campaign-column", CAMPAIGN),
    ):
        group.add_argument(option, metavar="NAME", help=f"default: {role}")
    group.add_argument(
        "--email-column", metavar="NAME", help=f"with --channel email; default: {EMAIL_ADDRESS}"
    )
    group.add_argument(
        "--map",
        metavar="COLUMN=NAME",
        type=_mapping,
        action="append",
        default=[],
        help=f"what a column is used for: {', '.join(ROLES)}, or the name of an attribute",
    )
    group.add_argument(
        "--only", metavar="COLUMN,...", type=_names, help="use only these columns as attributes"
    )
    group.add_argument(
        "--drop", metavar="COLUMN,...", type=_names, default=(), help="do not use these columns as attributes"
    )
    group.add_argument(
        "--token-from",
        metavar="COLUMN,...",
        type=_names,
        default=(),
        help="build each token from columns that identify the dial; equal values give equal tokens",
    )


def _add_reading(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("reading")
    group.add_argument(
        "--region", metavar="CC", help="country of numbers without '+', such as US; needs phonenumbers"
    )
    group.add_argument(
        "--one-dial-per-number", action="store_true", help="skip leads whose number is in an earlier line"
    )
    group.add_argument(
        "--delimiter", metavar="CHAR", help="comma, semicolon, tab or pipe; default: detected in the header"
    )
    group.add_argument("--encoding", metavar="NAME", help="such as windows-1252; default: detected")
    group.add_argument("--sheet", metavar="NAME", help="sheet of a workbook; default: the first")


def _send_arguments(chosen: argparse.Namespace) -> SendArguments:
    list_ = _list_options(chosen)
    return SendArguments(
        list=list_,
        results=chosen.results or _beside(list_.file, "results"),
        gateway=connection_of(chosen),
        priority=Priority[chosen.priority.upper()],
        traceparent=chosen.traceparent or _traceparent_of_environment(),
        quiet=chosen.quiet,
        give_up_after=chosen.give_up_after,
        output=OutputFormat(chosen.output),
    )


def _check_arguments(chosen: argparse.Namespace) -> CheckArguments:
    list_ = _list_options(chosen)
    report = chosen.report or _beside(list_.file, "problems")
    named = chosen.gateway is not None or chosen.connection is not None
    if chosen.offline and named:
        raise UnusableFile("--offline: no gateway is asked, so name none")
    gateway = None if chosen.offline else connection_of(chosen)
    return CheckArguments(list_, report, gateway, must_ask=named, output=OutputFormat(chosen.output))


def _list_options(chosen: argparse.Namespace) -> ListOptions:
    return ListOptions(
        file=None if chosen.file == "-" else Path(chosen.file),
        campaign_id=chosen.campaign,
        expires_in=chosen.expires_in,
        columns=_columns(chosen),
        channel=channel_of(chosen),
        region=chosen.region,
        one_dial_per_number=chosen.one_dial_per_number,
        delimiter=None if chosen.delimiter is None else delimiter_named(chosen.delimiter),
        encoding=chosen.encoding,
        sheet=chosen.sheet,
    )


def _columns(chosen: argparse.Namespace) -> ColumnOptions:
    options = {
        TOKEN: chosen.token_column,
        PHONE: chosen.phone_column,
        EXPIRATION: chosen.expiration_column,
        CAMPAIGN: chosen.campaign_column,
        EMAIL_ADDRESS: chosen.email_column,
    }
    if chosen.email_column is not None and chosen.channel != "email":
        raise UnusableFile("--email-column: only with --channel email")
    named = dict(chosen.map) | {column: role for role, column in options.items() if column is not None}
    if chosen.token_from and TOKEN in named.values():
        raise UnusableFile("--token-from: give either a token column or --token-from, not both")
    return ColumnOptions(named, chosen.only, chosen.drop, chosen.token_from)


def _mapping(text: str) -> tuple[str, str]:
    column, _, name = text.rpartition("=")
    name = name.strip()
    if not column.strip() or (name not in ROLES and _ATTRIBUTE.fullmatch(name) is None):
        raise argparse.ArgumentTypeError(
            f"expected COLUMN=NAME, where NAME is {', '.join(ROLES)}, or letters, digits, '_' and '-'"
        )
    return column.strip(), name


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError("expected names of columns, separated by commas")
    return names


def _beside(file: Path | None, what: str) -> Path:
    # `with_suffix` would raise for names without a stem; opening the file gives a better message.
    return Path(f"stdin.{what}.csv") if file is None else file.parent / f"{file.stem}.{what}.csv"


def _campaign(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    return text.strip()


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) == 0 or float(match[1]) > 1e6:
        raise argparse.ArgumentTypeError("expected a number and a unit, such as 90s, 10m or 1h")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _traceparent(text: str) -> str:
    if _TRACEPARENT.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("expected 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")
    return text


def _traceparent_of_environment() -> str | None:
    # Another program may have set an invalid value; that is no reason to refuse the command.
    text = os.environ.get("TRACEPARENT", "")
    return text if _TRACEPARENT.fullmatch(text) else None
