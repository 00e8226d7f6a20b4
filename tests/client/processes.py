"""A gateway process, killed and started again on its port, and a simulated Connect in another process."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

from tests import preloaded

_SIMULATOR = re.compile(r"http://\S+?:\d+")
_SERVING = re.compile(r"serving gRPC on \S+:(\d+)")
PATIENCE_S = 60.0


async def _spawn(*words: str, environment: dict[str, str]) -> preloaded.Process:
    return await preloaded.start(
        *("gateway", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )


async def _end(process: preloaded.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


async def _says(process: preloaded.Process, pattern: re.Pattern[str]) -> re.Match[str]:
    """Read the output of a process until it contains a text."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(PATIENCE_S):
        while (found := pattern.search(said)) is None:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return found


@dataclass
class World:
    """Both processes; the gateway can be killed, or shut down, and started again."""

    port: int
    simulator: str
    gateway: preloaded.Process | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.gateway = await _spawn(
            "serve",
            environment={
                "DIAL_GATEWAY_LISTEN": self.target,
                "DIAL_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
                "DIAL_GATEWAY_CALL_RATE": "0",
                "AWS_ENDPOINT_URL_CONNECTCAMPAIGNS": self.simulator,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "simulator",
                "AWS_SECRET_ACCESS_KEY": "simulator",
                **self.settings,
            },
        )
        await _says(self.gateway, _SERVING)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        assert self.gateway is not None
        await _end(self.gateway)

    async def leave(self) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        assert self.gateway is not None
        self.gateway.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await self.gateway.communicate()
        assert self.gateway.returncode is not None
        return self.gateway.returncode

    async def accepted(self) -> Counter[str]:
        """How often Connect has taken each token as a new dial."""
        return await asyncio.to_thread(self._accepted)

    def _accepted(self) -> Counter[str]:
        with urlopen(f"{self.simulator}/_control/journal", timeout=10) as response:  # noqa: S310 - loopback
            calls: list[dict[str, Any]] = json.load(response)["calls"]
        taken = [item for call in calls for item in call["accepted"]]
        return Counter(item["token"] for item in taken if not item["replayed"])


@asynccontextmanager
async def world(port: int, *simulator: str, **settings: str) -> AsyncIterator[World]:
    """Start the simulated Connect, then the gateway."""
    process = await _spawn("simulator", "--port", "0", "--rate", "0", *simulator, environment={})
    try:
        found = await _says(process, _SIMULATOR)
        # The rest of its output is small and stays in the pipe.
        made = World(port, found[0], settings=settings)
        await made.start()
        try:
            yield made
        finally:
            await made.kill()
    finally:
        await _end(process)
