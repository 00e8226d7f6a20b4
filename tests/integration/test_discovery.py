"""What tools and load balancers find: reflection, and the standard health service."""

from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.world import World

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
