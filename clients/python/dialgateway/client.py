"""The asynchronous client, on grpc.aio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._campaigns import CampaignCalls
from dialgateway._stream import DialStream, OnNotice, Source, being_cancelled
from dialgateway._window import Window, matched
from dialgateway.errors import ClientClosed, from_status
from dialgateway.v1 import dial_request_service_pb2_grpc as pb_grpc
from dialgateway.values import DialRequest, DialResult, Priority

if TYPE_CHECKING:
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceAsyncStub

Metadata = Sequence[tuple[str, str | bytes]]


class DialGatewayClient(CampaignCalls):
    """Sends dial requests to a gateway and yields one answer for each.

        async with DialGatewayClient("127.0.0.1:50051") as client:
            async for result in client.dial("my-campaign", requests):
                ...

    One client is one connection; share it, any number of `dial()` and `put()` may run at once.

    Args:
        target: host:port of the gateway, or any gRPC target.
        credentials: for TLS; None for a plain connection.
        window: how many requests of one `dial()` may be without an answer at once; no more than this are
            read from its source in advance.
        chunk: how many requests are put into one message at most.
        metadata: sent with every call, such as `traceparent` or a caller's credentials.
        channel: used instead of a connection of its own, for interceptors and tests. It stays yours:
            `close()` leaves it open.

    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        window: int = 2000,
        chunk: int = 100,
        metadata: Metadata = (),
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        Window(window, chunk)  # a wrong size is said here, not at the first dial
        self._target = target
        self._credentials = credentials
        self._window = window
        self._chunk = chunk
        self._metadata = tuple(metadata)
        self._channel = channel
        self._owns_channel = channel is None
        self._aborts: set[Callable[[], object]] = set()  # one for each call under way
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. A call still under way raises ClientClosed. May be repeated."""
        self._closed = True
        for abort in tuple(self._aborts):
            abort()
        if self._channel is not None and self._owns_channel:
            await self._channel.close()

    def dial(
        self,
        campaign_id: str,
        requests: Source,
        *,
        priority: Priority = Priority.NORMAL,
        on_notice: OnNotice | None = None,
    ) -> AsyncGenerator[DialResult, None]:
        """Send the requests on one stream and yield each answer as it comes, in the order of deciding.

        Requests are read from the source as the window allows, and sent as soon as the source has no other
        one ready. A plain iterable is read in the event loop: it must not block; give an async one if it
        would. Leaving early (`break`, `aclose()`, cancellation) cancels the stream: what the gateway has
        not yet sent to Amazon Connect is dropped. Where leaving must have taken effect before the next
        line, wrap this in `contextlib.aclosing`.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to.
            requests: the source; if it is a generator, it is closed at the end.
            priority: how urgent these requests are beside others at the gateway.
            on_notice: called in the event loop with what the gateway tells beside answers.

        Raises:
            GatewayUnavailable, GatewayOverloaded, StreamBroken: the stream ended with requests unanswered;
                `error.unanswered` has their tokens, to be sent again as they are.
            ClientClosed: the client was closed.
            Exception: whatever the source raises, after the stream is cancelled.

        """
        return self._dial(campaign_id, requests, priority, on_notice)

    async def _dial(
        self, campaign_id: str, requests: Source, priority: Priority, on_notice: OnNotice | None
    ) -> AsyncGenerator[DialResult, None]:
        window = Window(self._window, self._chunk)
        call = self._stub().StreamDialRequests(metadata=self._metadata)
        stream = DialStream(call, requests, window, campaign_id, priority)
        self._aborts.add(stream.abort)
        try:
            while (results := await stream.receive(on_notice)) is not None:
                for result in results:
                    yield result
        finally:
            self._aborts.discard(stream.abort)
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

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to.
            requests: no more than the gateway's window (5,000 unless configured otherwise).
            timeout: a timedelta, or seconds. Shortly before it passes the gateway answers what is settled,
                and the rest as NOT_ACCEPTED or UNKNOWN with reason DEADLINE.
            priority: how urgent these requests are beside others at the gateway.

        Raises:
            GatewayUnavailable, GatewayOverloaded: nothing of the list was taken.
            DeadlineExceeded, StreamBroken: unknown what was taken. Send the same tokens again.
            ClientClosed: the client was closed.

        """
        listed = list(requests)
        tokens = [request.client_token for request in listed]
        message = _wire.put_message(campaign_id, listed, priority)
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        call = self._stub().PutDialRequests(message, timeout=seconds, metadata=self._metadata)
        self._aborts.add(call.cancel)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            raise from_status(error.code(), error.details(), tokens) from error
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            raise ClientClosed("the client was closed", tokens) from None
        finally:
            self._aborts.discard(call.cancel)
        return matched(_wire.results(response.results), tokens)

    @asynccontextmanager
    async def _campaign_channel(self) -> AsyncIterator[grpc.aio.Channel]:
        yield self._open()

    def _stub(self) -> DialRequestServiceAsyncStub:
        return cast("DialRequestServiceAsyncStub", pb_grpc.DialRequestServiceStub(self._open()))

    def _open(self) -> grpc.aio.Channel:
        if self._closed:
            raise ClientClosed("the client is closed")
        if self._channel is None:
            # Made at the first call: a channel belongs to the event loop that runs then.
            self._channel = _open_channel(self._target, self._credentials)
        return self._channel


def _open_channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target)
    return grpc.aio.secure_channel(target, credentials)
