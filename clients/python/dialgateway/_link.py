"""One connection's part of a logical stream: what was sent on it and has no answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from dialgateway.values import DialRequest

OVERDUE_S, LOOK_EVERY_S = 60.0, 30.0
"""Seconds after its time for which a request on an open connection may be without an answer, and between two
looks at that. The gateway answers as the time passes, and a call at Connect takes some seconds at most: then
something between keeps the answers back."""


@dataclass(slots=True, eq=False)
class Entry:
    """A request without an answer. `expires` is on the driver's clock."""

    index: int
    request: DialRequest
    expires: float
    tries: int = 0  # answers that were held back because they advised to send it again


@dataclass(slots=True, eq=False)
class Link:
    """What was sent on one connection and is not answered, by the index there."""

    sent: dict[int, Entry] = field(default_factory=dict)
    overdue: set[int] = field(default_factory=set)  # answered without waiting for the gateway any longer
    count: int = 0
    ready_at: float | None = None  # when the connection was there; nothing is sent before
    heard: bool = False
    draining: bool = False
    half_closed: bool = False


class Overdue:
    """Finds what should have been answered long ago; `look_at` is when to look again, None for not now."""

    def __init__(self) -> None:
        self.look_at: float | None = None

    def advance(self, links: Collection[Link], now: float) -> list[Entry]:
        """Take what is overdue off its link; return it. What the gateway says of it later is passed over."""
        found: list[Entry] = []
        if self.look_at is not None and now >= self.look_at:
            self.look_at = None
            for link in links:
                late = [index for index, entry in link.sent.items() if entry.expires + OVERDUE_S <= now]
                link.overdue.update(late)
                found += [link.sent.pop(index) for index in late]
        if self.look_at is None and any(link.sent for link in links):
            self.look_at = now + LOOK_EVERY_S
        return found
