"""A suppression reaches every replica of a fleet, and a replica that knows too little sends nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from gateway.compliance.suppression_list import LiveSuppressions
from gateway.core.fleet.messages import Member
from gateway.core.fleet.store_clock import StoreClock
from gateway.core.fleet.suppressions import Suppression, TooManySuppressions
from gateway.dispatch.fleet_control import SharedStateAway
from gateway.dispatch.fleet_key import PROPOSED_AFTER_S
from gateway.dispatch.sending_stop import BEHIND_S
from gateway.dispatch.suppression_sync import REPORTED_AGAIN_S, SuppressionSync
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from gateway.shared_state.rules.suppressions import SEEN_KEPT_MS, SuppressionsRules
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


async def test_a_suppression_is_confirmed_by_all_replicas() -> None:
    """The reply names those that have carried it out; the number is suppressed on each."""
    async with fleet_of("a", "b", "c") as fleet:
        acting = asyncio.create_task(fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        assert ONE in fleet.replicas[0].numbers  # before the others know
        await fleet.beats()
        result = await acting
        assert (result.fleet.confirmed, result.fleet.unconfirmed) == (("a", "b", "c"), ())
        assert not result.existed
        for replica in fleet.replicas:
            assert ONE in replica.numbers
            assert replica.changes == 1


@pytest.mark.timed
async def test_a_replica_that_does_not_hear_is_named() -> None:
    """The reply comes after the longest wait for confirmations."""
    async with fleet_of("a", "b") as fleet:
        result = await fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it")
        assert (result.fleet.confirmed, result.fleet.unconfirmed) == (("a",), ("b",))
        assert ONE not in fleet.replicas[1].numbers


async def test_an_end_is_carried_out_by_all_replicas() -> None:
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        await a.sync.suppress(ONE, "Ines", "asked for it")
        b = await fleet.add("b")
        assert ONE in b.numbers
        acting = asyncio.create_task(b.sync.end(ONE, "Ines", "wants calls"))
        await turns()
        await fleet.beats()
        result = await acting
        assert result is not None
        assert result.fleet.unconfirmed == ()
        assert ONE not in a.numbers
        assert await b.sync.end(ONE, "Ines", "again") is None


async def test_nothing_is_sent_before_the_suppressions_were_read() -> None:
    """A starting replica that does not reach the store is suspended, until it has read everything."""
    fleet = Fleet()
    fleet.store.kill()
    replica = Replica("a", fleet, Key(b"key", fixed=True))
    assert not replica.sends()
    running = asyncio.create_task(replica.sync.run())
    try:
        await turns()
        assert "were not read yet" in (replica.sync.in_words() or "")
        fleet.store.start()
        replica.beat()
        await replica.sending()
        assert replica.wakes == 1
        assert replica.sync.in_words() is None
    finally:
        running.cancel()


async def test_a_replica_that_stays_behind_stops_sending() -> None:
    """A beat tells of a suppression that cannot be read: after a while nothing is sent."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        b.state.partitioned = True
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        b.beat()
        assert b.sync.in_words() is None
        fleet.seconds += BEHIND_S
        b.beat()
        assert not b.sends()
        b.state.partitioned = False
        await b.sending()
        assert ONE in b.numbers
        await acting


async def test_a_suppression_without_the_store_applies_here_and_is_shared_later() -> None:
    """It is refused with a clear error after it has taken effect, and the others get it later."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        fleet.store.hang()
        with pytest.raises(SharedStateAway):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        assert ONE in a.numbers
        with pytest.raises(SharedStateAway):
            await a.sync.end(TWO, "Ines", "wants calls")
        fleet.store.hung = False
        await b.knows(ONE)


async def test_a_flushed_store_gets_the_suppressions_back() -> None:
    """A replica that starts later reads them, although the others only had them in memory."""
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        a.beat()
        await a.sync.suppress(ONE, "Ines", "asked for it")
        fleet.store.flush()
        a.beat("2")
        await turns()
        late = await fleet.add("late")
        assert ONE in late.numbers
        assert ONE in a.numbers


async def test_a_refused_suppression_is_taken_back() -> None:
    """The store has as many as it keeps: the number is not suppressed here only."""
    async with fleet_of("a") as fleet:
        fleet.store.rules.suppressions = SuppressionsRules(limit=1, key=b"key")
        (a,) = fleet.replicas
        await a.sync.suppress(ONE, "Ines", "asked for it")
        with pytest.raises(TooManySuppressions):
            await a.sync.suppress(TWO, "Ines", "asked for it")
        assert TWO not in a.numbers


async def test_replicas_hash_with_the_key_of_the_fleet() -> None:
    """A replica without a key of its own takes the fleet's before it sends anything."""
    async with fleet_of("a") as fleet:
        late = await fleet.add("late", b"drawn by itself", fixed=False)
        assert late.key.key == b"key"
        assert late.sends()


async def test_a_new_fleet_takes_the_key_of_its_first_replica() -> None:
    """Nobody proposes a key for a second, since a replica that knows suppressions may have one in use."""
    fleet = Fleet()
    try:
        a = await fleet.add("a", b"drawn by a", fixed=False)
        b = await fleet.add("b", b"drawn by b", fixed=False)
        assert a.sends()  # nothing can be suppressed yet
        asking = asyncio.create_task(b.sync.keyed())
        await turns()
        assert not asking.done()
        fleet.seconds += PROPOSED_AFTER_S
        await asking
        await a.sync.keyed()
        assert a.key.key == b.key.key
    finally:
        for task in fleet.tasks:
            task.cancel()


