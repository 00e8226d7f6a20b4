"""A fleet with mutual TLS for a long time: load of every kind, faults of every kind, and steady sizes."""

import asyncio
import contextlib
import itertools
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.fleet.settlements import RECENT_S
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import SteadyCaller
from tests.faults.fleet import (
    Fault,
    flushed_store,
    held_and_released,
    hung_store,
    killed_gateway,
    killed_store,
    lossy_link,
    partitioned,
    replaced,
)
from tests.faults.fleet_world import GATEWAYS, fleet_world
from tests.faults.soak.failures import Failures
from tests.faults.soak.fleet import LONGEST_S, when_connected
from tests.faults.soak.growth import RESULTS, TOKENS, Growth, ProcessFigures, store_figures
from tests.faults.soak.identities import Identities
from tests.faults.soak.inspected import INSPECTED
from tests.faults.soak.load import Load
from tests.faults.world import World

CALLS = 20.0
"""Connect's calls a second, many times what the load needs."""
REPLAY_WINDOW_S, STREAM_AGE_S = 60.0, 120.0
SETTINGS = {
    "replay_window": str(REPLAY_WINDOW_S),
    "stream_max_age": str(STREAM_AGE_S),
    "drain_grace": "2",
    "call_timeout": "2",
    "metrics_campaigns": "20",
    "metrics_callers": "20",
}
WATCHED = (0, 1)
"""The gateways that never end, whose sizes are sampled; the third is killed and replaced."""
STEADY_PER_S = 2.0
WARM_UP_SHARE = 0.3
LONG_S = 600.0
"""From this duration on sizes have bars: before that they are not steady yet."""
EVERY_S, SAMPLE_S = 15.0, 10.0
"""Seconds between two faults, about, and between two samples."""
TELL_EVERY = 6
"""Samples between two lines with the sizes."""
LAST_CALLERS_S, SETTLE_S = 180.0, 5.0
POOLED = 16
"""Connections to Connect and the store that may remain when all callers are gone."""


@dataclass(frozen=True, slots=True)
class LongSoak:
    """The findings of a long soak, its trends, and how often each fault came."""

    finding: Finding
    growths: Sequence[Growth]
    suspects: Sequence[str]
    seen: Counter[str]


class LongFaults:
    """Chooses a fault every few seconds; `seen` counts them."""

    def __init__(
        self, world: World, identities: Identities, seed: int, every_s: float, longest_s: float
    ) -> None:
        self.seen: Counter[str] = Counter()
        self._world = world
        self._identities = identities
        self._connect = Failures(world, seed)
        self._rng = random.Random(seed)
        self._every_s, self._longest_s = every_s, longest_s
        self._weights = itertools.cycle((2, 3, 1))

    async def run(self, until: float, tell: Callable[[str], None]) -> None:
        """Carry out one fault after the other, until an instant of the monotonic clock."""
        began = time.monotonic()
        while time.monotonic() < until:
            name, fault = self._rng.choice(list(self._faults().items()))
            self.seen[name] += 1
            tell(f"{time.monotonic() - began:7.1f} s: {name}")
            await fault(self._world)
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * self._every_s)
        await self._connect.calm()

    def _faults(self) -> Mapping[str, Fault]:
        number, for_s = self._rng.randrange(3), self._rng.uniform(0.1, self._longest_s)
        hold = held_and_released(number, for_s, self._identities.operator())
        connect = self._connect
        return {
            "gateway killed": killed_gateway(2),
            "gateway replaced": replaced(2, 0.0),
            "gateway frozen": frozen(number, 3 * for_s),
            "gateway cut off": partitioned(number, for_s),
            "gateway with a lossy link": lossy_link(number, for_s),
            "store killed": killed_store(for_s),
            "store hung": hung_store(for_s),
            "store flushed": flushed_store,
            "hold": when_connected(hold),
            "certificates rotated": self._rotate,
            "policy changed": self._change_policy,
            "Connect calm": lambda _: connect.calm(),
            "Connect unreliable": lambda _: connect.unreliable(),
            "Connect hostile": lambda _: connect.hostile(),
            "campaign paused": lambda _: connect.paused_campaign(),
            "Connect hung": lambda _: connect.connect_hangs(),
            "Connect restarted": lambda _: connect.connect_restarts(),
        }

    async def _rotate(self, _: World) -> None:
        self._identities.rotate()

    async def _change_policy(self, _: World) -> None:
        self._identities.change_policy(next(self._weights))


def frozen(number: int, for_s: float) -> Fault:
    """Stop a gateway's process, as a paused machine does, and let it continue."""

    async def fault(world: World) -> None:
        world.gateways[number].send(signal.SIGSTOP)
        await asyncio.sleep(for_s)
        world.gateways[number].send(signal.SIGCONT)

    return fault


