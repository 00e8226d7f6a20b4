"""The synchronous client, on grpc's threads: for callers without an event loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

import grpc

from dialgateway import _channels, _wire
from dialgateway._campaigns import SyncCampaignCalls
from dialgateway._delivery import Delivery
from dialgateway._dial import Dial, Metadata, OnNotice
from dialgateway._put import PutTries, SyncPut
from dialgateway._sync_stream import SyncDialStream
from dialgateway.errors import ClientClosed
from dialgateway.retry import RetryPolicy
from dialgateway.values import DialRequest, DialResult, Priority


class SyncDialGatewayClient(SyncCampaignCalls):
    """Sends dial requests to a gateway and yields one answer for each, without asyncio.

        with SyncDialGatewayClient("127.0.0.1:50051") as client:
            for result in client.dial("my-campaign", requests):
                ...

    One client is one connection, and takes a new one when that breaks or its replica leaves; share it
    between threads, any number of `dial()` and `put()` may run at once. Make it after a fork, not before.

    Args:
        target: host:port of the gateway, or any gRPC target.
        credentials: for TLS; None for a plain connection. `grpc.ssl_channel_credentials(ca, key, cert)` makes
            them; a gateway that asks callers for a certificate needs the last two.
        server_name: with TLS, a name in the gateway's certificate where the target's is not in it.
        window: how many requests of one `dial()` may be without an answer at once; no more than this are
            read from its source in advance.
        chunk: how many requests are put into one message at most.
        metadata: sent with every call, such as `traceparent` or a caller's credentials.
        retry: what is tried again, how fast and until when; `NO_RETRIES` switches it off.
        channel: used instead of connections of its own, for interceptors and tests. It stays yours:
            `close()` leaves it open. How it connects again, and its keepalive, are then up to its options.
        keepalive: a timedelta, or seconds: how often a connection is asked whether it is still there while
            calls are under way, and a quiet stream that waits for answers sends an empty message. The
            gateway allows 10 seconds and more.
        http_proxy: whether to go through the proxy that the environment names (`grpc_proxy`, `https_proxy`,
            `http_proxy`, and `no_proxy` for exceptions). By default none of them is looked at.
        jitter: gives numbers from 0 to 1, to draw pauses with.

    """

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
        channel: grpc.Channel | None = None,
        keepalive: timedelta | float = _channels.KEEPALIVE_S,
        http_proxy: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._jitter = jitter
        self._window, self._chunk = window, chunk
        self._new_delivery("")  # a wrong size is reported here, not at the first dial
        self._metadata = tuple(metadata)
        self._sign_of_life_s = _channels.seconds(keepalive)
        options = _channels.named(_channels.options(keepalive, http_proxy=http_proxy), server_name)
        self._channels = _channels.Channels(lambda: _open_channel(target, credentials, options), channel)
        self._calls: set[SyncDialStream | SyncPut] = set()  # one for each call under way
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. A call of another thread raises ClientClosed. May be repeated."""
        self._closed = True
        for call in tuple(self._calls):
            call.abort()
        for channel in self._channels.take_all():
            channel.close()

    def dial(
        self,
        campaign_id: str,
        requests: Iterable[DialRequest],
        *,
        priority: Priority = Priority.NORMAL,
        on_notice: OnNotice | None = None,
    ) -> Generator[DialResult, None, None]:
        """Send the requests and yield the one answer to each as it comes, in the order of deciding.

        It is one stream over any number of connections: when one breaks or its replica leaves, what has no
        answer is sent again over another one, with the same tokens. Answers that advise to send the same
        token again are not yielded at once: that is done, as the retry policy says, as long as the request's
        time allows it. A request of more than 256 KiB is REJECTED without being sent.

        The source is read in a thread of its own, as the window allows; it may block, and what it has given
        is sent meanwhile. Leaving early (`break`, `close()`) cancels the stream: what the gateway has not
        yet sent to Amazon Connect is dropped.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to.
            requests: the source; if it is a generator, it is closed at the end.
            priority: how urgent these requests are beside others at the gateway.
            on_notice: called in the caller's thread with what the gateway tells beside answers.

        Raises:
            GatewayUnavailable: the gateway was out of reach for longer than the retry policy allows.
            AccessDenied, GatewayOverloaded, StreamBroken: the stream ended with an error that a new
            connection cannot fix. `error.unanswered` has the tokens without an answer, to be sent
                again as they are; `error.in_doubt` those of them that Amazon Connect may have.
            ClientClosed: the client was closed.
            Exception: whatever the source raises, after the stream is cancelled.

        """
        self._check_open()
        dial = Dial(campaign_id, priority, self._metadata, sign_of_life_s=self._sign_of_life_s)
        stream = SyncDialStream(self._channels, dial, self._new_delivery(campaign_id))
        self._calls.add(stream)
        try:
            stream.start(requests)
            while (results := stream.receive(on_notice)) is not None:
                yield from results
        finally:
            self._calls.discard(stream)
            stream.close()

    def put(
        self,
        campaign_id: str,
        requests: Iterable[DialRequest],
        *,
        timeout: timedelta | float,
        priority: Priority = Priority.NORMAL,
    ) -> list[DialResult]:
        """Send one short list and wait for all its answers, in the order of the requests.

        Where the gateway, or the way to it, is gone (UNAVAILABLE, INTERNAL, or CANCELLED by somebody else)
        the list is sent again, with the same tokens, as the retry policy says.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to.
            requests: no more than the gateway's window (5,000 unless configured otherwise), and no more
                than 4 MiB as one message.
            timeout: a timedelta, or seconds, for all tries together. Shortly before it passes the gateway
                answers what is settled, and the rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE.
            priority: how urgent these requests are beside others at the gateway.

        Raises:
            GatewayUnavailable: not reached in time, or every try was broken.
            GatewayOverloaded: nothing of the list was taken.
            ValueError: the list is too large for one message; nothing was sent.
            DeadlineExceeded, StreamBroken: unknown what was taken. Send the same tokens again.
            ClientClosed: the client was closed.

        """
        self._check_open()
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        dial = Dial(campaign_id, priority, self._metadata)
        put = SyncPut(self._channels, PutTries(dial, list(requests), seconds, self._retry, self._jitter))
        self._calls.add(put)
        try:
            return put.run()
        finally:
            self._calls.discard(put)

    def _new_delivery(self, campaign_id: str) -> Delivery:
        largest = _wire.largest_request(campaign_id)
        return Delivery(self._window, self._chunk, self._retry, self._jitter, largest)

    @contextmanager
    def _campaign_channel(self) -> Iterator[grpc.Channel]:
        self._check_open()
        lease = self._channels.acquire()
        try:
            yield lease.channel
        finally:
            for spent in self._channels.release(lease):
                spent.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")


def _open_channel(
    target: str, credentials: grpc.ChannelCredentials | None, options: list[_channels.Option]
) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)
