"""A proxy that buffers requests until the stream has ended, or answers until it has.

A list that ends passes through nevertheless. A stream that stays open must not hang forever, and no answer
about its requests may be untrue.
"""

import asyncio
import time

from dialgateway import StreamBroken
from tests.faults.bars import Check, Finding, found
from tests.faults.callers import ReturningCaller, SteadyCaller, dial_requests, steady_callers
from tests.faults.path import path_to
from tests.faults.proxies import before
from tests.faults.world import World, world_of

CAMPAIGN = "campaign-a"
LIST = 50
"""Requests of a list whose stream ends."""


async def buffered_requests(waits_s: float = 3.0, told_s: float = 60.0) -> Finding:
    """HAProxy waits for the end of each stream, and gives up after `waits_s` seconds (`http-buffer-request`).

    The caller gets an error that names the unanswered requests; without the proxy all are dialed.
    """
    wrong = {
        "    option httplog\n": "    option httplog\n    option http-buffer-request\n",
        "timeout http-request 10s": f"timeout http-request {round(waits_s * 1000)}ms",
    }
    async with (
        world_of() as world,
        before(world, "haproxy", more=wrong) as proxy,
    ):
        await ReturningCaller(proxy.target, world.recorder).dial(CAMPAIGN, dial_requests(LIST, "list"))
        after_s, unanswered, sent_count = await _told(proxy.target, world)
        dials_before = world.verdict().dials
        again = dial_requests(sent_count, "t")
        await ReturningCaller(world.target, world.recorder).dial(CAMPAIGN, again)
        dials = LIST + sent_count
        return found(
            f"HAProxy buffers requests, {waits_s:g} s long",
            world.verdict(),
            Check("the caller is told after, s", after_s, "{:.1f}", at_most=told_s),
            Check("of what it had sent the error names, %", 100 * unanswered / sent_count, at_least=100),
            Check("dials of the list alone", dials_before, "{:.0f}", at_least=LIST, at_most=LIST),
            Check(
                "dials with what is sent again",
                world.verdict().dials,
                "{:,.0f}",
                at_least=dials,
                at_most=dials,
            ),
        )


async def _told(target: str, world: World) -> tuple[float, int, int]:
    """Dial until the client gives up; return when, how many requests the error names, and of how many."""
    began = time.monotonic()
    caller = SteadyCaller(target, world.recorder, per_s=10.0)
    try:
        await caller.dial(CAMPAIGN, "t")
    except StreamBroken as broken:
        caller.gone()
        return time.monotonic() - began, len(broken.unanswered), caller.sent_count
    raise AssertionError("a stream went through a proxy that buffers it")


async def buffered_answers(age_s: float = 4.0, per_s: float = 20.0) -> Finding:
    """A proxy buffers the answers of each stream until it has ended.

    No caller waits longer than the age at which the gateway ends streams, and every answer is true.
    """
    settings = {"stream_max_age": str(age_s)}
    async with world_of(settings=settings) as world, path_to(world.target, buffers_answers=True) as path:
        await ReturningCaller(path.target, world.recorder).dial(CAMPAIGN, dial_requests(LIST, "list"))
        async with steady_callers(path.target, world.recorder, per_s=per_s) as (caller,):
            await asyncio.sleep(2.5 * age_s)
        return found(
            f"answers kept to the end of their stream, which is {age_s:g} s old at most, or a fifth more",
            world.verdict(),
            Check("pauses of more than half of that", caller.pauses(age_s / 2), "{:.0f}", at_least=1),
            Check("longest gap between answers, s", caller.longest_gap_s, "{:.1f}", at_most=1.2 * age_s + 3),
            accepted_percent=100.0,
        )
