"""Connections: allowed pings, metadata of any size, and idle or half-open connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.api.server import FURTHER_CALLS, METADATA_BYTES, Keepalive
from tests.integration.world import (
    PATIENCE_S,
    Caller,
    World,
    WorldOptions,
    dial,
    stub_of,
    until,
    verdicts,
    world_of,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PING, GOAWAY, SETTINGS = 6, 7, 4
ACK = 1
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return an HTTP/2 frame for the connection as a whole."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + payload


class Connection:
    """An HTTP/2 connection without a library: it sends pings and reads frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def begin(self) -> None:
        """Send the client's preface and SETTINGS."""
        self._writer.write(PREFACE + frame(SETTINGS))
        await self._writer.drain()

    async def ping(self) -> bool:
        """Ping; return whether an answer comes before the connection ends."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._answered()
        except (ConnectionError, asyncio.IncompleteReadError):
            return False

    async def _answered(self) -> bool:
        self._writer.write(frame(PING, b"12345678"))
        while True:
            kind, flags, payload = await self._frame()
            if kind == GOAWAY:
                assert payload.endswith(b"too_many_pings"), payload
                return False
            if kind == PING and not flags & ACK:  # a ping from the gateway
                self._writer.write(frame(PING, payload, ACK))
            elif kind == PING:
                return True

    async def settings(self) -> dict[int, int]:
        """Return the gateway's SETTINGS by their numbers in RFC 9113."""
        kind, _, payload = await self._frame()
        assert kind == SETTINGS
        parts = [payload[at : at + 6] for at in range(0, len(payload), 6)]
        return {int.from_bytes(part[:2], "big"): int.from_bytes(part[2:], "big") for part in parts}

    async def ended(self) -> bool:
        """Wait until the other side has closed the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._reader.read(65_536):
                pass
        return True

    async def _frame(self) -> tuple[int, int, bytes]:
        header = await self._reader.readexactly(9)
        return header[3], header[4], await self._reader.readexactly(int.from_bytes(header[:3], "big"))


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Connection]:
    """Connect to the gateway."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


QUICK = Keepalive(least_ping_s=0.02)
"""With this limit, pings every 50 ms are as frequent as pings every 10 s with the default."""


async def test_pings_are_allowed_on_an_idle_connection() -> None:
    """A connection without a call stays open for many pings."""
    async with world_of(WorldOptions(keepalive=QUICK)) as world, connected(world) as connection:
        await connection.begin()
        for _ in range(30):
            assert await connection.ping()
            await asyncio.sleep(0.05)


async def test_pings_that_come_too_fast_end_the_connection() -> None:
    """A few pings sooner than allowed are answered, then the connection is closed."""
    async with (
        world_of(WorldOptions(keepalive=Keepalive(least_ping_s=30.0))) as world,
        connected(world) as connection,
    ):
        await connection.begin()
        assert [await connection.ping() for _ in range(3)] == [True] * 3
        assert not all([await connection.ping() for _ in range(5)])


PINGING = [
    ("grpc.keepalive_time_ms", 1000),  # the library does not ping more often
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


async def test_quiet_grpc_connections_with_pings_stay_open() -> None:
    """A gRPC client that pings a quiet connection keeps it open, with a stream on it and without."""
    async with (
        world_of(WorldOptions(keepalive=QUICK)) as world,
        grpc.aio.insecure_channel(world.target, options=PINGING) as idle,
        grpc.aio.insecure_channel(world.target, options=PINGING) as busy,
    ):
        await asyncio.wait_for(idle.channel_ready(), PATIENCE_S)
        caller = Caller(stub_of(busy).StreamDialRequests())
        assert verdicts(await _one(caller, "before")) == ["ACCEPTED"]
        ready = grpc.ChannelConnectivity.READY
        lost = [asyncio.create_task(channel.wait_for_state_change(ready)) for channel in (idle, busy)]
        await asyncio.sleep(5.5)
        assert [task.done() for task in lost] == [False, False]
        for task in lost:
            task.cancel()
        assert verdicts(await _one(caller, "after")) == ["ACCEPTED"]


async def _one(caller: Any, token: str) -> list[Any]:
    await caller.send(dial(token))
    return list(await caller.read(1))


CALLS = 25
"""Calls of a test. By default gRPC refuses a tenth of those with 9 KiB, half of those with 12, all above."""


def _metadata(size: int) -> tuple[tuple[str, str], ...]:
    return (("x-forwarded-client-cert", "c" * size),)


@pytest.mark.parametrize("kib", [9, 12, 15, 30, 60])
async def test_metadata_up_to_the_limit_is_always_accepted(world: World, kib: int) -> None:
    """Calls with as much metadata as a forwarded certificate needs all succeed."""
    for number in range(CALLS):
        caller = world.stream(metadata=_metadata(kib * 1024))
        assert verdicts(await caller.ask(dial(f"t-{number}"))) == ["ACCEPTED"]


async def test_metadata_above_the_limit_is_always_refused(world: World) -> None:
    """Calls with more metadata than the limit all fail with RESOURCE_EXHAUSTED."""
    callers = [world.stream(metadata=_metadata(METADATA_BYTES)) for _ in range(CALLS)]
    asked = (caller.ask(dial(f"t-{number}")) for number, caller in enumerate(callers))
    assert await asyncio.gather(*asked) == [[]] * CALLS
    for caller in callers:
        assert await caller.status() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert verdicts(await world.ask(dial("next"))) == ["ACCEPTED"]


@pytest.mark.parametrize("said", [b"", PREFACE, PREFACE[:10]])
async def test_half_open_connections_are_closed(said: bytes) -> None:
    """A connection without a first SETTINGS frame is closed after the handshake time-out."""
    async with world_of(WorldOptions(keepalive=Keepalive(handshake_s=0.3))) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(said)
        assert await Connection(reader, writer).ended()
        writer.close()


async def test_connections_without_calls_are_closed() -> None:
    """A connection without a call for a while is closed; one with a quiet stream stays open."""
    async with world_of(WorldOptions(keepalive=Keepalive(idle_s=0.5))) as world, connected(world) as idle:
        busy = world.stream()
        await busy.send(dial("first"))
        await busy.read(1)
        await idle.begin()
        assert await idle.ended()
        await asyncio.sleep(1.0)
        assert verdicts(await busy.ask(dial("last"))) == ["ACCEPTED"]


async def test_a_client_reconnects_after_its_idle_connection_was_closed() -> None:
    """A client whose idle connection was closed opens another for its next call, which succeeds."""
    async with world_of(WorldOptions(keepalive=Keepalive(idle_s=0.2))) as world:
        for number in range(3):
            assert verdicts(await world.put(dial(f"t-{number}"))) == ["ACCEPTED"]
            await until(lambda: world.channel.get_state() is grpc.ChannelConnectivity.IDLE)


async def test_one_connection_carries_a_bounded_number_of_calls() -> None:
    """SETTINGS allow more calls on one connection than the limit of streams per caller."""
    async with world_of(caller_streams=5) as world, connected(world) as connection:
        await connection.begin()
        settings = await connection.settings()
        assert settings[MAX_CONCURRENT_STREAMS] == 5 + FURTHER_CALLS
        assert settings[MAX_HEADER_LIST_SIZE] == METADATA_BYTES
