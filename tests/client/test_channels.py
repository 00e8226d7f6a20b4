"""The options of the client's channels: gRPC knows each name, and each has an effect."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest

from benchmarks.stub import async_stub
from dialgateway import DialGatewayClient, DialRequest, SyncDialGatewayClient, _channels
from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.dial_request_service_pb2_grpc import add_DialRequestServiceServicer_to_server
from gateway.api.server import OPTIONS, Keepalive
from tests.client.scripted import Answers, Received, ScriptedGateway, accepted, answer, requests
from tests.faults.path import path_to

LEAST_PING_S = 0.3
"""Seconds between pings that the gateway of these tests allows, where the real one allows 1."""
PING_S = 0.6
IDLE_S = 6.0
"""Ten pings: gRPC ends a connection at the third that it does not allow."""
PING = 6
QUIET_S = 0.1
"""Seconds without a message after which a client sends an empty one."""


def test_grpc_knows_every_option() -> None:
    """gRPC ignores unknown option names silently, so each of them is looked for in the library."""
    (file,) = Path(grpc.__file__).parent.glob("_cython/cygrpc.*.so")
    library = file.read_bytes()
    for name, _ in _channels.with_server_name(_channels.options(_channels.KEEPALIVE_S), "name"):
        assert name.encode() + b"\0" in library, name


@pytest.mark.parametrize("keepalive", [timedelta.max, math.inf])
async def test_a_keepalive_without_an_end_is_none(
    gateway: ScriptedGateway, keepalive: timedelta | float
) -> None:
    """gRPC's options are numbers of 32 bits, and the longest of them stands for no pings."""
    async with DialGatewayClient(gateway.target, keepalive=keepalive) as client:
        assert [result.accepted async for result in client.dial("c", requests(1))] == [True]

    def dial() -> list[bool]:
        with SyncDialGatewayClient(gateway.target, keepalive=keepalive) as sync:
            return [result.accepted for result in sync.dial("c", requests(1))]

    assert await asyncio.to_thread(dial) == [True]


@asynccontextmanager
async def real_options() -> AsyncIterator[ScriptedGateway]:
    """Serve a scripted gateway with the options of the real one; only times are scaled down."""
    server = grpc.aio.server(options=(*OPTIONS, *Keepalive(least_ping_s=LEAST_PING_S).options()))
    gateway = ScriptedGateway()
    add_DialRequestServiceServicer_to_server(gateway, server)
    gateway.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(None)


async def _late(received: Received, context: object) -> Answers:
    """Keep a dial request waiting for a long time, like one of a held campaign, then accept it."""
    await received.read(1)
    await asyncio.sleep(IDLE_S)
    yield answer(accepted(0, "t-0"))


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.timed
async def test_an_idle_stream_stays_open(sync: bool) -> None:
    """The gateway allows the pings that are sent all the time."""
    async with real_options() as gateway, path_to(gateway.target) as path, asyncio.timeout(30):
        gateway.script = _late

        def dial() -> list[bool]:
            with SyncDialGatewayClient(path.target, keepalive=PING_S) as client:
                return [result.accepted for result in client.dial("c", requests(1))]

        if sync:
            results = await asyncio.to_thread(dial)
        else:
            async with DialGatewayClient(path.target, keepalive=PING_S) as client:
                results = [result.accepted async for result in client.dial("c", requests(1))]
        assert results == [True]
        assert len(gateway.streams) == path.connections == 1
        assert path.frames[PING] >= 0.6 * IDLE_S / PING_S


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.timed
async def test_a_waiting_stream_sends_empty_messages(gateway: ScriptedGateway, sync: bool) -> None:
    """They show proxies that a quiet stream is in use, as long as answers are outstanding."""
    sizes: list[int] = []
    answered = threading.Event()

    async def answer_late(received: Received, context: object) -> Answers:
        async for pairs in received.messages():
            sizes.append(len(pairs))
            if len(sizes) == 4:
                yield answer(accepted(0, "t-0"))

    def dial() -> bool:
        with SyncDialGatewayClient(gateway.target, keepalive=QUIET_S) as client:
            results = client.dial("c", _slowly())
            accepted = next(results).accepted
            answered.set()
            return accepted and not list(results)

    def _slowly() -> Iterator[DialRequest]:
        yield from requests(1)
        answered.wait(10)
        time.sleep(3 * QUIET_S)  # the source has not ended, so the stream is not half-closed

    async def slowly() -> AsyncIterator[DialRequest]:
        for request in requests(1):
            yield request
        await asyncio.to_thread(answered.wait, 10)
        await asyncio.sleep(3 * QUIET_S)

    gateway.script = answer_late
    async with asyncio.timeout(20):
        if sync:
            assert await asyncio.to_thread(dial)
        else:
            async with DialGatewayClient(gateway.target, keepalive=QUIET_S) as client:
                async for result in client.dial("c", slowly()):
                    assert result.accepted
                    answered.set()
    assert sizes[:4] == [1, 0, 0, 0]
    assert len(sizes) <= 5, "one may be on its way when the answer arrives"


@pytest.mark.timed
async def test_a_connection_that_fails_after_a_long_silence_is_noticed() -> None:
    """Pings go on during a long silence, so a connection that fails after it is noticed."""
    async with real_options() as gateway, path_to(gateway.target) as path, asyncio.timeout(30):
        silent_at = 0.0

        async def withhold(received: Received, context: object) -> Answers:
            nonlocal silent_at
            await received.read(1)
            await asyncio.sleep(IDLE_S)
            path.fall_silent()
            silent_at = time.monotonic()
            yield answer()
            await asyncio.Event().wait()

        async def accept(received: Received, context: object) -> Answers:
            await received.read(1)
            yield answer(accepted(0, "t-0"))

        scripts = iter((withhold, accept))
        gateway.script = lambda received, context: next(scripts)(received, context)
        async with DialGatewayClient(path.target, keepalive=PING_S, jitter=lambda: 0.0) as client:
            assert [result.accepted async for result in client.dial("c", requests(1))] == [True]
        assert time.monotonic() - silent_at < 5 * PING_S
        assert path.connections == 2


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a proxy in the environment that takes no connection."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("no_grpc_proxy", raising=False)


@pytest.mark.usefixtures("elsewhere")
class TestProxyOfTheEnvironment:
    """`http_proxy` and similar variables have no effect unless the caller asks for it."""

    async def test_the_client_ignores_it(self, gateway: ScriptedGateway) -> None:
        async with DialGatewayClient(gateway.target) as client, asyncio.timeout(10):
            assert len([result async for result in client.dial("c", requests(1))]) == 1

    def test_the_synchronous_client_ignores_it(self, gateway_elsewhere: ScriptedGateway) -> None:
        with SyncDialGatewayClient(gateway_elsewhere.target) as client:
            assert len(list(client.dial("c", requests(1)))) == 1

    async def test_it_is_used_with_http_proxy(self, gateway: ScriptedGateway) -> None:
        async with DialGatewayClient(gateway.target, http_proxy=True) as client:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async with client._campaign_channel() as channel:
                    await async_stub(channel).PutDialRequests(pb.PutDialRequestsRequest(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert gateway.probes == 0
