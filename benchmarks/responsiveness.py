"""How late the event loop is while 200,000 dial requests are accepted, expire or are refused at once.

The gateway runs as a process of its own, with its garbage collector and its sender as served. `probed.py`
measures in it.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.backlog import CALL, COUNT, WAITING, Contents, queued
from benchmarks.earlier import NOW, Versions, versions
from benchmarks.lag import BAR_MS
from benchmarks.processes import gateway, refusing_sink, sink
from benchmarks.quota.bars import Check, Result, show

OURS = str(Path(__file__).resolve().parents[1])
"""Where Python finds `benchmarks.probed`, after the version of the gateway that is measured."""
FILL_S, HEADROOM_S = 30.0, 5.0
"""Seconds in which the gateway is filled before its requests begin to expire; its headroom of an expiry."""
ANSWERED_S = 120.0


class Lag(NamedTuple):
    """The longest lateness and the 99.9th percentile, in milliseconds.

    The second pair counts only processor time of the loop's thread: what the machine's other programs do adds
    nothing to it.
    """

    longest_ms: float
    max_ms: float
    longest_processor_ms: float
    max_processor_ms: float


class Probed(NamedTuple):
    """A gateway whose lateness is measured."""

    target: str
    pid: int
    file: Path

    async def lag(self) -> Lag:
        """Return the lateness since the last call."""
        before = self._lines()
        os.kill(self.pid, signal.SIGUSR2)
        async with asyncio.timeout(30):
            while len(lines := self._lines()) == len(before):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.02)
        return Lag(*map(float, lines[-1].split()))

    def _lines(self) -> list[str]:
        return self.file.read_text(encoding="ascii").splitlines()


def run() -> bool:
    """Measure and print; return whether the bars are met."""
    with versions() as environments:
        found = compare(environments)
    show(found)
    return not found.failed


def compare(environments: Versions) -> Result:
    """Measure every version in all situations. Only this version has to meet the bar."""
    checks = []
    for situation, measured in SITUATIONS.items():
        for name, environment in environments.items():
            lag = measured(environment)
            bar = BAR_MS if name == NOW else None
            title = f"{COUNT:,} {situation}, {name}"
            checks += [
                Check(f"ms of lag, 99.9th percentile, {title}", lag.max_ms, "{:.1f}", at_most=bar),
                Check("  of it in processor time", lag.max_processor_ms, "{:.1f}"),
                Check(f"ms of lag, longest, {title}", lag.longest_ms, "{:.1f}"),
                Check("  of it in processor time", lag.longest_processor_ms, "{:.1f}"),
            ]
    return Result("lag of the event loop", checks)


@contextmanager
def _probed(url: str, environment: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[Probed]:
    with tempfile.NamedTemporaryFile(prefix="lag-") as file:
        path = ":".join(filter(None, (environment.get("PYTHONPATH"), OURS)))
        variables = {**environment, "PYTHONPATH": path, "LAG_FILE": file.name}
        with gateway(url, variables, "benchmarks.probed", **settings) as (target, pid):
            yield Probed(target, pid, Path(file.name))


def _accepted(environment: Mapping[str, str]) -> Lag:
    settings = {**WAITING, "call_rate": "0"}
    with sink() as url, _probed(url, environment, settings) as probed:
        return asyncio.run(_until_answered(probed, "OUTCOME_ACCEPTED"))


async def _until_answered(probed: Probed, outcome: str) -> Lag:
    await probed.lag()
    async with queued(probed.target, Contents()) as backlog:
        async with asyncio.timeout(ANSWERED_S):
            await backlog.answered.wait()
        _check(backlog.outcomes, outcome)
        return await probed.lag()


def _expired(environment: Mapping[str, str]) -> Lag:
    with sink() as url, _probed(url, environment, WAITING) as probed:
        return asyncio.run(_until_expired(probed))


async def _until_expired(probed: Probed) -> Lag:
    begin = time.time() + FILL_S
    contents = Contents(expires_at=begin + HEADROOM_S, spread_s=1.0)
    async with queued(probed.target, contents) as backlog:
        assert time.time() < begin, "the gateway must be full before anything expires"
        await asyncio.sleep(begin - 0.5 - time.time())
        await probed.lag()
        async with asyncio.timeout(ANSWERED_S):
            await backlog.answered.wait()
        _check(backlog.outcomes, "OUTCOME_EXPIRED")
        return await probed.lag()


def _refused(environment: Mapping[str, str]) -> Lag:
    settings = {**WAITING, "call_timeout": "60"}
    with refusing_sink() as (url, refuse), _probed(url, environment, settings) as probed:
        return asyncio.run(_until_refused(probed, refuse))


async def _until_refused(probed: Probed, refuse: Callable[[], None]) -> Lag:
    async with queued(probed.target, Contents(campaigns=1)) as backlog:
        await probed.lag()
        refuse()
        async with asyncio.timeout(ANSWERED_S):
            await backlog.answered.wait()
        _check(backlog.outcomes, "OUTCOME_REJECTED")
        return await probed.lag()


def _check(outcomes: Counter[str], expected: str) -> None:
    """Check that all requests but those of one call had the expected outcome."""
    assert outcomes[expected] >= COUNT - CALL, f"not all were {expected}: {outcomes}"


SITUATIONS = {
    "are accepted": _accepted,
    "expire within a second": _expired,
    "are refused at once": _refused,
}
