"""The limits of one caller: what counts against them, who gets room first, and when a caller is forgotten."""

import asyncio

import pytest

from gateway.api.authorization import host_of
from gateway.api.caller_limits import CallerLimit, CallerLimits


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:50514", "10.0.0.7"),
        ("ipv6:%5B2001:DB8::1%5D:50514", "2001:db8::1"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:50514", "10.0.0.7"),
        ("unix:/run/gateway.sock", "unix:/run/gateway.sock"),
        ("", ""),
    ],
)
def test_the_host_of_a_peer(peer: str, host: str) -> None:
    """All connections of a host are one caller, over IPv4 and IPv6. Other peers are callers of their own."""
    assert host_of(peer) == host


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_room_is_given_in_the_order_of_asking() -> None:
    """The task that waited longest goes first. The others wait until there is room for them too."""
    limit, order = CallerLimit(2), list[int]()
    limit.take(2)

    async def wait(number: int) -> None:
        await limit.wait_for_room()
        order.append(number)
        limit.take(1)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await turns()
    assert order == []
    limit.give_back(1)
    await turns()
    assert order == [0]
    limit.give_back(2)
    await turns()
    assert order == [0, 1, 2]
    await asyncio.gather(*waiting)


async def test_a_new_request_has_no_room_while_others_wait() -> None:
    """A request that arrives when room becomes free waits behind the ones that asked before."""
    limit, order = CallerLimit(1), list[int]()
    limit.take(1)

    async def wait(number: int) -> None:
        await limit.wait_for_room()
        order.append(number)
        limit.take(1)

    waiting = [asyncio.create_task(wait(0))]
    await turns()
    for number in range(1, 201):
        waiting.append(asyncio.create_task(wait(number)))
        limit.give_back(1)
        assert limit.free() == 0
        await asyncio.sleep(0)
    limit.give_back(1)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert order == list(range(201))


@pytest.mark.parametrize("ticks", range(6))
async def test_room_that_is_not_taken_goes_to_the_next(ticks: int) -> None:
    """A task that is cancelled while it waits, or when it is called, passes its turn to the next."""
    limit = CallerLimit(1)
    limit.take(1)
    first, second = (asyncio.create_task(limit.wait_for_room()) for _ in range(2))
    await turns()
    limit.give_back(1)
    for _ in range(ticks):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([second], timeout=5)
    assert second.done()


def test_a_limit_exists_as_long_as_its_caller() -> None:
    """All streams of a caller have one limit. It is dropped with the last, and `get` stores none."""
    limits = CallerLimits(10)
    assert limits.get("a") is not limits.get("a")
    first, second = limits.call_began("a"), limits.call_began("a")
    assert first is second is limits.get("a")
    assert limits.call_began("b") is not first
    for caller in ("a", "a", "b"):
        assert len(limits) > 0
        limits.call_ended(caller)
    assert len(limits) == 0
