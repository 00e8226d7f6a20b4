"""What tools and load balancers find: reflection, and the standard health service."""

from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.api import health
from tests.integration.world import PATIENCE_S, World, until

SERVICE = "dialgateway.v1.DialRequestService"
CAMPAIGNS = "dialgateway.v1.CampaignService"


async def test_reflection_lists_the_service(world: World) -> None:
    """Server reflection lists the service, and finds the file that describes it."""
    ask = reflection_pb2.ServerReflectionRequest
    channel: Any = world.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([ask(list_services=""), ask(file_containing_symbol=SERVICE)]))
    listed, described = [answer async for answer in call]
    names = {service.name for service in listed.list_services_response.service}
    assert {SERVICE, CAMPAIGNS, "grpc.health.v1.Health"} <= names
    assert len(described.file_descriptor_response.file_descriptor_proto) >= 1


@pytest.mark.parametrize("service", ["", SERVICE, CAMPAIGNS])
async def test_health_says_serving(world: World, service: str) -> None:
    """The health service says SERVING for the server and for the service."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_an_unknown_service(world: World) -> None:
    """The health of a service that is not there is NOT_FOUND."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(health_pb2.HealthCheckRequest(service="other"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watches_of_the_health_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a watch is RESOURCE_EXHAUSTED; one that ends makes room, and checks are answered."""
    monkeypatch.setattr(health, "WATCHES", 2)
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    request = health_pb2.HealthCheckRequest()
    watches = [stub.Watch(request, timeout=PATIENCE_S) for _ in range(2)]
    for watch in watches:
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    assert await stub.Watch(request, timeout=PATIENCE_S).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    watches[0].cancel()
    await until(lambda: world.gateway._server._health._watches < 2)
    assert (await stub.Watch(request, timeout=PATIENCE_S).read()).status


async def test_long_names_are_not_watched(world: World) -> None:
    """What a watch makes the gateway keep is short."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    request = health_pb2.HealthCheckRequest(service="s" * (health.LONGEST_SERVICE + 1))
    assert await stub.Watch(request, timeout=PATIENCE_S).code() is grpc.StatusCode.INVALID_ARGUMENT
