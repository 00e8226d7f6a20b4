"""A fleet of gateways with a shared state: the store fails, gateways end and return, campaigns are held.

Each gateway has a caller of its own. Two more callers send the same tokens through two gateways at once. The
account has a quota, which the fleet must never exceed.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import valkey.asyncio

from dialgateway import DialGatewayClient
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import SteadyCaller, dial_requests
from tests.faults.fleet_world import fleet_world
from tests.faults.wire import streams_to
from tests.faults.world import World

RATE, BURST = 20.0, 10.0
PER_S, OF_TWINS = 60.0, 1 / 3
"""Dial requests a second of each gateway's own caller, and the part of them that each of the two callers with
the same tokens sends."""
BEFORE_S = 1.0
"""Seconds of undisturbed load before the first fault."""
FEW = 3
"""Answers that each caller gets until a fault counts as overcome."""
OVERCOME_S = 20.0
HELD = "campaign-0"
BACKLOG, BACKLOG_RATE = 1900, 6.0
"""Dial requests of a backlog, and the calls a second that the account allows meanwhile."""
LOST_AFTER_S = 1.5
"""Seconds after which the fleet counts a silent gateway as lost, at most."""
BACK_S = 2.5
"""Seconds after the store's return within which all gateways know a hold that was requested without it."""

Fault = Callable[[World], Coroutine[Any, Any, None]]


async def store_faults(
    away_s: float = 5.0, hung_s: float = 5.0, held_s: float = 3.0, rounds: int = 3, per_s: float = PER_S
) -> Finding:
    """The store gets SIGKILL and restarts, hangs, and loses all its data; a hold is requested without it."""
    faults = [killed_store(away_s), hung_store(hung_s), flushed_store] * rounds
    faults.append(held_without_the_store(held_s))
    title = f"the store killed, hung and flushed {rounds} times, a hold without it"
    return await under(faults, title, per_s=per_s)


async def gateway_faults(
    partitioned_s: float = 5.0,
    settle_s: float = 2.0,
    held_s: float = 3.0,
    rounds: int = 3,
    per_s: float = PER_S,
) -> Finding:
    """Gateways get SIGKILL, lose the store, and are replaced by SIGTERM; holds survive a restart of all."""
    faults: list[Fault] = []
    for number in range(rounds):
        faults += [killed_gateway(number % 3), partitioned((number + 1) % 3, partitioned_s)]
        faults.append(held_and_released((number + 2) % 3, held_s))
    faults += [replaced(number, settle_s) for number in range(3)]
    faults.append(held_over_a_restart(held_s))
    title = f"gateways killed, cut off, replaced, and campaigns held: {len(faults)} faults"
    return await under(faults, title, per_s=per_s, links=True)


def killed_store(away_s: float) -> Fault:
    async def fault(world: World) -> None:
        assert world.store is not None
        await world.store.kill()
        await asyncio.sleep(away_s)
        await world.store.start()

    return fault


def hung_store(for_s: float) -> Fault:
    async def fault(world: World) -> None:
        assert world.store is not None
        world.store.send(signal.SIGSTOP)
        await asyncio.sleep(for_s)
        world.store.send(signal.SIGCONT)

    return fault


async def flushed_store(world: World) -> None:
    async with valkey.asyncio.Valkey(port=world.store_port) as client:
        await client.flushall()


def killed_gateway(number: int) -> Fault:
    async def fault(world: World) -> None:
        await world.gateways[number].restart(signal.SIGKILL, away_s=0.5)

    return fault


def partitioned(number: int, for_s: float) -> Fault:
    async def fault(world: World) -> None:
        world.links[number].partitioned = True
        await asyncio.sleep(for_s)
        world.links[number].heal()
        world.links[number].cut()

    return fault


def lossy_link(number: int, for_s: float) -> Fault:
    """Delay what a gateway and the store tell each other, and lose replies for a moment."""

    async def fault(world: World) -> None:
        link = world.links[number]
        link.request_delay_s, link.reply_delay_s = 0.05, 0.2
        await asyncio.sleep(for_s)
        link.lose_replies = True
        await asyncio.sleep(0.5)
        link.heal()
        link.cut()

    return fault


def replaced(number: int, settle_s: float) -> Fault:
    async def fault(world: World) -> None:
        assert await world.gateways[number].restart(signal.SIGTERM) == 0
        await asyncio.sleep(settle_s)

    return fault


def held_and_released(
    number: int, held_s: float, credentials: grpc.ChannelCredentials | None = None
) -> Fault:
    async def fault(world: World) -> None:
        async with DialGatewayClient(world.targets[number], credentials=credentials) as client:
            world.recorder.held(HELD)
            await client.hold_campaign(HELD, "test")
            await asyncio.sleep(held_s)
            world.recorder.released(HELD)
            await client.release_campaign(HELD)

    return fault


