"""A signal during the start ends the gateway with 0, also as process 1."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.cli import entry
from tests.integration.world import PATIENCE_S

SETTINGS = {"DIAL_GATEWAY_LISTEN": "127.0.0.1:0", "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0"}
GATEWAY = (sys.executable, "-m", "gateway")
AS_PROCESS_1 = ("unshare", "--user", "--map-root-user", "--pid", "--fork")


async def _process_1_can_be() -> bool:
    """Return whether this machine allows a process to be process 1 of a namespace, as in a container."""
    if shutil.which("unshare") is None:
        return False
    trying = await asyncio.create_subprocess_exec(
        *AS_PROCESS_1, "true", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await trying.wait() == 0


@asynccontextmanager
async def starting(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process, without waiting for its progress."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **SETTINGS},
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def listens(pid: int) -> None:
    """Wait until a process handles SIGTERM; nothing slow may be loaded by then."""
    async with asyncio.timeout(PATIENCE_S):
        while not _caught(pid) & 1 << (signal.SIGTERM - 1):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.001)


def _caught(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0"), 16)


async def child_of(pid: int) -> int:
    """Wait for the only child of a process; return its number."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := _children(pid)):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.001)
    return int(found[0])


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def ended(process: asyncio.subprocess.Process) -> int:
    return await asyncio.wait_for(process.wait(), PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.6, 1.2, 2.5])
async def test_a_signal_at_any_time_during_the_start(after_s: float, number: signal.Signals) -> None:
    """During imports, before the loop starts, or while it serves, a signal ends the process with 0."""
    async with starting(*GATEWAY, "serve", "--simulator") as process:
        await listens(process.pid)
        await asyncio.sleep(after_s)
        process.send_signal(number)
        assert await ended(process) == 0


async def test_signals_are_handled_before_slow_imports() -> None:
    """The handler is installed before libraries that take long to load."""
    async with starting(*GATEWAY, "serve", "--simulator") as process:
        await listens(process.pid)
        process.send_signal(signal.SIGSTOP)
        loaded = await asyncio.to_thread(Path(f"/proc/{process.pid}/maps").read_text)
        process.send_signal(signal.SIGCONT)
        assert "python" in loaded
        for library in ("cygrpc", "aiohttp", "_ssl.", "google"):
            assert library not in loaded


async def test_process_1_gets_its_first_signal() -> None:
    """Process 1 has no default action for a signal, so a signal without a handler would be lost."""
    if not await _process_1_can_be():
        pytest.skip("no process may be made the first of its own here")
    async with starting(*AS_PROCESS_1, *GATEWAY, "serve", "--simulator") as outer:
        inner = await child_of(outer.pid)
        await listens(inner)
        os.kill(inner, signal.SIGTERM)
        assert await ended(outer) == 0


async def test_an_early_request_for_the_state_is_ignored() -> None:
    """SIGUSR1 before the start is ignored; by default it would end the process."""
    async with starting(*GATEWAY, "serve", "--simulator") as process:
        await listens(process.pid)
        await asyncio.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(0.2)
        assert process.returncode is None
        process.terminate()
        assert await ended(process) == 0


async def test_a_signal_makes_a_check_fail() -> None:
    """A check that a signal ends has no result: its exit code is that of a shell for the signal."""
    async with starting(*GATEWAY, "check") as process:
        await listens(process.pid)
        process.terminate()
        assert await ended(process) == entry.KILLED + signal.SIGTERM
