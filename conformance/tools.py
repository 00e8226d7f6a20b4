"""grpcurl and ghz call the gateway. They know its services from server reflection only."""

import json
import time
from collections.abc import Mapping

from conformance.worlds import Findings, exactly, holds
from tests.faults.bars import Check, found
from tests.faults.world import World, world_of
from tests.history.checker import judge
from tests.history.history import History
from tests.peers import go

SERVICE = "dialgateway.v1.DialRequestService"
METHOD = f"{SERVICE}.PutDialRequests"
CALLS = 20
REFLECTION = {version: f"grpc.reflection.{version}.ServerReflection" for version in ("v1", "v1alpha")}


async def reflection() -> Findings:
    """Describe a method with both versions of reflection, and call it with both tools."""
    async with world_of() as world:
        described = {
            version: await go.run("grpcurl", "-plaintext", world.target, "describe", REFLECTION[version])
            for version in REFLECTION
        }
        title = "through server reflection"
        grpcurl = [
            *(holds(f"describes {version}", code == 0) for version, (code, _) in described.items()),
            *await _grpcurl(world),
        ]
        return {
            "grpcurl": found(title, judge(History()), *grpcurl),
            "ghz": found(title, judge(History()), *await _ghz(world)),
        }


async def _grpcurl(world: World) -> list[Check]:
    code, said = await go.run("grpcurl", "-plaintext", world.target, "describe", METHOD)
    called, answer = await go.run(
        "grpcurl", "-plaintext", "-d", _list("grpcurl"), world.target, f"{SERVICE}/PutDialRequests"
    )
    accepted = called == 0 and json.loads(answer)["results"][0]["outcome"] == "OUTCOME_ACCEPTED"
    return [
        holds("describes a method", code == 0 and "rpc PutDialRequests" in said),
        holds("a call is accepted", accepted),
    ]


async def _ghz(world: World) -> list[Check]:
    options = ("--insecure", "--call", METHOD, "-n", str(CALLS), "-c", "2", "-O", "json")
    code, said = await go.run("ghz", *options, "-d", _list("ghz-{{.RequestNumber}}"), world.target)
    statuses: Mapping[str, int] = json.loads(said)["statusCodeDistribution"] if code == 0 else {}
    dialed = sum(item.token.startswith("ghz-") for call in world.calls() for item in call.accepted)
    return [exactly("calls that end with OK", statuses.get("OK", 0), CALLS), exactly("dials", dialed, CALLS)]


def _list(token: str) -> str:
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    request = {"clientToken": token, "phoneNumber": "+12065550123", "expirationTime": expiration}
    return json.dumps({"campaignId": "tools", "dialRequests": [request]})
