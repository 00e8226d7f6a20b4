"""A fleet on virtual time: real engines, the rules of the quota, and one bucket of the account.

Events happen in the order of their instants. A replica is polled whenever something happens to it and at the
instants that its engine names, and ticks whenever its permits want it. Messages to the store take time, and
may be lost on the way or on the way back.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from gateway.core.engine import Engine, Limits
from gateway.core.errors import RateThrottled
from gateway.core.fleet.messages import FleetSettings, TickReply, TickRequest
from gateway.core.model import Batch, CallReport, Priority, Source, Waiter
from gateway.core.quota.fleet_permits import FleetPermits, QuotaMember
from gateway.shared_state.port import TIMES_ASKED
from gateway.shared_state.rules.quota import QuotaRules
from gateway.simulator.quota import TokenBucket
from tests.unit.core.making import dial, ids_of

RATE, BURST = 10.0, 10.0
CALL_S, LINK_S, TIMEOUT_S = 0.06, 0.001, 0.25
"""How long a call and one way to the store take, and after which time a tick is sent again."""
EPOCH_MS = 1_700_000_000_000


@dataclass
class Call:
    """One call as it arrived at Connect."""

    at: float
    replica: str
    campaign_id: str
    priority: Priority
    size: int
    throttled: bool


@dataclass
class Store:
    """The store: its rules, its clock, and whether it answers."""

    rules: QuotaRules = field(default_factory=QuotaRules)
    history: int = 0
    killed: bool = False
    hung: bool = False
    late: list[TickRequest] = field(default_factory=list)
    ahead_ms: int = 0

    def tick(self, now: float, request: TickRequest) -> TickReply | None:
        """Carry out a tick; None if there is no answer."""
        if self.killed:
            return None
        if self.hung:
            self.late.append(request)
            return None
        return self.rules.tick(
            round(EPOCH_MS + now * 1000) + self.ahead_ms, f"history-{self.history}", request
        )

    def resume(self, now: float) -> None:
        """Go on after a hang: what has arrived is carried out, and nobody reads the replies."""
        self.hung = False
        late, self.late = self.late, []
        for request in late:
            self.tick(now, request)

    def restart(self) -> None:
        """Start with no data."""
        self.killed = False
        self.rules = QuotaRules()
        self.history += 1


class Fleet:
    """The whole world: the clock, the store, the account and the replicas."""

    def __init__(self, replicas: int = 3, *, rate: float = RATE, burst: float = BURST, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.rate, self.burst = rate, burst
        self.store = Store()
        self.account = TokenBucket(rate, burst)
        self.calls: list[Call] = []
        self.ticks = 0
        self.link_s: Callable[[], float] = lambda: LINK_S
        self.call_s: Callable[[], tuple[float, float]] = lambda: (CALL_S / 2, CALL_S)
        """After which times a call arrives at Connect, and its result at the replica."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.replicas = [self.replica(name) for name in "abcdefghijkl"[:replicas]]

    def replica(self, name: str, **limits: Any) -> "Replica":
        """Start a replica."""
        replica = Replica(self, name, **{"call_rate": self.rate, "call_burst": self.burst} | limits)
        self.at(self.now, replica.turn)
        return replica

    def at(self, instant: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (max(instant, self.now), next(self._order), event))

    def run(self, until: float) -> None:
        """Let the time pass."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def every(self, period: float, event: Callable[[], None]) -> None:
        """Repeat something from now on."""

        def again() -> None:
            event()
            self.at(self.now + period, again)

        self.at(self.now, again)

    def used(self, begin: float, end: float) -> float:
        """Return the share of the quota that accepted calls have used between two instants."""
        return sum(begin <= call.at < end and not call.throttled for call in self.calls) / (
            self.rate * (end - begin)
        )

    @property
    def throttled(self) -> int:
        """How many calls exceeded the account's quota."""
        return sum(call.throttled for call in self.calls)

    def by_replica(self, begin: float = 0.0) -> Counter[str]:
        """Return the calls of each replica since an instant."""
        return Counter(call.replica for call in self.calls if call.at >= begin)


