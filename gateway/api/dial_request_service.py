"""DialRequestService: one session for each stream or unary call."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.access.grants import AccessControl, Caller
from gateway.access.policy import Grant
from gateway.api.authorization import Authorizer
from gateway.api.caller_limits import CallerLimit, CallerLimits
from gateway.api.dial_session import TURN_UNITS, DialSession
from gateway.api.streams import OpenStreams, StreamLimits
from gateway.api.submission import StreamUnreadableError
from gateway.api.wire import dial_requests
from gateway.api.wire.incoming import MESSAGE_BYTES, PART, Incoming, TooLargeError, UnreadableError
from gateway.api.wire.status_details import ErrorReason, Refusal, end_call
from gateway.directory.directory import NO_DIRECTORY, CampaignDirectory
from gateway.dispatch.dispatcher import Dispatcher
from gateway.runtime.clock import SystemClock
from gateway.runtime.loop_share import LoopShare
from gateway.runtime.supervision import Supervisor
from gateway.telemetry import RpcStatus, RpcTrace, StreamFigures, Telemetry

if TYPE_CHECKING:
    StreamContext = grpc.aio.ServicerContext[bytes, pb.StreamDialRequestsResponse]
    UnaryContext = grpc.aio.ServicerContext[bytes, pb.PutDialRequestsResponse]

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["DialRequestService"].full_name
DEADLINE_SHARE, LONGEST_DEADLINE_MARGIN_S = 0.1, 0.5
"""A unary call is answered this share of its time before its deadline, but at most this many seconds."""
DRAINING = "this replica is shutting down and takes no more dial requests: send on a new connection"
AGED = "this stream has reached its age limit: send the requests without a result on a new stream"
FULL = "the gateway is full; nothing of this call was taken, send it again later"
CALLS_USED_UP = (
    "the limit of open streams and calls is reached; nothing of this call was taken, send it again later"
)
NO_MESSAGE = "the message is not a PutDialRequestsRequest"
TOO_LARGE = f"a message may have at most {MESSAGE_BYTES:,} bytes; nothing of this one was taken"
SHARE_USED_UP = (
    "the limit of unanswered requests of this caller is reached; nothing of this call was taken, send it "
    "again later"
)


class DialRequestServicer:
    """The service of `protos/dialgateway/v1/dial_request_service.proto`.

    Each call is authorized and checked against the limits first. If it is accepted, initial metadata is sent,
    and only then is a message read. From the metadata clients and proxies know that this gateway has begun
    the call, so they do not send it again to another one. No message of a refused call is read. For that,
    `handlers` registers the unary call as a stream: gRPC would otherwise read the request before the handler
    runs.

    `access_control` identifies callers and knows their grants. `directory` knows the names of campaigns.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        telemetry: Telemetry,
        clock: SystemClock,
        limits: StreamLimits,
        rng: random.Random,
        supervisor: Supervisor,
        access_control: AccessControl,
        directory: CampaignDirectory = NO_DIRECTORY,
    ) -> None:
        self._directory = directory
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._clock = clock
        self._limits = limits
        self._supervisor = supervisor
        self._authorizer = Authorizer(access_control)
        self._caller_limits = CallerLimits(limits.caller_window)
        self._loop_share = LoopShare(TURN_UNITS)
        self._streams = OpenStreams(limits, rng, supervisor)
        self._sessions: dict[DialSession, asyncio.Task[None] | None] = {}
        self._taking = asyncio.Lock()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the gRPC handlers for the methods of the service. They receive messages as bytes."""
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "StreamDialRequests": grpc.stream_stream_rpc_method_handler(
                self.StreamDialRequests,
                response_serializer=pb.StreamDialRequestsResponse.SerializeToString,
            ),
            "PutDialRequests": grpc.stream_unary_rpc_method_handler(
                self.PutDialRequests,
                response_serializer=pb.PutDialRequestsResponse.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    # Handlers are async generators. gRPC may leave a generator suspended after its caller is gone. So the end
    # of a stream is handled in the call's done callback, and reading is a task of its own.
    async def StreamDialRequests(  # noqa: N802, D102
        self, messages: AsyncIterator[bytes], context: "StreamContext"
    ) -> AsyncIterator[pb.StreamDialRequestsResponse]:
        caller, grant = await self._authorizer.may_dial(context)
        await self._refuse_stream(self._caller_limits.get(caller.key), context)
        await context.send_initial_metadata(())
        try:
            session, reader = self._begin(messages, context, caller, grant)
            async for response in session.responses():
                yield response
        except Exception as bug:  # noqa: BLE001 - gRPC would send and log its text
            await self._broken(bug, context)
        await self._end_stream(session, reader, context)

    def _begin(
        self,
        messages: AsyncIterator[bytes],
        context: "StreamContext",
        caller: Caller,
        grant: Grant,
    ) -> "tuple[DialSession, asyncio.Task[None]]":
        """Begin to read a stream; return its session and the task that reads."""
        trace = self._telemetry.rpc_started("StreamDialRequests", context.invocation_metadata() or ())
        limit = self._caller_limits.call_began(caller.key)
        limit.resize(grant.window)
        session = self._session(trace, limit, caller)
        reader = asyncio.create_task(session.read(messages), name="stream-reader")
        reader.add_done_callback(self._supervisor.guarded(partial(self._reading_ended, session)))
        self._sessions[session] = reader
        self._streams.add(session, reader, limit)
        # The stubs ask for a class of their own here, which does not exist at run time.
        opened_at = self._clock.now()
        ended = self._supervisor.guarded(
            lambda _: self._ended(session, trace, caller, opened_at, _status(context, done=context.done()))
        )
        context.add_done_callback(ended)  # type: ignore[arg-type]
        return session, reader

    async def PutDialRequests(  # noqa: N802, D102
        self, messages: AsyncIterator[bytes], context: "UnaryContext"
    ) -> pb.PutDialRequestsResponse:
        caller, grant = await self._authorizer.may_dial(context)
        limit = self._caller_limits.get(caller.key)
        limit.resize(grant.window)
        await self._refuse_call(limit, context)
        await context.send_initial_metadata(())
        trace = self._telemetry.rpc_started("PutDialRequests", context.invocation_metadata() or ())
        session = self._session(trace, self._caller_limits.call_began(caller.key), caller)
        self._sessions[session] = None
        done = False
        try:
            message = await self._only_message(messages, context)
            response = await self._put(session, message, context)
            done = True
            return response
        finally:
            self._left(session, trace, caller, _status(context, done=done))

    async def _only_message(self, messages: AsyncIterator[bytes], context: "UnaryContext") -> Incoming:
        """Read the message of a unary call. Ends the call if there is no message."""
        try:
            return Incoming(await anext(messages))
        except TooLargeError:
            await end_call(context, ErrorReason.MESSAGE_TOO_LARGE, TOO_LARGE)
        except UnreadableError:
            await end_call(context, ErrorReason.UNREADABLE_MESSAGE, NO_MESSAGE)
        except StopAsyncIteration:
            await end_call(context, ErrorReason.UNREADABLE_MESSAGE, "the call has no message")

    async def _put(
        self, session: DialSession, message: Incoming, context: "UnaryContext"
    ) -> pb.PutDialRequestsResponse:
        try:
            refusal = await self._take(session, message)
            if refusal is None:
                return await self._answered(session, context)
        except UnreadableError:
            refusal = Refusal(ErrorReason.UNREADABLE_MESSAGE, NO_MESSAGE)
        except Exception as bug:  # noqa: BLE001 - gRPC would send and log its text
            await self._broken(bug, context)
        return await end_call(context, *refusal)

    async def _take(self, session: DialSession, message: Incoming) -> Refusal | None:
        """Submit a whole list, or return the reason why it is refused. Raises `UnreadableError`."""
        async with self._taking:  # so that no other call uses the room that was found for this list
            refusal = await self._refusal(session, message)
            if refusal is None:
                await session.take_all(message)
            return refusal

    async def _answered(self, session: DialSession, context: "UnaryContext") -> pb.PutDialRequestsResponse:
        """Wait for the answers, and return them in the order of the requests."""
        session.close()
        answers = await session.answers_in_order(_time_for_answers(context.time_remaining()))
        response = pb.PutDialRequestsResponse()
        for begin in range(0, len(answers), PART):
            for settled in answers[begin : begin + PART]:
                dial_requests.add_result(response.results, settled)
            await asyncio.sleep(0)  # let other tasks run
        return response

    def drain(self) -> None:
        """Send every stream the notice DRAINING, and stop reading."""
        self._streams.drain()

    async def streams_ended(self) -> None:
        """Wait until no stream is open."""
        await self._streams.ended()

    def figures(self) -> StreamFigures:
        """Return the number of open streams, and of streams that are not being read."""
        uses = [session.window.use for session in self._streams.sessions()]
        lack_window = sum(use >= 1.0 for use in uses)
        return StreamFigures(
            len(uses), max(uses, default=0.0), lack_window, self._dispatcher.waiting_for_room
        )

    def callers(self) -> list[tuple[str, CallerLimit]]:
        """Return every caller with an open stream or unary call, with its limit."""
        return self._caller_limits.all()

    async def fail(self) -> None:
        """Answer all outstanding requests after a bug of the gateway, and stop reading."""
        self._streams.drain()
        readers = [reader for reader in self._sessions.values() if reader is not None]
        if readers:
            await asyncio.wait(readers)
        for session in list(self._sessions):
            session.fail()

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    def _session(self, trace: RpcTrace, limit: CallerLimit, caller: Caller) -> DialSession:
        window, permission = self._limits.window, self._authorizer.access_control.dial_permission(caller)
        return DialSession(
            self._dispatcher,
            self._telemetry,
            self._clock,
            trace,
            window,
            limit,
            permission,
            self._directory,
            self._supervisor,
            loop_share=self._loop_share,
        )

    def _ended(
        self,
        session: DialSession,
        trace: RpcTrace,
        caller: Caller,
        opened_at: float,
        status: grpc.StatusCode,
    ) -> None:
        self._streams.remove(session)
        about: dict[str, object] = {"caller": caller.name} if caller.identity else {}
        about |= {
            "taken": session.window.taken,
            "answered": session.window.answered,
            "trace_id": trace.trace_id,
        }
        log.info("a stream ended", extra={**about, "open_s": round(self._clock.now() - opened_at, 3)})
        self._left(session, trace, caller, status)

    def _left(self, session: DialSession, trace: RpcTrace, caller: Caller, status: grpc.StatusCode) -> None:
        """Forget a stream or unary call that has ended."""
        del self._sessions[session]
        session.caller_gone()
        self._caller_limits.call_ended(caller.key)
        rpc_status = RpcStatus(status.name, status.value[0])
        trace.ended(taken=session.window.taken, answered=session.window.answered, status=rpc_status)

    def _reading_ended(self, session: DialSession, reader: "asyncio.Task[None]") -> None:
        error = None if reader.cancelled() else reader.exception()
        if isinstance(error, StreamUnreadableError):
            # Only the type: the text of a library's error may contain what was sent.
            log.warning("a stream could not be read to its end: %s", type(error.__cause__).__name__)
        elif error is not None:
            self._supervisor.report(error)
            return  # the gateway stops and answers all streams, this one too
        session.close()

    async def _end_stream(
        self, session: DialSession, reader: "asyncio.Task[None]", context: "StreamContext"
    ) -> None:
        """End a stream, after its last answer, with the status that fits the end of its reading."""
        await asyncio.wait([reader])
        if self._dispatcher.draining:
            await end_call(context, ErrorReason.DRAINING, DRAINING)
        if session.draining:
            await end_call(context, ErrorReason.STREAM_AGE, AGED)
        error = None if reader.cancelled() else reader.exception()
        if error is not None and isinstance(error.__cause__, TooLargeError):
            await end_call(context, ErrorReason.MESSAGE_TOO_LARGE, TOO_LARGE)
        if error is not None:
            await end_call(context, ErrorReason.UNREADABLE_STREAM, "the stream could not be read to its end")

    async def _broken(self, bug: Exception, context: "StreamContext | UnaryContext") -> NoReturn:
        """Report a bug, and end its call without the text of the exception: it may contain personal data."""
        self._supervisor.report(bug)
        await end_call(context, ErrorReason.INTERNAL, "an internal error of the gateway; see its log")

    async def _refuse_stream(self, limit: CallerLimit, context: "StreamContext") -> None:
        if self._dispatcher.draining:
            await end_call(context, ErrorReason.DRAINING, DRAINING)
        refusal = self._streams.refusal(limit)
        if refusal is not None:
            await end_call(context, ErrorReason.STREAM_LIMIT, refusal)

    async def _refuse_call(self, limit: CallerLimit, context: "UnaryContext") -> None:
        """End a unary call beyond the limits, before its message is read."""
        if self._dispatcher.draining:
            await end_call(context, ErrorReason.DRAINING, DRAINING)
        # A waiting call takes about as much memory as a stream, and one connection can carry any number.
        if limit.open_calls >= self._limits.caller_streams or len(self._sessions) >= self._limits.streams:
            await end_call(context, ErrorReason.STREAM_LIMIT, CALLS_USED_UP)
        if self._dispatcher.room() <= 0:
            await end_call(context, ErrorReason.OVERLOADED, FULL)

    async def _refusal(self, session: DialSession, message: Incoming) -> Refusal | None:
        """Return why a list is refused, None if it is taken. Raises `UnreadableError`."""
        count = 0
        for found in message.counts(self._limits.window):
            count = found
            await asyncio.sleep(0)  # let other tasks run
        if self._dispatcher.draining:
            return Refusal(ErrorReason.DRAINING, DRAINING)
        if count > self._limits.window:
            text = f"dial_requests: at most {self._limits.window} in one call; use a stream for more"
            return Refusal(ErrorReason.LIST_TOO_LONG, text)
        if count > self._dispatcher.room():
            return Refusal(ErrorReason.OVERLOADED, FULL)
        if count > session.window.caller_room:
            return Refusal(ErrorReason.CALLER_WINDOW, SHARE_USED_UP)
        return None


def _status(context: "StreamContext | UnaryContext", *, done: bool) -> grpc.StatusCode:
    """Return the status with which a call ended. The context only knows a status that this code set."""
    chosen: grpc.StatusCode | None = context.code()
    if chosen is not None:
        return chosen
    # A call that is not done was ended by its caller, a deadline or a broken connection.
    return grpc.StatusCode.OK if done else grpc.StatusCode.CANCELLED


def _time_for_answers(time_remaining_s: float | None) -> float | None:
    if time_remaining_s is None:
        return None
    return time_remaining_s - min(LONGEST_DEADLINE_MARGIN_S, DEADLINE_SHARE * time_remaining_s)
