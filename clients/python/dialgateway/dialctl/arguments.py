"""Parse the command line of dialctl."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from dialgateway.dialctl.campaign_arguments import CampaignArguments, add_campaign_commands
from dialgateway.dialctl.send_arguments import CheckArguments, SendArguments, add_check, add_send

Arguments = SendArguments | CheckArguments | CampaignArguments


def parse(argv: Sequence[str]) -> Arguments:
    """Parse the arguments. For wrong ones argparse prints a message and exits with code 2.

    Raises UnusableFile for arguments that contradict each other.
    """
    parser = argparse.ArgumentParser(prog="dialctl", description="The command line of the dial gateway.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_send(commands)
    add_check(commands)
    add_campaign_commands(commands)
    chosen = parser.parse_args(argv)
    build: Callable[[argparse.Namespace], Arguments] = chosen.build
    return build(chosen)
