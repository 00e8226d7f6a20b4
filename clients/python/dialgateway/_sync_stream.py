"""One `dial()` of the synchronous client: the async one's shape, with threads and one condition.

    source --[dial-source]--> Delivery --[gRPC's thread pulls `_messages`]--> gRPC --[dial-link]--> Delivery
    Delivery --[caller]--> results                   [dial-keeper: opens a link whenever one is needed]

The source is read in a thread of its own because it may block: what it has given is sent meanwhile.
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
from dialgateway._channels import Channels, Lease
from dialgateway._delivery import Delivery
from dialgateway._dial import GOODBYE_SECONDS, Dial, OnNotice, complete, notices, tell_of
from dialgateway._link import Link
from dialgateway._reach import failure_of, sync_reach, sync_stub_of
from dialgateway.errors import CallFailed, ClientClosed
from dialgateway.values import DialRequest, DialResult, NoticeKind

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    StreamCall = grpc._CallIterator[pb.StreamDialRequestsResponse]

# How long leaving waits for a source that is making its next request. Python cannot interrupt a source that
# blocks for longer: its thread, a daemon, then ends with that request.
_SOURCE_SECONDS = 1.0
# How long leaving waits for the other threads, which only have to notice.
_LEAVING_SECONDS = 5.0


@dataclass(eq=False)
class _Connection:
    """A link, the channel that it runs on, and how to cancel its call, once there is one."""

    link: Link
    lease: Lease[grpc.Channel]
    over: bool = False
    cancel: Callable[[], object] | None = None


class SyncDialStream:
    """Owns the calls and the threads; whoever makes one must call `close()`."""

    def __init__(self, channels: Channels[grpc.Channel], dial: Dial, delivery: Delivery) -> None:
        self._channels = channels
        self._dial = dial
        self._delivery = delivery  # guarded, like all that follows, by `_changed`
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._moved = threading.Condition(lock)  # the keeper's own: it is seldom needed
        self._over = False
        self._failure: BaseException | None = None
        self._notices = notices()
        self._connections: set[_Connection] = set()
        self._threads: list[threading.Thread] = []

    # --- the caller ---------------------------------------------------------------------------------

    def start(self, source: Iterable[DialRequest]) -> None:
        """Begin to read the source, and to connect when it has given something."""
        self._source = self._thread("dial-source", lambda: self._read_source(source))
        self._thread("dial-keeper", self._keep_connected)

    def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Wait for the next results; None when every request is answered. Raises what ended the stream."""
        delivery = self._delivery
        with self._changed:
            self._changed.wait_for(self._has_news)
            told = list(self._notices)
            self._notices.clear()
            results = delivery.hand_over()
            failure = self._failure or delivery.failure
            finished = delivery.finished
            self._changed.notify_all()
            if failure is not None and not (results or told or finished):
                raise complete(failure, delivery)
        if on_notice is not None:
            for notice in told:
                on_notice(notice)
        if results or not finished:
            return results
        self._say_goodbye()
        return None

    def abort(self) -> None:
        """End the stream from another thread: whoever waits in `receive()` gets ClientClosed."""
        self._fail(ClientClosed("the client was closed"))
        self._end()

    def close(self) -> None:
        """Cancel what is still under way and wait for the threads."""
        self._end()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_SOURCE_SECONDS if thread is self._source else _LEAVING_SECONDS)

    def _has_news(self) -> bool:
        delivery = self._delivery
        failed = self._failure is not None or delivery.failure is not None
        return failed or delivery.has_answers or delivery.finished or bool(self._notices)

    def _say_goodbye(self) -> None:
        # Cancelling a stream that is about to end by itself would count as an aborted call at the gateway.
        with self._changed:
            self._changed.wait_for(lambda: not self._connections, GOODBYE_SECONDS)

    def _end(self) -> None:
        """Let every thread go."""
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
        self._moved.notify()

    # --- the threads --------------------------------------------------------------------------------

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - it is raised in the caller's thread
                self._fail(failure)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()
        return thread

    def _read_source(self, source: Iterable[DialRequest]) -> None:
        requests = iter(source)
        try:
            while self._wait_for(lambda: self._delivery.may_take):
                try:
                    request = next(requests)
                except StopIteration:
                    break
                with self._changed:
                    self._delivery.take(request, self._dial.clock(), time.time())
                    self._changed.notify_all()
                    if self._delivery.unreachable:
                        self._moved.notify()
        finally:
            # Only a generator is closed: another iterator may have owners.
            if inspect.isgenerator(requests):
                requests.close()
        with self._changed:
            self._delivery.end_source()
            self._changed.notify_all()

    def _keep_connected(self) -> None:
        delivery, clock = self._delivery, self._dial.clock
        with self._changed:
            while not self._over and delivery.failure is None:
                if delivery.advance(now := clock()):
                    self._connect(delivery.connect(now))
                self._changed.notify_all()
                deadline = delivery.deadline()
                self._moved.wait(None if deadline is None else max(deadline - clock(), 0))

    def _connect(self, link: Link) -> None:
        connection = _Connection(link, self._channels.acquire())
        self._connections.add(connection)
        self._thread("dial-link", lambda: self._run(connection))

    def _run(self, connection: _Connection) -> None:
        try:
            failure = self._reach(connection) or self._talk(connection)
            with self._changed:
                if failure is not None:
                    self._channels.retire(connection.lease)
                if not self._over:
                    tell_of(failure, connection.link)
                self._delivery.lost(connection.link, failure, self._dial.clock())
        finally:
            for channel in self._channels.release(connection.lease):
                channel.close()
            with self._changed:
                self._connections.discard(connection)
                self._wake_all()

    def _reach(self, connection: _Connection) -> CallFailed | None:
        """Probe a new connection; return why the gateway is not reached, None where it is."""
        return sync_reach(connection.lease, self._dial, lambda cancel: self._under_way(connection, cancel))

    def _talk(self, connection: _Connection) -> CallFailed | None:
        """Send and take in all there is for a link; return what ended it, None for OK."""
        stub = sync_stub_of(connection.lease)
        call = stub.StreamDialRequests(self._messages(connection), metadata=tuple(self._dial.metadata))
        try:
            self._under_way(connection, call.cancel)
            for response in call:
                self._take_in(response, connection)
        except grpc.RpcError as error:
            return failure_of(error, call.code(), call.details())
        finally:
            call.cancel()
            with self._changed:
                connection.over = True
                self._changed.notify_all()  # gRPC's thread may wait in `_messages`
        return None

    def _under_way(self, connection: _Connection, cancel: Callable[[], object]) -> None:
        with self._changed:
            connection.cancel = cancel
            over = self._over
        if over:
            cancel()

    def _take_in(self, response: pb.StreamDialRequestsResponse, connection: _Connection) -> None:
        results, notice = _wire.results(response.results), _wire.notice(response)
        with self._changed:
            now = self._dial.clock()
            self._delivery.settle(connection.link, results, now)
            if notice is not None:
                self._notices.append(notice)
                if notice.kind is NoticeKind.DRAINING:
                    self._channels.retire(connection.lease)
                    self._delivery.drain(connection.link, now)
            self._wake_all()

    def _messages(self, connection: _Connection) -> Iterator[pb.StreamDialRequestsRequest]:
        delivery, dial, link = self._delivery, self._dial, connection.link
        with self._changed:
            delivery.ready(link, dial.clock())
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended(connection) or delivery.may_send(link), dial.sign_of_life_s
                )
                if self._ended(connection) or delivery.half_close(link):
                    return
                chunk = delivery.next_chunk(link)
                if not (chunk or (link.sent and delivery.sends_on(link))):
                    continue  # no answer is due; otherwise send an empty message
                self._changed.notify_all()
            yield _wire.stream_message(dial.campaign_id, chunk, dial.priority)

    def _ended(self, connection: _Connection) -> bool:
        return self._over or connection.over

    def _wait_for(self, ready: Callable[[], bool]) -> bool:
        """Wait until `ready`; False when all is over instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or ready())
            return not self._over
