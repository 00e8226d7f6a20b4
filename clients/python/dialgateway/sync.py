"""The synchronous client: it uses threads, and needs no event loop."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

import grpc

from dialgateway import _channels
from dialgateway._call_context import OnNotice
from dialgateway._client_base import ClientBase
from dialgateway._compliance_calls import SyncComplianceCalls
from dialgateway._put import PutAttempts, SyncPut
from dialgateway._sync_stream import SyncDialStream
from dialgateway.values import DialRequest, DialResult, Priority


class SyncDialGatewayClient(ClientBase[grpc.Channel, SyncDialStream | SyncPut], SyncComplianceCalls):
    """Sends dial requests to a gateway and yields one answer to each, without asyncio.

        with SyncDialGatewayClient("127.0.0.1:50051") as client:
            for result in client.dial("my-campaign", requests):
                ...

    One client has one connection, and replaces it when it breaks or its replica shuts down. Share it between
    threads: any number of `dial()` and `put()` may run at the same time. Create it after a fork, not before.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Calls of other threads raise ClientClosed. May be called again."""
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
        """Send the requests, and yield the one answer to each as soon as it is known.

        This is one stream over any number of connections. When a connection breaks or its replica drains, the
        requests without an answer are sent again over another one, with the same tokens. Answers that advise
        to send the same token again are not yielded: the client does that itself, as the retry policy says,
        until the request expires. A request of more than 256 KiB is REJECTED without being sent.

        The source is read in a thread of its own, as far as the window allows. It may block; its earlier
        requests are sent meanwhile. Leaving early (`break`, `close()`) cancels the stream, and the gateway
        drops the requests that it has not yet sent to Amazon Connect.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to, or `name:NAME`
                if the gateway has a campaign directory.
            requests: the source. A generator is closed at the end.
            priority: how urgent these requests are compared with others at the gateway.
            on_notice: called in the caller's thread with each notice of the gateway.

        Raises:
            GatewayUnavailable: the gateway was unreachable for longer than the retry policy allows.
            AccessDenied, GatewayOverloaded, StreamBroken: the stream ended with an error that a new
                connection cannot fix. `error.unanswered` has the tokens without an answer: send them
                again unchanged. `error.in_doubt` has those of them that Amazon Connect may have.
            ClientClosed: the client was closed.
            Exception: any error of the source, after the stream is cancelled.

        """
        self._check_open()
        context = self._context(campaign_id, priority)
        stream = SyncDialStream(self._channels, context, self._new_state(campaign_id))
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

        If the gateway or the connection fails (UNAVAILABLE, INTERNAL, or CANCELLED but not by this client),
        the list is sent again with the same tokens, as the retry policy says.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to, or `name:NAME`
                if the gateway has a campaign directory.
            requests: at most as many as the gateway's window (5,000 unless configured otherwise), and at most
                4 MiB as one message.
            timeout: a timedelta, or seconds, for all attempts together. Shortly before it ends the gateway
                answers: with the settled results, and for the rest NOT_ACCEPTED or UNKNOWN with the reason
                DEADLINE.
            priority: how urgent these requests are compared with others at the gateway.

        Raises:
            GatewayUnavailable: the gateway was not reached in time, or every attempt was broken off.
            GatewayOverloaded: the gateway took nothing of the list.
            ValueError: the list is too large for one message; nothing was sent.
            DeadlineExceeded, StreamBroken: the gateway may have taken the list. Send the same tokens again.
            ClientClosed: the client was closed.

        """
        self._check_open()
        seconds = _channels.seconds(timeout)
        context = self._context(campaign_id, priority)
        put = SyncPut(
            self._channels, PutAttempts(context, list(requests), seconds, self._retry, self._jitter)
        )
        self._calls.add(put)
        try:
            return put.run()
        finally:
            self._calls.discard(put)

    @contextmanager
    def _campaign_channel(self) -> Iterator[grpc.Channel]:
        self._check_open()
        lease = self._channels.acquire()
        try:
            yield lease.channel
        finally:
            for retired in self._channels.release(lease):
                retired.close()

    @staticmethod
    def _open_channel(
        target: str, credentials: grpc.ChannelCredentials | None, options: list[_channels.Option]
    ) -> grpc.Channel:
        if credentials is None:
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, credentials, options)
