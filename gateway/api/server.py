"""The gRPC server: all services and health on one address."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.access.reloading import Reloaded
from gateway.access.tls_key_pair import Pair
from gateway.api.dial_request_service import SERVICE as DIAL_REQUEST_SERVICE
from gateway.api.health import BoundedHealth
from gateway.api.method_handlers import SERVICE as CAMPAIGN_SERVICE
from gateway.api.tls import server_credentials

SERVICES = (
    DIAL_REQUEST_SERVICE,
    CAMPAIGN_SERVICE,
)
MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that is read; a larger one ends its own stream with RESOURCE_EXHAUSTED."""
METADATA_BYTES = 64 * 1024
"""The most metadata that a call may bring, as HTTP/2 counts it: each entry's name, value and 32 bytes more.
A call with more is refused. A forwarded client certificate takes 2 to 15 KiB."""
FURTHER_CALLS = 1000
"""Calls that one connection may carry beyond a caller's streams: watches, checks, calls to be refused."""

OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second process on the same address must fail, not share it silently
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Between the two limits gRPC refuses calls at random. They are equal, so the size alone decides.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    # Pings are allowed on connections without a call too, to keep the path through a proxy open.
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a connection is pinged, and when it is closed. Seconds.

    A connection on which nothing came for `every_s` is pinged, and closed with its streams where no
    answer comes within `timeout_s`. One older than about `max_age_s` is told to go away: its streams
    go on, and new ones are opened on a new connection, perhaps to another replica. A connection that has
    carried no call for `idle_s` is also told to go away. One that has not finished its handshakes (TLS, and
    HTTP/2's first SETTINGS) within `handshake_s` is closed.

    Callers may ping every 10 s. `least_ping_s` is what gRPC enforces: it closes a connection at the third
    ping that came sooner than that after the ping before, however far apart the three were. It is far below
    10 s, because network delay brings pings closer together.
    """

    every_s: float = 60.0
    timeout_s: float = 20.0
    max_age_s: float | None = None
    idle_s: float = 900.0
    handshake_s: float = 20.0
    least_ping_s: float = 1.0

    def options(self) -> tuple[tuple[str, int], ...]:
        """Return the gRPC options that do this."""
        seconds = {
            "grpc.keepalive_time_ms": self.every_s,
            "grpc.keepalive_timeout_ms": self.timeout_s,
            # gRPC waits for the answer to its ping by this one, a minute unless told otherwise.
            "grpc.http2.ping_timeout_ms": self.timeout_s,
            "grpc.http2.min_ping_interval_without_data_ms": self.least_ping_s,
            "grpc.max_connection_idle_ms": self.idle_s,
            "grpc.server_handshake_timeout_ms": self.handshake_s,
        }
        if self.max_age_s is not None:
            # gRPC's grace behind it stays endless: it would cut streams whatever is unanswered on them.
            seconds["grpc.max_connection_age_ms"] = self.max_age_s
        return tuple((name, max(1, round(value * 1000))) for name, value in seconds.items())


class GrpcServer:
    """A grpc.aio server with `grpc.health.v1` and the services of its `handlers`.

    It speaks TLS where there is a `pair`, and then asks callers for a certificate if that says so.
    """

    def __init__(
        self,
        handlers: Iterable[grpc.GenericRpcHandler],
        listen: str,
        keepalive: Keepalive | None = None,
        pair: Reloaded[Pair] | None = None,
        caller_streams: int = 2000,
    ) -> None:
        self._pair = pair
        self._listen = listen
        times = (keepalive or Keepalive()).options()
        streams = ("grpc.max_concurrent_streams", caller_streams + FURTHER_CALLS)
        self._server = grpc.aio.server(options=(*OPTIONS, *times, streams))
        self._health = BoundedHealth()
        self._server.add_generic_rpc_handlers(tuple(handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

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
