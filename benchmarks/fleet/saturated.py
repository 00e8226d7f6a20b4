"""More load than the quota allows, on one gateway or on all, with a gateway or the store killed."""

import asyncio
import signal
import time
from collections.abc import Sequence

import grpc.aio

from benchmarks.fleet.arms import Arm, side_by_side
from benchmarks.fleet.calls import Calls
from benchmarks.fleet.load import Busy, channels, kept_busy
from benchmarks.fleet.rows import Case, Row, column
from benchmarks.quota.account import jain
from tests.faults.fleet_world import GATEWAYS
from tests.faults.world import World

CAMPAIGNS = 3
WARM_UP_S = 2.0
"""The first seconds of a load show the burst and the start of the replicas, not the rate."""
JUMP_S, JUMPS = 4.0, 6
REACTION_S = 0.5
UNEVEN: Sequence[Sequence[int]] = ((0, 1, 2), (0, 3), (4,))
"""The campaigns that each gateway has a backlog for."""


def busy_streams(channel: grpc.aio.Channel, name: str, campaigns: int = CAMPAIGNS) -> list[Busy]:
    """Return streams that keep one gateway busy, one for each campaign."""
    return [Busy(channel, f"campaign-{one}", f"{name}-{one}") for one in range(campaigns)]


async def one_of_three(arms: Sequence[Arm], seconds: float = 20.0) -> Case:
    """Load one gateway only."""

    async def run(world: World) -> tuple[float, float]:
        async with channels(world) as (channel, *_), kept_busy(busy_streams(channel, "one")):
            await asyncio.sleep(WARM_UP_S)
            began = time.time()
            await asyncio.sleep(seconds)
        calls = Calls(world.calls())
        return calls.used(began, seconds), calls.throttled_share()

    measured = await side_by_side(arms, run)
    return Case(
        "all load on one of three",
        [
            Row("share of the quota used", column(measured, 0), "{:.1%}", at_least=0.98),
            Row("calls answered 429", column(measured, 1), "{:.2%}", at_most=0.005),
        ],
    )


async def jumping(arms: Sequence[Arm]) -> Case:
    """Let the load jump from one gateway to the next."""

    async def run(world: World) -> tuple[float, float, float, float]:
        jumps: list[float] = []
        async with channels(world) as opened:
            for number in range(JUMPS + 1):  # the first load is the warm-up
                channel = opened[number % GATEWAYS]
                jumps.append(time.time())
                async with kept_busy(busy_streams(channel, f"jump-{number}")):
                    await asyncio.sleep(jumps[0] + (number + 1) * JUMP_S - time.time())
        calls = Calls(world.calls())
        return (
            calls.used(jumps[1], JUMPS * JUMP_S),
            sum(calls.used(at + REACTION_S, JUMP_S - REACTION_S) for at in jumps[1:]) / JUMPS,
            max(_first_after(calls, jump) for jump in list(enumerate(jumps))[1:]),
            calls.throttled_share(),
        )

    measured = await side_by_side(_fleets(arms), run)
    return Case(
        f"load jumps from one to the next every {JUMP_S:g} s",
        [
            Row("share of the quota used", column(measured, 0), "{:.1%}", at_least=0.96),
            Row(
                f"the same, without {REACTION_S:g} s after each jump",
                column(measured, 1),
                "{:.1%}",
                at_least=0.96,
            ),
            Row("longest time from a jump to a call, s", column(measured, 2), "{:.2f}", at_most=REACTION_S),
            Row("calls answered 429", column(measured, 3), "{:.2%}", at_most=0.005),
        ],
    )


def _first_after(calls: Calls, jump: tuple[int, float]) -> float:
    number, at = jump
    tokens = (token for record in calls.records for token in record.tokens)
    return calls.first_at(token for token in tokens if token.startswith(f"jump-{number}-")) - at


