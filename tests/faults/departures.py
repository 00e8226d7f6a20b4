"""The gateway is stopped: by SIGTERM with a long backlog, without Connect, with callers that do not read."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from tests.faults.bars import Check, Finding, found
from tests.faults.callers import dial_requests
from tests.faults.wire import WireStream, streams_to
from tests.faults.world import World, world_of

CAMPAIGN = "campaign-a"
WINDOW = 30_000
"""Unanswered requests that a stream may have here: more answers than fit unread into the connection."""


@dataclass(frozen=True, slots=True)
class Departure:
    """The exit code, and the seconds from the first signal to the end of the process."""

    exit_code: int
    out_s: float

    def finding(self, title: str, world: World, *, out_s: float, code: int = 0) -> Finding:
        """Return the departure with its bars."""
        return found(
            title,
            world.verdict(),
            Check("out after, s", self.out_s, "{:.2f}", at_most=out_s),
            Check(f"exit code, {code}", self.exit_code, "{:.0f}", at_least=code, at_most=code),
        )


async def backlog(queued: int = 10_000, grace_s: float = 5.0, slack_s: float = 1.0) -> Finding:
    """SIGTERM with a backlog much longer than the grace allows to send."""
    async with _queued(queued, grace_s) as (world, streams):
        seen = await _leave(world, streams)
        title = f"SIGTERM with {queued:,} queued at 10 calls a second, grace {grace_s:g} s"
        return seen.finding(title, world, out_s=grace_s + slack_s)


async def connect_down(queued: int = 10_000, grace_s: float = 5.0, slack_s: float = 1.0) -> Finding:
    """SIGTERM with a backlog while Connect refuses connections."""
    async with _queued(queued, grace_s, connect_is_up=False) as (world, streams):
        seen = await _leave(world, streams)
        title = f"SIGTERM with {queued:,} queued and Connect down, grace {grace_s:g} s"
        return seen.finding(title, world, out_s=grace_s + slack_s)


async def unread(
    queued: int = 10_000, grace_s: float = 5.0, slack_s: float = 1.0, deaf: int = 20_000
) -> Finding:
    """SIGTERM with a backlog, a large part of it from a caller that does not read.

    The other callers get their answers; the answers that the unread stream holds in the end are true.
    """
    async with (
        _queued(queued, grace_s) as (world, streams),
        streams_to(world.target, CAMPAIGN, world.recorder) as (deaf_one,),
    ):
        await deaf_one.send(dial_requests(deaf, "d" * 190))
        await deaf_one.taken()
        deaf_one.gone()
        seen = await _leave(world, streams)
        cut_off = "cut off" in world.gateway.said()
        await deaf_one.read()
        title = (
            f"SIGTERM with {queued:,} queued and {deaf:,} of a caller who does not read, grace {grace_s:g} s"
        )
        finding = seen.finding(title, world, out_s=grace_s + slack_s)
        return replace(finding, checks=[*finding.checks, Check("a caller was cut off", cut_off, "{:.0f}")])


async def forced(
    queued: int = 10_000, grace_s: float = 60.0, slack_s: float = 1.0, second_after_s: float = 1.0
) -> Finding:
    """A second SIGTERM long before the grace is over: all is answered at once, and the exit code says so.

    Connect accepts the calls in flight, and never answers them.
    """
    async with _queued(queued, grace_s) as (world, streams):
        await world.faults([{"kind": "no_answer", "after_work": True}])
        seen = await _leave(world, streams, second_after_s)
        title = f"SIGTERM with {queued:,} queued, grace {grace_s:g} s, and another {second_after_s:g} s later"
        return seen.finding(title, world, out_s=second_after_s + slack_s, code=1)


@asynccontextmanager
async def _queued(
    queued: int, grace_s: float, *, connect_is_up: bool = True, streams: int = 2
) -> AsyncIterator[tuple[World, list[WireStream]]]:
    """Run a gateway that has read `queued` requests, from streams that stay open."""
    settings = {"drain_grace": str(grace_s), "would_expire": "off", "stream_window": str(WINDOW)}
    async with (
        world_of(rate=10, connect_is_up=connect_is_up, settings=settings) as world,
        streams_to(world.target, CAMPAIGN, world.recorder, streams) as opened,
    ):
        for number, stream in enumerate(opened):
            await stream.send(dial_requests(queued // streams, f"t{number}"))
            await stream.taken()
        yield world, opened


async def _leave(
    world: World, streams: Sequence[WireStream], second_after_s: float | None = None
) -> Departure:
    """Send the gateway SIGTERM, and read the streams to their ends."""
    world.gateway.send(signal.SIGTERM)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(stream.read())
        if second_after_s is not None:
            await asyncio.sleep(second_after_s)
            world.gateway.send(signal.SIGTERM)
        code = await world.gateway.ended(within_s=120)
        return Departure(code, time.monotonic() - began)
