"""What a process and the store keep over time: samples, and whether their sizes are steady."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import valkey.asyncio
from valkey.exceptions import ValkeyError

from gateway.core.fleet.messages import Settlement
from gateway.fleet import settlements
from tests.faults.bars import Check
from tests.faults.processes import OBJECTS_FILE, Service
from tests.integration.admin import get

ANSWER_S = 5.0
HOUR_S = 3600.0
_STATE = re.compile(
    r"state: (\d+) tasks, (\d+) streams, (\d+) dial requests outstanding.* (\d+) tokens remembered"
)
_RESULT = f"{Settlement.__module__}.{Settlement.__qualname__}"
T = TypeVar("T")
Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """How much a figure may grow from the first to the second half: a share of it, and a number.

    The share is that of a run of an hour. The faults change the load all the time, so the medians of shorter
    halves differ more: by the square root of how much shorter they are.
    """

    share: float
    number: float = 0.0

    def highest(self, before: float, duration_s: float) -> float:
        """Return the highest median of the second half of a run, if that of the first is `before`."""
        return before * (1 + self.share * max(1.0, sqrt(HOUR_S / duration_s))) + self.number


BARS: Mapping[str, Bar] = {
    "memory, MB": Bar(0.02),
    "open files": Bar(0.1, 4),
    "threads": Bar(0.0, 2),
    "tasks": Bar(0.1, 10),
    "streams": Bar(0.2, 3),
    "objects": Bar(0.1),
    "blocks": Bar(0.01),
    "metric series": Bar(0.1),
    "log lines a minute": Bar(0.25, 20),
    "keys": Bar(0.12, 100),
    "memory of the store, MB": Bar(0.05),
    "clients": Bar(0.0, 3),
}
RESULTS, TOKENS = "results of the last minute", "tokens remembered"
"""Figures that follow the load. They have a bound instead of a bar, since the load varies."""
SUSPECT_SHARE, SUSPECT_NUMBER = 0.3, 300
"""A type whose objects become more by this share and number is reported as growing."""


@dataclass
class Growth:
    """The samples of one process. `types` has the numbers of its objects for each sample."""

    name: str
    began: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, Figures]] = field(default_factory=list)
    types: list[tuple[float, Mapping[str, int]]] = field(default_factory=list)

    def add(self, figures: Figures, types: Mapping[str, int] | None = None) -> None:
        """Keep one sample."""
        at_s = time.monotonic() - self.began
        self.samples.append((at_s, figures))
        if types is not None:
            self.types.append((at_s, types))

    def checks(self, warm_up_s: float, end_s: float, bounds: Mapping[str, float]) -> list[Check]:
        """Return a check for each figure: its median in the second half after the warm-up.

        It may be as high as `bounds` says, and has a bar above that of the first half if that says nothing.
        """
        middle_s = (warm_up_s + end_s) / 2
        first = [figures for at_s, figures in self.samples if warm_up_s <= at_s < middle_s]
        second = [figures for at_s, figures in self.samples if middle_s <= at_s < end_s]
        if not first or not second:
            return []
        checks = []
        for name in first[0]:
            before, after = (median(figures[name] for figures in half) for half in (first, second))
            highest = bounds[name] if name in bounds else BARS[name].highest(before, end_s)
            title = f"{self.name}: {name} (was {before:,.1f})"
            checks.append(Check(title, after, "{:,.1f}", at_most=highest))
        return checks

    def growing_types(self, warm_up_s: float, end_s: float) -> dict[str, tuple[int, int]]:
        """Return the types whose objects become more, with their medians in both halves."""
        middle_s = (warm_up_s + end_s) / 2
        first = [types for at_s, types in self.types if warm_up_s <= at_s < middle_s]
        second = [types for at_s, types in self.types if middle_s <= at_s < end_s]
        found = {}
        for name in {name for types in second for name in types}:
            before, after = (int(median([t.get(name, 0) for t in half] or [0])) for half in (first, second))
            if after > before * (1 + SUSPECT_SHARE) + SUSPECT_NUMBER:
                found[name] = (before, after)
        return found

    def newest(self) -> str:
        """Return the newest sample as text."""
        figures = self.samples[-1][1] if self.samples else {}
        return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())

    def table(self, rows: int = 12) -> list[str]:
        """Return the medians of each part of the run as lines."""
        if not self.samples:
            return []
        size = max(1, -(-len(self.samples) // rows))
        names = list(self.samples[0][1])
        head = "from, s  " + "  ".join(names)
        parts = [self.samples[at : at + size] for at in range(0, len(self.samples), size)]
        return [head, *(_row(part, names) for part in parts)]


def without_results(types: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
    """Return the number of results that a replica keeps to write them again, and all other objects."""
    module = f"{settlements.__name__}."
    results = {name for name in types if name == _RESULT or name.startswith(module)}
    others = {name: number for name, number in types.items() if name not in results}
    return sum(types[name] for name in results), others


def _row(part: Sequence[tuple[float, Figures]], names: Sequence[str]) -> str:
    values = [median(figures[name] for _, figures in part) for name in names]
    cells = (f"{value:{len(name)},.1f}" for name, value in zip(names, values, strict=True))
    return f"{part[0][0]:7.0f}  " + "  ".join(cells)


class ProcessFigures:
    """Reads the figures of a gateway that runs as `tests.faults.soak.inspected`."""

    def __init__(self, gateway: Service, admin_port: int) -> None:
        self._gateway = gateway
        self._admin_port = admin_port
        self._file = Path(gateway.environment[OBJECTS_FILE])
        self._read_until, self._lines = 0, 0
        self._counted = (time.monotonic(), 0)

    async def read(self) -> tuple[Figures, Mapping[str, int]]:
        """Return the figures and the objects. Raises `TimeoutError` if the gateway does not answer."""
        document = await self._answer(signal.SIGUSR2, self._document)
        results, types = without_results(document["types"])
        tasks, streams, _, remembered = await self._answer(signal.SIGUSR1, self._state)
        page = await get(self._admin_port, "/metrics")
        figures = {
            "memory, MB": self._gateway.resident_mb(),
            "open files": self._gateway.open_files(),
            "threads": self._gateway.threads(),
            "tasks": tasks,
            "streams": streams,
            "objects": sum(types.values()),
            "blocks": document["blocks"],
            RESULTS: results,
            TOKENS: remembered,
            "metric series": sum(not line.startswith("#") for line in page.body.splitlines()),
            "log lines a minute": self._lines_a_minute(),
        }
        return figures, types

    async def _answer(self, number: signal.Signals, found: Callable[[], T | None]) -> T:
        found()  # forgets what an earlier signal has written
        self._gateway.send(number)
        async with asyncio.timeout(ANSWER_S):
            while (answer := found()) is None:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        return answer

    def _document(self) -> dict[str, Any] | None:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        self._file.unlink()
        return dict(document)

    def _state(self) -> Sequence[int] | None:
        with self._gateway.runs[-1].said.open("rb") as log:
            log.seek(self._read_until)
            text = log.read()
        self._read_until += len(text)
        self._lines += text.count(b"\n")
        found = _STATE.findall(text.decode(errors="replace"))
        return [int(number) for number in found[-1]] if found else None

    def _lines_a_minute(self) -> float:
        now = time.monotonic()
        (at, before), self._counted = self._counted, (now, self._lines)
        return 60.0 * (self._lines - before) / max(1.0, now - at)


async def store_figures(port: int) -> Figures | None:
    """Return the figures of the store; None while it is away."""
    try:
        async with asyncio.timeout(1.0), valkey.asyncio.Valkey(port=port) as client:
            info, keys = await client.info(), await client.dbsize()
    except (ValkeyError, OSError, TimeoutError):
        return None
    return {
        "keys": keys,
        "memory of the store, MB": info["used_memory"] / 1e6,
        "clients": info["connected_clients"],
    }
