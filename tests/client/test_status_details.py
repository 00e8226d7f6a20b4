"""The client reads the reason and the wait from the details of a status, whatever else is there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from dialgateway import CallFailed, DialGatewayClient, GatewayOverloaded, GatewayUnavailable
from dialgateway._status_details import KEY, NO_DETAILS, StatusDetails, details_of, status_of
from dialgateway.errors import from_status
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.client.manual_stream import sent_once
from tests.client.scripted import ScriptedGateway, requests

if TYPE_CHECKING:
    from tests.client.scripted import PutContext


class Ended(grpc.RpcError):
    """The end of a call, with trailing metadata."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def trailing_metadata(self) -> Any:
        return self._metadata


def details(*messages: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> bytes:
    status = status_pb2.Status(code=8, message="full")
    for message in messages:
        packed = any_pb2.Any()
        packed.Pack(message)
        status.details.append(packed)
    return status.SerializeToString()


def info(domain: str = "dialgateway.v1") -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason="STREAM_LIMIT", domain=domain, metadata={"a": "b"})


def retry_info(seconds: int) -> error_details_pb2.RetryInfo:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.seconds = seconds
    return retry


def test_reason_and_wait_are_read() -> None:
    ended = Ended(("other", "text"), (KEY, details(info(), retry_info(3))))
    assert details_of(ended) == StatusDetails("STREAM_LIMIT", timedelta(seconds=3))


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        ((KEY, details(info("example.org"), retry_info(3))),),
        ((KEY, details(retry_info(3))),),
        ((KEY, b"\xff\xff"),),
        ((KEY, b"\x1a\x02\x0a\xff"),),
        ((KEY, "text"),),
    ],
    ids=["none", "of another service", "without a reason", "no message", "no detail", "no bytes"],
)
def test_other_details_are_ignored(metadata: tuple[tuple[str, str | bytes], ...]) -> None:
    """A status of a proxy, of another service, or with bytes that are no details has no reason."""
    assert details_of(Ended(*metadata)) == NO_DETAILS
    assert details_of(grpc.RpcError()) == NO_DETAILS


def test_a_cancellation_with_details_has_the_status_of_the_gateway() -> None:
    """Details of others change nothing, and neither do those of a status that is no cancellation."""
    ours, others = Ended((KEY, details(info()))), Ended((KEY, details(info("example.org"))))
    cancelled, internal = grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status_of(ours, cancelled, "RST_STREAM") == (exhausted, "full")
    assert status_of(ours, internal, "why") == (internal, "why")
    for ended in (others, Ended(), Ended((KEY, b"\xff\xff"))):
        assert status_of(ended, cancelled, "RST_STREAM") == (cancelled, "RST_STREAM")


def test_the_error_shows_the_reason() -> None:
    error = from_status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (), StatusDetails("STREAM_LIMIT", timedelta(seconds=3))
    )
    assert type(error) is GatewayOverloaded
    assert (error.reason, error.retry_after) == ("STREAM_LIMIT", timedelta(seconds=3))
    assert str(error) == "RESOURCE_EXHAUSTED (STREAM_LIMIT): full"
    same = from_status(grpc.StatusCode.UNAUTHENTICATED, "no", (), StatusDetails("UNAUTHENTICATED"))
    assert str(same) == "UNAUTHENTICATED: no"


@pytest.mark.parametrize(("reason", "in_doubt"), [("STREAM_LIMIT", ()), ("", ("t-0", "t-1"))])
async def test_a_refused_list_is_not_in_doubt(
    gateway: ScriptedGateway, client: DialGatewayClient, reason: str, in_doubt: tuple[str, ...]
) -> None:
    """With a reason that says so, the gateway has read nothing of the list; a proxy gives no reason."""

    async def refuse(message: pb.PutDialRequestsRequest, context: PutContext) -> pb.PutDialRequestsResponse:
        if reason:
            context.set_trailing_metadata(((KEY, details(info())),))
        return await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    gateway.put_script = refuse
    with pytest.raises(GatewayOverloaded) as caught:
        await client.put("c", requests(2), timeout=5)
    assert caught.value.reason == reason
    assert (caught.value.unanswered, caught.value.in_doubt) == (("t-0", "t-1"), in_doubt)


async def test_a_put_waits_as_long_as_the_gateway_asks(gateway: ScriptedGateway) -> None:
    """There is no second attempt if the wait of the gateway ends after the timeout."""
    attempts: list[pb.PutDialRequestsRequest] = []

    async def drain(message: pb.PutDialRequestsRequest, context: PutContext) -> pb.PutDialRequestsResponse:
        attempts.append(message)
        context.set_trailing_metadata(((KEY, details(info(), retry_info(30))),))
        return await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    gateway.put_script = drain
    async with DialGatewayClient(gateway.target, jitter=lambda: 0.0) as client:
        with pytest.raises(GatewayUnavailable):
            await client.put("c", requests(1), timeout=20)
    assert len(attempts) == 1


def test_a_stream_waits_as_long_as_the_gateway_asks() -> None:
    """The next connection is opened after the least wait of the gateway and the pause of the policy."""
    stream, link = sent_once("a")
    failure = CallFailed("full", (), grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=timedelta(seconds=30))
    stream.state.lost(link, failure, stream.now)
    assert not stream.later(30.9)
    assert stream.later(0.2)
