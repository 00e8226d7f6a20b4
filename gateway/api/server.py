"""The gRPC server: all services and health on one address."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.access.key_pair import KeyPair
from gateway.access.reloading import Reloaded
from gateway.api.compliance_service import SERVICE as COMPLIANCE_SERVICE
from gateway.api.dial_request_service import SERVICE as DIAL_REQUEST_SERVICE
from gateway.api.health import BoundedHealth
from gateway.api.method_handlers import SERVICE as CAMPAIGN_SERVICE
from gateway.api.tls import server_credentials
from gateway.api.wire.incoming import MESSAGE_BYTES
from gateway.runtime.open_files import LARGEST

LISTEN_SETTING = "DIAL_GATEWAY_LISTEN"
SERVICES = (
    DIAL_REQUEST_SERVICE,
    CAMPAIGN_SERVICE,
    COMPLIANCE_SERVICE,
)
RECEIVED_BYTES = 2 * MESSAGE_BYTES
"""The largest message that gRPC receives, in bytes. gRPC itself ends a call with a larger one, without
details. Calls with one between the two limits end with details that name the reason."""
METADATA_BYTES = 64 * 1024
"""The size limit of a call's metadata as HTTP/2 counts it: for each entry its name, its value and 32 bytes.
A call with more is refused. A forwarded client certificate takes 2 to 15 KiB."""
FURTHER_CALLS = 1000
"""Calls that one connection may carry in addition to a caller's streams: watches, checks, refused calls."""

OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second process on the same address must fail, not share it silently
    ("grpc.max_receive_message_length", RECEIVED_BYTES),
    # Between the two limits gRPC refuses calls at random. They are equal, so the size alone decides.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    # Pings are allowed on connections without a call too, to keep the path through a proxy open.
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a connection is pinged, and when it is closed. Seconds.

    A connection that received nothing for `every_s` is pinged. If no answer arrives within `timeout_s`, it is
    closed with its streams. A connection older than about `max_age_s` gets a GOAWAY: its streams continue,
    and new ones use a new connection, perhaps to another replica. A connection without a call for `idle_s`
    also gets a GOAWAY. A connection that has not finished its handshakes (TLS and the first SETTINGS of
    HTTP/2) within `handshake_s` is closed.

    Callers may ping every 10 s. `least_ping_s` is the interval that gRPC enforces: it closes a connection at
    the third ping that followed the ping before too soon, even if the three are far apart. The value is far
    below 10 s, because network delay brings pings closer together.
    """

    every_s: float = 60.0
    timeout_s: float = 20.0
    max_age_s: float | None = None
    idle_s: float = 900.0
    handshake_s: float = 20.0
    least_ping_s: float = 1.0

    def options(self) -> tuple[tuple[str, int], ...]:
        """Return the gRPC options for these times."""
        seconds = {
            "grpc.keepalive_time_ms": self.every_s,
            "grpc.keepalive_timeout_ms": self.timeout_s,
            # The time-out of a ping's answer. Its default is one minute.
            "grpc.http2.ping_timeout_ms": self.timeout_s,
            "grpc.http2.min_ping_interval_without_data_ms": self.least_ping_s,
            "grpc.max_connection_idle_ms": self.idle_s,
            "grpc.server_handshake_timeout_ms": self.handshake_s,
        }
        if self.max_age_s is not None:
            # The grace after it stays unlimited: gRPC would end streams with unanswered requests.
            seconds["grpc.max_connection_age_ms"] = self.max_age_s
        return tuple((name, max(1, round(value * 1000))) for name, value in seconds.items())


class GrpcServer:
    """A grpc.aio server with `grpc.health.v1` and the services of its `handlers`.

    With a `pair` it uses TLS, and requires client certificates if the pair has a CA for them. It closes new
    connections at once while it has `connections`.
    """

    def __init__(
        self,
        handlers: Iterable[grpc.GenericRpcHandler],
        listen: str,
        keepalive: Keepalive | None = None,
        pair: Reloaded[KeyPair] | None = None,
        caller_streams: int = 2000,
        connections: int = LARGEST,
    ) -> None:
        self._pair = pair
        self._listen = listen
        times = (keepalive or Keepalive()).options()
        limits = (
            ("grpc.max_concurrent_streams", caller_streams + FURTHER_CALLS),
            ("grpc.max_allowed_incoming_connections", connections),
        )
        self._server = grpc.aio.server(options=(*OPTIONS, *times, *limits))
        self._health = BoundedHealth()
        self._server.add_generic_rpc_handlers(tuple(handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Listen and serve; return the port. Raises `OSError` if the address is not available."""
        _try_address(self._listen)
        try:
            port = self._add_port()
        except RuntimeError as refused:
            raise OSError(
                f"{LISTEN_SETTING}: cannot listen on {self._listen}: in use, or not an address of this host"
            ) from refused
        await self._server.start()
        await self._set_health(serving=True)
        return port

    def _add_port(self) -> int:
        if self._pair is None:
            return self._server.add_insecure_port(self._listen)
        return self._server.add_secure_port(self._listen, server_credentials(self._pair))

    async def not_serving(self) -> None:
        """Set the health to NOT_SERVING, so that load balancers send nothing more here."""
        await self._set_health(serving=False)

    async def stop(self, grace_s: float) -> None:
        """Stop listening. Calls that are open after `grace_s` seconds are cancelled."""
        await self._server.stop(grace_s)

    async def _set_health(self, *, serving: bool) -> None:
        answer = health_pb2.HealthCheckResponse
        for name in ("", *SERVICES):
            await self._health.set(name, answer.SERVING if serving else answer.NOT_SERVING)


def _try_address(listen: str) -> None:
    """Raise `OSError` if an address is not available. gRPC reports it only on stderr."""
    host, _, port = listen.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(f"{LISTEN_SETTING}: cannot listen on {listen}: {error.strerror}") from error
    refused: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                return
        except OSError as error:
            refused = refused or error
    raise OSError(
        f"{LISTEN_SETTING}: cannot listen on {listen}: {refused.strerror if refused else 'no such address'}"
    )
