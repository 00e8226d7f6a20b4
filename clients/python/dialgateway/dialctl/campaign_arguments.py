"""The arguments of `dialctl campaigns`, `watch`, `hold`, `release` and `purge`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from dialgateway.dialctl.connection import Connection
from dialgateway.dialctl.connection_options import add_connection, connection_of
from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.output_format import OutputFormat, add_output

_EXIT_CODES = """\
exit codes: 0 done, 1 not done (refused by the gateway, unknown campaign, no campaign found, not
confirmed by you, or not confirmed by every replica of a fleet), 2 wrong usage, 3 gateway not reached,
130 interrupted"""
_CAMPAIGN = "an id, name:NAME or tag:KEY=VALUE; * is any characters, so quote it"


@dataclass(frozen=True, slots=True)
class CampaignArguments:
    """The checked arguments of one command. `campaign_id` is empty if the command concerns all campaigns."""

    command: str
    gateway: Connection
    campaign_id: str = ""
    reason: str = ""
    answer: bool = False
    yes: bool = False
    in_advance: bool = False
    every: float = 1.0
    output: OutputFormat = OutputFormat.TEXT


def add_campaign_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the five commands to the parser."""
    listing = _add(commands, "campaigns", "list the campaigns of a gateway")
    listing.add_argument("campaign_id", metavar="CAMPAIGN", nargs="?", default="", help=_CAMPAIGN)
    watch = _add(commands, "watch", "show the campaigns as they change, until interrupted")
    watch.add_argument("--every", metavar="SECONDS", type=_every, default=1.0, help="0.25 to 60; default: 1")
    hold = _add_for_some(commands, "hold", "stop calls to Amazon Connect for a campaign")
    hold.add_argument(
        "--answer",
        action="store_true",
        help="answer queued and new dial requests with HELD; by default they wait for the release",
    )
    hold.add_argument(
        "--in-advance", action="store_true", help="hold the id even if the gateway knows no such campaign"
    )
    _add_for_some(commands, "release", "allow calls for a held campaign again", needs_reason=False)
    _add_for_some(commands, "purge", "answer all queued dial requests of a campaign with PURGED")


def _add_for_some(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    *,
    needs_reason: bool = True,
) -> argparse.ArgumentParser:
    command = _add(commands, name, text)
    command.add_argument("campaign_id", metavar="CAMPAIGN", help=_CAMPAIGN)
    command.add_argument(
        "--yes",
        action="store_true",
        help="do not ask for confirmation, as a purge and a pattern otherwise do",
    )
    command.add_argument(
        "--reason",
        metavar="TEXT",
        type=reason,
        required=needs_reason,
        help="the reason, shown by `campaigns` and in the log",
    )
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
    add_output(command, wide="more columns, uncut", json_="a document, a line each time with `watch`")
    command.set_defaults(build=_arguments)
    return command


def is_pattern(campaign: str) -> bool:
    """Whether a text may mean several campaigns: it has a `*`, or names a tag."""
    return "*" in campaign or campaign.startswith("tag:")


def _arguments(chosen: argparse.Namespace) -> CampaignArguments:
    chosen.output = OutputFormat(chosen.output)
    chosen.reason = getattr(chosen, "reason", None) or ""
    if getattr(chosen, "in_advance", False) and is_pattern(chosen.campaign_id):
        raise UnusableFile("--in-advance: needs one campaign, not a pattern")
    names = [name for name in CampaignArguments.__slots__ if name != "gateway" and hasattr(chosen, name)]
    return CampaignArguments(gateway=connection_of(chosen), **{name: getattr(chosen, name) for name in names})


def reason(text: str) -> str:
    """Return a reason that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    return text


def _every(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.25 <= seconds <= 60:
        raise argparse.ArgumentTypeError("expected seconds, 0.25 to 60")
    return seconds
