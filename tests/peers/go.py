"""Programs in Go that talk to the gateway, built from pinned sources: a client, grpcurl and ghz."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dialgateway.v1 import dial_request_service_pb2 as pb

SOURCES = Path(__file__).parent / "golang"
PROGRAMS = SOURCES.parents[2] / "build" / "peers"
PACKAGES = {
    "caller": "./caller",
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl",
    "ghz": "github.com/bojand/ghz/cmd/ghz",
}
STREAM = "/dialgateway.v1.DialRequestService/StreamDialRequests"
PUT = "/dialgateway.v1.DialRequestService/PutDialRequests"


def absent() -> str:
    """Return why tests with these programs are left out here, nothing where they are not."""
    return "" if shutil.which("go") else "no Go here, which builds the clients of these tests"


@cache
def built(program: str) -> str:
    """Build a program, unless it is there already, and return where it is. Go keeps what it has compiled."""
    command = ["go", "build", "-trimpath", "-mod=readonly", "-o", f"{PROGRAMS}/", PACKAGES[program]]
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True)  # noqa: S603
    return str(PROGRAMS / program)


async def run(program: str, *arguments: str) -> tuple[int, str]:
    """Run a program to its end; return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(built, program),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@dataclass
class GoCaller:
    """One call of the Go client, and what it has said so far."""

    process: asyncio.subprocess.Process
    results: list[pb.DialResult] = field(default_factory=list)
    status: str = ""
    """The code in gRPC's words for Go, such as `Unavailable`; empty while the call goes on."""

    async def send(self, *requests: pb.DialRequest, campaign: str = "campaign-a") -> None:
        """Send one message. Those of both calls have the same fields."""
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
        """Take what the call brings, to its end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            word, _, value = line.decode().strip().partition(" ")
            if word == "message":
                self.results += pb.StreamDialRequestsResponse.FromString(bytes.fromhex(value)).results
            elif word == "status":
                self.status = value.partition(" ")[0]


@asynccontextmanager
async def calling(target: str, method: str = STREAM, keepalive: str = "0s") -> AsyncIterator[GoCaller]:
    """Make a call with grpc-go; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(built, "caller"),
        *("-target", target, "-method", method, "-keepalive", keepalive),
        *(["-unary"] if method == PUT else []),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    caller = GoCaller(process)
    listening = asyncio.create_task(caller.listen())
    try:
        yield caller
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening
