"""The limits of one caller over all its streams and unary calls.

Without them, one caller with many streams could fill the gateway. A caller is known by its identity. Without
an identity it is known by the host of its connection, which is the proxy's host behind a proxy.
"""

from gateway.dispatch.room_gate import RoomGate


class CallerLimit:
    """The open streams and unanswered requests of one caller, and the limit of unanswered requests."""

    def __init__(self, limit: int) -> None:
        self._limit = self._default = limit
        self._room_gate = RoomGate(self.room)
        self.open_calls = 0
        self.streams = 0
        self.unanswered = 0

    @property
    def limit(self) -> int:
        """The number of requests that may be unanswered at the same time."""
        return self._limit

    def room(self) -> int:
        """Return how many more requests the limit allows; 0 or less if it is reached."""
        return self._limit - self.unanswered

    def free(self) -> int:
        """Return how many requests a stream may read now; 0 while others wait in line."""
        return self._room_gate.free()

    def resize(self, limit: int | None) -> None:
        """Set the limit in requests; None for the default. A larger limit wakes waiting streams."""
        self._limit = self._default if limit is None else limit
        self._room_gate.offer()

    def take(self, count: int) -> None:
        """Count requests that were read."""
        self.unanswered += count

    def give_back(self, count: int) -> None:
        """Count requests that were answered or dropped, and wake waiting streams."""
        self.unanswered -= count
        self._room_gate.offer()

    async def wait_for_room(self) -> int:
        """Wait until the limit allows more requests, in order of arrival; return how many."""
        return await self._room_gate.enter()


class CallerLimits:
    """The limits of all callers with an open stream or unary call."""

    def __init__(self, caller_window: int) -> None:
        self._caller_window = caller_window
        self._limits: dict[str, CallerLimit] = {}

    def __len__(self) -> int:
        return len(self._limits)

    def all(self) -> list[tuple[str, CallerLimit]]:
        """Return every caller with its limit."""
        return list(self._limits.items())

    def get(self, caller: str) -> CallerLimit:
        """Return the limit of a caller for reading. The limit of a new caller is not stored."""
        return self._limits.get(caller) or CallerLimit(self._caller_window)

    def call_began(self, caller: str) -> CallerLimit:
        """Return the limit of a caller for a new stream or unary call. Call `call_ended` once at its end."""
        limit = self._limits.setdefault(caller, self.get(caller))
        limit.open_calls += 1
        return limit

    def call_ended(self, caller: str) -> None:
        """Note the end of a stream or unary call, and forget a caller that has no other."""
        limit = self._limits[caller]
        limit.open_calls -= 1
        if not limit.open_calls:
            del self._limits[caller]
