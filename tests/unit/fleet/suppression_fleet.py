"""Replicas that exchange suppressions through one store in memory, with beats that the test makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from gateway.compliance.suppression_list import LiveSuppressions
from gateway.core.fleet.messages import Member
from gateway.core.fleet.store_clock import StoreClock
from gateway.fleet.suppression_sync import SuppressionSync
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from tests.unit.dispatch.test_dispatcher import turns

EPOCH_MS = 1_700_000_000_000
ONE, TWO = b"number 1", b"number 2"


@dataclass
class Permits:
    """What permits the calls of a replica."""

    suspended: bool = False


@dataclass
class Key:
    """The key of the hashes of a replica."""

    key: bytes
    fixed: bool = False

    def use(self, key: bytes) -> None:
        self.key = key


@dataclass
class Replica:
    """One replica, whose beats the test makes."""

    name: str
    fleet: "Fleet"
    key: Key
    permits: Permits = field(default_factory=Permits)
    numbers: LiveSuppressions = field(default_factory=LiveSuppressions)
    changes: int = 0
    wakes: int = 0
    knows_members: bool = True

    def __post_init__(self) -> None:
        self.state = ModelState(self.fleet.store)
        self.sync = SuppressionSync(
            self.state, self, self.permits, self.fleet.now, StoreClock(), self._wake, confirmed_within_s=0.2
        )
        self.sync.serve(self.numbers, self.key)
        self.sync.changed = self._changed

    @property
    def member(self) -> Member:
        return Member(f"{self.name}-1", self.name)

    @property
    def members(self) -> list[Member]:
        return [each.member for each in self.fleet.replicas] if self.knows_members else []

    def sends(self) -> bool:
        return not self.permits.suspended

    async def sending(self) -> None:
        """Wait until it may send: it tries again after a pause."""
        async with asyncio.timeout(5):
            while self.permits.suspended:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def knows(self, number_hash: bytes, epoch: str = "1") -> None:
        """Wait, with beats, until it knows a suppression."""
        async with asyncio.timeout(5):
            while number_hash not in self.numbers:
                self.beat(epoch)
                await asyncio.sleep(0.01)

    def beat(self, epoch: str = "1") -> None:
        suppressions = self.fleet.store.rules.suppressions
        assert suppressions is not None
        self.sync.note_newest(epoch, suppressions.newest())

    def _changed(self) -> None:
        self.changes += 1

    def _wake(self) -> None:
        self.wakes += 1


@dataclass
class Fleet:
    """Replicas around one store, on a clock that the test sets."""

    seconds: float = 100.0
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ModelStore(lambda: EPOCH_MS + round(self.seconds * 1000))
        self.tasks: list[asyncio.Task[None]] = []

    def now(self) -> float:
        return self.seconds

    async def add(self, name: str, key: bytes = b"key", *, fixed: bool = True) -> Replica:
        replica = Replica(name, self, Key(key, fixed))
        self.replicas.append(replica)
        self.tasks.append(asyncio.create_task(replica.sync.run()))
        await turns()
        return replica

    async def beats(self) -> None:
        """Let a beat of every replica follow each change, until nobody has anything to tell."""
        for _ in range(3):
            for replica in self.replicas:
                replica.beat()
            await turns()


@asynccontextmanager
async def fleet_of(*names: str) -> AsyncIterator[Fleet]:
    fleet = Fleet()
    async with AsyncExitStack() as stack:

        async def end() -> None:
            for task in fleet.tasks:
                task.cancel()
            for task in fleet.tasks:
                with suppress(asyncio.CancelledError):
                    await task

        stack.push_async_callback(end)
        for name in names:
            await fleet.add(name)
        yield fleet
