"""Messages take little memory before a caller is authorized, and not much more afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.admin import get, scrape
from tests.integration.process import NO_LIMIT, Served, serving
from tests.integration.test_bad_frames import METHODS
from tests.integration.world import PATIENCE_S, dial, verdicts

HOSTILE = b"\x0a\x01c" + b"\x12\x00" * 2_097_000
"""A message of just less than 4 MiB: two million empty dial requests for campaign `c`."""
UNKNOWN = b"\x0a\x01c" + b"\x48\x00" * 2_097_000
"""The same size in fields that the contract does not have."""
ENTRIES = pb.DialRequest(client_token="e").SerializeToString() + b"\x22\x00" * 2_090_000
ATTRIBUTES = b"\x0a\x01c\x12" + bytes([len(ENTRIES) & 127 | 128, len(ENTRIES) >> 7 & 127 | 128])
ATTRIBUTES += bytes([len(ENTRIES) >> 14 & 127 | 128, len(ENTRIES) >> 21]) + ENTRIES
"""One dial request with two million empty attributes."""
LONGEST_S = 3.0
"""Longest time in seconds that others wait for an answer; most of it is this test's own work on the same
machine. The steps of the work are bounded in tests/unit/api/test_incoming.py."""
NAMED = "version: 1\ncallers: [{identities: ['spiffe://example.org/a'], dial: [{campaigns: ['*']}]}]"


def peak_mb(served: Served) -> float:
    """Return the peak resident memory of the process, in MB."""
    status = Path(f"/proc/{served.process.pid}/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e6


@asynccontextmanager
async def slowest_answer(served: Served) -> AsyncIterator[list[float]]:
    """Request liveness again and again; the list has the longest answer time in seconds."""
    slowest = [0.0]

    async def ask() -> None:
        while True:
            began = time.monotonic()
            await get(served.admin_port, "/livez")
            slowest[0] = max(slowest[0], time.monotonic() - began)
            await asyncio.sleep(0.005)

    asking = asyncio.create_task(ask())
    try:
        yield slowest
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def put(served: Served, message: bytes) -> grpc.StatusCode:
    """Send bytes in a unary call; return its status."""
    assert served.channel is not None
    method: Any = served.channel.unary_unary(METHODS + "PutDialRequests")
    return await _status(method(message, timeout=60))


async def stream(served: Served, *messages: bytes) -> grpc.StatusCode:
    """Send messages on a stream and half-close it; return its status after three seconds."""
    assert served.channel is not None
    call: Any = served.channel.stream_stream(METHODS + "StreamDialRequests")(timeout=3)
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for message in messages:
            await call.write(message)
        await call.done_writing()
    return await _status(call)


async def _status(call: Any) -> grpc.StatusCode:
    with suppress(grpc.aio.AioRpcError):
        async with asyncio.timeout(PATIENCE_S * 3):
            await call.code()
    found: grpc.StatusCode = await call.code()
    return found


async def _served(served: Served) -> None:
    assert verdicts(await served.stream().ask(dial("decent"))) == ["ACCEPTED"]


@pytest.mark.parametrize("message", [HOSTILE, UNKNOWN, ATTRIBUTES], ids=["items", "unknown", "attributes"])
async def test_streams_of_expensive_messages(message: bytes) -> None:
    """Five streams with the most expensive 4 MiB messages take at most 120 MB, and delay no other caller."""
    async with serving(*NO_LIMIT) as served:
        await _served(served)
        idle_mb = peak_mb(served)
        async with slowest_answer(served) as slowest:
            await asyncio.gather(*(stream(served, message) for _ in range(5)))
        await _served(served)
        assert peak_mb(served) - idle_mb < 120
        assert slowest[0] < LONGEST_S


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (HOSTILE, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT),
        (ATTRIBUTES, grpc.StatusCode.OK),
    ],
    ids=["items", "unknown", "attributes"],
)
async def test_unary_calls_of_expensive_messages(message: bytes, code: grpc.StatusCode) -> None:
    """Twenty unary calls with such messages take at most 220 MB, little more than twice their size."""
    async with serving(*NO_LIMIT) as served:
        await _served(served)
        idle_mb = peak_mb(served)
        async with slowest_answer(served) as slowest:
            codes = set(await asyncio.gather(*(put(served, message) for _ in range(20))))
        await _served(served)
        assert codes == {code}
        assert peak_mb(served) - idle_mb < 220
        assert slowest[0] < LONGEST_S


@pytest.mark.parametrize("kind", [put, stream])
async def test_refused_callers_take_little_memory(kind: Any, tmp_path: Path) -> None:
    """Twenty calls of 4 MiB each, from a caller that the policy does not name, take at most 60 MB."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(NAMED)
    environment = {"DIAL_GATEWAY_POLICY_FILE": str(policy), "DIAL_GATEWAY_TRUSTED_PROXIES": "10.0.0.1"}
    async with serving(*NO_LIMIT, environment=environment) as served:
        assert await kind(served, b"") is grpc.StatusCode.UNAUTHENTICATED
        idle_mb = peak_mb(served)
        async with slowest_answer(served) as slowest:
            codes = set(await asyncio.gather(*(kind(served, HOSTILE) for _ in range(20))))
        # The client's grpc.aio returns INTERNAL if a call ends during its write: the gateway's count decides.
        assert codes <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INTERNAL}
        refused = (await scrape(served.admin_port)).value(
            "dial_gateway_access_refused_total", caller="127.0.0.1", refusal="unauthenticated"
        )
        assert refused == 1 + 20
        assert peak_mb(served) - idle_mb < 60
        assert slowest[0] < LONGEST_S
