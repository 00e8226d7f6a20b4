"""Parts that the tests of CampaignService share: stubs, a servicer with its own limits, and waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc

import dialgateway
from dialgateway import DialGatewayClient
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from gateway.api.authorization import Authorizer
from gateway.api.campaign_service import CALLER_WATCHERS, WATCHERS, CampaignServicer
from gateway.api.method_handlers import campaign_handlers
from gateway.api.server import GrpcServer
from gateway.control.snapshots import StatusSnapshots
from tests.integration.world import CAMPAIGN, PATIENCE_S, World

if TYPE_CHECKING:
    from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceAsyncStub


def stub_of(world: World) -> "CampaignServiceAsyncStub":
    return cast("CampaignServiceAsyncStub", CampaignServiceStub(world.channel))


@asynccontextmanager
async def servicer_of(
    world: World,
    snapshots: StatusSnapshots | None = None,
    watchers: int = WATCHERS,
    caller_watchers: int = CALLER_WATCHERS,
) -> AsyncIterator[tuple[CampaignServicer, "CampaignServiceAsyncStub"]]:
    """Serve the campaigns of a world on another port, with limits or snapshots of the test."""
    gateway = world.gateway
    snapshots = snapshots or gateway.grpc.campaigns._snapshots
    operations = gateway.grpc.campaigns._operations
    made = CampaignServicer(
        gateway.replica.dispatcher,
        gateway.basis.clock,
        gateway.access.control,
        snapshots,
        operations,
        watchers=watchers,
        caller_watchers=caller_watchers,
    )
    handlers = [campaign_handlers(made, Authorizer(gateway.access.control))]
    server = GrpcServer(handlers, "127.0.0.1:0")
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield made, cast("CampaignServiceAsyncStub", CampaignServiceStub(channel))
    await server.stop(0.0)


async def one(client: DialGatewayClient, campaign_id: str = CAMPAIGN) -> dialgateway.Campaign:
    """Return one listed campaign."""
    return {each.campaign_id: each for each in await client.list_campaigns()}[campaign_id]


async def queued(client: DialGatewayClient, count: int) -> None:
    """Wait until `count` dial requests are queued."""
    async with asyncio.timeout(PATIENCE_S):
        while sum(each.queued for each in await client.list_campaigns()) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