async def long_soak(
    duration_s: float,
    rate: float,
    seed: int,
    tell: Callable[[str], None],
    every_s: float = EVERY_S,
    longest_s: float = LONGEST_S,
) -> LongSoak:
    """Run a fleet for `duration_s` seconds at `rate` dial requests a second.

    `every_s` are the seconds between two faults, about, and `longest_s` those that one lasts, about.
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        identities = Identities(Path(folder))
        settings = {**SETTINGS, **identities.settings()}
        async with fleet_world(rate=CALLS, links=True, settings=settings, module=INSPECTED) as world:
            faults = LongFaults(world, identities, seed, every_s, longest_s)
            return await _under_load(world, identities, faults, duration_s, rate, seed, tell)


async def _under_load(
    world: World,
    identities: Identities,
    faults: LongFaults,
    duration_s: float,
    rate: float,
    seed: int,
    tell: Callable[[str], None],
) -> LongSoak:
    watch = Watch(world)
    idle = await watch.look()
    until = time.monotonic() + duration_s
    load = Load(world.targets[0], world.targets[1:], world.recorder, rate, seed, identities.caller)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run(tell))
        callers = [
            SteadyCaller(target, world.recorder, per_s=STEADY_PER_S, credentials=identities.caller())
            for target in world.targets
        ]
        dialing = [
            group.create_task(caller.dial(f"campaign-{number}", f"steady-{number}"))
            for number, caller in enumerate(callers)
        ]
        calling = group.create_task(load.run(until))
        await faults.run(until, tell)
        for caller in callers:
            caller.enough()
        async with asyncio.timeout(LAST_CALLERS_S):
            await asyncio.gather(calling, *dialing)
        watching.cancel()
    await asyncio.sleep(SETTLE_S)
    left = _left(idle, await watch.look())
    warm_up_s = WARM_UP_SHARE * duration_s
    watched = watch.growths if duration_s >= LONG_S else []
    bounds = _bounds(rate)
    sizes = [check for growth in watched for check in growth.checks(warm_up_s, duration_s, bounds)]
    suspects = [
        f"{growth.name}: {name}: {before:,} -> {after:,}"
        for growth in watched
        for name, (before, after) in sorted(growth.growing_types(warm_up_s, duration_s).items())
    ]
    title = f"a fleet for {duration_s:g} s at {rate:g} dial requests a second, seed {seed}"
    growing = Check("types of objects that become more", len(suspects), "{:.0f}", at_most=0)
    return LongSoak(
        found(title, world.verdict(), *sizes, growing, *left), watch.growths, suspects, faults.seen
    )


def _bounds(rate: float) -> Mapping[str, float]:
    """Return the highest medians of the figures that follow the load.

    A gateway cannot remember more than all requests of the time for which it remembers them. A result is two
    objects, and is kept for twice the time if it has to be written again.
    """
    per_s = rate + STEADY_PER_S * GATEWAYS
    return {TOKENS: per_s * REPLAY_WINDOW_S, RESULTS: 4 * per_s * RECENT_S}


class Watch:
    """Samples the gateways that never end, and the store."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._processes = [ProcessFigures(world.gateways[n], world.admin_ports[n]) for n in WATCHED]
        self._gateways = [Growth(f"gateway {number}") for number in WATCHED]
        self._store = Growth("store")

    @property
    def growths(self) -> Sequence[Growth]:
        return [*self._gateways, self._store]

    async def run(self, tell: Callable[[str], None]) -> None:
        """Sample until cancelled, and tell the sizes each minute; a process that is frozen is left out."""
        for number in itertools.count(1):
            await asyncio.sleep(SAMPLE_S)
            await self._sample()
            if number % TELL_EVERY == 0:
                for growth in self.growths:
                    tell(f"          {growth.name}: {growth.newest()}")

    async def _sample(self) -> None:
        for process, growth in zip(self._processes, self._gateways, strict=True):
            with contextlib.suppress(TimeoutError, OSError):
                growth.add(*await process.read())
        store = await store_figures(self._world.store_port)
        if store is not None:
            self._store.add(store)

    async def look(self) -> list[Mapping[str, float]]:
        """Return the present figures of the gateways."""
        return [(await process.read())[0] for process in self._processes]


def _left(idle: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]) -> list[Check]:
    """Return checks of what remains when all callers are gone."""
    bars = {"tasks": 2.0, "streams": 0.0, "open files": POOLED}
    return [
        Check(
            f"gateway {number}: {name} more than before the load",
            now[name] - before[name],
            "{:.0f}",
            at_most=bar,
        )
        for number, (before, now) in enumerate(zip(idle, after, strict=True))
        for name, bar in bars.items()
    ]
