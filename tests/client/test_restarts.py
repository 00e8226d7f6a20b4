"""The clients and dialctl beside real gateway processes that are killed and restarted in the middle.

The judge is the simulated Connect's journal: everything accepted, and nothing dialed twice.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path

import pytest

from dialgateway import DialGatewayClient, DialResult, RetryPolicy, SyncDialGatewayClient
from tests.client.processes import World, world
from tests.client.scripted import PHONE, requests

COUNT = 3000
POLICY = RetryPolicy(longest_pause=timedelta(seconds=0.5), give_up_after=timedelta(seconds=30))


async def killed(gateway: World) -> None:
    await gateway.kill()
    await gateway.start()


async def restarted(gateway: World) -> None:
    assert await gateway.leave() == 0
    await gateway.start()


def complete(results: list[DialResult], dialed: Counter[str]) -> None:
    """Each request is answered once, ACCEPTED, and Connect was asked once to dial it."""
    tokens = [f"t-{number}" for number in range(COUNT)]
    assert [result.client_token for result in sorted(results, key=lambda result: result.index)] == tokens
    assert Counter(result.outcome.value for result in results) == {"ACCEPTED": COUNT}
    assert dialed == Counter(tokens)


@pytest.mark.parametrize("end", [killed, restarted])
async def test_a_stream_outlives_its_gateways(
    reserved_port: int, end: Callable[[World], Coroutine[None, None, None]]
) -> None:
    """Three gateways end in the middle, killed or told to leave: all is accepted, and nobody dialed twice."""
    async with (
        world(reserved_port, "--latency", "0.02") as gateway,
        DialGatewayClient(gateway.target, retry=POLICY, window=400) as client,
        asyncio.timeout(60),
    ):
        results: list[DialResult] = []
        ends: set[asyncio.Task[None]] = set()
        async for result in client.dial("c", requests(COUNT)):
            results.append(result)
            if len(results) in {300, 1100, 2000}:
                # Beside the loop, so that answers are read on while the gateway ends.
                ends.add(asyncio.create_task(end(gateway)))
        await asyncio.gather(*ends)
        complete(results, await gateway.accepted())


async def test_a_synchronous_stream_outlives_a_gateway(reserved_port: int) -> None:
    """The same without asyncio in the caller."""
    async with world(reserved_port, "--latency", "0.02") as gateway:
        half = asyncio.Event()
        loop = asyncio.get_running_loop()

        def dial() -> list[DialResult]:
            results = []
            with SyncDialGatewayClient(gateway.target, retry=POLICY, window=400) as client:
                for result in client.dial("c", requests(COUNT)):
                    results.append(result)
                    if len(results) == COUNT // 3:
                        loop.call_soon_threadsafe(half.set)
            return results

        dialing = asyncio.create_task(asyncio.to_thread(dial))
        async with asyncio.timeout(60):
            await half.wait()
            await killed(gateway)
            complete(await dialing, await gateway.accepted())


async def test_dialctl_outlives_its_gateway_and_itself(reserved_port: int, tmp_path: Path) -> None:
    """A gateway killed, dialctl killed and run again: every lead accepted in the end, nobody dialed twice."""
    leads, results = tmp_path / "leads.csv", tmp_path / "leads.results.csv"
    leads.write_text("client_token,phone_number\n" + "".join(f"t-{n},{PHONE}\n" for n in range(COUNT)))

    async def send() -> asyncio.subprocess.Process:
        words = ("send", str(leads), "--campaign", "c", "--expires-in", "10m", "--quiet")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dialgateway.dialctl", *words, "--gateway", gateway.target),
            env=dict(os.environ),
        )

    async def lines(count: int) -> None:
        while not results.exists() or results.read_bytes().count(b"\n") <= count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async with world(reserved_port, "--latency", "0.05") as gateway, asyncio.timeout(60):
        sending = await send()
        await lines(400)
        await killed(gateway)
        await lines(1200)
        sending.kill()
        await sending.wait()
        before = results.read_bytes()
        sending = await send()
        assert await sending.wait() == 0
        assert results.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
        assert await gateway.accepted() == Counter(f"t-{number}" for number in range(COUNT))
    with results.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["client_token"] for row in rows) == Counter(f"t-{number}" for number in range(COUNT))
    assert {row["outcome"] for row in rows} == {"ACCEPTED"}
