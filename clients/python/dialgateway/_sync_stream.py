"""One `dial()` of the synchronous client: the async one's shape, with threads and one condition.

    source --[reader thread]--> Window --[gRPC's thread pulls `_messages`]--> gRPC --[the caller]--> results

The source is read in a thread of its own because it may block: what it has given is sent meanwhile.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import grpc

from dialgateway import _wire
from dialgateway._window import Window
from dialgateway.errors import ClientClosed, StreamBroken, from_status
from dialgateway.values import DialRequest, DialResult, Notice, Priority

if TYPE_CHECKING:
    from dialgateway.client import Metadata
    from dialgateway.v1 import dial_request_service_pb2 as pb
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceStub

    StreamCall = grpc._CallIterator[pb.StreamDialRequestsResponse]

OnNotice = Callable[[Notice], None]

# How long the gateway may take to end a stream that has all its answers, before it is cancelled instead.
_GOODBYE_SECONDS = 1.0
# How long leaving waits for a source that is making its next request. Python cannot interrupt a source that
# blocks for longer: its thread, a daemon, then ends with that request.
_SOURCE_SECONDS = 1.0


class SyncDialStream:
    """Owns the call and the reader thread; whoever makes one must call `close()`."""

    def __init__(self, window: Window, campaign_id: str, priority: Priority) -> None:
        self._window = window
        self._campaign_id = campaign_id
        self._priority = priority
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._aborted = False
        self._source_failure: BaseException | None = None

    def start(
        self,
        stub: DialRequestServiceStub,
        metadata: Metadata,
        source: Iterable[DialRequest],
    ) -> None:
        """Open the call and begin to read the source."""
        self._call: StreamCall = stub.StreamDialRequests(self._messages(), metadata=tuple(metadata))
        if not self._call.add_callback(self._end):
            self._end()
        self._reader = threading.Thread(
            target=self._read_source, args=(source,), name="dial-source", daemon=True
        )
        self._reader.start()

    def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Wait for the next results; None when every request is answered. Raises what ended the stream."""
        if self._window.finished:
            self._over.wait(_GOODBYE_SECONDS)
            return None
        response = self._next_response()
        if response is None:
            self._check_finished()
            return None
        results = _wire.results(response.results)
        with self._changed:
            self._window.settle(results)
            self._changed.notify_all()
        if on_notice is not None and (notice := _wire.notice(response)) is not None:
            on_notice(notice)
        return results

    def abort(self) -> None:
        """End the stream from another thread: whoever waits in `receive()` gets ClientClosed."""
        self._aborted = True
        self._call.cancel()

    def close(self) -> None:
        """Cancel what is still under way and wait for the reader thread."""
        self._end()
        self._call.cancel()
        self._reader.join(_SOURCE_SECONDS)

    def _next_response(self) -> pb.StreamDialRequestsResponse | None:
        try:
            return next(self._call, None)
        except grpc.RpcError as error:
            self._end()
            if self._source_failure is not None:
                raise self._source_failure from None
            with self._changed:
                if self._window.finished:
                    return None
                unanswered = self._window.unanswered
            if self._aborted:
                raise ClientClosed("the client was closed", unanswered) from error
            raise from_status(self._call.code(), self._call.details(), unanswered) from error

    def _check_finished(self) -> None:
        # The gateway has ended the stream with OK, which is right only behind the last answer.
        with self._changed:
            if not self._window.finished:
                raise StreamBroken("the gateway ended the stream too early", self._window.unanswered)

    def _end(self) -> None:
        """Let both threads go: the call has ended, or is about to."""
        with self._changed:
            self._over.set()
            self._changed.notify_all()

    def _read_source(self, source: Iterable[DialRequest]) -> None:
        try:
            self._take_all(iter(source))
        except BaseException as failure:  # noqa: BLE001 - it is raised in the caller's thread
            self._source_failure = failure
            self._call.cancel()

    def _take_all(self, requests: Iterator[DialRequest]) -> None:
        try:
            while self._wait_for(lambda: self._window.may_take):
                try:
                    request = next(requests)
                except StopIteration:
                    return self._end_source()
                with self._changed:
                    self._window.take(request)
                    self._changed.notify_all()
        finally:
            # Only a generator is closed: another iterator may have owners.
            if inspect.isgenerator(requests):
                requests.close()

    def _end_source(self) -> None:
        with self._changed:
            self._window.end_source()
            self._changed.notify_all()

    def _messages(self) -> Iterator[pb.StreamDialRequestsRequest]:
        while self._wait_for(lambda: self._window.may_send or self._window.source_ended):
            with self._changed:
                chunk = self._window.next_chunk()
                self._changed.notify_all()
            if not chunk:
                return
            yield from _wire.stream_messages(self._campaign_id, chunk, self._priority)

    def _wait_for(self, ready: Callable[[], bool]) -> bool:
        """Wait until `ready`; False when the call is over instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._over.is_set() or ready())
            return not self._over.is_set()
