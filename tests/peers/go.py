"""Programs in Go that talk to the gateway, built from pinned sources: a client, grpcurl and ghz."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from tests.peers.call import PUT, STREAM, PeerCall, made_by

SOURCES = Path(__file__).parent / "golang"
INSTEAD = SOURCES / "without_xds"
"""Packages that replace those of the same path. grpcurl and ghz import xDS for one scheme of targets, which
no test uses; without it, half as much code is compiled."""
PROGRAMS = SOURCES.parents[2] / "build" / "peers"
FLAGS = ("-trimpath", "-mod=vendor", "-ldflags=-s -w", "-gcflags=all=-N -l")
"""Without what a debugger needs, and not optimized, because that takes a quarter of the compiler's time."""
CHEAPLY = {"CGO_ENABLED": "0", "GOGC": "400"}
"""Without C, which Go uses only for the resolver and the users of the system: 5 s of a processor less. The
compiler's own collector runs less often: another 10 s less of 55."""
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
    command = ["go", "build", *FLAGS, "-o", f"{PROGRAMS}/", PACKAGES[program]]
    environment = os.environ | CHEAPLY
    subprocess.run(command, cwd=_vendored(), env=environment, check=True, capture_output=True)  # noqa: S603
    return str(PROGRAMS / program)


@cache
def _vendored() -> Path:
    """Copy the sources of all programs into one folder, unless they are there, and return its path.

    Go compares them with the hashes in `go.sum`. Then the packages of `INSTEAD` take their places.
    """
    folder = PROGRAMS / "golang"
    done = folder / "done"
    newest = max(path.stat().st_mtime for path in SOURCES.rglob("*"))
    if not done.exists() or done.stat().st_mtime < newest:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns(INSTEAD.name))
        subprocess.run(["go", "mod", "vendor"], cwd=folder, check=True, capture_output=True)  # noqa: S607
        for file in INSTEAD.rglob("*.go"):
            package = folder / "vendor" / file.relative_to(INSTEAD).parent
            shutil.rmtree(package)
            package.mkdir()
            shutil.copy(file, package)
        done.touch()
    return folder


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
