"""The asynchronous client. It uses grpc.aio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from dialgateway import _channels
from dialgateway._call_context import OnNotice
from dialgateway._client_base import ClientBase
from dialgateway._compliance_calls import ComplianceCalls
from dialgateway._put import Put, PutAttempts
from dialgateway._stream import DialStream, Source
from dialgateway.values import DialRequest, DialResult, Priority


class DialGatewayClient(ClientBase[grpc.aio.Channel, DialStream | Put], ComplianceCalls):
    """Sends dial requests to a gateway and yields one answer to each.

        async with DialGatewayClient("127.0.0.1:50051") as client:
            async for result in client.dial("my-campaign", requests):
                ...

    One client has one connection, and replaces it when it breaks or its replica shuts down. Share it: any
    number of `dial()` and `put()` may run at the same time.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. Calls in flight raise ClientClosed. May be called again."""
        self._closed = True
        for call in tuple(self._calls):
            call.abort()
        for call in tuple(self._calls):
            await call.close()
        for channel in self._channels.take_all():
            await channel.close()

    def dial(
        self,
        campaign_id: str,
        requests: Source,
        *,
        priority: Priority = Priority.NORMAL,
        on_notice: OnNotice | None = None,
    ) -> AsyncGenerator[DialResult, None]:
        """Send the requests, and yield the one answer to each as soon as it is known.

        This is one stream over any number of connections. When a connection breaks or its replica drains, the
        requests without an answer are sent again over another one, with the same tokens. Answers that advise
        to send the same token again are not yielded: the client does that itself, as the retry policy says,
        until the request expires. A request of more than 256 KiB is REJECTED without being sent.

        Requests are read from the source as far as the window allows, and sent as soon as the source has no
        further one ready. A plain iterable is read in the event loop, so it must not block; use an async one
        if it would. Leaving early (`break`, `aclose()`, cancellation) cancels the stream, and the gateway
        drops the requests that it has not yet sent to Amazon Connect. Use `contextlib.aclosing` if that must
        have happened before the next statement.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to, or `name:NAME`
                if the gateway has a campaign directory.
            requests: the source. A generator is closed at the end.
            priority: how urgent these requests are compared with others at the gateway.
            on_notice: called in the event loop with each notice of the gateway.

        Raises:
            GatewayUnavailable: the gateway was unreachable for longer than the retry policy allows.
            AccessDenied, GatewayOverloaded, StreamBroken: the stream ended with an error that a new
                connection cannot fix. `error.unanswered` has the tokens without an answer: send them
                again unchanged. `error.in_doubt` has those of them that Amazon Connect may have.
            ClientClosed: the client was closed.
            Exception: any error of the source, after the stream is cancelled.

        """
        return self._dial(campaign_id, requests, priority, on_notice)

    async def _dial(
        self, campaign_id: str, requests: Source, priority: Priority, on_notice: OnNotice | None
    ) -> AsyncGenerator[DialResult, None]:
        self._check_open()
        context = self._context(campaign_id, priority)
        stream = DialStream(self._channels, context, requests, self._new_state(campaign_id))
        self._calls.add(stream)
        try:
            while (results := await stream.receive(on_notice)) is not None:
                for result in results:
                    yield result
        finally:
            self._calls.discard(stream)
            await stream.close()

    async def put(
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
        attempts = PutAttempts(context, list(requests), seconds, self._retry, self._jitter)
        put = Put(self._channels, attempts)
        self._calls.add(put)
        try:
            return await put.run()
        finally:
            self._calls.discard(put)

    @asynccontextmanager
    async def _campaign_channel(self) -> AsyncIterator[grpc.aio.Channel]:
        self._check_open()
        lease = self._channels.acquire()
        try:
            yield lease.channel
        finally:
            for retired in self._channels.release(lease):
                await retired.close()

    @staticmethod
    def _open_channel(
        target: str, credentials: grpc.ChannelCredentials | None, options: list[_channels.Option]
    ) -> grpc.aio.Channel:
        if credentials is None:
            return grpc.aio.insecure_channel(target, options)
        return grpc.aio.secure_channel(target, credentials, options)
