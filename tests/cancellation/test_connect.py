"""Both senders and the routing, cancelled at each of their awaits: the next call is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.connect import boto_sender, direct_sender, routing
from gateway.connect.routing import RoutingConnect
from gateway.core.model import DialRequest
from gateway.settings import SenderName
from gateway.simulator import Simulator, SimulatorSettings
from tests.cancellation.hanging import (
    Hang,
    Places,
    cancelled_where_it_hangs,
    hung_everywhere,
    missed,
)
from tests.senders import EACH_SENDER, SENDERS, Sender, sender_of

Work = Callable[[RoutingConnect, Sender], Coroutine[Any, Any, Any]]


def request(token: str) -> DialRequest:
    """Make a dial request as the core hands it over."""
    return DialRequest("c", token, "+12065550123", {}, 4_000_000_000.0, 50)


async def used_and_closed(adapter: Sender) -> None:
    """Open a connection, and close it."""
    await adapter.put_dial_requests("c", [request("a")])
    await adapter.campaign_states(["c"])
    await adapter.close()


WORK: dict[str, Work] = {
    "put": lambda connect, _: connect.put_dial_requests("c", [request("a")]),
    "states of both versions": lambda connect, _: connect.campaign_states(["c", "v2-c"]),
    "states of one version": lambda _, adapter: adapter.campaign_states(["c"]),
    "close": lambda connect, _: connect.close(),
    "close of one version": lambda _, adapter: used_and_closed(adapter),
}
HUNG: dict[tuple[SenderName, str], Places] = {}


@asynccontextmanager
async def connected(sender: SenderName) -> AsyncIterator[tuple[Simulator, RoutingConnect, Sender]]:
    """Run a simulator, and both versions of the adapter before it, with one call at a time."""
    async with Simulator(SimulatorSettings(call_rate=0)) as simulator:

        def adapter(api: Any) -> Sender:
            return sender_of(
                sender,
                calls=1,
                timeout_s=5.0,
                endpoint_url=simulator.url,
                region="us-east-1",
                credentials=("simulator", "simulator"),
                api=api,
            )

        first = adapter("v1")
        connect = RoutingConnect({"v1": first, "v2": adapter("v2")}, [("v2-*", "v2")], "v1")
        try:
            yield simulator, connect, first
        finally:
            await connect.close()


def scenario_of(sender: SenderName, work: Work) -> Callable[[int], Awaitable[Hang[Any]]]:
    """Return a scenario that hangs a piece of work once and checks what is left."""

    async def scenario(at: int) -> Hang[Any]:
        async with connected(sender) as (simulator, connect, adapter):
            hang = Hang(work(connect, adapter), at)
            await cancelled_where_it_hangs(hang, asyncio.create_task(_of(hang)))
            if work not in (WORK["close"], WORK["close of one version"]):
                reply = await connect.put_dial_requests("c", [request("a"), request("b")])
                assert reply.accepted.keys() == {"a", "b"}
                # A call that had left when it was given up is one that Connect may have carried out.
                assert simulator.connect.journal.dials("c")["c", "a"] == 1
                assert await connect.campaign_states(["c"]) == {"c": "Running"}
            return hang

    return scenario


async def _of(hang: Hang[Any]) -> Any:
    return await hang


async def hung(sender: SenderName, name: str) -> Places:
    """Hang a piece of work at each of its awaits, once for all tests."""
    if (sender, name) not in HUNG:
        HUNG[sender, name] = await hung_everywhere(scenario_of(sender, WORK[name]))
    return HUNG[sender, name]


@pytest.mark.parametrize("name", WORK)
@EACH_SENDER
async def test_cancelled_at_each_await(sender: SenderName, name: str) -> None:
    """Cancelled at any of its awaits, it takes no thread away, and the next call is served."""
    assert await hung(sender, name)


@EACH_SENDER
async def test_calls_that_are_given_up_take_no_thread_away(sender: SenderName) -> None:
    """Calls cancelled one after the other, while Connect is slow, leave room for those that follow."""
    async with connected(sender) as (_, connect, _):
        for _ in range(10):
            calling = asyncio.create_task(connect.put_dial_requests("c", [request("a")]))
            await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait([calling])
        assert (await connect.put_dial_requests("c", [request("b")])).accepted.keys() == {"b"}


async def test_no_await_of_the_adapter_is_left_out() -> None:
    """The scenarios hang every await there is in the adapter and in the routing."""
    places: Places = set()
    for sender in SENDERS:
        for name in WORK:
            places |= await hung(sender, name)
    # Most awaits of http_client suspend only while a name, a handshake or a reply is slow: test_transport
    # ends calls at each of these stages.
    for module in (boto_sender, direct_sender, routing):
        assert missed(module, places) == []
