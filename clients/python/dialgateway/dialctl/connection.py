"""The options of `dialctl` for the connection to a gateway: its address, and TLS."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

import grpc

from dialgateway.dialctl.errors import UnusableFile

_PEM = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Tls:
    """The files and the server name for TLS. None means the default."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises UnusableFile if one is missing or contains no PEM."""
        if (self.cert is None) != (self.key is None):
            raise UnusableFile("--tls-cert and --tls-key go together; one of them is missing")
        return grpc.ssl_channel_credentials(
            _pem("--tls-ca", self.ca), _pem("--tls-key", self.key), _pem("--tls-cert", self.cert)
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of a gateway. `tls` is None for a connection without TLS."""

    target: str
    tls: Tls | None = None

    @property
    def server_name(self) -> str | None:
        """The name that the gateway's certificate must have, if that is not the target's."""
        return self.tls.name if self.tls is not None else None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return the credentials for TLS; None for a connection without it. Raises UnusableFile."""
        return self.tls.credentials() if self.tls is not None else None


def add_connection(command: argparse.ArgumentParser) -> None:
    """Add these options to a command."""
    command.add_argument(
        "--gateway",
        metavar="HOST:PORT",
        type=_address,
        default=os.environ.get("DIAL_GATEWAY_TARGET") or "127.0.0.1:50051",
        help="default: DIAL_GATEWAY_TARGET, else 127.0.0.1:50051",
    )
    tls = command.add_argument_group("TLS", "Without any of these options the connection has no TLS.")
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
    """Return the values of these options."""
    tls = Tls(chosen.tls_ca, chosen.tls_cert, chosen.tls_key, chosen.tls_name)
    return Connection(chosen.gateway, None if tls == Tls() else tls)


def _pem(option: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        found = path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{option}: {path}: {error.strerror}") from error
    if _PEM not in found:
        raise UnusableFile(f"{option}: {path}: holds nothing in PEM")
    return found


def _address(text: str) -> str:
    if re.fullmatch(r"[^/\s]+:[0-9]{1,5}", text) is None:
        raise argparse.ArgumentTypeError("expected HOST:PORT, such as 127.0.0.1:50051")
    return text
