"""A fleet under random faults of its store, of the links to it and of its gateways, and with holds."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from tests.faults.bars import Finding
from tests.faults.fleet import (
    Fault,
    flushed_store,
    held_and_released,
    held_over_a_restart,
    held_without_the_store,
    hung_store,
    killed_gateway,
    killed_store,
    lossy_link,
    partitioned,
    replaced,
    under,
)
from tests.faults.fleet_world import GATEWAYS
from tests.faults.world import World
from tests.integration.admin import scrape

LONGEST_S = 5.0
"""Seconds that a fault lasts, at most."""
CONNECTED_WITHIN_S = 60.0
TWO_SHARE = 0.25
"""Share of the faults of the store during which a gateway has one as well."""


class RandomFaults:
    """Chooses faults, one after the other, until `duration_s` have passed.

    `tell` is called with each, before it begins; `seen` counts them.
    """

    def __init__(self, duration_s: float, seed: int, tell: Callable[[str], None]) -> None:
        self.seen: Counter[str] = Counter()
        self._tell = tell
        self._duration_s = duration_s
        self._rng = random.Random(seed)

    def __iter__(self) -> Iterator[Fault]:
        """Yield faults of the store most often: they concern all gateways."""
        began = time.monotonic()
        while (at_s := time.monotonic() - began) < self._duration_s:
            kind = self._rng.choices(("store", "gateway", "hold"), (3, 2, 2))[0]
            chosen = [self._one(self._kind(kind))]
            if kind == "store" and self._rng.random() < TWO_SHARE:
                chosen.append(self._one(self._kind("gateway")))
            names = " and ".join(name for name, _ in chosen)
            self.seen[names] += 1
            self._tell(f"{at_s:6.1f} s: {names}")
            yield together([fault for _, fault in chosen])

    def _kind(self, kind: str) -> Mapping[str, Fault]:
        number, for_s = self._rng.randrange(GATEWAYS), self._rng.uniform(0.1, LONGEST_S)
        return {
            "store": {
                "store killed": killed_store(for_s),
                "store hung": hung_store(for_s),
                "store flushed": flushed_store,
            },
            "gateway": {
                "gateway killed": killed_gateway(number),
                "gateway cut off": partitioned(number, for_s),
                "gateway with a lossy link": lossy_link(number, for_s),
                "gateway replaced": replaced(number, 0.0),
            },
            "hold": {
                "hold": when_connected(held_and_released(number, for_s)),
                "hold without the store": when_connected(held_without_the_store(1.0)),
                "hold over a restart of all": when_connected(held_over_a_restart(2.0)),
            },
        }[kind]

    def _one(self, faults: Mapping[str, Fault]) -> tuple[str, Fault]:
        return self._rng.choice(list(faults.items()))


def together(faults: list[Fault]) -> Fault:
    """Return a fault that consists of several at the same time."""

    async def fault(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            for one in faults:
                group.create_task(one(world))

    return fault


def when_connected(fault: Fault) -> Fault:
    """Return a fault that begins once all gateways are connected: a hold reaches only these in time."""

    async def later(world: World) -> None:
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            while not all([await _is_connected(port) for port in world.admin_ports]):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await fault(world)

    return later


async def _is_connected(admin_port: int) -> bool:
    try:
        return (await scrape(admin_port)).value("dial_gateway_shared_state_connected") == 1.0
    except OSError:  # it has just been started
        return False


async def fleet_soak(
    duration_s: float, seed: int, tell: Callable[[str], None]
) -> tuple[Finding, Counter[str]]:
    """Run a fleet under random faults for `duration_s` seconds; return its finding, and the faults."""
    faults = RandomFaults(duration_s, seed, tell)
    title = f"a fleet under random faults for {duration_s:g} s, seed {seed}"
    return await under(faults, title, links=True), faults.seen
