"""Gateways, Connect and the programs of several clients for one scenario."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import grpc.aio

from conformance.caller import Call, Caller, caller_of
from tests.faults.any_proxy import always_ready, first_call, proxy_before
from tests.faults.bars import Check, Finding, found
from tests.faults.certificates import Certificates
from tests.faults.pinned_proxies import PinnedProxy
from tests.faults.proxies import Proxy, Upstream, gateways_of
from tests.faults.world import World
from tests.history.checker import Verdict, judge

Findings = Mapping[str, Finding]
"""The findings of a scenario, by client."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients that run a scenario, and the proxy through which they reach the gateways, if any."""

    names: Sequence[str]
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A world, the running program of each client, and the proxy between them, if any."""

    world: World
    callers: Sequence[Caller]
    proxy: Proxy | PinnedProxy | None = None

    def verdict(self, caller: Caller) -> Verdict:
        """Compare what one client was answered with what Connect did for its campaigns."""
        own = caller.campaign("")
        calls = [call for call in self.world.calls() if (call.campaign or "").startswith(own)]
        return judge(caller.recorder.judged_with(calls))

    def findings(
        self,
        title: str,
        checks: Mapping[Caller, Sequence[Check]] | None = None,
        accepted_percent: float | None = 100.0,
    ) -> Findings:
        """Return the finding of each client: answers are true, none is missing, nobody is dialed twice."""
        return {
            caller.client: self._finding(title, caller, (checks or {}).get(caller, ()), accepted_percent)
            for caller in self.callers
        }

    def _finding(
        self, title: str, caller: Caller, more: Sequence[Check], accepted_percent: float | None
    ) -> Finding:
        verdict = self.verdict(caller)
        twice = verdict.violations.get("a_token_is_dialed_once", 0)
        checks = (*more, Check("dialed twice", twice, "{:.0f}", at_most=0))
        return found(title, verdict, *checks, accepted_percent=accepted_percent)


@asynccontextmanager
async def meeting(
    world: World,
    clients: Clients,
    target: str = "",
    *,
    certificates: Certificates | None = None,
    answers: bool = True,
    **options: str,
) -> AsyncIterator[Meeting]:
    """Run the programs of clients against a world, or `target`. `options` are their command line.

    `certificates` are those of a proxy that asks callers for theirs. With `answers`, callers begin once the
    proxy passes calls on.
    """
    async with AsyncExitStack() as stack:
        proxy = None
        if clients.proxy:
            front = _through(clients.proxy, world, target, certificates)
            proxy = await stack.enter_async_context(front)
            if answers:
                await _passes_on(proxy)
            target = proxy.target
        started = [
            await stack.enter_async_context(caller_of(client, world.folder, target or world.target, options))
            for client in clients.names
        ]
        # Wait for an answer: then the program has started, and its start is not measured.
        await asyncio.gather(*(caller.operate("memory") for caller in started))
        yield Meeting(world, started, proxy)


@asynccontextmanager
async def _through(
    name: str, world: World, target: str, certificates: Certificates | None
) -> AsyncIterator[Proxy | PinnedProxy]:
    """Run a proxy before the gateways of a world, or before `target`."""
    async with AsyncExitStack() as stack:
        upstreams = gateways_of(world)
        if target:
            upstreams = [Upstream(target, await stack.enter_async_context(always_ready()))]
        yield await stack.enter_async_context(proxy_before(name, world.folder, upstreams, certificates))


async def _passes_on(proxy: Proxy | PinnedProxy) -> None:
    """Wait until a proxy passes a call on."""
    with suppress(grpc.aio.AioRpcError):  # the gateway has refused the call
        async with _channel_to(proxy) as channel:
            await first_call(channel)


def _channel_to(proxy: Proxy | PinnedProxy) -> grpc.aio.Channel:
    if (credentials := proxy.credentials) is None:
        return grpc.aio.insecure_channel(proxy.target)
    return grpc.aio.secure_channel(proxy.target, credentials)


async def all_ended(calls: Mapping[Caller, Call], within_s: float = 90.0) -> None:
    """Wait for the end of every call."""
    await asyncio.gather(*(call.ended(within_s) for call in calls.values()))


def exactly(name: str, value: float, expected: float) -> Check:
    """Return a check of a number that must be as expected."""
    return Check(name, value, "{:g}", at_least=expected, at_most=expected)


def holds(name: str, condition: object) -> Check:
    """Return a check of a condition, shown as 1 or 0."""
    return exactly(name, float(bool(condition)), 1)


def went_well(call: Call) -> Check:
    """Return the check that a call has ended without an error."""
    name = "ended without an error"
    return holds(f"{name}: {call.error}" if call.error else name, call.end is not None and not call.error)
