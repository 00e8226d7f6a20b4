"""The resources of a process over time: memory, file descriptors and tasks, sampled while it works."""

import asyncio
import re
import signal
import time
from dataclasses import dataclass
from statistics import fmean

from tests.faults.processes import Service

EVERY_S = 1.0
ANSWER_S = 5.0
_STATE = re.compile(
    r"state: (\d+) tasks, (\d+) streams, (\d+) dial requests outstanding.* (\d+) tokens remembered"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. `at_s` is in seconds from the first."""

    at_s: float
    memory_mb: float
    files: int
    tasks: int
    streams: int
    held: int
    remembered: int


async def look(gateway: Service, began: float) -> Sample | None:
    """Sample a gateway's state and process; None if it does not answer."""
    before = len(_STATE.findall(gateway.said()))
    gateway.send(signal.SIGUSR1)
    give_up_at = time.monotonic() + ANSWER_S
    while len(found := _STATE.findall(gateway.said())) == before:
        if time.monotonic() > give_up_at:
            return None
        await asyncio.sleep(0.02)
    tasks, streams, held, remembered = (int(text) for text in found[-1])
    return Sample(
        time.monotonic() - began,
        gateway.resident_mb(),
        gateway.open_files(),
        tasks,
        streams,
        held,
        remembered,
    )


class Trend:
    """The samples of a run."""

    def __init__(self, gateway: Service) -> None:
        self.samples: list[Sample] = []
        self._gateway = gateway
        self._began = time.monotonic()

    async def run(self) -> None:
        """Sample every second until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> Sample:
        """Take one sample. Raises `TimeoutError` if the gateway does not answer."""
        sample = await look(self._gateway, self._began)
        if sample is None:
            raise TimeoutError("the gateway does not say how it is")
        self.samples.append(sample)
        return sample

    def half(self, which: int, warm_up_s: float, end_s: float) -> list[Sample]:
        """Return the samples of the first (0) or second (1) half of the time after the warm-up."""
        middle_s = (warm_up_s + end_s) / 2
        begin_s, until_s = ((warm_up_s, middle_s), (middle_s, end_s))[which]
        return [sample for sample in self.samples if begin_s <= sample.at_s < until_s]

    def table(self, rows: int = 12) -> list[str]:
        """Return the trend as lines, one per part of the run: means, and maxima of tasks and files."""
        size = max(1, -(-len(self.samples) // rows))
        parts = [self.samples[at : at + size] for at in range(0, len(self.samples), size)]
        head = "from, s  memory, MB  files  tasks  streams    held  remembered"
        return [head, *(_row(part) for part in parts)]


def _row(part: list[Sample]) -> str:
    return (
        f"{part[0].at_s:7.0f}  {fmean(sample.memory_mb for sample in part):10.1f}"
        f"  {max(sample.files for sample in part):5}  {max(sample.tasks for sample in part):5}"
        f"  {max(sample.streams for sample in part):7}  {max(sample.held for sample in part):6,}"
        f"  {max(sample.remembered for sample in part):10,}"
    )
