"""Dial requests that one stream has read but not submitted yet.

To submit a list costs about as much as to submit one dial request: the core looks at the campaign once, and
the dispatcher makes one turn. So the short messages that a stream reads within a moment are submitted
together. The first message after a pause is submitted at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.core.model import DialRequest, Priority, Waiter
from gateway.runtime.supervision import Supervisor

GATHER_S = 0.004
"""Seconds from one submission of a stream to the next, at least, if its messages are short."""
MOST = 200
"""Dial requests that are gathered at most before they are submitted."""


class Timers(Protocol):
    """What is used of an event loop."""

    def time(self) -> float:
        """Return the instant in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> "Timer":
        """Call back at an instant."""


class Timer(Protocol):
    """A callback that is still to come."""

    def cancel(self) -> None:
        """Do not call back."""


Arrival = tuple[Waiter, DialRequest]
Submit = Callable[[str, Priority, Sequence[Arrival]], None]


class Gathering:
    """The gathered dial requests, by campaign and priority in the order of their arrival.

    `submit` is called for each campaign and priority. The supervisor learns of bugs that no caller sees.
    """

    def __init__(self, submit: Submit, supervisor: Supervisor, timers: Timers | None = None) -> None:
        self._submit = submit
        self._supervisor = supervisor
        self._timers = timers or asyncio.get_running_loop()
        self._groups: dict[tuple[str, Priority], list[Arrival]] = {}
        self._count = 0
        self._submitted_at = -GATHER_S
        self._alarm: Timer | None = None

    def add(self, campaign_id: str, priority: Priority, arrivals: Sequence[Arrival]) -> None:
        """Add dial requests. They are submitted now if the last submission was long ago, and else soon."""
        if self._alarm is None:
            now, due_at = self._timers.time(), self._submitted_at + GATHER_S
            if now >= due_at:
                self._submitted_at = now
                self._submit(campaign_id, priority, arrivals)
                return
            self._alarm = self._timers.call_at(due_at, self._supervisor.guarded(self.submit))
        self._groups.setdefault((campaign_id, priority), []).extend(arrivals)
        self._count += len(arrivals)
        if self._count >= MOST:
            self.submit()

    def submit(self) -> None:
        """Submit all dial requests now."""
        if self._alarm is None:
            return  # none wait
        groups = self.drop()
        self._submitted_at = self._timers.time()
        for (campaign_id, priority), arrivals in groups.items():
            self._submit(campaign_id, priority, arrivals)

    def drop(self) -> dict[tuple[str, Priority], list[Arrival]]:
        """Forget all dial requests; return them."""
        groups, self._groups, self._count = self._groups, {}, 0
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        return groups
