"""Fleets whose operators suppress numbers: nothing is sent to them a second later, by any replica.

- No call with a suppressed number arrives more than a second after the request, from any replica that reaches
  the store; from the replica that was asked, whether it reaches the store or not.
- A replica ends a suppression only after an operator has allowed the number.
- A replica that is asked about a number, and says that it knows all suppressions, knows those of the store.
  What it tells to be on all replicas is in force on each that reaches the store.
- In calm all replicas know the same suppressions, under the same key, and so does the store.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.compliance.number_hash import NumberHash
from gateway.compliance.suppression_guard import SuppressionGuard
from gateway.compliance.suppression_list import LiveSuppressions, Suppressions
from gateway.core.model import Outcome, Reason
from gateway.fleet.membership import SharedStateAway
from gateway.shared_state.rules.suppressions import SuppressionsRules
from tests.simulation.fleet.account import Attempt
from tests.simulation.fleet.fleet import Fleet
from tests.simulation.fleet.replica import Replica
from tests.simulation.fleet.traffic import (
    BUSY_S,
    NAMES,
    OTHER_PHONE,
    SETTLED_S,
    Traffic,
    random_fleet_of,
    until_answered,
)
from tests.simulation.world import PHONE

WITHIN_S = 1.0
"""Seconds within which a suppression stops all replicas that reach the store."""
PHONES = (PHONE, OTHER_PHONE, "+12065550102")
LOOKED_UP, LOOKED_UP_WITHIN_S = 6, 1.0
"""How often a number is looked up after each change, and seconds in which that happens."""
READS_S = 1.0
"""Seconds after which a replica whose beats have begun again has read what it missed, or sends nothing."""


class Asked(NamedTuple):
    """When a suppression was asked for. `only`: the one replica that has it, if the store has not."""

    at: float
    only: str = ""


class Numbers(LiveSuppressions):
    """The suppressed numbers of one replica; a number that nobody has allowed must stay."""

    def __init__(self, fleet: "SuppressingFleet", name: str, hashing: NumberHash) -> None:
        super().__init__()
        self._fleet, self._name, self._hashing = fleet, name, hashing

    def remove(self, number_hash: bytes) -> bool:
        phones = {self._hashing.of(phone): phone for phone in PHONES}
        phone = phones.get(number_hash, "")
        was_allowed = phone in self._fleet.allowed
        self._fleet.promises.check(was_allowed, "a suppression ends by itself", self._name, phone)
        return super().remove(number_hash)


@dataclass(eq=False, repr=False)
class SuppressingFleet(Fleet):
    """A fleet whose replicas have the guard of a gateway without rules.

    `asked` has the suppressions that operators rely on, `allowed` the numbers that were ever allowed again.
    `everywhere` counts the times that a replica has told that all replicas have a suppression.
    """

    asked: dict[str, Asked] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    hashes: dict[str, NumberHash] = field(default_factory=dict)
    live: dict[str, Numbers] = field(default_factory=dict)
    ending: Counter[str] = field(default_factory=Counter)
    everywhere: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.account.arrived = self._arrived

    def start(self, name: str) -> Replica:
        """Start a process of a replica, with a random key of its own."""
        replica = super().start(name)
        hashing = self.hashes[name] = NumberHash(self.rng.randbytes(16))
        live = self.live[name] = Numbers(self, name, hashing)
        replica.engine.guarding.use(SuppressionGuard(hashing, Suppressions(live)))
        replica.fleet.suppressions.serve(live, hashing)
        replica.fleet.suppressions.changed = replica.dispatcher.numbers_changed
        return replica

    async def suppress(self, name: str, phone: str) -> None:
        """Ask a replica to suppress a number."""
        replica = self.replicas.get(name)
        if replica is None or not await _is_keyed(replica):
            return
        if not self.ending[phone]:  # otherwise either may come first
            self.asked.setdefault(phone, Asked(self.now))
        split = self.is_split
        number_hash, alone = self.hashes[name].of(phone), False
        try:
            await replica.fleet.suppressions.suppress(number_hash, "ops", "")
        except SharedStateAway:
            alone = True
        if (alone or split or self.is_split) and phone in self.asked:
            self.asked[phone] = self.asked[phone]._replace(only=name)

    async def allow(self, name: str, phone: str) -> None:
        """Ask a replica to allow a number again."""
        replica = self.replicas.get(name)
        if replica is None or not await _is_keyed(replica):
            return
        self.allowed.add(phone)
        self.asked.pop(phone, None)
        self.ending[phone] += 1
        try:
            await replica.fleet.suppressions.end(self.hashes[name].of(phone), "ops", "")
        except SharedStateAway:
            pass
        finally:
            self.ending[phone] -= 1

    async def look_up(self, name: str, phone: str) -> None:
        """Ask a replica whether a number is suppressed, and check what it tells."""
        replica = self.replicas.get(name)
        if replica is None or not await _is_keyed(replica):
            return
        before, number_hash = self._kept(), self.hashes[name].of(phone)
        told = await replica.fleet.suppressions.read()
        found = replica.fleet.suppressions.get(number_hash)
        if not told.complete or replica.is_gone or number_hash not in before & self._kept():
            return
        self.promises.check(found is not None, "a suppressed number is told to be free", name, phone)
        if found is None or not 0 < found.version <= told.everywhere:
            return
        self.everywhere += 1
        for other, each in self.replicas.items():
            if not self._reaches_store(other, self.now - READS_S):
                continue
            is_in_force = number_hash in self.live[other] or each.fleet.suppressions.in_words() is not None
            self.promises.check(is_in_force, "a suppression is not on all replicas", name, other, phone)

    def crash(self, name: str) -> None:
        """End a replica at once: what only it had suppressed is lost."""
        super().crash(name)
        self._forget(name)

    async def stop(self, name: str, grace_s: float = 5.0) -> None:
        """Let a replica leave in good order."""
        await super().stop(name, grace_s)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.asked = {phone: asked for phone, asked in self.asked.items() if asked.only != name}

    def _arrived(self, attempt: Attempt) -> None:
        self.promises.arrived(attempt)
        for phone in {request.phone_number for request in attempt.requests}:
            asked = self.asked.get(phone)
            if asked is None or self.now - asked.at <= WITHIN_S or not self._is_known(phone):
                continue
            reaches = self._reaches_store(attempt.replica, max(asked.at, self.now - READS_S))
            must_know = asked.only == attempt.replica if asked.only else reaches
            self.promises.check(not must_know, "a call to a suppressed number", attempt.replica, phone, asked)

    def _is_known(self, phone: str) -> bool:
        """Whether the store or a living process knows a suppression."""
        kept = self._kept()
        return any(
            (number_hash := self.hashes[name].of(phone)) in self.live[name] or number_hash in kept
            for name in self.replicas
        )

    def _kept(self) -> set[bytes]:
        """Return the hashes of the numbers whose suppression the store has."""
        stored = self.store.rules.suppressions
        assert isinstance(stored, SuppressionsRules)
        return {one.number_hash for one in stored.table.values() if not one.ended}


async def _is_keyed(replica: Replica) -> bool:
    """Wait until a replica hashes with the key of its fleet; return whether it does."""
    try:
        await replica.fleet.suppressions.keyed()
    except SharedStateAway:
        return False
    return not replica.is_gone


class SuppressingTraffic(Traffic):
    """Requests for few numbers, which operators suppress and allow."""

    def phone(self) -> str:
        """Return one of few numbers."""
        return self._rng.choice(PHONES)

    def plan_operators(self, fleet: SuppressingFleet) -> None:
        """Put suppressions and their ends on the agenda, each through any replica."""
        rng = self._rng
        for _ in range(rng.randint(1, 8)):
            act = rng.choice((fleet.suppress, fleet.suppress, fleet.allow))
            at, phone = rng.uniform(0.5, BUSY_S), rng.choice(PHONES)
            fleet.at(at, act, rng.choice(NAMES), phone)
            for _ in range(LOOKED_UP):
                fleet.at(at + rng.uniform(0.0, LOOKED_UP_WITHIN_S), fleet.look_up, rng.choice(NAMES), phone)


async def run_suppressed_seed(rng: random.Random) -> SuppressingFleet:
    """Run one fleet whose operators suppress numbers, until all is calm and everything is answered."""
    fleet = random_fleet_of(SuppressingFleet, rng)
    fleet.odd_clocks.clear()  # with those, requests may wait for an hour
    traffic = SuppressingTraffic(fleet, rng)
    traffic.plan()
    traffic.plan_operators(fleet)
    await fleet.run(BUSY_S + SETTLED_S)
    await until_answered(fleet, "dial requests")
    fleet.promises.raise_if_broken()
    _check_agreement(fleet)
    await _check_probes(fleet, traffic)
    return fleet


def _check_agreement(fleet: SuppressingFleet) -> None:
    """Check that all replicas and the store know the same in calm."""
    stored = fleet.store.rules.suppressions
    assert isinstance(stored, SuppressionsRules)
    kept = fleet._kept()
    keys = {fleet.hashes[name].key for name in fleet.replicas}
    fleet.promises.check(keys == {stored.key}, "replicas hash with different keys", keys, stored.key)
    for name in fleet.replicas:
        known = {number_hash for number_hash, _ in fleet.live[name].items()}
        fleet.promises.check(known == kept, "a replica knows other suppressions", name, len(known), len(kept))
    for phone, asked in fleet.asked.items():
        is_kept = not fleet._is_known(phone) or all(
            fleet.hashes[name].of(phone) in fleet.live[name] for name in fleet.replicas
        )
        fleet.promises.check(is_kept, "a suppression was lost", phone, asked)
    fleet.promises.raise_if_broken()


async def _check_probes(fleet: SuppressingFleet, traffic: SuppressingTraffic) -> None:
    """Check that each replica refuses what is suppressed, and sends what is not."""
    refused: dict[tuple[str, str], bool] = {}
    for name in sorted(fleet.replicas):
        stream = fleet.stream(name, "probe")
        for probe in traffic.probes():
            key = probe.campaign_id, probe.client_token
            refused[key] = fleet.hashes[name].of(probe.phone_number) in fleet.live[name]
            stream.send(probe)
    before = len(fleet.promises.told)
    await until_answered(fleet, "probes")
    for told in fleet.promises.told[before:]:
        if told.service == "probe":
            is_refused = told.answer.reason is Reason.SUPPRESSED
            right = is_refused if refused[told.key] else told.answer.outcome is Outcome.ACCEPTED
            fleet.promises.check(right, "a probe in calm has another answer", told)
    fleet.promises.raise_if_broken()
