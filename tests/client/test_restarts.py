"""The clients and dialctl with real gateway processes that are killed and restarted.

The journal of the simulated Connect shows that everything was accepted, and nobody was dialed twice.
"""

from __future__ import annotations

import asyncio
import csv
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path

import pytest

from dialgateway import DialGatewayClient, DialResult, RetryPolicy, SyncDialGatewayClient
from tests import preloaded
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
    """Check that each request has one answer, ACCEPTED, and that Connect has dialed it once."""
    tokens = [f"t-{number}" for number in range(COUNT)]
    assert [result.client_token for result in sorted(results, key=lambda result: result.index)] == tokens
    assert Counter(result.outcome.value for result in results) == {"ACCEPTED": COUNT}
    assert dialed == Counter(tokens)


@pytest.mark.parametrize("end", [killed, restarted])
async def test_a_stream_survives_restarts_of_the_gateway(
    reserved_port: int, end: Callable[[World], Coroutine[None, None, None]]
) -> None:
    """Three gateways end during the stream, killed or shut down; nobody is dialed twice."""
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
                # In a task of its own, so that answers are still read while the gateway ends.
                ends.add(asyncio.create_task(end(gateway)))
        await asyncio.gather(*ends)
        complete(results, await gateway.accepted())


async def test_a_synchronous_stream_survives_a_restart_of_the_gateway(reserved_port: int) -> None:
    """The same for a caller without asyncio."""
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


async def test_a_list_survives_kills_of_the_gateway_and_of_dialctl(
    reserved_port: int, tmp_path: Path
) -> None:
    """Every lead is accepted in the end, and nobody is dialed twice."""
    leads, results = tmp_path / "leads.csv", tmp_path / "leads.results.csv"
    leads.write_text("client_token,phone_number\n" + "".join(f"t-{n},{PHONE}\n" for n in range(COUNT)))

    async def send() -> preloaded.Process:
        words = ("send", str(leads), "--campaign", "c", "--expires-in", "10m", "--quiet")
        return await preloaded.start(
            *("dialgateway.dialctl", *words, "--gateway", gateway.target),
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