def held_without_the_store(held_s: float) -> Fault:
    """Hold through one gateway while the store is away: it holds there at once, and everywhere later."""

    async def fault(world: World) -> None:
        assert world.store is not None
        await world.store.kill()
        await asyncio.sleep(0.5)
        async with DialGatewayClient(world.targets[0]) as client:
            world.recorder.held(HELD, replica="gateway-0")
            await client.hold_campaign(HELD, "test")
            await asyncio.sleep(1.5)
            await world.store.start()
            world.recorder.held(HELD, within_s=BACK_S)
            await asyncio.sleep(BACK_S + held_s)
            world.recorder.released(HELD)
            await client.release_campaign(HELD)

    return fault


def held_over_a_restart(held_s: float) -> Fault:
    """Hold a campaign, restart all gateways at once, and release it through another."""

    async def fault(world: World) -> None:
        async with DialGatewayClient(world.targets[0]) as client:
            world.recorder.held(HELD)
            await client.hold_campaign(HELD, "test")
        await asyncio.sleep(1.0)
        async with asyncio.TaskGroup() as group:
            for gateway in world.gateways:
                group.create_task(gateway.restart(signal.SIGTERM))
        await asyncio.sleep(held_s)
        async with DialGatewayClient(world.targets[2]) as client:
            world.recorder.released(HELD)
            await client.release_campaign(HELD)

    return fault


async def frozen_gateway(frozen_s: float = 30.0, watched_s: float = 5.0) -> Finding:
    """A gateway with a backlog is frozen; meanwhile another one gets a hold, which all others confirm."""
    settings = {"drain_grace": "2", "would_expire": "off"}
    async with fleet_world(rate=BACKLOG_RATE, burst=BURST, gateways=2, settings=settings) as world:
        dialing = [asyncio.create_task(_backlog(world, number, f"campaign-{number}")) for number in range(2)]
        async with asyncio.timeout(OVERCOME_S):
            while not world.verdict().by_replica.get("gateway-0"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        frozen, others = world.gateways[0], world.targets[1]
        frozen.send(signal.SIGSTOP)
        await asyncio.sleep(LOST_AFTER_S)
        async with DialGatewayClient(others) as client:
            world.recorder.held(HELD)
            await client.hold_campaign(HELD, "test")
        await asyncio.sleep(frozen_s)
        frozen.send(signal.SIGCONT)
        await asyncio.sleep(watched_s)
        for task in dialing:
            task.cancel()
        await asyncio.gather(*dialing, return_exceptions=True)
        verdict = world.verdict()
    return found(
        f"a gateway frozen for {frozen_s:g} s, a hold meanwhile",
        verdict,
        Check("calls over the quota", verdict.throttled, "{:,.0f}", at_most=0),
    )


async def _backlog(world: World, number: int, campaign: str) -> None:
    """Send more than a gateway can send on, and leave when cancelled."""
    async with streams_to(world.targets[number], campaign, world.recorder) as (stream,):
        stream.gone()
        await stream.ask(dial_requests(BACKLOG, f"backlog-{number}"))


async def under(faults: Iterable[Fault], title: str, *, per_s: float = PER_S, links: bool = False) -> Finding:
    """Run the faults one after the other under load; each must be overcome before the next."""
    overcome_s = [0.0]
    settings = {"drain_grace": "2", "would_expire": "off"}
    async with fleet_world(rate=RATE, burst=BURST, links=links, settings=settings) as world:
        async with _callers(world, per_s) as callers:
            await asyncio.sleep(BEFORE_S)
            for fault in faults:
                await fault(world)
                overcome_s.append(await _overcome(callers))
        verdict = world.verdict()
    return found(
        title,
        verdict,
        Check("all callers have answers again after, s", max(overcome_s), "{:.2f}", at_most=OVERCOME_S),
        Check("calls over the quota", verdict.throttled, "{:,.0f}", at_most=0),
        Check("tokens sent again", verdict.sent_again, "{:,.0f}"),
        accepted_percent=100.0,
    )


async def _overcome(callers: Sequence[SteadyCaller]) -> float:
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.more_answers(FEW, OVERCOME_S))
    return time.monotonic() - began


@asynccontextmanager
async def _callers(world: World, per_s: float) -> AsyncIterator[list[SteadyCaller]]:
    """Let callers dial throughout the block: one at each gateway, and two with the same tokens."""
    own = [SteadyCaller(target, world.recorder, per_s=per_s) for target in world.targets]
    twins = [SteadyCaller(target, world.recorder, per_s=per_s * OF_TWINS) for target in world.targets[:2]]
    async with asyncio.TaskGroup() as group:
        for number, caller in enumerate(own):
            group.create_task(caller.dial(f"campaign-{number % 2}", f"own-{number}"))
        for twin in twins:
            group.create_task(twin.dial("campaign-2", "twin"))
        yield [*own, *twins]
        for caller in (*own, *twins):
            caller.enough()
