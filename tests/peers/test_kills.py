"""A gateway is killed behind HAProxy: no client silently resends requests that the gateway had read."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from gateway.settings import SenderName
from gateway.simulator import FaultKind
from tests.faults import proxies
from tests.faults.proxies import before
from tests.faults.world import World, world_of
from tests.integration.admin import scrape
from tests.integration.world import dial, until
from tests.peers import go, node
from tests.peers.call import PUT, STREAM, PeerCall

pytestmark = pytest.mark.skipif(bool(proxies.absent()), reason=proxies.absent())
HEADROOM_S = 5.0
SENT_WITHIN_S = 8.0
"""Seconds in which a request reaches Connect, also on a busy machine. Then too little time is left."""
Calling = Callable[[str, str], AbstractAsyncContextManager[PeerCall]]
CLIENTS = [
    pytest.param(go.calling, id="go", marks=pytest.mark.skipif(bool(go.absent()), reason=go.absent())),
    pytest.param(
        node.calling, id="node", marks=pytest.mark.skipif(bool(node.absent()), reason=node.absent())
    ),
]


async def _taken(world: World, number: int) -> float:
    """Return how many dial requests a gateway has read."""
    return (await scrape(world.admin_ports[number])).value("dial_gateway_requests_received_total")


async def _gateway_with_the_request(world: World) -> int:
    """Wait until Connect has accepted the request; return the number of the gateway that sent it."""
    async with asyncio.timeout(20):
        while not world.calls():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)
    return 0 if await _taken(world, 0) else 1


@pytest.mark.parametrize(("method", "sender"), [(STREAM, "direct"), (PUT, "boto3")], ids=["stream", "put"])
@pytest.mark.parametrize("calling", CLIENTS)
async def test_requests_that_a_killed_gateway_had_read_are_not_resent(
    calling: Calling, method: str, sender: SenderName
) -> None:
    """A gateway is killed behind HAProxy while Connect has its request: the client gets an error.

    HAProxy 2.6 sends REFUSED_STREAM for a stream without an answer, and clients then resend the whole call to
    the other gateway. With too little time left there, the request was answered EXPIRED although Connect had
    accepted it.
    """
    async with (
        world_of(gateways=2, settings={"call_timeout": "30", "sender": sender}) as world,
        before(world, "haproxy") as proxy,
        calling(proxy.plain_target, method) as caller,
    ):
        await world.faults([{"kind": FaultKind.NO_ANSWER, "after_work": True}])
        began = time.monotonic()
        await caller.send(dial("t-1", expires_in=HEADROOM_S + SENT_WITHIN_S))
        first = await _gateway_with_the_request(world)
        await asyncio.sleep(max(0.0, began + SENT_WITHIN_S - time.monotonic()))
        await world.gateways[first].kill()
        await until(lambda: caller.status or caller.results)
        await asyncio.sleep(0.5)
        assert caller.results == []
        assert caller.status in {"UNAVAILABLE", "INTERNAL", "CANCELED", "CANCELLED", "UNKNOWN"}
        assert await _taken(world, 1 - first) == 0
