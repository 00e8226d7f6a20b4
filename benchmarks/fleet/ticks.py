"""What a tick costs the server of the shared state: of a usual fleet, and of many replicas at a high rate."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import valkey

from benchmarks.fleet.arms import Arm
from benchmarks.fleet.rows import Case, Row
from gateway.core.fleet.messages import DemandRow, FleetSettings, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.commands.tick import tick_call, tick_reply
from gateway.shared_state.primary import evaluation
from tests.faults.processes import running, store_service
from tests.ports import reserved_port

SECONDS = 6.0
TICKS_PER_S = 7.0
"""Ticks of each replica in a second: between 5 without calls and 10 with many."""
ROOM = 64
FLEETS = (
    ("3 replicas with 5 turns each, 10 calls/s", 3, 5, 10.0),
    ("20 with 32 each, 1,000/s", 20, 32, 1000.0),
)
"""Name, replicas, turns that each reports, and calls a second."""
BARS_MS = (1.0, None)
"""Connect allows 10 calls a second: the second fleet shows how the cost grows."""


class Ticking:
    """One replica: it uses all permits at once, and has calls for `turns` campaigns."""

    def __init__(self, name: str, turns: int, settings: FleetSettings) -> None:
        self.permits = 0
        self._name = name
        self._settings = settings
        self._demand = tuple(
            DemandRow(Priority.NORMAL, f"service-{number % 4}", f"campaign-{number}", 50, full=True)
            for number in range(turns)
        )
        self._sequence = 0
        self._reply: TickReply | None = None

    def tick(self) -> TickRequest:
        """Return the next tick."""
        reply, self._sequence = self._reply, self._sequence + 1
        return TickRequest(
            self._name,
            self._name,
            self._sequence,
            self._settings,
            acknowledged=self._sequence - 1,
            epoch="" if reply is None else reply.epoch,
            known=() if reply is None else reply.members,
            used=() if reply is None else tuple((grant.number, grant.count) for grant in reply.permits),
            room=ROOM,
            demand=self._demand,
        )

    def ticked(self, reply: TickReply) -> None:
        """Take the reply."""
        self._reply = reply
        self.permits += sum(grant.count for grant in reply.permits)


async def ticks(arms: Sequence[Arm]) -> Case:
    """Measure the server's time for the script, by its own statistics."""
    rows: list[Row] = []
    for (name, replicas, turns, rate), bar_ms in zip(FLEETS, BARS_MS, strict=True):
        tick_ms, granted = await _measured(replicas, turns, rate)
        rows += [
            Row(f"server time of a tick, ms: {name}", {Arm.SHARED: tick_ms}, "{:.2f}", at_most=bar_ms),
            Row("share of the rate granted", {Arm.SHARED: granted}, "{:.0%}"),
        ]
    return Case("the cost of a tick", rows)


async def _measured(replicas: int, turns: int, rate: float) -> tuple[float, float]:
    """Return the milliseconds of a tick, and the share of the rate that the replicas got permits for."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="store-")))
        port = stack.enter_context(reserved_port())
        await stack.enter_async_context(running(store_service(folder, port)))
        client = valkey.Valkey(port=port)
        settings = FleetSettings(rate, rate, 1200.0)
        members = [Ticking(f"replica-{number}", turns, settings) for number in range(replicas)]
        await _ticked(client, members, 2.0)
        client.config_resetstat()
        before = sum(member.permits for member in members)
        took_s = await _ticked(client, members, SECONDS)
        statistics: Any = client.info("commandstats")
        granted = sum(member.permits for member in members) - before
        return statistics["cmdstat_eval"]["usec_per_call"] / 1000, granted / (rate * took_s)


async def _ticked(client: "valkey.Valkey", members: Sequence[Ticking], seconds: float) -> float:
    """Let the members tick in turn, at their usual pace; return how long that took."""
    keys, began = Keys(), time.monotonic()
    for due_s, member in _due(members, seconds):
        await asyncio.sleep(began + due_s - time.monotonic())
        reply: Any = client.execute_command(*evaluation(tick_call(keys, member.tick())))
        member.ticked(tick_reply(reply))
    return time.monotonic() - began


def _due(members: Sequence[Ticking], seconds: float) -> Iterator[tuple[float, Ticking]]:
    for number in range(int(seconds * TICKS_PER_S)):
        for place, member in enumerate(members):
            yield (number + place / len(members)) / TICKS_PER_S, member
