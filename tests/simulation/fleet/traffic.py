"""Traffic and faults of a fleet, all from one random generator."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.core.engine import Limits
from gateway.core.fleet.messages import FleetActionKind
from gateway.core.model import DialRequest, Outcome, Priority, Settled
from tests.simulation.connect_model import RUNNING, Bucket, Connect, Faults
from tests.simulation.fleet.callers import Stream
from tests.simulation.fleet.fleet import Fleet
from tests.simulation.fleet.promises import BrokenPromise
from tests.simulation.fleet.replica import EPOCH_S
from tests.simulation.fleet.store_network import Weather
from tests.simulation.traffic import FAULTS, STATES
from tests.simulation.world import PHONE

BUSY_S = 8.0
"""How long callers do as they like and everything fails at will; then it is calm."""
SETTLED_S = 6.0
"""Seconds of calm after which replicas, store and holds are as they should be."""
CALM_S = 60.0
"""After so long in calm everything that can be sent must have been answered."""
LIVES_S = (600.0, 600.0, 60.0, 12.0, 7.0, 3.0)
HARMS = ("kill", "hang", "flush", "read only", "fail over", "clock", "split")
"""What may happen to the store."""
NAMES = ("a", "b", "c", "d")
HOUR_S = 3600.0
FleetT = TypeVar("FleetT", bound=Fleet)
OTHER_PHONE = "+12065550101"


def random_fleet(rng: random.Random) -> Fleet:
    """Draw a fleet, its account and its network."""
    return random_fleet_of(Fleet, rng)


def random_fleet_of(kind: type[FleetT], rng: random.Random) -> FleetT:
    """Draw a fleet of a kind, its account and its network."""
    rate = rng.choice((5.0, 10.0, 10.0, 10.0, 50.0))
    burst = rng.choice((1.0, 2.0, rate, rate))
    limits = Limits(
        call_rate=rate,
        call_burst=burst,
        concurrent_calls=rng.choice((2, 8, 8)),
        linger_s=rng.choice((0.0, 0.05, 0.5)),
        max_attempts=rng.choice((1, 2, 5)),
        forecast=rng.random() < 0.3,
        slice_units=rng.choice((3, 1000, 1000)),
    )
    share = rng.choice((0.5, 1.0, 1.0, 1.0))
    connect = Connect(rng, Bucket(rate * share, max(1.0, burst * share)), rng.choice((Faults(), *FAULTS)))
    weather = rng.choice(
        (Weather(), Weather(), Weather(0.005), Weather(late=0.1), Weather(lost=0.1, late=0.1))
    )
    fleet = kind(limits, connect, rng, rng.choice((0.005, 0.03, 0.1)), weather)
    if rng.random() < 0.2:
        fleet.odd_clocks[rng.choice(NAMES)] = rng.choice((HOUR_S, -HOUR_S))
    for name in NAMES[: rng.choice((1, 2, 3, 3, 4))]:
        fleet.at(rng.choice((0.0, 0.0, 0.0, rng.uniform(0.0, BUSY_S))), fleet.start, name)
    return fleet


class Service:
    """A caller that sends each of its requests until it has a final answer, through any replica."""

    def __init__(self, fleet: Fleet, name: str, rng: random.Random, *, doubts: bool) -> None:
        self._fleet, self._name, self._rng = fleet, name, rng
        self._doubts = doubts
        self._stream: Stream | None = None

    def send(self, requests: list[DialRequest], priority: Priority) -> None:
        """Send requests of one campaign through the present stream, or a new one."""
        stream = self._present()
        if stream is not None:
            stream.send(*requests, priority=priority)

    def move(self) -> None:
        """Leave the present replica, and send what has no answer through another."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        by_campaign: dict[str, list[DialRequest]] = {}
        for request in stream.leave():
            request.in_doubt |= self._doubts
            by_campaign.setdefault(request.campaign_id, []).append(request)
        for requests in by_campaign.values():
            self.send(requests, Priority.NORMAL)

    def answered(self, request: DialRequest, settled: Settled) -> None:
        """Send a request again whose result is unknown, sometimes through another replica."""
        if settled.answer.outcome is Outcome.UNKNOWN and self._rng.random() < 0.5:
            self._fleet.at(self._fleet.now + 1.0, self._again, request)

    def _again(self, request: DialRequest) -> None:
        if self._rng.random() < 0.5:
            self.move()
        self.send([request], Priority.NORMAL)

    def _present(self) -> Stream | None:
        if self._stream is not None and self._stream.replica.is_gone:
            self.move()
        if self._stream is None and self._fleet.replicas:
            name = self._rng.choice(sorted(self._fleet.replicas))
            self._stream = self._fleet.stream(name, self._name, self)
        return self._stream


