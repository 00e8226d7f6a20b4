"""What may be typed after `dialctl`, and what it means."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dialgateway.dialctl.connection import Connection, add_connection, connection_of
from dialgateway.dialctl.leads import Columns
from dialgateway.dialctl.steer_arguments import SteerArguments, add_steering
from dialgateway.values import Priority

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "": "seconds"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_SEND = """\
Send the dial requests of a CSV file and write one line per lead to a results file.

Run again with the same results file, it sends only what is not settled: leads that are ACCEPTED, REJECTED
or EXPIRED there are left alone, all others are sent with their own tokens. So a run that was interrupted or
killed is taken up where it ended. Lines are appended; the last one of a lead counts.

The file has a header. One column names the token, one the phone number, and every other one, but
expiration and campaign, is an attribute; an empty cell means that the lead has no such attribute."""

_EXIT_CODES = """\
exit codes: 0 every lead was accepted, in this run or before, 1 some were not, 2 wrong usage or unusable file,
3 the gateway was out of reach for too long or refused the stream, 130 interrupted; run 3 and 130 again"""


@dataclass(frozen=True, slots=True)
class SendArguments:
    """One `dialctl send`, checked. `file` is None for standard input, `campaign_id` where the file has it."""

    file: Path | None
    results: Path
    gateway: Connection
    campaign_id: str | None
    columns: Columns
    expires_in: timedelta | None
    priority: Priority
    traceparent: str | None
    quiet: bool
    give_up_after: timedelta


def parse(argv: Sequence[str]) -> SendArguments | SteerArguments:
    """Read the arguments; leaves with a message and exit code 2 where they are wrong."""
    parser = argparse.ArgumentParser(prog="dialctl", description="The command line of the dial gateway.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_send(commands)
    add_steering(commands)
    chosen = parser.parse_args(argv)
    build: Callable[[argparse.Namespace], SendArguments | SteerArguments] = chosen.build
    return build(chosen)


def _add_send(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    send = commands.add_parser(
        "send",
        help="send the dial requests of a CSV file",
        description=_SEND,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    send.add_argument("file", metavar="FILE", help="CSV, UTF-8; '-' for standard input")
    send.add_argument("--campaign", metavar="ID", type=_campaign, help="where the file has no column for it")
    add_connection(send)
    send.add_argument(
        "--expires-in",
        metavar="TIME",
        type=_duration,
        help="such as 90s, 10m: for leads without an expiration of their own, from when their line is read",
    )
    send.add_argument(
        "--results",
        metavar="FILE",
        type=Path,
        help="default: FILE's name with .results.csv; taken up if it is there",
    )
    send.add_argument(
        "--give-up-after",
        metavar="TIME",
        type=_duration,
        default=timedelta(minutes=1),
        help="how long the gateway may be out of reach; default: 1m",
    )
    send.add_argument("--priority", choices=["normal", "high", "bulk"], default="normal")
    send.add_argument("--traceparent", type=_traceparent, help="W3C trace context; default: TRACEPARENT")
    send.add_argument("--quiet", action="store_true", help="no progress and no summary, errors only")
    _add_columns(send)
    send.set_defaults(build=_send_arguments)


def _add_columns(send: argparse.ArgumentParser) -> None:
    for option, column in (
        ("--token-column", "client_token"),
        ("--phone-column", "phone_number"),
        ("--expiration-column", "expiration_time"),
        ("--campaign-column", "campaign_id"),
    ):
        send.add_argument(option, metavar="NAME", default=column, help=f"default: {column}")


def _send_arguments(chosen: argparse.Namespace) -> SendArguments:
    file = None if chosen.file == "-" else Path(chosen.file)
    return SendArguments(
        file=file,
        results=chosen.results or _results_beside(file),
        gateway=connection_of(chosen),
        campaign_id=chosen.campaign,
        columns=Columns(
            chosen.token_column, chosen.phone_column, chosen.expiration_column, chosen.campaign_column
        ),
        expires_in=chosen.expires_in,
        priority=Priority[chosen.priority.upper()],
        traceparent=chosen.traceparent or _traceparent_of_environment(),
        quiet=chosen.quiet,
        give_up_after=chosen.give_up_after,
    )


def _results_beside(file: Path | None) -> Path:
    # Not `with_suffix`: it refuses names without a stem, which are to fail where files are opened.
    return Path("stdin.results.csv") if file is None else file.parent / f"{file.stem}.results.csv"


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
    # What some other program has left there is no reason to refuse the command.
    text = os.environ.get("TRACEPARENT", "")
    return text if _TRACEPARENT.fullmatch(text) else None