async def test_the_key_in_use_comes_back_to_a_store_without_data() -> None:
    """A new replica that meets the empty store first takes the key of one that knows suppressions."""
    async with fleet_of("a") as fleet:
        (a,) = fleet.replicas
        a.beat()
        await a.sync.suppress(ONE, "Ines", "asked for it")
        fleet.store.flush()
        new = await fleet.add("new", b"drawn by itself", fixed=False)
        a.beat("2")
        await new.sync.keyed()
        assert new.key.key == b"key"
        await new.knows(ONE, "2")


async def test_a_replica_with_another_key_from_a_file_sends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its hashes would match no suppression, so it is suspended, says so once, and leaves the store alone."""
    async with fleet_of("a") as fleet:
        await fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it")
        with caplog.at_level(logging.ERROR):
            other = await fleet.add("other", b"of a file", fixed=True)
        assert not other.sends()
        assert "DIAL_GATEWAY_GUARD_KEY_FILE" in (other.sync.in_words() or "")
        assert len(caplog.records) == 1
        assert len(other.numbers) == 0


async def test_replies_of_an_outage_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first failed question that keeps the replica from sending is logged."""
    fleet = Fleet()
    fleet.store.kill()
    replica = Replica("a", fleet, Key(b"key"))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert not await replica.sync._exchange()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with pytest.raises(SharedStateUnavailable):
        fleet.store.suppress(None)  # type: ignore[arg-type]


async def test_a_look_up_reads_what_the_store_has_now() -> None:
    """A suppression of which no beat has told yet is found, with one exchange, and all replicas are named."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        b.beat()
        await turns()
        told = await b.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.unconfirmed) == (True, ("a", "b"), ())
        found = b.sync.get(ONE)
        assert found is not None
        assert (found.actor, found.reason, len(b.sync)) == ("Ines", "asked for it", 1)
        assert 0 < found.version <= told.everywhere
        asked = fleet.store.rules.suppressions
        assert asked is not None
        asked.suppress(EPOCH_MS + 200_000, Suppression(TWO, "Jon", "by another replica"))
        assert b.sync.get(TWO) is None
        await b.sync.read()
        assert b.sync.get(TWO) is not None


@pytest.mark.timed
async def test_a_look_up_names_a_replica_that_lacks_a_suppression() -> None:
    """What that replica has carried out before is still in force everywhere."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas
        acting = asyncio.create_task(a.sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        b.state.partitioned = True
        await a.sync.suppress(TWO, "Ines", "asked for it")
        told = await a.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.unconfirmed) == (True, ("a",), ("b",))
        one, two = a.sync.get(ONE), a.sync.get(TWO)
        assert one is not None
        assert two is not None
        assert one.version <= told.everywhere < two.version


@pytest.mark.timed
async def test_a_look_up_without_the_store_says_so() -> None:
    """It ends within a second or so, and a suppression that is only here has no version."""
    async with fleet_of("a", "b") as fleet:
        a, _ = fleet.replicas
        fleet.store.hang()
        with pytest.raises(SharedStateAway):
            await a.sync.suppress(ONE, "Ines", "asked for it")
        told = await a.sync.read()
        assert (told.complete, told.everywhere, told.fleet.unconfirmed) == (False, 0, ("b",))
        found = a.sync.get(ONE)
        assert found is not None
        assert found.version == 0


async def test_idle_replicas_are_not_forgotten() -> None:
    """They report again what they have carried out, before the store forgets them."""
    async with fleet_of("a", "b") as fleet:
        acting = asyncio.create_task(fleet.replicas[0].sync.suppress(ONE, "Ines", "asked for it"))
        await turns()
        await fleet.beats()
        await acting
        for _ in range(round(2 * SEEN_KEPT_MS / 1000 / REPORTED_AGAIN_S)):
            fleet.seconds += REPORTED_AGAIN_S
            await fleet.beats()
        told = await fleet.replicas[1].sync.read()
        assert told.fleet.unconfirmed == ()


@pytest.mark.timed
async def test_a_replica_that_knows_no_members_does_not_speak_for_them() -> None:
    """Before its first beat others may exist, so a suppression is confirmed for this replica only."""
    async with fleet_of("a", "b") as fleet:
        a, _ = fleet.replicas
        a.knows_members = False
        result = await a.sync.suppress(ONE, "Ines", "asked for it")
        assert (result.fleet.confirmed, result.fleet.only_here) == (("a",), True)
        told = await a.sync.read()
        assert not told.complete
        a.knows_members = True
        await fleet.beats()
        told = await a.sync.read()
        assert (told.complete, told.fleet.confirmed, told.fleet.only_here) == (True, ("a", "b"), False)


async def test_after_a_loss_a_replica_agrees_on_the_key_again() -> None:
    """Others may have given the store another key, so an operator waits until this replica has read it."""
    async with fleet_of("a") as fleet:
        late = await fleet.add("late", b"drawn by itself", fixed=False)
        late.beat()
        await late.sync.keyed()
        fleet.store.flush()
        fleet.store.rules.suppressions = SuppressionsRules(key=b"of another replica")
        late.state.partitioned = True
        late.beat("2")
        asking = asyncio.create_task(late.sync.keyed())
        await turns()
        assert not asking.done()
        late.state.partitioned = False
        await asking
        assert late.key.key == b"of another replica"
