"""Programs in Go: quiet streams of grpc-go stay open, and grpcurl and ghz work through server reflection."""

import asyncio
import json
import time

import pytest

from gateway.api.server import Keepalive
from gateway.settings import SenderName
from tests.integration.world import World, WorldOptions, dial, until, verdicts, world_of
from tests.peers import go
from tests.peers.go import calling
from tests.senders import EACH_SENDER

pytestmark = pytest.mark.skipif(bool(go.absent()), reason=go.absent())
SERVICE = "dialgateway.v1.DialRequestService"
HEADROOM_S = 5.0


async def test_a_quiet_stream_with_pings_stays() -> None:
    """A quiet stream of grpc-go stays open for thirty pings.

    The pings come every 0.1 s, and the gateway here allows five times as many, as with 10 s in production.
    """
    async with (
        world_of(WorldOptions(keepalive=Keepalive(least_ping_s=0.02))) as world,
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
    """Without a symbol grpcurl describes each listed service, so reflection must find all of them."""
    code, said = await go.run("grpcurl", "-plaintext", world.target, "describe")
    assert code == 0, said
    for name in (SERVICE, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"):
        assert f"{name} is a service" in said


@EACH_SENDER
async def test_grpcurl_calls(sender: SenderName) -> None:
    async with world_of(sender=sender) as world:
        await _call_with_grpcurl(world)


async def _call_with_grpcurl(world: World) -> None:
    arguments = ("-plaintext", "-d", _list("t-1"), world.target, f"{SERVICE}/PutDialRequests")
    code, said = await go.run("grpcurl", *arguments)
    assert code == 0, said
    assert json.loads(said)["results"][0]["outcome"] == "OUTCOME_ACCEPTED"


@EACH_SENDER
async def test_ghz_calls(sender: SenderName) -> None:
    """ghz gets the description of the call from reflection, and makes the call."""
    async with world_of(sender=sender) as world:
        await _call_with_ghz(world)


async def _call_with_ghz(world: World) -> None:
    arguments = ("--insecure", "--call", f"{SERVICE}.PutDialRequests", "-n", "20", "-c", "2", "-O", "json")
    code, said = await go.run("ghz", *arguments, "-d", _list("t-{{.RequestNumber}}"), world.target)
    assert code == 0, said
    assert json.loads(said)["statusCodeDistribution"] == {"OK": 20}


def _list(token: str) -> str:
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    request = {"clientToken": token, "phoneNumber": "+12065550123", "expirationTime": expiration}
    return json.dumps({"campaignId": "campaign-a", "dialRequests": [request]})
