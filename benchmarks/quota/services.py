"""Twenty services, 200 dial requests a second: through the gateway, and with boto3 in each service."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.processes import output_of
from benchmarks.quota.account import BURST, LATENCY_S, RATE, THROTTLED
from benchmarks.quota.bars import Check, Result, quantile, table
from benchmarks.quota.offer import Offer, Start, poisson, streams
from benchmarks.quota.virtual import latencies_of
from benchmarks.world import world
from gateway.composition.part_settings import limits_of
from gateway.settings import Settings
from gateway.simulator import Simulator, SimulatorSettings

SERVICES, CAMPAIGNS, OFFERED_PER_S, SECONDS = 20, 5, 200.0, 30.0
DEFAULT_RETRIES = "standard"
"""The default retry mode of boto3 since 1.44; `legacy` was the default before."""
BEYOND_CORE_S = 0.05
"""Seconds by which the p99 of the real run may exceed that of the pure core."""
PEERS = {
    "boto3, one request a call": "single",
    f"boto3, batches, {DEFAULT_RETRIES}": "batches",
    "boto3, batches, adaptive": "adaptive",
    "boto3, batches, legacy": "legacy",
}
"""The contenders of the gateway, with the modes of `peer`."""


@dataclass(frozen=True, slots=True)
class Contender:
    """The result of one contender; latencies with the time of the offer, None for lost requests."""

    name: str
    latencies: Sequence[tuple[float, float | None]]
    calls_ok: int
    calls_throttled: int
    calls_failed: int
    twice: int
    call_s: float = 0.0
    """What a call took in the middle, for the gateway."""

    @property
    def times(self) -> list[float]:
        """The latencies of accepted requests."""
        return [latency_s for _, latency_s in self.latencies if latency_s is not None]

    @property
    def accepted_share(self) -> float:
        """The share of the dial requests that was accepted."""
        return len(self.times) / len(self.latencies)

    @property
    def calls(self) -> int:
        """How many calls Connect saw."""
        return self.calls_ok + self.calls_throttled + self.calls_failed

    @property
    def throttled_share(self) -> float:
        """The share of the calls that were over the quota."""
        return self.calls_throttled / self.calls

    def row(self) -> list[str]:
        """Return the line of the table."""
        lost = len(self.latencies) - len(self.times)
        return [
            self.name,
            f"{self.accepted_share:.1%}",
            f"{quantile(self.times, 0.5):.2f} s",
            f"{quantile(self.times, 0.99):.2f} s",
            f"{self.calls:,}",
            f"{self.throttled_share:.1%}",
            f"{lost:,}",
            f"{self.twice:,}",
        ]


def offers_of(service: int) -> list[Offer]:
    """Return the offers of a service: the same in every run and for every contender."""
    return poisson(OFFERED_PER_S / SERVICES, SECONDS, CAMPAIGNS, f"service-{service}")


async def contenders() -> list[Contender]:
    """Run all contenders in turn, each against a new simulator; print each result."""
    found = [await _gateway()]
    found += [await _peer(name, mode) for name, mode in PEERS.items()]
    head = ("", "accepted", "p50", "p99", "calls", "429", "lost", "dialed twice")
    table(head, [one.row() for one in found])
    return found


def result_of(gateway: Contender) -> Result:
    """Return the gateway's numbers with their bars, and those of the pure core with the same offers.

    The core decides at once. Once its calls take as long as they really did, what is left of the difference
    is the way from and to the caller: gRPC, the event loop, and answers that share a message.
    """
    offers = [offers_of(number) for number in range(SERVICES)]
    limits = limits_of(Settings(call_rate=RATE, call_burst=BURST))
    core, slow = (quantile(latencies_of(limits, s, offers), 0.99) for s in (LATENCY_S, gateway.call_s))
    real = quantile(gateway.times, 0.99)
    return Result(
        "200 a second offered by twenty services, quota 10 and 10",
        [
            Check("accepted", gateway.accepted_share, "{:.2%}", at_least=1.0),
            Check("p50", quantile(gateway.times, 0.5), "{:.3f} s", at_most=0.35),
            Check("p99", real, "{:.3f} s", at_most=0.7),
            Check("p99 of the pure core on a virtual clock", core, "{:.3f} s"),
            Check("p99 beyond that of the pure core", real - core, "{:.3f} s", at_most=BEYOND_CORE_S),
            Check(f"  as a call took {gateway.call_s:.3f} s, not {LATENCY_S} s", slow - core, "{:.3f} s"),
            Check("  on the way from and to the caller", real - slow, "{:.3f} s"),
            Check("calls answered 429", gateway.throttled_share, "{:.1%}", at_most=0.01),
            Check("dialed twice", gateway.twice, "{:.0f}", at_most=0),
        ],
    )


async def _gateway() -> Contender:
    offers = [offers_of(number) for number in range(SERVICES)]
    calls_s: list[float] = []
    async with world(call_rate=RATE, simulator_rate=RATE, latency_s=LATENCY_S, calls_s=calls_s) as (
        simulator,
        channel,
    ):
        await streams(channel, offers, Start(), SECONDS + 15)
        latencies = [(offer.at_s, offer.latency_s) for one in offers for offer in one]
        return replace(_contender("gateway", latencies, simulator), call_s=median(calls_s))


async def _peer(name: str, mode: str) -> Contender:
    settings = SimulatorSettings(call_rate=RATE, call_burst=BURST, latency_s=LATENCY_S)
    async with Simulator(settings) as simulator:
        text = await asyncio.to_thread(output_of, "quota.peer", mode, endpoint=simulator.url)
        return _contender(name, json.loads(text), simulator)


def _contender(name: str, latencies: Sequence[tuple[float, float | None]], simulator: Simulator) -> Contender:
    calls = dict(simulator.connect.stats().calls["PutDialRequestBatch"])
    ok, throttled = calls.pop("OK", 0), calls.pop(THROTTLED, 0)
    twice = sum(count > 1 for count in simulator.connect.journal.dials().values())
    return Contender(name, latencies, ok, throttled, sum(calls.values()), twice)
