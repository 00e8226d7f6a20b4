"""Server reflection and the standard health service, for tools and load balancers."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from gateway.api import health, reflection
from tests.files import put
from tests.integration.world import PATIENCE_S, World, until, world_of

SERVICE = "dialgateway.v1.DialRequestService"
CAMPAIGNS, COMPLIANCE = "dialgateway.v1.CampaignService", "dialgateway.v1.ComplianceService"


VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


def reflect(channel: Any, version: str) -> Any:
    """Open a stream of server reflection."""
    return channel.stream_stream(
        f"/{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(timeout=PATIENCE_S)


async def reflected(world: World, version: str = VERSIONS[0], **request: Any) -> Any:
    """Send server reflection one request; return the answer."""
    call = reflect(world.channel, version)
    await call.write(reflection_pb2.ServerReflectionRequest(**request))
    await call.done_writing()
    return await call.read()


def files_of(answer: Any) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Return the files of an answer by their names."""
    found = answer.file_descriptor_response.file_descriptor_proto
    return {file.name: file for file in map(descriptor_pb2.FileDescriptorProto.FromString, found)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_lists_the_services(world: World, version: str) -> None:
    """Both versions of server reflection list all services, including reflection itself."""
    answer = await reflected(world, version, list_services="")
    names = {service.name for service in answer.list_services_response.service}
    assert names == {
        SERVICE,
        CAMPAIGNS,
        COMPLIANCE,
        "grpc.health.v1.Health",
        *(f"{v}.ServerReflection" for v in VERSIONS),
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        (SERVICE, "dialgateway/v1/dial_request_service.proto"),
        (f"{SERVICE}.PutDialRequests", "dialgateway/v1/dial_request_service.proto"),
        ("dialgateway.v1.DialRequest", "dialgateway/v1/dial_request_service.proto"),
        ("dialgateway.v1.DialRequest.AttributesEntry", "dialgateway/v1/dial_request_service.proto"),
        ("dialgateway.v1.DialRequest.attributes", "dialgateway/v1/dial_request_service.proto"),
        ("dialgateway.v1.OUTCOME_ACCEPTED", "dialgateway/v1/dial_request_service.proto"),
        (f"{CAMPAIGNS}.WatchCampaigns", "dialgateway/v1/campaign_service.proto"),
        ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
        ("grpc.health.v1.Health.Check", health_pb2.DESCRIPTOR.name),
        ("grpc.reflection.v1.ServerReflection.ServerReflectionInfo", "grpc/reflection/v1/reflection.proto"),
    ],
)
async def test_reflection_finds_symbols(world: World, version: str, symbol: str, file: str) -> None:
    """A service, method, message, field or value is found, with all files that its file imports."""
    files = files_of(await reflected(world, version, file_containing_symbol=symbol))
    assert files == files_of(await reflected(world, file_by_filename=file))
    assert file in files
    pool = descriptor_pool.DescriptorPool()
    left = dict(files)
    while left:  # a file is added after those that it imports
        ready = [name for name, found in left.items() if not set(found.dependency) & set(left)]
        assert ready
        for name in ready:
            pool.Add(left.pop(name))
    assert pool.FindFileByName(file).name == file


@pytest.mark.parametrize(
    "request_for",
    [
        {"file_containing_symbol": "google.protobuf.DescriptorProto"},
        {"file_containing_symbol": "other"},
        {"file_by_filename": "other.proto"},
        {"all_extension_numbers_of_type": "other"},
        {"file_containing_extension": {"containing_type": SERVICE, "extension_number": 1}},
    ],
)
async def test_reflection_finds_only_symbols_of_the_services(
    world: World, request_for: dict[str, Any]
) -> None:
    """Symbols outside the services are not found, although the process has them."""
    answer = await reflected(world, **request_for)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_reflection_needs_an_identity_if_there_is_a_policy(tmp_path: Path) -> None:
    """With a policy, a caller without an identity is refused."""
    policy = tmp_path / "policy.yaml"
    put(policy, "version: 1\ncallers: [{identities: ['a.example'], dial: [{campaigns: ['*']}]}]")
    trusted = [ipaddress.ip_network("10.0.0.1")]
    async with world_of(policy_file=str(policy), trusted_proxies=trusted) as world:
        for version in VERSIONS:
            assert await reflect(world.channel, version).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_streams_of_reflection_are_bounded(world: World) -> None:
    """A caller has at most 20 open reflection streams; one that ends makes room."""
    calls = [reflect(world.channel, VERSIONS[n % 2]) for n in range(reflection.CALLER_STREAMS)]
    for call in calls:
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert (await call.read()).list_services_response.service
    assert await reflect(world.channel, VERSIONS[0]).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    calls[0].cancel()

    async def again() -> bool:
        call = reflect(world.channel, VERSIONS[0])
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        return bool(await call.read())

    async with asyncio.timeout(PATIENCE_S):
        while not await _true(again):  # noqa: ASYNC110 - the gateway learns of the end a little later
            await asyncio.sleep(0.01)


async def _true(ask: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await ask()
    except grpc.aio.AioRpcError:
        return False


async def test_long_requests_of_reflection_are_refused(world: World) -> None:
    """A request longer than the part that the gateway repeats is refused."""
    call = reflect(world.channel, VERSIONS[0])
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="s" * 10_000))
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("service", ["", SERVICE, CAMPAIGNS])
async def test_health_says_serving(world: World, service: str) -> None:
    """The health service says SERVING for the server and for the service."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_of_an_unknown_service(world: World) -> None:
    """The health of an unknown service is NOT_FOUND."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(health_pb2.HealthCheckRequest(service="other"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture
async def two_watches() -> AsyncIterator[tuple[health.BoundedHealth, grpc.aio.Channel]]:
    """A server with only the health service, which allows two watches, and a channel to it."""
    server, bounded = grpc.aio.server(), health.BoundedHealth(limit=2)
    health_pb2_grpc.add_HealthServicer_to_server(bounded, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await bounded.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield bounded, channel
    await server.stop(None)


async def test_watches_of_the_health_are_bounded(
    two_watches: tuple[health.BoundedHealth, grpc.aio.Channel],
) -> None:
    """A watch beyond the limit is RESOURCE_EXHAUSTED; one that ends makes room, and checks are answered."""
    bounded, channel = two_watches
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    watches = [stub.Watch(request, timeout=PATIENCE_S) for _ in range(2)]
    for watch in watches:
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    assert await stub.Watch(request, timeout=PATIENCE_S).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    watches[0].cancel()
    await until(lambda: bounded._watches < 2)
    assert (await stub.Watch(request, timeout=PATIENCE_S).read()).status


async def test_long_names_are_not_watched(world: World) -> None:
    """A watch of a long service name is refused, because the gateway would have to store it."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    request = health_pb2.HealthCheckRequest(service="s" * (health.LONGEST_SERVICE + 1))
    assert await stub.Watch(request, timeout=PATIENCE_S).code() is grpc.StatusCode.INVALID_ARGUMENT
