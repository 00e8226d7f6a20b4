"""How `dialctl` reaches a gateway: its address, and TLS where one of the options for it is given."""

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
    """What is known of the gateway's authority and name, and what is shown to it; None for the usual."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises UnusableFile where one is missing or holds nothing of its kind."""
        if (self.cert is None) != (self.key is None):
            raise UnusableFile("--tls-cert and --tls-key go together; one is missing")
        return grpc.ssl_channel_credentials(
            _pem("--tls-ca", self.ca), _pem("--tls-key", self.key), _pem("--tls-cert", self.cert)
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the gateway is; `tls` is None for a plain connection."""

    target: str
    tls: Tls | None = None

    @property
    def server_name(self) -> str | None:
        """The name that the gateway's certificate must have, where that is not the target's."""
        return self.tls.name if self.tls is not None else None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what to connect with; None for a plain connection. Raises UnusableFile."""
        return self.tls.credentials() if self.tls is not None else None


def add_connection(command: argparse.ArgumentParser) -> None:
    """Add the options of a command that say where the gateway is and how to connect."""
    command.add_argument(
        "--gateway",
        metavar="HOST:PORT",
        type=_address,
        default=os.environ.get("DIAL_GATEWAY_TARGET") or "127.0.0.1:50051",
        help="default: DIAL_GATEWAY_TARGET, else 127.0.0.1:50051",
    )
    tls = command.add_argument_group("TLS", "Without any of these the connection is a plain one.")
    tls.add_argument("--tls-ca", metavar="FILE", type=Path, help="authorities, PEM; default: well-known ones")
    tls.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate to show, PEM; with --tls-key")
    tls.add_argument("--tls-key", metavar="FILE", type=Path, help="its key, PEM")
    tls.add_argument("--tls-name", metavar="NAME", help="the gateway's, where HOST is not in its certificate")


def connection_of(chosen: argparse.Namespace) -> Connection:
    """Return what those options say."""
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
