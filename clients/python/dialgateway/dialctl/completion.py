"""The command `dialctl completion`: print a script that completes commands and options in a shell."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from dialgateway.dialctl.errors import UnusableFile

SHELLS = ("bash", "zsh", "fish")
_PATHS = {"FILE"}
"""The placeholders of arguments that are paths."""
_HOW = """\
bash:  dialctl completion bash > ~/.local/share/bash-completion/completions/dialctl
zsh:   dialctl completion zsh > DIR/_dialctl, with DIR in $fpath
fish:  dialctl completion fish > ~/.config/fish/completions/dialctl.fish"""


@dataclass(frozen=True, slots=True)
class CompletionArguments:
    """The checked arguments of one `dialctl completion`."""

    shell: str
    parser: argparse.ArgumentParser


def add_completion(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], parser: argparse.ArgumentParser
) -> None:
    """Add the command `completion`, which describes the commands of `parser`."""
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a script that completes commands and options in a shell.",
        epilog=_HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(build=lambda chosen: CompletionArguments(chosen.shell, parser))


def print_completion(arguments: CompletionArguments) -> int:
    """Print the script, and return exit code 0. Raises UnusableFile if shtab is not installed."""
    try:
        import shtab
    except ImportError:
        raise UnusableFile("completion needs shtab: pip install 'dial-gateway-client[cli]'") from None
    for command in _parsers(arguments.parser):
        for action in command._actions:
            if action.metavar in _PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(arguments.parser, arguments.shell))
    return 0


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    groups = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(command for group in groups for command in group.values())]
