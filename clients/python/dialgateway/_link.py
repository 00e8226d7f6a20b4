"""One connection's part of a `dial()`: the requests that were sent on it and have no answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from dialgateway.values import DialRequest

OVERDUE_S, CHECK_EVERY_S = 60.0, 30.0
"""A request on an open connection is overdue this many seconds after its expiration; checks are this many
seconds apart. The gateway answers when a request expires, and a call to Amazon Connect takes a few seconds.
So something between client and gateway holds the answer back."""


@dataclass(slots=True, eq=False)
class Entry:
    """A request without an answer. `expires` is on the clock of the caller of `DialState`."""

    index: int
    request: DialRequest
    expires: float
    tries: int = 0  # answers that were not yielded, because they advised to send the request again


@dataclass(slots=True, eq=False)
class Link:
    """The outstanding requests of one connection, by their index on that connection."""

    sent: dict[int, Entry] = field(default_factory=dict)
    overdue: set[int] = field(default_factory=set)  # answered by the client; a later answer is ignored
    count: int = 0
    ready_at: float | None = None  # when the connection was made; nothing is sent before
    heard: bool = False
    draining: bool = False
    half_closed: bool = False


class Overdue:
    """Finds overdue requests. `look_at` is the time of the next check, None if none is needed."""

    def __init__(self) -> None:
        self.look_at: float | None = None

    def advance(self, links: Collection[Link], now: float) -> list[Entry]:
        """Remove the overdue requests from their links and return them."""
        found: list[Entry] = []
        if self.look_at is not None and now >= self.look_at:
            self.look_at = None
            for link in links:
                late = [index for index, entry in link.sent.items() if entry.expires + OVERDUE_S <= now]
                link.overdue.update(late)
                found += [link.sent.pop(index) for index in late]
        if self.look_at is None and any(link.sent for link in links):
            self.look_at = now + CHECK_EVERY_S
        return found
