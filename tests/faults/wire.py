"""One recorded stream on the wire, without the client: nothing is resent, nothing is hidden."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from benchmarks.stub import async_stub
from dialgateway import DialRequest, NoticeKind, Priority, _wire
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults.callers import CHUNK, dial_request, heard, sent
from tests.history.history import Recorder

if TYPE_CHECKING:
    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

MARK = "mark"


class WireStream:
    """A stream that a fault run controls. `status` is how it ended, once `read` has returned."""

    def __init__(self, call: "StreamCall", campaign: str, recorder: Recorder, name: str = "wire") -> None:
        self.notices: list[NoticeKind] = []
        self.status: grpc.StatusCode | None = None
        self._call = call
        self._campaign = campaign
        self._record = recorder.stream(name)
        self._marks = 0
        self._marks_heard = 0

    async def send(self, requests: Sequence[DialRequest]) -> None:
        """Send requests; wait while flow control blocks."""
        for first in range(0, len(requests), CHUNK):
            chunk = requests[first : first + CHUNK]
            for request in chunk:
                sent(self._record, self._campaign, request)
            await self._call.write(_wire.stream_message(self._campaign, chunk, Priority.NORMAL))

    async def send_all(self, requests: Sequence[DialRequest]) -> None:
        """Send requests, and half-close."""
        await self.send(requests)
        await self.finish()

    async def finish(self) -> None:
        """Half-close."""
        await self._call.done_writing()

    async def taken(self) -> None:
        """Wait until the gateway has read everything: it has then answered an invalid request at the end."""
        self._marks += 1
        await self.send([dial_request(f"{MARK}-{self._record.name}-{self._marks}", phone_number="")])
        while self._marks_heard < self._marks:
            if not await self._read_one():
                raise RuntimeError(f"the stream ended before all was taken: {self.status}")

    async def ask(self, requests: Sequence[DialRequest]) -> None:
        """Send requests and half-close, while reading to the end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.send_all(requests))
            await self.read()

    def gone(self) -> None:
        """Record that the caller need not receive all answers: it leaves, or does not read."""
        self._record.left()

    async def read(self) -> None:
        """Read to the end, however the stream ends."""
        while await self._read_one():
            pass

    async def _read_one(self) -> bool:
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError:
            message = grpc.aio.EOF
        if message is grpc.aio.EOF:
            self.status = await self._call.code()
            return False
        response = cast("pb.StreamDialRequestsResponse", message)
        for result in _wire.results(response.results):
            heard(self._record, result.index, result)
            self._marks_heard += result.client_token.startswith(MARK)
        if (notice := _wire.notice(response)) is not None:
            self.notices.append(notice.kind)
        return True


async def dial_once(target: str, campaign: str, requests: Sequence[DialRequest], recorder: Recorder) -> None:
    """Send requests on one stream, half-close, and read to its end."""
    async with streams_to(target, campaign, recorder) as (stream,):
        await stream.ask(requests)


@asynccontextmanager
async def streams_to(
    target: str,
    campaign: str,
    recorder: Recorder,
    count: int = 1,
    credentials: grpc.ChannelCredentials | None = None,
) -> AsyncIterator[list[WireStream]]:
    """Open streams, each on a connection of its own, until the end of the block."""
    channels = [_channel(target, credentials) for _ in range(count)]
    try:
        yield [
            WireStream(async_stub(channel).StreamDialRequests(), campaign, recorder) for channel in channels
        ]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


def _channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, credentials, options)