async def killed_gateway(arms: Sequence[Arm], before_s: float = 5.0, seconds: float = 15.0) -> Case:
    """Kill one of three evenly loaded gateways."""

    async def run(world: World) -> tuple[float, float, float]:
        async with channels(world) as opened, kept_busy(_even(opened)):
            await asyncio.sleep(before_s)
            world.gateways[-1].send(signal.SIGKILL)
            killed_at = time.time()
            await asyncio.sleep(2.0 + seconds)
        calls = Calls(world.calls())
        return (
            calls.used(killed_at + 2.0, seconds),
            calls.used(killed_at, 2.0),
            calls.throttled_share(),
        )

    measured = await side_by_side(_fleets(arms), run)
    return Case(
        "a gateway killed with SIGKILL under even load",
        [
            Row("share of the quota used from 2 s after", column(measured, 0), "{:.1%}", at_least=0.97),
            Row("share of the quota used until then", column(measured, 1), "{:.1%}"),
            Row("calls answered 429", column(measured, 2), "{:.2%}", at_most=0.005),
        ],
    )


async def killed_store(
    arms: Sequence[Arm], before_s: float = 5.0, away_s: float = 10.0, seconds: float = 12.0
) -> Case:
    """Kill the store under even load, and start it again."""

    async def run(world: World) -> tuple[float, float, float, float, float]:
        store = world.store
        assert store is not None
        async with channels(world) as opened, kept_busy(_even(opened)):
            await asyncio.sleep(before_s)
            await store.kill()
            killed_at = time.time()
            await asyncio.sleep(away_s)
            await store.start()
            back_at = time.time()
            await asyncio.sleep(3.5 + seconds)
        calls = Calls(world.calls())
        away = calls.between(killed_at, back_at + 3.5)
        return (
            calls.used(killed_at, back_at - killed_at),
            calls.used(back_at + 3.5, seconds),
            calls.used(back_at, 3.5),
            away.throttled(),
            calls.throttled() - away.throttled(),
        )

    measured = await side_by_side([arm for arm in arms if arm is Arm.SHARED], run)
    return Case(
        f"the store killed for {away_s:g} s under even load",
        [
            Row("share of the quota used without the store", column(measured, 0), "{:.1%}", at_least=0.6),
            Row("share of the quota used from 3.5 s after", column(measured, 1), "{:.1%}", at_least=0.96),
            Row("share of the quota used until then", column(measured, 2), "{:.1%}"),
            Row("calls over the quota from kill to 3.5 s after", column(measured, 3), "{:.0f}", at_most=0),
            Row("calls over the quota before and after", column(measured, 4), "{:.0f}", at_most=0),
        ],
    )


async def uneven(arms: Sequence[Arm], seconds: float = 20.0) -> Case:
    """Spread the backlogs of five campaigns unevenly over the gateways."""

    async def run(world: World) -> tuple[float, float, float]:
        async with channels(world) as opened:
            streams = [
                Busy(opened[number % len(opened)], f"campaign-{one}", f"gateway-{number}-{one}")
                for number, campaigns in enumerate(UNEVEN)
                for one in campaigns
            ]
            async with kept_busy(streams):
                await asyncio.sleep(WARM_UP_S)
                began = time.time()
                await asyncio.sleep(seconds)
        calls = Calls(world.calls())
        counts = calls.between(began, began + seconds).by_campaign()
        index = jain([counts.get(f"campaign-{one}", 0) for one in range(5)])
        return index, calls.used(began, seconds), calls.throttled_share()

    measured = await side_by_side(arms, run)
    return Case(
        "five campaigns spread unevenly over the gateways",
        [
            Row("Jain's index of the campaigns", column(measured, 0), "{:.4f}", at_least=0.99),
            Row("share of the quota used", column(measured, 1), "{:.1%}", at_least=0.98),
            Row("calls answered 429", column(measured, 2), "{:.2%}", at_most=0.005),
        ],
    )


def _even(opened: Sequence[grpc.aio.Channel]) -> list[Busy]:
    return [one for number, channel in enumerate(opened) for one in busy_streams(channel, f"even-{number}")]


def _fleets(arms: Sequence[Arm]) -> list[Arm]:
    return [arm for arm in arms if arm is not Arm.SINGLE]
