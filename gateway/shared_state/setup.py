"""Checks that the settings of a shared state fit together, and reads its secrets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.runtime.key_file import KeyFileError, read_key_file
from gateway.shared_state.address import Address, AddressError, parse
from gateway.shared_state.port import SharedStateRefused
from gateway.shared_state.server import read_secret

_NAMES = "DIAL_GATEWAY_SHARED_STATE_"


@dataclass(frozen=True, slots=True)
class StateFiles:
    """Files of the shared state: its authority, the gateway's certificate and key, and the password."""

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    password: str | None = None


def checked_address(url: str, files: StateFiles, password: str | None) -> Address:
    """Return the address of the shared state. Raises `AddressError` if a setting does not fit the others."""
    address = parse(url)
    if password is not None and files.password is not None:
        raise AddressError(f"{_NAMES}PASSWORD and {_NAMES}PASSWORD_FILE: set one of them only")
    if (files.tls_cert is None) != (files.tls_key is None):
        raise AddressError(f"{_NAMES}TLS_CERT_FILE and {_NAMES}TLS_KEY_FILE: set both or none")
    if not address.tls:
        names = {"TLS_CA_FILE": files.tls_ca, "TLS_CERT_FILE": files.tls_cert}
        for name in (name for name, path in names.items() if path is not None):
            raise AddressError(f"{_NAMES}{name}: needs a URL that begins with valkeys:// or rediss://")
    return address


def password_reader(password: str | None, path: str | None) -> Callable[[], str | None]:
    """Return what reads the password. Raises `SharedStateRefused` if its file cannot be read now."""
    if path is None:
        return lambda: password
    read_secret(path)
    return partial(read_secret, path)


def fingerprint_key(path: str | None) -> bytes | None:
    """Return the key of fingerprints from a file, None without one. Raises `SharedStateRefused`."""
    if path is None:
        return None
    try:
        return read_key_file(f"{_NAMES}FINGERPRINT_KEY_FILE", path)
    except KeyFileError as error:
        raise SharedStateRefused(str(error)) from error
