"""Read leads without blocking the event loop: a file in short turns, a pipe in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

_READ_AHEAD = 200
_TURN = 100


async def iterate_cooperatively(items: Iterable[_T]) -> AsyncIterator[_T]:
    """Yield items that never block, and let other tasks run after every 100 of them."""
    for position, item in enumerate(items, start=1):
        yield item
        if position % _TURN == 0:
            await asyncio.sleep(0)


async def iterate_in_thread(items: Iterator[_T]) -> AsyncIterator[_T]:
    """Yield items that may block, from a daemon thread: a blocked read of a pipe cannot be interrupted."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[_T | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_READ_AHEAD)

    def hand_over(item: _T | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(arrived.put_nowait, item)

    def read() -> None:
        try:
            for item in items:
                room.acquire()
                hand_over(item)
        except BaseException as error:  # noqa: BLE001 - raised again by the consumer
            hand_over(error)
        else:
            hand_over(None)

    threading.Thread(target=read, name="dialctl-lines", daemon=True).start()
    while (item := await arrived.get()) is not None:
        room.release()
        if isinstance(item, BaseException):
            raise item
        yield item
