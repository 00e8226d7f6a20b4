"""What both clients share: their arguments, their channels, and whether they are closed."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

import grpc

from dialgateway import _channels, _wire
from dialgateway._call_context import CallContext, Metadata
from dialgateway._channels import ChannelT
from dialgateway._dial_state import DialState
from dialgateway.errors import ClientClosed
from dialgateway.retry import RetryPolicy
from dialgateway.values import Priority

CallT = TypeVar("CallT")


class ClientBase(ABC, Generic[ChannelT, CallT]):
    """Base class of both clients: `ChannelT` are their gRPC channels, `CallT` their calls in flight."""

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str | None = None,
        window: int = 2000,
        chunk: int = 100,
        metadata: Metadata = (),
        retry: RetryPolicy | None = None,
        channel: ChannelT | None = None,
        keepalive: timedelta | float = _channels.KEEPALIVE_S,
        http_proxy: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare a client. It connects at its first call.

        Args:
            target: host:port of the gateway, or any gRPC target.
            credentials: for TLS; None for a connection without TLS. Make them with
                `grpc.ssl_channel_credentials(ca, key, cert)`; a gateway that requires a client certificate
                needs the last two.
            server_name: with TLS, the name in the gateway's certificate, if that is not the target's.
            window: how many requests of one `dial()` may be without an answer. No more than this are read
                from its source in advance.
            chunk: how many requests are sent in one message at most.
            metadata: sent with every call, such as `traceparent` or the caller's credentials.
            retry: what is sent again, how fast and until when; `NO_RETRIES` switches it off.
            channel: used instead of the client's own connections, for interceptors and tests. `close()` does
                not close it. Reconnecting and keepalive then depend on its options.
            keepalive: a timedelta, or seconds. During calls the connection is checked after this much
                silence, and a stream that waits for answers sends an empty message. The gateway allows 10 s
                or more; 24 days or more turn it off.
            http_proxy: whether to use the proxy that the environment names (`grpc_proxy`, `https_proxy`,
                `http_proxy`, except for the hosts in `no_proxy`). By default it is ignored.
            jitter: returns numbers from 0 to 1, for the lengths of pauses.

        Raises:
            ValueError: window or chunk is less than 1.

        """
        self._retry = retry or RetryPolicy()
        self._jitter = jitter
        self._window, self._chunk = window, chunk
        self._new_state("")  # raises ValueError now, not at the first call
        self._metadata = tuple(metadata)
        self._idle_message_s = _channels.keepalive_seconds(keepalive)
        options = _channels.with_server_name(_channels.options(keepalive, http_proxy=http_proxy), server_name)
        # A channel of grpc.aio belongs to the event loop that runs when it is made, so it is made later.
        self._channels = _channels.Channels(lambda: self._open_channel(target, credentials, options), channel)
        self._calls: set[CallT] = set()
        self._closed = False

    @staticmethod
    @abstractmethod
    def _open_channel(
        target: str, credentials: grpc.ChannelCredentials | None, options: list[_channels.Option]
    ) -> ChannelT:
        """Open a channel; without TLS if there are no credentials."""

    def _new_state(self, campaign_id: str) -> DialState:
        largest = _wire.largest_request(campaign_id)
        return DialState(self._window, self._chunk, self._retry, self._jitter, largest)

    def _context(self, campaign_id: str, priority: Priority) -> CallContext:
        return CallContext(campaign_id, priority, self._metadata, idle_message_s=self._idle_message_s)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")
