"""Calls that the gateway ends carry their reason in the details of the status, and clients show it."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from dialgateway import AccessDenied, CallFailed, DialGatewayClient, GatewayOverloaded, SyncDialGatewayClient
from dialgateway.v1 import campaign_service_pb2 as campaigns_pb
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.api.wire.status_details import KEY, ErrorReason
from tests.integration.process import NO_LIMIT, serving
from tests.integration.secured import BILLING, OPS, POLICY, caller_of, secured
from tests.integration.test_bad_frames import METHODS
from tests.integration.world import PATIENCE_S, Caller, World, client_dial, dial, dials, world_of

STRANGER = "spiffe://example.org/ns/elsewhere/sa/dialer"


async def reason_of(call: Any) -> str:
    """Return the reason in the details of the status that ended a call; empty without details."""
    with suppress(grpc.aio.AioRpcError):
        async with asyncio.timeout(PATIENCE_S):
            await call if isinstance(call, grpc.aio.UnaryUnaryCall) else await Caller(call).rest()
    for key, value in await call.trailing_metadata():
        if key == KEY:
            status = status_pb2.Status.FromString(value)
            info = error_details_pb2.ErrorInfo()
            assert status.details[0].Unpack(info)
            assert status.code == (await call.code()).value[0] == ErrorReason(info.reason).code.value[0]
            assert status.message == await call.details()
            return info.reason
    return ""


def put(world: World, *requests: pb.DialRequest) -> Any:
    message = pb.PutDialRequestsRequest(campaign_id="c", dial_requests=requests)
    return world.stub.PutDialRequests(message, timeout=PATIENCE_S)


async def test_the_three_meanings_of_resource_exhausted() -> None:
    """The stream limit, a list that is too long and a message that is too large have different reasons."""
    large = [dial(f"l-{n}", attributes={"k": "v" * 30_000}) for n in range(150)]
    async with world_of(caller_streams=1, stream_window=200) as world:
        first = world.stream()
        await first.send(dial("t-1"))
        await first.read(1)
        assert await reason_of(world.stream().call) == "STREAM_LIMIT"
        await first.ask()
        assert await reason_of(put(world, *dials(201))) == "LIST_TOO_LONG"
        assert await reason_of(put(world, *large)) == "MESSAGE_TOO_LARGE"
        second = world.stream()
        with suppress(grpc.aio.AioRpcError):
            await second.send(dial("t-2"))
            await second.send(*large)
        assert await reason_of(second.call) == "MESSAGE_TOO_LARGE"


async def test_requests_before_a_message_that_is_too_large_are_answered() -> None:
    """The message ends the stream, but not before the requests that were read have their answers."""
    large = [dial(f"l-{n}", attributes={"k": "v" * 30_000}) for n in range(150)]
    async with world_of() as world:
        caller = world.stream()
        await caller.send(*dials(5))
        with suppress(grpc.aio.AioRpcError):
            await caller.send(*large)
        assert len(await caller.rest()) == 5
        assert await caller.status() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_unreadable_messages(world: World) -> None:
    unreadable: Any = world.channel.unary_unary(f"{METHODS}PutDialRequests")
    assert await reason_of(unreadable(b"\x0a\xff", timeout=PATIENCE_S)) == "UNREADABLE_MESSAGE"
    stream: Any = world.channel.stream_stream(f"{METHODS}StreamDialRequests")()
    with suppress(grpc.aio.AioRpcError):
        await stream.write(b"\x0a\xff")
    assert await reason_of(stream) == "UNREADABLE_STREAM"


async def test_refusals_by_policy(tmp_path: Path) -> None:
    """A caller learns whether it has no identity, is not named, or may not do this."""
    async with (
        secured(tmp_path) as (world, folder),
        caller_of(world, folder.ca, STRANGER) as stranger,
        caller_of(world, folder.ca, OPS) as ops,
        caller_of(world, folder.ca, BILLING) as billing,
        caller_of(world, folder.ca, ip="127.0.0.1") as nameless,
    ):
        assert await reason_of(nameless.stream().call) == "UNAUTHENTICATED"
        assert await reason_of(stranger.stream().call) == "UNKNOWN_CALLER"
        assert await reason_of(ops.stream().call) == "DIALING_DENIED"
        purge = campaigns_pb.PurgeCampaignRequest(campaign_id="debt-1", reason="test")
        call = billing.campaigns.PurgeCampaign(purge, timeout=PATIENCE_S)
        assert await reason_of(call) == "OPERATION_DENIED"
        async with DialGatewayClient("unused", channel=stranger.channel) as client:
            with pytest.raises(AccessDenied, match=r"PERMISSION_DENIED \(UNKNOWN_CALLER\)") as denied:
                _ = [one async for one in client.dial("debt-1", [client_dial("t")])]
        assert (denied.value.reason, denied.value.retry_after) == ("UNKNOWN_CALLER", None)
    assert "debt" in POLICY  # the campaign of these calls is one that the policy names


async def test_operations_of_campaigns() -> None:
    async with (
        world_of() as world,
        DialGatewayClient(world.target) as client,
    ):
        with pytest.raises(CallFailed) as not_held:
            await client.release_campaign("c")
        with pytest.raises(CallFailed) as no_reason:
            await client.hold_campaign("c", "")
        with SyncDialGatewayClient(world.target) as sync, pytest.raises(CallFailed) as also_not_held:
            await asyncio.to_thread(sync.release_campaign, "c")
    reasons = [error.value.reason for error in (not_held, no_reason, also_not_held)]
    assert reasons == ["NOT_HELD", "INVALID_FIELD", "NOT_HELD"]


async def test_clients_know_how_long_to_wait() -> None:
    """Both clients have the reason and the least wait of a refused list."""
    requests = [client_dial(f"t-{number}") for number in range(3)]
    async with world_of(caller_window=2) as world, DialGatewayClient(world.target) as client:
        with pytest.raises(GatewayOverloaded) as refused:
            await client.put("c", requests, timeout=20)
        with SyncDialGatewayClient(world.target) as sync, pytest.raises(GatewayOverloaded) as also:
            await asyncio.to_thread(sync.put, "c", requests, timeout=20)
    for error in (refused.value, also.value):
        assert (error.reason, error.retry_after) == ("CALLER_WINDOW", timedelta(seconds=1))
        assert str(error).startswith("RESOURCE_EXHAUSTED (CALLER_WINDOW): ")


async def test_a_stream_at_its_age() -> None:
    async with world_of(stream_max_age=0.3) as world:
        stream = world.stream()
        await stream.send(dial("t-1"))
        assert await reason_of(stream.call) == "STREAM_AGE"


async def test_a_replica_that_shuts_down() -> None:
    async with serving(*NO_LIMIT) as served:
        stream = served.stream()
        await stream.send(dial("t-1"))
        await stream.read(1)
        served.terminate()
        assert await reason_of(stream.call) == "DRAINING"
        assert await served.exit_code() == 0
