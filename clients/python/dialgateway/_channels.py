"""The connections of one client: one channel for all its calls, replaced by a fresh one when it is spent.

A channel whose replica leaves, or which broke, is retired: calls under way keep it to their end, the next
call gets a new one. A new channel resolves the gateway's name anew and connects anew, so that a load balancer
may choose another replica. Nor does it inherit the growing pauses that gRPC itself makes behind failures: the
retry policy has its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 30.0, 10.0
"""A connection that has gone silent under a call is noticed within 40 seconds. The gateway allows a ping
every 10 seconds; pings more often than a server allows would end the connection."""


RECEIVED_BYTES = 16 << 20
"""The largest message that is read from a gateway."""
Option = tuple[str, int | str]


def seconds(duration: timedelta | float) -> float:
    """Return a duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def options(keepalive: timedelta | float, *, http_proxy: bool = False) -> list[tuple[str, int]]:
    """Return the options of a channel of the client's own."""
    keepalive_s = seconds(keepalive)
    timeout_ms = int(min(keepalive_s, KEEPALIVE_TIMEOUT_S) * 1000)
    return [
        ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        # Newer releases go by this one, 60 seconds unless set, and no longer by the one above.
        ("grpc.http2.ping_timeout_ms", timeout_ms),
        # Pings go on for as long as a stream waits for answers, however long it has sent nothing itself.
        ("grpc.http2.max_pings_without_data", 0),
        # A new channel is a new connection, also to the same address.
        ("grpc.use_local_subchannel_pool", 1),
        # What is sent again, and when, is decided here, where it is known what is in doubt.
        ("grpc.enable_retries", 0),
        # gRPC would follow `http_proxy` and the like silently, though the gateway is a service nearby.
        ("grpc.enable_http_proxy", int(http_proxy)),
        # The results of one `put()` may take more than the 4 MiB that its requests do.
        ("grpc.max_receive_message_length", RECEIVED_BYTES),
    ]


def named(options: list[tuple[str, int]], server_name: str | None) -> list[Option]:
    """Return options with the name that the gateway's certificate must have, if not the target's."""
    return [*options, *([("grpc.ssl_target_name_override", server_name)] if server_name else [])]


ChannelT = TypeVar("ChannelT")


@dataclass(eq=False)
class Lease(Generic[ChannelT]):
    """A channel in use; `reached` once the gateway has been heard on it."""

    channel: ChannelT
    users: int = 0
    reached: bool = False


class Channels(Generic[ChannelT]):
    """Hands out the current channel; safe to use from several threads.

    Args:
        make: opens a channel of the client's own.
        given: the caller's channel, used for everything and never replaced.

    """

    def __init__(self, make: Callable[[], ChannelT], given: ChannelT | None) -> None:
        self._make = make
        self._given = given
        self._current: Lease[ChannelT] | None = None
        self._all: set[Lease[ChannelT]] = set()
        self._lock = threading.Lock()

    def acquire(self) -> Lease[ChannelT]:
        """Return the current channel for one call, a new one where there is none; `release()` it."""
        with self._lock:
            if self._current is None:
                self._current = Lease(self._make() if self._given is None else self._given)
                self._all.add(self._current)
            self._current.users += 1
            return self._current

    def retire(self, lease: Lease[ChannelT]) -> None:
        """Let no new call have this channel, if it is the client's own."""
        with self._lock:
            if self._given is None and self._current is lease:
                self._current = None

    def release(self, lease: Lease[ChannelT]) -> list[ChannelT]:
        """End one use; return what the caller of this is to close now."""
        with self._lock:
            lease.users -= 1
            if lease.users or lease is self._current or lease not in self._all:
                return []
            self._all.discard(lease)
            return [lease.channel]

    def take_all(self) -> list[ChannelT]:
        """Return every channel of the client's own that is open, for the caller of this to close."""
        with self._lock:
            leases, self._all, self._current = self._all, set(), None
            return [] if self._given is not None else [lease.channel for lease in leases]
