"""A small certificate authority for tests: certificates with the names that a test chooses, as PEM.

trustme makes the authority and the certificates. It supports no URIs, which SPIFFE ids are, and makes no
certificate without names. For these two cases the names of a certificate that it has issued are replaced. All
pass the strict checks of RFC 5280 (OpenSSL's X509_V_FLAG_X509_STRICT), which Python applies since 3.13.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.files import put

DAY = timedelta(days=1)
PLACEHOLDER = "placeholder.invalid"


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both in PEM, as a server or client reads them."""

    pem: bytes
    key_pem: bytes

    def write(self, folder: Path, name: str = "tls") -> tuple[Path, Path]:
        """Put both into `NAME.crt` and `NAME.key` of a folder; return the paths."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        put(certificate, self.pem)
        put(key, self.key_pem)
        return certificate, key


class Authority:
    """A certificate authority; `pem` is its own certificate."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.pem = self._ca.cert_pem.bytes()

    def issue(
        self,
        *,
        spiffe: str | None = None,
        dns: str | None = None,
        ip: str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Issued:
        """Issue a certificate for the given names, if any, that ends a day from now by default."""
        names = [name for name in (dns, ip) if name is not None]
        until = not_after or datetime.now(UTC) + DAY
        leaf = self._ca.issue_cert(*(names or [PLACEHOLDER]), not_before=not_before, not_after=until)
        pem = leaf.cert_chain_pems[0].bytes()
        if spiffe is not None or not names:
            pem = self._renamed(pem, spiffe, keep=bool(names))
        return Issued(pem, leaf.private_key_pem.bytes())

    def _renamed(self, pem: bytes, uri: str | None, *, keep: bool) -> bytes:
        """Return a certificate with a URI, and with its own names if `keep` is set."""
        issued = x509.load_pem_x509_certificate(pem)
        names: list[x509.GeneralName] = [] if uri is None else [x509.UniformResourceIdentifier(uri)]
        builder = x509.CertificateBuilder(
            issued.issuer,
            issued.subject,
            issued.public_key(),
            issued.serial_number,
            issued.not_valid_before_utc,
            issued.not_valid_after_utc,
        )
        for extension in issued.extensions:
            if not isinstance(extension.value, x509.SubjectAlternativeName):
                builder = builder.add_extension(extension.value, extension.critical)
            elif keep:
                names.extend(extension.value)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
