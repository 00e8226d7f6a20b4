"""The synchronous client, on grpc's threads: for callers without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

from dialgateway import _wire
from dialgateway._campaigns import SyncCampaignCalls
from dialgateway._sync_stream import OnNotice, SyncDialStream
from dialgateway._window import Window, matched
from dialgateway.client import Metadata
from dialgateway.errors import ClientClosed, from_status
from dialgateway.v1 import dial_request_service_pb2_grpc as pb_grpc
from dialgateway.values import DialRequest, DialResult, Priority

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb


class SyncDialGatewayClient(SyncCampaignCalls):
    """Sends dial requests to a gateway and yields one answer for each, without asyncio.

        with SyncDialGatewayClient("127.0.0.1:50051") as client:
            for result in client.dial("my-campaign", requests):
                ...

    One client is one connection; share it between threads, any number of `dial()` and `put()` may run at
    once. Make it after a fork, not before.

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
        channel: grpc.Channel | None = None,
    ) -> None:
        Window(window, chunk)  # a wrong size is said here, not at the first dial
        self._window = window
        self._chunk = chunk
        self._metadata = tuple(metadata)
        self._owns_channel = channel is None
        self._channel = channel or _open_channel(target, credentials)
        self._stub = pb_grpc.DialRequestServiceStub(self._channel)
        self._aborts: set[Callable[[], object]] = set()  # one for each call under way
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
        for abort in tuple(self._aborts):
            abort()
        if self._owns_channel:
            self._channel.close()

    def dial(
        self,
        campaign_id: str,
        requests: Iterable[DialRequest],
        *,
        priority: Priority = Priority.NORMAL,
        on_notice: OnNotice | None = None,
    ) -> Generator[DialResult, None, None]:
        """Send the requests on one stream and yield each answer as it comes, in the order of deciding.

        The source is read in a thread of its own, as the window allows; it may block, and what it has given
        is sent meanwhile. Leaving early (`break`, `close()`) cancels the stream: what the gateway has not
        yet sent to Amazon Connect is dropped.

        Args:
            campaign_id: Amazon Connect's id of the campaign that all the requests belong to.
            requests: the source; if it is a generator, it is closed at the end.
            priority: how urgent these requests are beside others at the gateway.
            on_notice: called in the caller's thread with what the gateway tells beside answers.

        Raises:
            GatewayUnavailable, GatewayOverloaded, StreamBroken: the stream ended with requests unanswered;
                `error.unanswered` has their tokens, to be sent again as they are.
            ClientClosed: the client was closed.
            Exception: whatever the source raises, after the stream is cancelled.

        """
        self._check_open()
        stream = SyncDialStream(Window(self._window, self._chunk), campaign_id, priority)
        stream.start(self._stub, self._metadata, requests)
        self._aborts.add(stream.abort)
        try:
            while (results := stream.receive(on_notice)) is not None:
                yield from results
        finally:
            self._aborts.discard(stream.abort)
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
        response = self._put(message, seconds, tokens)
        return matched(_wire.results(response.results), tokens)

    def _put(
        self, message: pb.PutDialRequestsRequest, seconds: float, tokens: list[str]
    ) -> pb.PutDialRequestsResponse:
        self._check_open()
        call = self._stub.PutDialRequests.future(message, timeout=seconds, metadata=self._metadata)
        self._aborts.add(call.cancel)
        try:
            return call.result()
        except grpc.FutureCancelledError as error:
            raise ClientClosed("the client was closed", tokens) from error
        except grpc.RpcError as error:
            raise from_status(call.code(), call.details(), tokens) from error
        finally:
            self._aborts.discard(call.cancel)
            call.cancel()  # nothing to cancel once it is done; else the caller was interrupted

    @contextmanager
    def _campaign_channel(self) -> Iterator[grpc.Channel]:
        self._check_open()
        yield self._channel

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")


def _open_channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, credentials)
