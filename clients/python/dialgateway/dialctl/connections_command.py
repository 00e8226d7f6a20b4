"""The command `dialctl connections`: list the connections of the connections file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from dialgateway.dialctl.connection import Tls
from dialgateway.dialctl.connections_file import (
    FILE_VARIABLE,
    NamedConnections,
    connections_path,
    read_connections,
)
from dialgateway.dialctl.output_format import OutputFormat, add_output, print_json
from dialgateway.dialctl.terminal import write_lines

_FILE = f"""\
The file is $XDG_CONFIG_HOME/dialctl/connections.toml (~/.config/dialctl/connections.toml), or the path in
{FILE_VARIABLE}. Only you or root may be able to write it and its folder. Example:

  default = "staging"

  [connections.staging]
  gateway = "dial-gateway.staging.example:50051"
  tls-ca = "staging-ca.pem"
  tls-cert = "me.pem"
  tls-key = "me.key"

A relative path is relative to the folder of the file."""


@dataclass(frozen=True, slots=True)
class ConnectionsArguments:
    """The checked arguments of one `dialctl connections`."""

    output: OutputFormat


def add_connections(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `connections`."""
    command = commands.add_parser(
        "connections",
        help="list the named connections",
        description="List the named connections of the connections file.",
        epilog=_FILE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_output(command, wide="also the TLS files", json_="one document")
    command.set_defaults(build=lambda chosen: ConnectionsArguments(OutputFormat(chosen.output)))


def print_connections(arguments: ConnectionsArguments) -> int:
    """Print the connections, and return exit code 0. Raises UnusableFile for an invalid file."""
    found = read_connections() or NamedConnections(connections_path(), {})
    if arguments.output is OutputFormat.JSON:
        print_json(
            {
                "file": str(found.path),
                "connections": [_values(found, name) for name in sorted(found.by_name)],
            }
        )
        return 0
    if not found.by_name:
        write_lines(sys.stdout, f"no connections in {found.path}")
    for name in sorted(found.by_name):
        values = _values(found, name)
        default = " (default)" if values["default"] else ""
        tls = "with TLS" if values["tls"] else "without TLS"
        write_lines(sys.stdout, f"{name}{default}: {values['gateway']}, {tls}")
        if arguments.output is OutputFormat.WIDE:
            shown = [f"  {key}: {value}" for key, value in values.items() if key.startswith("tls_") and value]
            write_lines(sys.stdout, *shown)
    return 0


def _values(found: NamedConnections, name: str) -> dict[str, str | bool | None]:
    connection = found.by_name[name]
    tls = connection.tls or Tls()
    files = {"tls_ca": tls.ca, "tls_cert": tls.cert, "tls_key": tls.key}
    return {
        "name": name,
        "default": name == found.default,
        "gateway": connection.target,
        "tls": connection.tls is not None,
        **{key: None if path is None else str(path) for key, path in files.items()},
        "tls_name": tls.name,
    }
