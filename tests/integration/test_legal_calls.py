"""Promises 2 and 5: only legal calls reach Connect, they are full, and the quota is used and kept."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from itertools import count

import pytest

import dialgateway
from gateway.simulator import FaultKind, SimulatorSettings
from tests.integration.world import World, WorldOptions, client_dial, dial, dials, until, verdicts, world_of
from tests.stopwatch import Stopwatch

RATE, BURST = 10.0, 10
"""Calls that Connect takes: so many a second, and so many at once."""


async def test_a_thousand_requests_over_four_campaigns() -> None:
    """A thousand valid requests in lists of ten are all accepted, by legal and full calls."""
    async with world_of(linger=2.0) as world:
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
        await until(world.calls)
        watch, shares = Stopwatch(), [0.0]
        while watch.took_s < 5.0:
            await asyncio.sleep(0.02)
            used = sum(len(call.accepted) for call in world.calls()) / 25
            # The burst less one: calls are counted on arrival, not when they are sent.
            shares.append(used / (BURST - 1 + RATE * watch.took_s) if watch.took_s >= 3.0 else 0.0)
        asked = world.calls()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    # Whatever makes a call late, the next ones catch up, so the best instant since 3 s counts. A lost permit
    # stays lost.
    assert max(shares) >= 0.98
    assert sum(call.result == "ThrottlingException" for call in asked) < 0.01 * len(asked)
    assert not any(call.illegal for call in asked)


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
