"""On SIGTERM the gateway answers what it has, ends its streams, and exits within its grace."""

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.process import NO_LIMIT, Served, serving
from tests.integration.world import CAMPAIGN, Caller, dial, dials, until, verdicts

DRAINED = "NOT_ACCEPTED DRAINING SAME_TOKEN"
HANGS = {"kind": "no_answer"}
LONG_CALLS = {"DIAL_GATEWAY_CALL_TIMEOUT": "120"}
"""Calls that hang end only by the drain, so that bounds of many seconds suffice."""
AT_ONCE_S = 15.0
"""Seconds in which a gateway ends that waits for nothing: one on a quiet machine. Its grace is 25 s."""


async def ended(caller: Caller) -> list[str]:
    """Read a stream to its end, which must be UNAVAILABLE for a drain; return its verdicts."""
    results = await caller.rest()
    assert await caller.status() is grpc.StatusCode.UNAVAILABLE
    assert [notice.kind for notice in caller.notices] == [pb.NOTICE_KIND_DRAINING]
    return verdicts(results)


async def exited(served: Served, within_s: float, code: int = 0) -> None:
    """Wait for the process to end in time with this exit code and without a traceback in its output."""
    begun = time.monotonic()
    assert await served.exit_code() == code, served.said.decode()
    assert time.monotonic() - begun < within_s
    assert b"Traceback" not in served.said, served.said.decode()


async def admitted(served: Served, caller: Caller, *requests: pb.DialRequest) -> None:
    """Send requests, and wait until the gateway has read them, which an answer to one more shows."""
    await caller.send(*requests, dial("mark", phone_number=""))
    assert verdicts(await caller.read(1)) == ["REJECTED INVALID_REQUEST NEVER"]


@pytest.mark.timed
async def test_lingering_requests_are_sent_and_answered() -> None:
    """Lingering requests are sent at once; streams get the notice and end, and the process exits with 0."""
    async with serving(*NO_LIMIT, environment={"DIAL_GATEWAY_LINGER": "30"}) as served:
        caller, idle = served.stream(), served.stream()
        await admitted(served, caller, *dials(10))
        await admitted(served, idle)
        served.terminate()
        assert await ended(caller) == ["ACCEPTED"] * 10
        assert await ended(idle) == []
        await exited(served, AT_ONCE_S)


@pytest.mark.timed
async def test_health_and_refusals_while_it_drains() -> None:
    """While it drains: NOT_SERVING, UNAVAILABLE for new streams and lists, answers for existing ones."""
    async with serving(*NO_LIMIT) as served:
        await served.control("POST", "faults", {"kind": "latency", "latency_s": 0.7})
        assert await served.health() == health_pb2.HealthCheckResponse.SERVING
        caller = served.stream()
        await caller.send(*dials(25))
        await served.called(1)
        served.terminate()
        assert await caller.message() is not None
        assert caller.notices
        assert await served.health() == health_pb2.HealthCheckResponse.NOT_SERVING
        late = served.stream()
        assert await late.rest() == []
        assert await late.status() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.stub.PutDialRequests(_list(1))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await ended(caller) == ["ACCEPTED"] * 25
        await exited(served, AT_ONCE_S)


@pytest.mark.timed
async def test_a_unary_call_is_answered_while_it_drains() -> None:
    """A unary call that was accepted is answered with OK before the gateway exits."""
    async with serving(*NO_LIMIT) as served:
        await served.control("POST", "faults", {"kind": "latency", "latency_s": 0.5})
        putting = asyncio.ensure_future(served.stub.PutDialRequests(_list(25)))
        await served.called(1)
        served.terminate()
        assert verdicts((await putting).results) == ["ACCEPTED"] * 25
        await exited(served, AT_ONCE_S)


@pytest.mark.timed
async def test_a_backlog_longer_than_the_grace() -> None:
    """At ten calls a second, requests that fit the grace are ACCEPTED; the rest is NOT_ACCEPTED/DRAINING."""
    environment = {"DIAL_GATEWAY_CALL_RATE": "10", "DIAL_GATEWAY_DRAIN_GRACE": "4"}
    async with serving(environment=environment) as served:
        caller = served.stream()
        await caller.send(*dials(4000))
        await served.called(3)
        served.terminate()
        begun = time.monotonic()
        results = await ended(caller)
        assert time.monotonic() - begun < 12  # all would take 15 s
        assert set(results) == {"ACCEPTED", DRAINED}
        assert len(results) == 4000
        # The burst less one, and at least a second's worth.
        assert results.count("ACCEPTED") >= 25 * (9 + 8)
        await exited(served, AT_ONCE_S)


