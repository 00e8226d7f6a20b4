"""Programs in Go that talk to the gateway, built from pinned sources: a client, grpcurl and ghz."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from tests.peers.call import PUT, STREAM, PeerCall, made_by

SOURCES = Path(__file__).parent / "golang"
PROGRAMS = SOURCES.parents[2] / "build" / "peers"
PACKAGES = {
    "caller": "./caller",
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl",
    "ghz": "github.com/bojand/ghz/cmd/ghz",
}


def absent() -> str:
    """Return why tests with these programs are skipped on this machine, or an empty string."""
    return "" if shutil.which("go") else "no Go here, which builds the clients of these tests"


@cache
def built(program: str) -> str:
    """Build a program unless it exists, and return its path. Go caches what it compiles."""
    small = "-ldflags=-s -w"  # without what a debugger needs, which takes a third of the time
    command = ["go", "build", "-trimpath", "-mod=readonly", small, "-o", f"{PROGRAMS}/", PACKAGES[program]]
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True)  # noqa: S603
    return str(PROGRAMS / program)


async def run(program: str, *arguments: str) -> tuple[int, str]:
    """Run a program to its end; return its exit code and its whole output."""
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(built, program),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@asynccontextmanager
async def calling(target: str, method: str = STREAM, keepalive: str = "0s") -> AsyncIterator[PeerCall]:
    """Make a call with grpc-go."""
    program = await asyncio.to_thread(built, "caller")
    options = ("-target", target, "-method", method, "-keepalive", keepalive)
    async with made_by(program, *options, *(["-unary"] if method == PUT else [])) as call:
        yield call
