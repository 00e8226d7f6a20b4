"""A client with grpc-js, installed from pinned packages."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from tests.peers.call import PUT, STREAM, PeerCall, made_by

SOURCES = Path(__file__).parent / "node"
INSTALLED = SOURCES.parents[2] / "build" / "peers" / "node"


def absent() -> str:
    """Return why tests with this client are skipped on this machine, or an empty string."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} here, which a client of these tests needs" if missing else ""


@cache
def installed() -> str:
    """Install the client, unless that was done for these packages, and return the path of its program."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    lock, done = SOURCES / "package-lock.json", INSTALLED / "node_modules" / ".package-lock.json"
    for file in SOURCES.iterdir():
        shutil.copy(file, INSTALLED)
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=INSTALLED, check=True, capture_output=True)  # noqa: S603
    return str(INSTALLED / "caller.js")


@asynccontextmanager
async def calling(target: str, method: str = STREAM) -> AsyncIterator[PeerCall]:
    """Make a call with grpc-js."""
    program = await asyncio.to_thread(installed)
    async with made_by("node", program, target, method, "unary" if method == PUT else "stream") as call:
        yield call
