"""Reads the certificate that the gateway shows to callers and its key, and the authority of theirs.

The certificate for the shared state is read by the same functions (`gateway.access.client_tls`). This module
is imported with TLS only: cryptography takes 9 MB.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.access.errors import KeyPairError
from gateway.access.key_pair import CERTIFICATE, CLIENT_CA, KEY, KeyPair, KeyPairFiles
from gateway.access.reloading import Reloaded
from gateway.access.settled_file import SYSTEM_CLOCKS, WRITTEN_QUIET_S, FileClocks

# The kinds that gRPC accepts. After a change to another kind it would keep the old certificate without an
# error. Valkey and Redis accept these too.
_KINDS = (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_RULE = "RSA, ECDSA on P-256, P-384 or P-521, or Ed25519"


class PairSettings(NamedTuple):
    """The names of the settings of a certificate and its key, for messages."""

    certificate: str
    key: str


OF_CALLERS = PairSettings(CERTIFICATE, KEY)


class OwnCertificate(NamedTuple):
    """A certificate with the rest of its chain and its key, as PEM, and its names.

    `ends_at` is when it ends, in seconds since the epoch.
    """

    chain_pem: bytes
    key_pem: bytes
    ends_at: float
    names: tuple[str, ...]


class Authorities(NamedTuple):
    """The certificates of authorities, as PEM; the last of them ends at `ends_at`."""

    pem: bytes
    ends_at: float


def reloaded_key_pair(files: KeyPairFiles, clocks: FileClocks = SYSTEM_CLOCKS) -> Reloaded[KeyPair]:
    """Return the pair in files, with rereading once all of them are complete.

    A part of the certificates in a file is valid too: a chain or the authorities of callers. Raises
    `KeyPairError` if the pair cannot be used.
    """

    def read() -> KeyPair:
        return read_key_pair(files, clocks.wall())

    return Reloaded("the certificate", files.paths, read, WRITTEN_QUIET_S, clocks)


def read_key_pair(files: KeyPairFiles, now: float) -> KeyPair:
    """Return the pair in files. Raises `KeyPairError` if it cannot be used at the instant `now`."""
    own = read_certificate(OF_CALLERS, files.certificate, files.key, now)
    client_ca = None if files.client_ca is None else read_authorities(CLIENT_CA, files.client_ca, now).pem
    return KeyPair(own.chain_pem, own.key_pem, client_ca, own.ends_at, own.names)


def read_certificate(settings: PairSettings, certificate: str, key: str, now: float) -> OwnCertificate:
    """Return the certificate and the key in two files.

    Raises `KeyPairError` if they do not belong together, or cannot be used at the instant `now`.
    """
    chain_pem, key_pem = _read(settings.certificate, certificate), _read(settings.key, key)
    own = _certificates(settings.certificate, certificate, chain_pem)[0]
    if _public_key_of(settings.key, key_pem, key) != _public(settings.certificate, own):
        raise KeyPairError(f"{settings.key}: {key} is not the key of the certificate in {certificate}")
    at = datetime.fromtimestamp(now, UTC)
    problem = ""
    if at < own.not_valid_before_utc:
        problem = f"is not valid before {own.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    elif own.not_valid_after_utc <= at:
        problem = f"expired on {own.not_valid_after_utc:%Y-%m-%d at %H:%M:%S} UTC"
    if problem:
        raise KeyPairError(f"{settings.certificate}: the certificate in {certificate} {problem}")
    return OwnCertificate(chain_pem, key_pem, own.not_valid_after_utc.timestamp(), _names(own))


def read_authorities(setting: str, path: str, now: float) -> Authorities:
    """Return the authorities in a file. Raises `KeyPairError` if all have expired, or one cannot be read."""
    pem = _read(setting, path)
    ends_at = max(one.not_valid_after_utc.timestamp() for one in _certificates(setting, path, pem))
    if ends_at <= now:
        raise KeyPairError(f"{setting}: every certificate in {path} has expired")
    return Authorities(pem, ends_at)


def _certificates(setting: str, path: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise KeyPairError(f"{setting}: {path} contains no readable certificate in PEM") from error


def _public_key_of(setting: str, key_pem: bytes, path: str) -> bytes:
    try:
        key = load_pem_private_key(key_pem, password=None)
    except TypeError as error:
        raise KeyPairError(f"{setting}: the key in {path} has a password; remove it") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyPairError(f"{setting}: {path} contains no readable private key in PEM") from error
    if not isinstance(key, _KINDS) or (
        isinstance(key, EllipticCurvePrivateKey) and key.curve.name not in _CURVES
    ):
        raise KeyPairError(f"{setting}: {path} contains a key of a kind that is not supported; use {_RULE}")
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public(setting: str, certificate: x509.Certificate) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise KeyPairError(f"{setting}: its kind of key is not supported") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the names of a certificate as texts for messages."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - they are for people only; a certificate without them serves as well
        return ()
    return tuple(str(name.value) for name in names)


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KeyPairError(f"{setting}: cannot read {path}: {error.strerror}") from error