class Traffic:
    """What callers, operators, Connect, the store and the replicas do in one run."""

    lives_s: Sequence[float] = LIVES_S
    harms: Sequence[str] = HARMS

    def __init__(self, fleet: Fleet, rng: random.Random) -> None:
        self._fleet, self._rng = fleet, rng
        self._campaigns = [f"c{number}" for number in range(rng.randint(1, 4))]
        self._services = [
            Service(fleet, f"service-{number}", rng, doubts=rng.random() < 0.5)
            for number in range(rng.randint(1, 5))
        ]
        self._store_faults = rng.random() < 0.5
        self._mixed = rng.random() < 0.3
        self._tokens = 0
        self._recent: list[DialRequest] = []

    def plan(self) -> None:
        """Put everything that will happen on the agenda."""
        rng, fleet = self._rng, self._fleet
        acts: list[Callable[[], object]] = [self._burst, self._burst, self._few, self._few, self._again]
        acts += [self._twice, self._move, self._steer, self._trouble]
        if rng.random() < 0.5:
            acts += [self._crash, self._leave]
        if self._store_faults:
            acts += [self._cut, self._hurt_store, self._hurt_store]
        for _ in range(rng.randint(5, 60)):
            fleet.at(rng.uniform(0.0, BUSY_S), rng.choice(acts))
        fleet.at(BUSY_S, self._calm)

    def probes(self) -> list[DialRequest]:
        """Return a new request of each campaign."""
        return [self._new(campaign, 600.0) for campaign in self._campaigns]

    # --- callers -----------------------------------------------------------------------------------

    def _burst(self) -> None:
        self._send(self._rng.choice((24, 25, 26, 60, 200)))

    def _few(self) -> None:
        self._send(self._rng.choice((1, 1, 2, 10)))

    def _send(self, count: int) -> None:
        requests = [self._new(self._rng.choice(self._campaigns)) for _ in range(1)]
        requests += [self._new(requests[0].campaign_id) for _ in range(count - 1)]
        self._rng.choice(self._services).send(requests, self._priority())

    def _twice(self) -> None:
        """Send the same new requests through two services at once."""
        request = self._new(self._rng.choice(self._campaigns))
        for service in self._rng.sample(self._services, min(2, len(self._services))):
            service.send([_copy(request)], self._priority())

    def _again(self) -> None:
        """Send tokens again, some of them for another number."""
        rng = self._rng
        for request in rng.sample(self._recent, min(len(self._recent), rng.randint(1, 10))):
            again = _copy(request)
            if rng.random() >= 0.9:
                again.phone_number = OTHER_PHONE
            again.in_doubt = rng.random() < 0.2
            rng.choice(self._services).send([again], self._priority())

    def _move(self) -> None:
        self._rng.choice(self._services).move()

    def _new(self, campaign: str, life_s: float | None = None) -> DialRequest:
        self._tokens += 1
        until = EPOCH_S + self._fleet.now + (life_s or self._rng.choice(self.lives_s))
        request = DialRequest(campaign, f"t-{self._tokens}", self.phone(), {}, until, 60)
        self._recent.append(request)
        return request

    def phone(self) -> str:
        """Return the number of a new request."""
        return PHONE

    def _priority(self) -> Priority:
        return self._rng.choice(tuple(Priority)) if self._mixed else Priority.NORMAL

    # --- operators and Connect ---------------------------------------------------------------------

    def _steer(self) -> None:
        rng, fleet = self._rng, self._fleet
        campaign, name = rng.choice(self._campaigns), rng.choice(NAMES)
        kind = rng.choice((FleetActionKind.HOLD, FleetActionKind.HOLD, FleetActionKind.PURGE))
        fleet.at(fleet.now, self._act, name, kind, campaign, rng.random() < 0.4)
        if kind is FleetActionKind.HOLD:
            later = fleet.now + rng.uniform(0.0, 4.0)
            fleet.at(later, self._act, rng.choice(NAMES), FleetActionKind.RELEASE, campaign, False)

    async def _act(self, name: str, kind: FleetActionKind, campaign: str, answering: bool) -> None:
        await self._fleet.act(name, kind, campaign, answering=answering)

    def _trouble(self) -> None:
        campaign = self._rng.choice(self._campaigns)
        self._fleet.connect.states[campaign] = self._rng.choice((*STATES, RUNNING, RUNNING))

    # --- replicas and the store --------------------------------------------------------------------

    def _crash(self) -> None:
        fleet, rng = self._fleet, self._rng
        if fleet.replicas:
            name = rng.choice(sorted(fleet.replicas))
            fleet.crash(name)
            fleet.at(fleet.now + rng.choice((0.1, 1.0, 5.0)), self._start, name)
            for service in self._services:
                fleet.at(fleet.now + rng.uniform(0.0, 1.0), service.send, [], Priority.NORMAL)

    async def _leave(self) -> None:
        fleet, rng = self._fleet, self._rng
        if len(fleet.replicas) > 1:
            name = rng.choice(sorted(fleet.replicas))
            await fleet.stop(name, rng.choice((0.5, 5.0)))
            self._start(name)

    def _start(self, name: str) -> None:
        if name not in self._fleet.replicas:
            self._fleet.start(name)

    def _cut(self) -> None:
        fleet, rng = self._fleet, self._rng
        name = rng.choice(NAMES)
        fleet.partition(name, cut=True)
        fleet.at(fleet.now + rng.choice((0.1, 0.5, 2.0)), lambda: fleet.partition(name, cut=False))

    def _hurt_store(self) -> None:
        fleet, rng, store = self._fleet, self._rng, self._fleet.store
        if store.killed or store.hung or store.read_only or fleet.is_split:
            return
        fleet.trouble()
        harm = rng.choice(self.harms)
        fleet.promises.trace.append((fleet.now, harm))
        heals_at = fleet.now + rng.choice((0.1, 0.5, 2.0))
        if harm == "kill":
            store.kill()
            fleet.at(heals_at, fleet.lose_data, store.start)
        elif harm == "hang":
            store.hang()
            fleet.at(heals_at, fleet.heal, store.resume)
        elif harm == "flush":
            fleet.lose_data(store.flush)
        elif harm == "read only":
            store.read_only = True
            fleet.at(heals_at, fleet.heal, store.allow_writes)
        elif harm == "fail over":
            copy = store.snapshot()
            fleet.at(heals_at, fleet.lose_data, lambda: store.fail_over(copy))
        elif harm == "split":
            names = rng.sample(NAMES, rng.randint(1, len(NAMES) - 1))
            fleet.at(fleet.now + rng.choice((0.0, 0.3)), fleet.split, store.snapshot(), names)
            fleet.at(fleet.now + rng.choice((0.6, 1.5, 3.0)), fleet.reunite)
        else:
            fleet.store_shift_s += rng.choice((-HOUR_S, -1.0, 1.0, HOUR_S))

    def _calm(self) -> None:
        fleet = self._fleet
        fleet.weather.lost = fleet.weather.late = 0.0
        fleet.connect.faults = Faults()
        fleet.connect.states.clear()
        fleet.connect.buffers.clear()
        fleet.at(fleet.now + 3.1, fleet.reunite)
        for name in NAMES:
            fleet.partition(name, cut=False)
            fleet.at(fleet.now + 1.0, self._start, name)
        for campaign in self._campaigns:
            fleet.at(fleet.now + 4.0, self._act, NAMES[0], FleetActionKind.RELEASE, campaign, False)


