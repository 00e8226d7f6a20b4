"""One `dial()` of the async client: two tasks beside the caller, all three around one `Window`.

    source --[reader task]--> Window --[writer task]--> gRPC --[the caller's own await]--> results

The reader runs on until the source has nothing right now, a chunk is full or the window is; only then does
the writer get its turn. So chunks are as full as the source allows, and no request waits for company.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from dialgateway import _wire
from dialgateway._window import Window
from dialgateway.errors import ClientClosed, StreamBroken, from_status
from dialgateway.values import DialRequest, DialResult, Notice, Priority

if TYPE_CHECKING:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

Source = AsyncIterable[DialRequest] | Iterable[DialRequest]
OnNotice = Callable[[Notice], None]

# How long the gateway may take to end a stream that has all its answers, before it is cancelled instead.
_GOODBYE_SECONDS = 1.0


class DialStream:
    """Owns the call and its two tasks; whoever makes one must await `close()`."""

    def __init__(
        self, call: StreamCall, source: Source, window: Window, campaign_id: str, priority: Priority
    ) -> None:
        self._call = call
        self._window = window
        self._campaign_id = campaign_id
        self._priority = priority
        self._aborted = False
        self._room = asyncio.Event()
        self._work = asyncio.Event()
        self._reader = asyncio.create_task(self._read_source(source), name="dial-source")
        self._writer = asyncio.create_task(self._write_chunks(), name="dial-writer")
        self._reader.add_done_callback(self._cancel_call_on_failure)
        self._writer.add_done_callback(self._cancel_call_on_failure)

    async def receive(self, on_notice: OnNotice | None) -> list[DialResult] | None:
        """Wait for the next results; None when every request is answered. Raises what ended the stream."""
        if self._window.finished:
            await self._say_goodbye()
            return None
        response = await self._next_response()
        if response is None:
            self._check_finished()
            return None
        results = _wire.results(response.results)
        self._window.settle(results)
        self._room.set()
        if on_notice is not None and (notice := _wire.notice(response)) is not None:
            on_notice(notice)
        return results

    def abort(self) -> None:
        """End the stream from outside: whoever awaits `receive()` gets ClientClosed."""
        self._aborted = True
        self._call.cancel()

    async def close(self) -> None:
        """Cancel what is still under way and wait until both tasks are gone and the source is closed."""
        self._call.cancel()
        self._reader.cancel()
        self._writer.cancel()
        await asyncio.gather(self._reader, self._writer, return_exceptions=True)

    async def _next_response(self) -> pb.StreamDialRequestsResponse | None:
        try:
            response = await self._call.read()
        except grpc.aio.AioRpcError as error:
            if self._window.finished:
                return None
            raise from_status(error.code(), error.details(), self._window.unanswered) from error
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            # It was the call that was cancelled, not the caller: by a failed source, or by closing.
        else:
            return None if response is grpc.aio.EOF else cast("pb.StreamDialRequestsResponse", response)
        raise self._why_cancelled()

    def _why_cancelled(self) -> BaseException:
        for task in (self._reader, self._writer):
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                return failure
        if self._reader.cancelled() and not self._aborted:
            return asyncio.CancelledError("the source of dial requests was cancelled")
        return ClientClosed("the client was closed", self._window.unanswered)

    def _check_finished(self) -> None:
        # The gateway has ended the stream with OK, which is right only behind the last answer.
        if not self._window.finished:
            raise StreamBroken("the gateway ended the stream too early", self._window.unanswered)

    async def _say_goodbye(self) -> None:
        # Cancelling a stream that is about to end by itself would count as an aborted call at the gateway.
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._call.code()
        except TimeoutError:
            self._call.cancel()

    async def _read_source(self, source: Source) -> None:
        window, room, work = self._window, self._room, self._work
        requests = _iterate(source)
        try:
            while True:
                while not window.may_take:
                    room.clear()
                    await room.wait()
                try:
                    window.take(await anext(requests))
                except StopAsyncIteration:
                    break
                work.set()
        finally:
            await _close(requests)
        window.end_source()
        work.set()

    async def _write_chunks(self) -> None:
        window, room, work = self._window, self._room, self._work
        try:
            while True:
                while not (window.may_send or window.source_ended):
                    work.clear()
                    await work.wait()
                if not (chunk := window.next_chunk()):
                    break
                room.set()
                for message in _wire.stream_messages(self._campaign_id, chunk, self._priority):
                    await self._call.write(message)
            await self._call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            # The call has ended. Its status says why, and `receive()` raises that.
            return

    def _cancel_call_on_failure(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._call.cancel()


def being_cancelled() -> bool:
    """Whether the running task is asked to end; else a CancelledError is grpc's, about the call alone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
