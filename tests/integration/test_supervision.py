"""After a bug of the gateway every request is answered, and the process ends and says why."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.app import Gateway
from gateway.cli.process import BROKEN, serve
from gateway.connect.fake import FakeConnect
from gateway.settings import Settings
from gateway.telemetry import telemetry_with
from tests.integration.broken_gateway import HANGS, SECRET, TRIGGER
from tests.integration.process import Served, serving
from tests.integration.world import PATIENCE_S, Caller, dial, dials, until, verdicts

UNSURE = "UNKNOWN DRAINING SAME_TOKEN"
NOT_SENT = "NOT_ACCEPTED DRAINING SAME_TOKEN"
ENVIRONMENT = {"DIAL_GATEWAY_LINGER": "0", "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def broken(*methods: str, calls: int = 2) -> AsyncIterator[Served]:
    """Run a gateway in which the named methods of the core raise, once a dial request arms them."""
    module = ("tests.integration.broken_gateway", *methods)
    environment = {**ENVIRONMENT, "DIAL_GATEWAY_MAX_CONCURRENT_CALLS": str(calls)}
    async with serving(environment=environment, module=module) as served:
        yield served


async def waiting(served: Served) -> Caller:
    """Open a stream with 50 requests in two hanging calls."""
    caller = served.stream()
    await caller.send(*dials(25), campaign=HANGS)
    await caller.send(*dials(25, "x"), campaign=HANGS)
    await caller.send(dial("mark", phone_number=""))
    assert verdicts(await caller.read(1)) == ["REJECTED INVALID_REQUEST NEVER"]
    return caller


async def health_of(served: Served) -> "asyncio.Task[list[int]]":
    """Watch the health until the connection ends; return all states in order."""
    stub: Any = health_pb2_grpc.HealthStub(served.channel)  # type: ignore[arg-type]
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    seen: list[int] = [(await watch.read()).status]

    async def follow() -> list[int]:
        try:
            while (answer := await watch.read()) is not grpc.aio.EOF:
                seen.append(answer.status)
        except grpc.aio.AioRpcError:
            pass
        return seen

    return asyncio.create_task(follow())


async def ended_by_bug(served: Served, *places: str) -> None:
    """Wait for the end of a process, whose log must name the places of the bug and not its text."""
    assert await served.exit_code() == BROKEN, served.said.decode()
    await until(lambda: served.process.stderr and served.process.stderr.at_eof())
    said = served.said.decode()
    for place in places:
        assert place in said
    assert "builtins.KeyError" in said
    assert SECRET not in said


TRIGGERS: dict[str, tuple[str, str]] = {
    "poll": ("dispatcher.py", "in _turn"),
    "completed": ("call_tasks.py", "in _completed"),
    "submit": ("submission.py", "in take_part"),
    "source_closed": ("dial_session.py", "in close"),
}


@pytest.mark.parametrize("method", TRIGGERS)
async def test_a_bug_in_a_task(method: str) -> None:
    """After a bug in a turn, call, reader or callback all is answered, health changes, and the exit code says
    so.
    """
    async with broken(method, calls=3) as served:
        health = await health_of(served)
        caller, other = await waiting(served), served.stream()
        await other.send(dial("earlier", phone_number=""), dial(TRIGGER), dial("later"))
        await other.finish()
        results = await other.rest()
        assert sorted(result.index for result in results) == [0, 1, 2]
        for result in results[1:]:
            assert verdicts([result])[0] in {"ACCEPTED", UNSURE, NOT_SENT}
        assert await other.status() is grpc.StatusCode.UNAVAILABLE
        assert verdicts(await caller.rest()) == [UNSURE] * 50
        assert await caller.status() is grpc.StatusCode.UNAVAILABLE
        serving_, *rest = await asyncio.wait_for(health, PATIENCE_S)
        assert (serving_, rest) == (
            health_pb2.HealthCheckResponse.SERVING,
            [health_pb2.HealthCheckResponse.NOT_SERVING],
        )
        await ended_by_bug(served, *TRIGGERS[method])


async def test_a_bug_at_the_end_of_a_stream() -> None:
    """After a bug in gRPC's callback for an ended stream others are answered, and the process ends."""
    async with broken("source_gone") as served:
        caller, other = await waiting(served), served.stream()
        await other.send(dial(TRIGGER), campaign=HANGS)
        await other.send(dial("mark", phone_number=""))
        await other.read(1)
        other.call.cancel()
        assert verdicts(await caller.rest()) == [UNSURE] * 50
        await ended_by_bug(served, "in source_gone")


@pytest.mark.timed
async def test_a_core_that_cannot_abandon_its_requests() -> None:
    """If the core cannot answer its outstanding requests, the sessions answer each exactly once."""
    async with broken("poll", "abandon") as served:
        caller, other = await waiting(served), served.stream()
        unary = asyncio.ensure_future(
            served.stub.PutDialRequests(
                pb.PutDialRequestsRequest(campaign_id=HANGS, dial_requests=dials(3, "u"))
            )
        )
        await asyncio.sleep(0.3)
        await other.send(dial(TRIGGER), *dials(2, "y"), campaign=HANGS)
        results = await other.rest()
        assert (verdicts(results), [result.index for result in results]) == ([NOT_SENT] * 3, [0, 1, 2])
        assert verdicts(await caller.rest()) == [UNSURE] * 50
        assert verdicts((await unary).results) == [NOT_SENT] * 3
        await ended_by_bug(served, "in _turn", "in abandon")


@pytest.mark.timed
async def test_a_bug_while_the_gateway_leaves() -> None:
    """A bug during the drain ends the process at once, with the exit code of a bug, long before the grace."""
    async with broken("drain") as served:
        caller, other = await waiting(served), served.stream()
        await other.send(dial(TRIGGER), campaign=HANGS)
        await other.send(dial("mark", phone_number=""))
        await other.read(1)
        began = time.monotonic()
        served.terminate()
        assert verdicts(await other.rest()) == [NOT_SENT]
        assert verdicts(await caller.rest()) == [UNSURE] * 50
        await ended_by_bug(served, "in drain")
        assert time.monotonic() - began < 10


async def test_unexpected_errors_of_the_loop_are_logged_without_their_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From the start on, the loop of a serving process logs no text of unexpected errors."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(listen="127.0.0.1:0", admin_listen=f"127.0.0.1:{taken.getsockname()[1]}")
        gateway = Gateway(settings, FakeConnect(), telemetry_with())
        with pytest.raises(OSError, match="cannot listen"):
            await serve(gateway, settings, lambda _: None)
    asyncio.get_running_loop().call_exception_handler({"message": SECRET, "exception": KeyError(SECRET)})
    assert caplog.messages == ["an exception in the event loop was not handled"]
    assert SECRET not in str(vars(caplog.records[0]))
