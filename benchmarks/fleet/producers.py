"""Twenty producers that offer 80% of the quota: the latency through one gateway and through three."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from benchmarks.fleet.arms import FULL, RATE, Arm, side_by_side
from benchmarks.fleet.calls import Calls
from benchmarks.fleet.load import channels
from benchmarks.fleet.rows import Case, Row
from benchmarks.quota.bars import quantile
from benchmarks.quota.offer import Offer, Start, poisson, streams
from tests.faults.world import World

PRODUCERS, LOAD, SECONDS = 20, 0.8, 25.0
LISTS_S = 75.0
"""Seconds in which lists are sent: about 600 of them, so that p99 is the sixth longest."""
WARM_UP_S = 3.0
"""Seconds in which replicas join the fleet, before the producers begin."""
ANSWERED_WITHIN_S = 20.0
PER_S = LOAD * RATE * FULL / PRODUCERS
"""Dial requests that each producer offers a second."""
BAR = 1.1


def own_campaign(producer: int) -> list[Offer]:
    """Return single dial requests at random times, all for the producer's own campaign."""
    offers = poisson(PER_S, SECONDS, 1, f"producer-{producer}")
    for offer in offers:
        offer.campaign = f"campaign-of-{producer}"
    return offers


def own_lists(producer: int) -> list[Offer]:
    """Return full lists at random times, all for the producer's own campaign."""
    random = Random(f"lists of {producer}")
    offers: list[Offer] = []
    at_s = random.expovariate(PER_S / FULL)
    while at_s < LISTS_S:
        offers += [
            Offer(at_s, f"campaign-of-{producer}", f"list-{producer}-{len(offers) + number}")
            for number in range(FULL)
        ]
        at_s += random.expovariate(PER_S / FULL)
    return offers


def shared_campaigns(producer: int) -> list[Offer]:
    """Return single dial requests at random times, each for one of five campaigns of all producers."""
    return poisson(PER_S, SECONDS, 5, f"producer-{producer}")


WORKLOADS: Mapping[str, tuple[Callable[[int], list[Offer]], bool]] = {
    "single requests, a campaign for each producer": (own_campaign, True),
    "lists of 25, a campaign for each producer": (own_lists, True),
    "single requests, five campaigns of all producers": (shared_campaigns, False),
}
"""Each workload, and whether it has a bar.

With few campaigns on all gateways, each gateway fills its calls from a third of the dial requests. A request
then waits longer until its call is as full as the quota demands."""


async def producers(arms: Sequence[Arm]) -> Case:
    """Offer 80% of the quota."""
    rows: list[Row] = []
    for name, (offers_of, has_bar) in WORKLOADS.items():

        async def run(
            world: World, offers_of: Callable[[int], list[Offer]] = offers_of
        ) -> tuple[float, float, float, float]:
            return await _offered(world, [offers_of(producer) for producer in range(PRODUCERS)])

        rows += _rows(name, await side_by_side(arms, run), has_bar=has_bar)
    return Case(f"{PRODUCERS} producers over the gateways, {LOAD:.0%} of the quota", rows)


async def _offered(world: World, offers: Sequence[Sequence[Offer]]) -> tuple[float, float, float, float]:
    last_s = max(offer.at_s for one in offers for offer in one)
    async with channels(world) as opened:
        await asyncio.sleep(WARM_UP_S)
        start = Start()
        async with asyncio.TaskGroup() as group:
            for number, channel in enumerate(opened):
                some = offers[number :: len(opened)]
                group.create_task(streams(channel, some, start, last_s + ANSWERED_WITHIN_S))
    times = [offer.latency_s or float("inf") for one in offers for offer in one]
    calls = Calls(world.calls())
    return quantile(times, 0.5), quantile(times, 0.99), float(calls.throttled()), len(calls.records)


def _rows(
    name: str, measured: Mapping[Arm, tuple[float, float, float, float]], *, has_bar: bool
) -> list[Row]:
    p50, p99, throttled, calls = (
        {arm: values[number] for arm, values in measured.items()} for number in range(4)
    )
    rows = [
        Row(f"p50, s: {name}", p50, "{:.2f}"),
        Row("p99, s", p99, "{:.2f}"),
        Row("calls", calls, "{:.0f}"),
        Row("calls answered 429", throttled, "{:.0f}", at_most=0),
    ]
    if Arm.SINGLE in p99:
        ratios = {arm: value / p99[Arm.SINGLE] for arm, value in p99.items()}
        rows.insert(2, Row("p99, of that of one gateway", ratios, "{:.2f}", at_most=BAR if has_bar else None))
    return rows
