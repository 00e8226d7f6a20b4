"""After a hold, a purge or an expiry no byte of a delayed call is sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from gateway.app import Gateway
from gateway.connect.credentials import AccessKeys
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.settings import SenderName, Settings
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry import telemetry_with
from tests.integration.adapters import SlowNames
from tests.integration.upstream import accept_all, upstream_of
from tests.integration.world import CAMPAIGN, Caller, SmallestJitter, dials, stub_of, until, verdict, verdicts
from tests.senders import EACH_SENDER, sender_of
from tests.stopwatch import Stopwatch

HOLD = Hold("somebody", "why", 0.0)
PURGE = OperatorAction(ActionKind.PURGE, "somebody", "why", 0.0)
RELEASE = OperatorAction(ActionKind.RELEASE, "somebody", "why", 0.0)


@asynccontextmanager
async def gateway_to(
    url: str, sender: SenderName, look_up: Any = None, keys: AccessKeys | None = None, **settings: Any
) -> AsyncIterator[tuple[Gateway, Caller]]:
    """Run a gateway that calls `url`; yield it and a stream to it."""
    here = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
    chosen = Settings(**{**here, "call_rate": 0.0, "linger": 0.02, **settings})
    options = {} if look_up is None else {"look_up": look_up}
    connect = sender_of(
        sender,
        calls=chosen.max_concurrent_calls,
        timeout_s=chosen.call_timeout,
        endpoint_url=url,
        region="us-east-1",
        keys=keys or AccessKeys.fixed("simulator", "simulator"),
        **options,
    )
    gateway = Gateway(chosen, connect, telemetry_with(), SmallestJitter())
    port = await gateway.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield gateway, Caller(stub_of(channel).StreamDialRequests())
    finally:
        await gateway.stop(0.2)


@EACH_SENDER
async def test_a_hold_during_a_slow_lookup(sender: SenderName) -> None:
    """200 dial requests whose calls wait for a name lookup at a hold are sent once, after the release."""
    names = SlowNames()
    async with Simulator(SimulatorSettings(call_rate=0)) as simulator:
        url = f"http://connect.test:{simulator.url.rpartition(':')[2]}"
        async with gateway_to(url, sender, names) as (gateway, caller):
            await caller.send(*dials(200))
            await until(lambda: names.asked)
            await gateway.replica.dispatcher.campaign_actions.hold(CAMPAIGN, HOLD)
            names.found.set()
            await asyncio.sleep(0.5)
            assert list(simulator.connect.journal) == []
            gateway.replica.dispatcher.campaign_actions.release(CAMPAIGN, RELEASE)
            assert verdicts(await caller.ask()) == ["ACCEPTED"] * 200
            dialed = simulator.connect.journal.dials(CAMPAIGN)
            assert (len(dialed), set(dialed.values())) == (200, {1})


@EACH_SENDER
async def test_a_hold_during_a_slow_handshake(sender: SenderName, authority: ssl.SSLContext) -> None:
    """200 dial requests whose calls are in the TLS handshake at a hold are not sent."""
    async with (
        upstream_of(accept_all, tls=authority, open_gate=False) as upstream,
        gateway_to(f"https://127.0.0.1:{upstream.port}", sender) as (gateway, caller),
    ):
        await caller.send(*dials(200))
        await upstream.connected(8)
        await gateway.replica.dispatcher.campaign_actions.hold(CAMPAIGN, HOLD)
        upstream.gate.set()
        await asyncio.sleep(0.5)
        assert upstream.requests == []
        gateway.replica.dispatcher.campaign_actions.release(CAMPAIGN, RELEASE)
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 200
        assert sorted(upstream.tokens) == sorted(f"t-{number}" for number in range(200))


@EACH_SENDER
@pytest.mark.timed
async def test_a_purge_during_a_slow_handshake(sender: SenderName, authority: ssl.SSLContext) -> None:
    """A purge answers requests of delayed calls at once, without doubt, and none of the calls is sent."""
    async with (
        upstream_of(accept_all, tls=authority, open_gate=False) as upstream,
        gateway_to(f"https://127.0.0.1:{upstream.port}", sender) as (gateway, caller),
    ):
        await caller.send(*dials(200))
        await upstream.connected(8)
        watch = Stopwatch()
        assert await gateway.replica.dispatcher.campaign_actions.purge(CAMPAIGN, PURGE) == 200
        results = await caller.ask()
        assert watch.took_s < 1.0
        assert verdicts(results) == ["NOT_ACCEPTED PURGED SAME_TOKEN"] * 200
        upstream.gate.set()
        await asyncio.sleep(0.3)
        assert upstream.requests == []


@EACH_SENDER
async def test_an_expiry_during_a_slow_handshake(sender: SenderName, authority: ssl.SSLContext) -> None:
    """Requests that expire during the TLS handshake are not sent: EXPIRED, not UNKNOWN."""
    async with (
        upstream_of(accept_all, tls=authority, open_gate=False) as upstream,
        gateway_to(f"https://127.0.0.1:{upstream.port}", sender, expiry_headroom=0.2) as (_, caller),
    ):
        await caller.send(*dials(25, expires_in=4.0))
        await upstream.connected()
        await asyncio.sleep(4.0)
        upstream.gate.set()
        results = await caller.ask()
        assert verdicts(results) == ["EXPIRED EXPIRATION_PASSED SAME_TOKEN"] * 25
        assert upstream.requests == []


@EACH_SENDER
async def test_a_drain_during_a_slow_handshake(sender: SenderName, authority: ssl.SSLContext) -> None:
    """A gateway that exits answers requests of delayed calls NOT_ACCEPTED, and sends none of the calls."""
    async with (
        upstream_of(accept_all, tls=authority, open_gate=False) as upstream,
        gateway_to(f"https://127.0.0.1:{upstream.port}", sender) as (gateway, caller),
    ):
        await caller.send(*dials(50))
        await upstream.connected(2)
        stopping = asyncio.create_task(gateway.stop(0.5))
        results = await caller.read(50)
        assert verdicts(results) == ["NOT_ACCEPTED DRAINING SAME_TOKEN"] * 50
        await stopping
        upstream.gate.set()
        await asyncio.sleep(0.3)
        assert upstream.requests == []


@pytest.mark.timed
@EACH_SENDER
async def test_calls_that_were_delayed_stay_within_the_quota(
    sender: SenderName, authority: ssl.SSLContext
) -> None:
    """After a stall in which calls timed out, no token is sent twice and the quota is kept."""
    async with (
        upstream_of(accept_all, tls=authority, open_gate=False) as upstream,
        gateway_to(
            f"https://127.0.0.1:{upstream.port}",
            sender,
            call_rate=10.0,
            call_burst=10.0,
            call_timeout=2.0,
            max_attempts=50,
        ) as (_, caller),
    ):
        await caller.send(*dials(1500))
        await asyncio.sleep(4.5)
        upstream.gate.set()
        assert verdicts(await caller.ask()) == ["ACCEPTED"] * 1500
        assert sorted(upstream.tokens) == sorted(f"t-{number}" for number in range(1500))
        assert never_above(10.0, 10.0, [request.at for request in upstream.requests])


def never_above(rate: float, burst: float, instants: list[float]) -> bool:
    """Return whether calls at these instants pass a token bucket that was full at the first."""
    tokens, last = burst, instants[0]
    for instant in instants:
        tokens = min(burst, tokens + (instant - last) * rate) - 1.0
        last = instant
        if tokens < -3.0:  # calls may arrive closer together than they were sent
            return False
    return True


@EACH_SENDER
@pytest.mark.timed
async def test_dripping_replies_do_not_stop_other_campaigns(sender: SenderName) -> None:
    """While every reply to one campaign arrives byte by byte, another campaign's requests are accepted
    promptly.
    """

    async def answer(request: Any, writer: Any) -> None:
        if "/campaigns/slow/" in request.head:
            for _ in range(200):
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)
        await accept_all(request, writer)

    async with (
        upstream_of(answer) as upstream,
        gateway_to(f"http://127.0.0.1:{upstream.port}", sender, call_timeout=0.5) as (gateway, caller),
    ):
        await caller.send(*dials(400), campaign="slow")
        await until(lambda: len(upstream.requests) >= 8)
        watch = Stopwatch()
        await caller.send(*dials(25, "quick"), campaign="quick")
        quick: list[str] = []
        while len(quick) < 25 and (message := await caller.message()) is not None:
            quick += [verdict(result) for result in message.results if "quick" in result.client_token]
        assert quick == ["ACCEPTED"] * 25
        assert watch.took_s < 3.0
        assert gateway.admin.monitoring.readiness().ready
        caller.call.cancel()
