"""The address of a gateway, and the files and the server name for TLS."""

from __future__ import annotations

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


def _pem(option: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        found = path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{option}: {path}: {error.strerror}") from error
    if _PEM not in found:
        raise UnusableFile(f"{option}: {path}: contains no PEM")
    return found
