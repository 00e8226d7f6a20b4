"""A fleet of gateways in one virtual event loop: replicas, the store, the account, and their faults."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.core.compliance.port import RequestGuard
from gateway.core.engine import Limits
from gateway.core.fleet.messages import FleetActionKind, Member
from gateway.core.quota.replica_calls import IN_FLIGHT_S
from gateway.fleet.membership import SharedStateAway
from gateway.shared_state.rules.model_store import ModelStore
from gateway.shared_state.rules.rules import Rules
from tests.simulation.connect_model import Connect
from tests.simulation.fleet.account import Account
from tests.simulation.fleet.callers import Listener, Stream
from tests.simulation.fleet.promises import Promises
from tests.simulation.fleet.replica import EPOCH_S, Replica
from tests.simulation.fleet.store_network import DistantState, Weather

STEP_S = 0.1
"""Seconds between two checks whether a promise is broken."""


@dataclass(eq=False, repr=False)
class Fleet:
    """Replicas that share a store and an account. `start` adds one; the loop of `virtual_loop` must run.

    `store` is the server that replicas reach now; after a split there are two. `odd_clocks` are the errors of
    the wall clocks of replicas, by name. `guard` decides about the requests of all replicas.
    """

    limits: Limits
    connect: Connect
    rng: random.Random
    latency_s: float = 0.03
    weather: Weather = field(default_factory=Weather)
    odd_clocks: dict[str, float] = field(default_factory=dict)
    store_shift_s: float = 0.0
    guard: RequestGuard | None = None
    replicas: dict[str, Replica] = field(default_factory=dict)
    gone: list[Replica] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        fine = self.weather.lost == self.weather.late == 0.0
        self.promises = Promises(self.connect, self.loop.time, self._quota_as_set(), store_works=fine)
        self.promises.reaches_store = self._reaches_store
        self.account = Account(
            self.connect, self.rng, self.latency_s, self.promises.leaves, self.promises.arrived
        )
        self.store = ModelStore(self._store_now_ms)
        self.numbers = itertools.count(1)
        self._processes = itertools.count(1)
        self._tasks: set[asyncio.Task[object]] = set()
        self._trouble_at: dict[str, float] = {}
        self._dead: set[str] = set()

    @property
    def now(self) -> float:
        """The present instant."""
        return self.loop.time()

    def at(self, instant: float, event: Callable[..., object], *arguments: object) -> None:
        """Let something happen at `instant`, or now where that is past. A coroutine runs as a task."""

        def happen() -> None:
            self.promises.trace.append((f"{self.now:.4f}", getattr(event, "__name__", event), *arguments))
            result = event(*arguments)
            if asyncio.iscoroutine(result):
                task = asyncio.ensure_future(result)
                self._tasks.add(task)
                task.add_done_callback(self._ended)

        self.loop.call_at(max(instant, self.now), happen)

    async def run(self, until: float) -> None:
        """Carry out everything that is due until then. Raises `BrokenPromise` soon after one is broken."""
        while self.now < until:
            await asyncio.sleep(min(STEP_S, until - self.now))
            self.promises.raise_if_broken()
            for replica in (*self.replicas.values(), *self.gone):
                bug = replica.bug
                self.promises.check(bug is None, "a bug of the gateway", replica.member, bug)

    # --- replicas ----------------------------------------------------------------------------------

    def start(self, name: str) -> Replica:
        """Start a process of a replica."""
        number = next(self._processes)
        member = f"{name}-{number}"
        state = DistantState(self.store, random.Random(self.rng.random()), self.weather)

        state.beaten = lambda: self.promises.memory.reached(self.now, member)

        async def ended(members: Sequence[Member]) -> tuple[str, ...]:
            return await self._ended_members(state, members)

        replica = self.replicas[name] = Replica(
            name,
            member,
            self.limits,
            self.account,
            state,
            random.Random(self.rng.random()),
            ended=ended,
            steady_s=1000.0 * number,
            wall_error_s=self.odd_clocks.get(name, 0.0),
            guard=self.guard,
        )
        self._trouble_at[name] = self.now
        replica.start()
        return replica

    def crash(self, name: str) -> None:
        """End a replica at once. Its streams are lost."""
        replica = self.replicas.pop(name, None)
        if replica is not None:
            self._results_are_lost()
            replica.crash()
            self.promises.ended(name, replica.member)
            self._dead.add(replica.member)
            self.gone.append(replica)

    async def stop(self, name: str, grace_s: float = 5.0) -> None:
        """Let a replica leave in good order."""
        replica = self.replicas.pop(name, None)
        if replica is not None:
            self.gone.append(replica)
            await replica.stop(grace_s, self._results_are_lost)
            self.promises.ended(name, replica.member)
            self._dead.add(replica.member)

    def _results_are_lost(self) -> None:
        """Note that a replica ends before its calls have come back: they are sent again, in doubt."""
        self.promises.store_works = False

    # --- callers -----------------------------------------------------------------------------------

    def stream(self, name: str, service: str, listener: Listener | None = None) -> Stream:
        """Open a stream to a replica."""
        stream = Stream(service, self.replicas[name], self.promises)
        if listener is not None:
            stream.listener = listener
        self.streams.append(stream)
        return stream

    # --- operators ---------------------------------------------------------------------------------

    async def act(
        self, name: str, kind: FleetActionKind, campaign_id: str, *, answering: bool = False
    ) -> None:
        """Ask a replica to hold, release or purge a campaign."""
        replica = self.replicas.get(name)
        if replica is None:
            return
        if kind is FleetActionKind.HOLD:
            self.promises.held(campaign_id)
        elif kind is FleetActionKind.RELEASE:
            self.promises.releasing(campaign_id)
        split = self.is_split  # then only one of the two primaries knows of a hold
        try:
            result = await replica.act(kind, campaign_id, answering=answering)
        except SharedStateAway:
            result = None
        finally:
            if kind is FleetActionKind.RELEASE:
                self.promises.released(campaign_id)
        if kind is FleetActionKind.HOLD and (result is None or result.only_here or split or self.is_split):
            self.promises.held_here_only(campaign_id, name)

    # --- the store ---------------------------------------------------------------------------------

    def trouble(self, *names: str) -> None:
        """Note that these replicas, or all, do not reach the store for a while."""
        self.promises.store_works = False
        for name in names or self.replicas:
            self._trouble_at[name] = self.now

    def partition(self, name: str, *, cut: bool) -> None:
        """Cut a replica off from the store, or end that."""
        replica = self.replicas.get(name)
        if replica is not None:
            self.trouble(name)
            replica.state.partitioned = cut

    def lose_data(self, cause: Callable[[], None]) -> None:
        """Let the store lose data, by an event such as a flush, a start without data, or a failover."""
        knowing = [each.member for each in self.replicas.values() if each.state.has_beaten]
        self.heal(cause)
        self.promises.memory.lost(self.now, knowing)

    def split(self, data: Rules, names: Sequence[str]) -> None:
        """Let a replica of the store with these data become a second primary, which some gateways reach.

        The others still reach the first, until `reunite`.
        """

        def part() -> None:
            self.store = self.store.promoted(data)
            for name in names:
                if name in self.replicas:
                    self.replicas[name].state.store = self.store

        self.lose_data(part)

    def reunite(self) -> None:
        """Let all gateways reach the second primary only: the first is no primary any more."""
        for replica in self.replicas.values():
            replica.state.store = self.store
        self.trouble()

    @property
    def is_split(self) -> bool:
        """Whether some gateways reach another primary than others."""
        return any(replica.state.store is not self.store for replica in self.replicas.values())

    def heal(self, cure: Callable[[], None]) -> None:
        """End a fault of the store."""
        cure()
        self.trouble()

    def _reaches_store(self, name: str, since: float) -> bool:
        replica = self.replicas.get(name)
        fine = self.weather.lost == 0.0 and self.weather.late == 0.0
        trouble_at = self._trouble_at.get(name, 0.0)
        connected = (
            replica is not None and not replica.state.partitioned and replica.state.store is self.store
        )
        works = not (self.store.killed or self.store.hung or self.store.read_only)
        return fine and connected and works and trouble_at < since

    async def _ended_members(self, state: DistantState, members: Sequence[Member]) -> tuple[str, ...]:
        """Return the lost members whose connections to the store are closed, as the store sees them."""
        await asyncio.sleep(2.0 * self.weather.latency_s)
        if state.partitioned or state.store.killed or state.store.hung:
            return ()
        return tuple(each.member for each in members if each.lost and each.member in self._dead)

    # --- how ---------------------------------------------------------------------------------------

    def _store_now_ms(self) -> int:
        return int((EPOCH_S + 5_000.0 + self.now + self.store_shift_s) * 1000)

    def _quota_as_set(self) -> bool:
        """Whether the account's quota is the fleet's, with a burst that covers what is on its way.

        With a smaller burst one call more may be made than has returned, as in a single gateway.
        """
        limits, bucket = self.limits, self.connect.bucket
        on_its_way = 1.0 + limits.call_rate * max(IN_FLIGHT_S, 8.0 * self.latency_s)
        as_set = 0.0 < limits.call_rate <= bucket.rate and limits.call_burst <= bucket.burst
        return as_set and on_its_way < limits.call_burst

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.promises.check(False, "an event failed", repr(error))
