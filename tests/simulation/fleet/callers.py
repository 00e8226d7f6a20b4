"""Callers of a fleet: each has a stream to one replica, and sends again through another when that ends."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gateway.core.model import CampaignNotice, DialRequest, Priority, Settled, Source, Waiter
from tests.simulation.fleet.promises import Promises, Told

if TYPE_CHECKING:
    from tests.simulation.fleet.replica import Replica


class Listener(Protocol):
    """Who wants the answers of a stream."""

    def answered(self, request: DialRequest, settled: Settled) -> None:
        """Take one answer."""


class _NullRecipient:
    def answered(self, request: DialRequest, settled: Settled) -> None:
        """Drop an answer."""


@dataclass(eq=False, repr=False)
class Stream:
    """One stream of a caller to one replica, as the gateway's own session would serve it.

    `waiting` holds what has no answer yet, by index, with the instant at which it was sent.
    """

    service: str
    replica: "Replica"
    promises: Promises
    listener: Listener = field(default_factory=_NullRecipient)
    sent: int = 0
    waiting: dict[int, tuple[float, DialRequest]] = field(default_factory=dict)
    is_lost: bool = False
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        self.source = Source(self, self.service)

    def send(self, *requests: DialRequest, priority: Priority = Priority.NORMAL) -> None:
        """Send dial requests of one campaign, as many as the replica has room for."""
        requests = requests[: max(0, self.replica.dispatcher.room())]
        if self.is_lost or self.replica.is_gone or not requests:
            return
        arrivals = []
        now = self.promises.now()
        for request in requests:
            self.promises.submitted(self.replica.name, request)
            self.waiting[self.sent] = now, request
            arrivals.append((Waiter(self.source, self.sent), request))
            self.sent += 1
        self.replica.dispatcher.submit(arrivals, priority)

    def close(self) -> None:
        """Half-close."""
        if not self.is_lost:
            self.replica.dispatcher.source_closed(self.source)

    def leave(self) -> list[DialRequest]:
        """Disconnect, or lose the connection; return what has no answer."""
        rest = [request for _, request in self.waiting.values()]
        self.is_lost = True
        self.waiting.clear()
        for request in rest:
            self.promises.lost((request.campaign_id, request.client_token))
        if not self.replica.is_gone:
            self.replica.dispatcher.source_gone(self.source)
        return rest

    # --- the gateway's session ---------------------------------------------------------------------

    def deliver(self, settled: Settled) -> None:
        """Take an answer."""
        if self.is_lost:
            return
        promises, index = self.promises, settled.waiter.index
        promises.check(index in self.waiting, "answered twice", settled.client_token)
        if index not in self.waiting:
            return
        sent_at, request = self.waiting.pop(index)
        now = promises.now()
        key = settled.campaign_id, settled.client_token
        same = key == (request.campaign_id, request.client_token)
        promises.check(same, "an answer for another request", key, request)
        told = Told(now, self.replica.name, self.service, now - sent_at, key, settled.answer)
        promises.answered(told, request)
        self.listener.answered(request, settled)

    def notify(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Drop a notice."""
