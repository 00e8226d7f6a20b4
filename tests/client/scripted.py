"""A gateway that follows the script of a test, with real sockets and without Amazon Connect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from dialgateway import DialRequest
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import (
    DialRequestServiceServicer,
    add_DialRequestServiceServicer_to_server,
)

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]
    PutContext = grpc.aio.ServicerContext[pb.PutDialRequestsRequest, pb.PutDialRequestsResponse]

PHONE = "+12025550123"
SECRET = "Ludmilla-Attribute"

Answers = AsyncIterator[pb.StreamDialRequestsResponse]
StreamScript = Callable[["Received", "Context"], Answers]
PutScript = Callable[[pb.PutDialRequestsRequest, "PutContext"], Awaitable[pb.PutDialRequestsResponse]]


def request(token: str) -> DialRequest:
    return DialRequest(token, PHONE, datetime.now(UTC) + timedelta(minutes=5), {"first_name": SECRET})


def requests(count: int) -> Iterator[DialRequest]:
    return (request(f"t-{number}") for number in range(count))


def accepted(index: int, token: str) -> pb.DialResult:
    return pb.DialResult(
        client_token=token,
        index=index,
        outcome=pb.OUTCOME_ACCEPTED,
        dial_request_id=f"id-{index}",
        attempts=1,
        trace_id="ab" * 16,
    )


def answer(*results: pb.DialResult) -> pb.StreamDialRequestsResponse:
    return pb.StreamDialRequestsResponse(results=results)


def dial_tasks() -> list[str]:
    """Return the names of the asynchronous client's tasks that have not ended."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("dial-")]


class Received:
    """The requests that a stream has sent so far, with the sizes of its messages."""

    def __init__(self, messages: AsyncIterator[pb.StreamDialRequestsRequest]) -> None:
        self._messages = messages
        self.first: list[pb.StreamDialRequestsRequest] = []
        self.sizes: list[int] = []
        self.tokens: list[str] = []
        self.changed = asyncio.Event()

    async def messages(self) -> AsyncIterator[list[tuple[int, str]]]:
        async for message in self._messages:
            self.first = self.first or [message]
            start = len(self.tokens)
            tokens = [sent.client_token for sent in message.dial_requests]
            self.sizes.append(len(tokens))
            self.tokens += tokens
            self.changed.set()
            yield list(enumerate(tokens, start))

    async def read(self, count: int) -> None:
        """Read at least `count` requests."""
        async for _ in self.messages():
            if len(self.tokens) >= count:
                return


async def accept_all(received: Received, context: Context) -> Answers:
    async for pairs in received.messages():
        yield answer(*(accepted(index, token) for index, token in pairs))


async def accept_and_stay(received: Received, context: Context) -> Answers:
    """Accept all, and do not return before the call ends, so that a cancellation can be seen."""
    async for response in accept_all(received, context):
        yield response
    await asyncio.Event().wait()


async def welcome(context: PutContext) -> None:
    """Answer a probe."""


class ScriptedGateway(DialRequestServiceServicer):
    def __init__(self) -> None:
        self.script: StreamScript = accept_all
        self.put_script: Callable[
            [pb.PutDialRequestsRequest, PutContext], Awaitable[pb.PutDialRequestsResponse]
        ]
        self.streams: list[Received] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.cancelled = asyncio.Event()
        self.opened = asyncio.Event()
        self.target = ""
        self.probes = 0
        self.probe_script: Callable[[PutContext], Awaitable[None]] = welcome

    async def StreamDialRequests(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[pb.StreamDialRequestsRequest], context: Context
    ) -> Answers:
        received = Received(request_iterator)
        self.streams.append(received)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.opened.set()
        completed = False
        try:
            async for response in self.script(received, context):
                yield response
            completed = True
        finally:
            # No `except CancelledError`: the cancellation may find this generator at its yield.
            if not completed:
                self.cancelled.set()

    async def PutDialRequests(  # noqa: N802
        self, request: pb.PutDialRequestsRequest, context: PutContext
    ) -> pb.PutDialRequestsResponse:
        if not request.dial_requests:  # a probe
            self.probes += 1
            await self.probe_script(context)
            return pb.PutDialRequestsResponse()
        self.opened.set()
        return await self.put_script(request, context)

    async def serve(self, address: str) -> grpc.aio.Server:
        """Serve in this event loop, until the server is stopped."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_DialRequestServiceServicer_to_server(self, server)
        self.target = f"127.0.0.1:{server.add_insecure_port(address)}"
        await server.start()
        return server


@asynccontextmanager
async def serving() -> AsyncIterator[ScriptedGateway]:
    """Serve a scripted gateway in this event loop."""
    gateway = ScriptedGateway()
    server = await gateway.serve("127.0.0.1:0")
    try:
        yield gateway
    finally:
        await server.stop(None)


@contextmanager
def serving_in_thread() -> Iterator[ScriptedGateway]:
    """Serve a scripted gateway in an event loop of another thread, for callers without one."""
    started: list[ScriptedGateway] = []
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        async with serving() as gateway:
            ended, loop = asyncio.Event(), asyncio.get_running_loop()
            stop.append(lambda: loop.call_soon_threadsafe(ended.set))
            started.append(gateway)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield started[0]
    finally:
        stop[0]()
        thread.join()