class Replica:
    """A replica: an engine with its permits, and a shell that knows no real time."""

    def __init__(self, fleet: Fleet, name: str, **limits: Any) -> None:
        settings = Limits(**{"forecast": False, "concurrent_calls": 8} | limits)
        shared = FleetSettings(settings.call_rate, settings.call_burst, settings.replay_window_s)
        member = QuotaMember(f"{name}-{fleet.rng.randrange(10**6)}", name, shared)
        self.fleet, self.name, self.member = fleet, name, member.member
        self.engine = Engine(settings, random.Random(1), fleet_quota=member)
        assert self.engine.fleet_permits is not None
        self.permits: FleetPermits = self.engine.fleet_permits
        self.dead = False
        self.lose_request: Callable[[], bool] = lambda: False
        self.lose_reply: Callable[[], bool] = lambda: False
        self.gone: tuple[str, ...] = ()
        self.tokens = count()
        self.sources: dict[str, Source] = {}
        self.waiting: Counter[str] = Counter()
        """Dial requests without an answer, by campaign."""
        self._exchange = 0
        self._ticking = False
        self._woken: Iterator[int] = count()
        self._turn = 0
        self._tick_alarm = 0

    # --- traffic ----------------------------------------------------------------------------------

    def send(
        self, count: int, campaign: str = "campaign", priority: Priority = Priority.NORMAL, caller: str = ""
    ) -> None:
        """Let a caller send dial requests."""
        if self.dead:
            return
        self.waiting[campaign] += count
        source = self.sources.setdefault(caller, Source(caller=caller))
        now, arrivals = self.fleet.now, []
        for number in islice(self.tokens, count):
            request = dial(f"{self.name}-{number}", campaign, expires_at=now + 3600.0)
            arrivals.append((Waiter(source, number), request))
        self.engine.submit(now, arrivals, priority)
        self.turn()

    def partition(self, *, replies_only: bool = False) -> None:
        """Cut the replica off from the store."""
        self.lose_request = (lambda: False) if replies_only else (lambda: True)
        self.lose_reply = lambda: True

    def heal(self) -> None:
        """Connect it again."""
        self.lose_request = self.lose_reply = lambda: False

    def kill(self) -> None:
        """End at once, as SIGKILL does."""
        self.dead = True

    def leave(self) -> None:
        """Deregister and end."""
        request = self.permits.tick(self.fleet.now, leaving=True)
        self.fleet.store.tick(self.fleet.now, request)
        self.dead = True

    # --- how -----------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Poll the engine, and do what it decides."""
        if self.dead:
            return
        now = self.fleet.now
        decision = self.engine.poll(now)
        self._take_answers()
        for batch in decision.batches:
            self._call(batch)
        self._turn = number = next(self._woken)
        if decision.wake_at is not None:
            self.fleet.at(decision.wake_at, lambda: self._alarm(number))
        self._watch_ticks()

    def _take_answers(self) -> None:
        for settled in self.engine.take_answers(self.fleet.now):
            self.waiting[settled.campaign_id] -= 1

    def _alarm(self, number: int) -> None:
        if number == self._turn:
            self.turn()

    def _call(self, batch: Batch) -> None:
        left_at = self.fleet.now
        arrives_s, returns_s = self.fleet.call_s()
        self.fleet.at(left_at + arrives_s, lambda: self._arrive(batch, left_at, left_at + returns_s))

    def _arrive(self, batch: Batch, left_at: float, returns_at: float) -> None:
        fleet = self.fleet
        throttled = not fleet.account.take(fleet.now)
        priority = min(entry.priority for entry in batch.entries)
        fleet.calls.append(
            Call(fleet.now, self.name, batch.campaign_id, priority, len(batch.entries), throttled)
        )
        fleet.at(returns_at, lambda: self._return(batch, left_at, throttled))

    def _return(self, batch: Batch, left_at: float, throttled: bool) -> None:
        if self.dead:
            return
        report = CallReport(accepted=ids_of(batch), started_at=left_at)
        if throttled:
            report = CallReport(failure=RateThrottled(), counted_attempts=0, started_at=left_at)
        self.engine.completed(self.fleet.now, batch, report)
        self.turn()

    def _watch_ticks(self) -> None:
        """Tick as soon as the permits want it."""
        if self._ticking or self.dead:
            return
        self._tick_alarm += 1
        number = self._tick_alarm

        def alarm() -> None:
            if number == self._tick_alarm and not self._ticking and not self.dead:
                self._tick()

        self.fleet.at(self.permits.tick_at(self.fleet.now), alarm)

    def _tick(self) -> None:
        fleet = self.fleet
        self._ticking = True
        fleet.ticks += 1
        self._exchange += 1
        number, sent_at = self._exchange, fleet.now
        gone = tuple(
            replica.member
            for replica in fleet.replicas
            if replica.dead and any(one.member == replica.member and one.lost for one in self.permits.members)
        )
        request = self.permits.tick(sent_at, gone)
        fleet.at(sent_at + TIMES_ASKED * TIMEOUT_S, lambda: self._timed_out(number))
        for times in range(TIMES_ASKED):
            fleet.at(sent_at + times * TIMEOUT_S, lambda: self._ask(number, sent_at, request))

    def _ask(self, number: int, sent_at: float, request: TickRequest) -> None:
        """Send a tick, perhaps again, if there is no reply yet."""
        if number == self._exchange and self._ticking and not self.dead and not self.lose_request():
            arrives_at = self.fleet.now + self.fleet.link_s()
            self.fleet.at(arrives_at, lambda: self._at_store(number, sent_at, request))

    def _at_store(self, number: int, sent_at: float, request: TickRequest) -> None:
        reply = self.fleet.store.tick(self.fleet.now, request)
        if reply is not None and not self.lose_reply():
            self.fleet.at(self.fleet.now + self.fleet.link_s(), lambda: self._ticked(number, sent_at, reply))

    def _ticked(self, number: int, sent_at: float, reply: TickReply) -> None:
        if number == self._exchange and self._ticking and not self.dead:
            self._ticking = False
            self.permits.ticked(sent_at, self.fleet.now, reply)
            self.turn()

    def _timed_out(self, number: int) -> None:
        if number == self._exchange and self._ticking and not self.dead:
            self._ticking = False
            self.permits.tick_failed(self.fleet.now)
            self.turn()
