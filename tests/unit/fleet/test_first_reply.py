"""A command without a fast reply is sent again, and the first reply counts."""

import asyncio

import pytest

from gateway.fleet.first_reply import first_reply
from gateway.shared_state.port import TIMES_ASKED, SharedStateUnavailable
from tests.simulation.fleet.virtual_loop import on_virtual_time

AGAIN_S = 0.25


class Store:
    """Replies to the questions after so many seconds each; None fails at once."""

    def __init__(self, *takes_s: float | None) -> None:
        self.takes_s = list(takes_s)
        self.asked_at: list[float] = []
        self.under_way = 0

    async def ask(self) -> int:
        number = len(self.asked_at)
        self.asked_at.append(asyncio.get_running_loop().time())
        takes_s = self.takes_s[number]
        if takes_s is None:
            raise SharedStateUnavailable("it is away")
        self.under_way += 1
        try:
            await asyncio.sleep(takes_s)
        finally:
            self.under_way -= 1
        return number


async def asked(*takes_s: float | None) -> tuple[int, float, list[float]]:
    """Return the question whose reply came, when it came, and when was asked."""
    store, loop = Store(*takes_s), asyncio.get_running_loop()
    began = loop.time()
    number = await first_reply(store.ask, AGAIN_S)
    assert store.under_way == 0, "the others are given up"
    return number, round(loop.time() - began, 3), [round(at - began, 3) for at in store.asked_at]


@on_virtual_time
async def test_a_quick_reply_needs_one_question() -> None:
    assert await asked(0.2) == (0, 0.2, [0.0])


@on_virtual_time
async def test_a_late_reply_is_used_although_the_question_was_asked_again() -> None:
    assert await asked(0.4, 9.0) == (0, 0.4, [0.0, AGAIN_S])


@on_virtual_time
async def test_a_lost_reply_is_replaced_by_that_of_the_next_question() -> None:
    assert await asked(9.0, 0.1) == (1, 0.35, [0.0, AGAIN_S])


@on_virtual_time
async def test_a_question_is_asked_so_often_at_most() -> None:
    takes_s = [9.0] * TIMES_ASKED
    assert await asked(*takes_s) == (0, 9.0, [AGAIN_S * number for number in range(TIMES_ASKED)])


@on_virtual_time
async def test_an_error_decides_at_once() -> None:
    with pytest.raises(SharedStateUnavailable):
        await asked(None)
    with pytest.raises(SharedStateUnavailable):
        await asked(9.0, None)


@on_virtual_time
async def test_whoever_is_cancelled_asks_no_more() -> None:
    store = Store(9.0, 9.0, 9.0)
    asking = asyncio.create_task(first_reply(store.ask, AGAIN_S))
    await asyncio.sleep(0.3)
    assert store.under_way == 2
    asking.cancel()
    await asyncio.sleep(1.0)
    assert asking.cancelled()
    assert (store.under_way, len(store.asked_at)) == (0, 2)
