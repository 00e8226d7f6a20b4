"""The options of `dialctl` for the connection to a gateway: a name, or an address and TLS."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from dialgateway.dialctl.connection import Connection, Tls
from dialgateway.dialctl.connections_file import ADDRESS, read_connections
from dialgateway.dialctl.errors import UnusableFile

TARGET_VARIABLE, NAME_VARIABLE = "DIAL_GATEWAY_TARGET", "DIALCTL_CONNECTION"
DEFAULT_TARGET = "127.0.0.1:50051"


def add_connection(command: argparse.ArgumentParser) -> None:
    """Add these options to a command."""
    command.add_argument(
        "--connection",
        metavar="NAME",
        help=f"a connection of the connections file; default: {NAME_VARIABLE}",
    )
    command.add_argument(
        "--gateway",
        metavar="HOST:PORT",
        type=_address,
        help=f"default: {TARGET_VARIABLE}, else the file's default connection, else {DEFAULT_TARGET}",
    )
    tls = command.add_argument_group(
        "TLS", "Without any of these options, and without a connection that has TLS, there is no TLS."
    )
    tls.add_argument(
        "--tls-ca",
        metavar="FILE",
        type=Path,
        help="trusted certificate authorities, PEM; default: public ones",
    )
    tls.add_argument("--tls-cert", metavar="FILE", type=Path, help="client certificate, PEM; needs --tls-key")
    tls.add_argument("--tls-key", metavar="FILE", type=Path, help="key of the client certificate, PEM")
    tls.add_argument(
        "--tls-name", metavar="NAME", help="name in the gateway's certificate, if that is not HOST"
    )


def connection_of(chosen: argparse.Namespace) -> Connection:
    """Return the connection that these options, the environment and the connections file choose.

    The first of these that is given decides about the address: `--connection`, `--gateway`,
    DIALCTL_CONNECTION, DIAL_GATEWAY_TARGET, and the default of the file. Options for TLS replace those of a
    named connection. Raises UnusableFile for `--connection` with `--gateway`, a name that is not in the file,
    and an invalid file.
    """
    given = _named_or_address(chosen)
    tls = given.tls or Tls()
    options = {"ca": chosen.tls_ca, "cert": chosen.tls_cert, "key": chosen.tls_key, "name": chosen.tls_name}
    tls = replace(tls, **{name: value for name, value in options.items() if value is not None})
    return Connection(given.target, None if tls == Tls() else tls)


def _named_or_address(chosen: argparse.Namespace) -> Connection:
    if chosen.connection is not None and chosen.gateway is not None:
        raise UnusableFile("--connection and --gateway: give only one of them")
    if chosen.gateway is not None:
        return Connection(chosen.gateway)
    name = chosen.connection or os.environ.get(NAME_VARIABLE)
    target = os.environ.get(TARGET_VARIABLE)
    if name is None and target:
        return Connection(_address_of_environment(target))
    connections = read_connections()
    if connections is None:
        if name is not None:
            raise UnusableFile(f"--connection: {name!r}: there is no connections file")
        return Connection(DEFAULT_TARGET)
    name = name or connections.default
    return Connection(DEFAULT_TARGET) if name is None else connections.named(name)


def _address(text: str) -> str:
    if ADDRESS.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("expected HOST:PORT, such as 127.0.0.1:50051")
    return text


def _address_of_environment(text: str) -> str:
    try:
        return _address(text)
    except argparse.ArgumentTypeError as error:
        raise UnusableFile(f"{TARGET_VARIABLE}: {error}") from None
