"""The parts of a replica that tell and read something with each beat, as the loop of beats uses them."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.fleet.messages import (
    ConditionsReply,
    ConditionsRequest,
    ControlReply,
    ControlRequest,
    Member,
    TickReply,
    TickRequest,
)
from gateway.core.quota.pause_watch import PauseWatch


class Ticks(Protocol):
    """The permits of this replica: they make ticks and use the replies."""

    pauses: PauseWatch
    """What is to be told that this process runs."""

    @property
    def members(self) -> Sequence[Member]:
        """The members of the fleet by the last reply."""
        ...

    @property
    def solo(self) -> bool:
        """Whether this replica sends at its own part of the rate, without the store."""
        ...

    @property
    def granted(self) -> int:
        """How many permits came since the start."""
        ...

    @property
    def returned(self) -> int:
        """How many of them were returned unused."""
        ...

    def tick(self, now: float, gone: Sequence[str] = (), *, leaving: bool = False) -> TickRequest:
        """Return the next tick, or again the one that was not answered."""
        ...

    def ticked(self, sent_at: float, now: float, reply: TickReply) -> None:
        """Use the reply to the tick that was sent at `sent_at`."""
        ...

    def tick_failed(self, now: float) -> None:
        """Note that no reply came."""
        ...

    def tick_at(self, now: float) -> float:
        """Return the instant at which the next tick is due."""
        ...


class ControlExchange(Protocol):
    """The operators' actions of the fleet: it asks for changes and carries them out."""

    def request(self) -> ControlRequest:
        """Return what to tell and ask."""
        ...

    def replied(self, reply: ControlReply, sent_at: float, received_at: float) -> None:
        """Apply the changes. Those that stop calls take effect before this returns."""
        ...

    def beat_within_s(self) -> float | None:
        """Return after how many seconds the next beat is wanted; None for no wish."""
        ...


class CampaignConditions(Protocol):
    """The conditions of campaigns that the replicas share."""

    @property
    def has_news(self) -> bool:
        """Whether something has changed here since the last beat."""
        ...

    def wants_beat(self) -> bool:
        """Return whether another beat should follow the last one at once."""
        ...

    def request(self, now: float, *, leaving: bool = False) -> ConditionsRequest | None:
        """Return what to tell and ask; None for nothing."""
        ...

    def replied(self, now: float, tick: TickReply, newest: int, reply: ConditionsReply | None) -> None:
        """Take the reply."""
        ...

    def failed(self, now: float) -> None:
        """Note that no reply came."""
        ...
