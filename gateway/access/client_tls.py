"""Reads the TLS settings for connections to the shared state: authority, and the gateway's certificate."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.access.errors import KeyPairError
from gateway.access.key_pair import ClientTls, ClientTlsFiles
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import SYSTEM_CLOCKS, WRITTEN_QUIET_S, FileClocks
from gateway.access.tls_key_pair import PairSettings, read_authorities, read_certificate

NAME = "the certificate for the shared state"
CA = "DIAL_GATEWAY_SHARED_STATE_TLS_CA_FILE"
SETTINGS = PairSettings("DIAL_GATEWAY_SHARED_STATE_TLS_CERT_FILE", "DIAL_GATEWAY_SHARED_STATE_TLS_KEY_FILE")


def reloaded_client_tls(files: ClientTlsFiles, clocks: FileClocks = SYSTEM_CLOCKS) -> Reloaded[ClientTls]:
    """Return the TLS settings in files, with rereading once all of them are complete.

    Raises `KeyPairError` if they cannot be used.
    """

    def read() -> ClientTls:
        return read_client_tls(files, clocks.wall())

    return Reloaded(NAME, files.paths, read, WRITTEN_QUIET_S, clocks)


def read_client_tls(files: ClientTlsFiles, now: float) -> ClientTls:
    """Return the TLS settings in files. Raises `KeyPairError` if they cannot be used at the instant `now`."""
    ends: list[float] = []
    names: tuple[str, ...] = ()
    if files.ca is not None:
        ends.append(read_authorities(CA, files.ca, now).ends_at)
    with _used_by_openssl(CA, files.ca):
        context = ssl.create_default_context(cafile=files.ca)
    if files.certificate is not None and files.key is not None:
        own = read_certificate(SETTINGS, files.certificate, files.key, now)
        ends.append(own.ends_at)
        names = own.names
        with _used_by_openssl(SETTINGS.certificate, files.certificate):
            context.load_cert_chain(files.certificate, files.key, password="")
    return ClientTls(context, min(ends, default=None), names, files.certificate is not None)


@contextmanager
def _used_by_openssl(setting: str, path: str | None) -> Iterator[None]:
    """Turn an error of OpenSSL, which reads a file again by its path, into a `KeyPairError`."""
    try:
        yield
    except (OSError, ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise KeyPairError(f"{setting}: {path} cannot be used for TLS: {why}") from None
