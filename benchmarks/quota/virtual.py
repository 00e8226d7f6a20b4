"""The latencies of the pure core: the same offers as in a real run, on a clock that no work moves."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.quota.offer import Offer
from gateway.core.engine import Engine, Limits
from gateway.core.model import Batch, CallReport, DialRequest, Source, Waiter

EXPIRES_S = 900.0


class VirtualGateway:
    """A core whose calls take `latency_s`, and the events that are due, by their instants in seconds."""

    def __init__(self, limits: Limits, latency_s: float) -> None:
        self.now = 0.0
        self._engine = Engine(limits, Random(1))
        self._latency_s = latency_s
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._answered: dict[tuple[Source, int], float] = {}

    def stream(self, offers: Sequence[Offer]) -> Source:
        """Let one stream send its offers, each at its time, and then half-close."""
        source = Source()
        for index, offer in enumerate(offers):
            self._at(offer.at_s, lambda index=index, offer=offer: self._submit(source, index, offer))  # type: ignore[misc]
        self._at(offers[-1].at_s, lambda: self._engine.source_closed(self.now, source))
        return source

    def run(self) -> None:
        """Let everything happen until nothing is due."""
        wake_at: float | None = None
        while self._events or wake_at is not None:
            instants = [self._events[0][0]] if self._events else []
            self.now = max(self.now, min([*instants, *([wake_at] if wake_at is not None else [])]))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            wake_at = self._decide()

    def latencies(self, source: Source, offers: Sequence[Offer]) -> list[float]:
        """Return the seconds from each offer of a stream to its answer."""
        return [self._answered[source, index] - offer.at_s for index, offer in enumerate(offers)]

    def _at(self, instant: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (instant, next(self._order), event))

    def _submit(self, source: Source, index: int, offer: Offer) -> None:
        expires_at = self.now + EXPIRES_S
        request = DialRequest(offer.campaign, offer.token, "+12025550123", {}, expires_at, 100)
        self._engine.submit(self.now, [(Waiter(source, index), request)])
        self._deliver()

    def _decide(self) -> float | None:
        decision = self._engine.poll(self.now)
        for batch in decision.batches:
            self._at(self.now + self._latency_s, lambda batch=batch: self._complete(batch))  # type: ignore[misc]
        self._deliver()
        return decision.wake_at if self._engine.outstanding else None

    def _complete(self, batch: Batch) -> None:
        accepted = {entry.request.client_token: "id" for entry in batch.entries}
        self._engine.completed(self.now, batch, CallReport(accepted=accepted, started_at=batch.formed_at))
        self._deliver()

    def _deliver(self) -> None:
        for settled in self._engine.take_answers(self.now):
            self._answered[settled.waiter.source, settled.waiter.index] = self.now


def latencies_of(limits: Limits, latency_s: float, offers: Sequence[Sequence[Offer]]) -> list[float]:
    """Return the latencies of all offers, in seconds. Each list of offers is sent as one stream."""
    gateway = VirtualGateway(limits, latency_s)
    sources = [gateway.stream(one) for one in offers]
    gateway.run()
    return [
        latency_s
        for source, one in zip(sources, offers, strict=True)
        for latency_s in gateway.latencies(source, one)
    ]
