"""The arguments of `dialctl campaigns`, `watch`, `hold`, `release` and `purge`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from dialgateway.dialctl.connection import Connection, add_connection, connection_of

_EXIT_CODES = """\
exit codes: 0 done, 1 not done: the gateway refused it, or nobody confirmed it, 2 wrong usage,
3 the gateway could not be reached, 130 interrupted"""


@dataclass(frozen=True, slots=True)
class CampaignArguments:
    """One command about campaigns, checked. `campaign_id` is empty where the command is about all."""

    command: str
    gateway: Connection
    campaign_id: str = ""
    reason: str = ""
    answer: bool = False
    yes: bool = False
    every: float = 1.0


def add_campaign_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the commands."""
    _add(commands, "campaigns", "list the campaigns of a gateway")
    watch = _add(commands, "watch", "show the campaigns as they change, until interrupted")
    watch.add_argument("--every", metavar="SECONDS", type=_every, default=1.0, help="0.25 to 60; default: 1")
    hold = _add_for_one(commands, "hold", "let no further call leave for a campaign")
    hold.add_argument(
        "--answer",
        action="store_true",
        help="answer what waits, and what comes, as HELD; else it waits for the release",
    )
    _add_for_one(commands, "release", "let calls leave again for a campaign")
    purge = _add_for_one(commands, "purge", "answer what is queued for a campaign as PURGED")
    purge.add_argument("--yes", action="store_true", help="do not ask")


def _add_for_one(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
) -> argparse.ArgumentParser:
    command = _add(commands, name, text)
    command.add_argument("campaign_id", metavar="ID", help="the campaign")
    command.add_argument("--reason", metavar="TEXT", default="", help="why; kept in the listing and the log")
    return command


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connection(command)
    command.set_defaults(build=_arguments)
    return command


def _arguments(chosen: argparse.Namespace) -> CampaignArguments:
    names = [name for name in CampaignArguments.__slots__ if name != "gateway" and hasattr(chosen, name)]
    return CampaignArguments(gateway=connection_of(chosen), **{name: getattr(chosen, name) for name in names})


def _every(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.25 <= seconds <= 60:
        raise argparse.ArgumentTypeError("expected seconds, 0.25 to 60")
    return seconds
