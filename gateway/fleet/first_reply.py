"""Asks a slow shared state again without giving up the first question: the first reply counts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from gateway.shared_state.port import TIMES_ASKED

_Reply = TypeVar("_Reply")


async def first_reply(ask: Callable[[], Coroutine[None, None, _Reply]], again_after_s: float) -> _Reply:
    """Return the first reply to a command that may be carried out more than once.

    It is sent again after each `again_after_s` seconds without a reply, `TIMES_ASKED` times in all. The one
    that ends first decides: its reply is returned, or its `SharedStateError` raised.
    """
    asked: list[asyncio.Task[_Reply]] = []
    done: set[asyncio.Task[_Reply]] = set()
    try:
        while not done:
            asked.append(asyncio.create_task(ask(), name="shared state: question"))
            waits_s = again_after_s if len(asked) < TIMES_ASKED else None
            done, _ = await asyncio.wait(asked, timeout=waits_s, return_when=asyncio.FIRST_COMPLETED)
        return min(done, key=lambda task: task.exception() is not None).result()
    finally:
        if len(done) < len(asked):  # usually the only one is done, and nothing is to be waited for
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
