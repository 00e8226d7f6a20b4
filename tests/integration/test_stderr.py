"""A gateway whose log is not read keeps working, and reports the missing lines afterwards."""

import asyncio
import fcntl
import json
import os
import re
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest

from tests import preloaded
from tests.integration.admin import get, scrape
from tests.integration.world import PATIENCE_S, Caller, dials, stub_of, verdicts
from tests.pki import Authority

PIPE = 4096
"""Bytes that the pipe of stderr holds: the fewest that Linux allows, so that few lines fill it."""
STREAMS = 50
"""Each logs a line of about 250 bytes: together three times what the pipe holds."""


@dataclass
class Unread:
    """A gateway process, the read end of its stderr, which is read on demand only, and its first lines."""

    process: preloaded.Process
    stderr: int
    said: bytes = b""

    def port(self, words: str) -> int:
        """Return the port that the log names after these words."""
        found = re.search(words + r"\S+?:(\d+)", self.said.decode())
        assert found, self.said.decode()
        return int(found[1])

    def read(self) -> bytes:
        """Read the available bytes."""
        with suppress(BlockingIOError):
            while part := os.read(self.stderr, PIPE):
                self.said += part
        return self.said

    async def read_until(self, words: bytes) -> None:
        """Read until the log contains these words."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self.read():
                assert self.process.returncode is None, self.said.decode()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def unread(**more: str) -> AsyncIterator[Unread]:
    """Run a gateway with more variables, and read its log until it serves."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    assert fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE) == PIPE
    settings = {"DIAL_GATEWAY_LISTEN": "127.0.0.1:0", "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0"}
    process = await preloaded.start(
        *("gateway", "serve", "--simulator"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=write,
        env={**os.environ, **settings, **more},
    )
    os.close(write)
    gateway = Unread(process, read)
    try:
        await gateway.read_until(b"health and metrics on")
        yield gateway
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(read)


@pytest.mark.timed
async def test_an_unread_log_blocks_nothing() -> None:
    """With a full stderr the gateway serves dials, metrics and health, and exits in time with 0."""
    async with unread() as gateway:
        admin = gateway.port("metrics on http://")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port('gRPC on ')}") as channel:
            for _ in range(STREAMS):
                assert await Caller(stub_of(channel).StreamDialRequests()).ask() == []
            async with asyncio.timeout(PATIENCE_S):
                results = await Caller(stub_of(channel).StreamDialRequests()).ask(*dials(30))
        assert set(verdicts(results)) == {"ACCEPTED"}
        assert (await get(admin, "/livez")).status == 200
        assert (await scrape(admin)).value("dial_gateway_log_lines_dropped_total", why="slow") == 0
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), PATIENCE_S) == 0
        assert time.monotonic() - began < 15  # less than the grace


@pytest.mark.timed
async def test_lines_wait_for_a_later_reader() -> None:
    """Lines beyond the pipe's size are kept, and written in order once the pipe is read."""
    async with unread() as gateway:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port('gRPC on ')}") as channel:
            for _ in range(STREAMS):
                assert await Caller(stub_of(channel).StreamDialRequests()).ask() == []
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.read_until(b'"stopped"')
        assert gateway.said.count(b"a stream ended") == STREAMS


@pytest.mark.timed
async def test_direct_writes_to_stderr_do_not_block() -> None:
    """Writes of gRPC's threads to stderr never block, and other users of the pipe are not affected."""
    async with unread() as gateway:
        info = await asyncio.to_thread(_flags_of_stderr, gateway.process.pid)
        assert info & os.O_NONBLOCK


def _flags_of_stderr(pid: int) -> int:
    with open(f"/proc/{pid}/fdinfo/2") as file:  # noqa: PTH123 - a file of the kernel
        return int(next(line for line in file if line.startswith("flags:")).split()[1], 8)


async def test_a_client_without_tls_is_explained_in_the_json_log(tmp_path: Path) -> None:
    """What gRPC's core says of a client without TLS at a port with TLS is a line of the log, with a hint."""
    certificate, key = Authority().issue(dns="localhost").write(tmp_path)
    files = {"DIAL_GATEWAY_TLS_CERT_FILE": str(certificate), "DIAL_GATEWAY_TLS_KEY_FILE": str(key)}
    async with unread(**files, DIAL_GATEWAY_LOG_FORMAT="json") as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port("gRPC on ")), PATIENCE_S) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            await gateway.read_until(b"a client without TLS has connected to the gRPC port")
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), PATIENCE_S) == 0
        lines = [json.loads(line) for line in gateway.read().splitlines()]
    (said,) = [line for line in lines if "without TLS" in line["message"]]
    assert (said["level"], said["logger"]) == ("warning", "grpc.core")
    assert lines[-1]["logger"].startswith("gateway")


@pytest.mark.parametrize("words", ["metrics on http://", "gRPC on "])
@pytest.mark.timed
async def test_running_out_of_descriptors_does_not_flood_the_log(words: str) -> None:
    """Failed accepts cause a few log lines a second at most, and later connections are accepted."""
    limit = 64
    async with unread() as gateway:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        admin, said = gateway.port("metrics on http://"), len(gateway.read())
        sockets = [socket.create_connection(("127.0.0.1", gateway.port(words)), 1) for _ in range(limit + 20)]
        await asyncio.sleep(3)
        flood = gateway.read()[said:]
        for each in sockets:
            each.close()
        assert flood.count(b"\n") <= 15, flood.decode()
        async with asyncio.timeout(PATIENCE_S):
            while not await _answers(admin):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.1)
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), PATIENCE_S) == 0


async def _answers(admin: int) -> bool:
    try:
        return (await get(admin, "/livez")).status == 200
    except OSError:
        return False
