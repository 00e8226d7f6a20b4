"""A line of tasks that wait for room. This module alone decides who takes free room next.

Tasks get room in the order in which they asked. A newcomer takes room at once only while no task waits, so
it never takes the room of a task that was called.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable


class RoomGate:
    """The tasks that wait for room; `room` returns how much there is, 0 or less for none.

    Code that makes room calls `offer`. One task is called at a time; when it leaves the line it calls the
    next one, so room that it does not take goes to those behind it.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        # A task keeps its place until it leaves the line, also after a call that finds no room.
        self._places: OrderedDict[object, asyncio.Future[None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def free(self) -> int:
        """Return how much room a newcomer may take now: 0 while others wait."""
        return 0 if self._places else self._room()

    async def enter(self) -> int:
        """Wait until it is this task's turn and there is room; return how much.

        The caller must take its room before its next await, or not at all.
        """
        if not self._places and (room := self._room()) > 0:
            return room
        place = object()
        try:
            while True:
                called = self._places[place] = asyncio.get_running_loop().create_future()
                self.offer()
                await called
                room = self._room()
                if room > 0:
                    return room
        finally:
            del self._places[place]
            self.offer()

    def offer(self) -> None:
        """Call the first task of the line, if there is room for it."""
        if self._places and self._room() > 0:
            first = next(iter(self._places.values()))
            if not first.done():
                first.set_result(None)
