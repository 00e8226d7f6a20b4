"""Callers cannot take all files that a gateway may open."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.api.server import GrpcServer
from tests.integration.admin import get
from tests.integration.process import NO_LIMIT, Served, serving
from tests.integration.world import PATIENCE_S, dials, verdicts

FEW = 3
SOFT, HARD = 64, 160
FEW_FILES = ("tests.integration.few_files", str(SOFT), str(HARD), "serve", "--simulator")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2 sends first, with SETTINGS without content."""


@asynccontextmanager
async def many_connections(gateway: Served) -> AsyncIterator[None]:
    """Hold connections without a stream, more than the gateway has files, once it accepts no more."""
    with ExitStack() as stack:
        for _ in range(HARD):
            last = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S))
            last.sendall(PREFACE)
        assert await asyncio.to_thread(last.recv, 1) == b""
        yield


async def test_broken_connections_do_not_count() -> None:
    """A connection that ends in the middle of anything leaves its place to another one."""
    server = GrpcServer((), "127.0.0.1:0", connections=FEW)
    port = await server.start()
    try:
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", PREFACE[:10], PREFACE) * FEW:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.transport.abort()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            asked = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_S)
            assert (await asked).status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await server.stop(0.0)


async def test_callers_leave_files_for_calls_and_probes() -> None:
    """A host that opens more connections than the gateway has files stops neither calls nor probes.

    The gateway raises its soft limit before that, and says at its start how many connections this allows.
    """
    async with serving(*NO_LIMIT, module=FEW_FILES) as gateway:
        assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (HARD, HARD)
        assert b"the limit of open files is 160, which leaves callers 80 connections" in gateway.said
        await gateway.health()  # its connection is open
        async with many_connections(gateway):
            caller = gateway.stream()
            await caller.send(*dials(3))
            assert verdicts(await caller.read(3)) == ["ACCEPTED"] * 3
            assert (await get(gateway.admin_port, "/readyz")).status == 200