@pytest.mark.timed
async def test_streams_with_half_read_messages() -> None:
    """Requests that a full window kept from admission are answered, and never sent."""
    environment = {"DIAL_GATEWAY_STREAM_WINDOW": "30", "DIAL_GATEWAY_DRAIN_GRACE": "1", **LONG_CALLS}
    async with serving(*NO_LIMIT, environment=environment) as served:
        await served.control("POST", "faults", HANGS)
        caller = served.stream()
        await caller.send(*dials(100))
        await served.called(1)
        served.terminate()
        results = await ended(caller)
        assert results.count(DRAINED) == 70
        assert results.count("UNKNOWN DRAINING SAME_TOKEN") == 30
        await exited(served, AT_ONCE_S)


@pytest.mark.timed
async def test_a_connect_that_hangs() -> None:
    """Hanging calls are UNKNOWN at the end of the grace, and the process exits in time."""
    async with serving(*NO_LIMIT, environment={"DIAL_GATEWAY_DRAIN_GRACE": "1", **LONG_CALLS}) as served:
        await served.control("POST", "faults", HANGS)
        caller = served.stream()
        await caller.send(*dials(50))
        await served.called(2)
        served.terminate()
        begun = time.monotonic()
        assert await ended(caller) == ["UNKNOWN DRAINING SAME_TOKEN"] * 50
        await exited(served, AT_ONCE_S)
        assert time.monotonic() - begun < AT_ONCE_S


@pytest.mark.timed
async def test_a_collector_that_hangs() -> None:
    """A collector that does not answer does not delay the exit."""
    taken: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(
        lambda _, writer: taken.append(writer), "127.0.0.1", 0
    ) as collector:
        address = "http://{}:{}".format(*collector.sockets[0].getsockname())
        environment = {
            "DIAL_GATEWAY_DRAIN_GRACE": "1",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": address,
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "120",
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }
        async with serving(environment=environment) as served:
            await until(lambda: taken)
            served.terminate()
            await exited(served, AT_ONCE_S)
        for writer in taken:
            writer.close()


@pytest.mark.timed
async def test_a_second_signal_forces() -> None:
    """A second SIGTERM answers everything at once, long before the grace is over; the exit code says so."""
    async with serving(*NO_LIMIT, environment=LONG_CALLS) as served:
        await served.control("POST", "faults", HANGS)
        caller = served.stream()
        await caller.send(*dials(25))
        await served.called(1)
        served.terminate()
        assert await caller.message() is not None
        served.terminate()
        assert verdicts(await caller.rest()) == ["UNKNOWN DRAINING SAME_TOKEN"] * 25
        await exited(served, AT_ONCE_S, code=1)


@pytest.mark.timed
async def test_a_caller_that_does_not_read_does_not_delay_the_exit() -> None:
    """A caller that never reads its answers is cut off; the gateway still exits within its grace."""
    async with serving(*NO_LIMIT, environment={"DIAL_GATEWAY_DRAIN_GRACE": "1"}) as served:
        caller = served.stream()
        items = [dial(f"{n}".zfill(200), phone_number="1") for n in range(500)]
        sent: list[int] = []
        sending = asyncio.create_task(_send_forever(caller, items, sent))
        before = -1
        while len(sent) > before:  # until the gateway reads no more
            before = len(sent)
            await asyncio.sleep(0.5)
        served.terminate()
        await exited(served, AT_ONCE_S)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send_forever(caller: Caller, items: list[pb.DialRequest], sent: list[int]) -> None:
    while True:
        await caller.send(*items)
        sent.append(len(items))


def _list(count: int) -> pb.PutDialRequestsRequest:
    listed: Any = dials(count, "listed")
    return pb.PutDialRequestsRequest(campaign_id=CAMPAIGN, dial_requests=listed)
