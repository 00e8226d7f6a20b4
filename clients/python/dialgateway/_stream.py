"""One `dial()` of the async client: tasks around one `Delivery`, which decides.

    source --[dial-source]--> Delivery --[dial-writer]--> gRPC --[dial-link]--> Delivery --[caller]--> results
                                  ^--[dial-keeper: opens a link whenever one is needed]

The source runs on until it has nothing right now, a chunk is full or the window is; only then does a writer
get its turn. So chunks are as full as the source allows, and no request waits for company.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._channels import Channels, Lease
from dialgateway._delivery import Delivery
from dialgateway._dial import GOODBYE_SECONDS, Dial, OnNotice, complete, notices, tell_of
from dialgateway._link import Link
from dialgateway._reach import being_cancelled, failure_of, reach, stub_of
from dialgateway.errors import CallFailed, ClientClosed
from dialgateway.values import DialRequest, DialResult, NoticeKind

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

Source = AsyncIterable[DialRequest] | Iterable[DialRequest]


class DialStream:
    """Owns the calls and the tasks; whoever makes one must await `close()`."""

    def __init__(
        self, channels: Channels[grpc.aio.Channel], dial: Dial, source: Source, delivery: Delivery
    ) -> None:
        self._channels = channels
        self._dial = dial
        self._delivery = delivery
        self._failure: BaseException | None = None
        self._notices = notices()
        self._room = asyncio.Event()  # the source may go on
        self._work = asyncio.Event()  # something is to be sent
        self._moved = asyncio.Event()  # a link may be needed
        self._news = asyncio.Event()  # the caller is told something
        self._tasks: set[asyncio.Task[None]] = set()
        self._source = self._start(self._read_source(source), "dial-source")
        self._keeper = self._start(self._keep_connected(), "dial-keeper")

    # --- the caller ---------------------------------------------------------------------------------

    async def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Wait for the next results; None when every request is answered. Raises what ended the stream."""
        delivery = self._delivery
        while True:
            while self._notices:
                notice = self._notices.popleft()
                if on_notice is not None:
                    on_notice(notice)
            if results := delivery.hand_over():
                self._room.set()
                return results
            if delivery.finished:
                await self._say_goodbye()
                return None
            if (failure := self._failure or delivery.failure) is not None:
                raise complete(failure, delivery)
            self._news.clear()
            await self._news.wait()

    def abort(self) -> None:
        """End the stream from outside: whoever awaits `receive()` gets ClientClosed."""
        self._fail(ClientClosed("the client was closed"))
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Cancel what is still under way and wait until every task is gone and the source is closed."""
        ours = asyncio.current_task()  # the source itself may close the client
        tasks = [task for task in self._tasks if task is not ours]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _say_goodbye(self) -> None:
        # Cancelling a stream that is about to end by itself would count as an aborted call at the gateway.
        self._keeper.cancel()
        self._work.set()
        if tasks := self._tasks - {self._keeper}:
            await asyncio.wait(tasks, timeout=GOODBYE_SECONDS)

    # --- the tasks ----------------------------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._fail(failure)
        elif task.cancelled() and task is self._source:
            self._fail(asyncio.CancelledError("the source of dial requests was cancelled"))

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._news.set()

    def _changed(self) -> None:
        """Let everybody look again."""
        for event in (self._room, self._work, self._moved, self._news):
            event.set()

    async def _read_source(self, source: Source) -> None:
        delivery, room = self._delivery, self._room
        requests = _iterate(source)
        try:
            while True:
                while not delivery.may_take:
                    room.clear()
                    await room.wait()
                try:
                    request = await anext(requests)
                except StopAsyncIteration:
                    break
                delivery.take(request, self._dial.clock(), time.time())
                self._work.set()
                if delivery.has_answers:  # it may be answered already, if it is too large
                    self._news.set()
                if delivery.unreachable:
                    self._moved.set()
        finally:
            await _close(requests)
        delivery.end_source()
        self._changed()

    async def _keep_connected(self) -> None:
        delivery, clock = self._delivery, self._dial.clock
        while delivery.failure is None:
            if delivery.advance(now := clock()):
                link = delivery.connect(now)
                self._start(self._run_link(link), "dial-link")
            self._changed()
            self._moved.clear()
            deadline = delivery.deadline()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if deadline is None else max(deadline - clock(), 0)):
                    await self._moved.wait()

    async def _run_link(self, link: Link) -> None:
        lease = self._channels.acquire()
        try:
            failure = await reach(lease, self._dial) or await self._talk(link, lease)
            if failure is not None:
                self._channels.retire(lease)
            tell_of(failure, link)
            self._delivery.lost(link, failure, self._dial.clock())
            self._changed()
        except asyncio.CancelledError:
            if not being_cancelled():  # it was the call, by whoever closed its channel
                self._fail(ClientClosed("the channel was closed"))
            raise
        finally:
            for channel in self._channels.release(lease):
                await channel.close()

    async def _talk(self, link: Link, lease: Lease[grpc.aio.Channel]) -> CallFailed | None:
        """Send and take in all there is for a link; return what ended it, None for OK."""
        call = stub_of(lease).StreamDialRequests(metadata=self._dial.metadata)
        self._delivery.ready(link, self._dial.clock())
        writer = self._start(self._write(call, link), "dial-writer")
        try:
            while (response := await call.read()) is not grpc.aio.EOF:
                self._take_in(cast("pb.StreamDialRequestsResponse", response), link, lease)
        except grpc.aio.AioRpcError as error:
            return failure_of(error, error.code(), error.details())
        finally:
            call.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return None

    def _take_in(
        self, response: pb.StreamDialRequestsResponse, link: Link, lease: Lease[grpc.aio.Channel]
    ) -> None:
        now = self._dial.clock()
        self._delivery.settle(link, _wire.results(response.results), now)
        if (notice := _wire.notice(response)) is not None:
            self._notices.append(notice)
            if notice.kind is NoticeKind.DRAINING:
                self._channels.retire(lease)
                self._delivery.drain(link, now)
        self._changed()

    async def _work_comes(self) -> bool:
        """Wait for requests to send; return False when it is time for an empty message."""
        try:
            async with asyncio.timeout(self._dial.sign_of_life_s):
                await self._work.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self, call: StreamCall, link: Link) -> None:
        delivery, dial = self._delivery, self._dial
        try:
            while delivery.sends_on(link) and not delivery.half_close(link):
                if not (chunk := delivery.next_chunk(link)):
                    self._work.clear()
                    if not await self._work_comes() and link.sent:
                        await call.write(_wire.stream_message(dial.campaign_id, (), dial.priority))
                    continue
                self._room.set()
                await call.write(_wire.stream_message(dial.campaign_id, chunk, dial.priority))
            if link.half_closed:
                await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The call has ended. Its status says why, and whoever reads it deals with that.
            return


def _iterate(source: Source) -> AsyncIterator[DialRequest]:
    return aiter(source) if isinstance(source, AsyncIterable) else _iterate_plain(iter(source))


async def _iterate_plain(source: Iterator[DialRequest]) -> AsyncIterator[DialRequest]:
    try:
        for request in source:
            yield request
    finally:
        if inspect.isgenerator(source):
            source.close()


async def _close(requests: AsyncIterator[DialRequest]) -> None:
    # Only a generator is closed: it can only have been made for us, while another iterator may have owners.
    if inspect.isasyncgen(requests):
        await requests.aclose()
