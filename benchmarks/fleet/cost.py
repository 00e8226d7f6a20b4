"""What the shared state costs: commands per dial request, and the processor time of idle processes."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkey

from benchmarks.fleet.arms import Arm, side_by_side
from benchmarks.fleet.calls import Calls
from benchmarks.fleet.load import channels
from benchmarks.fleet.producers import LOAD, PRODUCERS, own_campaign
from benchmarks.fleet.rows import Case, Row
from benchmarks.quota.offer import Start, streams
from tests.faults.world import World
from tests.integration.admin import scrape

JOINED_S = 6.0
"""Seconds until the gateways have joined the fleet and are idle: their start does not count."""
IDLE_S, LOADED_S = 10.0, 12.0
SCRIPTS = ("eval", "evalsha")
BEATS = "dial_gateway_shared_state_duration_seconds_count"


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was counted up to an instant.

    Commands of all gateways, their beats, the dial requests in calls, and processor seconds.
    """

    commands: float
    beats: float
    items: int
    gateways_s: Sequence[float]
    store_s: float
    at: float


async def cost(arms: Sequence[Arm]) -> Case:
    """Count commands and processor time, first of idle gateways and then under load."""
    measured = await side_by_side([arm for arm in arms if arm is not Arm.SINGLE], _measured)
    idle = {arm: _gateway(began, ended) for arm, (began, ended, _) in measured.items()}
    rows = [Row("processor time of an idle gateway, of a core", idle, "{:.2%}")]
    if Arm.SHARED in measured:
        began, ended, loaded = measured[Arm.SHARED]
        added = {Arm.SHARED: idle[Arm.SHARED] - idle.get(Arm.DIVIDED, 0.0)}
        rows += [
            Row("of that, what the shared state adds", added, "{:.2%}", at_most=0.01),
            Row("the same of the store", {Arm.SHARED: _store(began, ended)}, "{:.2%}", at_most=0.01),
            *_of_commands(began, ended, loaded),
        ]
    return Case("store commands and the cost of ticks", rows)


async def _measured(world: World) -> tuple[_Counts, _Counts, _Counts]:
    store = None if world.store is None else valkey.Valkey(port=world.store_port)
    async with channels(world) as opened:
        await asyncio.sleep(JOINED_S)
        began = await _counted(world, store)
        await asyncio.sleep(IDLE_S)
        idle = await _counted(world, store)
        start = Start()
        offers = [own_campaign(producer) for producer in range(PRODUCERS)]
        offers = [[offer for offer in one if offer.at_s < LOADED_S] for one in offers]
        async with asyncio.TaskGroup() as group:
            for number, channel in enumerate(opened):
                group.create_task(streams(channel, offers[number :: len(opened)], start, LOADED_S + 15))
        return began, idle, await _counted(world, store)


async def _counted(world: World, store: "valkey.Valkey | None") -> _Counts:
    scrapes = await asyncio.gather(*(scrape(port) for port in world.admin_ports))
    return _Counts(
        commands=0.0 if store is None else _commands(store),
        beats=sum(one.value(BEATS, operation="beat") for one in scrapes),
        items=Calls(world.calls()).items(),
        gateways_s=[processor_s(gateway.pid) for gateway in world.gateways],
        store_s=0.0 if world.store is None else processor_s(world.store.pid),
        at=time.monotonic(),
    )


def _commands(store: "valkey.Valkey") -> float:
    """Return how many scripts the gateways have called: they ask nothing else of it, apart from upkeep.

    Commands inside of scripts are not counted: they cost no round trip.
    """
    statistics: Any = store.info("commandstats")
    return sum(float(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in SCRIPTS)


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def _gateway(began: _Counts, ended: _Counts) -> float:
    """Return the largest share of a core that a gateway used."""
    pairs = zip(began.gateways_s, ended.gateways_s, strict=True)
    return max(after - before for before, after in pairs) / (ended.at - began.at)


def _store(began: _Counts, ended: _Counts) -> float:
    """Return the share of a core that the store used."""
    return (ended.store_s - began.store_s) / (ended.at - began.at)


def _of_commands(began: _Counts, idle: _Counts, ended: _Counts) -> list[Row]:
    """Return the commands for each dial request. Idle gateways send nothing but beats, which are left out."""
    in_beat = (idle.commands - began.commands) / max(1.0, idle.beats - began.beats)
    beats = ended.beats - idle.beats
    commands = ended.commands - idle.commands - in_beat * beats
    return [
        Row(
            f"store commands per dial request, at {LOAD:.0%} of the quota",
            {Arm.SHARED: commands / ended.items},
            "{:.3f}",
            at_most=0.15,
        ),
        Row("beats a second of an idle gateway", {Arm.SHARED: _a_second(began, idle)}, "{:.1f}"),
        Row("beats a second of a gateway under load", {Arm.SHARED: _a_second(idle, ended)}, "{:.1f}"),
    ]


def _a_second(began: _Counts, ended: _Counts) -> float:
    return (ended.beats - began.beats) / len(ended.gateways_s) / (ended.at - began.at)
