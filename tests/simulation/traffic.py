"""Traffic of a simulation, all of it from one random generator: a world, what callers do, what breaks."""

import random
from collections.abc import Iterator

from gateway.core.engine import Limits
from gateway.core.model import BATCH_LIMIT, DialRequest, Outcome, Priority
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT
from tests.oracle.records import Caller
from tests.simulation.connect_model import INVALID, POISON, RUNNING, Bucket, Buffer, Connect, Faults
from tests.simulation.world import PHONE, World

BUSY_S = 10.0
"""How long callers do as they like and Connect fails at will; then it is calm."""
CALM_S, LATEST_S = 25.0, 200.0
"""After so long in calm every campaign must flow again; later, each request must have its answer."""
LIVES_S = (600.0, 600.0, 60.0, 12.0, 7.0, 5.07, 5.0625, 3.0, 0.0)
STATES = ("Paused", "Initialized", "Stopped", "Failed", "NotFound", "Dreaming", RUNNING, RUNNING)
FAULTS = (
    Faults(),
    Faults(lost_done=0.1, lost_undone=0.1, failed_undone=0.1),
    Faults(item_error=0.2, item_missing=0.1, item_rate=0.05),
    Faults(unreachable=0.2, conflict=0.1, denied=0.05, unexpected=0.05, failed_done=0.1, item_error=0.05),
    Faults(lost_done=0.4, lost_undone=0.3),
)


def dial(
    token: str, campaign: str = "c0", *, expires_at: float, phone: str = PHONE, size: int = 60
) -> DialRequest:
    """Make a dial request."""
    return DialRequest(campaign, token, phone, {}, expires_at, size)


def random_limits(rng: random.Random) -> Limits:
    """Draw the settings of a gateway."""
    rate = rng.choice((0.0, 2.0, 10.0, 10.0, 10.0, 50.0))
    return Limits(
        call_rate=rate,
        call_burst=rng.choice((1.0, 2.0, 10.0)),
        concurrent_calls=rng.choice((1, 2, 8)),
        linger_s=rng.choice((0.0, 0.05, 0.5)),
        expiry_headroom_s=rng.choice((0.0, 5.0)),
        replay_window_s=rng.choice((4.0, 1200.0)),
        max_attempts=rng.choice((1, 2, 5)),
        queue_limit=rng.choice((50, 100_000, 100_000)),
        forecast=rng.random() < 0.5,
        slice_units=rng.choice((1, 3, 1000)),
    )


def random_world(rng: random.Random) -> World:
    """Draw a gateway and a Connect; the true quota may be smaller than the gateway's setting."""
    limits = random_limits(rng)
    rate, burst = limits.call_rate or 20.0, limits.call_burst
    share = rng.choice((0.5, 1.0, 1.0, 1.0))
    connect = Connect(rng, Bucket(max(rate * share, 1.0), burst), rng.choice(FAULTS))
    world = World(limits, connect, rng, latency_s=rng.choice((0.005, 0.03, 0.3)))
    world.may_look = rng.random() < 0.8
    world.look_up_fails = rng.choice((0.0, 0.3))
    return world


