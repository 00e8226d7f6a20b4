"""Reads the names in a certificate that a proxy forwards."""

from functools import lru_cache

from cryptography import x509

from gateway.access.identity import Names

NOBODY = Names((), ())


@lru_cache(maxsize=1024)
def names_in(pem: str) -> Names:
    """Return the URIs and DNS names of a certificate in PEM; none if it cannot be read.

    The certificate is not verified here: the proxy that accepted the connection has done that.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - a certificate that cannot be read, for whichever reason, names nobody
        return NOBODY
    return Names(
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        tuple(names.get_values_for_type(x509.DNSName)),
    )
