"""The quota is never exceeded, whatever fails and in which order, and is used again soon after."""

import copy
import random

import pytest

from gateway.core.model import Priority
from gateway.shared_state.rules.quota import QuotaRules
from gateway.simulator.quota import TokenBucket
from tests.cases import cases
from tests.simulation.quota.fleet import Fleet, Replica

PERIODS, PERIOD_S = 12, 3.0
QUIET_S = 8.0
JITTER_S = 0.03
FAULTS = (
    "cut",
    "cut_replies",
    "heal",
    "kill",
    "leave",
    "start",
    "kill_or_start_store",
    "hang_or_resume_store",
    "flush",
    "fail_over",
    "set_clock",
)


class Trouble:
    """Random faults and load, by seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        rate, burst = rng.choice([(10.0, 10.0), (10.0, 10.0), (10.0, 5.0), (10.0, 2.0), (50.0, 20.0)])
        self.fleet = fleet = Fleet(rng.choice([1, 2, 3, 3, 3, 5]), rate=rate, burst=burst, seed=seed)
        if burst < 5.0:  # no call of so small a burst can be spared for the jitter of the network
            fleet.account = TokenBucket(rate, burst + rate * JITTER_S)
        slow = rng.choice([0.002, 0.002, 0.05, 0.12])
        fleet.link_s = lambda: rng.uniform(0.0005, slow)
        fleet.call_s = self.call_s
        self.snapshot = copy.deepcopy(fleet.store.rules)
        self.names = iter(range(1000))
        fleet.every(0.25, self.load)

    def call_s(self) -> tuple[float, float]:
        arrives = self.rng.uniform(0.002, 0.002 + JITTER_S)
        return arrives, arrives + (self.rng.uniform(0.01, 0.2) if self.rng.random() < 0.9 else 1.5)

    def load(self) -> None:
        """Keep a backlog at most replicas; a few have little to do."""
        for number, replica in enumerate(self.fleet.replicas):
            if replica.dead:
                continue
            if number % 3 == 2:
                if self.rng.random() < 0.2:
                    replica.send(self.rng.randrange(1, 40), "sparse", self.rng.choice(list(Priority)))
            elif replica.waiting["backlog"] < 300:
                replica.send(300, "backlog")

    def alive(self) -> list[Replica]:
        return [replica for replica in self.fleet.replicas if not replica.dead]

    def fault(self) -> None:
        """Let one thing go wrong, or right again."""
        getattr(self, self.rng.choice(FAULTS))(self.rng.choice(self.alive()))
        if self.rng.random() < 0.5:
            self.snapshot = copy.deepcopy(self.fleet.store.rules)

    def cut(self, replica: Replica) -> None:
        replica.partition()

    def cut_replies(self, replica: Replica) -> None:
        replica.partition(replies_only=True)

    def heal(self, _: Replica) -> None:
        for one in self.fleet.replicas:
            one.heal()

    def kill(self, replica: Replica) -> None:
        if len(self.alive()) > 1:
            replica.kill()

    def leave(self, replica: Replica) -> None:
        if len(self.alive()) > 1:
            replica.leave()

    def start(self, _: Replica) -> None:
        """Start a replica, unless only replicas that are cut off still know the fleet.

        A store that has lost everything cannot know then that others live without it.
        """
        state = self.fleet.store.rules.state
        if state is None or not {one.member for one in self.alive()} <= state.members.keys():
            return
        self.fleet.replicas.append(self.fleet.replica(f"new-{next(self.names)}"))

    def kill_or_start_store(self, _: Replica) -> None:
        if self.fleet.store.killed:
            self.fleet.store.restart()
        else:
            self.fleet.store.killed = True

    def hang_or_resume_store(self, _: Replica) -> None:
        if self.fleet.store.hung:
            self.fleet.store.resume(self.fleet.now)
        else:
            self.fleet.store.hung = True

    def flush(self, _: Replica) -> None:
        self.fleet.store.rules = QuotaRules()

    def fail_over(self, _: Replica) -> None:
        """Promote a copy that lacks the last writes."""
        store = self.fleet.store
        store.rules, store.killed, store.hung = copy.deepcopy(self.snapshot), False, False
        store.history += 1

    def set_clock(self, _: Replica) -> None:
        self.fleet.store.ahead_ms += self.rng.choice([-5000, 3_600_000, 400])

    def all_well(self) -> None:
        for one in self.fleet.replicas:
            one.heal()
        if self.fleet.store.killed:
            self.fleet.store.restart()
        if self.fleet.store.hung:
            self.fleet.store.resume(self.fleet.now)


@pytest.mark.parametrize("seed", range(cases(8, 40)))
def test_the_quota_is_never_exceeded(seed: int) -> None:
    trouble = Trouble(seed)
    fleet = trouble.fleet
    fleet.run(4.0)
    for _ in range(PERIODS):
        trouble.fault()
        fleet.run(fleet.now + trouble.rng.uniform(0.1, PERIOD_S))
        assert fleet.throttled == 0
    trouble.all_well()
    fleet.run(fleet.now + QUIET_S)
    assert fleet.throttled == 0
