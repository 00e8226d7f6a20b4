"""DialRequestService: runs one session for each stream or unary call."""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import grpc

from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceServicer
from gateway.api import wire
from gateway.api.session import Session
from gateway.clock import SystemClock
from gateway.dispatch import Dispatcher
from gateway.telemetry import RpcTrace, StreamFigures, Telemetry

if TYPE_CHECKING:
    StreamContext = grpc.aio.ServicerContext[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]
    UnaryContext = grpc.aio.ServicerContext[pb.PutDialRequestsRequest, pb.PutDialRequestsResponse]

log = logging.getLogger(__name__)

DEADLINE_SHARE, LONGEST_DEADLINE_MARGIN_S = 0.1, 0.5
"""A unary call is answered this share of its time before its deadline, at most so many seconds."""
LEAVING = "this replica is leaving; nothing more is taken here, send on a new connection"


class DialRequestServicer(DialRequestServiceServicer):
    """The service of `protos/dialgateway/v1/dial_request_service.proto`."""

    def __init__(
        self, dispatcher: Dispatcher, telemetry: Telemetry, clock: SystemClock, stream_window: int
    ) -> None:
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._clock = clock
        self._window = stream_window
        self._streams: dict[Session, asyncio.Task[None]] = {}
        self._no_streams = asyncio.Event()

    # Handlers are async generators. A generator may be left suspended where its caller is gone, so the
    # end of a stream hangs on the call's own end, and the reading is a task beside the generator.
    async def StreamDialRequests(  # noqa: N802, D102
        self, request_iterator: AsyncIterator[pb.StreamDialRequestsRequest], context: "StreamContext"
    ) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        if self._dispatcher.draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, LEAVING)
        trace = self._telemetry.rpc_started("StreamDialRequests", context.invocation_metadata() or ())
        session, opened_at = self._session(trace), self._clock.now()
        reader = asyncio.create_task(session.read(request_iterator), name="stream-reader")
        reader.add_done_callback(partial(_reading_ended, session))
        self._streams[session] = reader
        # The stubs ask for a class of their own here, which does not exist at run time.
        context.add_done_callback(lambda _: self._ended(session, trace, opened_at))  # type: ignore[arg-type]
        try:
            async for response in session.responses():
                yield response
        except Exception as bug:  # noqa: BLE001 - gRPC would tell the caller, and log, what it says
            await self._broken(bug, context)
        await self._say_why_it_ends(reader, context)

    async def PutDialRequests(  # noqa: N802, D102
        self, request: pb.PutDialRequestsRequest, context: "UnaryContext"
    ) -> pb.PutDialRequestsResponse:
        await self._refuse_what_has_no_room(len(request.dial_requests), context)
        trace = self._telemetry.rpc_started("PutDialRequests", context.invocation_metadata() or ())
        session = self._session(trace)
        response = pb.PutDialRequestsResponse()
        try:
            session.take(request.campaign_id, request.dial_requests, wire.priority(request.priority))
            session.close()
            answers = await session.answers_in_order(_time_for_answers(context.time_remaining()))
            response.results.extend(wire.result(settled) for settled in answers)
        except Exception as bug:  # noqa: BLE001 - gRPC would tell the caller, and log, what it says
            await self._broken(bug, context)
        finally:
            session.leave()
            trace.ended(taken=session.taken, answered=session.answered)
        return response

    def drain(self) -> None:
        """Tell every stream that the gateway leaves, and read no more from any."""
        for session, reader in self._streams.items():
            session.drain()
            reader.cancel()

    async def streams_ended(self) -> None:
        """Wait until no stream is left."""
        while self._streams:
            self._no_streams.clear()
            await self._no_streams.wait()

    def figures(self) -> StreamFigures:
        """Return how many streams are open, and what keeps them from being read."""
        uses = [session.window_use for session in self._streams]
        lack_window = sum(use >= 1.0 for use in uses)
        return StreamFigures(
            len(uses), max(uses, default=0.0), lack_window, self._dispatcher.waiting_for_room
        )

    def _session(self, trace: RpcTrace) -> Session:
        return Session(self._dispatcher, self._telemetry, self._clock, trace, self._window)

    def _ended(self, session: Session, trace: RpcTrace, opened_at: float) -> None:
        self._streams.pop(session).cancel()
        about = {"taken": session.taken, "answered": session.answered, "trace_id": trace.trace_id}
        log.info("a stream ended", extra={**about, "open_s": round(self._clock.now() - opened_at, 3)})
        session.leave()
        trace.ended(taken=session.taken, answered=session.answered)
        if not self._streams:
            self._no_streams.set()

    async def _say_why_it_ends(self, reader: "asyncio.Task[None]", context: "StreamContext") -> None:
        """Give a stream whose answers have all been handed over the status that its reading calls for."""
        await asyncio.wait([reader])
        if self._dispatcher.draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, LEAVING)
        if not reader.cancelled() and reader.exception() is not None:
            await context.abort(grpc.StatusCode.INTERNAL, "the stream could not be read to its end")

    async def _broken(self, bug: Exception, context: "StreamContext | UnaryContext") -> None:
        """End a call that met a bug of ours, without what the exception says."""
        log.error("a call of a service ended with %s", type(bug).__name__)
        await context.abort(grpc.StatusCode.INTERNAL, "an internal error of the gateway; see its log")

    async def _refuse_what_has_no_room(self, count: int, context: "UnaryContext") -> None:
        if self._dispatcher.draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, LEAVING)
        if count > self._window:
            text = f"dial_requests: at most {self._window} in one call, got {count}; use a stream for more"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        if count > self._dispatcher.room():
            text = "the gateway is full; nothing of this call was taken, send it again later"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


def _reading_ended(session: Session, reader: "asyncio.Task[None]") -> None:
    if not reader.cancelled() and (error := reader.exception()) is not None:
        # The type only: the text of a foreign error may hold what was sent.
        log.warning("a stream could not be read to its end: %s", type(error).__name__)
    session.close()


def _time_for_answers(time_remaining_s: float | None) -> float | None:
    if time_remaining_s is None:
        return None
    return time_remaining_s - min(LONGEST_DEADLINE_MARGIN_S, DEADLINE_SHARE * time_remaining_s)
