"""Promises 2 and 5: only legal calls reach Connect, they are full, and the quota is used and kept."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from itertools import count

import pytest

import dialgateway
from gateway.core.model import BATCH_LIMIT
from gateway.simulator import CallRecord, FaultKind, SimulatorSettings
from tests.integration.world import (
    PATIENCE_S,
    World,
    WorldOptions,
    client_dial,
    dial,
    dials,
    until,
    verdicts,
    world_of,
)
from tests.stopwatch import Stopwatch

RATE, BURST = 10.0, 10
"""Calls that Connect takes: so many a second, and so many at once."""
SPAN_S = 6.0


async def test_a_thousand_requests_over_four_campaigns() -> None:
    """A thousand valid requests in lists of ten are all accepted, by legal and full calls."""
    async with world_of(linger=30.0) as world:
        caller = world.stream()
        for begin in range(0, 250, 10):
            for campaign in "abcd":
                items = [dial(f"t-{number}") for number in range(begin, begin + 10)]
                await caller.send(*items, campaign=campaign)
        results = await caller.ask()
        assert verdicts(results) == ["ACCEPTED"] * 1000
        assert {result.attempts for result in results} == {1}
        statistics = world.simulator.connect.stats()
        assert (statistics.illegal_calls, statistics.items) == (0, {"accepted": 1000})
        assert statistics.fill == {25: 40}
        assert set(world.simulator.connect.journal.dials().values()) == {1}


@pytest.mark.timed
async def test_a_backlog_is_sent_in_full_calls() -> None:
    """If a backlog of lists of ten has built up while calls were busy, every call is full."""
    async with world_of(max_concurrent_calls=1) as world:
        world.fault(FaultKind.LATENCY, campaign="busy", latency_s=3.0)
        busy = asyncio.create_task(world.ask(dial("busy"), campaign="busy"))
        await until(world.calls)
        callers = [world.stream() for _ in range(4)]
        for number in range(25):
            for caller, campaign in zip(callers, "abcd", strict=True):
                await caller.send(*dials(10, f"{number}"), campaign=campaign)
        await until(lambda: world.gateway.engine.outstanding == 1001)
        answers = await asyncio.gather(*(caller.ask() for caller in callers))
        assert [verdicts(results) for results in answers] == [["ACCEPTED"] * 250] * 4
        assert verdicts(await busy) == ["ACCEPTED"]
        assert world.simulator.connect.stats().fill == {1: 1, 25: 40}


@pytest.mark.timed
async def test_a_lone_request_is_sent_after_the_linger() -> None:
    """With free permits a lone request waits half the linger, or not at all on a half-closed stream."""
    async with world_of(linger=2.0) as world:
        caller = world.stream()
        await caller.send(dial("warm"))
        await caller.read(1)
        begun, watch = time.monotonic(), Stopwatch()
        await caller.send(dial("open"))
        await caller.read(1)
        assert watch.took_s < 2.0
        assert time.monotonic() - begun >= 0.99
        watch = Stopwatch()
        await world.ask(dial("closed"))
        assert watch.took_s < 0.99


@pytest.mark.timed
async def test_the_quota_is_used_and_kept() -> None:
    """With three times the quota offered, 98% of it is accepted, and under 1% of calls get a 429."""
    options = WorldOptions(simulator=SimulatorSettings(), rng=random.Random(1))
    async with world_of(options, call_rate=RATE) as world:
        callers = [asyncio.create_task(_offer(world, f"c-{n}", 250)) for n in range(3)]
        best, end = 0.0, time.monotonic() + PATIENCE_S
        while best < 0.98 and time.monotonic() < end:
            await asyncio.sleep(0.1)
            best = max(best, share_used(world.calls()))
        asked = world.calls()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    assert best >= 0.98
    assert sum(call.result == "ThrottlingException" for call in asked) < 0.01 * len(asked)
    assert not any(call.illegal for call in asked)


def share_used(calls: list[CallRecord]) -> float:
    """Return the share of the rate that full calls have used in the newest `SPAN_S`, the burst left out.

    A busy machine makes calls late, never early. So the share is taken between the earliest calls, compared
    with the rate, of the first third and of the last third.
    """
    full = [call.at for call in calls if len(call.accepted) == BATCH_LIMIT][BURST:]
    if not full or full[-1] - full[0] < SPAN_S:
        return 0.0
    ages = [(number, full[-1] - at) for number, at in enumerate(full)]
    first = max((each for each in ages if SPAN_S * 2 / 3 <= each[1] <= SPAN_S), key=_lead, default=None)
    last = max((each for each in ages if each[1] <= SPAN_S / 3), key=_lead)
    return 0.0 if first is None else (last[0] - first[0]) / (RATE * (first[1] - last[1]))


def _lead(call: tuple[int, float]) -> float:
    """Return how early a call is, compared with the rate; `call` is its number and its age."""
    number, age_s = call
    return number + RATE * age_s


async def _offer(world: World, campaign: str, per_second: int) -> None:
    async def source() -> AsyncIterator[dialgateway.DialRequest]:
        begun = time.monotonic()
        for number in count():
            # A second's worth at a time, since single requests would be sent in sparse calls while permits
            # are free.
            due = begun + (number - number % per_second) / per_second
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            yield client_dial(f"t-{number}")

    async with dialgateway.DialGatewayClient(world.target, window=5000) as client:
        async for result in client.dial(campaign, source()):
            assert result.accepted


@pytest.mark.timed
async def test_a_throttle_slows_down_and_nothing_is_lost() -> None:
    """Beyond Connect's quota calls get a 429, which counts no attempt, and all requests are accepted."""
    options = WorldOptions(simulator=SimulatorSettings(call_rate=20, call_burst=1), rng=random.Random(1))
    async with world_of(options, call_rate=100.0, max_attempts=1) as world:
        results = await world.ask(*dials(200))
        assert verdicts(results) == ["ACCEPTED"] * 200
        statistics = world.simulator.connect.stats()
        assert statistics.calls["PutDialRequestBatch"]["ThrottlingException"] >= 1
        assert (statistics.illegal_calls, statistics.fill) == (0, {25: 8})
