"""One `dial()` of the synchronous client: threads that drive one `DialState`, guarded by one condition.

    source --[dial-source]--> DialState --[gRPC's thread pulls `_messages`]--> gRPC --[dial-link]--> DialState
    DialState --[caller]--> results                     [dial-keeper: opens a link when one is needed]

The source is read in a thread of its own because it may block; its earlier requests are sent meanwhile.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from dialgateway import _wire
from dialgateway._call_context import (
    STREAM_END_S,
    CallContext,
    OnNotice,
    log_lost_connection,
    new_notice_queue,
    with_unanswered,
)
from dialgateway._channels import Channels, Lease
from dialgateway._dial_state import DialState
from dialgateway._link import Link
from dialgateway._probe import failure_of, sync_probe, sync_stub_of
from dialgateway.errors import CallFailed, ClientClosed
from dialgateway.values import DialRequest, DialResult, NoticeKind

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    StreamCall = grpc._CallIterator[pb.StreamDialRequestsResponse]

# How long `close()` waits for the source to return its next request. Python cannot interrupt a source that
# blocks; its thread, a daemon, ends after that request.
_SOURCE_CLOSE_S = 1.0
# How long `close()` waits for each of the other threads, which do not block.
_THREAD_CLOSE_S = 5.0


@dataclass(eq=False)
class _Connection:
    """A link, its channel, and the function that cancels its call once there is one."""

    link: Link
    lease: Lease[grpc.Channel]
    over: bool = False
    cancel: Callable[[], object] | None = None


class SyncDialStream:
    """The calls and threads of one `dial()`. Call `close()` at its end."""

    def __init__(self, channels: Channels[grpc.Channel], context: CallContext, state: DialState) -> None:
        self._channels = channels
        self._context = context
        self._state = state  # this and all that follows is guarded by `_changed`
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._reconsider = threading.Condition(lock)  # a connection may be needed; seldom notified
        self._over = False
        self._failure: BaseException | None = None
        self._notices = new_notice_queue()
        self._connections: set[_Connection] = set()
        self._threads: list[threading.Thread] = []

    # --- the caller ---------------------------------------------------------------------------------

    def start(self, source: Iterable[DialRequest]) -> None:
        """Start to read the source; a connection is opened after its first request."""
        self._source = self._thread("dial-source", lambda: self._read_source(source))
        self._thread("dial-keeper", self._keep_connected)

    def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Return the next results, or None at the end. Raises the error that ended the stream."""
        state = self._state
        with self._changed:
            self._changed.wait_for(self._caller_may_go_on)
            notices = list(self._notices)
            self._notices.clear()
            results = state.take_answers()
            failure = self._failure or state.failure
            finished = state.finished
            self._changed.notify_all()
            if failure is not None and not (results or notices or finished):
                raise with_unanswered(failure, state)
        if on_notice is not None:
            for notice in notices:
                on_notice(notice)
        if results or not finished:
            return results
        self._wait_for_end()
        return None

    def abort(self) -> None:
        """End the stream from another thread: `receive()` raises ClientClosed."""
        self._fail(ClientClosed("the client was closed"))
        self._end()

    def close(self) -> None:
        """Cancel all calls and wait for the threads."""
        self._end()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_SOURCE_CLOSE_S if thread is self._source else _THREAD_CLOSE_S)

    def _caller_may_go_on(self) -> bool:
        state = self._state
        failed = self._failure is not None or state.failure is not None
        return failed or state.has_answers or state.finished or bool(self._notices)

    def _wait_for_end(self) -> None:
        # The gateway would count a cancelled stream as aborted, although it is about to end by itself.
        with self._changed:
            self._changed.wait_for(lambda: not self._connections, STREAM_END_S)

    def _end(self) -> None:
        """Make every thread end."""
        with self._changed:
            self._over = True
            cancels = [connection.cancel for connection in self._connections]
            self._wake_all()
        for cancel in cancels:
            if cancel is not None:
                cancel()

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _wake_all(self) -> None:
        self._changed.notify_all()
        self._reconsider.notify()

    # --- the threads --------------------------------------------------------------------------------

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
                self._fail(failure)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()
        return thread

    def _read_source(self, source: Iterable[DialRequest]) -> None:
        requests = iter(source)
        try:
            while self._wait_for(lambda: self._state.has_room):
                try:
                    request = next(requests)
                except StopIteration:
                    break
                with self._changed:
                    self._state.take(request, self._context.clock(), time.time())
                    self._changed.notify_all()
                    if self._state.unreachable:
                        self._reconsider.notify()
        finally:
            # Only a generator is closed: another iterator may still be used elsewhere.
            if inspect.isgenerator(requests):
                requests.close()
        with self._changed:
            self._state.end_source()
            self._changed.notify_all()

    def _keep_connected(self) -> None:
        state, clock = self._state, self._context.clock
        with self._changed:
            while not self._over and state.failure is None:
                if state.advance(now := clock()):
                    self._connect(state.connect(now))
                self._changed.notify_all()
                deadline = state.deadline()
                self._reconsider.wait(None if deadline is None else max(deadline - clock(), 0))

    def _connect(self, link: Link) -> None:
        connection = _Connection(link, self._channels.acquire())
        self._connections.add(connection)
        self._thread("dial-link", lambda: self._run(connection))

    def _run(self, connection: _Connection) -> None:
        try:
            failure = self._probe(connection) or self._run_call(connection)
            with self._changed:
                if failure is not None:
                    self._channels.retire(connection.lease)
                if not self._over:
                    log_lost_connection(failure, connection.link)
                self._state.lost(connection.link, failure, self._context.clock())
        finally:
            for channel in self._channels.release(connection.lease):
                channel.close()
            with self._changed:
                self._connections.discard(connection)
                self._wake_all()

    def _probe(self, connection: _Connection) -> CallFailed | None:
        """Probe a connection's channel. Return the failure, or None if the gateway has answered."""
        return sync_probe(
            connection.lease, self._context, lambda cancel: self._set_cancel(connection, cancel)
        )

    def _run_call(self, connection: _Connection) -> CallFailed | None:
        """Run a link's call to its end. Return the failure that ended it, None for OK."""
        stub = sync_stub_of(connection.lease)
        call = stub.StreamDialRequests(self._messages(connection), metadata=tuple(self._context.metadata))
        try:
            self._set_cancel(connection, call.cancel)
            for response in call:
                self._handle_response(response, connection)
        except grpc.RpcError as error:
            return failure_of(error, call.code(), call.details())
        finally:
            call.cancel()
            with self._changed:
                connection.over = True
                self._changed.notify_all()  # ends a wait of gRPC's thread in `_messages`
        return None

    def _set_cancel(self, connection: _Connection, cancel: Callable[[], object]) -> None:
        with self._changed:
            connection.cancel = cancel
            over = self._over
        if over:
            cancel()

    def _handle_response(self, response: pb.StreamDialRequestsResponse, connection: _Connection) -> None:
        results, notice = _wire.results(response.results), _wire.notice(response)
        with self._changed:
            now = self._context.clock()
            self._state.settle(connection.link, results, now)
            if notice is not None:
                self._notices.append(notice)
                if notice.kind is NoticeKind.DRAINING:
                    self._channels.retire(connection.lease)
                    self._state.drain(connection.link, now)
            self._wake_all()

    def _messages(self, connection: _Connection) -> Iterator[pb.StreamDialRequestsRequest]:
        state, context, link = self._state, self._context, connection.link
        with self._changed:
            state.ready(link, context.clock())
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended(connection) or state.may_send(link), context.idle_message_s
                )
                if self._ended(connection) or state.half_close(link):
                    return
                chunk = state.next_chunk(link)
                if not (chunk or (link.sent and state.is_current(link))):
                    continue  # nothing to send, and no answer is due
                self._changed.notify_all()
            yield _wire.stream_message(context.campaign_id, chunk, context.priority)

    def _ended(self, connection: _Connection) -> bool:
        return self._over or connection.over

    def _wait_for(self, ready: Callable[[], bool]) -> bool:
        """Wait until `ready()`. Return False if the stream has ended instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or ready())
            return not self._over
