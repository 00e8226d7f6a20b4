"""How many dial requests of one stream or unary call may be read.

Three limits apply: the window of unanswered requests of the stream, the limit of its caller over all streams,
and the room of the whole gateway. Beyond any of them nothing more is read. Answers that the caller has not
read count as unanswered, so a caller that does not read blocks only itself.
"""

import asyncio

from gateway.api.caller_limits import CallerLimit
from gateway.core.model import DialRequest
from gateway.dispatch.dispatcher import Dispatcher

SHORT = 10
"""Dial requests of a message that is gathered, at most."""
AMPLE_ROOM = 1000
"""Dial requests for which the gateway must have room, or nothing is gathered: gathered ones do not use it up
yet. All streams together read fewer in the time for which they gather."""


class Window:
    """The dial requests that one stream or unary call has read, and how many more it may read.

    `size` is how many may be unanswered. `taken` counts those that were read, `answered` those whose answers
    were handed over to gRPC. `undecided` are those without an answer, by their indices.
    """

    def __init__(self, size: int, caller_limit: CallerLimit, dispatcher: Dispatcher) -> None:
        self._size = size
        self._caller_limit = caller_limit
        self._dispatcher = dispatcher
        self._handed_over = asyncio.Event()
        self.taken = 0
        self.answered = 0
        self.undecided: dict[int, DialRequest] = {}

    @property
    def use(self) -> float:
        """The used share of the window."""
        return (self.taken - self.answered) / self._size

    @property
    def caller_room(self) -> int:
        """The number of requests that the caller's limit allows now without waiting."""
        return self._caller_limit.free()

    def resize_caller_limit(self, limit: int | None) -> None:
        """Set the caller's limit of unanswered requests; None for the default."""
        self._caller_limit.resize(limit)

    def count_in(self, request: DialRequest) -> int:
        """Count a request as read; return its index."""
        index = self.taken
        self.undecided[index] = request
        self._caller_limit.take(1)
        self.taken += 1
        return index

    def hand_over(self, count: int) -> None:
        """Count answers that gRPC has taken."""
        self.answered += count
        self._caller_limit.give_back(count)
        self._handed_over.set()

    def leave(self) -> None:
        """Give everything back, since the caller is gone."""
        self._caller_limit.give_back(self.taken - self.answered)
        self.undecided.clear()

    def gathering_room(self) -> int:
        """Return how many requests a message may have to be gathered."""
        if self._dispatcher.room() < AMPLE_ROOM:
            return 0
        own = self._size - (self.taken - self.answered)
        return min(SHORT, own, self._caller_limit.free())

    async def room(self) -> int:
        """Wait until requests may be read; return how many."""
        while True:
            own = self._size - (self.taken - self.answered)
            if own <= 0:
                self._handed_over.clear()
                await self._handed_over.wait()
                continue
            await self._caller_limit.wait_for_room()
            room = await self._dispatcher.wait_for_room()
            # Other streams of this caller may have used up its limit during the second wait.
            own, shared = self._size - (self.taken - self.answered), self._caller_limit.room()
            if own > 0 and shared > 0:
                return min(own, shared, room)
