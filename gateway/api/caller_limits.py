"""What one caller may have of the gateway, over all its streams: a share of the room, and of the streams.

Without it, whoever opens enough streams fills the gateway for everybody. A caller is its identity, and
where it has none the host that its connection comes from: behind a proxy, that is the proxy.
"""

from gateway.dispatch.room_gate import WaitingLine


class CallerLimit:
    """What one caller has: open streams, and requests that are unanswered over all its streams and lists."""

    def __init__(self, limit: int) -> None:
        self._limit = self._usual = limit
        self._line = WaitingLine(self.room)
        self.holders = 0
        self.streams = 0
        self.unanswered = 0

    @property
    def limit(self) -> int:
        """How many requests may be unanswered at once."""
        return self._limit

    def room(self) -> int:
        """How many requests are left of the limit; 0 or less where the share is used up."""
        return self._limit - self.unanswered

    def free(self) -> int:
        """How many requests a newcomer may take now; at 0 or less it must wait, or is refused."""
        return self._line.free()

    def resize(self, limit: int | None) -> None:
        """Set the limit, in requests; None for the usual one. A larger limit wakes those who wait."""
        self._limit = self._usual if limit is None else limit
        self._line.offer()

    def take(self, count: int) -> None:
        """Count requests that are taken."""
        self.unanswered += count

    def give_back(self, count: int) -> None:
        """Count requests that are answered, or dropped, and let those who wait go on."""
        self.unanswered -= count
        self._line.offer()

    async def wait_for_room(self) -> int:
        """Wait until there is room, first come, first served; return how much. See `WaitingLine.enter`."""
        return await self._line.enter()


class CallerLimits:
    """The shares of all callers that have a stream or a call open."""

    def __init__(self, caller_window: int) -> None:
        self._caller_window = caller_window
        self._shares: dict[str, CallerLimit] = {}

    def __len__(self) -> int:
        return len(self._shares)

    def all(self) -> list[tuple[str, CallerLimit]]:
        """Return every caller with its share."""
        return list(self._shares.items())

    def look(self, caller: str) -> CallerLimit:
        """Return the share of a caller, to be looked at: that of a new one is not kept."""
        return self._shares.get(caller) or CallerLimit(self._caller_window)

    def enter(self, caller: str) -> CallerLimit:
        """Return the share of a caller for a stream or call that begins; `leave` must follow, once."""
        share = self._shares.setdefault(caller, self.look(caller))
        share.holders += 1
        return share

    def leave(self, caller: str) -> None:
        """Note the end of a stream or call; forget the share of a caller that has no other."""
        share = self._shares[caller]
        share.holders -= 1
        if not share.holders:
            del self._shares[caller]
