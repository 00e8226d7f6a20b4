"""The same client tokens through several gateways: each is sent to Connect once."""

import asyncio
import time
from collections.abc import Sequence

import grpc.aio

from benchmarks.fleet.arms import Arm, side_by_side
from benchmarks.fleet.calls import Calls
from benchmarks.fleet.load import channels, sent
from benchmarks.fleet.rows import Case, Row, column
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults.world import World

TOKENS = 500
CAMPAIGN = "campaign"
WARM_UP_S = 3.0


async def same_tokens(arms: Sequence[Arm]) -> Case:
    """Send tokens through one gateway and then through another, and others through two at once."""

    async def run(world: World) -> tuple[float, ...]:
        async with channels(world) as (first, second, third):
            await asyncio.sleep(WARM_UP_S)
            again = await _twice(world, first, second)
            return (*again, *await _at_once(world, second, third))

    measured = await side_by_side([arm for arm in arms if arm is not Arm.SINGLE], run)
    return Case(
        f"the same {TOKENS} tokens through a second gateway, and {TOKENS} at once through two",
        [
            Row("second gateway: dial requests sent to Connect", column(measured, 0), "{:.0f}", at_most=0),
            Row("second gateway: accepted under the same id", column(measured, 1), "{:.0%}", at_least=1.0),
            Row("at once: tokens sent to Connect twice", column(measured, 2), "{:.0f}", at_most=0),
            Row("at once: answers that are ACCEPTED", column(measured, 3), "{:.0%}", at_least=1.0),
            Row("at once: both callers got the same id", column(measured, 4), "{:.0%}", at_least=1.0),
        ],
    )


async def _twice(world: World, first: grpc.aio.Channel, second: grpc.aio.Channel) -> tuple[float, float]:
    tokens = [f"again-{number}" for number in range(TOKENS)]
    before = await sent(first, CAMPAIGN, tokens)
    items = Calls(world.calls()).items()
    after = await sent(second, CAMPAIGN, tokens)
    return Calls(world.calls()).items() - items, _same(before, after)


async def _at_once(
    world: World, first: grpc.aio.Channel, second: grpc.aio.Channel
) -> tuple[float, float, float]:
    tokens = [f"at-once-{number}" for number in range(TOKENS)]
    began_at = time.time()
    one, other = await asyncio.gather(sent(first, CAMPAIGN, tokens), sent(second, CAMPAIGN, tokens))
    accepted = sum(result.outcome == pb.OUTCOME_ACCEPTED for result in [*one, *other])
    return (
        Calls(world.calls()).between(began_at, float("inf")).twice(),
        accepted / (2 * TOKENS),
        _same(one, other),
    )


def _same(one: Sequence[pb.DialResult], other: Sequence[pb.DialResult]) -> float:
    """Return the share of the tokens that both answered ACCEPTED with the same id."""
    return sum(
        a.outcome == b.outcome == pb.OUTCOME_ACCEPTED and a.dial_request_id == b.dial_request_id
        for a, b in zip(one, other, strict=True)
    ) / len(one)
