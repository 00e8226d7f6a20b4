"""Parse the command line of dialctl."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from dialgateway.dialctl.audit_arguments import AuditArguments, add_audit
from dialgateway.dialctl.campaign_arguments import CampaignArguments, add_campaign_commands
from dialgateway.dialctl.completion import CompletionArguments, add_completion
from dialgateway.dialctl.connections_command import ConnectionsArguments, add_connections
from dialgateway.dialctl.number_arguments import NumberArguments, SuppressionsArguments, add_number_commands
from dialgateway.dialctl.send_arguments import CheckArguments, SendArguments, add_check, add_send
from dialgateway.dialctl.terminal import write_lines

Arguments = (
    SendArguments
    | CheckArguments
    | CampaignArguments
    | NumberArguments
    | SuppressionsArguments
    | AuditArguments
    | ConnectionsArguments
    | CompletionArguments
)


def parse(argv: Sequence[str]) -> Arguments:
    """Parse the arguments. For wrong ones argparse prints a message and exits with code 2.

    Raises UnusableFile for arguments that contradict each other, and for an invalid connections file.
    """
    chosen = _parser().parse_args(argv)
    build: Callable[[argparse.Namespace], Arguments] = chosen.build
    return build(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dialctl", description="The command line of the dial gateway.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_send(commands)
    add_check(commands)
    add_campaign_commands(commands)
    add_number_commands(commands)
    add_audit(commands)
    add_connections(commands)
    add_completion(commands, parser)
    return parser


class _Version(argparse.Action):
    """Prints the version of the installed distribution, which is read only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        write_lines(sys.stdout, f"dialctl {version('dial-gateway-client')}")
        parser.exit()
