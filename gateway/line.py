"""A line of tasks that wait for room: the only place that decides who takes free room next.

Room is served in the order of asking. A newcomer takes room at once only while nobody waits, so a
task that was called never finds that somebody who came later has taken its room.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable


class WaitingLine:
    """The tasks that wait for room; `room` returns how much there is, 0 or less for none.

    Whoever makes room calls `offer`. One task is called at a time; as it leaves the line it calls the
    next, so room that it does not take goes on to those behind it.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        self._room = room
        # A task keeps its place until it leaves the line: a call that finds no room costs it nothing.
        self._places: OrderedDict[object, asyncio.Future[None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def free(self) -> int:
        """Return how much room a newcomer may take now: none while others wait."""
        return 0 if self._places else self._room()

    async def enter(self) -> int:
        """Wait until it is this task's turn and there is room; return how much.

        The caller must take what it wants before it next awaits anything: then it may take nothing.
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
