"""Failures of a soak, one after the other: Connect's faults, and restarts of both sides."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from tests.faults.soak.load import CAMPAIGNS
from tests.faults.unreliable import ALL_FAULTS, USUAL_FAULTS
from tests.faults.world import World


class Failures:
    """Chooses another condition every few seconds; `counts` says how often each was chosen."""

    def __init__(self, world: World, seed: int, every_s: float = 6.0) -> None:
        self._world = world
        self._rng = random.Random(seed)
        self._every_s = every_s
        self._kinds: dict[Callable[[], Awaitable[None]], int] = {
            self.calm: 3,
            self.unreliable: 3,
            self.hostile: 2,
            self.paused_campaign: 1,
            self.connect_hangs: 1,
            self.connect_restarts: 1,
        }
        self.counts: dict[str, int] = {}

    async def run(self, until: float) -> None:
        """Change conditions until an instant of the monotonic clock."""
        while time.monotonic() < until:
            (kind,) = self._rng.choices(list(self._kinds), list(self._kinds.values()))
            name = kind.__name__.replace("_", " ")
            self.counts[name] = self.counts.get(name, 0) + 1
            await kind()
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * self._every_s)

    async def calm(self) -> None:
        """Clear all faults."""
        await self._world.faults([])

    async def unreliable(self) -> None:
        """Set the usual faults."""
        await self._world.faults(USUAL_FAULTS)

    async def hostile(self) -> None:
        """Set all faults."""
        await self._world.faults(ALL_FAULTS)

    async def paused_campaign(self) -> None:
        """Pause one campaign for some seconds."""
        campaign = self._rng.choice(CAMPAIGNS)
        await self._world.control("PUT", f"campaigns/{campaign}", {"state": "Paused"})
        await asyncio.sleep(self._rng.uniform(1, 4))
        await self._world.control("PUT", f"campaigns/{campaign}", {"state": "Running"})

    async def connect_hangs(self) -> None:
        """Stop Connect's process; when it resumes, it carries out calls that were given up long before."""
        self._world.connect.send(signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(1, 4))
        self._world.connect.send(signal.SIGCONT)

    async def connect_restarts(self) -> None:
        """Kill Connect, leave it down for a while, and restart it with the same journal."""
        await self._world.connect.restart(signal.SIGKILL, away_s=self._rng.uniform(0, 3))


async def restart_second_gateway(world: World, until: float, seed: int, every_s: float = 12.0) -> None:
    """Stop or kill the second gateway every few seconds, until an instant of the clock."""
    rng = random.Random(seed)
    gateway = world.gateways[1]
    while time.monotonic() < until:
        await asyncio.sleep(rng.uniform(0.5, 1.5) * every_s)
        await gateway.restart(rng.choice((signal.SIGTERM, signal.SIGKILL)), away_s=rng.uniform(0, 1))