def _copy(request: DialRequest) -> DialRequest:
    return DialRequest(
        request.campaign_id, request.client_token, request.phone_number, {}, request.expiration, 60
    )


async def run_seed(rng: random.Random) -> None:
    """Run one fleet until all is calm and everything is answered."""
    fleet = random_fleet(rng)
    traffic = Traffic(fleet, rng)
    traffic.plan()
    await fleet.run(BUSY_S + SETTLED_S)
    await until_answered(fleet, "dial requests")
    for name in sorted(fleet.replicas):
        if fleet.odd_clocks.get(name, 0.0) <= 0.0:  # elsewhere everything has expired
            probing = fleet.stream(name, "probe")
            for probe in traffic.probes():
                probing.send(probe)
    before = len(fleet.promises.told)
    await until_answered(fleet, "probes")
    for told in fleet.promises.told[before:]:
        fine = told.service != "probe" or told.answer.outcome is Outcome.ACCEPTED
        fleet.promises.check(fine, "a probe in calm is not accepted", told)
    fleet.promises.raise_if_broken()


async def until_answered(fleet: Fleet, what: str) -> None:
    """Run until every request on a living replica is answered. Raises `BrokenPromise`."""
    until = fleet.now + CALM_S
    while any(stream.waiting for stream in fleet.streams if not stream.replica.is_gone):
        if fleet.now > until:
            raise BrokenPromise(f"{what} have no answer")
        await fleet.run(fleet.now + 0.5)
