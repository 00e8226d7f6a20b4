"""Clients in Go: what a dying gateway had read is not sent again unseen, quiet streams stay, tools work."""

import asyncio
import json
import time

import pytest

from gateway.api.server import Keepalive
from gateway.simulator import FaultKind
from tests.faults import proxies
from tests.faults.proxies import before
from tests.faults.world import World as FaultWorld
from tests.faults.world import world_of as fault_world_of
from tests.integration.admin import scrape
from tests.integration.world import Knobs, World, dial, until, verdicts, world_of
from tests.peers import go
from tests.peers.go import PUT, STREAM, calling

pytestmark = pytest.mark.skipif(bool(go.absent()), reason=go.absent())
SERVICE = "dialgateway.v1.DialRequestService"
HEADROOM_S = 5.0


async def _taken(world: FaultWorld, number: int) -> float:
    """Return how many dial requests a gateway has taken."""
    return (await scrape(world.admin_ports[number])).value("dial_gateway_requests_received_total")


async def _who_has_it(world: FaultWorld) -> int:
    """Wait until Connect has accepted the request; return which gateway sent it."""
    async with asyncio.timeout(20):
        while not world.calls():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.01)
    return 0 if await _taken(world, 0) else 1


@pytest.mark.skipif(bool(proxies.absent()), reason=proxies.absent())
@pytest.mark.parametrize("method", [STREAM, PUT])
async def test_what_a_killed_gateway_had_read_is_not_sent_again(method: str) -> None:
    """A gateway is killed behind HAProxy while Connect has its request: the client is told, and nobody else.

    HAProxy 2.6 says REFUSED_STREAM for a stream without an answer, and grpc-go then sends all of it again by
    itself, to the other gateway. That found the time too short by then, and said EXPIRED of a request that
    Connect had accepted.
    """
    async with (
        fault_world_of(gateways=2, keep_admin_ports=True, settings={"call_timeout": "30"}) as world,
        before(world, "haproxy") as proxy,
        calling(proxy.plain_target, method) as caller,
    ):
        await world.faults([{"kind": FaultKind.NO_ANSWER, "after_work": True}])
        began = time.monotonic()
        await caller.send(dial("t-1", expires_in=HEADROOM_S + 3.0))
        first = await _who_has_it(world)
        await asyncio.sleep(max(0.0, began + 3.0 - time.monotonic()))
        await world.gateways[first].kill()
        await until(lambda: caller.status or caller.results)
        await asyncio.sleep(0.5)
        assert caller.results == []
        assert caller.status in {"Unavailable", "Internal", "Canceled", "Unknown"}
        assert await _taken(world, 1 - first) == 0


async def test_a_quiet_stream_with_pings_stays() -> None:
    """A stream of grpc-go that pings, and carries nothing else for thirty pings, goes on as if nothing were.

    The pings come every 0.1 s, of which the gateway here allows five times as many: as with 10 s outside.
    """
    async with (
        world_of(Knobs(keepalive=Keepalive(least_ping_s=0.02))) as world,
        calling(world.target, keepalive="100ms") as caller,
    ):
        await caller.send(dial("before"))
        await until(lambda: len(caller.results) == 1)
        await asyncio.sleep(3.0)
        assert caller.status == ""
        await caller.send(dial("after"))
        await caller.finish()
        await until(lambda: caller.status)
        assert (caller.status, verdicts(caller.results)) == ("OK", ["ACCEPTED"] * 2)


@pytest.mark.parametrize(
    "symbol", [SERVICE, f"{SERVICE}.PutDialRequests", "dialgateway.v1.DialRequest", "dialgateway.v1.Outcome"]
)
async def test_grpcurl_describes(world: World, symbol: str) -> None:
    code, said = await go.run("grpcurl", "-plaintext", world.target, "describe", symbol)
    assert (code, symbol.rpartition(".")[2] in said) == (0, True), said


async def test_grpcurl_describes_everything(world: World) -> None:
    """Without a symbol grpcurl describes each service that is listed, so each must be found."""
    code, said = await go.run("grpcurl", "-plaintext", world.target, "describe")
    assert code == 0, said
    for name in (SERVICE, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"):
        assert f"{name} is a service" in said


async def test_grpcurl_calls(world: World) -> None:
    arguments = ("-plaintext", "-d", _list("t-1"), world.target, f"{SERVICE}/PutDialRequests")
    code, said = await go.run("grpcurl", *arguments)
    assert code == 0, said
    assert json.loads(said)["results"][0]["outcome"] == "OUTCOME_ACCEPTED"


async def test_ghz_calls(world: World) -> None:
    """ghz learns the call from reflection, and makes it."""
    arguments = ("--insecure", "--call", f"{SERVICE}.PutDialRequests", "-n", "20", "-c", "2", "-O", "json")
    code, said = await go.run("ghz", *arguments, "-d", _list("t-{{.RequestNumber}}"), world.target)
    assert code == 0, said
    assert json.loads(said)["statusCodeDistribution"] == {"OK": 20}


def _list(token: str) -> str:
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    request = {"clientToken": token, "phoneNumber": "+12065550123", "expirationTime": expiration}
    return json.dumps({"campaignId": "campaign-a", "dialRequests": [request]})
