"""A silent connection is detected, and requests that only its caller waited for are dropped unsent."""

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


async def outstanding(world: World, count: int) -> None:
    """Wait until `count` requests are outstanding."""
    await until(lambda: world.gateway.engine.outstanding == count)


async def test_a_relay_that_swallows_bytes() -> None:
    """If a relay swallows every byte, the gateway closes the connection and drops its queued requests."""
    async with world_of(**QUICK) as world, relay_to(world.port) as relay:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
            caller = Caller(stub_of(channel).StreamDialRequests())
            await caller.send(dial("silent"))
            await outstanding(world, 1)
            await asyncio.sleep(2.5)
            # its pings are answered: the connection is idle, not silent
            assert world.gateway.engine.outstanding == 1
            relay.fall_silent()
            await outstanding(world, 0)
            await until(lambda: relay.ended)
        assert world.calls() == []


async def test_a_stopped_caller_process() -> None:
    """A stopped caller process with open sockets is detected like one that is gone."""
    async with world_of(**QUICK) as world:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT_PROCESS, world.target, env=dict(os.environ)
        )
        try:
            await outstanding(world, 10)
            process.send_signal(signal.SIGSTOP)
            await outstanding(world, 0)
        finally:
            process.kill()
            await process.wait()
        assert world.calls() == []
