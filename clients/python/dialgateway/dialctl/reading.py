"""Reads leads beside the event loop's other work: from a file in turns, from a pipe in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

_AHEAD = 200
_TURN = 100


async def take_turns(items: Iterable[_T]) -> AsyncIterator[_T]:
    """Read what never lets us wait, and let the event loop have its turn in between."""
    for position, item in enumerate(items, start=1):
        yield item
        if position % _TURN == 0:
            await asyncio.sleep(0)


async def read_in_thread(items: Iterator[_T]) -> AsyncIterator[_T]:
    """Read what may block, as a pipe does. The thread is a daemon: nothing can wake it out of a pipe."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[_T | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def hand_over(item: _T | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(arrived.put_nowait, item)

    def read() -> None:
        try:
            for item in items:
                room.acquire()
                hand_over(item)
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are read
            hand_over(error)
        else:
            hand_over(None)

    threading.Thread(target=read, name="dialctl-lines", daemon=True).start()
    while (item := await arrived.get()) is not None:
        room.release()
        if isinstance(item, BaseException):
            raise item
        yield item
