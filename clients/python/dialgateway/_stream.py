"""One `dial()` of the asynchronous client: tasks that drive one `DialState`.

    source --[dial-source]--> DialState --[dial-writer]--> gRPC --[dial-link]--> DialState --[caller]
                                  ^--[dial-keeper: opens a link when one is needed]

The source is read without a pause until it has to wait, a chunk is full or the window is full. Only then does
the writer run. So chunks are as full as the source allows, and no request waits for others to join it.
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
from dialgateway._probe import being_cancelled, failure_of, probe, stub_of
from dialgateway.errors import CallFailed, ClientClosed
from dialgateway.values import DialRequest, DialResult, NoticeKind

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

Source = AsyncIterable[DialRequest] | Iterable[DialRequest]
FIRST_SIGN_S = 1.0
"""How long to wait for the gateway's metadata. A proxy that buffers answers keeps them back."""


class DialStream:
    """The calls and tasks of one `dial()`. Await `close()` at its end."""

    def __init__(
        self, channels: Channels[grpc.aio.Channel], context: CallContext, source: Source, state: DialState
    ) -> None:
        self._channels = channels
        self._context = context
        self._state = state
        self._failure: BaseException | None = None
        self._lost_a_status = False
        self._notices = new_notice_queue()
        self._room = asyncio.Event()  # the source may be read
        self._to_send = asyncio.Event()  # the writer has something to send
        self._reconsider = asyncio.Event()  # a connection may be needed
        self._for_caller = asyncio.Event()  # there is an answer, a notice or a failure
        self._tasks: set[asyncio.Task[None]] = set()
        self._source = self._start(self._read_source(source), "dial-source")
        self._keeper = self._start(self._keep_connected(), "dial-keeper")

    # --- the caller ---------------------------------------------------------------------------------

    async def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Return the next results, or None at the end. Raises the error that ended the stream."""
        state = self._state
        while True:
            while self._notices:
                notice = self._notices.popleft()
                if on_notice is not None:
                    on_notice(notice)
            if results := state.take_answers():
                self._room.set()
                return results
            if state.finished:
                await self._wait_for_end()
                return None
            if (failure := self._failure or state.failure) is not None:
                raise with_unanswered(failure, state)
            self._for_caller.clear()
            await self._for_caller.wait()

    def abort(self) -> None:
        """End the stream: `receive()` raises ClientClosed."""
        self._fail(ClientClosed("the client was closed"))
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Cancel all tasks, and wait until they have ended and the source is closed."""
        this_task = asyncio.current_task()  # the source may close the client itself
        tasks = [task for task in self._tasks if task is not this_task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_for_end(self) -> None:
        # The gateway would count a cancelled stream as aborted, although it is about to end by itself.
        self._keeper.cancel()
        self._to_send.set()
        if tasks := self._tasks - {self._keeper}:
            await asyncio.wait(tasks, timeout=STREAM_END_S)

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
        self._for_caller.set()

    def _wake_all(self) -> None:
        """Let every task and the caller check the state again."""
        for event in (self._room, self._to_send, self._reconsider, self._for_caller):
            event.set()

    async def _read_source(self, source: Source) -> None:
        state, room = self._state, self._room
        requests = _iterate(source)
        try:
            while True:
                while not state.has_room:
                    room.clear()
                    await room.wait()
                try:
                    request = await anext(requests)
                except StopAsyncIteration:
                    break
                state.take(request, self._context.clock(), time.time())
                self._to_send.set()
                if state.has_answers:  # a request that is too large is answered at once
                    self._for_caller.set()
                if state.unreachable:
                    self._reconsider.set()
        finally:
            await _close(requests)
        state.end_source()
        self._wake_all()

    async def _keep_connected(self) -> None:
        state, clock = self._state, self._context.clock
        while state.failure is None:
            if state.advance(now := clock()):
                link = state.connect(now)
                self._start(self._run_link(link), "dial-link")
            self._wake_all()
            self._reconsider.clear()
            deadline = state.deadline()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if deadline is None else max(deadline - clock(), 0)):
                    await self._reconsider.wait()

    async def _run_link(self, link: Link) -> None:
        lease = self._channels.acquire()
        try:
            failure = await probe(lease, self._context) or await self._run_call(link, lease)
            if failure is not None:
                self._channels.retire(lease)
            log_lost_connection(failure, link)
            self._state.lost(link, failure, self._context.clock())
            self._wake_all()
        except asyncio.CancelledError:
            if not being_cancelled():  # not this task, but the call: its channel was closed
                self._fail(ClientClosed("the channel was closed"))
            raise
        finally:
            for channel in self._channels.release(lease):
                await channel.close()

    async def _run_call(self, link: Link, lease: Lease[grpc.aio.Channel]) -> CallFailed | None:
        """Run a link's call to its end. Return the failure that ended it, None for OK."""
        call = stub_of(lease).StreamDialRequests(metadata=self._context.metadata)
        if self._lost_a_status:
            await _first_sign(call)
        self._state.ready(link, self._context.clock())
        writer = self._start(self._write(call, link), "dial-writer")
        responses = 0
        try:
            while (response := await call.read()) is not grpc.aio.EOF:
                responses += 1
                self._lost_a_status = False
                self._handle_response(cast("pb.StreamDialRequestsResponse", response), link, lease)
        except grpc.aio.AioRpcError as error:
            if not responses and error.code() is grpc.StatusCode.INTERNAL:
                self._lost_a_status = True
            return failure_of(error, error.code(), error.details())
        finally:
            call.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return None

    def _handle_response(
        self, response: pb.StreamDialRequestsResponse, link: Link, lease: Lease[grpc.aio.Channel]
    ) -> None:
        now = self._context.clock()
        self._state.settle(link, _wire.results(response.results), now)
        if (notice := _wire.notice(response)) is not None:
            self._notices.append(notice)
            if notice.kind is NoticeKind.DRAINING:
                self._channels.retire(lease)
                self._state.drain(link, now)
        self._wake_all()

    async def _wait_to_send(self) -> bool:
        """Wait for something to send. Return False when it is time for an empty message."""
        try:
            async with asyncio.timeout(self._context.idle_message_s):
                await self._to_send.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self, call: StreamCall, link: Link) -> None:
        state, context = self._state, self._context
        try:
            while state.is_current(link) and not state.half_close(link):
                if not (chunk := state.next_chunk(link)):
                    self._to_send.clear()
                    if not await self._wait_to_send() and link.sent:
                        await call.write(_wire.stream_message(context.campaign_id, (), context.priority))
                    continue
                self._room.set()
                await call.write(_wire.stream_message(context.campaign_id, chunk, context.priority))
            if link.half_closed:
                await call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The call has ended. `_run_call` reads its status.
            return


async def _first_sign(call: StreamCall) -> None:
    """Wait until the gateway has accepted or refused a call, before anything is sent.

    While messages are being sent, grpc.aio replaces the status of a refused call by INTERNAL:
    grpc/grpc#36066.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_SIGN_S):
            await call.initial_metadata()


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
    # Only a generator is closed: it was made for this call. Another iterator may still be used elsewhere.
    if inspect.isasyncgen(requests):
        await requests.aclose()
