"""Holds that are requested from one gateway, and urgent dial requests on one gateway."""

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import grpc.aio

from benchmarks.fleet.arms import Arm, side_by_side
from benchmarks.fleet.calls import Calls
from benchmarks.fleet.load import Busy, channels, kept_busy, phone, place_of, sent
from benchmarks.fleet.rows import Case, Row, column
from dialgateway import DialGatewayClient
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults.world import World

HELD, FLOWING = "held", "flowing"
HOLDS = 6
QUIET_S = 1.5
"""Seconds after a hold in which calls are counted: longer than the bar."""
HELD_FOR_S = 3.0
"""Seconds that the gateways are observed after their restart."""
TRIALS = 8
SUPPRESSIONS, NUMBERS, SUPPRESSED_EVERY_S = 100, 150, 0.5
"""How many numbers are suppressed, how many are called in turn, and seconds between two suppressions."""
QUEUE_S = 6.0
"""Seconds that a dial request of these streams waits in its queue, about."""


async def holds(arms: Sequence[Arm]) -> Case:
    """Hold a campaign through one gateway, again and again; hold it once more, and restart all gateways."""

    async def run(world: World) -> tuple[float, float, float, float]:
        async with DialGatewayClient(world.targets[1]) as client:
            latest = await _latest_calls(world, client)
            await client.hold_campaign(HELD, "benchmark")
        await asyncio.sleep(QUIET_S)
        restarted_at = time.time()
        async with asyncio.TaskGroup() as group:
            for gateway in world.gateways:
                group.create_task(gateway.restart(signal.SIGTERM))
        async with channels(world) as opened, kept_busy(_both(opened, "after")):
            await asyncio.sleep(HELD_FOR_S)
        after = Calls(world.calls()).between(restarted_at, float("inf"))
        return max(latest), sum(latest) / HOLDS, len(after.of(HELD).records), len(after.of(FLOWING).records)

    fleets = [arm for arm in arms if arm is not Arm.SINGLE]
    measured = await side_by_side(fleets, run, {"drain_grace": "1"})
    return Case(
        "a hold requested from one gateway, under load on all",
        [
            Row(f"last call after a hold, worst of {HOLDS}, s", column(measured, 0), "{:+.2f}", at_most=1.0),
            Row("last call after a hold, mean, s", column(measured, 1), "{:+.2f}"),
            Row("calls for it after all gateways restarted", column(measured, 2), "{:.0f}", at_most=0),
            Row("calls for the other campaign then", column(measured, 3), "{:.0f}", at_least=1),
        ],
    )


async def _latest_calls(world: World, client: DialGatewayClient) -> list[float]:
    """Return when the last call of each hold arrived, in seconds after the hold was requested."""
    latest = []
    async with channels(world) as opened, kept_busy(_both(opened, "before")):
        await asyncio.sleep(4.0)
        for number in range(HOLDS):
            await asyncio.sleep(0.5 + 0.1 * number)  # covers every phase between two calls
            asked_at = time.time()
            await client.hold_campaign(HELD, "benchmark")
            await asyncio.sleep(asked_at + QUIET_S - time.time())
            latest.append(max(call.at for call in world.calls() if call.campaign == HELD) - asked_at)
            await client.release_campaign(HELD)
    return latest


def _both(opened: Sequence[grpc.aio.Channel], name: str) -> list[Busy]:
    return [
        Busy(channel, campaign, f"{name}-{number}-{campaign}")
        for number, channel in enumerate(opened)
        for campaign in (HELD, FLOWING)
    ]


async def suppressions(arms: Sequence[Arm]) -> Case:
    """Suppress one number after another, each through another gateway, under load on all."""
    measured = await side_by_side([arm for arm in arms if arm is Arm.SHARED], _suppressed)
    return Case(
        "live suppressions, under load on all gateways",
        [
            Row(f"last call, worst of {SUPPRESSIONS}, s", column(measured, 0), "{:+.2f}", at_most=1.0),
            Row("last call, mean, s", column(measured, 1), "{:+.2f}"),
            Row("reply to the operator, worst, s", column(measured, 2), "{:.2f}"),
            Row("numbers with calls just before", column(measured, 3), "{:.0f}", at_least=0.9 * SUPPRESSIONS),
            Row("not confirmed by all gateways", column(measured, 4), "{:.0f}", at_most=0),
        ],
    )


async def _suppressed(world: World) -> tuple[float, float, float, float, float]:
    asked_at: list[float] = []
    replied_s: list[float] = []
    unconfirmed = 0
    async with channels(world) as opened, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(DialGatewayClient(target)) for target in world.targets]
        streams = [
            Busy(channel, HELD, f"suppress-{number}", numbers=NUMBERS)
            for number, channel in enumerate(opened)
        ]
        async with kept_busy(streams):
            await asyncio.sleep(4.0)
            for number in range(SUPPRESSIONS):
                asked_at.append(time.time())
                done = await clients[number % len(clients)].suppress_number(phone(number), "benchmark")
                replied_s.append(time.time() - asked_at[-1])
                unconfirmed += done.confirmation is None or not done.confirmation.complete
                await asyncio.sleep(max(0.0, asked_at[-1] + SUPPRESSED_EVERY_S - time.time()))
            await asyncio.sleep(QUIET_S)
    arrived: dict[int, list[float]] = {}
    for call in world.calls():
        for token in call.tokens:
            arrived.setdefault(place_of(token) % NUMBERS, []).append(call.at)
    last_s = [max(arrived.get(number, [at])) - at for number, at in enumerate(asked_at)]
    flowed = sum(
        any(at - QUEUE_S < one <= at for one in arrived.get(number, ())) for number, at in enumerate(asked_at)
    )
    return max(last_s), sum(last_s) / len(last_s), max(replied_s), flowed, unconfirmed


async def high(arms: Sequence[Arm]) -> Case:
    """Send HIGH dial requests through one gateway while the others have a backlog."""

    async def run(world: World) -> tuple[float, float]:
        first_s: list[float] = []
        async with channels(world) as (urgent, *others):
            streams = [
                Busy(channel, f"campaign-{one}", f"backlog-{number}-{one}")
                for number, channel in enumerate(others)
                for one in range(3)
            ]
            async with kept_busy(streams):
                await asyncio.sleep(4.0)
                for number in range(TRIALS):
                    await asyncio.sleep(1.0 + 0.1 * number)
                    tokens = [f"high-{number}-{one}" for one in range(5)]
                    asked_at = time.time()
                    await sent(urgent, "urgent", tokens, pb.PRIORITY_HIGH)
                    first_s.append(Calls(world.calls()).first_at(tokens) - asked_at)
        return max(first_s), sum(first_s) / TRIALS

    measured = await side_by_side([arm for arm in arms if arm is not Arm.SINGLE], run)
    return Case(
        "HIGH on one gateway, a backlog on the others",
        [
            Row(f"first HIGH call, worst of {TRIALS}, s", column(measured, 0), "{:.2f}", at_most=0.5),
            Row("first HIGH call, mean, s", column(measured, 1), "{:.2f}"),
        ],
    )
