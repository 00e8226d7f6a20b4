"""`python -m conformance.speed [CLIENT ...]`: how fast each client sends on one stream, and at what cost.

All clients send to the same gateway, in turns, with a Connect that accepts everything at once. The numbers
are those of the best of several rounds, since other programs only make a round worse. Go and Java must be at
least as fast as the Python client, and use at most a quarter of its processor time.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import KEYS, gateway, sink
from benchmarks.quota.bars import Check, Result, show
from conformance.caller import Caller, caller_of
from conformance.programs import PROGRAMS, absent

REQUESTS, ROUNDS = 50_000, 8
COMPARED = ("go", "java")


class Speed(NamedTuple):
    """Dial requests a second, and the client's processor time of each in microseconds."""

    per_s: float
    processor_us: float


async def measure(clients: Sequence[str]) -> Mapping[str, Speed]:
    """Return the best numbers of each client."""
    with (
        sink() as url,
        gateway(url, KEYS, call_rate="0", stream_window="20000") as (target, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        async with AsyncExitStack() as stack:
            callers = [
                await stack.enter_async_context(caller_of(client, Path(folder), target)) for client in clients
            ]
            rounds = [[await _sent(caller, number) for caller in callers] for number in range(ROUNDS + 1)]
    measured = zip(*rounds[1:], strict=True)  # the first warms up; a JIT compiler needs some more
    return {
        client: Speed(max(each.per_s for each in speeds), min(each.processor_us for each in speeds))
        for client, speeds in zip(clients, measured, strict=True)
    }


async def _sent(caller: Caller, number: int) -> Speed:
    before, began = await _processor_s(caller), time.monotonic()
    call = caller.generate(REQUESTS, f"r{number}-", quiet=True)
    await call.ended()
    took_s = time.monotonic() - began
    counts = call.others[0]["counts"]
    if call.error or counts != {"ACCEPTED": REQUESTS}:
        raise RuntimeError(f"{caller.client}: {call.end}, {counts}")
    used_s = await _processor_s(caller) - before
    return Speed(REQUESTS / took_s, used_s / REQUESTS * 1e6)


async def _processor_s(caller: Caller) -> float:
    return float((await caller.operate("memory")).others[0]["cpu_s"])


def compared(speeds: Mapping[str, Speed]) -> Result:
    """Return the numbers next to their bars."""
    python, checks = speeds["python"], []
    for client, speed in speeds.items():
        bound = client in COMPARED
        checks += [
            Check(f"{client}: dial requests a second", speed.per_s, "{:,.0f}"),
            Check(f"{client}: of Python's rate", speed.per_s / python.per_s, at_least=1.0 if bound else None),
            Check(f"{client}: processor time of a dial, µs", speed.processor_us, "{:.1f}"),
            Check(
                f"{client}: of Python's processor time",
                speed.processor_us / python.processor_us,
                at_most=0.25 if bound else None,
            ),
        ]
    return Result("one stream of each client", checks)


def main() -> int:
    """Measure the named clients, or all that are built."""
    clients = [client for client in sys.argv[1:] or PROGRAMS if not absent(client)]
    result = compared(asyncio.run(measure(["python", *(set(clients) - {"python"})])))
    show(result)
    return int(bool(result.failed))


if __name__ == "__main__":
    sys.exit(main())