class Traffic:
    """What callers, operators and Connect do in one run."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self._campaigns = [f"c{number}" for number in range(rng.randint(1, 5))]
        self._services = [f"service-{number}" for number in range(rng.choice((1, 1, 2, 3)))]
        self._all: list[Caller] = []
        self._callers = [self._new_caller() for _ in range(rng.randint(1, 5))]
        self._made_up = 0
        self._mixed = rng.random() < 0.5
        self._bad = rng.choice((0.0, 0.0, 0.02))
        self._tokens = 0
        self._recent: list[DialRequest] = []

    @property
    def callers(self) -> list[Caller]:
        """All callers that have ever sent."""
        return self._all

    def plan(self) -> None:
        """Put everything that will happen on the world's agenda."""
        rng, world = self._rng, self._world
        acts = [self._burst, self._few, self._few, self._again, self._go, self._trouble, self._steer]
        if rng.random() < 0.3:
            acts.append(self._mistake)
        if self._mixed and rng.random() < 0.1:
            world.at(rng.uniform(0.0, BUSY_S), self._flood)
        for _ in range(rng.randint(5, 80)):
            world.at(rng.uniform(0.0, BUSY_S), rng.choice(acts))
        if rng.random() < 0.3:
            self._others(rng.uniform(0.0, 0.5 * BUSY_S), rng.choice((1.0, 5.0, 20.0)))
        world.at(BUSY_S, self._calm)

    def probes(self) -> Iterator[tuple[Caller, DialRequest]]:
        """Yield a dial request for each campaign, to see whether it flows."""
        for campaign in self._campaigns:
            caller = self._new_caller()
            yield caller, dial(self._token(), campaign, expires_at=self._world.now + 600.0)

    # --- what callers do ---------------------------------------------------------------------------

    def _burst(self) -> None:
        self._send(self._rng.choice((24, 25, 26, 60)))

    def _few(self) -> None:
        self._send(self._rng.choice((1, 1, 2, 10)))

    def _send(self, count: int) -> None:
        rng, caller = self._rng, self._caller()
        campaign = rng.choice(self._campaigns)
        priority = rng.choice(tuple(Priority)) if self._mixed else Priority.NORMAL
        expires_at = self._world.now + rng.choice(LIVES_S)
        requests = [dial(self._token(), campaign, expires_at=expires_at) for _ in range(count)]
        self._recent += requests
        self._world.submit(caller, *requests, priority=priority)

    def _flood(self) -> None:
        """Send more calls of HIGH requests than may pass over the BULK requests that wait before them."""
        caller, campaign = self._caller(), self._rng.choice(self._campaigns)
        for priority, count in ((Priority.BULK, 10), (Priority.HIGH, (PASSED_OVER_LIMIT + 4) * BATCH_LIMIT)):
            requests = [
                dial(self._token(), campaign, expires_at=self._world.now + 600.0) for _ in range(count)
            ]
            self._world.submit(caller, *requests, priority=priority)

    def _again(self) -> None:
        """Send tokens again: some outstanding, some settled, some of them for another number."""
        rng, caller = self._rng, self._caller()
        for request in rng.sample(self._recent, min(len(self._recent), rng.randint(1, 10))):
            phone = PHONE if rng.random() < 0.9 else "+12065550101"
            expires_at = self._world.now + rng.choice(LIVES_S)
            again = dial(request.client_token, request.campaign_id, expires_at=expires_at, phone=phone)
            again.in_doubt = rng.random() < 0.3
            priority = rng.choice(tuple(Priority)) if self._mixed else Priority.NORMAL
            self._world.submit(caller, again, priority=priority)

    def _mistake(self) -> None:
        """Send requests for campaigns that Connect does not have, each for another."""
        caller = self._caller()
        for _ in range(self._rng.choice((1, 5, 40))):
            self._made_up += 1
            campaign = f"made-up-{self._made_up}"
            self._world.connect.states[campaign] = "NotFound"
            expires_at = self._world.now + self._rng.choice(LIVES_S)
            self._world.submit(caller, dial(self._token(), campaign, expires_at=expires_at))

    def _go(self) -> None:
        caller = self._caller()
        world = self._world
        self._rng.choice((world.close, world.leave, world.withdraw, world.end_stream))(caller)

    # --- what the outside does ---------------------------------------------------------------------

    def _trouble(self) -> None:
        rng, world = self._rng, self._world
        campaign = rng.choice(self._campaigns)
        if rng.random() < 0.5:
            world.connect.states[campaign] = rng.choice(STATES)
            world.trace.append((world.now, "state", campaign, world.connect.states[campaign]))
        else:
            world.connect.buffers[campaign] = Buffer(rng.choice((0.0, 5.0, 40.0)), rng.choice((0.0, 10.0)))
            world.trace.append((world.now, "buffer", campaign))

    def _others(self, begin: float, rate: float) -> None:
        for number in range(int(rate * 0.5 * BUSY_S)):
            instant = begin + number / rate
            self._world.at(instant, self._world.connect.bucket.take_for_others, instant)

    def _steer(self) -> None:
        rng, world = self._rng, self._world
        campaign = rng.choice(self._campaigns)
        if rng.random() < 0.2:
            world.purge(campaign)
        elif campaign in world.observed.holds and rng.random() < 0.8:
            world.release(campaign)
        else:
            world.hold(campaign, answering=rng.random() < 0.4)
            world.at(world.now + rng.uniform(0.0, 4.0), world.release, campaign)

    def _calm(self) -> None:
        for campaign in list(self._world.observed.holds):
            self._world.release(campaign)
        connect = self._world.connect
        connect.faults = Faults()
        connect.states = {name: state for name, state in connect.states.items() if name.startswith("made-up")}
        connect.buffers.clear()
        connect.bucket.rate = max(connect.bucket.rate, self._world.limits.call_rate)

    # --- how ---------------------------------------------------------------------------------------

    def _token(self) -> str:
        self._tokens += 1
        kind = "t" if self._rng.random() >= self._bad else self._rng.choice((POISON, INVALID))
        return f"{kind}-{self._tokens}"

    def _caller(self) -> Caller:
        place = self._rng.randrange(len(self._callers))
        if self._callers[place].gone or self._callers[place].closed:
            self._callers[place] = self._new_caller()
        return self._callers[place]

    def _new_caller(self) -> Caller:
        caller = Caller(f"s{len(self._all)}", self._rng.choice(self._services))
        self._all.append(caller)
        return caller


def run_seed(rng: random.Random, world: World) -> None:
    """Run one world to its end: drained, abandoned, or calm until all is answered and all flows."""
    traffic = Traffic(world, rng)
    traffic.plan()
    ending = rng.choice(("drain", "abandon", "calm", "calm"))
    if ending == "calm":
        _to_calm(traffic, world)
    else:
        world.run(rng.uniform(0.0, BUSY_S))
        if ending == "abandon":
            world.abandon()
        else:
            world.drain(rng.choice((0.0, 1.0, 25.0)))
            world.run(world.now + 60.0)
    world.observed.check_end(traffic.callers)


def _to_calm(traffic: Traffic, world: World) -> None:
    world.run(BUSY_S + CALM_S)
    before = len(world.told)
    for caller, request in traffic.probes():
        world.submit(caller, request)
    world.poll()
    world.run(world.now + CALM_S)
    probes = [told for told in world.told[before:] if told.caller.sent == 1 and not told.caller.gone]
    good = (told for told in probes if told.token.startswith("t"))
    assert all(told.answer.outcome is Outcome.ACCEPTED for told in good), "a campaign does not flow again"
    world.run(world.now + LATEST_S)
