"""Scenarios with one throttled, paused or urgent campaign: the effect on the others."""

import asyncio
from collections.abc import Awaitable

from benchmarks.quota.account import FULL, LATENCY_S, RATE, Seen, accepted
from benchmarks.quota.bars import Check, Result, quantile
from benchmarks.quota.offer import Offer, Start, steady, streams
from benchmarks.quota.saturated import CAMPAIGNS, backlogs
from benchmarks.world import world
from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.simulator import CampaignState, Fault, FaultKind, Simulator

VICTIM = "campaign-4"
OTHERS = [f"campaign-{number}" for number in range(CAMPAIGNS - 1)]
FAULT_S, THROTTLED_FOR_S, PAUSED_FOR_S = 10.0, 10.0, 15.0
FIRST_S = 1.0
"""The start of a run is excluded from comparisons, since it shows the burst and not the rate."""


async def throttled() -> Result:
    """Throttle one of five busy campaigns for capacity."""
    end_s, seconds = FAULT_S + THROTTLED_FOR_S, 34.0

    async def trouble(simulator: Simulator) -> None:
        fault = Fault(kind=FaultKind.ITEM_FAILURE, code="RequestThrottled", campaign=VICTIM)
        number = simulator.connect.add_fault(fault)
        await asyncio.sleep(THROTTLED_FOR_S)
        simulator.connect.faults.remove(number)

    async with world(call_rate=RATE, simulator_rate=RATE, latency_s=LATENCY_S) as (simulator, channel):
        start = Start()
        later = asyncio.create_task(_after(FAULT_S, trouble(simulator)))
        await streams(channel, backlogs([1.0] * CAMPAIGNS, seconds), start, seconds)
        await later
        seen = Seen(simulator, start)
    span_s = FAULT_S - FIRST_S - 1.0
    before = sum(seen.accepted(FAULT_S - span_s, FAULT_S, name) for name in OTHERS) / span_s
    during = sum(seen.accepted(FAULT_S, end_s, name) for name in OTHERS) / THROTTLED_FOR_S
    own = seen.accepted(FAULT_S - span_s, FAULT_S, VICTIM) / span_s
    wasted = [call for call in seen.calls(campaign=VICTIM) if call.failed]
    back_s = seen.reached_s(0.9 * own, end_s, VICTIM) - end_s
    return Result(
        "one of five campaigns throttles for capacity for 10 s",
        [
            Check("goodput of the other four, relative to before", during / before, "{:.1%}", at_least=0.99),
            Check("dial requests a second of the four, before", before, "{:.0f}"),
            Check("dial requests a second of the fifth, before", own, "{:.0f}"),
            Check("calls wasted on the fifth", len(wasted), "{:.0f}", at_most=10),
            Check("the fifth is at 90% after", back_s, "{:.2f} s", at_most=5.0),
        ],
    )


async def paused() -> Result:
    """Pause one of five campaigns, which gets a fifth of 200 dial requests a second."""
    end_s, seconds = FAULT_S + PAUSED_FOR_S, 32.0
    offers = [steady(f"{name}-{one}", name, 10.0, seconds) for name in (*OTHERS, VICTIM) for one in range(4)]

    async def trouble(simulator: Simulator) -> None:
        simulator.connect.set_state(VICTIM, CampaignState.PAUSED)
        await asyncio.sleep(PAUSED_FOR_S)
        simulator.connect.set_state(VICTIM, CampaignState.RUNNING)

    async with world(call_rate=RATE, simulator_rate=RATE, latency_s=LATENCY_S) as (simulator, channel):
        start = Start()
        later = asyncio.create_task(_after(FAULT_S, trouble(simulator)))
        await streams(channel, offers, start, seconds + 15)
        await later
        seen = Seen(simulator, start)
        looks = simulator.connect.stats().calls.get("GetCampaignStateBatch", {})
    lost = sum(offer.accepted_s is None for one in offers for offer in one)
    wasted = [call for call in seen.calls(campaign=VICTIM) if call.result == "InvalidCampaignStateException"]
    resumed = [seen.at_s(call) for call in seen.calls(end_s, campaign=VICTIM) if accepted([call])]
    return Result(
        "one campaign Paused for 15 s",
        [
            Check("dial requests lost", lost, "{:.0f}", at_most=0),
            Check("calls wasted on it", len(wasted), "{:.0f}", at_most=3),
            Check("resumed within", min(resumed, default=float("inf")) - end_s, "{:.2f} s", at_most=3.0),
            Check("GetCampaignStateBatch calls", sum(looks.values()), "{:.0f}"),
        ],
    )


async def hurry() -> Result:
    """Send HIGH dial requests, ten a second to their own campaign and ten to a shared one."""
    seconds, backlog = 20.0, 20_000 // CAMPAIGNS
    names = [*OTHERS, VICTIM]
    bulk = [steady(name, name, 1.0, 0.0, backlog=backlog, priority=pb.PRIORITY_BULK) for name in names]
    high: list[list[Offer]] = [
        steady(f"high-{name}", name, 10.0, seconds, priority=pb.PRIORITY_HIGH) for name in ("urgent", VICTIM)
    ]
    for offer in high[0] + high[1]:
        offer.at_s += 2.0
    async with world(call_rate=RATE, simulator_rate=RATE, latency_s=LATENCY_S) as (simulator, channel):
        start = Start()
        await streams(channel, [*bulk, *high], start, seconds + 4.0)
        seen = Seen(simulator, start)
    latencies = [[offer.latency_s or float("inf") for offer in one] for one in high]
    moved = _items(seen, 2.0, 2.0 + seconds, "high-")
    checks = [
        Check("HIGH p50", quantile(latencies[0] + latencies[1], 0.5), "{:.2f} s"),
        Check("HIGH p99", quantile(latencies[0] + latencies[1], 0.99), "{:.2f} s", at_most=0.5),
        Check("HIGH p99, own campaign", quantile(latencies[0], 0.99), "{:.2f} s"),
        Check("HIGH p99, campaign shared with BULK", quantile(latencies[1], 0.99), "{:.2f} s"),
        Check(
            "BULK dial requests a second during this", moved / seconds, "{:.0f}", at_least=FULL * RATE / 10
        ),
    ]
    return Result("HIGH dial requests among a BULK backlog of 20,000", checks)


def _items(seen: Seen, begin_s: float, end_s: float, but: str) -> int:
    calls = seen.calls(begin_s, end_s)
    return sum(not item.token.startswith(but) for call in calls for item in call.accepted)


async def _after(delay_s: float, work: Awaitable[None]) -> None:
    await asyncio.sleep(delay_s)
    await work
