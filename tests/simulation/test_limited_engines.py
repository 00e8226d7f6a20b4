"""Engines that share a model of the store, with a contact limit: thousands of short runs, each from a seed.

Messages to the store and replies are late or lost, replicas crash and start again, calls fail in all ways.
The same token comes to several replicas. Whatever happens, no number is dialed more often than its limit
allows in any period, counted from when the call was claimed. The store itself works here:
`tests/simulation/fleet/test_limited_seeds.py` also lets it fail.

60 of them in `make test`, 4,000 in `make cases`. More: `DIAL_GATEWAY_SEEDS=100000 python -m pytest ...`
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.errors import AnswerLost, ConnectUnreachable, RateThrottled
from gateway.core.fleet.contacts import ContactLimit
from gateway.core.fleet.messages import Claimed, Settlement
from gateway.core.model import Batch, ItemFailure
from tests.cases import cases
from tests.oracle.records import Key
from tests.simulation.fleet.limited import PHONES
from tests.unit.core.claims.replicas import Replica, Store, ms
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, Caller, dial, ids_of

SEEDS = int(os.environ.get("DIAL_GATEWAY_SEEDS") or cases(60, 4_000))
FIRST = int(os.environ.get("DIAL_GATEWAY_FIRST_SEED", "0"))
STEPS, SETTLE_STEPS = 80, 40
LIVES_S = (8.0, 30.0, 120.0)
PAUSES_S = (0.0, 0.0, 0.01, 0.3, 2.0, 15.0)
CAMPAIGNS = ("campaign", "other")


class Asked(NamedTuple):
    """Claims that were carried out, while their reply is on its way; `verdicts` is None if it is lost."""

    replica: "Lazy"
    batch: Batch
    at: float
    verdicts: Sequence[Claimed] | None


class Lazy(Replica):
    """A replica whose settlements wait until they are written."""

    def __init__(self, store: Store, member: str, guard: HoursGuard) -> None:
        super().__init__(store, member, guard, max_attempts=3, linger_s=0.0)
        self.backlog: list[tuple[str, Settlement]] = []

    def settle(self, now: float) -> list[tuple[str, Settlement]]:
        """Keep the settlements for later."""
        self.backlog += self.ledger.take_settlements()
        return []

    def write(self, now: float, count: int) -> None:
        """Write some settlements."""
        for campaign_id, one in self.backlog[:count]:
            self.store.rules.settle(ms(now), campaign_id, self.member, [one])
            self.store.contacts.withdraw(ms(now), self.member, [one])
        del self.backlog[:count]


class World:
    """The replicas, the messages on their way, and what Connect has."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.now = rng, NOW
        self.limit = ContactLimit("limit", rng.choice((1, 1, 2, 3)), rng.choice((5.0, 20.0, 600.0)))
        self.store = Store()
        self.replicas: list[Lazy] = []
        self.asked: list[Asked] = []
        self.calls: list[tuple[Lazy, Batch, float]] = []
        self.has: dict[Key, float] = {}
        self.dials: dict[str, list[tuple[float, Key]]] = defaultdict(list)
        self.answers: list[Caller] = []
        self.processes = self.tokens = 0
        self.recent: list[tuple[str, str, str]] = []
        for _ in range(rng.choice((1, 2, 3))):
            self.start()

    # --- what may happen ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a replica."""
        self.processes += 1
        self.replicas.append(Lazy(self.store, f"m-{self.processes}", HoursGuard(limits=(self.limit,))))

    def crash(self) -> None:
        """End a replica at once; its calls arrive all the same. Another one starts."""
        gone = self.replicas.pop(self.rng.randrange(len(self.replicas)))
        self.store.live.remove(gone.member)
        self.asked = [one for one in self.asked if one.replica is not gone]
        self.start()

    def begin(self) -> None:
        """Send new requests, or tokens again, through any replica."""
        rng, caller = self.rng, Caller()
        replica = rng.choice(self.replicas)
        for _ in range(rng.choice((1, 1, 2, 5))):
            if self.recent and rng.random() < 0.3:
                campaign, token, phone = rng.choice(self.recent)
            else:
                self.tokens += 1
                campaign, token, phone = rng.choice(CAMPAIGNS), f"t{self.tokens}", rng.choice(PHONES)
                self.recent.append((campaign, token, phone))
            expires_at = self.now + rng.choice(LIVES_S)
            replica.send(self.now, caller, dial(token, campaign, phone=phone, expires_at=expires_at))
        replica.engine.source_closed(self.now, caller.source)
        self.answers.append(caller)

    def poll(self) -> None:
        """Let a replica form calls, and claim them: the claims or the reply may be lost."""
        rng = self.rng
        replica = rng.choice(self.replicas)
        for batch in replica.poll(self.now).batches:
            drawn = rng.random()
            self.store.away = drawn < 0.1  # the claims are lost
            verdicts = replica.ask_claims(self.now, batch)
            self.store.away = False
            self.asked.append(Asked(replica, batch, self.now, None if drawn < 0.2 else verdicts))

    def reply(self) -> None:
        """Let a reply arrive, or the time run out for it."""
        if self.asked:
            one = self.asked.pop(self.rng.randrange(len(self.asked)))
            if one.replica.claimed(self.now, one.batch, one.verdicts, one.at):
                self.calls.append((one.replica, one.batch, one.at))

    def arrive(self) -> None:
        """Let a call arrive at Connect, which carries it out or not, and answers or not."""
        if not self.calls:
            return
        rng = self.rng
        replica, batch, at = self.calls.pop(rng.randrange(len(self.calls)))
        failure = rng.choice((None, None, None, RateThrottled(), AnswerLost(), ConnectUnreachable()))
        done = failure is None or (isinstance(failure, AnswerLost) and rng.random() < 0.5)
        refused = {token for token in ids_of(batch) if done and rng.random() < 0.2}
        for entry in batch.entries if done else ():
            if entry.request.client_token not in refused:
                self._dial((batch.campaign_id, entry.request.client_token), entry.request.phone_number, at)
        if replica not in self.replicas:
            return
        if failure is None:
            failed = dict.fromkeys(refused, ItemFailure.INVALID_INPUT)
            accepted = {token: id_ for token, id_ in ids_of(batch).items() if token not in refused}
            replica.complete(self.now, batch, accepted=accepted, failed=failed)
        else:
            lost = isinstance(failure, AnswerLost)
            replica.complete(self.now, batch, failure=failure, uncertain=lost)

    def write(self) -> None:
        """Let a replica write some of its settlements."""
        self.rng.choice(self.replicas).write(self.now, self.rng.choice((1, 5, 100)))

    def wait(self) -> None:
        """Let time pass."""
        self.now += self.rng.choice(PAUSES_S)

    # --- checks ---------------------------------------------------------------------------------------

    def _dial(self, key: Key, phone: str, claimed_at: float) -> None:
        if key in self.has:
            return  # Connect recognizes a token
        self.has[key] = claimed_at
        dials = self.dials[phone]
        dials.append((claimed_at, key))
        dials.sort()
        period_s, calls = self.limit.period_s, self.limit.calls
        for (first, _), (last, _) in zip(dials, dials[calls:], strict=False):
            assert last - first >= period_s - 0.001, f"more than {calls} dials within {period_s} s: {dials}"


def run(seed: int) -> World:
    """Run one world from its seed; raise `AssertionError` if it breaks the limit."""
    world = World(random.Random(seed))
    acts = [world.begin, world.begin, world.poll, world.poll, world.poll, world.reply, world.reply]
    acts += [world.reply, world.arrive, world.arrive, world.write, world.wait]
    if world.rng.random() < 0.5:
        acts.append(world.crash)
    for _ in range(STEPS):
        world.rng.choice(acts)()
    for _ in range(SETTLE_STEPS):  # everything that is on its way arrives
        for act in (world.poll, world.reply, world.arrive, world.write):
            act()
        world.now += 1.0
    return world


def test_limits_hold_among_engines() -> None:
    """People are called, and others are refused or wait."""
    seen: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        try:
            world = run(seed)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
        seen["dials"] += len(world.has)
        for caller in world.answers:
            seen.update(answer.reason.name for answer in caller.answers.values())
    assert seen["dials"] > SEEDS
    assert seen["CONTACT_LIMIT"] > SEEDS
