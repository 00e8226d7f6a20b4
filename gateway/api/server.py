"""The gRPC server: the services, health and reflection on one address."""

import socket
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dialgateway.v1 import campaign_service_pb2, dial_request_service_pb2
from dialgateway.v1.campaign_service_pb2_grpc import add_CampaignServiceServicer_to_server
from dialgateway.v1.dial_request_service_pb2_grpc import add_DialRequestServiceServicer_to_server
from gateway.access.keeping import Kept
from gateway.access.pair import Pair
from gateway.api.campaign_servicer import CampaignServicer
from gateway.api.credentials import server_credentials
from gateway.api.health import BoundedHealth
from gateway.api.servicer import DialRequestServicer

SERVICES = (
    dial_request_service_pb2.DESCRIPTOR.services_by_name["DialRequestService"].full_name,
    campaign_service_pb2.DESCRIPTOR.services_by_name["CampaignService"].full_name,
)
MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that is read; a larger one ends its own stream with RESOURCE_EXHAUSTED."""

OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second process on the same address must fail, not share it silently
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Callers may ping as often as every 10 s, with or without a stream, to keep a proxy's path open.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a connection is pinged, closed as silent, and asked to make room for a new one. Seconds.

    A connection on which nothing came for `every_s` is pinged, and closed with its streams where no
    answer comes within `timeout_s`. One older than about `max_age_s` is told to go away: its streams
    go on, and new ones are opened on a new connection, perhaps to another replica.
    """

    every_s: float = 60.0
    timeout_s: float = 20.0
    max_age_s: float | None = None

    def options(self) -> tuple[tuple[str, int], ...]:
        """Return the gRPC options that do this."""
        options = (
            ("grpc.keepalive_time_ms", round(self.every_s * 1000)),
            ("grpc.keepalive_timeout_ms", round(self.timeout_s * 1000)),
            # gRPC waits for the answer to its ping by this one, a minute unless told otherwise.
            ("grpc.http2.ping_timeout_ms", round(self.timeout_s * 1000)),
        )
        if self.max_age_s is None:
            return options
        # gRPC's grace behind it stays endless: it would cut streams whatever is unanswered on them.
        return (*options, ("grpc.max_connection_age_ms", max(1, round(self.max_age_s * 1000))))


class GrpcServer:
    """A grpc.aio server with DialRequestService, CampaignService, `grpc.health.v1` and reflection.

    It speaks TLS where there is a `pair`, and then asks callers for a certificate if that says so.
    """

    def __init__(
        self,
        servicer: DialRequestServicer,
        campaigns: CampaignServicer,
        listen: str,
        keepalive: Keepalive | None = None,
        pair: Kept[Pair] | None = None,
    ) -> None:
        self._pair = pair
        self._listen = listen
        self._server = grpc.aio.server(options=(*OPTIONS, *(keepalive or Keepalive()).options()))
        self._health = BoundedHealth()
        add_DialRequestServiceServicer_to_server(servicer, self._server)
        add_CampaignServiceServicer_to_server(campaigns, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> int:
        """Listen and serve; return the port. Raises `OSError` where the address cannot be had."""
        _try_address(self._listen)
        try:
            port = self._add_port()
        except RuntimeError as refused:
            raise OSError(
                f"cannot listen on {self._listen}: in use, or not an address of this host"
            ) from refused
        await self._server.start()
        await self._set_health(serving=True)
        return port

    def _add_port(self) -> int:
        if self._pair is None:
            return self._server.add_insecure_port(self._listen)
        return self._server.add_secure_port(self._listen, server_credentials(self._pair))

    async def not_serving(self) -> None:
        """Tell whoever balances the load to send nothing more here."""
        await self._set_health(serving=False)

    async def stop(self, grace_s: float) -> None:
        """Stop listening; what is still open after `grace_s` seconds is cancelled."""
        await self._server.stop(grace_s)

    async def _set_health(self, *, serving: bool) -> None:
        answer = health_pb2.HealthCheckResponse
        for name in ("", *SERVICES):
            await self._health.set(name, answer.SERVING if serving else answer.NOT_SERVING)


def _try_address(listen: str) -> None:
    """Raise `OSError` where an address cannot be had: gRPC would say so in lines of its own on stderr."""
    host, _, port = listen.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"cannot listen on {listen}: {error.strerror}") from error
    refused: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                return
        except OSError as error:
            refused = refused or error
    raise OSError(f"cannot listen on {listen}: {refused.strerror if refused else 'no such address'}")
