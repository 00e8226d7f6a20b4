"""Several gateways in a test's process that are one fleet, over a real server and one simulated Connect."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc.aio

from dialgateway.v1 import dial_request_service_pb2 as pb
from dialgateway.v1.campaign_service_pb2_grpc import CampaignServiceStub
from gateway.app import Gateway
from gateway.cli.serve import connect_for
from gateway.composition.fleet import fleet_setup_of, reached_state_of
from gateway.connect.credentials import AccessKeys
from gateway.runtime.clock import SystemClock
from gateway.settings import Settings
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry import telemetry_with
from tests.integration.world import CAMPAIGN, Caller, SmallestJitter, stub_of, until


@dataclass
class Replica:
    """One gateway of a fleet, and a channel to it."""

    name: str
    gateway: Gateway
    channel: grpc.aio.Channel
    port: int

    def stream(self, **options: Any) -> Caller:
        """Open a stream."""
        return Caller(stub_of(self.channel).StreamDialRequests(**options))

    async def ask(self, *requests: pb.DialRequest, campaign: str = CAMPAIGN) -> list[pb.DialResult]:
        """Send requests on a new stream; return their results in the order of the requests."""
        results = await self.stream().ask(*requests, campaign=campaign)
        return sorted(results, key=lambda result: result.index)

    @property
    def operators(self) -> Any:
        """The stub of the service for operators."""
        return CampaignServiceStub(self.channel)

    @property
    def shared_state(self) -> tuple[bool, str]:
        """What readiness says about the shared state."""
        checks = self.gateway.admin.monitoring.readiness().checks
        return checks["shared state"]

    async def metrics(self) -> dict[str, float]:
        """Return the metrics without labels."""
        scraped = await self.gateway.admin.monitoring.metrics()
        assert scraped is not None
        lines = [
            line for line in scraped[0].decode().splitlines() if not line.startswith("#") and "{" not in line
        ]
        return {line.split()[0]: float(line.split()[1]) for line in lines}


@dataclass
class FleetWorld:
    """Replicas, their Connect, and how to add one."""

    simulator: Simulator
    settings: Settings
    stack: AsyncExitStack
    replicas: list[Replica] = field(default_factory=list)

    async def add(self, name: str, **settings: Any) -> Replica:
        """Start one more replica."""
        chosen = replace(self.settings, replica=name, **settings)
        replica = await self.stack.enter_async_context(_replica(chosen, self.simulator.url))
        self.replicas.append(replica)
        return replica

    async def joined(self) -> None:
        """Wait until each replica knows all others."""
        words = f"connected; {len(self.replicas)} replica"
        await until(lambda: all(each.shared_state[1].startswith(words) for each in self.replicas))

    async def certain(self) -> None:
        """Wait until no replica is in doubt any more, as all are in the first seconds of a new fleet."""
        ledgers = [(each.gateway.basis.clock, each.gateway.engine.fleet_ledger) for each in self.replicas]
        await until(
            lambda: not any(ledger is None or ledger._in_doubt(clock.now()) for clock, ledger in ledgers)
        )

    def dialed(self, campaign: str = CAMPAIGN) -> Counter[str]:
        """Return how often Connect dialed each token of a campaign."""
        dials = self.simulator.connect.journal.dials(campaign)
        return Counter({token: count for (_, token), count in dials.items()})


@asynccontextmanager
async def _replica(chosen: Settings, url: str) -> AsyncIterator[Replica]:
    connect = connect_for(chosen, url, AccessKeys.fixed("simulator", "simulator"))
    telemetry, clock = telemetry_with(), SystemClock()
    reached = reached_state_of(chosen)
    fleet = None if reached is None else fleet_setup_of(chosen, reached, telemetry, clock.now)
    gateway = Gateway(chosen, connect, telemetry, SmallestJitter(), clock=clock, fleet=fleet)
    port = await gateway.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Replica(chosen.replica or "", gateway, channel, port)
    finally:
        await gateway.stop(0.5)


@asynccontextmanager
async def fleet_of(
    count: int, url: str, simulator: SimulatorSettings | None = None, **settings: Any
) -> AsyncIterator[FleetWorld]:
    """Run a fleet of `count` replicas over the shared state at `url`, with a quota of 100 calls a second."""
    chosen = Settings(
        **{
            "listen": "127.0.0.1:0",
            "admin_listen": "127.0.0.1:0",
            "call_rate": 100.0,
            "call_burst": 10.0,
            "linger": 0.02,
            "shared_state_url": url,
            "shared_state_timeout": 0.5,
            **settings,
        }
    )
    async with Simulator(simulator or SimulatorSettings(call_rate=0)) as connect, AsyncExitStack() as stack:
        world = FleetWorld(connect, chosen, stack)
        for number in range(count):
            await world.add(f"gateway-{number}")
        yield world
