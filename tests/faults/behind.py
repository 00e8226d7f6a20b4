"""Other events with a proxy: silence before and after it, a gateway that joins late, and GOAWAY."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dialgateway import DialGatewayClient
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import SteadyCaller, dial_requests, heard, sent, steady_callers
from tests.faults.path import GOAWAY, Path, path_to
from tests.faults.proxies import Upstream, before, proxied
from tests.faults.world import World, world_of
from tests.integration.admin import scrape

CAMPAIGN = "campaign-a"
SILENCE_S = 3.0
"""Seconds of a stream's silence that a proxy allows here; the published configurations allow half an hour."""
LIMIT_S = 20.0
"""Seconds after which a fault run stops waiting for an expected event."""


async def silence(name: str, noticed_s: float = 3 * SILENCE_S) -> Finding:
    """A connection goes silent before the proxy, and then the gateway's host: the caller reconnects.

    The client's pings detect the first. HAProxy's checks, or nginx's time-out for silent streams, detect the
    second, and the gateway's own pings detect the streams that it has lost.
    """
    async with (
        world_of(settings={"keepalive": "1", "keepalive_timeout": "1"}) as world,
        path_to(world.target) as behind,
        path_to(f"127.0.0.1:{world.admin_ports[0]}", of_http2=False) as admin,
        proxied(name, world.folder, [Upstream(behind.target, admin.port)], silence_s=SILENCE_S) as proxy,
        path_to(proxy.target) as front,
    ):
        caller = SteadyCaller(front.target, world.recorder, keepalive_s=1.0, expires_in_s=LIMIT_S + 5)
        async with asyncio.timeout(4 * LIMIT_S), asyncio.TaskGroup() as group:
            group.create_task(caller.dial(CAMPAIGN, "t"))
            noticed = [await _silent(paths, front, caller) for paths in ([front], [behind, admin])]
            caller.enough()
        return found(
            f"silence before {name}, and behind it where it allows a stream {SILENCE_S:g} s",
            world.verdict(),
            Check("before it: noticed after, s", noticed[0], "{:.1f}", at_most=noticed_s),
            Check("behind it: noticed after, s", noticed[1], "{:.1f}", at_most=noticed_s),
            Check("streams left at the gateway", await _streams_left(world), "{:.0f}", at_most=0),
            accepted_percent=100.0,
        )


async def spread(name: str, callers: int = 20, age_s: float = 6.0, least_percent: float = 30.0) -> Finding:
    """A gateway joins when every caller is at another one: it gets its share as streams reach their age."""
    async with (
        world_of(gateways=2, begun=1, settings={"stream_max_age": str(age_s)}) as world,
        before(world, name) as proxy,
    ):
        async with steady_callers(proxy.target, world.recorder, callers, per_s=10.0):
            await asyncio.sleep(1.0)
            await world.gateways[1].start()
            percent, took_s = await _spread_over_both(world, least_percent)
        return found(
            f"a second gateway joins {callers} callers behind {name}, streams of {age_s:g} s",
            world.verdict(),
            Check("of the streams at the second, %", percent, "{:.0f}", at_least=least_percent),
            Check("after, s", took_s, "{:.1f}", at_most=max(LIMIT_S, 3 * age_s)),
            accepted_percent=100.0,
        )


async def goaway(name: str, answers: int = 200) -> Finding:
    """The proxy sends GOAWAY during a stream: the stream continues, and new calls use another connection.

    Both proxies send it when they are reloaded or a connection has carried many calls, each in its own way.
    """
    few_calls = {"client_max_body_size 0;": "client_max_body_size 0; keepalive_requests 5;"}
    async with (
        world_of() as world,
        before(world, name, more=few_calls if name == "nginx" else None) as proxy,
        path_to(proxy.target) as path,
    ):
        with _connections_lost() as lost:
            async with steady_callers(path.target, world.recorder) as (caller,):
                await caller.more_answers(answers // 4, LIMIT_S)
                await proxy.reload()
                for number in range(10):
                    await _put(caller.client, world, f"p{number}")
                await caller.more_answers(answers, LIMIT_S)
                told, lost_then = path.frames[GOAWAY], len(lost)
        return found(
            f"{name} says GOAWAY in the middle of a stream",
            world.verdict(),
            Check("GOAWAYs meanwhile", told, "{:.0f}", at_least=1),
            Check("connections", path.connections, "{:.0f}", at_least=2),
            Check("streams that it cost", lost_then, "{:.0f}", at_most=0),
            Check("longest gap between answers, s", caller.longest_gap_s, "{:.2f}"),
            accepted_percent=100.0,
        )


async def _silent(paths: Sequence[Path], front: Path, caller: SteadyCaller) -> float:
    """Make paths silent until the caller connects to the proxy again; return the seconds that this took."""
    await caller.more_answers(50, LIMIT_S)
    began, known = time.monotonic(), front.connections
    for path in paths:
        path.fall_silent(wholly=path is not front)
    while front.connections == known and time.monotonic() < began + LIMIT_S:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    took_s = time.monotonic() - began
    for path in paths:
        path.serve_new_connections()
    await caller.more_answers(1, LIMIT_S)  # raises if the silence went unnoticed
    return took_s


async def _streams(world: World, number: int = 0) -> float:
    """Return how many streams a gateway has."""
    return (await scrape(world.admin_ports[number])).value("dial_gateway_streams_open")


async def _streams_left(world: World) -> float:
    """Return how many streams the gateway has after those over silent connections should have ended."""
    end = time.monotonic() + LIMIT_S
    while (left := await _streams(world)) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return left


async def _spread_over_both(world: World, least_percent: float) -> tuple[float, float]:
    """Wait until the second gateway has its share of the streams; return the percentage, and the time it
    took.
    """
    began, percent = time.monotonic(), 0.0
    while percent < least_percent and time.monotonic() < began + LIMIT_S:
        await asyncio.sleep(0.1)
        first, second = [await _streams(world, number) for number in range(2)]
        percent = 100.0 * second / max(1.0, first + second)
    return percent, time.monotonic() - began


async def _put(client: DialGatewayClient, world: World, prefix: str) -> None:
    """Send one request by the unary call, over the connection that the client uses for new calls."""
    record, (request,) = world.recorder.stream("put"), dial_requests(1, prefix)
    sent(record, CAMPAIGN, request)
    (result,) = await client.put(CAMPAIGN, [request], timeout=LIMIT_S)
    heard(record, 0, result)


@contextmanager
def _connections_lost() -> Iterator[list[str]]:
    """Collect the client's log lines about connections that ended unexpectedly."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener()
    logging.getLogger("dialgateway").addHandler(listener)
    try:
        yield said
    finally:
        logging.getLogger("dialgateway").removeHandler(listener)
