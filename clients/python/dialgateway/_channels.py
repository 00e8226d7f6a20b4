"""The channels of one client: all calls share one, which is replaced after it fails or its replica drains.

A retired channel is kept by its calls in flight until they end; the next call gets a new one. A new channel
resolves the gateway's name again and connects again, so a load balancer may choose another replica. It also
starts without the growing reconnect pauses of gRPC; the retry policy has its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 30.0, 10.0
"""A connection that goes silent during a call is noticed within 40 seconds. The gateway allows a ping every
10 seconds; a server ends connections with more frequent pings."""
LONGEST_KEEPALIVE_S = (2**31 - 1) / 1000
"""The longest time of a gRPC option, 24 days. gRPC sends no pings then."""

RECEIVED_BYTES = 16 << 20
"""The largest message that the client reads from a gateway, in bytes."""
Option = tuple[str, int | str]


def seconds(duration: timedelta | float) -> float:
    """Return a duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def keepalive_seconds(keepalive: timedelta | float) -> float:
    """Return a keepalive in seconds, `LONGEST_KEEPALIVE_S` at most."""
    return min(seconds(keepalive), LONGEST_KEEPALIVE_S)


def options(keepalive: timedelta | float, *, http_proxy: bool = False) -> list[tuple[str, int]]:
    """Return the gRPC options of a channel that the client opens. `keepalive` is in seconds if a number."""
    keepalive_s = keepalive_seconds(keepalive)
    timeout_ms = int(min(keepalive_s, KEEPALIVE_TIMEOUT_S) * 1000)
    return [
        ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        # Newer releases use this option (60 seconds by default) and ignore the one above.
        ("grpc.http2.ping_timeout_ms", timeout_ms),
        # Allow any number of pings while a stream waits for answers and sends nothing.
        ("grpc.http2.max_pings_without_data", 0),
        # Without this, gRPC would share a connection between channels to the same address.
        ("grpc.use_local_subchannel_pool", 1),
        # The client decides itself what to send again: only it knows which requests are in doubt.
        ("grpc.enable_retries", 0),
        # By default gRPC uses `http_proxy`, but a gateway is on the local network.
        ("grpc.enable_http_proxy", int(http_proxy)),
        # The results of one `put()` may be larger than the 4 MiB that its requests may take.
        ("grpc.max_receive_message_length", RECEIVED_BYTES),
    ]


def with_server_name(options: list[tuple[str, int]], server_name: str | None) -> list[Option]:
    """Add the name that the gateway's certificate must have, if it is not that of the target."""
    return [*options, *([("grpc.ssl_target_name_override", server_name)] if server_name else [])]


ChannelT = TypeVar("ChannelT")


@dataclass(eq=False)
class Lease(Generic[ChannelT]):
    """A channel in use. `probed` is set once the gateway has answered the probe on it."""

    channel: ChannelT
    users: int = 0
    probed: bool = False


class Channels(Generic[ChannelT]):
    """Lends the current channel to calls. Safe to use from several threads.

    Args:
        make: opens a new channel.
        given: a channel of the caller, used for all calls and never replaced or closed.

    """

    def __init__(self, make: Callable[[], ChannelT], given: ChannelT | None) -> None:
        self._make = make
        self._given = given
        self._current: Lease[ChannelT] | None = None
        self._all: set[Lease[ChannelT]] = set()
        self._lock = threading.Lock()

    def acquire(self) -> Lease[ChannelT]:
        """Return the current channel, or a new one, for one call. Call `release` after it."""
        with self._lock:
            if self._current is None:
                self._current = Lease(self._make() if self._given is None else self._given)
                self._all.add(self._current)
            self._current.users += 1
            return self._current

    def retire(self, lease: Lease[ChannelT]) -> None:
        """Give this channel to no new call, unless the caller has provided it."""
        with self._lock:
            if self._given is None and self._current is lease:
                self._current = None

    def release(self, lease: Lease[ChannelT]) -> list[ChannelT]:
        """End one use. Return the channels that must be closed now."""
        with self._lock:
            lease.users -= 1
            if lease.users or lease is self._current or lease not in self._all:
                return []
            self._all.discard(lease)
            return [lease.channel]

    def take_all(self) -> list[ChannelT]:
        """Return all channels that the client has opened, to be closed now."""
        with self._lock:
            leases, self._all, self._current = self._all, set(), None
            return [] if self._given is not None else [lease.channel for lease in leases]
