"""TLS as gRPC takes it: each new connection gets the certificate that is in use by then."""

import grpc

from gateway.access.reloading import Reloaded
from gateway.access.tls_key_pair import Pair


def server_credentials(pair: Reloaded[Pair]) -> grpc.ServerCredentials:
    """Return credentials that show the newest good certificate, and ask callers for theirs if told so.

    Connections that are open stay with the certificate that they began with.
    """
    given = pair.value

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given  # gRPC asks in threads of its own, before every handshake
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


def _configuration(pair: Pair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(pair.key, pair.certificate)], root_certificates=pair.client_ca
    )
