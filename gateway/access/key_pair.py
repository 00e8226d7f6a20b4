"""Certificates and keys, for callers and for connections to the shared state, and the files with them."""

import ssl
from dataclasses import dataclass, field

from gateway.access.errors import KeyPairError

CERTIFICATE = "DIAL_GATEWAY_TLS_CERT_FILE"
KEY = "DIAL_GATEWAY_TLS_KEY_FILE"
CLIENT_CA = "DIAL_GATEWAY_TLS_CLIENT_CA_FILE"


@dataclass(frozen=True, slots=True)
class KeyPairFiles:
    """Where certificate (with the rest of its chain), key, and the authority of callers are."""

    certificate: str
    key: str
    client_ca: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All that are named."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its key, as PEM; `client_ca` where callers must show a certificate of that.

    `ends_at` is when the first certificate that is shown ends, in seconds since the epoch.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    client_ca: bytes | None = field(repr=False)
    ends_at: float
    names: tuple[str, ...] = ()


def files_of(certificate: str | None, key: str | None, client_ca: str | None) -> KeyPairFiles | None:
    """Return the files named by the settings, None without TLS. Raises `KeyPairError` if one is missing."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        lacking = CERTIFICATE if certificate is None else KEY
        raise KeyPairError(f"{lacking}: not set; TLS needs {CERTIFICATE} and {KEY} both")
    return KeyPairFiles(certificate, key, client_ca)


@dataclass(frozen=True, slots=True)
class ClientTlsFiles:
    """For the shared state: where its authority is, None for the system's, and certificate and key if any."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All that are named."""
        return tuple(path for path in (self.ca, self.certificate, self.key) if path is not None)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a new connection to the shared state uses.

    `ends_at` is when the first of these ends, in seconds since the epoch: the certificate that is shown, and
    the last of the authorities in the file. It is None without files. `names` are those of the certificate.
    """

    context: ssl.SSLContext
    ends_at: float | None
    names: tuple[str, ...] = ()
    has_certificate: bool = False
