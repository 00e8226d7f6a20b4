"""TLS credentials for gRPC. Each new connection uses the newest certificate."""

import grpc

from gateway.access.key_pair import KeyPair
from gateway.access.reloading import Reloaded


def server_credentials(pair: Reloaded[KeyPair]) -> grpc.ServerCredentials:
    """Return credentials that use the newest valid certificate.

    If the pair has a CA for clients, client certificates are required. Open connections keep the certificate
    that they began with.
    """
    given = pair.value

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given  # gRPC calls this in its own threads, before every handshake
        newest = pair.value
        if newest is given:
            return None
        given = newest
        return _configuration(newest)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        fetch,  # type: ignore[arg-type] # None is "no change", which the stubs leave out
        require_client_authentication=given.client_ca is not None,
    )


def _configuration(pair: KeyPair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(pair.key, pair.certificate)], root_certificates=pair.client_ca
    )
