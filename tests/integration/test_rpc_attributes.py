"""Spans have both the old and the new OpenTelemetry attributes of calls, so that they match any caller's."""

import asyncio

import grpc
import grpc.aio
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.integration.world import World, dial, dials, stub_of, until, verdicts, world_of

SERVICE = "dialgateway.v1.DialRequestService"
STREAM, PUT = "StreamDialRequests", "PutDialRequests"


OLD: dict[str, object] = {"rpc.system": "grpc", "rpc.service": SERVICE}
"""The attributes that callers with old instrumentation write, except `rpc.method`."""


def new(method: str) -> dict[str, object]:
    """Return the attributes that Go's otelgrpc 0.72 writes into its CLIENT span."""
    return {"rpc.system.name": "grpc", "rpc.method": f"{SERVICE}/{method}"}


async def ended(world: World, method: str) -> ReadableSpan:
    await until(lambda: world.spans(method))
    (span,) = world.spans(method)
    return span


def rpc_attributes(span: ReadableSpan) -> dict[str, object]:
    return {name: value for name, value in (span.attributes or {}).items() if name.startswith("rpc.")}


def with_status(method: str, status: grpc.StatusCode) -> dict[str, object]:
    number, _ = status.value
    code = {"rpc.response.status_code": status.name, "rpc.grpc.status_code": number}
    return {**OLD, **new(method), **code}


async def test_a_stream_that_is_answered(world: World) -> None:
    await world.ask(dial("a"))
    span = await ended(world, STREAM)
    assert (span.name, span.kind) == (f"{SERVICE}/{STREAM}", SpanKind.SERVER)
    assert rpc_attributes(span) == with_status(STREAM, grpc.StatusCode.OK)
    assert span.status.status_code is StatusCode.UNSET


async def test_a_call_that_is_answered(world: World) -> None:
    await stub_of(world.channel).PutDialRequests(
        pb.PutDialRequestsRequest(campaign_id="c", dial_requests=[dial("a")])
    )
    assert rpc_attributes(await ended(world, PUT)) == with_status(PUT, grpc.StatusCode.OK)


async def test_a_stream_that_its_caller_cancels(world: World) -> None:
    stream = world.stream()
    await stream.send(dial("a"))
    assert verdicts(await stream.read(1)) == ["ACCEPTED"]
    stream.call.cancel()
    assert rpc_attributes(await ended(world, STREAM)) == with_status(STREAM, grpc.StatusCode.CANCELLED)


async def test_a_call_that_its_caller_cancels() -> None:
    async with world_of() as world:
        world.hang()
        request = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=[dial("a")])
        call = asyncio.ensure_future(stub_of(world.channel).PutDialRequests(request, timeout=30))
        await until(lambda: world.gateway.engine.outstanding == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert rpc_attributes(await ended(world, PUT)) == with_status(PUT, grpc.StatusCode.CANCELLED)


async def test_a_call_that_is_refused() -> None:
    """A refusal by the gateway is named, and not marked as an error of the gateway."""
    async with world_of(stream_window=2) as world:
        request = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=dials(3))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub_of(world.channel).PutDialRequests(request)
        span = await ended(world, PUT)
        assert rpc_attributes(span) == with_status(PUT, grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert span.status.status_code is StatusCode.UNSET


async def test_a_stream_that_the_gateway_ends() -> None:
    """A stream that has reached its age ends with UNAVAILABLE, which is not an error of the gateway."""
    async with world_of(stream_max_age=0.2) as world:
        stream = world.stream()
        await stream.send(dial("a"))
        span = await ended(world, STREAM)
        assert rpc_attributes(span) == with_status(STREAM, grpc.StatusCode.UNAVAILABLE)
        assert span.status.status_code is StatusCode.UNSET


async def test_a_call_to_connect(world: World) -> None:
    """Calls to AWS have the attributes of AWS's convention, and both names of the system."""
    await world.ask(dial("a"))
    (span,) = world.spans("PutDialRequestBatch")
    assert rpc_attributes(span) == {
        "rpc.system": "aws-api",
        "rpc.system.name": "aws-api",
        "rpc.service": "ConnectCampaigns",
        "rpc.method": "PutDialRequestBatch",
    }
