"""A call that a client in another language makes for a test, controlled line by line through its stdin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dialgateway.v1 import dial_request_service_pb2 as pb

STREAM = "/dialgateway.v1.DialRequestService/StreamDialRequests"
PUT = "/dialgateway.v1.DialRequestService/PutDialRequests"


@dataclass
class PeerCall:
    """One call of a client in another language, and the output so far."""

    process: asyncio.subprocess.Process
    results: list[pb.DialResult] = field(default_factory=list)
    status: str = ""
    """The code in capitals without underscores, such as UNAVAILABLE; empty until the call ends."""

    async def send(self, *requests: pb.DialRequest, campaign: str = "campaign-a") -> None:
        """Send one message; the messages of both calls have the same fields."""
        message = pb.StreamDialRequestsRequest(campaign_id=campaign, dial_requests=requests)
        assert self.process.stdin is not None
        self.process.stdin.write(f"send {message.SerializeToString().hex()}\n".encode())
        await self.process.stdin.drain()

    async def finish(self) -> None:
        """Half-close."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"end\n")
        await self.process.stdin.drain()

    async def listen(self) -> None:
        """Read the answers of the call until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            word, _, value = line.decode().strip().partition(" ")
            if word == "message":
                self.results += pb.StreamDialRequestsResponse.FromString(bytes.fromhex(value)).results
            elif word == "status":
                self.status = value.partition(" ")[0].upper().replace("_", "")


@asynccontextmanager
async def made_by(*command: str) -> AsyncIterator[PeerCall]:
    """Make a call with a command; its process is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    call = PeerCall(process)
    listening = asyncio.create_task(call.listen())
    try:
        yield call
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening
