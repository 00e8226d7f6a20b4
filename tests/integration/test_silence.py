"""A connection gone silent is noticed: what only its caller waited for is dropped unsent."""

import asyncio
import os
import signal
import sys
from typing import Any

import grpc.aio

from tests.integration.relay import relay_to
from tests.integration.test_gone import CLIENT_PROCESS
from tests.integration.world import Caller, World, dial, stub_of, until, world_of

QUICK: dict[str, Any] = {"keepalive": 1.0, "keepalive_timeout": 1.0, "linger": 60.0}


async def held(world: World, count: int) -> None:
    """Wait until the gateway holds so many requests."""
    await until(lambda: world.gateway.engine.outstanding == count)


async def test_a_path_that_swallows_bytes() -> None:
    """Where a relay in between swallows every byte, the gateway closes the connection and drops its queue."""
    async with world_of(**QUICK) as world, relay_to(world.port) as relay:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
            caller = Caller(stub_of(channel).StreamDialRequests())
            await caller.send(dial("silent"))
            await held(world, 1)
            await asyncio.sleep(2.5)
            assert world.gateway.engine.outstanding == 1  # its pings are answered: it is idle, not silent
            relay.fall_silent()
            await held(world, 0)
            await until(lambda: relay.ended)
        assert world.calls() == []


async def test_a_caller_that_stands_still() -> None:
    """A caller's process that is stopped, with its sockets open, is noticed like one that is gone."""
    async with world_of(**QUICK) as world:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT_PROCESS, world.target, env=dict(os.environ)
        )
        try:
            await held(world, 10)
            process.send_signal(signal.SIGSTOP)
            await held(world, 0)
        finally:
            process.kill()
            await process.wait()
        assert world.calls() == []
