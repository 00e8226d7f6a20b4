"""Asks several nodes for the same thing, one after the other but without waiting for the silent ones."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TypeVar

from gateway.shared_state.port import SharedStateError, SharedStateUnavailable
from gateway.shared_state.valkey_connection import Node

_Answer = TypeVar("_Answer")


async def first_answer(
    nodes: Iterable[Node], ask: Callable[[Node], Coroutine[None, None, _Answer]], silent_s: float
) -> _Answer:
    """Return the first answer of a node; the others are not asked any longer.

    The next node is asked when one has failed, or when none has answered for `silent_s` seconds. Raises the
    last `SharedStateError` if all have failed.
    """
    problem: SharedStateError = SharedStateUnavailable("no node of the cluster answers")
    waiting, asked, silent = iter(nodes), list[asyncio.Task[_Answer]](), set[asyncio.Task[_Answer]]()
    try:
        while (following := next(waiting, None)) or silent:
            if following:
                asked.append(asyncio.create_task(ask(following), name="shared state: node"))
                silent.add(asked[-1])
            patience_s = silent_s if following else None
            done, silent = await asyncio.wait(silent, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    return task.result()
                except SharedStateError as failure:
                    problem = failure
        raise problem
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
