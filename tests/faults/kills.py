"""The gateway, its proxy or Connect is killed at random moments; the callers reconnect."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from dialgateway import DialResult
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import ReturningCaller, dial_requests
from tests.faults.proxies import before
from tests.faults.world import World, world_of

CALLERS = 4
LONGEST_DELAY_S = 0.3
"""Longest delay in seconds between the answer that makes a kill due and the kill, so that it hits a gateway
that is idle, busy, or has just started."""


async def gateway_kills(requests: int = 50_000, kills: int = 20, seed: int = 0) -> Finding:
    """The gateway gets SIGKILL and restarts on its port."""
    async with world_of(seed=seed) as world:
        title = f"{kills} SIGKILLs of the gateway in the middle of {requests:,} requests"
        return await _under_kills(
            title, world, requests, kills, lambda: world.gateway.restart(signal.SIGKILL)
        )


async def proxy_kills(
    name: str, requests: int = 50_000, kills: int = 20, seed: int = 0, rate: float = 0.0
) -> Finding:
    """All processes of a proxy get SIGKILL and restart on its ports."""
    async with world_of(rate=rate, seed=seed) as world, before(world, name) as proxy:
        title = f"{kills} SIGKILLs of {name} in the middle of {requests:,} requests"
        return await _under_kills(title, world, requests, kills, proxy.kill, proxy.target)


async def proxy_reloads(
    name: str, requests: int = 50_000, reloads: int = 20, seed: int = 0, rate: float = 0.0
) -> Finding:
    """A proxy reloads its configuration: old workers serve their streams to the end."""
    async with world_of(rate=rate, seed=seed) as world, before(world, name) as proxy:
        title = f"{reloads} reloads of {name} in the middle of {requests:,} requests"
        return await _under_kills(title, world, requests, reloads, proxy.reload, proxy.target)


async def gateway_departures(requests: int = 50_000, departures: int = 20, seed: int = 0) -> Finding:
    """The gateway gets SIGTERM, drains and restarts on its port."""
    async with world_of(seed=seed, settings={"drain_grace": "2"}) as world:
        title = f"{departures} SIGTERMs of the gateway in the middle of {requests:,} requests"
        restart = world.gateway.restart
        return await _under_kills(title, world, requests, departures, lambda: restart(signal.SIGTERM))


async def connect_kills(requests: int = 50_000, kills: int = 10, seed: int = 0) -> Finding:
    """Connect gets SIGKILL, is absent for a moment and continues from its journal."""
    async with world_of(seed=seed) as world:
        title = f"{kills} SIGKILLs of Connect in the middle of {requests:,} requests"
        restart = world.connect.restart
        return await _under_kills(title, world, requests, kills, lambda: restart(signal.SIGKILL, away_s=0.3))


class _Due:
    """Kills that become due at random counts of answers."""

    def __init__(self, requests: int, kills: int, rng: random.Random) -> None:
        self._counts = sorted(rng.sample(range(1, int(0.95 * requests)), kills), reverse=True)
        self._answered = 0
        self._due = asyncio.Semaphore(0)

    def answered(self, _: DialResult) -> None:
        self._answered += 1
        while self._counts and self._answered >= self._counts[-1]:
            self._counts.pop()
            self._due.release()

    async def next(self) -> None:
        await self._due.acquire()


async def _under_kills(
    title: str,
    world: World,
    requests: int,
    kills: int,
    kill: Callable[[], Awaitable[object]],
    target: str | None = None,
) -> Finding:
    rng = random.Random()
    due = _Due(requests, kills, rng)
    callers = [ReturningCaller(target or world.target, world.recorder) for _ in range(CALLERS)]

    async def execution() -> None:
        for _ in range(kills):
            await due.next()
            await asyncio.sleep(rng.uniform(0, LONGEST_DELAY_S))
            await kill()

    async with asyncio.TaskGroup() as group:
        group.create_task(execution())
        for number, caller in enumerate(callers):
            some = dial_requests(requests // CALLERS, f"t{number}")
            group.create_task(caller.dial(f"campaign-{number % 2}", some, due.answered))
    verdict = world.verdict()
    return found(
        title,
        verdict,
        Check("dials by Connect's journal", verdict.dials, "{:,.0f}", at_least=requests, at_most=requests),
        accepted_percent=100.0,
    )
