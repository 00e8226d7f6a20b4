"""What operators do to the campaigns of a fleet, and what they are told, through the client and dialctl."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialgateway import ActionDone, ActionKind, Campaign, CampaignState, HeldRequests
from dialgateway.client import DialGatewayClient
from tests import preloaded
from tests.integration.fleet_world import FleetWorld, Replica
from tests.integration.world import CAMPAIGN, PATIENCE_S, dials, until

HOLD, RELEASE, PURGE = ActionKind.HOLD, ActionKind.RELEASE, ActionKind.PURGE
NAMES = ("gateway-0", "gateway-1", "gateway-2")


@asynccontextmanager
async def client_of(replica: Replica) -> AsyncIterator[DialGatewayClient]:
    async with DialGatewayClient(f"127.0.0.1:{replica.port}") as client:
        yield client


async def act(
    replica: Replica, kind: ActionKind, held_requests: HeldRequests = HeldRequests.WAIT
) -> ActionDone:
    """Act on the campaign through a replica."""
    async with client_of(replica) as client:
        return await client.act_on_campaign(kind, CAMPAIGN, "complaints", held_requests=held_requests)


async def listed(replica: Replica) -> Campaign | None:
    """Return the campaign as a replica lists it."""
    async with client_of(replica) as client:
        return (await client.see_campaigns()).campaigns.get(CAMPAIGN)


async def listed_with(replica: Replica, queued: int) -> Campaign:
    """Wait until a replica lists so many waiting dial requests: reports are about a second old."""
    async with asyncio.timeout(PATIENCE_S):
        while (campaign := await listed(replica)) is None or campaign.queued != queued:  # noqa: ASYNC110 - it need not tell
            await asyncio.sleep(0.1)
    return campaign


def state_in(replica: Replica) -> CampaignState:
    return CampaignState[replica.gateway.replica.dispatcher.row(CAMPAIGN).state.name]


def outstanding(fleet: FleetWorld) -> int:
    return sum(replica.gateway.engine.outstanding for replica in fleet.replicas)


async def held_queue(fleet: FleetWorld, *counts: int) -> None:
    """Hold the campaign, and queue dial requests at each replica."""
    await act(fleet.replicas[0], HOLD)
    for number, (replica, count) in enumerate(zip(fleet.replicas, counts, strict=True)):
        await replica.stream().send(*dials(count, f"queued-{number}"))
    await until(lambda: outstanding(fleet) == sum(counts))


async def dialctl(replica: Replica, *arguments: str) -> tuple[int | None, str, str]:
    """Run dialctl against a replica; return its exit code and both outputs."""
    process = await preloaded.start(
        "dialgateway.dialctl",
        *arguments,
        env={**os.environ, "DIAL_GATEWAY_TARGET": f"127.0.0.1:{replica.port}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()
